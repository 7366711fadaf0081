//! A file tree as data: what packages, rules and folders become, and what the cpio and EROFS
//! writers read.
//!
//! A tree holds no times: every image has one timestamp, given to its writer.

mod content;
mod directory;
pub mod merge;
mod origin;
mod path;
pub(crate) mod section;
pub mod tarball;

use std::collections::BTreeMap;

pub use content::{Content, ContentReader};
pub use directory::{DirectoryError, read_directory};
pub use origin::Origin;
pub use path::{PathError, TreePath};
pub use section::UnpackError;

/// What an inode is.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// A directory; its entries are the paths below it.
    Directory,
    /// A regular file.
    File(Content),
    /// A symbolic link with its target's bytes, unchanged.
    Symlink(Vec<u8>),
    /// A character device.
    CharacterDevice(Device),
    /// A block device.
    BlockDevice(Device),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl NodeKind {
    /// What it is called in messages.
    pub(crate) const fn noun(&self) -> &'static str {
        match self {
            Self::Directory => "a directory",
            Self::File(_) => "a file",
            Self::Symlink(_) => "a symbolic link",
            Self::CharacterDevice(_) => "a character device",
            Self::BlockDevice(_) => "a block device",
            Self::Fifo => "a named pipe",
            Self::Socket => "a socket",
        }
    }
}

/// A device number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// The driver.
    pub major: u32,
    /// The device of that driver.
    pub minor: u32,
}

/// Owner, mode and extended attributes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Permission bits with set-user-ID, set-group-ID and sticky: the low 12 bits of `st_mode`.
    pub mode: u16,
    /// The owning user's id.
    pub uid: u32,
    /// The owning group's id.
    pub gid: u32,
    /// Extended attributes by full name (`security.capability`).
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Metadata {
    /// Owned by root, with these permission bits and no extended attributes.
    pub fn root_owned(mode: u16) -> Self {
        Self {
            mode,
            ..Self::default()
        }
    }
}

/// An inode: what it is, who may use it, where it comes from.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is, with its content.
    pub kind: NodeKind,
    /// Owner, mode and extended attributes.
    pub metadata: Metadata,
    /// The input or rule it comes from.
    pub origin: Origin,
}

/// Names one inode of one tree. Two paths with the same id are hard links of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

/// A path that cannot be placed in a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The directory that should hold the path is not there.
    #[error("{path}: its directory {parent} does not exist")]
    NoParent {
        /// The path to be placed.
        path: TreePath,
        /// The directory that is missing.
        parent: TreePath,
    },
    /// What should hold the path is not a directory.
    #[error("{path}: {parent} is not a directory ({origin})")]
    ParentNotDirectory {
        /// The path to be placed.
        path: TreePath,
        /// What stands where the directory should be.
        parent: TreePath,
        /// Where that comes from.
        origin: Origin,
    },
    /// The path is taken.
    #[error("{path}: already exists ({origin})")]
    Exists {
        /// The path.
        path: TreePath,
        /// Where the entry that holds it comes from.
        origin: Origin,
    },
    /// A hard link to a directory.
    #[error("{path}: a directory cannot have a second name")]
    LinkToDirectory {
        /// The second name.
        path: TreePath,
    },
    /// The path does not exist.
    #[error("{path}: no such file or directory in the tree")]
    Missing {
        /// The path.
        path: TreePath,
    },
}

/// A file tree: sorted paths, each naming an inode. It always has a root directory, and every
/// path's parent is a directory of the tree.
#[derive(Debug, Clone)]
pub struct Tree {
    names: BTreeMap<TreePath, NodeId>,
    nodes: Vec<Node>,
}

impl Tree {
    /// A tree of a root directory only, mode 0755.
    pub fn new(origin: Origin) -> Self {
        let root = Node {
            kind: NodeKind::Directory,
            metadata: Metadata::root_owned(0o755),
            origin,
        };
        Self {
            names: BTreeMap::from([(TreePath::root(), NodeId(0))]),
            nodes: vec![root],
        }
    }

    /// Places a new inode at `path`.
    ///
    /// # Errors
    /// The path is taken, or its parent is not a directory of the tree.
    pub fn insert(&mut self, path: TreePath, node: Node) -> Result<NodeId, TreeError> {
        self.check_vacant(&path)?;
        let id = NodeId(self.nodes.len());
        self.nodes.push(node);
        self.names.insert(path, id);
        Ok(id)
    }

    /// Gives the inode at `target` the second name `path`.
    ///
    /// # Errors
    /// `target` is missing or a directory, or `path` cannot be placed.
    pub fn link(&mut self, path: TreePath, target: &TreePath) -> Result<(), TreeError> {
        let id = *self.names.get(target).ok_or_else(|| TreeError::Missing {
            path: target.clone(),
        })?;
        if matches!(self.node(id).kind, NodeKind::Directory) {
            return Err(TreeError::LinkToDirectory { path });
        }
        self.check_vacant(&path)?;
        self.names.insert(path, id);
        Ok(())
    }

    fn check_vacant(&self, path: &TreePath) -> Result<(), TreeError> {
        if let Some(taken) = self.get(path) {
            return Err(TreeError::Exists {
                path: path.clone(),
                origin: taken.origin.clone(),
            });
        }
        let Some(parent) = path.parent() else {
            return Ok(());
        };
        match self.get(&parent) {
            Some(Node {
                kind: NodeKind::Directory,
                ..
            }) => Ok(()),
            Some(other) => Err(TreeError::ParentNotDirectory {
                path: path.clone(),
                origin: other.origin.clone(),
                parent,
            }),
            None => Err(TreeError::NoParent {
                path: path.clone(),
                parent,
            }),
        }
    }

    /// Removes a path and everything below it. The root stays; only what it holds goes.
    /// Returns how many names were removed.
    pub fn remove(&mut self, path: &TreePath) -> usize {
        let doomed: Vec<TreePath> = self
            .names
            .range(path.clone()..)
            .map(|(name, _)| name)
            .take_while(|name| name.starts_with(path))
            .filter(|name| !name.is_root())
            .cloned()
            .collect();
        for name in &doomed {
            self.names.remove(name);
        }
        doomed.len()
    }

    /// Gives `from` and everything below it names at `to`. Inodes stay what they are.
    ///
    /// # Errors
    /// `from` is missing, or `to` cannot be placed.
    pub fn rename(&mut self, from: &TreePath, to: &TreePath) -> Result<(), TreeError> {
        self.check_vacant(to)?;
        let moved: Vec<TreePath> = self
            .names
            .range(from.clone()..)
            .map(|(name, _)| name)
            .take_while(|name| name.starts_with(from))
            .cloned()
            .collect();
        if moved.is_empty() {
            return Err(TreeError::Missing { path: from.clone() });
        }
        for name in moved {
            let new = name.rebase(from, to);
            if let Some(id) = self.names.remove(&name) {
                self.names.insert(new, id);
            }
        }
        Ok(())
    }

    /// The inode at `path`. Symbolic links are not followed.
    pub fn get(&self, path: &TreePath) -> Option<&Node> {
        self.names.get(path).map(|&id| self.node(id))
    }

    /// The inode at `path`, to change. A change shows under every name of the inode.
    pub fn get_mut(&mut self, path: &TreePath) -> Option<&mut Node> {
        self.names
            .get(path)
            .map(|&NodeId(index)| &mut self.nodes[index])
    }

    /// Makes root own every inode, as where an ordinary user packs.
    pub fn give_to_root(&mut self) {
        for node in &mut self.nodes {
            node.metadata.uid = 0;
            node.metadata.gid = 0;
        }
    }

    /// The inode with this id.
    pub fn node(&self, NodeId(index): NodeId) -> &Node {
        &self.nodes[index]
    }

    /// Every path with its inode, each directory directly before what it holds, siblings sorted
    /// by their bytes. The root comes first.
    pub fn iter(&self) -> impl Iterator<Item = (&TreePath, NodeId, &Node)> {
        self.names
            .iter()
            .map(|(path, &id)| (path, id, self.node(id)))
    }

    /// How many names the tree holds, the root included.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether the tree holds nothing but its root.
    pub fn is_empty(&self) -> bool {
        self.len() == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::parse(text.as_bytes()).unwrap()
    }

    fn node(kind: NodeKind) -> Node {
        Node {
            kind,
            metadata: Metadata::root_owned(0o644),
            origin: Origin::rule("test"),
        }
    }

    #[test]
    fn entries_need_a_directory_and_a_free_name() {
        let mut tree = Tree::new(Origin::rule("root"));
        let file = || node(NodeKind::File(Content::bytes(*b"x")));
        assert_eq!(
            tree.insert(path("etc/fstab"), file())
                .unwrap_err()
                .to_string(),
            "/etc/fstab: its directory /etc does not exist"
        );
        tree.insert(path("etc"), file()).unwrap();
        assert_eq!(
            tree.insert(path("etc/fstab"), file())
                .unwrap_err()
                .to_string(),
            "/etc/fstab: /etc is not a directory (rule test)"
        );
        assert_eq!(
            tree.insert(path("etc"), file()).unwrap_err().to_string(),
            "/etc: already exists (rule test)"
        );
    }

    #[test]
    fn hard_links_share_one_inode_and_outlive_each_other() {
        let mut tree = Tree::new(Origin::rule("root"));
        let id = tree.insert(path("a"), node(NodeKind::Fifo)).unwrap();
        tree.link(path("b"), &path("a")).unwrap();
        tree.get_mut(&path("b")).unwrap().metadata.mode = 0o600;
        tree.remove(&path("a"));
        let left: Vec<_> = tree.iter().filter(|(_, found, _)| *found == id).collect();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].2.metadata.mode, 0o600);
    }

    #[test]
    fn removing_a_directory_takes_what_it_holds_and_nothing_beside_it() {
        let mut tree = Tree::new(Origin::rule("root"));
        for directory in ["usr", "usr/lib", "usr-local"] {
            tree.insert(path(directory), node(NodeKind::Directory))
                .unwrap();
        }
        assert_eq!(tree.remove(&path("usr")), 2);
        assert_eq!(tree.len(), 2);
        assert_eq!(tree.remove(&TreePath::root()), 1);
        assert!(tree.is_empty());
    }
}
