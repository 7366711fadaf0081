//! `/etc/shells` (shells(5)) and the links of update-alternatives(1): both name what must be there.

use super::RuleError;
use super::place::{parse_path, put, put_link};
use crate::initrd::resolve;
use crate::recipe::Alternative;
use crate::tree::{Content, Metadata, Node, NodeKind, Origin, Tree, TreeError};

const SHELLS: &str = "rootfs.shells";
const ALTERNATIVE: &str = "rootfs.alternative";

/// Writes `/etc/shells`, in the recipe's order. None is written for no shells.
pub(super) fn shells(tree: &mut Tree, shells: &[String]) -> Result<(), RuleError> {
    if shells.is_empty() {
        return Ok(());
    }
    let mut text = String::new();
    for shell in shells {
        let wrong = |reason| RuleError::Program {
            rule: SHELLS,
            path: shell.clone(),
            reason,
        };
        if !shell.starts_with('/') || shell.contains(['\n', '#']) {
            return Err(wrong("is not an absolute path without \"#\""));
        }
        let node = resolve(tree, shell.as_bytes()).and_then(|resolved| tree.get(&resolved.path));
        match node {
            Some(Node {
                kind: NodeKind::File(_),
                metadata,
                ..
            }) if metadata.mode & 0o111 != 0 => {}
            Some(_) => return Err(wrong("is not a program")),
            None => return Err(wrong("does not exist, or is a link to nothing")),
        }
        text.push_str(shell);
        text.push('\n');
    }
    let node = Node {
        kind: NodeKind::File(Content::bytes(text.into_bytes())),
        metadata: Metadata::root_owned(0o644),
        origin: Origin::rule(SHELLS),
    };
    put(tree, SHELLS, parse_path(SHELLS, "etc/shells")?, node)
}

/// Makes both links.
pub(super) fn alternative(tree: &mut Tree, rule: &Alternative) -> Result<(), RuleError> {
    if rule.name.is_empty() || rule.name.starts_with('.') || rule.name.contains('/') {
        return Err(RuleError::Program {
            rule: ALTERNATIVE,
            path: rule.name.clone(),
            reason: "is not a plain name",
        });
    }
    let path = parse_path(ALTERNATIVE, &rule.path)?;
    if resolve(tree, path.as_bytes()).is_none() {
        return Err(RuleError::Place {
            rule: ALTERNATIVE,
            reason: Box::new(TreeError::Missing { path }),
        });
    }
    let chosen = parse_path(ALTERNATIVE, &format!("etc/alternatives/{}", rule.name))?;
    let target = chosen.to_string();
    put_link(tree, ALTERNATIVE, chosen, &path.to_string())?;
    put_link(
        tree,
        ALTERNATIVE,
        parse_path(ALTERNATIVE, &rule.link)?,
        &target,
    )
}
