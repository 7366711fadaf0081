//! An ext2, ext3 or ext4 file system: its superblock and its files.

mod features;
mod superblock;
mod walk;

use std::any::Any;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::Serialize;

pub use superblock::Ext4Superblock;

use super::listing::{Entry, ListingTooLarge};

/// An image of an ext2, ext3 or ext4 file system.
///
/// The library that reads it tells neither hard links nor device numbers nor extended attributes:
/// entries have none.
#[derive(Debug, Clone, Serialize)]
pub struct Ext4Facts {
    /// What its superblock says.
    pub superblock: Ext4Superblock,
    /// Bytes of the file behind the file system.
    pub trailing_bytes: u64,
    /// Its files, each directory directly before what it holds, siblings sorted by their text.
    pub entries: Vec<Entry>,
}

/// Why an ext file system cannot be listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Ext4Error {
    /// It cannot be read.
    #[error("ext4: {0}")]
    Io(#[from] io::Error),
    /// A field of the superblock has a value that it cannot have.
    #[error(
        "ext4 superblock: {field} is {found}, expected {expected}; the image is damaged or cut \
         short"
    )]
    Superblock {
        /// The field, as the kernel names it.
        field: &'static str,
        /// Its value.
        found: u64,
        /// What it may be.
        expected: String,
    },
    /// The files are what the journal makes of them.
    #[error(
        "ext4: the journal is not empty, so that what the files are depends on it, and a kernel \
         does not mount this from a disk that it cannot write; run e2fsck on a copy"
    )]
    NeedsRecovery,
    /// One name stands for two things.
    #[error("ext4: {0} leads elsewhere than its directory says; the image is damaged")]
    Ambiguous(String),
    /// A path or a link that Linux would not take.
    #[error("ext4: {0} or where it leads is longer than 4096 bytes; the image is damaged")]
    TooLong(String),
    /// Directories overlap or hold themselves.
    #[error(
        "ext4: by {path}, directories claim more than the {size} bytes of the file system; it is \
         damaged"
    )]
    Directories {
        /// Where the walk stopped.
        path: String,
        /// The size of the file system.
        size: u64,
    },
    /// The library found damage, or a feature that it does not know.
    #[error("ext4: {0}")]
    Library(#[from] ext4_view::Ext4Error),
    /// The library panicked.
    #[error("ext4: the library that reads it gave up ({0}); the image is damaged")]
    GaveUp(String),
    /// The list would take too much memory.
    #[error(transparent)]
    Listing(#[from] ListingTooLarge),
}

impl Ext4Error {
    fn gave_up(cause: &(dyn Any + Send)) -> Self {
        let message = cause.downcast_ref::<&str>().map(ToString::to_string);
        let message = message.or_else(|| cause.downcast_ref::<String>().cloned());
        Self::GaveUp(message.unwrap_or_else(|| "no reason given".to_owned()))
    }
}

/// Whether an ext file system seems to start with these bytes.
pub(super) fn is_ext4(start: &[u8]) -> bool {
    const MAGIC_OFFSET: usize = superblock::OFFSET + 0x38;
    let magic = start.get(MAGIC_OFFSET..MAGIC_OFFSET + 2);
    magic == Some(&superblock::MAGIC.to_le_bytes())
}

/// The superblock of the file system at byte `offset` of `file`, which has `length` bytes at
/// most; `None` if there is none.
pub(super) fn superblock(
    file: &File,
    offset: u64,
    length: u64,
) -> Result<Option<Ext4Superblock>, Ext4Error> {
    let mut start = [0; superblock::OFFSET + superblock::SIZE];
    if length < start.len() as u64 {
        return Ok(None);
    }
    file.read_exact_at(&mut start, offset)?;
    if !is_ext4(&start) {
        return Ok(None);
    }
    let (_, bytes) = start.split_last_chunk().unwrap_or((&[], &[0; 1024]));
    Ext4Superblock::parse(bytes, length).map(Some)
}

impl Ext4Facts {
    /// Reads the file system that `file`, of `length` bytes, holds from its start on.
    pub(super) fn read(file: File, length: u64) -> Result<Self, Ext4Error> {
        let superblock = superblock(&file, 0, length)?.ok_or_else(|| Ext4Error::Superblock {
            field: "the file's size",
            found: length,
            expected: "at least 2048".to_owned(),
        })?;
        superblock.refuse_unlisted()?;
        Ok(Self {
            trailing_bytes: length - superblock.bytes,
            entries: walk::list(file, 0, superblock.bytes)?,
            superblock,
        })
    }
}

#[cfg(test)]
mod tests;
