//! Which kind of package an archive holds, and what it takes to open one.

use std::path::Path;

use super::rpm::Signers;
use super::{OpenedPackage, PackageError, deb, rpm};
use crate::archive::{Certificates, SignatureError};
use crate::lock::{Lock, LockedPackage};
use crate::recipe::{ArchiveKind, Recipe};

/// Why an archive's packages cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// A certificate of the recipe cannot be used.
    #[error(transparent)]
    Keys(#[from] SignatureError),
    /// The lock names an archive that the recipe does not have, or no index of it.
    #[error("archive {archive:?} is not both in the recipe and in the lock; run `guestmark lock`")]
    NoArchive {
        /// The archive.
        archive: String,
    },
    /// The lock does not say when the index was made.
    #[error(
        "recipe.lock.json: the date {date:?} of archive {archive:?} is not a time such as \
             2026-05-01T00:00:00Z; run `guestmark lock`"
    )]
    Date {
        /// The archive.
        archive: String,
        /// What stands in the lock.
        date: String,
    },
}

/// A kind of package.
#[derive(Debug)]
pub enum Format {
    /// A Debian package, for which the signed index vouches by SHA-256.
    Deb,
    /// An RPM package, which is signed itself as well.
    Rpm(Signers),
}

impl Format {
    /// The kind of package that the archive called `archive` holds.
    ///
    /// # Errors
    /// The archive's certificates cannot be read, or recipe and lock do not fit each other.
    pub fn of(recipe: &Recipe, lock: &Lock, archive: &str) -> Result<Self, FormatError> {
        let (Some(known), Some(index)) = (recipe.archives.get(archive), lock.indexes.get(archive))
        else {
            return Err(FormatError::NoArchive {
                archive: archive.to_owned(),
            });
        };
        Ok(match known.kind {
            ArchiveKind::Debian => Self::Deb,
            ArchiveKind::Rpm => Self::Rpm(Signers {
                certificates: Certificates::of_archive(known, &recipe.folder)?,
                at: index.date.parse().map_err(|_| FormatError::Date {
                    archive: archive.to_owned(),
                    date: index.date.clone(),
                })?,
            }),
        })
    }
}

/// Opens the package file that `locked` names. What it holds is decompressed into an unlinked
/// file in `spool`, and contents are ranges of that file.
///
/// # Errors
/// The file is not a whole package, is not the locked one, is not signed as it must be, or holds
/// what a tree cannot. Data that unpack to far more than the package declares are refused.
pub fn open(
    file: &Path,
    locked: &LockedPackage,
    format: &Format,
    spool: &Path,
) -> Result<OpenedPackage, PackageError> {
    match format {
        Format::Deb => deb::open(file, locked, spool),
        Format::Rpm(signers) => rpm::open(file, locked, signers, spool),
    }
}
