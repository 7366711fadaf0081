//! Files that stand beside a recipe and that it names.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::Recipe;
use crate::tree::Content;

/// A file beside the recipe that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("recipe file {path}: {reason}", path = .path.display())]
pub struct CompanionError {
    /// The path as the recipe writes it.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl Recipe {
    /// The files beside the recipe that it names.
    pub fn companions(&self) -> BTreeSet<PathBuf> {
        let keys = self.archives.values().flat_map(|archive| &archive.keys);
        let init = self.initrd.iter().map(|initrd| &initrd.init);
        let sources = self
            .rootfs
            .file
            .iter()
            .filter_map(|file| file.source.as_ref());
        keys.chain(init).chain(sources).cloned().collect()
    }

    /// The content of a file beside the recipe. It must lie inside the recipe's folder, links
    /// resolved: anything else would be a file of the host.
    ///
    /// # Errors
    /// The path leads out of the folder, or names no regular file.
    pub fn companion(&self, path: &Path) -> Result<Content, CompanionError> {
        let fail = |reason: String| CompanionError {
            path: path.to_owned(),
            reason,
        };
        let plain = |component| matches!(component, Component::Normal(_) | Component::CurDir);
        if !path.components().all(plain) {
            return Err(fail("must be a relative path without \"..\"".to_owned()));
        }
        // The folder is empty for a recipe read from the current directory.
        let folder = Path::new(".").join(&self.folder);
        let resolve = |path: &Path| path.canonicalize().map_err(|error| fail(error.to_string()));
        let file = resolve(&folder.join(path))?;
        if !file.starts_with(resolve(&folder)?) {
            return Err(fail(format!(
                "leads out of the recipe's folder, to {}",
                file.display()
            )));
        }
        let metadata = file.metadata().map_err(|error| fail(error.to_string()))?;
        if !metadata.is_file() {
            return Err(fail("is not a regular file".to_owned()));
        }
        Ok(Content::Path {
            path: file,
            length: metadata.len(),
        })
    }
}
