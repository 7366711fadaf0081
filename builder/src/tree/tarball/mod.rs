//! Tar archives: their entries, with contents left where they are in the archive's file.

mod pax;
mod reader;

use std::io;
use std::path::{Path, PathBuf};

use super::merge::{self, MergeError, MergedLinks, Part};
use super::section::{Codec, Section, UnpackError};
use super::{Metadata, NodeKind, Origin, PathError, Tree, TreePath};

pub(crate) use reader::entries;

/// What the reader of sparse entries is told; a tree's content is one range of bytes.
const SPARSE: &str = "is sparse; pack it without --sparse";

/// An entry of an archive, in the archive's order.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its path in the archive.
    pub path: TreePath,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry of an archive is.
#[derive(Debug, Clone)]
pub enum EntryKind {
    /// A file, directory, link or device of its own.
    Inode {
        /// What it is, with its content.
        kind: NodeKind,
        /// Owner, mode and extended attributes.
        metadata: Metadata,
    },
    /// A second name of an earlier entry.
    HardLink {
        /// The earlier entry's path in the archive.
        target: TreePath,
    },
}

/// Why the bytes are not a tar archive whose entries a tree can hold.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// The archive cannot be read.
    #[error("tar header at byte {offset}: {reason}")]
    Read {
        /// Where, in bytes of the unpacked archive.
        offset: u64,
        /// What the system says.
        reason: io::Error,
    },
    /// The archive ends within an entry or without the zero block that ends it.
    #[error("tar archive ends at byte {offset}, {missing}; it was cut short")]
    Truncated {
        /// The archive's length in bytes.
        offset: u64,
        /// What should have followed.
        missing: &'static str,
    },
    /// A header that is not one.
    #[error("tar header at byte {offset}: {reason}")]
    Header {
        /// Where the header starts, in bytes of the unpacked archive.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// An entry whose path or link target cannot stand in a tree.
    #[error("tar entry at byte {offset}: {reason}")]
    Path {
        /// Where its header starts, in bytes of the unpacked archive.
        offset: u64,
        /// Why the path is refused.
        reason: PathError,
    },
    /// An entry named from the root of a machine.
    #[error("tar entry {entry:?}: its {what} is absolute; names in an archive are relative")]
    Absolute {
        /// The entry, or what it links to.
        entry: String,
        /// `name` or `hard link target`.
        what: &'static str,
    },
    /// An entry that a tree cannot hold.
    #[error("tar entry {entry} {reason}")]
    Entry {
        /// The entry.
        entry: TreePath,
        /// What is wrong with it.
        reason: String,
    },
}

/// Why a tar archive did not become a tree.
#[derive(Debug, thiserror::Error)]
pub enum ReadTarError {
    /// The file cannot be read.
    #[error("{path}: {reason}", path = .path.display())]
    Read {
        /// The archive.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// The file cannot be decompressed.
    #[error("{path}: {reason}", path = .path.display())]
    Unpack {
        /// The archive.
        path: PathBuf,
        /// Why.
        reason: UnpackError,
    },
    /// The file is not a tar archive that a tree can hold.
    #[error("{path}: {reason}", path = .path.display())]
    Tar {
        /// The archive.
        path: PathBuf,
        /// Why.
        reason: TarError,
    },
    /// Its entries do not make a tree.
    #[error("{path}: {reason}", path = .path.display())]
    Merge {
        /// The archive.
        path: PathBuf,
        /// Why.
        reason: Box<MergeError>,
    },
}

/// Reads a tar archive, plain or compressed with gzip, xz or zstd, as one tree; every entry gets
/// `origin`. A compressed archive is unpacked into an unlinked file in `spool`; a plain one stays
/// the place its contents are read from. Directories that the archive does not name belong to
/// root with mode 0755.
///
/// # Errors
/// The file cannot be read or unpacked, is not a tar archive, or holds what a tree cannot:
/// sparse files, paths with `..` or from the root, two entries of one path, an entry below a
/// symbolic link.
pub fn read_tar(path: &Path, spool: &Path, origin: Origin) -> Result<Tree, ReadTarError> {
    let owned = || path.to_owned();
    let read = |reason| ReadTarError::Read {
        path: owned(),
        reason,
    };
    let file = std::fs::File::open(path)
        .and_then(Section::whole)
        .map_err(read)?;
    let mut magic = [0; 6];
    let start = usize::try_from(file.len()).map_or(magic.len(), |length| length.min(magic.len()));
    file.read_exact_at(&mut magic[..start], 0).map_err(read)?;
    let archive = file
        .unpack(Codec::of_magic(&magic[..start]), u64::MAX, spool)
        .map_err(|reason| ReadTarError::Unpack {
            path: owned(),
            reason,
        })?;
    let entries = entries(&archive).map_err(|reason| ReadTarError::Tar {
        path: owned(),
        reason,
    })?;
    let part = Part {
        origin,
        entries,
        shares_equal_files: false,
    };
    merge::merge(&MergedLinks::default(), [part]).map_err(|reason| ReadTarError::Merge {
        path: owned(),
        reason: Box::new(reason),
    })
}
