//! The emulated machine that guests are booted in.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use guestmark_builder::boot::{AcpiTables, BootArtifacts, BootOptions, BootOutcome, boot};

use crate::artifacts::artifacts;

/// The machine, for one guest at a time: more of them only make each other wait for a core.
pub(crate) fn machine() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    // A test that failed with the machine leaves nothing in it.
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The IGVM file and the disk image of a guest with the recipe's agent.
pub(crate) fn guest<'a>(igvm: &'a Path, disk: &'a Path) -> BootArtifacts<'a> {
    BootArtifacts {
        igvm,
        disk: Some(disk),
        agent_port: &artifacts().measurement.agent.port,
    }
}

/// How guests are booted: with more time than a busy machine needs.
pub(crate) fn options(acpi: AcpiTables) -> BootOptions {
    BootOptions {
        time_limit: Duration::from_secs(300),
        acpi,
        ..BootOptions::default()
    }
}

/// Boots a guest until it is clear what becomes of it.
pub(crate) fn booted(igvm: &Path, disk: &Path, acpi: AcpiTables) -> BootOutcome {
    let _machine = machine();
    boot(&guest(igvm, disk), &options(acpi), &mut |_| {}).unwrap()
}

/// A guest's console as text.
pub(crate) fn console(outcome: &BootOutcome) -> String {
    String::from_utf8_lossy(&outcome.console).into_owned()
}
