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
mod tests {
    use super::*;
    use crate::tree::Content;

    fn path(text: &str) -> TreePath {
        TreePath::parse(text.as_bytes()).unwrap()
    }

    fn entry(at: &str, kind: NodeKind, mode: u16) -> Entry {
        Entry {
            path: path(at),
            kind: EntryKind::Inode {
                kind,
                metadata: Metadata::root_owned(mode),
            },
        }
    }

    fn directory(at: &str) -> Entry {
        entry(at, NodeKind::Directory, 0o755)
    }

    fn file(at: &str) -> Entry {
        entry(at, NodeKind::File(Content::bytes(*b"x")), 0o644)
    }

    fn symlink(at: &str, target: &str) -> Entry {
        entry(at, NodeKind::Symlink(target.into()), 0o777)
    }

    fn hard_link(at: &str, target: &str) -> Entry {
        Entry {
            path: path(at),
            kind: EntryKind::HardLink {
                target: path(target),
            },
        }
    }

    fn packages(parts: Vec<Vec<Entry>>) -> Result<Tree, String> {
        merged(parts, false)
    }

    fn merged(parts: Vec<Vec<Entry>>, shares_equal_files: bool) -> Result<Tree, String> {
        let parts = parts
            .into_iter()
            .zip(["a", "b", "c"])
            .map(|(entries, name)| Part {
                origin: Origin::package(name, "1"),
                entries,
                shares_equal_files,
            });
        let table = [("bin", "usr/bin"), ("lib", "usr/lib")]
            .map(|(link, target)| (link.to_owned(), target.to_owned()));
        let merged = MergedLinks::parse(&table.into()).unwrap();
        merge(&merged, parts).map_err(|error| error.to_string())
    }

    fn names(tree: &Tree) -> Vec<String> {
        tree.iter().map(|(path, ..)| path.to_string()).collect()
    }

    #[test]
    fn archives_unpack_through_the_recipes_links_which_survive() {
        let tree = packages(vec![
            vec![
                directory(""),
                directory("bin"),
                file("bin/sh"),
                hard_link("usr/bin/dash", "bin/sh"),
            ],
            vec![
                directory("usr"),
                directory("usr/bin"),
                symlink("lib", "usr/lib"),
                file("lib/x/y"),
            ],
        ])
        .unwrap();
        assert_eq!(
            names(&tree),
            [
                "/",
                "/bin",
                "/lib",
                "/usr",
                "/usr/bin",
                "/usr/bin/dash",
                "/usr/bin/sh",
                "/usr/lib",
                "/usr/lib/x",
                "/usr/lib/x/y"
            ]
        );
        let bin = tree.get(&path("bin")).unwrap();
        assert!(matches!(&bin.kind, NodeKind::Symlink(target) if target == b"usr/bin"));
        assert_eq!(bin.origin, Origin::rule("rootfs.merged-usr"));
        let id = |at: &str| {
            tree.iter()
                .find(|(found, ..)| **found == path(at))
                .unwrap()
                .1
        };
        assert_eq!(id("usr/bin/sh"), id("usr/bin/dash"));
    }

    #[test]
    fn directories_are_shared_and_the_first_to_name_one_is_its_origin() {
        let tree = packages(vec![
            vec![file("etc/a/file")],
            vec![directory("etc"), entry("etc/a", NodeKind::Directory, 0o700)],
            vec![entry("etc/a", NodeKind::Directory, 0o700)],
        ])
        .unwrap();
        let shared = tree.get(&path("etc/a")).unwrap();
        assert_eq!(shared.metadata.mode, 0o700);
        assert_eq!(shared.origin, Origin::package("b", "1"));
    }

    #[test]
    fn directories_of_different_modes_are_a_conflict() {
        let open = entry("tmp", NodeKind::Directory, 0o1777);
        assert_eq!(
            packages(vec![vec![directory("tmp")], vec![open]]).unwrap_err(),
            "directory conflict at /tmp: mode 0755 owner 0:0 in package a 1, mode 1777 owner 0:0 \
             in package b 1"
        );
    }

    #[test]
    fn one_path_from_two_packages_is_a_conflict_that_names_both() {
        assert_eq!(
            packages(vec![vec![file("lib/x")], vec![file("usr/lib/x")]]).unwrap_err(),
            "file conflict at /usr/lib/x: a file of package a 1 and a file of package b 1; leave \
             one of them out"
        );
        assert_eq!(
            packages(vec![vec![directory("opt")], vec![symlink("opt", "srv")]]).unwrap_err(),
            "file conflict at /opt: a directory of package a 1 and a symbolic link of package b \
             1; leave one of them out"
        );
        assert_eq!(
            packages(vec![vec![symlink("bin", "elsewhere")]]).unwrap_err(),
            "file conflict at /bin: a symbolic link of rule rootfs.merged-usr and a symbolic \
             link of package a 1; leave one of them out"
        );
    }

    #[test]
    fn rpm_packages_share_files_that_are_equal_and_no_others() {
        let content =
            |at: &str, bytes: &[u8]| entry(at, NodeKind::File(Content::bytes(bytes)), 0o644);
        let first = || {
            vec![
                content("lib/x", b"x"),
                symlink("lib/y", "x"),
                hard_link("lib/z", "lib/x"),
            ]
        };
        let tree = merged(vec![first(), first(), vec![file("usr/lib/x")]], true).unwrap();
        for name in ["usr/lib/x", "usr/lib/y", "usr/lib/z"] {
            let node = tree.get(&path(name)).unwrap();
            assert_eq!(node.origin, Origin::package("a", "1"));
        }
        let id = |at: &str| {
            let found = tree.iter().find(|(found, ..)| **found == path(at));
            found.unwrap().1
        };
        assert_eq!(id("usr/lib/x"), id("usr/lib/z"));
        for (other, kind) in [
            (content("lib/x", b"y"), "a file"),
            (content("lib/x", b"xx"), "a file"),
            (
                entry("lib/x", NodeKind::File(Content::bytes(*b"x")), 0o600),
                "a file",
            ),
            (symlink("lib/x", "y"), "a symbolic link"),
        ] {
            assert_eq!(
                merged(vec![first(), vec![other]], true).unwrap_err(),
                format!(
                    "file conflict at /usr/lib/x: a file of package a 1 and {kind} of package b \
                     1; leave one of them out"
                )
            );
        }
        let link = vec![content("w", b"w"), hard_link("lib/x", "w")];
        assert!(
            merged(vec![first(), link], true)
                .unwrap_err()
                .starts_with("file conflict at /usr/lib/x: ")
        );
    }

    #[test]
    fn writing_through_a_link_that_a_package_brought_is_refused() {
        for (target, parts) in [
            (
                "/etc",
                vec![vec![symlink("opt", "/etc"), file("opt/passwd")]],
            ),
            (
                "../..",
                vec![vec![symlink("opt", "../..")], vec![file("opt/passwd")]],
            ),
        ] {
            let expected = format!(
                "writes /opt/passwd through the symbolic link /opt -> {target} (package a 1); \
                 only links named in rootfs.merged-usr are followed"
            );
            let error = packages(parts).unwrap_err();
            assert!(error.starts_with("symlink escape: package "), "{error}");
            assert!(error.ends_with(&expected), "{error}");
        }
        let hard = vec![symlink("opt", "etc"), file("x"), hard_link("opt/x", "x")];
        assert!(
            packages(vec![hard])
                .unwrap_err()
                .starts_with("symlink escape")
        );
    }

    #[test]
    fn a_file_cannot_hold_anything() {
        assert_eq!(
            packages(vec![vec![file("etc")], vec![file("etc/passwd")]]).unwrap_err(),
            "package b 1 puts /etc/passwd below /etc, which is a file (package a 1)"
        );
    }

    #[test]
    fn hard_links_name_an_earlier_file_of_their_own_package() {
        assert_eq!(
            packages(vec![vec![hard_link("b", "a"), file("a")]]).unwrap_err(),
            "package a 1: /b is a hard link to /a, which does not come before it"
        );
        assert_eq!(
            packages(vec![vec![file("a")], vec![hard_link("b", "a")]]).unwrap_err(),
            "package b 1: /b is a hard link to /a, which another package brings"
        );
        assert_eq!(
            packages(vec![vec![directory("a"), hard_link("b", "a")]]).unwrap_err(),
            "package a 1: /b is a hard link to /a, which is a directory"
        );
    }
}
