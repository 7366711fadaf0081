//! Whether a hash tree, the data it is about, and the root hash in the partition UUIDs agree.

use std::io;

use fs_err::File;
use fs_err::os::unix::fs::FileExt;
use guestmark_measure::Sha256Digest;
use serde::Serialize;
use uuid::Uuid;

use super::gpt::Partition;
use super::partition_type;
use crate::verity::{self, BLOCK_SIZE, Corruption, Data, Salt, Superblock, TreeShape, VerityError};

const SUPERBLOCK_SIGNATURE: &[u8] = b"verity\0\0";

/// A file system and its hash tree.
#[derive(Debug, Clone, Serialize)]
pub struct HashTreeFacts {
    /// The number of the partition with the data.
    pub data_partition: u32,
    /// The number of the partition with the tree.
    pub hash_partition: u32,
    /// The root hash that the UUIDs of the two partitions make up, as the Discoverable Partitions
    /// Specification has it.
    pub implied_root_hash: Sha256Digest,
    /// The superblock before the tree, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superblock: Option<SuperblockFacts>,
    /// Whether data, tree and root hash agree.
    pub check: HashTreeCheck,
}

/// What the superblock before a hash tree says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SuperblockFacts {
    /// Names the hash area.
    pub uuid: Uuid,
    /// Blocks of 4096 bytes under the tree.
    pub data_blocks: u64,
    /// Hashed before every block, in hexadecimal; `-` for none.
    pub salt: String,
}

/// What was found out about a hash tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum HashTreeCheck {
    /// Every block of the data and of the tree leads to the root hash.
    Matches {
        /// Blocks of 4096 bytes that were hashed, those of the tree aside.
        data_blocks: u64,
        /// The salt, in hexadecimal; `-` for none.
        salt: String,
    },
    /// They disagree.
    Differs {
        /// Where.
        reason: String,
    },
    /// What the check needs is not on the disk, or cannot be.
    NotChecked {
        /// What is missing and where it is.
        reason: String,
    },
}

/// The pairs of data and hash partition on a disk, checked.
pub(super) fn find(disk: &File, partitions: &[Partition]) -> io::Result<Vec<HashTreeFacts>> {
    let name = |partition: &Partition| partition_type::name(partition.type_guid);
    let mut found = Vec::new();
    for data in partitions {
        let hash_type = name(data).and_then(partition_type::hash_tree_of);
        let hash = partitions
            .iter()
            .find(|partition| hash_type.is_some() && name(partition) == hash_type);
        if let Some(hash) = hash {
            found.push(facts(disk, data, hash)?);
        }
    }
    Ok(found)
}

fn facts(disk: &File, data: &Partition, hash: &Partition) -> io::Result<HashTreeFacts> {
    let mut root_hash = [0; Sha256Digest::SIZE];
    let (first, last) = root_hash.split_at_mut(16);
    first.copy_from_slice(data.guid.as_bytes());
    last.copy_from_slice(hash.guid.as_bytes());
    let root_hash = Sha256Digest::new(root_hash);

    let superblock = read_superblock(disk, hash)?;
    let check = match &superblock {
        Some(Ok(superblock)) => check_with_superblock(disk, data, hash, superblock, root_hash),
        Some(Err(reason)) => HashTreeCheck::NotChecked {
            reason: reason.clone(),
        },
        None => check_without_superblock(disk, data, hash, root_hash),
    };
    Ok(HashTreeFacts {
        data_partition: data.number,
        hash_partition: hash.number,
        implied_root_hash: root_hash,
        superblock: superblock
            .and_then(Result::ok)
            .map(|superblock| SuperblockFacts {
                uuid: superblock.uuid,
                data_blocks: superblock.data_blocks,
                salt: superblock.salt.to_string(),
            }),
        check,
    })
}

/// The superblock at the start of a hash partition, or why it cannot be understood; `None` if
/// there is none.
fn read_superblock(
    disk: &File,
    hash: &Partition,
) -> io::Result<Option<Result<Superblock, String>>> {
    let mut bytes = [0; Superblock::SIZE];
    if hash.length < bytes.len() as u64 {
        return Ok(None);
    }
    disk.read_exact_at(&mut bytes, hash.offset)?;
    if !bytes.starts_with(SUPERBLOCK_SIGNATURE) {
        return Ok(None);
    }
    Ok(Some(
        Superblock::parse(&bytes).map_err(|error| error.to_string()),
    ))
}

fn check_with_superblock(
    disk: &File,
    data: &Partition,
    hash: &Partition,
    superblock: &Superblock,
    root_hash: Sha256Digest,
) -> HashTreeCheck {
    let blocks = superblock.data_blocks;
    if blocks > data.length / BLOCK_SIZE {
        return HashTreeCheck::Differs {
            reason: format!(
                "the superblock counts {blocks} data blocks, partition {} has {}",
                data.number,
                data.length / BLOCK_SIZE
            ),
        };
    }
    // The tree starts with the first whole block after the superblock.
    let tree = Tree {
        blocks,
        start: BLOCK_SIZE,
    };
    match tree.check(disk, data, hash, &superblock.salt, root_hash) {
        Ok(None) => matches(blocks, &superblock.salt),
        Ok(Some(corruption)) => HashTreeCheck::Differs {
            reason: corruption.to_string(),
        },
        Err(reason) => HashTreeCheck::NotChecked { reason },
    }
}

/// Without a superblock the salt is not on the disk. It may be that there is none, which a match
/// proves and anything else leaves open.
fn check_without_superblock(
    disk: &File,
    data: &Partition,
    hash: &Partition,
    root_hash: Sha256Digest,
) -> HashTreeCheck {
    let salt = Salt::default();
    let tree = Tree {
        blocks: data.length / BLOCK_SIZE,
        start: 0,
    };
    match tree.check(disk, data, hash, &salt, root_hash) {
        Ok(None) => matches(tree.blocks, &salt),
        // The top of the tree has the root hash without any salt: what is below must have it too.
        Ok(Some(corruption @ (Corruption::Data(_) | Corruption::Tree(_)))) => {
            HashTreeCheck::Differs {
                reason: corruption.to_string(),
            }
        }
        Ok(Some(Corruption::Root { .. })) => HashTreeCheck::NotChecked {
            reason: format!(
                "partition {} has no superblock, so the salt is not on the disk, and the tree \
                 does not match without one; the salt stands with the root hash in the kernel \
                 command line of the guest's IGVM file",
                hash.number
            ),
        },
        Err(reason) => HashTreeCheck::NotChecked { reason },
    }
}

fn matches(data_blocks: u64, salt: &Salt) -> HashTreeCheck {
    HashTreeCheck::Matches {
        data_blocks,
        salt: salt.to_string(),
    }
}

/// Where a tree should be.
struct Tree {
    /// Blocks under it.
    blocks: u64,
    /// Where it starts in the hash partition, in bytes.
    start: u64,
}

impl Tree {
    /// Checks the tree; an error is a reason why that is impossible.
    fn check(
        &self,
        disk: &File,
        data: &Partition,
        hash: &Partition,
        salt: &Salt,
        root_hash: Sha256Digest,
    ) -> Result<Option<Corruption>, String> {
        let text = |error: VerityError| error.to_string();
        let needed = TreeShape::new(self.blocks).size() + self.start;
        if needed > hash.length {
            return Err(format!(
                "partition {} has {} bytes, the hash tree of {} blocks takes {needed}",
                hash.number, hash.length, self.blocks
            ));
        }
        let data = Data::new(disk, data.offset, self.blocks * BLOCK_SIZE).map_err(text)?;
        verity::check(data, disk, hash.offset + self.start, salt, root_hash).map_err(text)
    }
}
