//! What a file is, from its magic numbers.

use guestmark_measure::id_block::IdBlock;

use super::{disk, ext4, initrd};

/// Bytes from the start of a file that are enough to tell formats apart.
pub(super) const START: u64 = 8192;

const EROFS_MAGIC: (usize, [u8; 4]) = (1024, 0xe0f5_e1e2_u32.to_le_bytes());
const BZIMAGE_MAGIC: (usize, [u8; 4]) = (0x202, *b"HdrS");

/// A format that can be inspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Igvm,
    Disk {
        /// In bytes.
        sector_size: u64,
    },
    MbrDisk,
    Erofs,
    Ext4,
    Kernel,
    Initrd,
    IdBlock,
}

impl Format {
    /// The format of a file of `length` bytes that starts with these, up to [`START`] of them.
    pub(super) fn detect(start: &[u8], length: u64) -> Option<Self> {
        let has = |(at, magic): (usize, [u8; 4])| {
            start.get(at..).is_some_and(|rest| rest.starts_with(&magic))
        };
        if start.starts_with(b"IGVM") {
            return Some(Self::Igvm);
        }
        if let Some(sector_size) = disk::sector_size(start) {
            return Some(Self::Disk { sector_size });
        }
        if has(EROFS_MAGIC) {
            return Some(Self::Erofs);
        }
        if has(BZIMAGE_MAGIC) {
            return Some(Self::Kernel);
        }
        if ext4::is_ext4(start) {
            return Some(Self::Ext4);
        }
        // Weak magic numbers come last.
        if disk::mbr::is_mbr(start) {
            return Some(Self::MbrDisk);
        }
        if initrd::is_initrd(start) {
            return Some(Self::Initrd);
        }
        // It has no magic number: its size and version must do.
        (length == IdBlock::SIZE as u64).then_some(Self::IdBlock)
    }
}
