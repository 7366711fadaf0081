//! A command that signs: the way to tokens, key services and people.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use guestmark_measure::ecdsa::PublicKey;
use rustix::process::{Pid, Signal, kill_process_group};

use super::{Algorithm, Signer, SignerError, verified};

/// Bytes of output that are read: more than any signature has.
const MAX_OUTPUT: u64 = 1 << 14;

/// How often a command is asked whether it ended, once it closed its output.
const POLL: Duration = Duration::from_millis(10);

/// A command that signs: the bytes to sign on its standard input, the signature on its standard
/// output.
#[derive(Debug)]
pub struct SigningCommand {
    text: String,
    arguments: Vec<String>,
    timeout: Duration,
}

/// A signer on P-384 that runs a command for each signature, which may be DER or R and S.
#[derive(Debug)]
pub struct CommandSigner {
    command: SigningCommand,
    public: PublicKey,
    der: Vec<u8>,
}

/// How a run of the command ended.
struct Run {
    status: ExitStatus,
    output: Vec<u8>,
}

impl SigningCommand {
    /// `command`, split by [`split`], which is ended after `timeout`; no shell takes part.
    ///
    /// # Errors
    /// A command that is empty or has an open quote.
    pub fn new(command: &str, timeout: Duration) -> Result<Self, SignerError> {
        let arguments = split(command).map_err(|problem| SignerError {
            signer: command.to_owned(),
            problem: problem.to_owned(),
        })?;
        Ok(Self {
            text: command.to_owned(),
            arguments,
            timeout,
        })
    }

    /// What the command gives for a signature over `message`: whoever asks verifies it.
    ///
    /// # Errors
    /// The command fails, takes too long, or gives nothing.
    pub fn give(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let Run { status, output } = self.run(message)?;
        if !status.success() {
            return Err(self.refused(format!("ended with {status}, expected exit status: 0")));
        }
        if output.is_empty() {
            return Err(self.refused("wrote nothing, expected a signature on standard output"));
        }
        Ok(output)
    }

    fn refused(&self, problem: impl Into<String>) -> SignerError {
        SignerError {
            signer: self.text.clone(),
            problem: problem.into(),
        }
    }

    fn run(&self, message: &[u8]) -> Result<Run, SignerError> {
        let deadline = Instant::now() + self.timeout;
        let mut child = Command::new(&self.arguments[0])
            .args(&self.arguments[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What it starts is ended with it.
            .process_group(0)
            .spawn()
            .map_err(|error| self.refused(format!("cannot be run: {error}")))?;
        let ended = self.await_end(&mut child, message, deadline);
        if ended.is_err() {
            if let Ok(id) = i32::try_from(child.id())
                && let Some(group) = Pid::from_raw(id)
            {
                // It may have ended meanwhile.
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.wait();
        }
        ended
    }

    fn await_end(
        &self,
        child: &mut Child,
        message: &[u8],
        deadline: Instant,
    ) -> Result<Run, SignerError> {
        let failed = |error: io::Error| self.refused(error.to_string());
        let late = || self.refused(format!("no signature after {} s", self.timeout.as_secs()));
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(self.refused("has no standard input and output"));
        };
        let message = message.to_vec();
        // A command may sign without reading all of its input, or write before it has. The
        // threads end with the command: then both pipes are closed.
        thread::spawn(move || input.write_all(&message));
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = output.take(MAX_OUTPUT + 1).read_to_end(&mut bytes);
            // Nobody listens any more after the time limit.
            let _ = sender.send(read.map(|_| bytes));
        });
        let left = deadline.saturating_duration_since(Instant::now());
        let output = receiver.recv_timeout(left).map_err(|_| late())?;
        let output = output.map_err(failed)?;
        if output.len() as u64 > MAX_OUTPUT {
            return Err(self.refused(format!("wrote more than {MAX_OUTPUT} bytes, no signature")));
        }
        loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                return Ok(Run { status, output });
            }
            if Instant::now() >= deadline {
                return Err(late());
            }
            thread::sleep(POLL);
        }
    }
}

impl CommandSigner {
    /// A signer that holds what `command` gives against `public`.
    pub fn new(command: SigningCommand, public: PublicKey) -> Self {
        Self {
            command,
            public,
            der: public.to_der(),
        }
    }
}

impl Signer for CommandSigner {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Es384
    }

    fn public_key(&self) -> &[u8] {
        &self.der
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let output = self.command.give(message)?;
        let signature = verified(&self.public, message, &output);
        let signature = signature.map_err(|error| self.command.refused(error.to_string()))?;
        Ok(signature.to_raw().to_vec())
    }
}

/// Words of a command: separated by white space, unless in single or double quotes, which may
/// begin anywhere in a word. Nothing else is special.
///
/// # Errors
/// No word, or a quote that does not end.
pub fn split(command: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in command.chars() {
        match quote {
            Some(open) if character == open => quote = None,
            Some(_) => word.get_or_insert_default().push(character),
            None if matches!(character, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            None if character.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(character),
        }
    }
    if quote.is_some() {
        return Err("a quote in the command does not end");
    }
    words.extend(word);
    match words.first() {
        Some(program) if !program.is_empty() => Ok(words),
        _ => Err("the command names no program"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_at_spaces_outside_quotes() {
        for (command, words) in [
            ("sign", vec!["sign"]),
            ("  a  b\tc ", vec!["a", "b", "c"]),
            ("sh -c 'a | \"b\"'", vec!["sh", "-c", "a | \"b\""]),
            ("a --pin=\"x y\"z ''", vec!["a", "--pin=x yz", ""]),
            ("a \\ $b", vec!["a", "\\", "$b"]),
        ] {
            assert_eq!(split(command).unwrap(), words, "{command}");
        }
        assert!(split("a 'b").is_err() && split("  ").is_err() && split("'' a").is_err());
    }
}
