//! Where partitions lie on the disk.

use serde::Serialize;

use super::DiskError;
use crate::recipe::Memory;
use crate::verity::{BLOCK_SIZE, TreeShape};

/// Where the root partition starts, in bytes: the first mebibyte is the partition table's.
pub const ROOT_OFFSET: u64 = ALIGNMENT;

/// What partitions, and the end of a disk whose size is not given, are aligned to, in bytes.
const ALIGNMENT: u64 = 1 << 20;

/// Bytes in a logical block of the disk.
pub(super) const SECTOR: u64 = 512;

/// The backup of the partition table at the end of the disk: 128 entries of 128 bytes and the
/// header (UEFI, section "GPT Disk Layout").
const BACKUP: u64 = 128 * 128 + SECTOR;

/// A range of bytes on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Extent {
    /// The first byte.
    pub offset: u64,
    /// The number of bytes.
    pub length: u64,
}

impl Extent {
    /// The first byte after the range.
    pub const fn end(&self) -> u64 {
        self.offset + self.length
    }
}

/// Where the parts of a disk lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DiskLayout {
    /// Partition 1: the root file system.
    pub root: Extent,
    /// Partition 2: the superblock, if there is one, and the hash tree.
    pub hash: Extent,
    /// The disk's size in bytes.
    pub size: u64,
}

impl DiskLayout {
    /// The most blocks a root file system may have: 2 EiB, so that with its tree it stays below
    /// the largest file offset.
    pub const MAX_ROOT_BLOCKS: u64 = (1 << 61) / BLOCK_SIZE;

    /// Places a root file system of `root_blocks` blocks of 4096 bytes and its hash tree on a
    /// disk of exactly `size`, or on one that is as large as needed. Writes nothing, so that a
    /// root file system that is too large can be refused before it is written.
    ///
    /// # Errors
    /// A disk that is too small, and more than [`DiskLayout::MAX_ROOT_BLOCKS`].
    pub fn new(
        root_blocks: u64,
        superblock: bool,
        size: Option<Memory>,
    ) -> Result<Self, DiskError> {
        if root_blocks > Self::MAX_ROOT_BLOCKS {
            return Err(DiskError::TooLarge(root_blocks));
        }
        let root = Extent {
            offset: ROOT_OFFSET,
            length: root_blocks * BLOCK_SIZE,
        };
        let tree = TreeShape::new(root_blocks).size();
        let hash = Extent {
            offset: root.end().next_multiple_of(ALIGNMENT),
            // A partition cannot be empty, as the tree over a single block is.
            length: (u64::from(superblock) * BLOCK_SIZE + tree).max(BLOCK_SIZE),
        };
        let needed = hash.end() + BACKUP;
        let size = match size {
            None => needed.next_multiple_of(ALIGNMENT),
            Some(size) if size.bytes() >= needed => size.bytes(),
            Some(size) => {
                return Err(DiskError::TooSmall {
                    size,
                    root: root.length,
                    hash: hash.length,
                    needed,
                });
            }
        };
        Ok(Self { root, hash, size })
    }
}
