//! Takes single paths out of a tree, with the directories and symbolic links on their way, so
//! that they resolve in the new tree as they did in the old.

use std::collections::VecDeque;

use crate::tree::{NodeKind, Tree, TreeError, TreePath};

/// Linux follows at most 40 symbolic links (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Where a path leads.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// Every directory and link on the way, then what the path names.
    steps: Vec<TreePath>,
    /// What the path names, free of links.
    pub(crate) path: TreePath,
}

/// Follows `path` through the links of `tree`. `None` if it leads to nothing, or in circles.
pub(crate) fn resolve(tree: &Tree, path: &[u8]) -> Option<Resolved> {
    let split = |path: &[u8]| -> Vec<Vec<u8>> {
        path.split(|&byte| byte == b'/')
            .map(<[u8]>::to_vec)
            .collect()
    };
    let mut waiting: VecDeque<Vec<u8>> = split(path).into();
    let mut at = TreePath::root();
    let mut steps = Vec::new();
    let mut links = 0;
    while let Some(component) = waiting.pop_front() {
        match &component[..] {
            b"" | b"." => continue,
            b".." => {
                at = at.parent().unwrap_or_default();
                continue;
            }
            _ => {}
        }
        let next = at.join(&component).ok()?;
        steps.push(next.clone());
        match &tree.get(&next)?.kind {
            NodeKind::Symlink(target) => {
                links += 1;
                if links > MAX_LINKS {
                    return None;
                }
                if target.starts_with(b"/") {
                    at = TreePath::root();
                }
                for component in split(target).into_iter().rev() {
                    waiting.push_front(component);
                }
            }
            NodeKind::Directory => at = next,
            // Only directories have anything below them.
            _ if waiting.iter().any(|component| !component.is_empty()) => return None,
            _ => at = next,
        }
    }
    Some(Resolved { steps, path: at })
}

/// Copies everything that `resolved` passes into `target`, but for what is there already.
pub(super) fn copy(from: &Tree, resolved: &Resolved, target: &mut Tree) -> Result<(), TreeError> {
    for path in &resolved.steps {
        if let (None, Some(node)) = (target.get(path), from.get(path)) {
            make_parents(from, path, target)?;
            target.insert(path.clone(), node.clone())?;
        }
    }
    Ok(())
}

/// A link that climbs with `..` may lead below a directory that is not a step of its own.
fn make_parents(from: &Tree, path: &TreePath, target: &mut Tree) -> Result<(), TreeError> {
    let missing: Vec<TreePath> = std::iter::successors(path.parent(), TreePath::parent)
        .take_while(|parent| target.get(parent).is_none())
        .collect();
    for parent in missing.into_iter().rev() {
        if let Some(node) = from.get(&parent) {
            target.insert(parent, node.clone())?;
        }
    }
    Ok(())
}
