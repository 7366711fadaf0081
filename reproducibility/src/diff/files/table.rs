//! The files of a root file system: from its data, or from the map in `origins.json`.

use std::collections::BTreeMap;
use std::ops::Range;

use guestmark_builder::erofs::{BLOCK_SIZE, Holds, Image};
use guestmark_builder::inspect::printable;
use guestmark_builder::tree::{Content, Metadata, NodeId, NodeKind, Origin, TreePath};

use crate::diff::DiffError;
use crate::diff::input::{Data, Disk, Input};

/// The files of one side by path.
#[derive(Debug, Default)]
pub(in crate::diff) struct Table {
    pub(in crate::diff) files: BTreeMap<TreePath, Record>,
    /// Whether metadata and bytes of files can be read.
    pub(in crate::diff) has_data: bool,
}

/// What is known of a file.
#[derive(Debug, Clone)]
pub(in crate::diff) struct Record {
    pub(in crate::diff) kind: Kind,
    /// Bytes of content.
    pub(in crate::diff) size: u64,
    /// Where the content lies in the image, in its order.
    pub(in crate::diff) pieces: Vec<Range<u64>>,
    /// Where the inode lies, if that is known.
    pub(in crate::diff) inode: Option<Range<u64>>,
    pub(in crate::diff) origin: Option<Origin>,
    /// What only the data say.
    pub(in crate::diff) read: Option<Read>,
}

/// What the data of an image say of a file.
#[derive(Debug, Clone)]
pub(in crate::diff) struct Read {
    pub(in crate::diff) metadata: Metadata,
    pub(in crate::diff) content: Option<Content>,
    /// Target of a link, number of a device, or the first name of the file: what else there is.
    pub(in crate::diff) special: Option<(&'static str, String)>,
}

/// What a path stands for, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::diff) enum Kind {
    Directory,
    File,
    Symlink,
    Device,
    Fifo,
    Socket,
    /// The map does not tell empty files from devices.
    Empty,
}

impl Kind {
    /// The words for it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::File => "file",
            Self::Symlink => "symbolic link",
            Self::Device => "device",
            Self::Fifo => "named pipe",
            Self::Socket => "socket",
            Self::Empty => "file without content",
        }
    }
}

impl Table {
    /// The files of a side; `None` if nothing says which there are.
    pub(in crate::diff) fn of(input: &Input) -> Result<Option<Self>, DiffError> {
        let map = input.origins.as_ref().map(|origins| &origins.rootfs);
        match (input.disk.as_ref(), map) {
            (
                Some(Disk {
                    data: Some(data),
                    path,
                    ..
                }),
                map,
            ) => {
                let table = Self::of_data(data, map);
                table
                    .map(Some)
                    .map_err(|source| DiffError::erofs(path, source))
            }
            (_, Some(map)) => Ok(Some(Self::of_map(map))),
            (_, None) => Ok(None),
        }
    }

    fn of_data(
        data: &Data,
        map: Option<&Image>,
    ) -> Result<Self, guestmark_builder::erofs::ReadError> {
        let tree = data.reader.tree(&Origin::input("image"))?;
        let mut origins: BTreeMap<&TreePath, &Origin> = BTreeMap::new();
        for (map, inode) in map
            .iter()
            .flat_map(|map| map.inodes.iter().map(move |it| (map, it)))
        {
            let origin = map.origin(inode);
            origins.extend(
                inode
                    .paths
                    .iter()
                    .zip(std::iter::repeat(origin))
                    .filter_map(|(path, origin)| Some((path, origin?))),
            );
        }
        let mut first_names: BTreeMap<NodeId, TreePath> = BTreeMap::new();
        let mut files = BTreeMap::new();
        for (path, id, node) in tree.iter() {
            let first = first_names.entry(id).or_insert_with(|| path.clone());
            let linked = (first != path).then(|| ("hard link to", shown(first)));
            let (kind, content, special) = match &node.kind {
                NodeKind::Directory => (Kind::Directory, None, None),
                NodeKind::File(content) => (Kind::File, Some(content.clone()), linked),
                NodeKind::Symlink(target) => {
                    (Kind::Symlink, None, Some(("target", printable(target))))
                }
                NodeKind::CharacterDevice(device) => (
                    Kind::Device,
                    None,
                    Some(("device", format!("c {}:{}", device.major, device.minor))),
                ),
                NodeKind::BlockDevice(device) => (
                    Kind::Device,
                    None,
                    Some(("device", format!("b {}:{}", device.major, device.minor))),
                ),
                NodeKind::Fifo => (Kind::Fifo, None, None),
                NodeKind::Socket => (Kind::Socket, None, None),
            };
            let record = Record {
                kind,
                size: content.as_ref().map_or(0, Content::len),
                pieces: content
                    .as_ref()
                    .map_or(Vec::new(), |it| pieces(it, data.offset)),
                inode: None,
                origin: origins.get(path).map(|origin| (*origin).clone()),
                read: Some(Read {
                    metadata: node.metadata.clone(),
                    content,
                    special,
                }),
            };
            files.insert(path.clone(), record);
        }
        Ok(Self {
            files,
            has_data: true,
        })
    }

    fn of_map(map: &Image) -> Self {
        let mut records: Vec<_> = map
            .inodes
            .iter()
            .map(|inode| Record {
                kind: Kind::Empty,
                size: 0,
                pieces: Vec::new(),
                inode: None,
                origin: map.origin(inode).cloned(),
                read: None,
            })
            .collect();
        for extent in &map.extents {
            let index = extent.inode.and_then(|inode| usize::try_from(inode).ok());
            let Some(record) = index.and_then(|index| records.get_mut(index)) else {
                continue;
            };
            let range = extent.start..extent.start + extent.length;
            match extent.holds {
                Holds::Inode => record.inode = Some(range),
                Holds::Directory => record.kind = Kind::Directory,
                Holds::Symlink | Holds::Content => {
                    record.kind = match extent.holds {
                        Holds::Symlink => Kind::Symlink,
                        _ => Kind::File,
                    };
                    record.size += extent.length;
                    // Whole blocks come first in the content, what is left lies behind the inode.
                    match range.start.is_multiple_of(BLOCK_SIZE) {
                        true => record.pieces.insert(0, range),
                        false => record.pieces.push(range),
                    }
                }
                Holds::Superblock | Holds::SharedXattr => {}
            }
        }
        let mut files = BTreeMap::new();
        for (inode, record) in map.inodes.iter().zip(records) {
            files.extend(
                inode
                    .paths
                    .iter()
                    .map(|path| (path.clone(), record.clone())),
            );
        }
        Self {
            files,
            has_data: false,
        }
    }
}

/// A path as people write it.
pub(in crate::diff) fn shown(path: &TreePath) -> String {
    format!("/{}", printable(path.as_bytes()))
}

/// Where a content lies, counted from the start of the image.
fn pieces(content: &Content, start: u64) -> Vec<Range<u64>> {
    let inside = |range: Range<u64>| {
        let (from, to) = (
            range.start.checked_sub(start)?,
            range.end.checked_sub(start)?,
        );
        Some(from..to)
    };
    match content {
        Content::Range { offset, length, .. } => inside(*offset..offset.saturating_add(*length))
            .into_iter()
            .collect(),
        Content::Ranges { ranges, .. } => ranges.iter().cloned().filter_map(inside).collect(),
        Content::Bytes(_) | Content::Path { .. } => Vec::new(),
    }
}
