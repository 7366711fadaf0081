//! The `boot` command, and what a guest shows of itself on the console, which the host reads.

use std::process::Output;

use serde_json::Value;

use crate::artifacts::artifacts;
use crate::machine;
use crate::program::{GUESTMARK, command};

/// A line of the journal from before the agent starts, and from after PID 1 has stopped writing to
/// the kernel's log, which is on every console.
const LINE_OF_JOURNAL: &str = "systemd[1]: Finished systemd-update-utmp.service";

/// Boots with the command, which must find that the agent answers: the console.
fn console_of(variant: &[&str]) -> String {
    let _machine = machine::machine();
    let mut boot = command(&[GUESTMARK, "boot", "--json", "--timeout", "300"]);
    let Output {
        status,
        stdout,
        stderr,
    } = boot
        .args(variant)
        .arg(&artifacts().directory)
        .output()
        .unwrap();
    let console = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(0), "{console}");
    let report: Value = serde_json::from_slice(&stdout).unwrap();
    assert_eq!(report["agent_answered"], true);
    console
}

#[test]
fn only_the_debug_variant_shows_its_journal_to_the_host() {
    let production = console_of(&[]);
    assert!(!production.contains(LINE_OF_JOURNAL), "{production}");
    let debug = console_of(&["--debug-variant"]);
    assert!(debug.contains(LINE_OF_JOURNAL), "{debug}");
}
