use std::env;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::tiny_guest::{TEXT, TinyGuest};
use super::*;

/// An IGVM file in a folder of its own, and beside it programs that stand in for QEMU.
struct Files {
    folder: TempDir,
    igvm: PathBuf,
}

impl Files {
    fn of(guest: &TinyGuest) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let igvm = folder.path().join("guest.igvm");
        fs_err::write(&igvm, guest.igvm()).unwrap();
        Self { folder, igvm }
    }

    fn artifacts(&self) -> BootArtifacts<'_> {
        BootArtifacts {
            igvm: &self.igvm,
            disk: None,
            agent_port: "org.qemu.guest_agent.0",
        }
    }

    /// Boots with a shell script in place of QEMU.
    fn with_script(&self, script: &str) -> BootOptions {
        let path = self.folder.path().join("qemu");
        fs_err::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs_err::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        BootOptions {
            qemu: path,
            ..BootOptions::default()
        }
    }
}

fn halting() -> TinyGuest {
    TinyGuest::running(&[0xf4])
}

/// Boots in the real QEMU (Debian package qemu-system-x86).
fn boot_for_real(guest: &TinyGuest, time_limit: Duration) -> BootOutcome {
    let options = BootOptions {
        time_limit,
        ..BootOptions::default()
    };
    boot(&Files::of(guest).artifacts(), &options, &mut |_| {}).unwrap()
}

#[test]
fn a_guest_starts_with_the_registers_memory_and_segments_of_its_igvm_file() {
    // Writes CS and SS, RCX bytes at RSI and R14 bytes at R15 to port DX.
    let mut guest = TinyGuest::running(&[
        0x8c, 0xc8, // mov eax, cs
        0xee, // out dx, al
        0x8c, 0xd0, // mov eax, ss
        0xee, // out dx, al
        0xe8, 0x08, 0, 0, 0, // call print
        0x4c, 0x89, 0xfe, // mov rsi, r15
        0x4c, 0x89, 0xf1, // mov rcx, r14
        0xeb, 0,    // jmp print
        0xac, // print: lodsb
        0xee, // out dx, al
        0xe2, 0xfc, // loop print
        0xc3, // ret
    ]);
    let texts = ["first text\n", "Kernel panic - not syncing: test over\n"];
    guest.memory.insert(TEXT, texts.concat().into_bytes());
    guest.vmsa.rdx = 0x3f8;
    guest.vmsa.rsi = TEXT;
    guest.vmsa.rcx = texts[0].len() as u64;
    guest.vmsa.r15 = TEXT + texts[0].len() as u64;
    guest.vmsa.r14 = texts[1].len() as u64;

    let outcome = boot_for_real(&guest, Duration::from_secs(120));
    let panic = "Kernel panic - not syncing: test over";
    let console = String::from_utf8_lossy(&outcome.console);
    assert_eq!(
        outcome.end,
        BootEnd::KernelPanic(panic.to_owned()),
        "{console}"
    );
    assert!(console.contains("\x10\x18first text\n"), "{console:?}");
    assert!(!outcome.is_success());
}

#[test]
fn a_guest_that_resets_itself_has_stopped() {
    // mov al, 0xfe; out 0x64, al: the keyboard controller's reset line.
    let guest = TinyGuest::running(&[0xb0, 0xfe, 0xe6, 0x64, 0xf4]);
    let outcome = boot_for_real(&guest, Duration::from_secs(120));
    assert_eq!(outcome.end, BootEnd::Stopped(String::new()));
}

#[test]
fn a_guest_that_says_nothing_uses_up_its_time() {
    let outcome = boot_for_real(&halting(), Duration::from_secs(1));
    assert_eq!(outcome.end, BootEnd::TimedOut);
}

#[test]
fn a_disk_that_is_missing_is_named() {
    let files = Files::of(&halting());
    let disk = files.folder.path().join("no, disk.img");
    let artifacts = BootArtifacts {
        disk: Some(&disk),
        ..files.artifacts()
    };
    let error = boot(&artifacts, &BootOptions::default(), &mut |_| {}).unwrap_err();
    let message = error.to_string();
    assert!(message.contains(&disk.display().to_string()), "{message}");
}

#[test]
fn a_file_that_is_not_igvm_is_named() {
    let files = Files::of(&halting());
    fs_err::write(&files.igvm, "no IGVM").unwrap();
    let error = boot(&files.artifacts(), &BootOptions::default(), &mut |_| {}).unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with(&files.igvm.display().to_string()),
        "{message}"
    );
}

#[test]
fn without_qemu_the_message_names_the_package() {
    let options = BootOptions {
        qemu: PathBuf::from("qemu-system-none"),
        ..BootOptions::default()
    };
    let files = Files::of(&halting());
    assert_eq!(
        boot(&files.artifacts(), &options, &mut |_| {})
            .unwrap_err()
            .to_string(),
        "qemu-system-none was not found; install it (Debian package qemu-system-x86)"
    );
}

#[test]
fn a_qemu_that_fails_is_quoted() {
    let files = Files::of(&halting());
    let options = files.with_script("echo 'unknown machine' >&2; exit 3");
    assert_eq!(
        boot(&files.artifacts(), &options, &mut |_| {})
            .unwrap_err()
            .to_string(),
        "QEMU failed (exit status: 3): unknown machine"
    );
}

#[test]
fn a_corrupted_block_is_reported_with_the_panic_that_follows() {
    let files = Files::of(&halting());
    let options = files.with_script(
        "echo 'device-mapper: verity: 254:1: metadata block 1 is corrupted'
         echo 'Kernel panic - not syncing: dm-verity device corrupted'
         exec sleep 1000",
    );
    let mut shown = Vec::new();
    let outcome = boot(&files.artifacts(), &options, &mut |bytes| {
        shown.extend_from_slice(bytes)
    });
    let outcome = outcome.unwrap();
    let panic = "Kernel panic - not syncing: dm-verity device corrupted".to_owned();
    assert_eq!(outcome.end, BootEnd::KernelPanic(panic));
    let corruption = "device-mapper: verity: 254:1: metadata block 1 is corrupted";
    assert_eq!(outcome.corruption.as_deref(), Some(corruption));
    assert_eq!(outcome.console, shown);
}

#[test]
fn qemu_does_not_outlive_its_guest() {
    let files = Files::of(&halting());
    let options = files.with_script("echo \"Kernel panic - not syncing: $$\"; exec sleep 1000");
    let outcome = boot(&files.artifacts(), &options, &mut |_| {}).unwrap();
    let BootEnd::KernelPanic(line) = outcome.end else {
        panic!("{outcome:?}");
    };
    let id = line.rsplit(' ').next().unwrap();
    assert!(
        !Path::new("/proc").join(id).exists(),
        "process {id} is left"
    );
}

/// In the part of QEMU: an agent whose port still holds an older reply, and which allows few
/// commands.
fn play_agent(arguments: &str) {
    let (_, socket) = arguments.split_once("socket,id=agent,path=").unwrap();
    let stream = UnixStream::connect(socket.split(' ').next().unwrap()).unwrap();
    let mut answers = stream.try_clone().unwrap();
    println!("\nagent started");
    answers
        .write_all(b"half a rep\xff{\"return\": 0}\n")
        .unwrap();
    for line in BufReader::new(stream).split(b'\n') {
        let line = line.unwrap();
        let json = line.rsplit(|byte| *byte == 0xff).next().unwrap();
        let request: Value = serde_json::from_slice(json).unwrap();
        let reply = match request["execute"].as_str().unwrap() {
            "guest-sync-delimited" => json!({ "return": request["arguments"]["id"] }),
            "guest-ping" => json!({ "return": {} }),
            "guest-info" => json!({ "return": request["arguments"] }),
            _ => json!({ "error": { "class": "CommandNotFound", "desc": "it is disabled" } }),
        };
        writeln!(answers, "{reply}").unwrap();
    }
}

#[test]
fn the_agent_answers_and_runs_commands() {
    const ROLE: &str = "GUESTMARK_TEST_QEMU";
    if let Ok(arguments) = env::var(ROLE) {
        return play_agent(&arguments);
    }
    let files = Files::of(&halting());
    let this = env::current_exe().unwrap();
    let options = files.with_script(&format!(
        "{ROLE}=\"$*\" exec {:?} --exact boot::tests::the_agent_answers_and_runs_commands \
         --nocapture",
        this.display().to_string()
    ));
    let mut shown = Vec::new();
    let mut console = |bytes: &[u8]| shown.extend_from_slice(bytes);
    let mut guest = Guest::start(&files.artifacts(), &options).unwrap();
    assert_eq!(
        guest.wait_for_agent(&mut console).unwrap(),
        BootEnd::AgentAnswered
    );

    let info = guest.command("guest-info", json!({ "a": 1 }), &mut console);
    assert_eq!(info.unwrap(), json!({ "a": 1 }));
    let refused = guest.command("guest-exec", json!({ "path": "/bin/sh" }), &mut console);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "guest agent: guest-exec was refused: CommandNotFound: it is disabled"
    );
    assert!(guest.stop(BootEnd::AgentAnswered).is_success());
    assert!(String::from_utf8_lossy(&shown).contains("agent started"));
}
