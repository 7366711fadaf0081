//! Links that stand in the root directory before anything is unpacked.

use std::collections::BTreeMap;

use super::MergeError;
use crate::tree::{NodeKind, Tree, TreePath};

/// The links of `rootfs.merged-usr`, which stand before any archive and are the only ones that
/// archives are unpacked through.
#[derive(Debug, Clone, Default)]
pub struct MergedLinks(pub(super) BTreeMap<TreePath, TreePath>);

impl MergedLinks {
    /// Reads the recipe's table.
    ///
    /// # Errors
    /// A link or target that is empty, absolute or leads out of the tree, or a target that
    /// leads through another link.
    pub fn parse(table: &BTreeMap<String, String>) -> Result<Self, MergeError> {
        let mut links = BTreeMap::new();
        for (link, target) in table {
            let bad = |reason: String| MergeError::BadLink {
                link: link.clone(),
                target: target.clone(),
                reason,
            };
            let parse = |text: &str| match TreePath::parse(text.as_bytes()) {
                Ok(path) if !path.is_root() && !text.starts_with('/') => Ok(path),
                Ok(_) => Err(bad(
                    "both must be relative paths such as \"usr/bin\"".to_owned()
                )),
                Err(error) => Err(bad(error.to_string())),
            };
            let (from, to) = (parse(link)?, parse(target)?);
            // The link's text is relative to the directory that the link stands in.
            if from.parent().is_some_and(|parent| !parent.is_root()) {
                return Err(bad("the link must stand in the root directory".to_owned()));
            }
            links.insert(from, to);
        }
        for (link, target) in &links {
            if links.keys().any(|other| target.starts_with(other)) {
                return Err(MergeError::BadLink {
                    link: link.to_string(),
                    target: target.to_string(),
                    reason: "the target leads through a link of this table".to_owned(),
                });
            }
        }
        Ok(Self(links))
    }

    /// Checks that every link still stands.
    ///
    /// # Errors
    /// One is missing or is something else.
    pub fn check(&self, tree: &Tree) -> Result<(), MergeError> {
        for (link, target) in &self.0 {
            match tree.get(link).map(|node| &node.kind) {
                Some(NodeKind::Symlink(found)) if found == target.as_bytes() => {}
                _ => {
                    return Err(MergeError::LostLink {
                        link: link.clone(),
                        target: target.clone(),
                    });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Origin;

    fn links(pairs: &[(&str, &str)]) -> Result<MergedLinks, MergeError> {
        let own = |(link, target): &(&str, &str)| ((*link).to_owned(), (*target).to_owned());
        MergedLinks::parse(&pairs.iter().map(own).collect())
    }

    #[test]
    fn links_of_the_recipe_stay_inside_the_tree() {
        for (pair, message) in [
            (
                ("bin", "../bin"),
                "rootfs.merged-usr: \"bin\" = \"../bin\": path \"../bin\" has a \"..\" component, \
                 which leads out of the tree",
            ),
            (
                ("bin", "/usr/bin"),
                "rootfs.merged-usr: \"bin\" = \"/usr/bin\": both must be relative paths such as \
                 \"usr/bin\"",
            ),
            (
                ("usr/bin", "bin"),
                "rootfs.merged-usr: \"usr/bin\" = \"bin\": the link must stand in the root \
                 directory",
            ),
        ] {
            assert_eq!(links(&[pair]).unwrap_err().to_string(), message);
        }
        let error = links(&[("a", "b/c"), ("b", "usr/b")]).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("leads through a link of this table")
        );
    }

    #[test]
    fn a_link_that_a_rule_removed_is_missed() {
        let merged = links(&[("bin", "usr/bin")]).unwrap();
        assert_eq!(
            merged
                .check(&Tree::new(Origin::rule("test")))
                .unwrap_err()
                .to_string(),
            "/bin: the recipe's link to /usr/bin is gone; a rule must not touch merged-usr links"
        );
    }
}
