//! A guest that runs.

use std::io::{BufWriter, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use fs_err::File;
use serde_json::{Value, json};

use super::agent::{Agent, Reply};
use super::console::Console;
use super::qemu::{ConsoleOutput, Machine, Qemu};
use super::{
    AgentError, BootArtifacts, BootEnd, BootError, BootOptions, BootOutcome, QemuError, pvh,
};

/// How long a look at the console may take before the agent is looked at again.
const POLL: Duration = Duration::from_millis(20);

/// How long the agent may take before it is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// A guest in QEMU. Dropping it stops it.
#[derive(Debug)]
pub struct Guest {
    qemu: Qemu,
    agent: Option<Agent<UnixStream>>,
    console: Console,
    deadline: Instant,
}

impl Guest {
    /// Starts a guest. Its time limit begins to run.
    ///
    /// # Errors
    /// Artifacts that cannot be read or booted in QEMU, and QEMU missing or failing to start.
    pub fn start(artifacts: &BootArtifacts<'_>, options: &BootOptions) -> Result<Self, BootError> {
        let folder = tempfile::Builder::new()
            .prefix("guestmark-boot-")
            .tempdir()?;
        let igvm = fs_err::read(artifacts.igvm)?;
        let kernel = folder.path().join("guest.elf");
        let mut elf = BufWriter::new(File::create(&kernel)?);
        let pvh =
            pvh::convert(&igvm, options.acpi, &mut elf).map_err(|source| BootError::Igvm {
                path: artifacts.igvm.to_owned(),
                source,
            })?;
        elf.flush()?;
        let machine = Machine {
            program: &options.qemu,
            kernel: &kernel,
            memory: pvh.memory,
            disk: artifacts.disk,
            agent_port: artifacts.agent_port,
        };
        Ok(Self {
            qemu: Qemu::start(&machine, folder)?,
            agent: None,
            console: Console::default(),
            deadline: Instant::now() + options.time_limit,
        })
    }

    /// Waits until the agent answers, or until the guest panics, stops or uses up its time.
    /// `console` is given what the guest writes meanwhile.
    ///
    /// # Errors
    /// QEMU fails, or something other than an agent answers.
    pub fn wait_for_agent(&mut self, console: &mut dyn FnMut(&[u8])) -> Result<BootEnd, BootError> {
        let mut ask = Instant::now();
        let mut synced = false;
        loop {
            if let Some(end) = self.step(console)? {
                return Ok(end);
            }
            if self.agent.is_none() {
                self.agent = self.qemu.accept_agent()?.map(Agent::new);
            }
            let Some(agent) = &mut self.agent else {
                continue;
            };
            if !synced && Instant::now() >= ask {
                agent.request_sync();
                ask = Instant::now() + ASK_AGAIN;
            }
            match agent.poll()? {
                Some(reply) if synced && reply == Reply::Return(json!({})) => {
                    return Ok(BootEnd::AgentAnswered);
                }
                Some(reply) if !synced && agent.is_synced_by(&reply) => {
                    agent.request("guest-ping", json!({}));
                    synced = true;
                }
                _ => {}
            }
        }
    }

    /// Has the agent, which must have answered before, run a command: its result.
    ///
    /// # Errors
    /// The agent refuses or fails to run the command, or the guest ends or uses up its time.
    pub fn command(
        &mut self,
        command: &str,
        arguments: Value,
        console: &mut dyn FnMut(&[u8]),
    ) -> Result<Value, BootError> {
        if let Some(agent) = &mut self.agent {
            agent.request(command, arguments);
        }
        while self.step(console)?.is_none() {
            let reply = match &mut self.agent {
                Some(agent) => agent.poll()?,
                None => break,
            };
            match reply {
                Some(Reply::Return(value)) => return Ok(value),
                Some(Reply::Error(class, description)) => {
                    return Err(BootError::Agent(AgentError::Refused {
                        command: command.to_owned(),
                        class,
                        description,
                    }));
                }
                None => {}
            }
        }
        Err(BootError::Agent(AgentError::NoReply(command.to_owned())))
    }

    /// Stops the guest; `end` is how its boot ended.
    pub fn stop(self, end: BootEnd) -> BootOutcome {
        BootOutcome {
            end,
            corruption: self.console.corruption().map(str::to_owned),
            console: self.console.into_log(),
        }
    }

    /// Looks at the console and the clock: has the guest ended?
    fn step(&mut self, console: &mut dyn FnMut(&[u8])) -> Result<Option<BootEnd>, BootError> {
        match self.qemu.console(POLL) {
            ConsoleOutput::Bytes(bytes) => {
                console(&bytes);
                self.console.feed(&bytes);
            }
            ConsoleOutput::Quiet => {}
            ConsoleOutput::Ended => {
                self.console.end_line();
                let (status, messages) = self.qemu.finish()?;
                if !status.success() {
                    return Err(QemuError::Failed { status, messages }.into());
                }
                let panic = self.console.panic().map(str::to_owned);
                let end = panic.map_or(BootEnd::Stopped(messages), BootEnd::KernelPanic);
                return Ok(Some(end));
            }
        }
        if let Some(panic) = self.console.panic() {
            return Ok(Some(BootEnd::KernelPanic(panic.to_owned())));
        }
        Ok((Instant::now() >= self.deadline).then_some(BootEnd::TimedOut))
    }
}
