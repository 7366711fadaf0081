//! Why an image cannot be read.

use std::io;

use crate::tree::{PathError, TreeError, TreePath};

/// Why an image cannot be read. Offsets are bytes from the start of the image.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file that holds the image cannot be read.
    #[error("EROFS: cannot read {what} at byte {offset}: {source}")]
    Io {
        /// What was read.
        what: &'static str,
        /// Where it is.
        offset: u64,
        /// The cause.
        source: io::Error,
    },
    /// The magic number of the superblock is missing.
    #[error(
        "not an EROFS image: expected the magic number 0xe0f5e1e2 at byte 1024, found {found:#010x}"
    )]
    NotErofs {
        /// What stands there.
        found: u32,
    },
    /// The first block has changed since it was written.
    #[error(
        "EROFS: the first block has the checksum {computed:#010x}, but its superblock says {found:#010x}; the image is damaged"
    )]
    Checksum {
        /// The checksum of the superblock.
        found: u32,
        /// The checksum of what is there.
        computed: u32,
    },
    /// The image uses a part of the format that this reader leaves out.
    #[error(
        "EROFS: {field} is {found:#x}, this reader knows {known:#x}; make the image uncompressed, with 4 KiB blocks, on one device"
    )]
    Unsupported {
        /// The field.
        field: &'static str,
        /// Its value.
        found: u64,
        /// The value that is known.
        known: u64,
    },
    /// A field has a value that the format does not allow.
    #[error("EROFS, byte {offset}: {field} is {found}, expected {expected}; the image is damaged")]
    Invalid {
        /// Where the structure starts that has the field.
        offset: u64,
        /// The field.
        field: &'static str,
        /// Its value.
        found: u64,
        /// What the format allows there.
        expected: &'static str,
    },
    /// Something lies outside of the image.
    #[error(
        "EROFS: {what} takes {length} bytes from byte {start}, but the image has {size}; it is damaged or truncated"
    )]
    OutOfBounds {
        /// What it is.
        what: &'static str,
        /// Where it should start.
        start: u64,
        /// Its length.
        length: u64,
        /// The size of the image, or of the file that holds it.
        size: u64,
    },
    /// A directory has two names, or lies in itself.
    #[error("EROFS: {path} is a directory that has another name already; the image is damaged")]
    DirectoryTwice {
        /// Its second name.
        path: TreePath,
    },
    /// An inode's count of links is not the count of its names.
    #[error("EROFS: {path} says it has {found} links, the image has {expected}; it is damaged")]
    Links {
        /// One of the inode's names.
        path: TreePath,
        /// The inode's count.
        found: u32,
        /// How many there are.
        expected: u32,
    },
    /// Files, directories and extended attributes overlap.
    #[error(
        "EROFS: by {path}, inodes claim more than the {size} bytes of the image; it is damaged"
    )]
    Overlap {
        /// Where the walk stopped.
        path: TreePath,
        /// The size of the image.
        size: u64,
    },
    /// The tree would be out of proportion to the image.
    #[error(
        "EROFS: by {path}, names and extended attributes take more than {limit} bytes, the most this reader allows an image of this size"
    )]
    Expansion {
        /// Where the walk stopped.
        path: TreePath,
        /// The most bytes that are allowed.
        limit: u64,
    },
    /// A name that has no place in a tree.
    #[error("EROFS: {0}")]
    Path(#[from] PathError),
    /// Two entries with one name.
    #[error("EROFS: {0}")]
    Tree(#[from] TreeError),
}
