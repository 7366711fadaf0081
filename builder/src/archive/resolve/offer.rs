//! What an archive offers, whatever its kind.

use super::ResolveError;
use crate::archive::solver::solve;
use crate::archive::{debian, rpm};
use crate::lock::LockedPackage;
use crate::recipe::PackageSet;

/// What an archive offers.
pub(crate) enum Offer<'a> {
    Debian(debian::PackageIndex),
    Rpm(Box<RpmOffer<'a>>),
}

/// What an RPM repository offers.
pub(crate) struct RpmOffer<'a> {
    pub(super) index: rpm::Index,
    /// Where more can be read.
    pub(super) repository: rpm::Repository<'a>,
    pub(super) repomd: rpm::Repomd,
}

impl Offer<'_> {
    /// The versions of a name, the newest first.
    pub(crate) fn versions(&self, name: &str) -> Vec<String> {
        match self {
            Self::Debian(index) => index.versions(name).map(str::to_owned).collect(),
            Self::Rpm(offer) => offer.index.versions(name),
        }
    }

    /// Chooses what `set` asks for, preferring what is `locked`.
    pub(super) fn choose(
        &mut self,
        set: &str,
        packages: &PackageSet,
        locked: &[&LockedPackage],
    ) -> Result<Vec<LockedPackage>, ResolveError> {
        let unsatisfiable = |reasons| ResolveError::Unsatisfiable {
            set: set.to_owned(),
            reasons,
        };
        let sets = vec![set.to_owned()];
        let archive = packages.archive.clone();
        let names = packages.names.iter();
        match self {
            Self::Debian(index) => {
                let choice = debian::Choice::new(index, &packages.provided, locked);
                let wanted: Vec<_> = names.map(|name| choice.wanted(name)).collect();
                let chosen = solve(&choice, &wanted).map_err(unsatisfiable)?;
                let chosen = chosen.into_iter().map(|id| {
                    let package = index.package(id);
                    LockedPackage {
                        name: package.name.clone(),
                        version: package.version.as_str().to_owned(),
                        architecture: package.architecture.clone(),
                        archive: archive.clone(),
                        path: package.path.clone(),
                        size: package.size,
                        sha256: package.sha256,
                        time: None,
                        sets: sets.clone(),
                    }
                });
                Ok(chosen.collect())
            }
            Self::Rpm(offer) => {
                let RpmOffer {
                    index,
                    repository,
                    repomd,
                } = &mut **offer;
                let choose = |index: &rpm::Index| {
                    let choice = rpm::Choice::new(index, &packages.provided, locked);
                    let wanted: Vec<_> = names.clone().map(|name| choice.wanted(name)).collect();
                    (solve(&choice, &wanted), choice.needs_file_lists())
                };
                let (mut chosen, needs_file_lists) = choose(index);
                if needs_file_lists {
                    repository.file_lists(repomd, index).map_err(Box::new)?;
                    (chosen, _) = choose(index);
                }
                let chosen = chosen.map_err(unsatisfiable)?.into_iter().map(|id| {
                    let package = index.package(id);
                    LockedPackage {
                        name: package.name.to_string(),
                        version: package.evr.to_string(),
                        architecture: package.architecture.to_string(),
                        archive: archive.clone(),
                        path: package.path.clone(),
                        size: package.size,
                        sha256: package.sha256,
                        time: Some(package.time),
                        sets: sets.clone(),
                    }
                });
                Ok(chosen.collect())
            }
        }
    }
}
