//! Writes an image in one pass, from its first byte to its last.

use std::io::Write;

use zerocopy::{FromZeros, IntoBytes};

use super::dirents;
use super::error::WriteError;
use super::format::{
    self, BLOCK, BLOCK_BITS, BLOCK_SIZE, CompactInode, ExtendedInode, FEATURE_CHECKSUM,
    FEATURE_MTIME, Form, MAGIC, SUPERBLOCK_OFFSET, Superblock,
};
use super::image::Image;
use super::layout::{Inode, Layout, Place};
use super::options::Options;
use super::sink::Sink;
use crate::tree::{Content, NodeKind, Tree};

/// Writes the EROFS image of `tree` to `out`, front to back, and returns what lies where in it.
///
/// The same tree and options give the same bytes, in whatever order the tree was built. Contents
/// are read while they are written and never collected. The image is uncompressed and a whole
/// number of 4 KiB blocks.
///
/// # Errors
/// The tree holds something that the format does not, a content cannot be read, or `out` cannot
/// be written to. What `out` got until then is no image.
pub fn write<W: Write>(tree: &Tree, options: &Options, out: &mut W) -> Result<Image, WriteError> {
    let layout = Layout::plan(tree)?;
    let mut sink = Sink::new(out);
    sink.bytes(&first_block(&layout, options)?)?;
    for &(offset, place) in &layout.places {
        if offset >= BLOCK_SIZE {
            write_place(&layout, offset, place, options, &mut sink)?;
        }
    }
    write_directories(&layout, &mut sink)?;
    write_files(&layout, &mut sink)?;
    sink.zeros_to(layout.size())?;
    sink.finish()?;
    Ok(Image::of(&layout))
}

/// The first block: the superblock, what has its place beside it, and the checksum of both.
fn first_block(layout: &Layout<'_>, options: &Options) -> Result<[u8; BLOCK], WriteError> {
    let mut superblock = superblock(layout, options);
    let mut head = Vec::with_capacity(BLOCK);
    let mut sink = Sink::new(&mut head);
    sink.zeros_to(SUPERBLOCK_OFFSET as u64)?;
    sink.bytes(superblock.as_bytes())?;
    for &(offset, place) in &layout.places {
        if offset < BLOCK_SIZE {
            write_place(layout, offset, place, options, &mut sink)?;
        }
    }
    sink.zeros_to(BLOCK_SIZE)?;
    sink.finish()?;

    let mut block = [0; BLOCK];
    block.copy_from_slice(&head);
    superblock.checksum = format::checksum(&block).into();
    block[SUPERBLOCK_OFFSET..][..size_of::<Superblock>()].copy_from_slice(superblock.as_bytes());
    Ok(block)
}

fn superblock(layout: &Layout<'_>, options: &Options) -> Superblock {
    Superblock {
        magic: MAGIC.into(),
        feature_compat: (FEATURE_CHECKSUM | FEATURE_MTIME).into(),
        block_bits: BLOCK_BITS,
        root_nid: layout.root_nid.into(),
        inodes: (layout.inodes.len() as u64).into(),
        build_time: options.timestamp.into(),
        blocks: layout.blocks.into(),
        uuid: options.uuid.into_bytes(),
        volume_name: options.volume_name.field(),
        ..Superblock::new_zeroed()
    }
}

fn write_place<W: Write>(
    layout: &Layout<'_>,
    offset: u64,
    place: Place,
    options: &Options,
    sink: &mut Sink<'_, W>,
) -> Result<(), WriteError> {
    sink.zeros_to(offset)?;
    match place {
        Place::Inode(number) => write_inode(layout, &layout.inodes[number as usize], options, sink),
        Place::SharedXattrs => {
            let mut entries = Vec::new();
            for xattr in &layout.shared {
                xattr.attribute.encode(&mut entries);
            }
            sink.bytes(&entries)
        }
    }
}

/// Writes an inode with its extended attributes and what stands behind them.
fn write_inode<W: Write>(
    layout: &Layout<'_>,
    inode: &Inode<'_>,
    options: &Options,
    sink: &mut Sink<'_, W>,
) -> Result<(), WriteError> {
    let mut head = encode_record(inode, options);
    inode.xattrs.encode(layout.first_shared, &mut head);
    sink.bytes(&head)?;
    if inode.tail_size() == 0 {
        return Ok(());
    }
    match &inode.node.kind {
        NodeKind::Directory => match dirents::blocks(&inode.entries).last() {
            Some(block) => sink.bytes(&encode_dirents(layout, block)),
            None => Ok(()),
        },
        NodeKind::Symlink(target) => sink.bytes(target),
        NodeKind::File(content) => copy(inode, content, inode.body_size(), inode.tail_size(), sink),
        // Devices, pipes and sockets have no data.
        _ => Ok(()),
    }
}

/// The inode itself, in the smallest form that holds it.
fn encode_record(inode: &Inode<'_>, options: &Options) -> Vec<u8> {
    let metadata = &inode.node.metadata;
    let mode = inode.file_type.mode() | metadata.mode & 0o7777;
    match inode.narrow() {
        Some(narrow) => CompactInode {
            format: inode.data.inode_format(Form::Compact).into(),
            xattr_count: inode.xattrs.count().into(),
            mode: mode.into(),
            links: narrow.links.into(),
            size: narrow.size.into(),
            address: inode.address.into(),
            number: inode.number.into(),
            uid: narrow.uid.into(),
            gid: narrow.gid.into(),
            ..CompactInode::new_zeroed()
        }
        .as_bytes()
        .to_vec(),
        None => ExtendedInode {
            format: inode.data.inode_format(Form::Extended).into(),
            xattr_count: inode.xattrs.count().into(),
            mode: mode.into(),
            size: inode.size.into(),
            address: inode.address.into(),
            number: inode.number.into(),
            uid: metadata.uid.into(),
            gid: metadata.gid.into(),
            mtime: options.timestamp.into(),
            links: inode.links.into(),
            ..ExtendedInode::new_zeroed()
        }
        .as_bytes()
        .to_vec(),
    }
}

fn encode_dirents(layout: &Layout<'_>, block: &[dirents::Entry<'_>]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(BLOCK);
    let target = |number: u32| {
        let inode = &layout.inodes[number as usize];
        (inode.nid(), inode.file_type)
    };
    dirents::encode(block, target, &mut encoded);
    encoded
}

fn write_directories<W: Write>(
    layout: &Layout<'_>,
    sink: &mut Sink<'_, W>,
) -> Result<(), WriteError> {
    for inode in &layout.inodes {
        // The last block stands behind the inode if it is not counted here.
        let in_blocks = inode.body_size().div_ceil(BLOCK_SIZE);
        for (index, block) in (0..in_blocks).zip(dirents::blocks(&inode.entries)) {
            sink.zeros_to(inode.body_offset() + index * BLOCK_SIZE)?;
            sink.bytes(&encode_dirents(layout, block))?;
        }
    }
    Ok(())
}

/// Writes the blocks of files, and of links whose target does not fit behind their inode.
fn write_files<W: Write>(layout: &Layout<'_>, sink: &mut Sink<'_, W>) -> Result<(), WriteError> {
    for inode in &layout.inodes {
        if inode.body_size() == 0 {
            continue;
        }
        match &inode.node.kind {
            NodeKind::Directory => {}
            NodeKind::Symlink(target) => {
                sink.zeros_to(inode.body_offset())?;
                sink.bytes(target)?;
            }
            NodeKind::File(content) => {
                sink.zeros_to(inode.body_offset())?;
                copy(inode, content, 0, inode.body_size(), sink)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Copies `length` bytes of a file's content from `position`.
fn copy<W: Write>(
    inode: &Inode<'_>,
    content: &Content,
    position: u64,
    length: u64,
    sink: &mut Sink<'_, W>,
) -> Result<(), WriteError> {
    let failed = |source| WriteError::Content {
        path: inode.paths[0].clone(),
        source,
    };
    let mut reader = content.open_at(position).map_err(failed)?;
    sink.read_from(&mut reader, length)?.map_err(failed)
}
