//! The EROFS image: written in process, the same bytes for the same tree, and read back.
//!
//! [`write()`] makes the smallest useful form of the format: uncompressed, 4 KiB blocks, sorted
//! directories, the ends of files behind their inodes. [`Image`] says which byte belongs to
//! which file. [`Reader`] reads images of the same form, whoever made them.
//!
//! The format is defined by the Linux kernel: `fs/erofs/erofs_fs.h` and
//! `Documentation/filesystems/erofs.rst`.

mod dirents;
mod error;
mod format;
mod image;
mod layout;
mod options;
mod reader;
mod sink;
mod slots;
mod write;
mod xattr;

pub use error::WriteError;
pub use format::BLOCK_SIZE;
pub use image::{Extent, Holds, Image, ImageInode};
pub use options::{Options, VolumeName, VolumeNameError};
pub use reader::{ReadError, Reader};
pub use write::write;
