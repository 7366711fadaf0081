//! What lies where in an image: from a byte to the file it belongs to, and to where that comes
//! from.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::format::{BLOCK_SIZE, FileType, SUPERBLOCK_OFFSET, Superblock};
use super::layout::{Inode, Layout};
use crate::tree::{Origin, TreePath};

/// What lies where in an image. A byte that no extent holds is zero: it pads a block or the room
/// between inodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The image's length in bytes, a whole number of 4 KiB blocks.
    pub size: u64,
    /// Where inodes come from, sorted, each once.
    pub origins: Vec<Origin>,
    /// The inodes in the order of the tree's walk, so the root is the first.
    pub inodes: Vec<ImageInode>,
    /// What the image holds, sorted by start; extents do not overlap.
    pub extents: Vec<Extent>,
}

/// An inode of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageInode {
    /// Its names, sorted: more than one if it has hard links.
    pub paths: Vec<TreePath>,
    /// Where it comes from: the index into [`Image::origins`].
    pub origin: u32,
}

/// A range of an image and what it holds. Serialized as `[start, length, holds, inode]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Columns", from = "Columns")]
pub struct Extent {
    /// Where it starts, in bytes.
    pub start: u64,
    /// Its length in bytes, at least one.
    pub length: u64,
    /// What it holds.
    pub holds: Holds,
    /// Whose it is: the index into [`Image::inodes`]. The superblock is nobody's; a shared
    /// extended attribute is that of the first inode that has it.
    pub inode: Option<u32>,
}

type Columns = (u64, u64, Holds, Option<u32>);

impl From<Extent> for Columns {
    fn from(extent: Extent) -> Self {
        (extent.start, extent.length, extent.holds, extent.inode)
    }
}

impl From<Columns> for Extent {
    fn from((start, length, holds, inode): Columns) -> Self {
        Self {
            start,
            length,
            holds,
            inode,
        }
    }
}

/// What a range of an image holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// The superblock: UUID, times, name and checksum of the first block.
    Superblock,
    /// An inode with the extended attributes that are its own: owner, mode, size, links.
    Inode,
    /// An extended attribute that several inodes have.
    SharedXattr,
    /// Entries of a directory.
    Directory,
    /// The target of a symbolic link.
    Symlink,
    /// Content of a file.
    Content,
}

impl Image {
    /// The extents that hold any of these bytes, in order.
    pub fn extents_in(&self, bytes: Range<u64>) -> &[Extent] {
        let first = self
            .extents
            .partition_point(|extent| extent.start + extent.length <= bytes.start);
        let end = self
            .extents
            .partition_point(|extent| extent.start < bytes.end);
        &self.extents[first..end.max(first)]
    }

    /// The extents that hold any byte of a 4 KiB block, in order.
    pub fn extents_in_block(&self, block: u64) -> &[Extent] {
        let start = block.saturating_mul(BLOCK_SIZE);
        self.extents_in(start..start.saturating_add(BLOCK_SIZE))
    }

    /// The inode that an extent belongs to.
    pub fn inode(&self, extent: &Extent) -> Option<&ImageInode> {
        self.inodes.get(usize::try_from(extent.inode?).ok()?)
    }

    /// Where an inode comes from.
    pub fn origin(&self, inode: &ImageInode) -> Option<&Origin> {
        self.origins.get(usize::try_from(inode.origin).ok()?)
    }

    /// The map of a laid out image.
    pub(super) fn of(layout: &Layout<'_>) -> Self {
        let mut numbers: BTreeMap<&Origin, u32> = layout
            .inodes
            .iter()
            .map(|inode| (&inode.node.origin, 0))
            .collect();
        for (number, (_, slot)) in (0..).zip(&mut numbers) {
            *slot = number;
        }
        let inodes = layout
            .inodes
            .iter()
            .map(|inode| ImageInode {
                paths: inode.paths.iter().copied().cloned().collect(),
                origin: numbers[&inode.node.origin],
            })
            .collect();
        Self {
            size: layout.size(),
            origins: numbers.into_keys().cloned().collect(),
            inodes,
            extents: extents(layout),
        }
    }
}

/// Everything the image holds, in the order of places.
fn extents(layout: &Layout<'_>) -> Vec<Extent> {
    let mut extents = vec![Extent {
        start: SUPERBLOCK_OFFSET as u64,
        length: size_of::<Superblock>() as u64,
        holds: Holds::Superblock,
        inode: None,
    }];
    for inode in &layout.inodes {
        let data = match inode.file_type {
            FileType::Directory => Holds::Directory,
            FileType::Symlink => Holds::Symlink,
            _ => Holds::Content,
        };
        for (start, length, holds) in [
            (inode.offset, inode.head_size(), Holds::Inode),
            (inode.tail_offset(), inode.tail_size(), data),
            (inode.body_offset(), inode.body_size(), data),
        ] {
            extents.push(extent(inode, start, length, holds));
        }
    }
    extents.extend(layout.shared.iter().map(|xattr| Extent {
        start: layout.shared_offset() + xattr.offset as u64,
        length: xattr.attribute.size() as u64,
        holds: Holds::SharedXattr,
        inode: Some(xattr.inode),
    }));
    extents.retain(|extent| extent.length > 0);
    extents.sort_unstable_by_key(|extent| extent.start);
    extents
}

fn extent(inode: &Inode<'_>, start: u64, length: u64, holds: Holds) -> Extent {
    Extent {
        start,
        length,
        holds,
        inode: Some(inode.number),
    }
}
