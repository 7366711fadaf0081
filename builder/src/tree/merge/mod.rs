//! Lays archives over each other, as unpacking one after the other into one folder would, but
//! with every surprise an error.

mod error;
mod links;

use std::collections::BTreeSet;

use super::tarball::{Entry, EntryKind};
use super::{Metadata, Node, NodeKind, Origin, PathError, Tree, TreePath};

pub use error::MergeError;
pub use links::MergedLinks;

/// An archive to be merged.
#[derive(Debug, Clone)]
pub struct Part {
    /// What its entries come from.
    pub origin: Origin,
    /// Its entries, in its order.
    pub entries: Vec<Entry>,
    /// Whether its files may be ones that an earlier archive has brought, if they are equal.
    pub shares_equal_files: bool,
}

/// Merges archives, in order, into one tree.
///
/// Directories may be shared by archives that agree on their mode and owner; the first one is
/// their origin. Directories that no archive names belong to root with mode 0755. Every other
/// path belongs to one archive: of Debian packages even equal files are a conflict, since either
/// package alone could change it. RPM packages may share regular files and symbolic links that are
/// equal in content, mode and owner, as rpm lets them; the first package is then their origin.
///
/// # Errors
/// As [`MergeError`] says.
pub fn merge(
    links: &MergedLinks,
    parts: impl IntoIterator<Item = Part>,
) -> Result<Tree, MergeError> {
    let mut parts = parts.into_iter().peekable();
    let rule = Origin::rule("rootfs.merged-usr");
    let root = parts.peek().map_or(&rule, |part| &part.origin).clone();
    let mut merge = Merge {
        tree: Tree::new(root),
        links,
        implied: BTreeSet::from([TreePath::root()]),
        shared: None,
    };
    for (link, target) in &links.0 {
        let node = Node {
            kind: NodeKind::Symlink(target.as_bytes().to_vec()),
            metadata: Metadata::root_owned(0o777),
            origin: rule.clone(),
        };
        merge.tree.insert(link.clone(), node)?;
    }
    for part in parts {
        merge.shared = part.shares_equal_files.then(BTreeSet::new);
        for entry in part.entries {
            merge.add(&part.origin, entry)?;
        }
    }
    links.check(&merge.tree)?;
    Ok(merge.tree)
}

struct Merge<'a> {
    tree: Tree,
    links: &'a MergedLinks,
    /// Directories made because something below them was named, not they themselves.
    implied: BTreeSet<TreePath>,
    /// Files of the present archive that an earlier one has brought, if it may share any.
    shared: Option<BTreeSet<TreePath>>,
}

impl Merge<'_> {
    fn add(&mut self, origin: &Origin, entry: Entry) -> Result<(), MergeError> {
        let (kind, metadata) = match entry.kind {
            EntryKind::Inode { kind, metadata } => (kind, metadata),
            EntryKind::HardLink { target } => return self.link(origin, &entry.path, &target),
        };
        let mut place = self.place(origin, &entry.path)?;
        if let Some(target) = self.links.0.get(&place) {
            match &kind {
                NodeKind::Directory => place = target.clone(),
                NodeKind::Symlink(text) if leads_to(text, target) => return Ok(()),
                _ => {}
            }
            self.make_directories(origin, &entry.path, &place)?;
        }
        let node = Node {
            kind,
            metadata,
            origin: origin.clone(),
        };
        if self.share(&place, &node)? {
            return Ok(());
        }
        match (self.tree.get_mut(&place), &node.kind) {
            (None, _) => {
                self.tree.insert(place, node)?;
            }
            (Some(found), NodeKind::Directory) if matches!(found.kind, NodeKind::Directory) => {
                if self.implied.remove(&place) {
                    *found = node;
                } else if found.metadata != node.metadata {
                    return Err(MergeError::DirectoryConflict {
                        path: place,
                        first_metadata: describe(&found.metadata),
                        first: Box::new(found.origin.clone()),
                        second_metadata: describe(&node.metadata),
                        second: Box::new(node.origin),
                    });
                }
            }
            (Some(found), _) => {
                return Err(MergeError::Conflict {
                    path: place,
                    first_kind: found.kind.noun(),
                    first: Box::new(found.origin.clone()),
                    second_kind: node.kind.noun(),
                    second: Box::new(node.origin),
                });
            }
        }
        Ok(())
    }

    /// Whether `node`, of the present archive, is a file that is at `place` already and that it may
    /// share.
    fn share(&mut self, place: &TreePath, node: &Node) -> Result<bool, MergeError> {
        let (Some(shared), Some(found)) = (&mut self.shared, self.tree.get(place)) else {
            return Ok(false);
        };
        let equal = are_equal(found, node).map_err(|reason| MergeError::Read {
            path: place.clone(),
            reason,
        })?;
        if equal {
            shared.insert(place.clone());
        }
        Ok(equal)
    }

    fn link(
        &mut self,
        origin: &Origin,
        path: &TreePath,
        target: &TreePath,
    ) -> Result<(), MergeError> {
        let place = self.place(origin, path)?;
        let target = self.place(origin, target)?;
        let refuse = |reason| MergeError::HardLink {
            origin: Box::new(origin.clone()),
            path: place.clone(),
            target: target.clone(),
            reason,
        };
        let is_shared = self.shared.as_ref();
        let is_shared = is_shared.is_some_and(|shared| shared.contains(&target));
        let node = self.tree.get(&target).cloned();
        match &node {
            None => return Err(refuse("does not come before it")),
            Some(node) if node.origin != *origin && !is_shared => {
                return Err(refuse("another package brings"));
            }
            Some(Node {
                kind: NodeKind::Directory,
                ..
            }) => return Err(refuse("is a directory")),
            Some(node) => {
                if self.share(&place, node)? {
                    return Ok(());
                }
            }
        }
        if let Some(found) = self.tree.get(&place) {
            return Err(MergeError::Conflict {
                path: place,
                first_kind: found.kind.noun(),
                first: Box::new(found.origin.clone()),
                second_kind: "a hard link",
                second: Box::new(origin.clone()),
            });
        }
        self.tree.link(place, &target)?;
        Ok(())
    }

    /// Where an entry of this path goes: the links of the recipe are followed in all but the
    /// last component, and directories that are missing are made.
    fn place(&mut self, origin: &Origin, path: &TreePath) -> Result<TreePath, MergeError> {
        let Some(parent) = path.parent() else {
            return Ok(TreePath::root());
        };
        let followed = self.follow(&parent)?;
        let place = followed.join(path.name())?;
        self.make_directories(origin, path, &place)?;
        Ok(place)
    }

    fn follow(&self, path: &TreePath) -> Result<TreePath, PathError> {
        let mut followed = TreePath::root();
        for component in path.components() {
            followed = followed.join(component)?;
            if let Some(target) = self.links.0.get(&followed) {
                followed.clone_from(target);
            }
        }
        Ok(followed)
    }

    /// Makes the directories above `place`.
    fn make_directories(
        &mut self,
        origin: &Origin,
        path: &TreePath,
        place: &TreePath,
    ) -> Result<(), MergeError> {
        let Some(parent) = place.parent() else {
            return Ok(());
        };
        // Nearly always the directory is there already.
        if matches!(self.tree.get(&parent), Some(node) if matches!(node.kind, NodeKind::Directory))
        {
            return Ok(());
        }
        let mut above = TreePath::root();
        for component in parent.components() {
            above = above.join(component)?;
            match self.tree.get(&above) {
                None => {
                    let node = Node {
                        kind: NodeKind::Directory,
                        metadata: Metadata::root_owned(0o755),
                        origin: origin.clone(),
                    };
                    self.tree.insert(above.clone(), node)?;
                    self.implied.insert(above.clone());
                }
                Some(node) => match &node.kind {
                    NodeKind::Directory => {}
                    NodeKind::Symlink(target) => {
                        return Err(MergeError::SymlinkEscape {
                            origin: Box::new(origin.clone()),
                            path: path.clone(),
                            link: above,
                            target: String::from_utf8_lossy(target).into_owned(),
                            link_origin: Box::new(node.origin.clone()),
                        });
                    }
                    other => {
                        return Err(MergeError::ParentNotDirectory {
                            origin: Box::new(origin.clone()),
                            path: path.clone(),
                            parent: above,
                            kind: other.noun(),
                            parent_origin: Box::new(node.origin.clone()),
                        });
                    }
                },
            }
        }
        Ok(())
    }
}

/// Whether a symbolic link in the root directory leads to `target`.
fn leads_to(text: &[u8], target: &TreePath) -> bool {
    TreePath::parse(text).is_ok_and(|path| path == *target)
}

/// Whether rpm takes two files of one path for the same one.
fn are_equal(one: &Node, other: &Node) -> std::io::Result<bool> {
    Ok(one.metadata == other.metadata
        && match (&one.kind, &other.kind) {
            (NodeKind::File(one), NodeKind::File(other)) => one.has_bytes_of(other)?,
            (NodeKind::Symlink(one), NodeKind::Symlink(other)) => one == other,
            _ => false,
        })
}

fn describe(metadata: &Metadata) -> String {
    let Metadata {
        mode,
        uid,
        gid,
        xattrs,
    } = metadata;
    match xattrs.len() {
        0 => format!("mode {mode:04o} owner {uid}:{gid}"),
        count => format!("mode {mode:04o} owner {uid}:{gid} with {count} extended attributes"),
    }
}

#[cfg(test)]
mod tests;
