//! `recipe.tar`: the recipe, its lock and the files that it names, so that whoever has a build has
//! all that repeating it takes, but for the packages.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use tar::{Builder, EntryType, Header};

use super::BuildError;
use crate::lock::Lock;
use crate::recipe::Recipe;

/// Writes the archive (POSIX ustar): regular files sorted by path, mode 0644, owned by 0:0, with
/// time 0.
pub(super) fn write(recipe: &Recipe, output: impl Write) -> Result<(), BuildError> {
    let own = [Recipe::FILE_NAME, Lock::FILE_NAME].map(PathBuf::from);
    let files: BTreeSet<PathBuf> = recipe.companions().into_iter().chain(own).collect();
    let mut archive = Builder::new(output);
    for path in files {
        let content = recipe.companion(&path)?;
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(content.len());
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        archive.append_data(&mut header, &path, content.open()?)?;
    }
    archive.finish()?;
    Ok(())
}
