//! From a recipe to a lock.

mod offer;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::debian::{self, parse_date};
use super::solver::Unsatisfiable;
use super::source::Source;
use super::{MirrorError, Mirrors, Transport, rpm};
use crate::lock::{LOCK_VERSION, Lock, SignedIndex};
use crate::progress::Progress;
use crate::recipe::{ArchiveKind, PackageSet, Recipe};
use crate::store::Store;

use offer::{Offer, RpmOffer};

/// A recipe that cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// An archive's host is not known.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// An archive cannot be used.
    #[error(transparent)]
    Repository(#[from] Box<debian::RepositoryError>),
    /// An RPM repository cannot be used.
    #[error(transparent)]
    RpmRepository(#[from] Box<rpm::RepositoryError>),
    /// A time was given for an archive that does not say when it got its files.
    #[error(
        "archive {archive:?} is of kind debian, whose indexes hold no file times: leave --snapshot \
         out and name a mirror that shows the archive as it was, --mirror {archive}=URL"
    )]
    NoFileTimes {
        /// The archive.
        archive: String,
    },
    /// The mirror's index is older than the one of the lock.
    #[error(
        "{mirror}: its index of suite {suite} is dated {date}, older than the lock's, {locked}: the \
         mirror is behind, or someone replays an old index; use another mirror, or remove the lock \
         to go back to the older index"
    )]
    RolledBack {
        /// The mirror.
        mirror: String,
        /// The suite.
        suite: String,
        /// The date of the mirror's index.
        date: String,
        /// The date of the lock's index.
        locked: String,
    },
    /// The recipe asks for a package and says that it is there already.
    #[error("{set}.packages: {package:?} stands in both names and provided; remove one")]
    AskedAndProvided {
        /// The set.
        set: String,
        /// The package.
        package: String,
    },
    /// No choice of packages satisfies all relations.
    #[error("{set}.packages cannot be installed together:\n{reasons}change them in recipe.toml")]
    Unsatisfiable {
        /// The set.
        set: String,
        /// What stands against what.
        reasons: Unsatisfiable,
    },
}

/// Which versions are preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// Those of the previous lock, as long as they are on offer; others are the newest, until the
    /// time of that lock if it has one.
    Locked,
    /// The newest.
    Newest,
    /// The newest whose file the archive got until this time.
    Until(Timestamp),
}

/// Chooses the packages of every set of `recipe` and pins them: what the recipe asks for with all
/// that this depends on, from indexes whose signature is right at time `now`. Recommended packages
/// are left out. Each set is resolved on its own.
///
/// `versions` says which versions are preferred; of the `previous` lock, one that the archive
/// still offers and that still fits.
///
/// The result is the same for the same recipe, indexes and previous lock.
///
/// # Errors
/// An archive has no known mirror, cannot be reached, is not signed by a key of the recipe, or is
/// older than the previous lock; or the packages do not fit each other.
pub fn resolve(
    recipe: &Recipe,
    mirrors: &Mirrors,
    store: &Store,
    now: Timestamp,
    previous: Option<&Lock>,
    versions: Versions,
    progress: &dyn Progress,
) -> Result<Lock, ResolveError> {
    let sets = recipe.package_sets();
    for (set, packages) in &sets {
        check(set, packages)?;
    }
    let mut indexes = BTreeMap::new();
    let mut offers: BTreeMap<&str, Offer<'_>> = BTreeMap::new();
    let transport = Transport::new();
    let world = World {
        recipe,
        mirrors,
        store,
        transport: &transport,
        now,
        progress,
    };
    for (_, packages) in &sets {
        let name = packages.archive.as_str();
        if offers.contains_key(name) {
            continue;
        }
        progress.step(&format!("Reading the index of archive {name}"));
        let locked = previous.and_then(|lock| lock.indexes.get(name));
        let snapshot = match versions {
            Versions::Until(time) => Some(time),
            Versions::Locked => locked.and_then(|index| index.snapshot),
            Versions::Newest => None,
        };
        let (index, packages) = world.read(name, locked, snapshot)?;
        indexes.insert(name.to_owned(), index);
        offers.insert(name, packages);
    }

    progress.step("Choosing packages");
    let kept = previous.filter(|_| versions == Versions::Locked);
    let mut lock = Lock {
        version: LOCK_VERSION,
        indexes,
        requests: BTreeMap::new(),
        packages: Vec::new(),
    };
    for (set, packages) in sets {
        let locked = kept.into_iter().flat_map(|lock| lock.set(set));
        let locked = locked.filter(|package| package.archive == packages.archive);
        let locked: Vec<_> = locked.collect();
        if let Some(offer) = offers.get_mut(packages.archive.as_str()) {
            for package in offer.choose(set, packages, &locked)? {
                lock.add(package);
            }
        }
        lock.requests.insert(set.to_owned(), packages.clone());
    }
    lock.sort();
    Ok(lock)
}

fn check(set: &str, packages: &PackageSet) -> Result<(), ResolveError> {
    match packages
        .names
        .iter()
        .find(|name| packages.provided.contains(name))
    {
        Some(package) => Err(ResolveError::AskedAndProvided {
            set: set.to_owned(),
            package: package.clone(),
        }),
        None => Ok(()),
    }
}

/// What it takes to read an archive.
pub(crate) struct World<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) mirrors: &'a Mirrors,
    pub(crate) store: &'a Store,
    pub(crate) transport: &'a Transport,
    pub(crate) now: Timestamp,
    pub(crate) progress: &'a dyn Progress,
}

impl<'a> World<'a> {
    /// Reads what the archive that the recipe calls `name` offers now, or of that the files until
    /// `snapshot`. An index older than `locked` is refused.
    pub(crate) fn read(
        &self,
        name: &str,
        locked: Option<&SignedIndex>,
        snapshot: Option<Timestamp>,
    ) -> Result<(SignedIndex, Offer<'a>), ResolveError> {
        let mirror = self.mirrors.get(name)?;
        let archive = &self.recipe.archives[name];
        let locked = locked.filter(|locked| locked.suite == archive.suite);
        let rolled_back = |date: &str, locked: &SignedIndex| ResolveError::RolledBack {
            mirror: mirror.url.to_string(),
            suite: archive.suite.clone(),
            date: date.to_owned(),
            locked: locked.date.clone(),
        };
        let source = Source {
            archive,
            architecture: &self.recipe.recipe.architecture,
            folder: &self.recipe.folder,
            mirror,
            transport: self.transport,
            store: self.store,
            progress: self.progress,
        };
        match archive.kind {
            ArchiveKind::Debian if snapshot.is_some() => Err(ResolveError::NoFileTimes {
                archive: name.to_owned(),
            }),
            ArchiveKind::Debian => {
                let repository = debian::Repository(source);
                let checked = repository.release(self.now).map_err(Box::new)?;
                if let Some(locked) = locked
                    && parse_date("Date", &locked.date)
                        .is_ok_and(|locked| checked.release.time < locked)
                {
                    return Err(rolled_back(&checked.release.date, locked));
                }
                let packages = repository.packages(&checked).map_err(Box::new)?;
                Ok((checked.index, Offer::Debian(packages)))
            }
            ArchiveKind::Rpm => {
                let repository = rpm::Repository { source, snapshot };
                let checked = repository.repomd(self.now).map_err(Box::new)?;
                if let Some(locked) = locked
                    && locked
                        .date
                        .parse()
                        .is_ok_and(|locked| checked.time < locked)
                {
                    return Err(rolled_back(&checked.index.date, locked));
                }
                let index = repository.packages(&checked.repomd).map_err(Box::new)?;
                let offer = RpmOffer {
                    index,
                    repository,
                    repomd: checked.repomd,
                };
                Ok((checked.index, Offer::Rpm(Box::new(offer))))
            }
        }
    }
}

#[cfg(test)]
mod apt_tests;
#[cfg(test)]
mod tests;
