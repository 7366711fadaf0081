//! `repomd.xml`: which files describe a repository, what they hash to, and when they were made.

use guestmark_measure::Sha256Digest;
use jiff::Timestamp;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// A `repomd.xml` that cannot be used, though its signature is right.
#[derive(Debug, thiserror::Error)]
pub enum RepomdError {
    /// The text is not XML.
    #[error("byte {offset}: {problem}")]
    Syntax {
        /// Where the reader stopped, in bytes.
        offset: u64,
        /// What it says.
        problem: String,
    },
    /// Something that every repository has is missing or cannot be read.
    #[error("{0}")]
    Meaning(String),
}

/// What a `repomd.xml` says about primary metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repomd {
    /// Relative to the repository's folder.
    pub(crate) path: String,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) sha256: Sha256Digest,
    /// When the newest of the repository's metadata was made.
    pub(crate) time: Timestamp,
}

impl Repomd {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, RepomdError> {
        let mut reader = Reader::from_reader(text);
        let mut primary = Fields::default();
        let mut in_primary = false;
        let mut newest = None;
        let mut field = Vec::new();
        let mut content = String::new();
        let mut buffer = Vec::new();
        loop {
            let offset = reader.buffer_position();
            let syntax = |problem: String| RepomdError::Syntax { offset, problem };
            let event = reader
                .read_event_into(&mut buffer)
                .map_err(|error| syntax(error.to_string()))?;
            match event {
                Event::Start(start) | Event::Empty(start) => {
                    field = start.local_name().as_ref().to_vec();
                    content.clear();
                    match field.as_slice() {
                        b"data" => in_primary = attribute(&start, b"type")? == "primary",
                        b"location" if in_primary => primary.path = attribute(&start, b"href")?,
                        b"checksum" if in_primary => {
                            primary.checksum_kind = attribute(&start, b"type")?;
                        }
                        _ => {}
                    }
                }
                Event::Text(text) => {
                    content += &text.decode().map_err(|error| syntax(error.to_string()))?;
                }
                Event::End(_) => {
                    let text = content.trim();
                    match field.as_slice() {
                        b"timestamp" => newest = newest.max(seconds(text)),
                        b"checksum" if in_primary => primary.checksum = text.to_owned(),
                        b"size" if in_primary => primary.size = text.parse().ok(),
                        _ => {}
                    }
                    field.clear();
                }
                Event::Eof => break,
                _ => {}
            }
            buffer.clear();
        }
        primary.check(newest)
    }
}

#[derive(Default)]
struct Fields {
    path: String,
    checksum_kind: String,
    checksum: String,
    size: Option<u64>,
}

impl Fields {
    fn check(self, newest: Option<Timestamp>) -> Result<Repomd, RepomdError> {
        let meaning = |text: String| Err(RepomdError::Meaning(text));
        if self.path.is_empty() {
            return meaning("it lists no metadata of type \"primary\"".to_owned());
        }
        let Ok(sha256) = self.checksum.parse() else {
            return meaning(format!(
                "expected a checksum of type \"sha256\" for primary metadata, found {:?} of type \
                 {:?}",
                self.checksum, self.checksum_kind
            ));
        };
        let (Some(size), Some(time)) = (self.size, newest) else {
            return meaning("primary metadata have no size, or nothing has a timestamp".to_owned());
        };
        Ok(Repomd {
            path: self.path,
            size,
            sha256,
            time,
        })
    }
}

/// Seconds since 1970; old tools wrote a fraction.
fn seconds(text: &str) -> Option<Timestamp> {
    let whole = text.split('.').next()?;
    Timestamp::from_second(whole.parse().ok()?).ok()
}

fn attribute(start: &BytesStart<'_>, name: &[u8]) -> Result<String, RepomdError> {
    let refused = |problem: String| RepomdError::Meaning(problem);
    let found = start
        .try_get_attribute(name)
        .map_err(|error| refused(error.to_string()))?;
    let Some(found) = found else {
        return Ok(String::new());
    };
    found
        .unescape_value()
        .map(std::borrow::Cow::into_owned)
        .map_err(|error| refused(error.to_string()))
}
