//! Why two guests cannot be compared.

use std::io;
use std::path::{Path, PathBuf};

use guestmark_builder::erofs::ReadError;
use guestmark_builder::inspect::GptError;
use guestmark_measure::igvm::IgvmError;

/// Why two guests cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffError {
    /// A file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A folder that is not the output of a build.
    #[error(
        "{path}: no measurement.json in this folder; give the output directory of `guestmark \
         build`, a release, an IGVM file or a disk image", path = .path.display()
    )]
    NotABuild {
        /// The folder.
        path: PathBuf,
    },
    /// A file that is nothing to compare.
    #[error(
        "{path}: neither an IGVM file, a disk image with a GPT, an EROFS image nor a manifest; \
         give one of these, or the output directory of `guestmark build`", path = .path.display()
    )]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// A document that cannot be understood.
    #[error("{path}: {source}; expected the form {expected}", path = .path.display())]
    Document {
        /// The document.
        path: PathBuf,
        /// The form it should have.
        expected: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A document of another form, or of a later version.
    #[error(
        "{path}: schema is {found:?}, expected {expected:?}; use the guestmark that wrote it",
        path = .path.display()
    )]
    Schema {
        /// The document.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What is understood.
        expected: &'static str,
    },
    /// A value of a document that cannot be.
    #[error("{path}: {field} is {found:?}, expected {expected}", path = .path.display())]
    Value {
        /// The document.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A damaged IGVM file.
    #[error("{path}: IGVM file: {source}", path = .path.display())]
    Igvm {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: IgvmError,
    },
    /// A damaged disk image.
    #[error("{path}: disk image: {source}", path = .path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: GptError,
    },
    /// A damaged file system.
    #[error("{path}: {source}", path = .path.display())]
    Erofs {
        /// The file that holds it.
        path: PathBuf,
        /// What is wrong.
        source: ReadError,
    },
    /// A hash tree that does not lie in its file.
    #[error(
        "{path}: a hash tree of {data_blocks} blocks at byte {offset} does not fit into {length} \
         bytes; the file is damaged or cut short", path = .path.display()
    )]
    Tree {
        /// The file.
        path: PathBuf,
        /// Blocks under the tree.
        data_blocks: u64,
        /// Where the tree starts, in bytes.
        offset: u64,
        /// Bytes in the file.
        length: u64,
    },
    /// Two things that have nothing in common.
    #[error(
        "{old} is {old_kind}, {new} is {new_kind}; compare two of one kind, or two output \
         directories", old = .old.display(), new = .new.display()
    )]
    Kinds {
        /// The one.
        old: PathBuf,
        /// What it is.
        old_kind: &'static str,
        /// The other.
        new: PathBuf,
        /// What that is.
        new_kind: &'static str,
    },
    /// No loader launches both files.
    #[error(
        "no loader launches both {old} and {new}{asked}; `guestmark measure` says why",
        asked = match .loader { Some(loader) => format!(" (asked: {loader})"), None => String::new() }
    )]
    NoDigest {
        /// The one.
        old: String,
        /// The other.
        new: String,
        /// The loader that was asked about.
        loader: Option<guestmark_measure::Loader>,
    },
}

impl DiffError {
    pub(super) fn erofs(path: &Path, source: ReadError) -> Self {
        let path = path.to_owned();
        Self::Erofs { path, source }
    }
}
