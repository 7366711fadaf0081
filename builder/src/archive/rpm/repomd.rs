//! `repomd.xml`: which files describe a repository, what they hash to, and when they were made.

use jiff::Timestamp;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::archive::source::ListedFile;

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

/// What a `repomd.xml` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repomd {
    pub(crate) primary: Listed,
    /// Every file of every package.
    pub(crate) file_lists: Option<Listed>,
    /// When the newest of the repository's metadata was made.
    pub(crate) time: Timestamp,
}

/// A file of metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Relative to the repository's folder.
    pub(crate) path: String,
    pub(crate) file: ListedFile,
}

impl Repomd {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, RepomdError> {
        let mut reader = Reader::from_reader(text);
        let (mut primary, mut file_lists) = (Fields::default(), Fields::default());
        let mut ignored = Fields::default();
        let mut data = "";
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
            let described = match data {
                PRIMARY => &mut primary,
                FILE_LISTS => &mut file_lists,
                _ => &mut ignored,
            };
            match event {
                Event::Start(start) | Event::Empty(start) => {
                    field = start.local_name().as_ref().to_vec();
                    content.clear();
                    match field.as_slice() {
                        b"data" => {
                            let kind = attribute(&start, b"type")?;
                            let known = [PRIMARY, FILE_LISTS].into_iter();
                            data = known.into_iter().find(|one| *one == kind).unwrap_or("");
                        }
                        b"location" => described.path = attribute(&start, b"href")?,
                        b"checksum" => described.checksum_kind = attribute(&start, b"type")?,
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
                        b"checksum" => described.checksum = text.to_owned(),
                        b"size" => described.size = text.parse().ok(),
                        _ => {}
                    }
                    field.clear();
                }
                Event::Eof => break,
                _ => {}
            }
            buffer.clear();
        }
        let meaning = |text: &str| RepomdError::Meaning(text.to_owned());
        Ok(Self {
            primary: primary
                .check(PRIMARY)?
                .ok_or_else(|| meaning("it lists no metadata of type \"primary\""))?,
            file_lists: file_lists.check(FILE_LISTS)?,
            time: newest.ok_or_else(|| meaning("nothing in it has a timestamp"))?,
        })
    }
}

const PRIMARY: &str = "primary";
const FILE_LISTS: &str = "filelists";

#[derive(Default)]
struct Fields {
    path: String,
    checksum_kind: String,
    checksum: String,
    size: Option<u64>,
}

impl Fields {
    /// The file that is described, if one is.
    fn check(self, data: &str) -> Result<Option<Listed>, RepomdError> {
        let Self {
            path,
            checksum_kind,
            checksum,
            size,
        } = self;
        if path.is_empty() {
            return Ok(None);
        }
        let Ok(sha256) = checksum.parse() else {
            return Err(RepomdError::Meaning(format!(
                "expected a checksum of type \"sha256\" for metadata of type {data:?}, found \
                 {checksum:?} of type {checksum_kind:?}"
            )));
        };
        let size = size.ok_or_else(|| {
            RepomdError::Meaning(format!("metadata of type {data:?} have no size"))
        })?;
        let file = ListedFile { size, sha256 };
        Ok(Some(Listed { path, file }))
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
