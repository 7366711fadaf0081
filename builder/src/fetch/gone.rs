//! Files that have left their mirror, and what to do about it.

use std::collections::BTreeMap;
use std::fmt;

use super::{FetchError, shown};
use crate::archive::World;
use crate::lock::{Lock, LockedPackage};

/// Locked files that their mirrors no longer have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// The packages, by archive.
    archives: BTreeMap<String, Lost>,
    /// The recipe's folder.
    folder: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Lost {
    mirror: String,
    /// The date of the index that the lock was made from.
    date: String,
    /// Why the mirror's index cannot be read, if it cannot.
    problem: Option<String>,
    packages: Vec<LostPackage>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct LostPackage {
    /// Name and version.
    locked: String,
    path: String,
    /// The versions that the mirror has in its place.
    offered: Vec<String>,
}

impl Gone {
    /// Looks up what the mirrors offer in place of `packages`.
    pub(super) fn new(
        packages: &[&LockedPackage],
        lock: &Lock,
        world: &World<'_>,
    ) -> Result<Self, FetchError> {
        let mut by_archive: BTreeMap<&str, Vec<&LockedPackage>> = BTreeMap::new();
        for package in packages {
            by_archive
                .entry(package.archive.as_str())
                .or_default()
                .push(package);
        }
        let mut archives = BTreeMap::new();
        for (archive, packages) in by_archive {
            let (offer, problem) = match world.read(archive, None, None) {
                Ok((_, offer)) => (Some(offer), None),
                Err(error) => (None, Some(error.to_string())),
            };
            let lost = packages.iter().map(|package| LostPackage {
                locked: shown(package),
                path: package.path.to_string(),
                offered: offer
                    .iter()
                    .flat_map(|offer| offer.versions(&package.name))
                    .collect(),
            });
            let lost = Lost {
                mirror: world.mirrors.get(archive)?.url.to_string(),
                date: lock
                    .indexes
                    .get(archive)
                    .map(|index| index.date.clone())
                    .unwrap_or_default(),
                problem,
                packages: lost.collect(),
            };
            archives.insert(archive.to_owned(), lost);
        }
        Ok(Self {
            archives,
            folder: world.recipe.folder.display().to_string(),
        })
    }
}

impl std::error::Error for Gone {}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (archive, lost) in &self.archives {
            let Lost { mirror, date, .. } = lost;
            writeln!(f, "locked files have left the mirror {mirror}:")?;
            for package in &lost.packages {
                let LostPackage { locked, path, .. } = package;
                match (&lost.problem, package.offered.as_slice()) {
                    (Some(_), _) => writeln!(f, "  {locked} ({path})")?,
                    (None, []) => writeln!(f, "  {locked} ({path}); no version is offered now")?,
                    (None, offered) => {
                        writeln!(
                            f,
                            "  {locked} ({path}); offered now: {}",
                            offered.join(", ")
                        )?;
                    }
                }
            }
            if let Some(problem) = &lost.problem {
                writeln!(f, "what it offers now cannot be told: {problem}")?;
            }
            writeln!(
                f,
                "either name a mirror that keeps old files, with a snapshot of {date} or later: \
                 --mirror {archive}=URL"
            )?;
        }
        write!(
            f,
            "or lock what is offered now: guestmark lock --update {}",
            self.folder
        )
    }
}
