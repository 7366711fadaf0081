//! `recipe.lock.json`: every input of a build, pinned by SHA-256. `build` reads it and resolves
//! nothing.

mod path;

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use guestmark_measure::Sha256Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::recipe::{PackageSet, Recipe};

pub use path::{ArchivePath, ParseArchivePathError};

/// The lock's format; another number is refused.
pub const LOCK_VERSION: u32 = 1;

/// Every input of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// [`LOCK_VERSION`].
    pub version: u32,
    /// The signed indexes that the packages were found in, by archive name.
    pub indexes: BTreeMap<String, SignedIndex>,
    /// What the recipe asked for when the lock was made, by set. A recipe that asks for
    /// something else needs a new lock.
    pub requests: BTreeMap<String, PackageSet>,
    /// The packages, by name, then architecture, then version.
    pub packages: Vec<LockedPackage>,
}

/// A signed index of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedIndex {
    /// The suite that was asked for.
    pub suite: String,
    /// The signed `Date` field, unchanged; of an RPM repository, the newest timestamp in it.
    pub date: String,
    /// The SHA-256 of the signed file (`InRelease`, `repomd.xml`).
    pub sha256: Sha256Digest,
    /// Fingerprints of the keys whose signatures verified, upper-case hexadecimal, sorted.
    pub signed_by: Vec<String>,
    /// If only files until a time were looked at: that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Timestamp>,
}

/// One pinned package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPackage {
    /// The package's name.
    pub name: String,
    /// Its full version.
    pub version: String,
    /// Its architecture (`amd64`, `all`).
    pub architecture: String,
    /// The archive it comes from.
    pub archive: String,
    /// Its path in the archive (`pool/main/...`).
    pub path: ArchivePath,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of the package file.
    pub sha256: Sha256Digest,
    /// When the archive got the file, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// The sets it belongs to: `kernel`, `initrd`, `rootfs`; sorted.
    pub sets: Vec<String>,
}

/// A lock that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// There is no lock.
    #[error("{path}: no lock; run `guestmark lock {folder}` first")]
    Missing {
        /// Where the lock should be.
        path: String,
        /// The recipe's folder.
        folder: String,
    },
    /// The text is not a lock.
    #[error("{path}:{line}:{column}: {message}")]
    Syntax {
        /// The lock's file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// The parts of the lock do not fit each other.
    #[error("{path}: {message}; remove the file and make it anew with `guestmark lock`")]
    Meaning {
        /// The lock's file.
        path: String,
        /// What does not fit.
        message: String,
    },
    /// A lock of another format.
    #[error(
        "{path}: lock version {found}, this guestmark reads version {LOCK_VERSION}; use the \
         guestmark that wrote it, or remove the file and make it anew with `guestmark lock`"
    )]
    Version {
        /// The lock's file.
        path: String,
        /// The version found.
        found: u32,
    },
    /// The recipe has changed since the lock was made.
    #[error("{path}: the recipe's {set}.packages changed since; run `guestmark lock {folder}`")]
    Stale {
        /// The lock's file.
        path: String,
        /// The set that differs.
        set: String,
        /// The recipe's folder.
        folder: String,
    },
    /// The recipe names another suite than the lock was made from.
    #[error(
        "{path}: archive {archive:?} was locked from suite {locked}, the recipe names {suite}; \
         run `guestmark lock {folder}`"
    )]
    OtherSuite {
        /// The lock's file.
        path: String,
        /// The archive's name.
        archive: String,
        /// The suite of the lock.
        locked: String,
        /// The suite of the recipe.
        suite: String,
        /// The recipe's folder.
        folder: String,
    },
}

impl Lock {
    /// The lock's file name, beside `recipe.toml`.
    pub const FILE_NAME: &str = "recipe.lock.json";

    /// Reads the lock of the recipe in `folder`.
    ///
    /// # Errors
    /// There is none, it cannot be read, or it is not a lock of [`LOCK_VERSION`].
    pub fn read(folder: &Path) -> Result<Self, LockError> {
        let file = folder.join(Self::FILE_NAME);
        let path = file.display().to_string();
        let text = match fs_err::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(LockError::Missing {
                    path,
                    folder: folder.display().to_string(),
                });
            }
            Err(error) => return Err(error.into()),
        };
        Self::parse(&text, &path)
    }

    /// Reads a lock's text; `path` is its place, for messages. Packages are put in their order,
    /// so that a lock merged by hand builds the same.
    ///
    /// # Errors
    /// As [`Lock::read`], but for reading the file.
    pub fn parse(text: &str, path: &str) -> Result<Self, LockError> {
        let syntax = |error: serde_json::Error| LockError::Syntax {
            path: path.to_owned(),
            line: error.line(),
            column: error.column(),
            message: without_place(&error),
        };
        // A newer format may have keys that this one does not know: its number is judged first.
        let format: Format = serde_json::from_str(text).map_err(syntax)?;
        if format.version != LOCK_VERSION {
            return Err(LockError::Version {
                path: path.to_owned(),
                found: format.version,
            });
        }
        let mut lock: Self = serde_json::from_str(text).map_err(syntax)?;
        lock.sort();
        lock.check().map_err(|message| LockError::Meaning {
            path: path.to_owned(),
            message,
        })?;
        Ok(lock)
    }

    /// Writes the lock beside the recipe in `folder`; it appears whole or not at all.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, LockError> {
        let place = folder.join(Self::FILE_NAME);
        let mut file = tempfile::Builder::new()
            .prefix(".recipe.lock.")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)?;
        file.write_all(self.to_text().as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&place).map_err(|error| error.error)?;
        Ok(place)
    }

    /// Whether this lock answers what `recipe` asks for.
    ///
    /// # Errors
    /// A package set or a suite differs: [`LockError::Stale`] or [`LockError::OtherSuite`].
    pub fn check_against(&self, recipe: &Recipe) -> Result<(), LockError> {
        let path = || recipe.folder.join(Self::FILE_NAME).display().to_string();
        let folder = || recipe.folder.display().to_string();
        let sets: BTreeMap<&str, &PackageSet> = recipe.package_sets().into_iter().collect();
        let names = sets
            .keys()
            .copied()
            .chain(self.requests.keys().map(String::as_str));
        for set in names {
            if sets.get(set).copied() != self.requests.get(set) {
                return Err(LockError::Stale {
                    path: path(),
                    set: set.to_owned(),
                    folder: folder(),
                });
            }
        }
        for (name, index) in &self.indexes {
            if let Some(archive) = recipe.archives.get(name)
                && archive.suite != index.suite
            {
                return Err(LockError::OtherSuite {
                    path: path(),
                    archive: name.clone(),
                    locked: index.suite.clone(),
                    suite: archive.suite.clone(),
                    folder: folder(),
                });
            }
        }
        Ok(())
    }

    /// The lock's text: pretty JSON with a final newline, the same for equal locks.
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_else(|error| {
            unreachable!("a lock holds only strings, numbers and lists: {error}")
        });
        text.push('\n');
        text
    }

    /// The packages of one set, in the lock's order.
    pub fn set<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a LockedPackage> {
        self.packages
            .iter()
            .filter(move |package| package.sets.iter().any(|set| set == name))
    }

    /// Adds a package, or its sets to those of the same package.
    pub(crate) fn add(&mut self, package: LockedPackage) {
        match self
            .packages
            .iter_mut()
            .find(|known| known.key() == package.key())
        {
            Some(known) => known.sets.extend(package.sets),
            None => self.packages.push(package),
        }
    }

    /// Puts packages and their sets in order.
    pub(crate) fn sort(&mut self) {
        for package in &mut self.packages {
            package.sets.sort();
        }
        self.packages.sort_by(|a, b| a.key().cmp(&b.key()));
    }

    fn check(&self) -> Result<(), String> {
        for package in &self.packages {
            let LockedPackage { name, version, .. } = package;
            if !self.indexes.contains_key(&package.archive) {
                return Err(format!(
                    "{name} {version} comes from archive {:?}, which has no entry in \"indexes\"",
                    package.archive
                ));
            }
            if let Some(set) = package
                .sets
                .iter()
                .find(|set| !self.requests.contains_key(*set))
            {
                return Err(format!(
                    "{name} {version} belongs to set {set:?}, which has no entry in \"requests\""
                ));
            }
        }
        for pair in self.packages.windows(2) {
            if pair[0].key() == pair[1].key() {
                return Err(format!("{} {} stands twice", pair[0].name, pair[0].version));
            }
        }
        Ok(())
    }
}

impl LockedPackage {
    /// What orders packages in a lock and tells them apart.
    fn key(&self) -> (&str, &str, &str, &str) {
        (&self.name, &self.architecture, &self.version, &self.archive)
    }
}

#[derive(Deserialize)]
struct Format {
    version: u32,
}

/// The message of `error` without the line and column that serde_json puts behind it.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests;
