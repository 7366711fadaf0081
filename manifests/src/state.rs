//! What a relying party has seen, so that nothing older is passed off as new.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use guestmark_measure::Sha256Digest;
use guestmark_output::{OutputError, OutputFile};
use serde::{Deserialize, Serialize};

use crate::{FileProblem, json};

/// The highest of everything seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    schema: String,
    /// By feed.
    pub feeds: BTreeMap<String, Seen>,
    /// The sequence number of the list of revocations; 0 for none.
    pub revocations: u64,
}

/// The newest release seen of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Its sequence number.
    pub sequence: u64,
    /// The SHA-256 of its manifest.
    pub manifest: Sha256Digest,
}

/// A state that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Reading failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is no state.
    #[error(transparent)]
    Problem(#[from] FileProblem),
    /// Writing failed.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl State {
    /// The form of the document.
    pub const SCHEMA: &str = "guestmark/state/1";

    /// Reads a state; a file that is missing has seen nothing.
    ///
    /// # Errors
    /// The file cannot be read, or is no state.
    pub fn read(path: &Path) -> Result<Self, StateError> {
        let bytes = match fs_err::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self {
                    schema: Self::SCHEMA.to_owned(),
                    feeds: BTreeMap::new(),
                    revocations: 0,
                });
            }
            Err(error) => return Err(error.into()),
        };
        Ok(json::read_schema(
            &bytes,
            &path.display().to_string(),
            Self::SCHEMA,
        )?)
    }

    /// Writes the state; it appears whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), StateError> {
        let mut text = serde_json::to_string_pretty(self).map_err(io::Error::from)?;
        text.push('\n');
        let file = OutputFile::begin(path)?;
        file.file().write_all(text.as_bytes())?;
        Ok(file.commit()?)
    }
}
