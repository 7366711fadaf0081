//! Reads images that may be hostile: every number is checked before it is used, and what the
//! reader takes of memory and time is bounded by the size of the image.

mod error;
mod inode;
mod listing;
mod source;
mod walk;
mod xattrs;

use std::fs::File;
use std::sync::Arc;

use uuid::Uuid;

pub use error::ReadError;

use self::source::Source;
use super::format::{
    self, BLOCK, BLOCK_BITS, BLOCK_SIZE, FEATURE_CHECKSUM, FEATURE_ZERO_PADDING, MAGIC,
    SUPERBLOCK_OFFSET, Superblock,
};
use crate::tree::{Origin, Tree};

/// An EROFS image opened for reading: uncompressed, with 4 KiB blocks and without extra devices,
/// as [`write`](super::write) and `mkfs.erofs` make them.
#[derive(Debug, Clone)]
pub struct Reader {
    source: Source,
    superblock: Superblock,
}

impl Reader {
    /// Opens the image that starts at byte `offset` of `file`. `length` is how many bytes it can
    /// have at most: the rest of the file, or the size of its partition.
    ///
    /// # Errors
    /// The file cannot be read, or has no image there of a kind that this reader knows.
    pub fn open(file: Arc<File>, offset: u64, length: u64) -> Result<Self, ReadError> {
        let all = Source::new(file, offset, length);
        let bytes: [u8; size_of::<Superblock>()] =
            all.array(SUPERBLOCK_OFFSET as u64, "the superblock")?;
        let superblock: Superblock = zerocopy::transmute!(bytes);
        check(&superblock)?;
        if superblock.feature_compat.get() & FEATURE_CHECKSUM != 0 {
            check_checksum(&superblock, all.array(0, "the first block")?)?;
        }
        let size = u64::from(superblock.blocks.get()) * BLOCK_SIZE;
        Ok(Self {
            source: all.truncated(size)?,
            superblock,
        })
    }

    /// The image's length in bytes, a whole number of 4 KiB blocks.
    pub fn size(&self) -> u64 {
        self.source.size()
    }

    /// The volume's UUID.
    pub fn uuid(&self) -> Uuid {
        Uuid::from_bytes(self.superblock.uuid)
    }

    /// The volume's name, bytes that are not UTF-8 replaced.
    pub fn volume_name(&self) -> String {
        let field = &self.superblock.volume_name;
        let end = field.iter().position(|&byte| byte == 0);
        String::from_utf8_lossy(&field[..end.unwrap_or(field.len())]).into_owned()
    }

    /// The time of the image and of files without a time of their own: seconds since
    /// 1970-01-01T00:00:00Z.
    pub fn timestamp(&self) -> u64 {
        self.superblock.build_time.get()
    }

    /// How many inodes the image says it has.
    pub fn inode_count(&self) -> u64 {
        self.superblock.inodes.get()
    }

    /// Reads the tree, each entry with this origin. Contents are ranges of the image's file and
    /// not read.
    ///
    /// # Errors
    /// The image breaks a rule of the format, holds what this reader does not know, or would
    /// make a tree that is out of proportion to its size.
    pub fn tree(&self, origin: &Origin) -> Result<Tree, ReadError> {
        walk::Walk::new(self, origin).tree()
    }

    /// Where inode numbers count from, in bytes.
    fn inodes_offset(&self) -> u64 {
        u64::from(self.superblock.meta_block.get()) * BLOCK_SIZE
    }

    /// Where ids of shared extended attributes count from, in bytes.
    fn xattrs_offset(&self) -> u64 {
        u64::from(self.superblock.xattr_block.get()) * BLOCK_SIZE
    }

    fn root_nid(&self) -> u64 {
        self.superblock.root_nid.get().into()
    }
}

/// Refuses what this reader does not know.
fn check(superblock: &Superblock) -> Result<(), ReadError> {
    let found = superblock.magic.get();
    if found != MAGIC {
        return Err(ReadError::NotErofs { found });
    }
    let unknown_features = superblock.feature_incompat.get() & !FEATURE_ZERO_PADDING;
    for (field, found, known) in [
        (
            "the superblock's block size, as a power of two",
            superblock.block_bits,
            BLOCK_BITS,
        ),
        (
            "the superblock's directory block size, as a power of two of blocks",
            superblock.directory_block_bits,
            0,
        ),
    ] {
        if found != known {
            return Err(ReadError::Unsupported {
                field,
                found: found.into(),
                known: known.into(),
            });
        }
    }
    for (field, found) in [
        (
            "the superblock's incompatible features, besides zero padding,",
            unknown_features,
        ),
        (
            "the superblock's count of extra devices",
            superblock.extra_devices.get().into(),
        ),
    ] {
        if found != 0 {
            return Err(ReadError::Unsupported {
                field,
                found: found.into(),
                known: 0,
            });
        }
    }
    Ok(())
}

fn check_checksum(superblock: &Superblock, mut block: [u8; BLOCK]) -> Result<(), ReadError> {
    let at = SUPERBLOCK_OFFSET + std::mem::offset_of!(Superblock, checksum);
    block[at..at + 4].fill(0);
    let computed = format::checksum(&block);
    let found = superblock.checksum.get();
    if found != computed {
        return Err(ReadError::Checksum { found, computed });
    }
    Ok(())
}
