//! Boots the built artifacts in QEMU, under software emulation.
//!
//! The guest starts from the IGVM file itself ([`pvh`] says what is and is not shown by that) and
//! has booted when its agent answers.

mod agent;
mod console;
mod guest;
pub mod pvh;
mod qemu;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use agent::AgentError;
pub use guest::Guest;
pub use pvh::{AcpiTables, PvhError};
pub use qemu::QemuError;

/// A boot that could not be tried.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The IGVM file cannot be booted in QEMU.
    #[error("{path}: {source}", path = .path.display())]
    Igvm {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: PvhError,
    },
    /// QEMU cannot be run.
    #[error(transparent)]
    Qemu(#[from] QemuError),
    /// The agent said something that is not its protocol.
    #[error("guest agent: {0}")]
    Agent(#[from] AgentError),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What is booted.
#[derive(Debug, Clone, Copy)]
pub struct BootArtifacts<'a> {
    /// The IGVM file.
    pub igvm: &'a Path,
    /// The disk image, for guests that have one. It is only read.
    pub disk: Option<&'a Path>,
    /// The virtio-serial port on which the agent listens.
    pub agent_port: &'a str,
}

/// How it is booted.
#[derive(Debug, Clone)]
pub struct BootOptions {
    /// How long the guest may take until its agent answers.
    pub time_limit: Duration,
    /// Whose ACPI tables the kernel uses.
    pub acpi: AcpiTables,
    /// The QEMU program, by path or as found in `PATH`.
    pub qemu: PathBuf,
}

impl Default for BootOptions {
    /// Three minutes: a guest that takes ten seconds alone takes far longer on a busy machine.
    fn default() -> Self {
        Self {
            time_limit: Duration::from_secs(180),
            acpi: AcpiTables::Machine,
            qemu: PathBuf::from("qemu-system-x86_64"),
        }
    }
}

/// How a boot ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootEnd {
    /// The agent answered a ping.
    AgentAnswered,
    /// The kernel panicked: the line on the console that says so.
    KernelPanic(String),
    /// The guest switched off or reset itself, or QEMU gave up; what QEMU said then, if anything.
    Stopped(String),
    /// Nothing of this happened in time.
    TimedOut,
}

/// What came of a boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootOutcome {
    /// How it ended.
    pub end: BootEnd,
    /// The first line on the console in which dm-verity reports corruption, if there is one.
    pub corruption: Option<String>,
    /// What the guest wrote to its console, up to 16 MiB.
    pub console: Vec<u8>,
}

impl BootOutcome {
    /// Whether the agent answered, and from an intact root file system.
    pub fn is_success(&self) -> bool {
        self.end == BootEnd::AgentAnswered && self.corruption.is_none()
    }
}

/// Boots a guest until its agent answers or it is clear that it will not, and stops it. `console`
/// is given what the guest writes to its console, as it comes.
///
/// # Errors
/// Artifacts that cannot be read or booted in this way, and QEMU missing or failing to start. A
/// guest that does not come up is an outcome.
pub fn boot(
    artifacts: &BootArtifacts<'_>,
    options: &BootOptions,
    console: &mut dyn FnMut(&[u8]),
) -> Result<BootOutcome, BootError> {
    let mut guest = Guest::start(artifacts, options)?;
    let end = guest.wait_for_agent(console)?;
    Ok(guest.stop(end))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tiny_guest;
