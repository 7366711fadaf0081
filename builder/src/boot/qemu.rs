//! The QEMU process.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tempfile::TempDir;

/// The most of QEMU's own messages that is kept, in bytes.
const MESSAGES_LIMIT: u64 = 1 << 16;

/// Pieces of console output that wait to be looked at; QEMU waits when there are more.
const PIECES: usize = 16;

/// QEMU that cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum QemuError {
    /// There is no such program.
    #[error(
        "{program} was not found; install it (Debian package qemu-system-x86)",
        program = .0.display()
    )]
    Missing(PathBuf),
    /// The program exists but does not start.
    #[error("cannot start {program}: {source}", program = .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// QEMU ended before it ran the guest.
    #[error("QEMU failed ({status}): {messages}")]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        messages: String,
    },
}

/// The machine that QEMU emulates.
#[derive(Debug)]
pub(super) struct Machine<'a> {
    /// The QEMU program.
    pub(super) program: &'a Path,
    /// The PVH guest.
    pub(super) kernel: &'a Path,
    /// RAM in bytes, a whole number of mebibytes.
    pub(super) memory: u64,
    /// The first virtio disk, read-only.
    pub(super) disk: Option<&'a Path>,
    /// The name of the agent's virtio-serial port.
    pub(super) agent_port: &'a str,
}

impl Machine<'_> {
    /// QEMU's arguments, with the agent's port connected to `socket`.
    fn command(&self, socket: &Path) -> Command {
        let mut command = Command::new(self.program);
        command
            .args([
                "-no-user-config",
                "-nodefaults",
                "-display",
                "none",
                "-no-reboot",
            ])
            // QEMU 7.2 emulates CMPXCHG16B wrongly for some kernels.
            .args(["-machine", "q35", "-accel", "tcg", "-cpu", "max,-cx16"])
            .args(["-m", &format!("{}M", self.memory >> 20)])
            .arg("-kernel")
            .arg(self.kernel)
            .args(["-serial", "stdio"])
            .args(["-device", "virtio-serial-pci"])
            .arg("-chardev")
            .arg(option("socket,id=agent,path=", socket.as_os_str()))
            .arg("-device")
            .arg(option(
                "virtserialport,chardev=agent,name=",
                self.agent_port.as_ref(),
            ));
        if let Some(disk) = self.disk {
            let drive = "format=raw,if=virtio,readonly=on,file.driver=file,file.filename=";
            command.arg("-drive").arg(option(drive, disk.as_os_str()));
        }
        command
    }
}

/// An option of QEMU's with its last value, in which commas are doubled.
fn option(start: &str, value: &OsStr) -> OsString {
    let mut bytes = start.as_bytes().to_vec();
    for byte in value.as_bytes() {
        bytes.push(*byte);
        if *byte == b',' {
            bytes.push(b',');
        }
    }
    OsString::from_vec(bytes)
}

/// A running QEMU. Dropping it kills the process.
#[derive(Debug)]
pub(super) struct Qemu {
    child: Child,
    console: Receiver<Vec<u8>>,
    messages: Option<JoinHandle<String>>,
    agent: UnixListener,
    /// Holds the agent's socket and what the machine was started from.
    _folder: TempDir,
}

/// What a look at the console brings.
#[derive(Debug)]
pub(super) enum ConsoleOutput {
    /// The guest wrote this.
    Bytes(Vec<u8>),
    /// Nothing for now.
    Quiet,
    /// Nothing more will come: QEMU has ended.
    Ended,
}

impl Qemu {
    /// Starts QEMU; `folder` lives as long as it.
    pub(super) fn start(machine: &Machine<'_>, folder: TempDir) -> Result<Self, QemuError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => QemuError::Missing(machine.program.to_owned()),
            _ => QemuError::Start {
                program: machine.program.to_owned(),
                source,
            },
        };
        let start = || {
            let socket = folder.path().join("agent");
            let agent = UnixListener::bind(&socket)?;
            agent.set_nonblocking(true)?;
            let child = machine
                .command(&socket)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            Ok((child, agent))
        };
        let (mut child, agent) = start().map_err(failed)?;
        let (sender, console) = mpsc::sync_channel(PIECES);
        if let Some(mut stdout) = child.stdout.take() {
            thread::spawn(move || {
                let mut buffer = vec![0; 1 << 13];
                while let Ok(read @ 1..) = stdout.read(&mut buffer) {
                    if sender.send(buffer[..read].to_vec()).is_err() {
                        break;
                    }
                }
            });
        }
        let messages = child.stderr.take().map(|mut stderr| {
            thread::spawn(move || {
                let mut kept = Vec::new();
                // What cannot be read, or is too much, is not worth failing for.
                let _ = stderr.by_ref().take(MESSAGES_LIMIT).read_to_end(&mut kept);
                let _ = io::copy(&mut stderr, &mut io::sink());
                String::from_utf8_lossy(&kept).trim().to_owned()
            })
        });
        Ok(Self {
            child,
            console,
            messages,
            agent,
            _folder: folder,
        })
    }

    /// Waits for console output, at most this long.
    pub(super) fn console(&self, wait: Duration) -> ConsoleOutput {
        match self.console.recv_timeout(wait) {
            Ok(bytes) => ConsoleOutput::Bytes(bytes),
            Err(RecvTimeoutError::Timeout) => ConsoleOutput::Quiet,
            Err(RecvTimeoutError::Disconnected) => ConsoleOutput::Ended,
        }
    }

    /// The host's end of the agent's port, once QEMU has connected it. Does not block.
    pub(super) fn accept_agent(&self) -> io::Result<Option<UnixStream>> {
        match self.agent.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                Ok(Some(stream))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits for QEMU, which has closed its console, to end: how, and what it said.
    pub(super) fn finish(&mut self) -> io::Result<(ExitStatus, String)> {
        let status = self.child.wait()?;
        let messages = self.messages.take().and_then(|thread| thread.join().ok());
        Ok((status, messages.unwrap_or_default()))
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
