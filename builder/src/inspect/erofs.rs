//! An EROFS image: its superblock and its files.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use super::listing::{DeviceNumber, Entry, FileType, Listing, ListingTooLarge, Mode};
use super::text::printable;
use crate::erofs::{ReadError, Reader};
use crate::tree::{Node, NodeId, NodeKind, Origin, Tree, TreePath};

/// An EROFS image.
#[derive(Debug, Clone, Serialize)]
pub struct ErofsFacts {
    /// What its superblock says.
    pub superblock: ErofsSuperblock,
    /// Bytes of the file behind the image.
    pub trailing_bytes: u64,
    /// Its files, each directory directly before what it holds, siblings sorted by their bytes.
    pub entries: Vec<Entry>,
}

/// Why an EROFS image cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum ErofsError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The list would take too much memory.
    #[error(transparent)]
    Listing(#[from] ListingTooLarge),
}

/// What the superblock of an EROFS image says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErofsSuperblock {
    /// The volume's UUID.
    pub uuid: Uuid,
    /// The volume's name; empty if it has none.
    pub volume_name: String,
    /// Time of the image, in seconds since 1970-01-01T00:00:00Z.
    pub timestamp: u64,
    /// How many inodes there are.
    pub inodes: u64,
    /// Bytes in the image.
    pub bytes: u64,
}

impl ErofsSuperblock {
    pub(super) fn new(reader: &Reader) -> Self {
        Self {
            uuid: reader.uuid(),
            volume_name: printable(reader.volume_name().as_bytes()),
            timestamp: reader.timestamp(),
            inodes: reader.inode_count(),
            bytes: reader.size(),
        }
    }
}

impl ErofsFacts {
    /// Reads the image that `file`, of `length` bytes, holds from its start on.
    pub(super) fn read(file: File, length: u64) -> Result<Self, ErofsError> {
        let reader = Reader::open(Arc::new(file), 0, length)?;
        let tree = reader.tree(&Origin::input("FILE"))?;
        Ok(Self {
            superblock: ErofsSuperblock::new(&reader),
            trailing_bytes: length.saturating_sub(reader.size()),
            entries: entries(&tree)?,
        })
    }
}

fn entries(tree: &Tree) -> Result<Vec<Entry>, ListingTooLarge> {
    let mut listing = Listing::default();
    let mut first_names = BTreeMap::<NodeId, usize>::new();
    for (path, id, node) in tree.iter() {
        let index = listing.push(entry(path, node))?;
        let first = *first_names.entry(id).or_insert(index);
        if first != index {
            listing.link(first, index)?;
        }
    }
    Ok(listing.into_entries())
}

fn entry(path: &TreePath, node: &Node) -> Entry {
    let (file_type, size) = match &node.kind {
        NodeKind::Directory => (FileType::Directory, 0),
        NodeKind::File(content) => (FileType::File, content.len()),
        NodeKind::Symlink(target) => (FileType::Symlink, target.len() as u64),
        NodeKind::CharacterDevice(_) => (FileType::CharacterDevice, 0),
        NodeKind::BlockDevice(_) => (FileType::BlockDevice, 0),
        NodeKind::Fifo => (FileType::Fifo, 0),
        NodeKind::Socket => (FileType::Socket, 0),
    };
    let metadata = &node.metadata;
    Entry {
        path: format!("/{}", printable(path.as_bytes())),
        file_type,
        mode: Mode(metadata.mode),
        uid: metadata.uid,
        gid: metadata.gid,
        size,
        target: match &node.kind {
            NodeKind::Symlink(target) => Some(printable(target)),
            _ => None,
        },
        hard_link_to: None,
        device: match node.kind {
            NodeKind::CharacterDevice(device) | NodeKind::BlockDevice(device) => {
                Some(DeviceNumber(device))
            }
            _ => None,
        },
        xattrs: metadata.xattrs.keys().map(|name| printable(name)).collect(),
    }
}
