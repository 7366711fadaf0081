//! From the root inode to a tree.

use std::collections::BTreeMap;

use super::Reader;
use super::error::ReadError;
use super::inode::DiskInode;
use super::listing::{self, Listed};
use super::xattrs;
use crate::erofs::format::FileType;
use crate::tree::{Metadata, Node, NodeKind, Origin, Tree, TreePath};

/// What names and extended attributes may always take, in bytes; an image may add its own size.
const EXPANSION_FLOOR: u64 = 64 << 20;

/// A walk through an image's directories.
pub(super) struct Walk<'a> {
    reader: &'a Reader,
    origin: &'a Origin,
    tree: Tree,
    /// What has a name already, by nid.
    seen: BTreeMap<u64, Seen>,
    /// Bytes of the image that inodes have claimed.
    claimed: u64,
    /// Bytes of names and extended attributes so far.
    expanded: u64,
}

/// An inode that has a name.
struct Seen {
    path: TreePath,
    file_type: FileType,
    /// The count of links that it says.
    links: u32,
    /// The names found so far.
    names: u32,
}

/// A directory whose entries are still to be read.
struct Open {
    path: TreePath,
    inode: DiskInode,
    parent_nid: u64,
}

impl<'a> Walk<'a> {
    pub(super) fn new(reader: &'a Reader, origin: &'a Origin) -> Self {
        Self {
            reader,
            origin,
            tree: Tree::new(origin.clone()),
            seen: BTreeMap::new(),
            claimed: 0,
            expanded: 0,
        }
    }

    /// Walks from the root down.
    pub(super) fn tree(mut self) -> Result<Tree, ReadError> {
        let nid = self.reader.root_nid();
        let root = DiskInode::read(self.reader, nid)?;
        if root.file_type != FileType::Directory {
            return Err(ReadError::Invalid {
                offset: root.offset,
                field: "the type of the root inode",
                found: (root.file_type as u8).into(),
                expected: "2, a directory",
            });
        }
        let metadata = self.metadata(&TreePath::root(), &root)?;
        if let Some(node) = self.tree.get_mut(&TreePath::root()) {
            node.metadata = metadata;
        }
        self.remember(&TreePath::root(), &root);
        let mut open = vec![Open {
            path: TreePath::root(),
            inode: root,
            parent_nid: nid,
        }];
        while let Some(directory) = open.pop() {
            self.enter(&directory, &mut open)?;
        }
        self.check_links()?;
        Ok(self.tree)
    }

    /// Places what a directory holds, and adds its directories to those still open.
    fn enter(&mut self, directory: &Open, open: &mut Vec<Open>) -> Result<(), ReadError> {
        let mut directories = 0;
        for entry in listing::read(self.reader, &directory.inode)? {
            let expected = match &entry.name[..] {
                b"." => Some(directory.inode.nid),
                b".." => Some(directory.parent_nid),
                _ => None,
            };
            if expected.is_some_and(|nid| nid != entry.nid) {
                return Err(ReadError::Invalid {
                    offset: directory.inode.offset,
                    field: "the inode number of \".\" or \"..\" in the directory",
                    found: entry.nid,
                    expected: "the directory's own, or that of the directory above",
                });
            }
            if expected.is_some() {
                directories += 1;
            } else if let Some(below) = self.place(directory, entry)? {
                directories += 1;
                open.push(below);
            }
        }
        if let Some(seen) = self.seen.get_mut(&directory.inode.nid) {
            seen.names = directories;
        }
        Ok(())
    }

    /// Places one entry, and returns it if it is a directory.
    fn place(&mut self, parent: &Open, entry: Listed) -> Result<Option<Open>, ReadError> {
        let path = parent.path.join(&entry.name)?;
        self.expand(&path, path.as_bytes().len() as u64)?;
        if let Some(seen) = self.seen.get_mut(&entry.nid) {
            check_type(parent, &entry, seen.file_type)?;
            if seen.file_type == FileType::Directory {
                return Err(ReadError::DirectoryTwice { path });
            }
            seen.names += 1;
            self.tree.link(path, &seen.path)?;
            return Ok(None);
        }
        let inode = DiskInode::read(self.reader, entry.nid)?;
        check_type(parent, &entry, inode.file_type)?;
        let node = Node {
            metadata: self.metadata(&path, &inode)?,
            kind: inode.kind(self.reader)?,
            origin: self.origin.clone(),
        };
        let is_directory = matches!(node.kind, NodeKind::Directory);
        self.tree.insert(path.clone(), node)?;
        self.remember(&path, &inode);
        Ok(is_directory.then_some(Open {
            path,
            inode,
            parent_nid: parent.inode.nid,
        }))
    }

    fn remember(&mut self, path: &TreePath, inode: &DiskInode) {
        let seen = Seen {
            path: path.clone(),
            file_type: inode.file_type,
            links: inode.links,
            names: 1,
        };
        self.seen.insert(inode.nid, seen);
    }

    /// Reads an inode's metadata, and counts what the inode claims of the image.
    fn metadata(&mut self, path: &TreePath, inode: &DiskInode) -> Result<Metadata, ReadError> {
        let size = self.reader.size();
        let xattrs_size = inode.xattrs.end - inode.xattrs.start;
        self.claimed = self.claimed.saturating_add(inode.size() + xattrs_size);
        if self.claimed > size {
            return Err(ReadError::Overlap {
                path: path.clone(),
                size,
            });
        }
        let reader = self.reader;
        Ok(Metadata {
            mode: inode.mode,
            uid: inode.uid,
            gid: inode.gid,
            xattrs: xattrs::read(reader, inode, |bytes| self.expand(path, bytes))?,
        })
    }

    /// Counts bytes that the tree will hold.
    fn expand(&mut self, path: &TreePath, bytes: u64) -> Result<(), ReadError> {
        let limit = self.reader.size().saturating_add(EXPANSION_FLOOR);
        self.expanded = self.expanded.saturating_add(bytes);
        if self.expanded > limit {
            return Err(ReadError::Expansion {
                path: path.clone(),
                limit,
            });
        }
        Ok(())
    }

    fn check_links(&self) -> Result<(), ReadError> {
        match self.seen.values().find(|seen| seen.links != seen.names) {
            None => Ok(()),
            Some(seen) => Err(ReadError::Links {
                path: seen.path.clone(),
                found: seen.links,
                expected: seen.names,
            }),
        }
    }
}

fn check_type(parent: &Open, entry: &Listed, file_type: FileType) -> Result<(), ReadError> {
    if entry.file_type == file_type as u8 {
        return Ok(());
    }
    Err(ReadError::Invalid {
        offset: parent.inode.offset,
        field: "the file type of an entry in the directory",
        found: entry.file_type.into(),
        expected: "the type of the entry's inode",
    })
}
