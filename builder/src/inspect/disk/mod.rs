//! A disk image with a partition table: a GUID partition table, or an MBR.

mod gpt;
mod hash_tree;
pub(super) mod mbr;
pub mod partition_type;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use fs_err::File;
use serde::Serialize;
use uuid::Uuid;

pub use gpt::{Gpt, GptError, Partition};
pub use hash_tree::{HashTreeCheck, HashTreeFacts, SuperblockFacts};
pub use mbr::{MbrDiskFacts, MbrError, MbrPartitionFacts};

use super::erofs::ErofsSuperblock;
use super::ext4::{self, Ext4Superblock};
use super::text::{Hex, printable};
use crate::erofs::{ReadError, Reader};

/// Sizes of a sector that are looked for, in bytes.
const SECTOR_SIZES: [u64; 2] = [512, 4096];

/// `SD_GPT_FLAG_READ_ONLY` of the Discoverable Partitions Specification.
const READ_ONLY: u64 = 1 << 60;

/// A disk image with a GUID partition table.
#[derive(Debug, Clone, Serialize)]
pub struct DiskFacts {
    /// Bytes in the file.
    pub bytes: u64,
    /// The disk's GUID.
    pub guid: Uuid,
    /// Bytes in a sector.
    pub sector_size: u64,
    /// What is wrong with the backup of the partition table, if anything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_problem: Option<String>,
    /// The partitions, by number.
    pub partitions: Vec<PartitionFacts>,
    /// Root and `/usr` file systems that have a partition for their hash tree.
    pub hash_trees: Vec<HashTreeFacts>,
}

/// One partition.
#[derive(Debug, Clone, Serialize)]
pub struct PartitionFacts {
    /// Its number in the table, from 1.
    pub number: u32,
    /// What it is for.
    pub type_uuid: Uuid,
    /// The name of its type in the Discoverable Partitions Specification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub type_name: Option<&'static str>,
    /// The partition's own UUID.
    pub uuid: Uuid,
    /// Its name, with backslashes and what does not print as `\xNN`.
    pub name: String,
    /// Its first byte on the disk.
    pub offset: u64,
    /// Bytes it has.
    pub bytes: u64,
    /// Its attributes.
    pub attributes: Hex,
    /// Whether the attributes say that it is to be mounted read-only.
    pub read_only: bool,
    /// What it holds, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<PartitionContent>,
}

/// What a partition holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum PartitionContent {
    /// An EROFS image.
    Erofs(ErofsSuperblock),
    /// An EROFS image that cannot be read.
    UnreadableErofs {
        /// Why not.
        problem: String,
    },
    /// An ext2, ext3 or ext4 file system.
    Ext4(Ext4Superblock),
    /// An ext file system whose superblock is damaged.
    UnreadableExt4 {
        /// What is wrong.
        problem: String,
    },
}

/// The size of a sector of the disk in `file`, in bytes; `None` if it has no GUID partition
/// table, or an MBR that Linux takes instead.
pub(super) fn sector_size(start: &[u8]) -> Option<u64> {
    if mbr::is_mbr(start) {
        return None;
    }
    SECTOR_SIZES.into_iter().find(|&size| {
        let header = usize::try_from(size)
            .ok()
            .and_then(|size| start.get(size..));
        header.is_some_and(|header| header.starts_with(&gpt::SIGNATURE))
    })
}

/// The partitions of the disk in `file`, of `length` bytes and with sectors of `sector_size`
/// bytes.
pub(super) fn partitions(
    file: File,
    length: u64,
    sector_size: u64,
) -> Result<Vec<PartitionFacts>, GptError> {
    let table = Gpt::read(&file, length, sector_size)?;
    Ok(facts(&table, file))
}

fn facts(table: &Gpt, file: File) -> Vec<PartitionFacts> {
    let shared = Arc::new(file.into());
    let partitions = table.partitions.iter();
    let facts = partitions.map(|partition| PartitionFacts::new(partition, &shared));
    facts.collect()
}

impl DiskFacts {
    /// Reads the disk in `file`, of `length` bytes and with sectors of `sector_size` bytes.
    pub(super) fn read(file: File, length: u64, sector_size: u64) -> Result<Self, GptError> {
        let table = Gpt::read(&file, length, sector_size)?;
        let hash_trees = hash_tree::find(&file, &table.partitions)?;
        let partitions = facts(&table, file);
        Ok(Self {
            bytes: length,
            guid: table.disk_guid,
            sector_size: table.sector_size,
            backup_problem: table.backup_problem,
            partitions,
            hash_trees,
        })
    }
}

impl PartitionFacts {
    fn new(partition: &Partition, disk: &Arc<std::fs::File>) -> Self {
        Self {
            number: partition.number,
            type_uuid: partition.type_guid,
            type_name: partition_type::name(partition.type_guid),
            uuid: partition.guid,
            name: printable(partition.name.as_bytes()),
            offset: partition.offset,
            bytes: partition.length,
            attributes: Hex(partition.attributes),
            read_only: partition.attributes & READ_ONLY != 0,
            content: content(disk, partition.offset, partition.length),
        }
    }
}

/// What the `length` bytes of a disk from byte `offset` on hold.
fn content(disk: &Arc<std::fs::File>, offset: u64, length: u64) -> Option<PartitionContent> {
    match Reader::open(Arc::clone(disk), offset, length) {
        Ok(reader) => Some(PartitionContent::Erofs(ErofsSuperblock::new(&reader))),
        // No superblock, or no room for one.
        Err(
            ReadError::NotErofs { .. }
            | ReadError::OutOfBounds {
                what: "the superblock",
                ..
            },
        ) => match ext4::superblock(disk, offset, length) {
            Ok(superblock) => superblock.map(PartitionContent::Ext4),
            Err(problem) => Some(PartitionContent::UnreadableExt4 {
                problem: problem.to_string(),
            }),
        },
        Err(problem) => Some(PartitionContent::UnreadableErofs {
            problem: problem.to_string(),
        }),
    }
}
