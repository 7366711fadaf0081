//! Globs over the paths of a tree. Each must match something, and each alternative of a brace
//! group as well, so that a recipe cannot keep rules for what is no longer there.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::RuleError;
use crate::tree::{Tree, TreePath};

/// The most globs that one brace group may expand to.
const MAX_ALTERNATIVES: usize = 4096;

/// The globs of one rule.
#[derive(Debug)]
pub(super) struct Patterns {
    rule: &'static str,
    texts: Vec<String>,
    set: GlobSet,
}

impl Patterns {
    /// Compiles the globs of `rule`. `*` and `?` do not match `/`, `**` does.
    pub(super) fn compile(rule: &'static str, globs: &[String]) -> Result<Self, RuleError> {
        let mut texts = Vec::new();
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            let bad = |reason: String| RuleError::Pattern {
                rule,
                pattern: glob.clone(),
                reason,
            };
            for text in expand(glob).map_err(bad)? {
                let relative = text.trim_start_matches('/');
                let compiled = GlobBuilder::new(relative)
                    .literal_separator(true)
                    .build()
                    .map_err(|error| bad(error.kind().to_string()))?;
                set.add(compiled);
                texts.push(text);
            }
        }
        let set = set.build().map_err(|error| RuleError::Pattern {
            rule,
            pattern: globs.join(", "),
            reason: error.kind().to_string(),
        })?;
        Ok(Self { rule, texts, set })
    }

    /// The paths of `tree` below `directory` that match, in the tree's order. The globs are
    /// relative to `directory`.
    pub(super) fn select(
        &self,
        tree: &Tree,
        directory: &TreePath,
    ) -> Result<Vec<TreePath>, RuleError> {
        let (selected, used) = self.find(tree, directory);
        match used.iter().position(|used| !used) {
            None => Ok(selected),
            Some(stale) => Err(RuleError::Stale {
                rule: self.rule,
                pattern: self.texts[stale].clone(),
            }),
        }
    }

    /// As [`Patterns::select`], from the root, but globs may match nothing.
    pub(super) fn select_present(&self, tree: &Tree) -> Vec<TreePath> {
        self.find(tree, &TreePath::root()).0
    }

    /// What matches, and which globs match something.
    fn find(&self, tree: &Tree, directory: &TreePath) -> (Vec<TreePath>, Vec<bool>) {
        let mut selected = Vec::new();
        let mut used = vec![false; self.texts.len()];
        let mut hits = Vec::new();
        for (path, ..) in tree.iter() {
            if path == directory || !path.starts_with(directory) {
                continue;
            }
            let skip = directory.as_bytes().len() + usize::from(!directory.is_root());
            let relative = Path::new(OsStr::from_bytes(&path.as_bytes()[skip..]));
            self.set.matches_into(relative, &mut hits);
            if !hits.is_empty() {
                selected.push(path.clone());
            }
            for &hit in &hits {
                used[hit] = true;
            }
        }
        (selected, used)
    }
}

/// Expands brace groups, as shells do: `a{b,c}` is `ab` and `ac`. A backslash takes the next
/// character as it is.
fn expand(glob: &str) -> Result<Vec<String>, String> {
    let mut expanded = Vec::new();
    let mut waiting = vec![glob.to_owned()];
    while let Some(text) = waiting.pop() {
        match first_group(&text)? {
            None => expanded.push(text),
            Some((start, end, cuts)) => {
                let bounds: Vec<usize> = [&[start], &cuts[..], &[end]].concat();
                // Taken from the end of `waiting`, so the last alternative goes in first.
                for pair in bounds.windows(2).rev() {
                    let alternative = &text[pair[0] + 1..pair[1]];
                    waiting.push(format!(
                        "{}{alternative}{}",
                        &text[..start],
                        &text[end + 1..]
                    ));
                }
            }
        }
        if expanded.len() + waiting.len() > MAX_ALTERNATIVES {
            return Err(format!("more than {MAX_ALTERNATIVES} alternatives"));
        }
    }
    Ok(expanded)
}

/// The byte positions of the first outermost `{`, its `}`, and the commas between them.
fn first_group(text: &str) -> Result<Option<(usize, usize, Vec<usize>)>, String> {
    let mut depth = 0_usize;
    let mut start = 0;
    let mut cuts = Vec::new();
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (byte, depth) {
            (b'\\', _) => {
                bytes.next();
            }
            (b'{', 0) => (start, depth) = (at, 1),
            (b'{', _) => depth += 1,
            (b'}', 0) => return Err("a closing brace without an opening one".to_owned()),
            (b'}', 1) => return Ok(Some((start, at, cuts))),
            (b'}', _) => depth -= 1,
            (b',', 1) => cuts.push(at),
            _ => {}
        }
    }
    match depth {
        0 => Ok(None),
        _ => Err("an opening brace without a closing one".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Metadata, Node, NodeKind, Origin};

    fn tree(paths: &[&[u8]]) -> Tree {
        let mut tree = Tree::new(Origin::rule("test"));
        for path in paths {
            let node = Node {
                kind: NodeKind::Directory,
                metadata: Metadata::root_owned(0o755),
                origin: Origin::rule("test"),
            };
            tree.insert(TreePath::parse(path).unwrap(), node).unwrap();
        }
        tree
    }

    fn select(tree: &Tree, globs: &[&str]) -> Result<Vec<String>, String> {
        let globs: Vec<String> = globs.iter().map(|&glob| glob.to_owned()).collect();
        Patterns::compile("rootfs.remove", &globs)
            .and_then(|patterns| patterns.select(tree, &TreePath::root()))
            .map(|paths| paths.iter().map(ToString::to_string).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn stars_stop_at_slashes_and_bytes_need_not_be_text() {
        let tree = tree(&[b"a", b"a/b", b"a/b/c", b"a/\xff"]);
        assert_eq!(select(&tree, &["/a/*"]).unwrap(), ["/a/b", "/a/\\xff"]);
        assert_eq!(
            select(&tree, &["a/**"]).unwrap(),
            ["/a/b", "/a/b/c", "/a/\\xff"]
        );
        assert_eq!(select(&tree, &["**/c", "/?"]).unwrap(), ["/a", "/a/b/c"]);
    }

    #[test]
    fn every_alternative_must_match() {
        let tree = tree(&[b"a", b"a/b", b"a/c"]);
        assert_eq!(select(&tree, &["/a/{b,c}"]).unwrap(), ["/a/b", "/a/c"]);
        assert_eq!(
            select(&tree, &["/a/{b,d}"]).unwrap_err(),
            "rootfs.remove: \"/a/d\" matches nothing; it is out of date: correct it or take it out"
        );
    }

    #[test]
    fn braces_nest_and_keep_their_order() {
        assert_eq!(
            expand("x{a,{b,c}d,}y{1,2}").unwrap(),
            [
                "xay1", "xay2", "xbdy1", "xbdy2", "xcdy1", "xcdy2", "xy1", "xy2"
            ]
        );
        assert_eq!(expand("\\{a,b\\}").unwrap(), ["\\{a,b\\}"]);
        assert!(expand(&"{a,b}".repeat(13)).is_err());
    }

    #[test]
    fn text_that_is_no_glob_is_refused_with_its_reason() {
        let tree = tree(&[]);
        assert_eq!(
            select(&tree, &["/a/{b"]).unwrap_err(),
            "rootfs.remove: \"/a/{b\" is not a glob: an opening brace without a closing one"
        );
        assert_eq!(
            select(&tree, &["/a/[b"]).unwrap_err(),
            "rootfs.remove: \"/a/[b\" is not a glob: unclosed character class; missing ']'"
        );
    }
}
