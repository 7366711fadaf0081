//! A disk image with an MBR partition table, which nobody vouches for.
//!
//! Source: UEFI Specification 2.10, section 5.2.1 "Legacy Master Boot Record (MBR)". All integers
//! are little-endian; a sector has 512 bytes.

use std::io;
use std::sync::Arc;

use fs_err::File;
use fs_err::os::unix::fs::FileExt;
use serde::Serialize;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{PartitionContent, content};
use crate::inspect::text::Hex;

const SECTOR: u64 = 512;
const MBR: usize = size_of::<Raw>();
const SIGNATURE: [u8; 2] = [0x55, 0xaa];
/// The type of the entry that keeps others off a disk with a GUID partition table.
const PROTECTIVE: u8 = 0xee;

/// A disk image with an MBR partition table.
#[derive(Debug, Clone, Serialize)]
pub struct MbrDiskFacts {
    /// Bytes in the file.
    pub bytes: u64,
    /// The number that tells disks apart; 0 if nobody gave one.
    pub disk_signature: Hex,
    /// The partitions, by number.
    pub partitions: Vec<MbrPartitionFacts>,
}

/// A partition of an MBR partition table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MbrPartitionFacts {
    /// Its number, from 1 to 4. Those within an extended partition are not listed.
    pub number: u32,
    /// What it is for.
    #[serde(rename = "type")]
    pub partition_type: Hex,
    /// The name of some types.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub type_name: Option<&'static str>,
    /// Whether it is marked as the one to boot from.
    pub bootable: bool,
    /// Its first byte on the disk.
    pub offset: u64,
    /// Bytes it has.
    pub bytes: u64,
    /// What it holds, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<PartitionContent>,
}

/// Why an MBR partition table cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MbrError {
    /// The disk cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A partition that does not lie on the disk, or lies over the table.
    #[error(
        "partition {number} takes sectors {first} to {last}, expected sectors within 1..{sectors}; \
         the image is damaged or cut short"
    )]
    Outside {
        /// The partition's number.
        number: u32,
        /// Its first sector.
        first: u64,
        /// Its last sector.
        last: u64,
        /// Sectors of the disk.
        sectors: u64,
    },
    /// Two partitions share sectors.
    #[error("partitions {first} and {second} overlap; the table is damaged")]
    Overlap {
        /// The one that starts first.
        first: u32,
        /// The other.
        second: u32,
    },
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Raw {
    boot_code: [u8; 440],
    disk_signature: U32,
    reserved: [u8; 2],
    entries: [Entry; 4],
    signature: [u8; 2],
}

const _: () = assert!(MBR == 512);

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Entry {
    boot_indicator: u8,
    first_chs: [u8; 3],
    os_type: u8,
    last_chs: [u8; 3],
    first_sector: U32,
    sectors: U32,
}

impl Entry {
    /// Linux passes over entries without sectors, whatever their type.
    fn is_used(&self) -> bool {
        self.os_type != 0 && self.sectors.get() != 0
    }
}

/// Whether a disk that starts with these bytes has an MBR partition table that Linux takes: not
/// one that only protects a GUID partition table.
pub(in crate::inspect) fn is_mbr(start: &[u8]) -> bool {
    let Ok((raw, _)) = Raw::ref_from_prefix(start) else {
        return false;
    };
    let mut used = raw
        .entries
        .iter()
        .filter(|entry| entry.is_used())
        .peekable();
    raw.signature == SIGNATURE
        && raw
            .entries
            .iter()
            .all(|entry| matches!(entry.boot_indicator, 0 | 0x80))
        && used.peek().is_some()
        && used.all(|entry| entry.os_type != PROTECTIVE)
}

impl MbrDiskFacts {
    /// Reads the disk in `file`, of `length` bytes, which starts with an MBR.
    pub(in crate::inspect) fn read(file: File, length: u64) -> Result<Self, MbrError> {
        let mut sector = [0; MBR];
        file.read_exact_at(&mut sector, 0)?;
        let raw: &Raw = zerocopy::transmute_ref!(&sector);
        let sectors = length / SECTOR;
        let mut partitions = Vec::new();
        for (number, entry) in (1..).zip(&raw.entries) {
            if !entry.is_used() {
                continue;
            }
            let first = u64::from(entry.first_sector.get());
            let count = u64::from(entry.sectors.get());
            if first == 0 || first + count > sectors {
                return Err(MbrError::Outside {
                    number,
                    first,
                    last: first + count - 1,
                    sectors,
                });
            }
            partitions.push(MbrPartitionFacts {
                number,
                partition_type: Hex(entry.os_type.into()),
                type_name: type_name(entry.os_type),
                bootable: entry.boot_indicator == 0x80,
                offset: first * SECTOR,
                bytes: count * SECTOR,
                content: None,
            });
        }
        refuse_overlap(&partitions)?;
        let shared = Arc::new(file.into());
        for partition in &mut partitions {
            partition.content = content(&shared, partition.offset, partition.bytes);
        }
        Ok(Self {
            bytes: length,
            disk_signature: Hex(raw.disk_signature.get().into()),
            partitions,
        })
    }
}

fn refuse_overlap(partitions: &[MbrPartitionFacts]) -> Result<(), MbrError> {
    let mut sorted: Vec<_> = partitions.iter().collect();
    sorted.sort_by_key(|partition| partition.offset);
    let overlap = sorted
        .windows(2)
        .find(|pair| pair[0].offset + pair[0].bytes > pair[1].offset);
    match overlap {
        None => Ok(()),
        Some(pair) => Err(MbrError::Overlap {
            first: pair[0].number,
            second: pair[1].number,
        }),
    }
}

fn type_name(os_type: u8) -> Option<&'static str> {
    match os_type {
        0x05 | 0x0f | 0x85 => Some("extended"),
        0x07 => Some("ntfs"),
        0x0b | 0x0c => Some("fat32"),
        0x82 => Some("linux-swap"),
        0x83 => Some("linux"),
        0xef => Some("esp"),
        _ => None,
    }
}
