//! Output that appears whole or not at all.
//!
//! Everything is written into a hidden folder beside its place, synced, and renamed. What was
//! there before stays until then, and is replaced in one step.

mod directory;
mod file;
mod name;
mod staging;
mod sums;

use std::io;
use std::path::{Path, PathBuf};

pub use directory::OutputDirectory;
pub use file::OutputFile;
pub use name::FileName;
pub use sums::{Artifact, SUMS_NAME};

/// Permission bits of every output file, whatever the umask.
const FILE_MODE: u32 = 0o644;

/// Permission bits of every output directory, whatever the umask.
const DIRECTORY_MODE: u32 = 0o755;

/// Output that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The path ends in `..` or is a root.
    #[error("{path}: not a name that output can be written to; name a new file or directory",
        path = .0.display())]
    NoName(PathBuf),
    /// A file name inside an output directory is not a plain name.
    #[error("{0}; output directories hold plain files only")]
    NotPlain(String),
    /// The folder that the output belongs to cannot be written to.
    #[error("cannot write beside {path}: {source}", path = .path.display())]
    Unwritable {
        /// The output.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Something is in the output's place that is not replaced.
    #[error("{path} {found}; nothing was changed: remove it or choose another output",
        path = .path.display())]
    InTheWay {
        /// The output.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// Reading or writing failed.
    #[error("cannot complete {path}: {source}", path = .path.display())]
    Io {
        /// The output.
        path: PathBuf,
        /// What went wrong, with the file it went wrong with.
        source: io::Error,
    },
}

impl OutputError {
    /// Says which output an error of reading or writing stopped.
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    fn in_the_way(path: &Path, found: impl Into<String>) -> Self {
        Self::InTheWay {
            path: path.to_owned(),
            found: found.into(),
        }
    }
}

#[cfg(test)]
mod tests;
