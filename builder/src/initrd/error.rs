//! What keeps an initrd from being made or written.

use std::io;

use crate::recipe::CompanionError;
use crate::tree::{PathError, TreeError, TreePath};

/// Why an initrd cannot be made from its packages.
#[derive(Debug, thiserror::Error)]
pub enum InitrdError {
    /// A program that is not there or is not one.
    #[error("initrd.programs: {program}: {reason}")]
    Program {
        /// The program, or a library of one.
        program: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A library that no package brings.
    #[error(
        "initrd.programs: {user} needs {library}, which none of the initrd's packages brings; add \
         the package that does"
    )]
    Library {
        /// The program or library that needs it.
        user: TreePath,
        /// The library's name, or the path of the dynamic loader.
        library: String,
    },
    /// The kernel's packages bring no modules.
    #[error("initrd.modules: the kernel's packages hold no /lib/modules/VERSION")]
    NoModules,
    /// The kernel's packages bring two kernels.
    #[error(
        "initrd.modules: the kernel's packages hold two kernels, {first} and {second}; name the package of one"
    )]
    TwoKernels {
        /// One kernel's modules.
        first: TreePath,
        /// Another's.
        second: TreePath,
    },
    /// A module that is neither a file nor built in.
    #[error(
        "initrd.modules: the kernel has no module {name:?}{user} and none of that name is built in{close}"
    )]
    MissingModule {
        /// The module.
        name: String,
        /// Which module depends on it, for the message.
        user: String,
        /// Names that may have been meant, for the message.
        close: String,
    },
    /// A file of the kernel's that is not what its name says.
    #[error("initrd.modules: {path} {reason}")]
    Module {
        /// The file.
        path: TreePath,
        /// What is wrong with it.
        reason: String,
    },
    /// The init script is not beside the recipe.
    #[error(transparent)]
    Companion(#[from] CompanionError),
    /// The init script cannot run.
    #[error("initrd.init: {script}: {reason}")]
    Init {
        /// The script as the recipe names it.
        script: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A path that is taken.
    #[error("initrd: {0}")]
    Tree(#[from] TreeError),
    /// A name that is no path.
    #[error("initrd: {0}")]
    Path(#[from] PathError),
}

/// Why an initrd cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A time that the archive's 32 bits cannot hold.
    #[error("initrd: the timestamp {timestamp} does not fit the 32 bits of a cpio archive")]
    Timestamp {
        /// Seconds since 1970-01-01T00:00:00Z.
        timestamp: u64,
    },
    /// More files than the archive can number.
    #[error("initrd: more files than a cpio archive can number")]
    TooMany,
    /// Extended attributes, which the archive has no place for.
    #[error("initrd: {path} has extended attributes, which a cpio archive cannot hold")]
    Xattrs {
        /// The file.
        path: TreePath,
    },
    /// A file past 4 GiB.
    #[error("initrd: {path} has {length} bytes; a file of a cpio archive ends at 4 GiB")]
    TooLarge {
        /// The file.
        path: TreePath,
        /// Its length in bytes.
        length: u64,
    },
    /// A name or link target that the kernel would drop.
    #[error("initrd: {path}: its name or link target is longer than the kernel's 4095 bytes")]
    Name {
        /// The file.
        path: TreePath,
    },
    /// A file's content cannot be read.
    #[error("initrd: {path}: {reason}")]
    Content {
        /// The file.
        path: TreePath,
        /// Why.
        reason: io::Error,
    },
    /// The archive cannot be written.
    #[error("cannot write the initrd: {0}")]
    Write(#[from] io::Error),
}
