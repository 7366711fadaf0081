//! The disk image: a GPT with the root file system and its hash tree.
//!
//! Partition types, the UUIDs taken from the root hash, and the read-only flag follow the
//! Discoverable Partitions Specification (UAPI.2), so that the root hash alone finds both
//! partitions.

mod layout;
mod table;
mod writer;

use std::io;
use std::path::PathBuf;

use fs_err::File;
use gpt::GptError;
use uuid::Uuid;

use crate::recipe::Memory;
use crate::verity::{self, Data, HashArea, HashTree, Parameters, VerityError};

pub use layout::{DiskLayout, Extent, ROOT_OFFSET};
pub use writer::PartitionWriter;

/// A disk image that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The recipe fixes a size in which the content does not fit.
    #[error(
        "the disk of {size} is too small: a root file system of {root} bytes and its hash tree \
         of {hash} bytes need at least {} MiB; raise disk.size, leave it out, or remove files \
         from the root file system", .needed.div_ceil(1 << 20)
    )]
    TooSmall {
        /// The disk's size.
        size: Memory,
        /// Bytes of the root file system.
        root: u64,
        /// Bytes of the hash tree, with the superblock if there is one.
        hash: u64,
        /// Bytes of the smallest disk that is large enough.
        needed: u64,
    },
    /// More blocks than any disk has.
    #[error(
        "a root file system of {0} blocks is larger than any disk; at most {max} are possible",
        max = DiskLayout::MAX_ROOT_BLOCKS
    )]
    TooLarge(u64),
    /// The partition table cannot be written.
    #[error("{path}: cannot write the partition table: {source}", path = .path.display())]
    Table {
        /// The disk image.
        path: PathBuf,
        /// What went wrong.
        source: GptError,
    },
    /// The hash tree cannot be made.
    #[error(transparent)]
    Verity(#[from] VerityError),
    /// Reading or writing the image failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A disk image in the making. The root file system is written straight into its place through
/// [`DiskWriter::root`]; [`DiskWriter::finish`] adds what depends on it.
#[derive(Debug)]
pub struct DiskWriter {
    file: File,
    size: Option<Memory>,
}

/// A disk image that is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskImage {
    /// Where everything lies.
    pub layout: DiskLayout,
    /// The disk's GUID, derived from the root hash.
    pub guid: Uuid,
    /// The UUID of partition 1: the first 128 bits of the root hash.
    pub root_uuid: Uuid,
    /// The UUID of partition 2: the last 128 bits of the root hash.
    pub hash_uuid: Uuid,
    /// The hash tree; its offsets count from the start of the disk.
    pub tree: HashTree,
}

impl DiskImage {
    /// The number of the hash partition's block at which the tree starts: the
    /// `<hash_start_block>` of a dm-verity table.
    pub const fn hash_start_block(&self) -> u64 {
        (self.tree.tree_offset - self.layout.hash.offset) / verity::BLOCK_SIZE
    }
}

impl DiskWriter {
    /// Starts a disk image in `file`, which must be readable and writable and is emptied. With
    /// `size` the disk gets exactly that size, without it the size that its content needs.
    ///
    /// # Errors
    /// A file that cannot be emptied.
    pub fn new(file: File, size: Option<Memory>) -> io::Result<Self> {
        file.set_len(0)?;
        Ok(Self { file, size })
    }

    /// Writes into the root partition, from its first byte on.
    pub const fn root(&self) -> PartitionWriter<'_> {
        PartitionWriter::new(&self.file, ROOT_OFFSET)
    }

    /// Completes the image around a root file system of `root_length` bytes, a whole number of
    /// blocks: hashes it, writes the hash partition and the partition table. Data stays in
    /// the page cache: whoever owns the file syncs it.
    ///
    /// # Errors
    /// A root file system that is empty, ends within a block or does not fit, and any failure to
    /// read or write.
    pub fn finish(self, root_length: u64, parameters: &Parameters) -> Result<DiskImage, DiskError> {
        let root = Data::new(&self.file, ROOT_OFFSET, root_length)?;
        let layout = DiskLayout::new(root.blocks(), parameters.uuid.is_some(), self.size)?;
        self.file.set_len(layout.size)?;
        let area = HashArea {
            file: &self.file,
            offset: layout.hash.offset,
        };
        let tree = verity::format(root, area, parameters)?;
        let image = DiskImage {
            guid: table::disk_guid(tree.root_hash),
            root_uuid: table::half(tree.root_hash, 0),
            hash_uuid: table::half(tree.root_hash, 16),
            layout,
            tree,
        };
        table::write(&self.file, &image).map_err(|source| DiskError::Table {
            path: self.file.path().to_owned(),
            source,
        })?;
        Ok(image)
    }
}

#[cfg(test)]
mod tests;
