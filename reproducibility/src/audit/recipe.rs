//! The recipe that a build carries, unpacked into a folder of its own.

use std::io;
use std::path::{Component, Path};

use guestmark_builder::build::{MEASUREMENT_NAME, Measurement, RECIPE_ARCHIVE_NAME};
use guestmark_builder::lock::Lock;
use guestmark_builder::recipe::Recipe;
use guestmark_manifests::FileProblem;
use guestmark_manifests::folder::Folder;
use guestmark_measure::Sha256Digest;
use sha2::{Digest, Sha256};
use tar::{Archive, EntryType};
use tempfile::TempDir;

use super::AuditError;

/// Bytes of the largest archive of a recipe that is read.
const MAX_ARCHIVE: usize = 64 << 20;
/// Bytes of the largest `measurement.json` that is read.
const MAX_MEASUREMENT: usize = 16 << 20;

/// A recipe's folder, which goes with this value.
#[derive(Debug)]
pub(super) struct UnpackedRecipe(TempDir);

impl UnpackedRecipe {
    /// Unpacks the recipe of a release, which must be the one that `measurement.json` names.
    pub(super) fn of(release: &Folder) -> Result<Self, AuditError> {
        let archive = release.read(RECIPE_ARCHIVE_NAME, MAX_ARCHIVE)?;
        let folder = tempfile::tempdir()?;
        unpack(&archive, folder.path())?;

        let measurement = release.read(MEASUREMENT_NAME, MAX_MEASUREMENT)?;
        let measurement: Measurement = serde_json::from_slice(&measurement).map_err(|error| {
            FileProblem::new(MEASUREMENT_NAME, "content", "that of guestmark", error)
        })?;
        let unpacked = Folder::open(folder.path())?;
        for (name, expected) in [
            (Recipe::FILE_NAME, measurement.recipe_sha256),
            (Lock::FILE_NAME, measurement.lock_sha256),
        ] {
            let found = Sha256Digest::new(Sha256::digest(unpacked.read(name, MAX_ARCHIVE)?).into());
            if found != expected {
                let field = format!("{name}: SHA-256");
                let expected = format!("{expected}, as {MEASUREMENT_NAME} says");
                return Err(FileProblem::new(RECIPE_ARCHIVE_NAME, field, expected, found).into());
            }
        }
        Ok(Self(folder))
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Unpacks regular files; nothing else, and nothing outside `folder`.
fn unpack(archive: &[u8], folder: &Path) -> Result<(), AuditError> {
    let damaged =
        |error: io::Error| FileProblem::new(RECIPE_ARCHIVE_NAME, "content", "a tar archive", error);
    let mut archive = Archive::new(archive);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let path = entry.path().map_err(damaged)?.into_owned();
        let plain = path
            .components()
            .all(|component| matches!(component, Component::Normal(_)));
        if !plain || entry.header().entry_type() != EntryType::Regular {
            let found = format!("{path:?}, {:?}", entry.header().entry_type());
            let expected = "regular files below the recipe's folder";
            return Err(FileProblem::new(RECIPE_ARCHIVE_NAME, "entry", expected, found).into());
        }
        let target = folder.join(&path);
        if let Some(parent) = target.parent() {
            fs_err::create_dir_all(parent)?;
        }
        let mut file = fs_err::File::create_new(target)?;
        io::copy(&mut entry, &mut file)?;
    }
    Ok(())
}
