//! `recipe.lock.json`: every input of a build, pinned by SHA-256. `build` reads it and resolves
//! nothing.

use std::collections::BTreeMap;
use std::path::Path;

use guestmark_measure::Sha256Digest;
use serde::{Deserialize, Serialize};

use crate::recipe::PackageSet;

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
    /// The signed `Date` field, unchanged.
    pub date: String,
    /// The SHA-256 of the signed file (`InRelease`).
    pub sha256: Sha256Digest,
    /// Fingerprints of the keys whose signatures verified, upper-case hexadecimal, sorted.
    pub signed_by: Vec<String>,
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
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of the package file.
    pub sha256: Sha256Digest,
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
    /// A lock of another format.
    #[error("{path}: lock version {found}, this guestmark reads version {LOCK_VERSION}")]
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
        let lock: Self = serde_json::from_str(&text).map_err(|error| LockError::Syntax {
            path: path.clone(),
            line: error.line(),
            column: error.column(),
            message: error.to_string(),
        })?;
        if lock.version != LOCK_VERSION {
            return Err(LockError::Version {
                path,
                found: lock.version,
            });
        }
        Ok(lock)
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
}
