//! Why an image cannot be written.

use std::io;

use super::format::{BLOCK_SIZE, SYMLINK_MAX};
use crate::tree::TreePath;

/// Why an image cannot be written. What was written so far is no image.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A file's content cannot be read.
    #[error("{path}: cannot read the file's content: {source}")]
    Content {
        /// The file.
        path: TreePath,
        /// The cause.
        source: io::Error,
    },
    /// The image cannot be written to where it goes.
    #[error("cannot write the EROFS image: {0}")]
    Output(#[source] io::Error),
    /// The major number has 12 bits, the minor number 20.
    #[error(
        "{path}: device {major}:{minor} does not fit: Linux has major numbers up to 4095 and minor \
         numbers up to 1048575"
    )]
    Device {
        /// The device node.
        path: TreePath,
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
    /// A symbolic link that no kernel follows.
    #[error("{path}: the link's target has {length} bytes; Linux follows 1 to {SYMLINK_MAX}")]
    SymlinkTarget {
        /// The link.
        path: TreePath,
        /// Bytes of its target.
        length: u64,
    },
    /// An extended attribute whose prefix has no number in the format.
    #[error(
        "{path}: EROFS cannot hold the extended attribute {name:?}: only user., trusted., \
         security. and POSIX ACLs; remove it"
    )]
    XattrName {
        /// The file that has it.
        path: TreePath,
        /// The attribute's full name.
        name: String,
    },
    /// The name of an extended attribute has 8 bits of length, the value 16.
    #[error(
        "{path}: extended attribute {name:?} has a name or value of {length} bytes; EROFS holds \
         names of 255 and values of 65535 bytes"
    )]
    XattrTooLong {
        /// The file that has it.
        path: TreePath,
        /// The attribute's full name.
        name: String,
        /// The larger of the two lengths, in bytes.
        length: usize,
    },
    /// An inode counts its extended attributes with 16 bits.
    #[error("{path}: extended attributes take {size} bytes; EROFS holds {limit} an inode")]
    XattrsTooLarge {
        /// The file that has them.
        path: TreePath,
        /// Bytes they take.
        size: usize,
        /// The most bytes they can take.
        limit: usize,
    },
    /// A path lies below something that was made another kind of file.
    #[error("{path}: lies below something that is not a directory")]
    ParentNotDirectory {
        /// The path.
        path: TreePath,
    },
    /// Block addresses have 32 bits.
    #[error(
        "the tree does not fit: an EROFS image has at most {} blocks of {BLOCK_SIZE} bytes",
        u32::MAX
    )]
    TooLarge,
}
