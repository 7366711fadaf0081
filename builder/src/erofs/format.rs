//! The structures on disk, little-endian, as the Linux kernel defines them in
//! `fs/erofs/erofs_fs.h`. Only what uncompressed images without extra devices need.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes in a block. Linux before 6.4 mounts only images whose blocks are as large as its pages.
pub const BLOCK_SIZE: u64 = 4096;

/// [`BLOCK_SIZE`] as a length in memory.
pub(super) const BLOCK: usize = 4096;

/// The base-2 logarithm of [`BLOCK_SIZE`].
pub(super) const BLOCK_BITS: u8 = 12;

/// Where the superblock starts, in bytes.
pub(super) const SUPERBLOCK_OFFSET: usize = 1024;

/// The superblock's magic number.
pub(super) const MAGIC: u32 = 0xe0f5_e1e2;

/// Compatible feature: the superblock's block has a CRC-32C.
pub(super) const FEATURE_CHECKSUM: u32 = 1;

/// Compatible feature: inode times are modification times.
pub(super) const FEATURE_MTIME: u32 = 2;

/// Incompatible feature without meaning for uncompressed files: padding of LZ4 clusters.
pub(super) const FEATURE_ZERO_PADDING: u32 = 1;

/// Inodes start at multiples of this many bytes; an inode's number (nid) counts them.
pub(super) const SLOT_SIZE: u64 = 32;

/// The block address of inodes that have no blocks.
pub(super) const NO_BLOCK: u32 = u32::MAX;

/// The longest name of a directory entry, in bytes.
pub(super) const NAME_MAX: usize = 255;

/// The longest target of a symbolic link that Linux follows, in bytes (`PATH_MAX` less NUL).
pub(super) const SYMLINK_MAX: u64 = 4095;

/// `struct erofs_super_block`.
#[derive(Debug, Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Superblock {
    pub(super) magic: U32,
    /// CRC-32C register (no final inversion) over the rest of the first block from
    /// [`SUPERBLOCK_OFFSET`], this field being zero.
    pub(super) checksum: U32,
    pub(super) feature_compat: U32,
    pub(super) block_bits: u8,
    pub(super) extension_slots: u8,
    pub(super) root_nid: U16,
    /// How many inodes the image has.
    pub(super) inodes: U64,
    /// Seconds since 1970; the time of every compact inode.
    pub(super) build_time: U64,
    pub(super) build_time_nsec: U32,
    /// How many blocks the image has.
    pub(super) blocks: U32,
    /// The block that nids count from.
    pub(super) meta_block: U32,
    /// The block that ids of shared extended attributes count from.
    pub(super) xattr_block: U32,
    pub(super) uuid: [u8; 16],
    pub(super) volume_name: [u8; 16],
    pub(super) feature_incompat: U32,
    pub(super) compression: U16,
    pub(super) extra_devices: U16,
    pub(super) device_table_slot: U16,
    pub(super) directory_block_bits: u8,
    pub(super) xattr_prefix_count: u8,
    pub(super) xattr_prefix_start: U32,
    pub(super) packed_nid: U64,
    pub(super) xattr_filter: u8,
    pub(super) reserved: [u8; 23],
}

/// `struct erofs_inode_compact`.
#[derive(Debug, Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct CompactInode {
    pub(super) format: U16,
    pub(super) xattr_count: U16,
    pub(super) mode: U16,
    pub(super) links: U16,
    pub(super) size: U32,
    pub(super) reserved: U32,
    /// First block, or device number.
    pub(super) address: U32,
    pub(super) number: U32,
    pub(super) uid: U16,
    pub(super) gid: U16,
    pub(super) reserved2: U32,
}

/// `struct erofs_inode_extended`.
#[derive(Debug, Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct ExtendedInode {
    pub(super) format: U16,
    pub(super) xattr_count: U16,
    pub(super) mode: U16,
    pub(super) reserved: U16,
    pub(super) size: U64,
    /// First block, or device number.
    pub(super) address: U32,
    pub(super) number: U32,
    pub(super) uid: U32,
    pub(super) gid: U32,
    pub(super) mtime: U64,
    pub(super) mtime_nsec: U32,
    pub(super) links: U32,
    pub(super) reserved2: [u8; 16],
}

/// `struct erofs_xattr_ibody_header`; ids of shared attributes follow, four bytes each, and
/// after them the inode's own entries.
#[derive(Debug, Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct XattrHeader {
    pub(super) name_filter: U32,
    pub(super) shared_count: u8,
    pub(super) reserved: [u8; 7],
}

/// `struct erofs_xattr_entry`; the name without its prefix and the value follow, and zeros up to
/// a multiple of four bytes.
#[derive(Debug, Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct XattrEntry {
    pub(super) name_length: u8,
    pub(super) prefix: u8,
    pub(super) value_length: U16,
}

/// `struct erofs_dirent`.
#[derive(Debug, Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Dirent {
    pub(super) nid: U64,
    /// Where the name starts, in bytes from the start of the directory block.
    pub(super) name_offset: U16,
    pub(super) file_type: u8,
    pub(super) reserved: u8,
}

const _: () = {
    assert!(size_of::<Superblock>() == 128);
    assert!(size_of::<CompactInode>() == 32);
    assert!(size_of::<ExtendedInode>() == 64);
    assert!(size_of::<XattrHeader>() == 12);
    assert!(size_of::<XattrEntry>() == 4);
    assert!(size_of::<Dirent>() == 12);
};

/// How an inode's data lies (`i_format`, bits 1 to 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataLayout {
    /// All of it in consecutive blocks.
    FlatPlain,
    /// Whole blocks in consecutive blocks, and the rest directly behind the inode.
    FlatInline,
}

impl DataLayout {
    /// `i_format` of an inode of this form with this data layout.
    pub(super) fn inode_format(self, form: Form) -> u16 {
        let layout = match self {
            Self::FlatPlain => 0,
            Self::FlatInline => 2,
        };
        layout << 1 | form as u16
    }
}

/// The form of an inode (`i_format`, bit 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Form {
    /// 32 bytes; no time of its own.
    Compact = 0,
    /// 64 bytes.
    Extended = 1,
}

/// The file type bits of `st_mode` with the type number of directory entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum FileType {
    Regular = 1,
    Directory = 2,
    CharacterDevice = 3,
    BlockDevice = 4,
    Fifo = 5,
    Socket = 6,
    Symlink = 7,
}

impl FileType {
    const MODES: [(Self, u16); 7] = [
        (Self::Regular, 0o100_000),
        (Self::Directory, 0o040_000),
        (Self::CharacterDevice, 0o020_000),
        (Self::BlockDevice, 0o060_000),
        (Self::Fifo, 0o010_000),
        (Self::Socket, 0o140_000),
        (Self::Symlink, 0o120_000),
    ];

    /// The file type bits of `st_mode`.
    pub(super) fn mode(self) -> u16 {
        Self::MODES[usize::from(self as u8) - 1].1
    }

    /// The type that `st_mode` says.
    pub(super) fn of_mode(mode: u16) -> Option<Self> {
        let bits = mode & 0o170_000;
        Self::MODES
            .into_iter()
            .find(|&(_, mode)| mode == bits)
            .map(|(file_type, _)| file_type)
    }
}

/// The checksum of a superblock: `first_block` is the image's first block with a zero checksum.
pub(super) fn checksum(first_block: &[u8; BLOCK]) -> u32 {
    const CRC_32C: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
    // The kernel keeps the register as it is; the CRC's definition ends with an inversion.
    !CRC_32C.checksum(&first_block[SUPERBLOCK_OFFSET..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_modes_lead_to_each_other() {
        for (number, (file_type, mode)) in (1..).zip(FileType::MODES) {
            assert_eq!(file_type as u8, number);
            assert_eq!(file_type.mode(), mode);
            assert_eq!(FileType::of_mode(mode | 0o7777), Some(file_type));
        }
        assert_eq!(FileType::of_mode(0o644), None);
    }
}
