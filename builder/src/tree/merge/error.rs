//! What keeps archives from becoming one tree.

use crate::tree::{Origin, PathError, TreeError, TreePath};

/// Why archives do not make one tree.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A link of `rootfs.merged-usr` that is not one inside the tree.
    #[error("rootfs.merged-usr: {link:?} = {target:?}: {reason}")]
    BadLink {
        /// The link as the recipe writes it.
        link: String,
        /// The target as the recipe writes it.
        target: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A link of `rootfs.merged-usr` is no longer what the recipe says.
    #[error(
        "{link}: the recipe's link to {target} is gone; a rule must not touch merged-usr links"
    )]
    LostLink {
        /// The link.
        link: TreePath,
        /// Where it should lead.
        target: TreePath,
    },
    /// An entry below a symbolic link that an archive brought. What such an entry overwrites
    /// depends on the order of unpacking, and outside a guest it may be a file of the host.
    #[error(
        "symlink escape: {origin} writes {path} through the symbolic link {link} -> {target} \
         ({link_origin}); only links named in rootfs.merged-usr are followed"
    )]
    SymlinkEscape {
        /// The archive.
        origin: Box<Origin>,
        /// The entry's path.
        path: TreePath,
        /// The link in its way.
        link: TreePath,
        /// What that link points to, non-UTF-8 bytes replaced.
        target: String,
        /// Where that link comes from.
        link_origin: Box<Origin>,
    },
    /// Something that is not a directory holds an entry.
    #[error("{origin} puts {path} below {parent}, which is {kind} ({parent_origin})")]
    ParentNotDirectory {
        /// The archive.
        origin: Box<Origin>,
        /// The entry's path.
        path: TreePath,
        /// What stands in its way.
        parent: TreePath,
        /// What kind of thing that is.
        kind: &'static str,
        /// Where that comes from.
        parent_origin: Box<Origin>,
    },
    /// Two archives bring the same path.
    #[error(
        "file conflict at {path}: {first_kind} of {first} and {second_kind} of {second}; \
         leave one of them out"
    )]
    Conflict {
        /// The path.
        path: TreePath,
        /// What is there.
        first_kind: &'static str,
        /// Where that comes from.
        first: Box<Origin>,
        /// What came later.
        second_kind: &'static str,
        /// Where that comes from.
        second: Box<Origin>,
    },
    /// Two archives disagree on a directory's mode, owner or extended attributes.
    #[error(
        "directory conflict at {path}: {first_metadata} in {first}, {second_metadata} in {second}"
    )]
    DirectoryConflict {
        /// The directory.
        path: TreePath,
        /// Its mode and owner in the first archive.
        first_metadata: String,
        /// The first archive.
        first: Box<Origin>,
        /// Its mode and owner in the second archive.
        second_metadata: String,
        /// The second archive.
        second: Box<Origin>,
    },
    /// A hard link to what the same archive did not bring before it.
    #[error("{origin}: {path} is a hard link to {target}, which {reason}")]
    HardLink {
        /// The archive.
        origin: Box<Origin>,
        /// The link.
        path: TreePath,
        /// What it names.
        target: TreePath,
        /// Why that cannot be.
        reason: &'static str,
    },
    /// Files of one path cannot be compared.
    #[error("{path}: {reason}")]
    Read {
        /// The path.
        path: TreePath,
        /// Why.
        reason: std::io::Error,
    },
    /// A path that cannot be placed.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A path that grew too long by following a link.
    #[error(transparent)]
    Path(#[from] PathError),
}
