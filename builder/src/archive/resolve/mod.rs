//! From a recipe to a lock.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::debian::{Choice, PackageIndex, Repository, RepositoryError, parse_date};
use super::solver::{Unsatisfiable, solve};
use super::{MirrorError, Mirrors, Transport};
use crate::lock::{LOCK_VERSION, Lock, LockedPackage, SignedIndex};
use crate::progress::Progress;
use crate::recipe::{ArchiveKind, PackageSet, Recipe};
use crate::store::Store;

/// A recipe that cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// An archive's host is not known.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// An archive cannot be used.
    #[error(transparent)]
    Repository(#[from] Box<RepositoryError>),
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

/// Chooses the packages of every set of `recipe` and pins them: what the recipe asks for with all
/// that this depends on, from indexes whose signature is right at time `now`. Recommended packages
/// are left out. Each set is resolved on its own.
///
/// A version of the `previous` lock is kept where the archive still offers it and it still fits,
/// unless `update` is given: then the newest versions are chosen.
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
    update: bool,
    progress: &dyn Progress,
) -> Result<Lock, ResolveError> {
    let sets = recipe.package_sets();
    for (set, packages) in &sets {
        check(set, packages)?;
    }
    let mut indexes = BTreeMap::new();
    let mut offers: BTreeMap<&str, PackageIndex> = BTreeMap::new();
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
        let (index, packages) = world.read(name, locked)?;
        indexes.insert(name.to_owned(), index);
        offers.insert(name, packages);
    }

    progress.step("Choosing packages");
    let kept = previous.filter(|_| !update);
    let mut lock = Lock {
        version: LOCK_VERSION,
        indexes,
        requests: BTreeMap::new(),
        packages: Vec::new(),
    };
    for (set, packages) in sets {
        let offer = &offers[packages.archive.as_str()];
        for package in choose(set, packages, offer, kept)? {
            lock.add(package);
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

impl World<'_> {
    /// Reads what the archive that the recipe calls `name` offers now.
    pub(crate) fn read(
        &self,
        name: &str,
        locked: Option<&SignedIndex>,
    ) -> Result<(SignedIndex, PackageIndex), ResolveError> {
        let mirror = self.mirrors.get(name)?;
        let archive = &self.recipe.archives[name];
        match archive.kind {
            ArchiveKind::Debian => {
                let repository = Repository {
                    archive,
                    architecture: &self.recipe.recipe.architecture,
                    folder: &self.recipe.folder,
                    mirror,
                    transport: self.transport,
                    store: self.store,
                    progress: self.progress,
                };
                let checked = repository.release(self.now).map_err(Box::new)?;
                if let Some(locked) = locked
                    && locked.suite == archive.suite
                    && parse_date("Date", &locked.date)
                        .is_ok_and(|locked| checked.release.time < locked)
                {
                    return Err(ResolveError::RolledBack {
                        mirror: mirror.url.to_string(),
                        suite: archive.suite.clone(),
                        date: checked.release.date,
                        locked: locked.date.clone(),
                    });
                }
                let packages = repository.packages(&checked).map_err(Box::new)?;
                Ok((checked.index, packages))
            }
        }
    }
}

fn choose(
    set: &str,
    packages: &PackageSet,
    offer: &PackageIndex,
    kept: Option<&Lock>,
) -> Result<Vec<LockedPackage>, ResolveError> {
    let locked = kept.into_iter().flat_map(|lock| lock.set(set));
    let locked = locked.filter(|package| package.archive == packages.archive);
    let choice = Choice::new(offer, &packages.provided, locked);
    let wanted: Vec<_> = packages
        .names
        .iter()
        .map(|name| choice.wanted(name))
        .collect();
    let chosen = solve(&choice, &wanted).map_err(|reasons| ResolveError::Unsatisfiable {
        set: set.to_owned(),
        reasons,
    })?;
    Ok(chosen
        .into_iter()
        .map(|id| {
            let package = offer.package(id);
            LockedPackage {
                name: package.name.clone(),
                version: package.version.as_str().to_owned(),
                architecture: package.architecture.clone(),
                archive: packages.archive.clone(),
                path: package.path.clone(),
                size: package.size,
                sha256: package.sha256,
                sets: vec![set.to_owned()],
            }
        })
        .collect())
}

#[cfg(test)]
mod apt_tests;
#[cfg(test)]
mod tests;
