//! What the host may ask of the guest's agent.

use guestmark_builder::boot::{AcpiTables, AgentError, BootEnd, BootError, Guest};
use serde_json::{Value, json};

use crate::artifacts::artifacts;
use crate::machine;

/// What the host may ask, in alphabetical order.
const ALLOWED: [&str; 18] = [
    "guest-fsfreeze-status",
    "guest-get-cpustats",
    "guest-get-disks",
    "guest-get-diskstats",
    "guest-get-fsinfo",
    "guest-get-host-name",
    "guest-get-memory-block-info",
    "guest-get-memory-blocks",
    "guest-get-osinfo",
    "guest-get-time",
    "guest-get-timezone",
    "guest-get-users",
    "guest-get-vcpus",
    "guest-info",
    "guest-network-get-interfaces",
    "guest-ping",
    "guest-sync",
    "guest-sync-delimited",
];

/// A guest whose agent has answered.
struct Answering {
    guest: Guest,
    console: Vec<u8>,
}

impl Answering {
    fn start() -> Self {
        let built = artifacts();
        let (igvm, disk) = (built.igvm(), built.disk());
        let options = machine::options(AcpiTables::Machine);
        let mut guest = Guest::start(&machine::guest(&igvm, &disk), &options).unwrap();
        let mut console = Vec::new();
        let end = guest
            .wait_for_agent(&mut |bytes| console.extend_from_slice(bytes))
            .unwrap();
        let said = String::from_utf8_lossy(&console);
        assert_eq!(end, BootEnd::AgentAnswered, "{said}");
        Self { guest, console }
    }

    fn ask(&mut self, command: &str, arguments: Value) -> Result<Value, BootError> {
        let console = &mut |bytes: &[u8]| self.console.extend_from_slice(bytes);
        self.guest.command(command, arguments, console)
    }

    /// The agent's words when it refuses a command.
    fn refusal(&mut self, command: &str, arguments: Value) -> String {
        match self.ask(command, arguments) {
            Err(BootError::Agent(AgentError::Refused { description, .. })) => description,
            other => panic!("{command} was not refused: {other:?}"),
        }
    }
}

#[test]
fn the_agent_tells_how_the_guest_is_and_runs_and_writes_nothing() {
    let _machine = machine::machine();
    let mut guest = Answering::start();

    let system = guest.ask("guest-get-osinfo", json!({})).unwrap();
    assert_eq!(system["id"], "debian");
    assert_eq!(system["version-id"], "12");

    for (command, arguments) in [
        ("guest-exec", json!({ "path": "/usr/bin/systemctl" })),
        (
            "guest-file-open",
            json!({ "path": "/etc/hostname", "mode": "r" }),
        ),
        (
            "guest-file-open",
            json!({ "path": "/tmp/file", "mode": "w" }),
        ),
        (
            "guest-set-user-password",
            json!({ "username": "root", "password": "eA==", "crypted": false }),
        ),
        (
            "guest-ssh-add-authorized-keys",
            json!({ "username": "root", "keys": ["ssh-ed25519 key"] }),
        ),
    ] {
        assert_eq!(
            guest.refusal(command, arguments),
            format!("Command {command} has been disabled")
        );
    }

    // Nothing that is left runs a program, or reads or writes a file.
    let told = guest.ask("guest-info", json!({})).unwrap();
    let commands = told["supported_commands"].as_array().unwrap();
    let mut allowed: Vec<_> = commands
        .iter()
        .filter(|command| command["enabled"] == true)
        .map(|command| command["name"].as_str().unwrap())
        .collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ALLOWED);
}
