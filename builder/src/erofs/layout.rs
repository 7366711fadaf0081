//! Where everything of an image goes, decided before the first byte is written.
//!
//! ```text
//! 0       zeros
//! 1024    superblock
//! 1152    the root's inode, extended attributes that several inodes have, the other inodes:
//!         each inode with its own extended attributes and, where they fit into its block, the
//!         bytes that fill no block of their own (the end of a file, a link's target, a
//!         directory's last entries)
//! blocks  directories
//! blocks  files
//! ```
//!
//! Inodes are numbered in the order of the tree's walk, which is also the order of directories
//! and files.

use std::collections::BTreeMap;

use super::dirents::{self, Entry};
use super::error::WriteError;
use super::format::{
    BLOCK_SIZE, CompactInode, DataLayout, ExtendedInode, FileType, NO_BLOCK, SLOT_SIZE,
    SUPERBLOCK_OFFSET, SYMLINK_MAX, Superblock,
};
use super::slots::Slots;
use super::xattr::{self, InodeXattrs, SharedXattr};
use crate::tree::{Device, Node, NodeId, NodeKind, Tree, TreePath};

/// Where the first inode can go, in bytes.
pub(super) const INODES_OFFSET: u64 = (SUPERBLOCK_OFFSET + size_of::<Superblock>()) as u64;

/// An inode with its place.
#[derive(Debug)]
pub(super) struct Inode<'t> {
    /// Its place in the tree's walk, from zero.
    pub(super) number: u32,
    /// Every name, sorted; at least one.
    pub(super) paths: Vec<&'t TreePath>,
    pub(super) node: &'t Node,
    pub(super) file_type: FileType,
    /// A directory's entries with `.` and `..`, sorted; empty for what is no directory.
    pub(super) entries: Vec<Entry<'t>>,
    pub(super) links: u32,
    /// Bytes of its data.
    pub(super) size: u64,
    pub(super) xattrs: InodeXattrs<'t>,
    pub(super) data: DataLayout,
    /// Where the inode starts, in bytes.
    pub(super) offset: u64,
    /// The first block of its data or [`NO_BLOCK`]; the device number of devices.
    pub(super) address: u32,
}

/// The fields of an inode that its compact form holds in fewer bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Narrow {
    pub(super) uid: u16,
    pub(super) gid: u16,
    pub(super) links: u16,
    pub(super) size: u32,
}

impl Inode<'_> {
    /// What the compact form holds in fewer bits, if it fits.
    pub(super) fn narrow(&self) -> Option<Narrow> {
        let metadata = &self.node.metadata;
        Some(Narrow {
            uid: metadata.uid.try_into().ok()?,
            gid: metadata.gid.try_into().ok()?,
            links: self.links.try_into().ok()?,
            size: self.size.try_into().ok()?,
        })
    }

    /// Bytes of the inode and its extended attributes.
    pub(super) fn head_size(&self) -> u64 {
        let record = match self.narrow() {
            Some(_) => size_of::<CompactInode>(),
            None => size_of::<ExtendedInode>(),
        };
        (record + self.xattrs.size()) as u64
    }

    /// Bytes of its data that stand behind it.
    pub(super) fn tail_size(&self) -> u64 {
        match self.data {
            DataLayout::FlatInline => self.size % BLOCK_SIZE,
            DataLayout::FlatPlain => 0,
        }
    }

    /// Bytes of its data that stand in blocks.
    pub(super) fn body_size(&self) -> u64 {
        self.size - self.tail_size()
    }

    /// Where its data's end stands, in bytes, if it stands behind the inode.
    pub(super) fn tail_offset(&self) -> u64 {
        self.offset + self.head_size()
    }

    /// Where its data's blocks start, in bytes.
    pub(super) fn body_offset(&self) -> u64 {
        u64::from(self.address) * BLOCK_SIZE
    }

    /// The number that directory entries name it by.
    pub(super) fn nid(&self) -> u64 {
        self.offset / SLOT_SIZE
    }
}

/// Something that stands before the blocks of directories and files.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// The inode of this number.
    Inode(u32),
    /// The extended attributes that several inodes have.
    SharedXattrs,
}

/// Where everything of an image goes.
#[derive(Debug)]
pub(super) struct Layout<'t> {
    /// By number; the root is the first.
    pub(super) inodes: Vec<Inode<'t>>,
    /// What stands before the blocks of directories and files, by offset.
    pub(super) places: Vec<(u64, Place)>,
    /// Attributes that several inodes have, in the order of their places.
    pub(super) shared: Vec<SharedXattr<'t>>,
    /// The id of the first: its place in units of [`xattr::ALIGNMENT`].
    pub(super) first_shared: u32,
    pub(super) root_nid: u16,
    /// Blocks of the image.
    pub(super) blocks: u32,
}

impl<'t> Layout<'t> {
    /// Lays out the image of `tree`.
    pub(super) fn plan(tree: &'t Tree) -> Result<Self, WriteError> {
        let mut inodes = number(tree)?;
        let described = inodes
            .iter()
            .map(|inode| (inode.paths[0], &inode.node.metadata));
        let (xattrs, shared) = xattr::share(described)?;
        for (inode, xattrs) in inodes.iter_mut().zip(xattrs) {
            inode.xattrs = xattrs;
        }

        let shared_size: usize = shared.iter().map(|xattr| xattr.attribute.size()).sum();
        let (shared_offset, inodes_end) =
            place(&mut inodes, shared_size as u64).ok_or(WriteError::TooLarge)?;
        let first_shared = xattr_id(shared_offset)?;
        xattr_id(shared_offset + shared_size as u64)?;

        let blocks = place_bodies(&mut inodes, inodes_end / BLOCK_SIZE)?;

        let root_nid = u16::try_from(inodes[0].nid()).map_err(|_| WriteError::TooLarge)?;
        let mut places: Vec<(u64, Place)> = (0..)
            .zip(&inodes)
            .map(|(number, inode)| (inode.offset, Place::Inode(number)))
            .collect();
        if !shared.is_empty() {
            places.push((shared_offset, Place::SharedXattrs));
        }
        places.sort_unstable_by_key(|&(offset, _)| offset);
        Ok(Self {
            inodes,
            places,
            shared,
            first_shared,
            root_nid,
            blocks,
        })
    }

    /// Where the shared extended attributes start, in bytes.
    pub(super) fn shared_offset(&self) -> u64 {
        u64::from(self.first_shared) * xattr::ALIGNMENT as u64
    }

    /// Bytes of the image.
    pub(super) fn size(&self) -> u64 {
        u64::from(self.blocks) * BLOCK_SIZE
    }
}

/// The id of a shared extended attribute at this offset.
fn xattr_id(offset: u64) -> Result<u32, WriteError> {
    u32::try_from(offset / xattr::ALIGNMENT as u64).map_err(|_| WriteError::TooLarge)
}

fn block_address(block: u64) -> Result<u32, WriteError> {
    u32::try_from(block)
        .ok()
        .filter(|&address| address != NO_BLOCK)
        .ok_or(WriteError::TooLarge)
}

/// Numbers the inodes in the order of the tree's walk and collects what each directory holds.
fn number(tree: &Tree) -> Result<Vec<Inode<'_>>, WriteError> {
    let mut inodes: Vec<Inode<'_>> = Vec::new();
    let mut numbers: BTreeMap<NodeId, u32> = BTreeMap::new();
    // The directories from the root to the one being walked.
    let mut ancestors: Vec<u32> = Vec::new();
    for (path, id, node) in tree.iter() {
        ancestors.truncate(path.components().count());
        let parent = ancestors.last().copied();
        if ancestors.len() != path.components().count() {
            return Err(WriteError::ParentNotDirectory { path: path.clone() });
        }
        let number = match numbers.get(&id) {
            Some(&number) => number,
            None => {
                let number = u32::try_from(inodes.len()).map_err(|_| WriteError::TooLarge)?;
                inodes.push(describe(number, path, node)?);
                numbers.insert(id, number);
                number
            }
        };
        inodes[number as usize].paths.push(path);
        if let Some(parent) = parent {
            let parent = &mut inodes[parent as usize];
            let name = path.name();
            parent.entries.push(Entry {
                name,
                inode: number,
            });
        }
        if matches!(node.kind, NodeKind::Directory) {
            inodes[number as usize].entries = vec![
                Entry {
                    name: b".",
                    inode: number,
                },
                Entry {
                    name: b"..",
                    inode: parent.unwrap_or(number),
                },
            ];
            ancestors.push(number);
        }
    }
    finish(&mut inodes)?;
    Ok(inodes)
}

/// Counts links and sizes, once every name is known.
fn finish(inodes: &mut [Inode<'_>]) -> Result<(), WriteError> {
    let types: Vec<FileType> = inodes.iter().map(|inode| inode.file_type).collect();
    for inode in inodes {
        let links = if inode.file_type == FileType::Directory {
            inode.entries.sort_unstable_by_key(|entry| entry.name);
            inode.size = dirents::size(&inode.entries);
            // Its own `.`, its entry in its parent (as many as its `..`) and the `..` of each
            // directory below.
            let directory = |entry: &&Entry<'_>| types[entry.inode as usize] == FileType::Directory;
            inode.entries.iter().filter(directory).count()
        } else {
            inode.paths.len()
        };
        inode.links = u32::try_from(links).map_err(|_| WriteError::TooLarge)?;
    }
    Ok(())
}

fn describe<'t>(number: u32, path: &TreePath, node: &'t Node) -> Result<Inode<'t>, WriteError> {
    let (file_type, size, address) = match &node.kind {
        NodeKind::Directory => (FileType::Directory, 0, NO_BLOCK),
        NodeKind::File(content) => (FileType::Regular, content.len(), NO_BLOCK),
        NodeKind::Symlink(target) => (FileType::Symlink, target.len() as u64, NO_BLOCK),
        NodeKind::CharacterDevice(device) => {
            (FileType::CharacterDevice, 0, device_number(path, *device)?)
        }
        NodeKind::BlockDevice(device) => (FileType::BlockDevice, 0, device_number(path, *device)?),
        NodeKind::Fifo => (FileType::Fifo, 0, 0),
        NodeKind::Socket => (FileType::Socket, 0, 0),
    };
    if file_type == FileType::Symlink && !(1..=SYMLINK_MAX).contains(&size) {
        return Err(WriteError::SymlinkTarget {
            path: path.clone(),
            length: size,
        });
    }
    Ok(Inode {
        number,
        paths: Vec::new(),
        node,
        file_type,
        entries: Vec::new(),
        links: 0,
        size,
        xattrs: InodeXattrs::default(),
        data: DataLayout::FlatPlain,
        offset: 0,
        address,
    })
}

/// The number that Linux stores for a device (`new_encode_dev` in `linux/kdev_t.h`): 12 bits of
/// major in the middle of 20 bits of minor.
fn device_number(path: &TreePath, device: Device) -> Result<u32, WriteError> {
    let Device { major, minor } = device;
    if major >= 1 << 12 || minor >= 1 << 20 {
        return Err(WriteError::Device {
            path: path.clone(),
            major,
            minor,
        });
    }
    Ok(minor & 0xff | major << 8 | (minor & !0xff) << 12)
}

/// Gives every inode its place. Returns where the shared extended attributes start and where the
/// blocks with inodes end, in bytes.
fn place(inodes: &mut [Inode<'_>], shared_size: u64) -> Option<(u64, u64)> {
    let mut slots = Slots::after(INODES_OFFSET);
    let mut shared_offset = 0;
    for inode in inodes {
        // Linux refuses data behind an inode that crosses into the next block, and up to 6.1 a
        // link's target that is not in the block of its inode as well.
        let tail = inode.size % BLOCK_SIZE;
        if tail > 0 && inode.head_size() + tail <= BLOCK_SIZE {
            inode.data = DataLayout::FlatInline;
        }
        inode.offset = slots.take(inode.head_size() + inode.tail_size())?;
        // The root comes first because the superblock has only 16 bits for its nid, then the
        // shared attributes because their ids have 32.
        if inode.number == 0 && shared_size > 0 {
            shared_offset = slots.take(shared_size)?;
        }
    }
    Some((shared_offset, slots.end()?))
}

/// Gives the data that stands in blocks its place from block `next`: directories first, so that
/// walking the tree reads from one part of the image. Returns the block behind all of them.
fn place_bodies(inodes: &mut [Inode<'_>], mut next: u64) -> Result<u32, WriteError> {
    for directories in [true, false] {
        for inode in inodes.iter_mut() {
            let is_directory = inode.file_type == FileType::Directory;
            if is_directory == directories && inode.body_size() > 0 {
                inode.address = block_address(next)?;
                next += inode.body_size().div_ceil(BLOCK_SIZE);
            }
        }
    }
    block_address(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Content, Metadata, Origin};

    fn tree(entries: &[(&str, NodeKind)]) -> Tree {
        let mut tree = Tree::new(Origin::rule("test"));
        for (path, kind) in entries {
            let node = Node {
                kind: kind.clone(),
                metadata: Metadata::root_owned(0o644),
                origin: Origin::rule("test"),
            };
            tree.insert(TreePath::parse(path.as_bytes()).unwrap(), node)
                .unwrap();
        }
        tree
    }

    fn file(length: usize) -> NodeKind {
        NodeKind::File(Content::bytes(vec![1; length]))
    }

    #[test]
    fn the_end_of_a_file_stands_behind_its_inode_where_both_fit_into_a_block() {
        for (length, tail, body) in [
            (0, 0, 0),
            (1, 1, 0),
            (4064, 4064, 0),
            // One byte more and inode and data do not fit into a block together.
            (4065, 0, 4065),
            (4096, 0, 4096),
            (4097, 1, 4096),
            (8192 + 4064, 4064, 8192),
        ] {
            let tree = tree(&[("f", file(length))]);
            let layout = Layout::plan(&tree).unwrap();
            let inode = &layout.inodes[1];
            assert_eq!((inode.tail_size(), inode.body_size()), (tail, body));
            assert_eq!(inode.address == NO_BLOCK, body == 0, "{length} bytes");
        }
    }

    #[test]
    fn the_compact_form_is_used_while_it_holds_everything() {
        let mut tree = tree(&[("f", file(1))]);
        let path = TreePath::parse(b"f").unwrap();
        let is_compact = |tree: &Tree| Layout::plan(tree).unwrap().inodes[1].narrow().is_some();
        let mut change = |uid, gid| {
            let metadata = &mut tree.get_mut(&path).unwrap().metadata;
            (metadata.uid, metadata.gid) = (uid, gid);
            is_compact(&tree)
        };
        assert!(change(0xffff, 0xffff));
        assert!(!change(0x10000, 0));
        assert!(!change(0, 0x10000));
        assert!(change(0, 0));
        for number in 1..0xffff {
            let name = TreePath::parse(format!("{number}").as_bytes()).unwrap();
            tree.link(name, &path).unwrap();
        }
        assert!(is_compact(&tree));
        tree.link(TreePath::parse(b"65536th").unwrap(), &path)
            .unwrap();
        assert!(!is_compact(&tree));
    }

    #[test]
    fn sizes_past_32_bits_take_the_extended_form() {
        for (length, compact) in [(u32::MAX.into(), true), (1 << 32, false), (9 << 40, false)] {
            let content = Content::Path {
                path: "unread".into(),
                length,
            };
            let tree = tree(&[("f", NodeKind::File(content)), ("g", file(5000))]);
            let layout = Layout::plan(&tree).unwrap();
            let [_, large, after] = &layout.inodes[..] else {
                panic!("three inodes");
            };
            assert_eq!(large.narrow().is_some(), compact);
            assert_eq!(large.size, length);
            assert_eq!(
                after.body_offset(),
                large.body_offset() + large.body_size().next_multiple_of(BLOCK_SIZE)
            );
        }
    }

    #[test]
    fn directories_count_those_below_and_themselves_as_links() {
        let directory = || NodeKind::Directory;
        let tree = tree(&[("a", directory()), ("a/b", directory()), ("a/f", file(1))]);
        let layout = Layout::plan(&tree).unwrap();
        let links: Vec<u32> = layout.inodes.iter().map(|inode| inode.links).collect();
        assert_eq!(links, [3, 3, 2, 1]);
    }

    #[test]
    fn the_root_comes_first_even_with_large_attributes() {
        let mut tree = tree(&[("f", file(1))]);
        let root = tree.get_mut(&TreePath::root()).unwrap();
        let xattrs = &mut root.metadata.xattrs;
        xattrs.insert(b"user.large".to_vec(), vec![0; 60_000]);
        let layout = Layout::plan(&tree).unwrap();
        assert_eq!(layout.root_nid, 4096 / 32);
        assert_eq!(layout.inodes[0].offset, 4096);
    }

    #[test]
    fn device_numbers_are_those_of_linux() {
        let path = TreePath::root();
        for (major, minor, number) in [
            (1, 3, 0x103),
            (259, 0x12345, 0x1231_0345),
            (4095, 0xfffff, u32::MAX),
        ] {
            let device = Device { major, minor };
            assert_eq!(device_number(&path, device).unwrap(), number);
        }
    }
}
