//! dm-verity hash trees: hash type 1, SHA-256, data and hash blocks of 4096 bytes.
//!
//! The format is that of the Linux kernel (`Documentation/admin-guide/device-mapper/verity.rst`)
//! and of cryptsetup ("On-disk format" of its DMVerity page); the bytes are those that
//! `veritysetup format` writes.

mod check;
mod hasher;
mod salt;
mod shape;
mod superblock;
mod window;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use fs_err::File;
use fs_err::os::unix::fs::FileExt;
use guestmark_measure::Sha256Digest;
use uuid::Uuid;

pub use check::{Corruption, Mismatch, check};
pub use salt::{ParseSaltError, Salt};
pub use shape::TreeShape;
pub use superblock::{ParseSuperblockError, Superblock};

use hasher::Blocks;

/// Bytes in a data block and in a hash block.
pub const BLOCK_SIZE: u64 = 4096;

/// Hashes in a hash block.
const HASHES_PER_BLOCK: u64 = BLOCK_SIZE / Sha256Digest::SIZE as u64;

/// A hash tree that cannot be made or checked.
#[derive(Debug, thiserror::Error)]
pub enum VerityError {
    /// There is nothing to hash.
    #[error(
        "{path}: no data to hash at offset {offset}; dm-verity needs at least one block of \
         {BLOCK_SIZE} bytes", path = .path.display()
    )]
    NoData {
        /// The file that holds the data.
        path: PathBuf,
        /// Where the data starts, in bytes.
        offset: u64,
    },
    /// The data does not end with a block.
    #[error(
        "{path}: {length} bytes of data are not a whole number of blocks; make the length a \
         multiple of {BLOCK_SIZE}", path = .path.display()
    )]
    PartialBlock {
        /// The file that holds the data.
        path: PathBuf,
        /// The data's length in bytes.
        length: u64,
    },
    /// The hash area starts where it cannot.
    #[error(
        "hash offset {offset} is not a multiple of {alignment}, which it must be {with} a \
         superblock", with = if *.alignment == BLOCK_SIZE { "without" } else { "with" }
    )]
    UnalignedHashOffset {
        /// The offset asked for, in bytes.
        offset: u64,
        /// What it must be a multiple of, in bytes.
        alignment: u64,
    },
    /// The hash area would overwrite data.
    #[error(
        "{path}: the hash area at bytes {hash_start} to {hash_end} overlaps the data at bytes \
         {data_start} to {data_end}; move one of them", path = .path.display()
    )]
    Overlap {
        /// The file that holds both.
        path: PathBuf,
        /// First byte of the hash area.
        hash_start: u64,
        /// First byte after it.
        hash_end: u64,
        /// First byte of the data.
        data_start: u64,
        /// First byte after it.
        data_end: u64,
    },
    /// An offset or a length is past what a file can hold.
    #[error("{path}: data or hash area ends past byte 2^63", path = .path.display())]
    TooLarge {
        /// The file that would have to hold it.
        path: PathBuf,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Data under a hash tree: whole blocks of an open file.
#[derive(Debug, Clone, Copy)]
pub struct Data<'a> {
    file: &'a File,
    offset: u64,
    blocks: u64,
}

impl<'a> Data<'a> {
    /// The `length` bytes of `file` from `offset` on.
    ///
    /// # Errors
    /// No data, or a length that is not a whole number of blocks.
    pub fn new(file: &'a File, offset: u64, length: u64) -> Result<Self, VerityError> {
        let path = || file.path().to_owned();
        if length == 0 {
            return Err(VerityError::NoData {
                path: path(),
                offset,
            });
        }
        if !length.is_multiple_of(BLOCK_SIZE) {
            return Err(VerityError::PartialBlock {
                path: path(),
                length,
            });
        }
        end_of(file, offset, length)?;
        Ok(Self {
            file,
            offset,
            blocks: length / BLOCK_SIZE,
        })
    }

    /// All of `file`.
    ///
    /// # Errors
    /// As [`Data::new`], and a file whose length cannot be read.
    pub fn whole(file: &'a File) -> Result<Self, VerityError> {
        Self::new(file, 0, file.metadata()?.len())
    }

    /// The number of data blocks.
    pub const fn blocks(&self) -> u64 {
        self.blocks
    }
}

/// Where a hash tree goes: an open file, readable and writable, and the first byte of the hash
/// area in it. The file may be the one that holds the data.
#[derive(Debug, Clone, Copy)]
pub struct HashArea<'a> {
    /// The file.
    pub file: &'a File,
    /// The first byte: a multiple of 4096, or of 512 where a superblock stands first.
    pub offset: u64,
}

/// What a hash tree is made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// Hashed before every block.
    pub salt: Salt,
    /// The UUID of the superblock before the tree; without one there is no superblock.
    pub uuid: Option<Uuid>,
}

/// A hash tree that stands in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashTree {
    /// The hash that all data hangs from.
    pub root_hash: Sha256Digest,
    /// The number of data blocks below it.
    pub data_blocks: u64,
    /// Where the tree's first block stands in the file of the hash area, in bytes: after the
    /// superblock, if there is one.
    pub tree_offset: u64,
    /// The first byte after the hash area.
    pub end: u64,
}

/// Hashes `data` and writes superblock (if any) and tree to the hash area. Bytes of the area's
/// file outside it stay as they are. Memory does not grow with the data.
///
/// # Errors
/// A hash area that is not aligned or that overlaps the data, and any failure to read or write.
pub fn format(
    data: Data<'_>,
    area: HashArea<'_>,
    parameters: &Parameters,
) -> Result<HashTree, VerityError> {
    let shape = TreeShape::new(data.blocks);
    let tree_offset = tree_offset(area, parameters.uuid.is_some())?;
    let end = end_of(area.file, tree_offset, shape.size())?;
    refuse_overlap(data, area, end)?;

    if let Some(uuid) = parameters.uuid {
        let superblock = Superblock {
            uuid,
            data_blocks: data.blocks,
            salt: parameters.salt.clone(),
        };
        // The rest of the superblock's block is zero, as all padding of the format.
        let mut bytes = vec![0; usize::try_from(tree_offset - area.offset).unwrap_or(usize::MAX)];
        bytes[..Superblock::SIZE].copy_from_slice(&superblock.to_bytes());
        area.file.write_all_at(&bytes, area.offset)?;
    }

    let mut source = Blocks {
        file: data.file,
        offset: data.offset,
        count: data.blocks,
        still: identity(data.file)? != identity(area.file)?,
    };
    for level in shape.levels().rev() {
        let target = Blocks {
            file: area.file,
            offset: tree_offset + level.start * BLOCK_SIZE,
            count: level.end - level.start,
            still: false,
        };
        hasher::hash_level(source, target, &parameters.salt)?;
        source = target;
    }
    Ok(HashTree {
        root_hash: hasher::hash_block(source, &parameters.salt)?,
        data_blocks: data.blocks,
        tree_offset,
        end,
    })
}

/// Where the tree starts: at the first whole block after the superblock, or at once.
fn tree_offset(area: HashArea<'_>, superblock: bool) -> Result<u64, VerityError> {
    let (alignment, before) = if superblock {
        (512, Superblock::SIZE as u64)
    } else {
        (BLOCK_SIZE, 0)
    };
    if !area.offset.is_multiple_of(alignment) {
        return Err(VerityError::UnalignedHashOffset {
            offset: area.offset,
            alignment,
        });
    }
    Ok(end_of(area.file, area.offset, before)?.next_multiple_of(BLOCK_SIZE))
}

fn refuse_overlap(data: Data<'_>, area: HashArea<'_>, hash_end: u64) -> Result<(), VerityError> {
    let data_end = data.offset + data.blocks * BLOCK_SIZE;
    let apart = data_end <= area.offset || hash_end <= data.offset;
    if apart || identity(data.file)? != identity(area.file)? {
        return Ok(());
    }
    Err(VerityError::Overlap {
        path: area.file.path().to_owned(),
        hash_start: area.offset,
        hash_end,
        data_start: data.offset,
        data_end,
    })
}

/// Device and inode: equal for two handles of one file.
fn identity(file: &File) -> io::Result<(u64, u64)> {
    file.metadata().map(|meta| (meta.dev(), meta.ino()))
}

/// The end of a range, below 2^63 so that later sums cannot overflow: file offsets are signed.
fn end_of(file: &File, offset: u64, length: u64) -> Result<u64, VerityError> {
    offset
        .checked_add(length)
        .filter(|end| *end < 1 << 63)
        .ok_or_else(|| VerityError::TooLarge {
            path: file.path().to_owned(),
        })
}

#[cfg(test)]
mod tests;
