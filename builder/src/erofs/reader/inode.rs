//! Inodes as an image holds them.

use std::ops::Range;

use super::Reader;
use super::error::ReadError;
use crate::erofs::format::{
    BLOCK_SIZE, CompactInode, DataLayout, ExtendedInode, FileType, Form, SLOT_SIZE, SYMLINK_MAX,
    XattrHeader,
};
use crate::tree::{Device, NodeKind};

/// An inode whose numbers have been checked.
#[derive(Debug)]
pub(super) struct DiskInode {
    pub(super) nid: u64,
    /// Where it starts in the image.
    pub(super) offset: u64,
    pub(super) file_type: FileType,
    /// The low 12 bits of `st_mode`.
    pub(super) mode: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) links: u32,
    /// Where its extended attributes lie; empty if it has none.
    pub(super) xattrs: Range<u64>,
    /// Where its data lies, in order; no range is empty.
    pub(super) data: Vec<Range<u64>>,
    /// First block or device number.
    address: u32,
}

/// The fields of both forms.
struct Fields {
    format: u16,
    xattr_count: u16,
    mode: u16,
    uid: u32,
    gid: u32,
    links: u32,
    size: u64,
    address: u32,
    record_size: u64,
}

impl DiskInode {
    /// Reads the inode of this number.
    pub(super) fn read(reader: &Reader, nid: u64) -> Result<Self, ReadError> {
        let offset = nid
            .checked_mul(SLOT_SIZE)
            .and_then(|bytes| bytes.checked_add(reader.inodes_offset()))
            .ok_or(ReadError::Invalid {
                offset: 0,
                field: "an inode number",
                found: nid,
                expected: "one inside of the image",
            })?;
        let fields = Fields::read(reader, offset)?;
        let file_type = FileType::of_mode(fields.mode).ok_or(ReadError::Invalid {
            offset,
            field: "the inode's mode",
            found: fields.mode.into(),
            expected: "the type of a file",
        })?;
        let xattr_size = match fields.xattr_count {
            0 => 0,
            count => size_of::<XattrHeader>() as u64 + 4 * (u64::from(count) - 1),
        };
        let xattrs_start = offset + fields.record_size;
        let what = "an inode's extended attributes";
        let xattrs = reader.source.range(what, xattrs_start, xattr_size)?;
        let data = match file_type {
            FileType::Regular | FileType::Directory | FileType::Symlink => {
                fields.data(reader, offset, xattrs.end)?
            }
            _ => Vec::new(),
        };
        Ok(Self {
            nid,
            offset,
            file_type,
            mode: fields.mode & 0o7777,
            uid: fields.uid,
            gid: fields.gid,
            links: fields.links,
            data,
            xattrs,
            address: fields.address,
        })
    }

    /// Bytes of its data.
    pub(super) fn size(&self) -> u64 {
        self.data.iter().map(|range| range.end - range.start).sum()
    }

    /// What it is, with its content.
    pub(super) fn kind(&self, reader: &Reader) -> Result<NodeKind, ReadError> {
        // Linux, new_decode_dev() in linux/kdev_t.h.
        let device = Device {
            major: self.address >> 8 & 0xfff,
            minor: self.address & 0xff | self.address >> 12 & 0xfff00,
        };
        Ok(match self.file_type {
            FileType::Directory => NodeKind::Directory,
            FileType::Regular => NodeKind::File(reader.source.content(&self.data)),
            FileType::Symlink => NodeKind::Symlink(self.target(reader)?),
            FileType::CharacterDevice => NodeKind::CharacterDevice(device),
            FileType::BlockDevice => NodeKind::BlockDevice(device),
            FileType::Fifo => NodeKind::Fifo,
            FileType::Socket => NodeKind::Socket,
        })
    }

    fn target(&self, reader: &Reader) -> Result<Vec<u8>, ReadError> {
        let length = self.size();
        if !(1..=SYMLINK_MAX).contains(&length) {
            return Err(ReadError::Invalid {
                offset: self.offset,
                field: "the length of the link's target",
                found: length,
                expected: "1 to 4095 bytes",
            });
        }
        let mut target = Vec::new();
        for range in &self.data {
            let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            target.extend(reader.source.read(range.start, length, "a link's target")?);
        }
        Ok(target)
    }
}

impl Fields {
    fn read(reader: &Reader, offset: u64) -> Result<Self, ReadError> {
        let what = "an inode";
        let [format, _] = reader.source.array(offset, what)?;
        if format & 1 == Form::Compact as u8 {
            let record: [u8; size_of::<CompactInode>()] = reader.source.array(offset, what)?;
            let inode: CompactInode = zerocopy::transmute!(record);
            return Ok(Self {
                format: inode.format.get(),
                xattr_count: inode.xattr_count.get(),
                mode: inode.mode.get(),
                uid: inode.uid.get().into(),
                gid: inode.gid.get().into(),
                links: inode.links.get().into(),
                size: inode.size.get().into(),
                address: inode.address.get(),
                record_size: size_of::<CompactInode>() as u64,
            });
        }
        let record: [u8; size_of::<ExtendedInode>()] = reader.source.array(offset, what)?;
        let inode: ExtendedInode = zerocopy::transmute!(record);
        Ok(Self {
            format: inode.format.get(),
            xattr_count: inode.xattr_count.get(),
            mode: inode.mode.get(),
            uid: inode.uid.get(),
            gid: inode.gid.get(),
            links: inode.links.get(),
            size: inode.size.get(),
            address: inode.address.get(),
            record_size: size_of::<ExtendedInode>() as u64,
        })
    }

    /// How the data lies. `offset` is the inode's.
    fn layout(&self, offset: u64) -> Result<DataLayout, ReadError> {
        let invalid = ReadError::Invalid {
            offset,
            field: "the inode's format",
            found: self.format.into(),
            expected: "no bit above the fourth",
        };
        match self.format >> 1 {
            0 => Ok(DataLayout::FlatPlain),
            2 => Ok(DataLayout::FlatInline),
            other @ 0..8 => Err(ReadError::Unsupported {
                field: "an inode's data layout",
                found: other.into(),
                known: 2,
            }),
            _ => Err(invalid),
        }
    }

    /// Where the data lies. `offset` is the inode's, `behind` is where its extended attributes
    /// end.
    fn data(
        &self,
        reader: &Reader,
        offset: u64,
        behind: u64,
    ) -> Result<Vec<Range<u64>>, ReadError> {
        let tail = match self.layout(offset)? {
            DataLayout::FlatPlain => 0,
            // All that is not in whole blocks, and never nothing.
            DataLayout::FlatInline => match self.size % BLOCK_SIZE {
                0 => self.size.min(BLOCK_SIZE),
                rest => rest,
            },
        };
        let body = self.size - tail;
        let mut ranges = Vec::new();
        if body > 0 {
            let start = u64::from(self.address) * BLOCK_SIZE;
            ranges.push(reader.source.range("an inode's blocks", start, body)?);
        }
        if tail > 0 {
            if behind % BLOCK_SIZE + tail > BLOCK_SIZE {
                return Err(ReadError::Invalid {
                    offset,
                    field: "the length of the data behind the inode",
                    found: tail,
                    expected: "data that does not cross into the next block",
                });
            }
            ranges.push(reader.source.range("data behind an inode", behind, tail)?);
        }
        Ok(ranges)
    }
}
