//! Directories, files and links that the recipe adds.

use super::RuleError;
use crate::recipe::{AddedDirectory, AddedFile, AddedLink, Move, Recipe};
use crate::tree::{Content, Metadata, Node, NodeKind, Origin, Tree, TreeError, TreePath};

/// A path as a rule writes it.
pub(super) fn parse_path(rule: &'static str, path: &str) -> Result<TreePath, RuleError> {
    TreePath::parse(path.as_bytes()).map_err(|reason| RuleError::Path { rule, reason })
}

/// Moves a path with all it holds. Every inode keeps its origin, and hard links stay ones.
pub(super) fn move_path(tree: &mut Tree, rule: &Move) -> Result<(), RuleError> {
    const RULE: &str = "rootfs.move";
    let from = parse_path(RULE, &rule.from)?;
    let to = parse_path(RULE, &rule.to)?;
    let place = |reason| RuleError::Place {
        rule: RULE,
        reason: Box::new(reason),
    };
    if from.is_root() || tree.get(&from).is_none() {
        return Err(place(TreeError::Missing { path: from }));
    }
    if to.starts_with(&from) {
        return Err(RuleError::MoveBelow { from, to });
    }
    make_parents(tree, RULE, &to)?;
    tree.rename(&from, &to).map_err(place)
}

pub(super) fn directory(tree: &mut Tree, added: &AddedDirectory) -> Result<(), RuleError> {
    const RULE: &str = "rootfs.directory";
    let path = parse_path(RULE, &added.path)?;
    make_parents(tree, RULE, &path)?;
    let node = Node {
        kind: NodeKind::Directory,
        metadata: Metadata {
            uid: added.uid,
            gid: added.gid,
            ..Metadata::root_owned(added.mode.bits())
        },
        origin: Origin::rule(RULE),
    };
    match tree.get_mut(&path) {
        None => insert(tree, RULE, path, node),
        Some(found) if matches!(found.kind, NodeKind::Directory) => {
            *found = node;
            Ok(())
        }
        Some(found) => Err(taken(RULE, path, found)),
    }
}

pub(super) fn file(tree: &mut Tree, recipe: &Recipe, added: &AddedFile) -> Result<(), RuleError> {
    const RULE: &str = "rootfs.file";
    let (content, origin) = match (&added.source, &added.content) {
        (Some(source), None) => (
            recipe.companion(source)?,
            Origin::recipe_file(&source.to_string_lossy()),
        ),
        (None, Some(text)) => (Content::bytes(text.as_bytes()), Origin::rule(RULE)),
        _ => {
            return Err(RuleError::Source {
                path: added.path.clone(),
            });
        }
    };
    let node = Node {
        kind: NodeKind::File(content),
        metadata: Metadata {
            uid: added.uid,
            gid: added.gid,
            ..Metadata::root_owned(added.mode.bits())
        },
        origin,
    };
    put(tree, RULE, parse_path(RULE, &added.path)?, node)
}

pub(super) fn link(tree: &mut Tree, added: &AddedLink) -> Result<(), RuleError> {
    const RULE: &str = "rootfs.link";
    put_link(tree, RULE, parse_path(RULE, &added.path)?, &added.target)
}

/// Places a symbolic link as [`put`] does.
pub(super) fn put_link(
    tree: &mut Tree,
    rule: &'static str,
    path: TreePath,
    target: &str,
) -> Result<(), RuleError> {
    let node = Node {
        kind: NodeKind::Symlink(target.as_bytes().to_vec()),
        metadata: Metadata::root_owned(0o777),
        origin: Origin::rule(rule),
    };
    put(tree, rule, path, node)
}

/// Places what is not a directory, in place of a package's file or link of that path if there is
/// one. What another rule made is not replaced: the two would contradict each other.
pub(super) fn put(
    tree: &mut Tree,
    rule: &'static str,
    path: TreePath,
    node: Node,
) -> Result<(), RuleError> {
    make_parents(tree, rule, &path)?;
    match tree.get(&path) {
        None => {}
        Some(Node {
            kind: NodeKind::File(_) | NodeKind::Symlink(_),
            origin: Origin::Package { .. },
            ..
        }) => {
            tree.remove(&path);
        }
        Some(found) => return Err(taken(rule, path, found)),
    }
    insert(tree, rule, path, node)
}

fn make_parents(tree: &mut Tree, rule: &'static str, path: &TreePath) -> Result<(), RuleError> {
    let missing: Vec<TreePath> = std::iter::successors(path.parent(), TreePath::parent)
        .take_while(|parent| tree.get(parent).is_none())
        .collect();
    for parent in missing.into_iter().rev() {
        let node = Node {
            kind: NodeKind::Directory,
            metadata: Metadata::root_owned(0o755),
            origin: Origin::rule(rule),
        };
        insert(tree, rule, parent, node)?;
    }
    Ok(())
}

fn insert(
    tree: &mut Tree,
    rule: &'static str,
    path: TreePath,
    node: Node,
) -> Result<(), RuleError> {
    tree.insert(path, node)
        .map(|_| ())
        .map_err(|reason: TreeError| RuleError::Place {
            rule,
            reason: Box::new(reason),
        })
}

fn taken(rule: &'static str, path: TreePath, found: &Node) -> RuleError {
    RuleError::Taken {
        rule,
        path,
        kind: found.kind.noun(),
        origin: Box::new(found.origin.clone()),
    }
}
