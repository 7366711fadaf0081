//! The root file system of a guest: its hash tree, and its data if they are there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err::File;
use fs_err::os::unix::fs::FileExt;
use guestmark_builder::build::VerityRecord;
use guestmark_builder::erofs::{ReadError, Reader};
use guestmark_builder::inspect::{Gpt, Partition, partition_type};
use guestmark_builder::verity::{BLOCK_SIZE, Superblock, TreeShape};
use guestmark_measure::Sha256Digest;

use crate::diff::DiffError;

/// Sizes of a sector that are looked for, in bytes.
const SECTOR_SIZES: [u64; 2] = [512, 4096];

/// A root file system, as far as it is there.
#[derive(Debug)]
pub(in crate::diff) struct Disk {
    /// The file that holds data or hash tree.
    pub(in crate::diff) path: PathBuf,
    /// The hash tree.
    pub(in crate::diff) tree: Option<HashTree>,
    /// The data.
    pub(in crate::diff) data: Option<Data>,
    /// Where the partitions lie in the file, if it is a disk.
    pub(in crate::diff) partitions: Vec<Partition>,
    /// The disk's file, if it is a disk.
    pub(in crate::diff) file: Arc<std::fs::File>,
    /// Bytes in the file.
    pub(in crate::diff) length: u64,
}

/// A hash tree in its file.
#[derive(Debug)]
pub(in crate::diff) struct HashTree {
    pub(in crate::diff) file: Arc<std::fs::File>,
    /// Its first byte in the file.
    pub(in crate::diff) offset: u64,
    /// Blocks under it.
    pub(in crate::diff) data_blocks: u64,
    /// The hash that it hangs from, if that is known.
    pub(in crate::diff) root_hash: Option<Sha256Digest>,
    /// The salt, if that is known.
    pub(in crate::diff) salt: Option<Vec<u8>>,
}

/// The data under a hash tree: an EROFS image.
#[derive(Debug)]
pub(in crate::diff) struct Data {
    pub(in crate::diff) file: Arc<std::fs::File>,
    /// Its first byte in the file.
    pub(in crate::diff) offset: u64,
    pub(in crate::diff) reader: Reader,
}

impl Disk {
    /// Reads the disk or file system image at `path`; `record` is what its build says of it.
    /// `None` is returned for a file that is neither.
    pub(in crate::diff) fn open(
        path: &Path,
        record: Option<&VerityRecord>,
    ) -> Result<Option<Self>, DiffError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let Some(sector_size) = sector_size(&file, length)? else {
            return Self::bare(path, file, length);
        };
        let table = Gpt::read(&file, length, sector_size).map_err(|source| DiffError::Disk {
            path: path.to_owned(),
            source,
        })?;
        let kind = |partition: &Partition| partition_type::name(partition.type_guid);
        let pair = table.partitions.iter().find_map(|data| {
            let expected = kind(data).and_then(partition_type::hash_tree_of)?;
            let mut others = table.partitions.iter();
            Some((data, others.find(|other| kind(other) == Some(expected))?))
        });
        let file: Arc<std::fs::File> = Arc::new(file.into());
        let mut disk = Self {
            path: path.to_owned(),
            tree: None,
            data: None,
            partitions: Vec::new(),
            file: Arc::clone(&file),
            length,
        };
        if let Some((data, hash)) = pair {
            disk.data = Data::open(path, &file, data.offset, data.length)?;
            disk.tree = Some(HashTree::in_partition(path, &file, data, hash, record)?);
        } else if let Some(data) = table.partitions.first() {
            disk.data = Data::open(path, &file, data.offset, data.length)?;
        }
        disk.partitions = table.partitions;
        Ok(Some(disk))
    }

    /// A file system image without a partition table.
    fn bare(path: &Path, file: File, length: u64) -> Result<Option<Self>, DiffError> {
        let file: Arc<std::fs::File> = Arc::new(file.into());
        let data = Data::open(path, &file, 0, length)?;
        Ok(data.map(|data| Self {
            path: path.to_owned(),
            tree: None,
            data: Some(data),
            partitions: Vec::new(),
            file,
            length,
        }))
    }

    /// A hash partition that was kept without its data.
    pub(in crate::diff) fn hash_partition(
        path: &Path,
        record: &VerityRecord,
    ) -> Result<Self, DiffError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let file: Arc<std::fs::File> = Arc::new(file.into());
        let start = record.hash_start_block.saturating_mul(BLOCK_SIZE);
        Ok(Self {
            path: path.to_owned(),
            tree: Some(HashTree::recorded(path, &file, (0, length), start, record)?),
            data: None,
            partitions: Vec::new(),
            file,
            length,
        })
    }
}

impl Data {
    /// The EROFS image in a part of a file; `None` if none is there.
    fn open(
        path: &Path,
        file: &Arc<std::fs::File>,
        offset: u64,
        length: u64,
    ) -> Result<Option<Self>, DiffError> {
        match Reader::open(Arc::clone(file), offset, length) {
            Ok(reader) => Ok(Some(Self {
                file: Arc::clone(file),
                offset,
                reader,
            })),
            // No superblock, or no room for one: the data were left out.
            Err(
                ReadError::NotErofs { .. }
                | ReadError::OutOfBounds {
                    what: "the superblock",
                    ..
                },
            ) => Ok(None),
            Err(source) => Err(DiffError::erofs(path, source)),
        }
    }
}

impl HashTree {
    fn in_partition(
        path: &Path,
        file: &Arc<std::fs::File>,
        data: &Partition,
        hash: &Partition,
        record: Option<&VerityRecord>,
    ) -> Result<Self, DiffError> {
        let place = (hash.offset, hash.length);
        if let Some(record) = record {
            let start = record.hash_start_block.saturating_mul(BLOCK_SIZE);
            return Self::recorded(path, file, place, start, record);
        }
        // The Discoverable Partitions Specification puts the root hash into both UUIDs.
        let mut root_hash = [0; Sha256Digest::SIZE];
        let (first, last) = root_hash.split_at_mut(16);
        first.copy_from_slice(data.guid.as_bytes());
        last.copy_from_slice(hash.guid.as_bytes());
        let mut bytes = [0; Superblock::SIZE];
        std::os::unix::fs::FileExt::read_exact_at(&**file, &mut bytes, hash.offset)?;
        let superblock = Superblock::parse(&bytes).ok();
        let (start, data_blocks) = match &superblock {
            Some(superblock) => (BLOCK_SIZE, superblock.data_blocks),
            None => (0, data.length / BLOCK_SIZE),
        };
        Self::checked(
            path,
            Self {
                file: Arc::clone(file),
                offset: start,
                data_blocks,
                root_hash: Some(Sha256Digest::new(root_hash)),
                salt: superblock.map(|superblock| superblock.salt.as_bytes().to_vec()),
            },
            place,
        )
    }

    /// The tree that `record` describes, `start` bytes into the place of the hash partition.
    fn recorded(
        path: &Path,
        file: &Arc<std::fs::File>,
        place: (u64, u64),
        start: u64,
        record: &VerityRecord,
    ) -> Result<Self, DiffError> {
        Self::checked(
            path,
            Self {
                file: Arc::clone(file),
                offset: start,
                data_blocks: record.data_blocks,
                root_hash: Some(record.root_hash),
                salt: hex::decode(&record.salt).ok(),
            },
            place,
        )
    }

    /// `tree`, whose offset counts from the start of its place, if it lies in that.
    fn checked(path: &Path, tree: Self, (offset, length): (u64, u64)) -> Result<Self, DiffError> {
        // No tree of a file is larger than the data could be.
        let fits = tree.data_blocks < 1 << 51
            && TreeShape::new(tree.data_blocks)
                .size()
                .checked_add(tree.offset)
                .is_some_and(|end| end <= length);
        if !fits {
            return Err(DiffError::Tree {
                path: path.to_owned(),
                data_blocks: tree.data_blocks,
                offset: tree.offset,
                length,
            });
        }
        Ok(Self {
            offset: offset + tree.offset,
            ..tree
        })
    }
}

/// The size of a sector of the disk in `file`; `None` if it has no GUID partition table.
fn sector_size(file: &File, length: u64) -> Result<Option<u64>, DiffError> {
    for size in SECTOR_SIZES {
        let mut signature = [0; 8];
        if size + 8 <= length {
            file.read_exact_at(&mut signature, size)?;
        }
        if signature == *b"EFI PART" {
            return Ok(Some(size));
        }
    }
    Ok(None)
}
