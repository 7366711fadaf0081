//! The superblock of an ext2, ext3 or ext4 file system.
//!
//! Source: Linux, Documentation/filesystems/ext4/super.rst ("Super Block"). Integers are
//! little-endian.

use serde::Serialize;
use uuid::Uuid;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::Ext4Error;
use super::features::{self, Features};
use crate::inspect::text::printable;

/// Where a superblock starts in its file system, in bytes.
pub(super) const OFFSET: usize = 1024;
/// Bytes in a superblock.
pub(super) const SIZE: usize = 1024;
/// `s_magic`.
pub(super) const MAGIC: u16 = 0xef53;
/// Blocks have 1 KiB shifted by at most this much: 64 KiB.
const MAX_LOG_BLOCK_SIZE: u32 = 6;

/// The fields up to the volume's name, and the one that makes the number of blocks whole.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Raw {
    inodes_count: U32,
    blocks_count_lo: U32,
    reserved_blocks_count_lo: U32,
    free_blocks_count_lo: U32,
    free_inodes_count: U32,
    first_data_block: U32,
    log_block_size: U32,
    log_cluster_size: U32,
    blocks_per_group: U32,
    clusters_per_group: U32,
    inodes_per_group: U32,
    times_and_mounts: [u8; 12],
    magic: U16,
    state_and_checks: [u8; 18],
    revision: U32,
    reserved_owners: [u8; 4],
    first_inode: U32,
    inode_size: U16,
    block_group: U16,
    compatible: U32,
    incompatible: U32,
    read_only_compatible: U32,
    uuid: [u8; 16],
    volume_name: [u8; 16],
    before_blocks_count_hi: [u8; 0x150 - 0x88],
    blocks_count_hi: U32,
    reserved_blocks_count_hi: U32,
    free_blocks_count_hi: U32,
    rest: [u8; SIZE - 0x15c],
}

const _: () = assert!(size_of::<Raw>() == SIZE);
const _: () = assert!(std::mem::offset_of!(Raw, magic) == 0x38);
const _: () = assert!(std::mem::offset_of!(Raw, volume_name) == 0x78);

/// What the superblock of an ext2, ext3 or ext4 file system says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ext4Superblock {
    /// The oldest of `ext2`, `ext3` and `ext4` that has its features.
    pub file_system: &'static str,
    /// The volume's UUID.
    pub uuid: Uuid,
    /// The volume's name; empty if it has none.
    pub volume_name: String,
    /// Bytes in a block.
    pub block_size: u64,
    /// How many blocks there are.
    pub blocks: u64,
    /// How many of them hold nothing.
    pub free_blocks: u64,
    /// How many inodes there are.
    pub inodes: u64,
    /// How many of them stand for nothing.
    pub free_inodes: u64,
    /// Bytes in the file system: its blocks.
    pub bytes: u64,
    /// Its features by the names that `dumpe2fs` has for them; `FEATURE_C31` and the like for
    /// bits without a name.
    pub features: Vec<String>,
    #[serde(skip)]
    flags: Features,
    #[serde(skip)]
    inode_size: u16,
}

impl Ext4Superblock {
    /// Reads the superblock of a file system that can have `length` bytes at most.
    ///
    /// # Errors
    /// A field that says what cannot be.
    pub(super) fn parse(bytes: &[u8; SIZE], length: u64) -> Result<Self, Ext4Error> {
        let raw: &Raw = zerocopy::transmute_ref!(bytes);
        let invalid = |field, found, expected: &str| Ext4Error::Superblock {
            field,
            found,
            expected: expected.to_owned(),
        };
        let log_block_size = raw.log_block_size.get();
        if log_block_size > MAX_LOG_BLOCK_SIZE {
            let expected = "at most 6, blocks of 64 KiB";
            return Err(invalid("s_log_block_size", log_block_size.into(), expected));
        }
        let block_size = 1024 << log_block_size;
        let flags = Features {
            compatible: raw.compatible.get(),
            incompatible: raw.incompatible.get(),
            read_only_compatible: raw.read_only_compatible.get(),
        };
        let wide = |low: U32, high: U32| match flags.has_64_bit() {
            true => u64::from(high.get()) << 32 | u64::from(low.get()),
            false => low.get().into(),
        };
        let blocks = wide(raw.blocks_count_lo, raw.blocks_count_hi);
        if blocks == 0 || blocks > length / block_size {
            let expected = format!("1 to {}, which is where the file ends", length / block_size);
            return Err(invalid("s_blocks_count", blocks, &expected));
        }
        for (field, found) in [
            ("s_blocks_per_group", raw.blocks_per_group.get()),
            ("s_inodes_per_group", raw.inodes_per_group.get()),
        ] {
            if found == 0 {
                return Err(invalid(field, 0, "at least 1"));
            }
        }
        let name = raw.volume_name.split(|&byte| byte == 0).next();
        Ok(Self {
            file_system: flags.file_system(),
            uuid: Uuid::from_bytes(raw.uuid),
            volume_name: printable(name.unwrap_or_default()),
            block_size,
            blocks,
            free_blocks: wide(raw.free_blocks_count_lo, raw.free_blocks_count_hi),
            inodes: raw.inodes_count.get().into(),
            free_inodes: raw.free_inodes_count.get().into(),
            bytes: blocks * block_size,
            features: features::names(flags),
            flags,
            inode_size: raw.inode_size.get(),
        })
    }

    /// Refuses to list what the library that lists has no safe answer to.
    pub(super) fn refuse_unlisted(&self) -> Result<(), Ext4Error> {
        if self.flags.needs_recovery() {
            return Err(Ext4Error::NeedsRecovery);
        }
        // Inodes with a checksum have its upper half behind the first 128 bytes.
        let least = if self.flags.has_checksums() { 160 } else { 128 };
        let size = u64::from(self.inode_size);
        if size < least || size > self.block_size {
            return Err(Ext4Error::Superblock {
                field: "s_inode_size",
                found: size,
                expected: format!("{least} to {}", self.block_size),
            });
        }
        Ok(())
    }
}
