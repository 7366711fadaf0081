//! What the recipe does to the unpacked packages, in place of their maintainer scripts.

mod accounts;
mod ca_trust;
mod commands;
mod error;
mod owners;
mod patterns;
mod place;
mod programs;
mod scriptlets;
mod scripts;
mod systemd;
mod unit_file;

use std::collections::{BTreeMap, BTreeSet};

use patterns::Patterns;

use crate::package::OpenedPackage;
use crate::recipe::{Initrd, KeepOnly, Recipe};
use crate::tree::merge::{self, MergedLinks};
use crate::tree::{Content, NodeKind, Origin, Tree, TreeError, TreePath};

pub use error::RuleError;

/// The root file system: its packages merged, then every rule of `[rootfs]` in the order that
/// [`Rootfs`](crate::recipe::Rootfs) documents.
///
/// # Errors
/// A package brings maintainer scripts that the recipe does not answer for, the packages do not
/// make a tree, or a rule cannot be applied or is out of date.
pub fn root_tree(recipe: &Recipe, packages: Vec<OpenedPackage>) -> Result<Tree, RuleError> {
    let rootfs = &recipe.rootfs;
    let table = "rootfs.maintainer-scripts";
    let mut tree = package_tree(recipe, table, &rootfs.maintainer_scripts, packages)?;
    for rule in &rootfs.moves {
        place::move_path(&mut tree, rule)?;
    }
    for rule in &rootfs.keep_only {
        keep_only(&mut tree, rule)?;
    }
    let removed =
        Patterns::compile("rootfs.remove", &rootfs.remove)?.select(&tree, &TreePath::root())?;
    for path in &removed {
        tree.remove(path);
    }
    let present = Patterns::compile("rootfs.remove-if-present", &rootfs.remove_if_present)?;
    for path in &present.select_present(&tree) {
        tree.remove(path);
    }
    for added in &rootfs.directory {
        place::directory(&mut tree, added)?;
    }
    for added in &rootfs.file {
        place::file(&mut tree, recipe, added)?;
    }
    for added in &rootfs.link {
        place::link(&mut tree, added)?;
    }
    for rule in &rootfs.alternative {
        programs::alternative(&mut tree, rule)?;
    }
    accounts::apply(&mut tree, rootfs)?;
    programs::shells(&mut tree, &rootfs.shells)?;
    if let Some(rule) = &rootfs.ca_trust {
        ca_trust::apply(&mut tree, rule)?;
    }
    if let Some(systemd) = &rootfs.systemd {
        systemd::apply(&mut tree, systemd)?;
    }
    MergedLinks::parse(&rootfs.merged_usr)?.check(&tree)?;
    Ok(tree)
}

/// The kernel's packages as a tree, merged as those of the root file system are.
///
/// # Errors
/// As [`root_tree`], but for its rules.
pub fn kernel_tree(recipe: &Recipe, packages: Vec<OpenedPackage>) -> Result<Tree, RuleError> {
    let table = "kernel.maintainer-scripts";
    package_tree(recipe, table, &recipe.kernel.maintainer_scripts, packages)
}

/// The packages that the initrd's programs come from as a tree, merged as those of the root file
/// system are.
///
/// # Errors
/// As [`root_tree`], but for its rules.
pub fn program_tree(
    recipe: &Recipe,
    initrd: &Initrd,
    packages: Vec<OpenedPackage>,
) -> Result<Tree, RuleError> {
    let table = "initrd.maintainer-scripts";
    package_tree(recipe, table, &initrd.maintainer_scripts, packages)
}

/// The one file of the kernel's packages that `kernel.image` names.
///
/// # Errors
/// The glob names no file, or several, or something else.
pub fn kernel_image<'a>(
    recipe: &Recipe,
    kernel: &'a Tree,
) -> Result<(&'a Content, &'a Origin), RuleError> {
    let pattern = &recipe.kernel.image;
    let found = Patterns::compile("kernel.image", std::slice::from_ref(pattern))?
        .select(kernel, &TreePath::root())?;
    if let [path] = &found[..]
        && let Some(node) = kernel.get(path)
        && let NodeKind::File(content) = &node.kind
    {
        return Ok((content, &node.origin));
    }
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    Err(RuleError::KernelImage {
        pattern: pattern.clone(),
        found: found.join(", "),
    })
}

fn package_tree(
    recipe: &Recipe,
    table: &'static str,
    acknowledged: &BTreeMap<String, String>,
    mut packages: Vec<OpenedPackage>,
) -> Result<Tree, RuleError> {
    owners::resolve(&recipe.rootfs, &mut packages)?;
    scripts::check(table, acknowledged, &recipe.rootfs.scriptlet, &packages)?;
    let links = MergedLinks::parse(&recipe.rootfs.merged_usr)?;
    let parts = packages.into_iter().map(OpenedPackage::into_part);
    Ok(merge::merge(&links, parts)?)
}

fn keep_only(tree: &mut Tree, rule: &KeepOnly) -> Result<(), RuleError> {
    const RULE: &str = "rootfs.keep-only";
    let directory = place::parse_path(RULE, &rule.directory)?;
    if !matches!(tree.get(&directory), Some(node) if matches!(node.kind, NodeKind::Directory)) {
        return Err(RuleError::Place {
            rule: RULE,
            reason: Box::new(TreeError::Missing { path: directory }),
        });
    }
    let selected = Patterns::compile(RULE, &rule.files)?.select(tree, &directory)?;
    // What is selected stays with all it holds, and so do the directories above it.
    let above: BTreeSet<TreePath> = selected
        .iter()
        .flat_map(|path| std::iter::successors(path.parent(), TreePath::parent))
        .collect();
    let selected: BTreeSet<TreePath> = selected.into_iter().collect();
    let mut stays = TreePath::root();
    let mut doomed = Vec::new();
    for (path, ..) in tree.iter() {
        let below = path != &directory && path.starts_with(&directory);
        if !below || (!stays.is_root() && path.starts_with(&stays)) {
            continue;
        }
        if selected.contains(path) {
            stays.clone_from(path);
        } else if !above.contains(path) {
            doomed.push(path.clone());
        }
    }
    for path in &doomed {
        tree.remove(path);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::MADE_UP_RECIPE;
