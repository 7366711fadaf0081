//! The QEMU guest agent's protocol: a JSON object a line, in both directions (QEMU, "QEMU Guest
//! Agent Protocol Reference").

use std::io::{self, Read, Write};

use serde_json::{Value, json};

/// The longest reply that is read, in bytes.
const REPLY_LIMIT: usize = 16 << 20;

/// Stands before a `guest-sync-delimited` request and its reply. No JSON holds it: both sides
/// throw away what came before.
const DELIMITER: u8 = 0xff;

/// A command that has no result.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The agent refused or failed to run the command.
    #[error("{command} was refused: {class}: {description}")]
    Refused {
        /// The command.
        command: String,
        /// The error's class, such as `CommandNotFound`.
        class: String,
        /// The agent's words.
        description: String,
    },
    /// What came is not a reply.
    #[error("{0:?} is not a reply of the protocol")]
    Malformed(String),
    /// A reply without an end.
    #[error("a reply is longer than {REPLY_LIMIT} bytes")]
    TooLong,
    /// The guest ended before it replied to the command.
    #[error("the guest did not reply to {0} before it ended or time was up")]
    NoReply(String),
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// One side of a conversation with an agent. Neither reading nor writing waits.
#[derive(Debug)]
pub(super) struct Agent<S> {
    stream: S,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    last_sync: u64,
}

/// What an agent said to a request.
#[derive(Debug, PartialEq)]
pub(super) enum Reply {
    /// The value that the command returns.
    Return(Value),
    /// Class and description of an error.
    Error(String, String),
}

impl<S: Read + Write> Agent<S> {
    /// An agent at the other end of `stream`, which must not block.
    pub(super) const fn new(stream: S) -> Self {
        Self {
            stream,
            outgoing: Vec::new(),
            incoming: Vec::new(),
            last_sync: 0,
        }
    }

    /// Asks for a sign that only this request can bring about. Older replies may come before it:
    /// requests queue up while the agent has not started.
    pub(super) fn request_sync(&mut self) {
        self.last_sync += 1;
        self.outgoing.push(DELIMITER);
        self.request("guest-sync-delimited", json!({ "id": self.last_sync }));
    }

    /// Whether this is the sign that was asked for last.
    pub(super) fn is_synced_by(&self, reply: &Reply) -> bool {
        *reply == Reply::Return(json!(self.last_sync))
    }

    /// Asks for a command to be run.
    pub(super) fn request(&mut self, command: &str, arguments: Value) {
        let request = json!({ "execute": command, "arguments": arguments });
        self.outgoing.extend(request.to_string().bytes());
        self.outgoing.push(b'\n');
    }

    /// Sends what can be sent and reads what is there, up to the next reply. A connection that
    /// was closed brings none: QEMU has ended, and says so elsewhere.
    pub(super) fn poll(&mut self) -> Result<Option<Reply>, AgentError> {
        self.send()?;
        loop {
            if let Some(end) = self.incoming.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.incoming.drain(..=end).collect();
                return parse(&line).map(Some);
            }
            if self.incoming.len() > REPLY_LIMIT {
                return Err(AgentError::TooLong);
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(read) => self.incoming.extend_from_slice(&buffer[..read]),
                Err(error) if is_quiet(&error) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn send(&mut self) -> Result<(), AgentError> {
        while !self.outgoing.is_empty() {
            match self.stream.write(&self.outgoing) {
                Ok(written) => {
                    self.outgoing.drain(..written);
                }
                Err(error) if is_quiet(&error) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Whether nothing can be read or written now, or ever again.
fn is_quiet(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, Interrupted, WouldBlock};
    matches!(
        error.kind(),
        Interrupted | WouldBlock | BrokenPipe | ConnectionReset
    )
}

fn parse(line: &[u8]) -> Result<Reply, AgentError> {
    let json = line
        .rsplit(|byte| *byte == DELIMITER)
        .next()
        .unwrap_or(line);
    let malformed = || AgentError::Malformed(String::from_utf8_lossy(line).trim().to_owned());
    let mut reply: Value = serde_json::from_slice(json).map_err(|_| malformed())?;
    if let Some(value) = reply.get_mut("return") {
        return Ok(Reply::Return(value.take()));
    }
    let error = reply.get("error").ok_or_else(malformed)?;
    let text = |field| {
        error
            .get(field)
            .and_then(Value::as_str)
            .ok_or_else(malformed)
    };
    Ok(Reply::Error(
        text("class")?.to_owned(),
        text("desc")?.to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn connected() -> (Agent<UnixStream>, BufReader<UnixStream>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Agent::new(ours), BufReader::new(theirs))
    }

    fn line(from: &mut BufReader<UnixStream>) -> Vec<u8> {
        let mut line = Vec::new();
        from.read_until(b'\n', &mut line).unwrap();
        line
    }

    #[test]
    fn requests_are_lines_of_json_and_a_sync_is_delimited() {
        let (mut agent, mut guest) = connected();
        agent.request_sync();
        agent.request("guest-ping", json!({}));
        assert_eq!(agent.poll().unwrap(), None);
        let sync = line(&mut guest);
        assert_eq!(sync[0], DELIMITER);
        assert_eq!(
            serde_json::from_slice::<Value>(&sync[1..]).unwrap(),
            json!({ "execute": "guest-sync-delimited", "arguments": { "id": 1 } })
        );
        assert_eq!(
            serde_json::from_slice::<Value>(&line(&mut guest)).unwrap(),
            json!({ "execute": "guest-ping", "arguments": {} })
        );
    }

    #[test]
    fn only_the_reply_to_the_last_sync_counts() {
        let (mut agent, mut guest) = connected();
        agent.request_sync();
        agent.request_sync();
        let replies = b"left over\xff{\"return\": 1}\n\xff{\"return\": 2}\n";
        guest.get_mut().write_all(replies).unwrap();
        let first = agent.poll().unwrap().unwrap();
        assert!(!agent.is_synced_by(&first));
        let second = agent.poll().unwrap().unwrap();
        assert!(agent.is_synced_by(&second));
    }

    #[test]
    fn replies_arrive_in_pieces() {
        let (mut agent, mut guest) = connected();
        guest.get_mut().write_all(b"{\"return\"").unwrap();
        assert_eq!(agent.poll().unwrap(), None);
        guest.get_mut().write_all(b": {}}\n").unwrap();
        assert_eq!(agent.poll().unwrap(), Some(Reply::Return(json!({}))));
    }

    #[test]
    fn a_closed_connection_brings_no_reply() {
        let (mut agent, guest) = connected();
        agent.request_sync();
        drop(guest);
        for _ in 0..2 {
            assert_eq!(agent.poll().unwrap(), None);
        }
    }

    #[test]
    fn an_error_has_its_class_and_words() {
        let (mut agent, mut guest) = connected();
        let reply = b"{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"disabled\"}}\n";
        guest.get_mut().write_all(reply).unwrap();
        let expected = Reply::Error("CommandNotFound".to_owned(), "disabled".to_owned());
        assert_eq!(agent.poll().unwrap(), Some(expected));
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        for text in ["{}", "[]", "login:", "{\"error\": {}}"] {
            let (mut agent, mut guest) = connected();
            writeln!(guest.get_mut(), "{text}").unwrap();
            assert_eq!(
                agent.poll().unwrap_err().to_string(),
                format!("{text:?} is not a reply of the protocol")
            );
        }
    }
}
