//! Brings locked files into the store.

mod gone;

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;

use crate::archive::{DownloadError, MirrorError, Mirrors, Transport, World};
use crate::lock::{Lock, LockedPackage};
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::store::{Store, StoreError};

pub use gone::Gone;

/// Files that are downloaded at a time.
const CONNECTIONS: usize = 4;

/// A locked file that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Offline, and the store lacks files.
    #[error(
        "the store {store} lacks {} of the lock, and offline nothing may be downloaded:\n{}\
         run the same once without --offline",
        counted(.missing.len()), listed(.missing)
    )]
    Offline {
        /// The store's folder.
        store: String,
        /// The packages that are missing, each with its version.
        missing: Vec<String>,
    },
    /// An archive's host is not known.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// A mirror no longer has locked files.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// A file did not come, or came wrong.
    #[error("{package}: {source}")]
    Download {
        /// The package and its version.
        package: String,
        /// Why.
        source: DownloadError,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn counted(packages: usize) -> String {
    match packages {
        1 => "1 package".to_owned(),
        more => format!("{more} packages"),
    }
}

fn listed(packages: &[String]) -> String {
    packages
        .iter()
        .map(|package| format!("  {package}\n"))
        .collect()
}

/// Where files may come from besides the store.
#[derive(Debug, Clone, Copy)]
pub enum Network<'a> {
    /// Nowhere.
    Offline,
    /// These mirrors.
    Mirrors {
        /// The mirrors.
        mirrors: &'a Mirrors,
        /// The time now. It only judges the mirror's index, which is read to tell what a mirror
        /// offers in place of a file that it no longer has.
        now: Timestamp,
    },
}

/// A locked package and its file, whose hash was found right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedPackage<'a> {
    /// The package.
    pub package: &'a LockedPackage,
    /// Its file in the store.
    pub path: PathBuf,
}

/// The files of a lock, in the lock's order.
#[derive(Debug, Clone)]
pub struct Fetched<'a> {
    packages: Vec<FetchedPackage<'a>>,
}

impl<'a> Fetched<'a> {
    /// All packages.
    pub fn packages(&self) -> &[FetchedPackage<'a>] {
        &self.packages
    }

    /// The packages of one set: `kernel`, `initrd` or `rootfs`.
    pub fn set(&self, name: &str) -> impl Iterator<Item = &FetchedPackage<'a>> {
        self.packages
            .iter()
            .filter(move |fetched| fetched.package.sets.iter().any(|set| set == name))
    }
}

/// Sees to it that every file of the recipe's `lock` is in the store, and tells where. Each file
/// is hashed, those that were there before as well.
///
/// # Errors
/// A file is missing offline, or its download fails; nothing that is not locked is stored. Files
/// that came in time stay in the store, interrupted ones go on when this is called again.
pub fn fetch<'a>(
    recipe: &Recipe,
    lock: &'a Lock,
    store: &Store,
    network: Network<'_>,
    progress: &dyn Progress,
) -> Result<Fetched<'a>, FetchError> {
    let all: Vec<&LockedPackage> = lock.packages.iter().collect();
    let mut paths = each(&all, |package| Ok(store.get(&package.sha256)?))?;
    let missing: Vec<usize> = (0..all.len())
        .filter(|&index| paths[index].is_none())
        .collect();
    if !missing.is_empty() {
        let Network::Mirrors { mirrors, now } = network else {
            return Err(FetchError::Offline {
                store: store.root().display().to_string(),
                missing: missing.iter().map(|&index| shown(all[index])).collect(),
            });
        };
        let wanted: Vec<&LockedPackage> = missing.iter().map(|&index| all[index]).collect();
        let transport = Transport::new();
        let came = download(&wanted, store, mirrors, &transport, progress)?;
        let gone: Vec<&LockedPackage> = wanted
            .iter()
            .zip(&came)
            .filter_map(|(&package, path)| path.is_none().then_some(package))
            .collect();
        if !gone.is_empty() {
            let world = World {
                recipe,
                mirrors,
                store,
                transport: &transport,
                now,
                progress,
            };
            return Err(Gone::new(&gone, lock, &world)?.into());
        }
        for (index, path) in missing.into_iter().zip(came) {
            paths[index] = path;
        }
    }
    let packages = all
        .into_iter()
        .zip(paths)
        .filter_map(|(package, path)| {
            Some(FetchedPackage {
                package,
                path: path?,
            })
        })
        .collect();
    Ok(Fetched { packages })
}

/// Downloads files; `None` stands for one that its mirror does not have.
fn download(
    wanted: &[&LockedPackage],
    store: &Store,
    mirrors: &Mirrors,
    transport: &Transport,
    progress: &dyn Progress,
) -> Result<Vec<Option<PathBuf>>, FetchError> {
    let bytes = wanted
        .iter()
        .fold(0_u64, |sum, package| sum.saturating_add(package.size));
    progress.downloads(wanted.len(), bytes);
    each(wanted, |package| {
        let mirror = mirrors.get(&package.archive)?;
        let location = mirror.url.file(package.path.as_str());
        let received = |bytes| progress.received(bytes);
        match transport.download(&location, &package.sha256, package.size, store, &received) {
            Ok(path) => Ok(Some(path)),
            Err(DownloadError::Missing { .. }) => Ok(None),
            Err(source) => Err(FetchError::Download {
                package: shown(package),
                source,
            }),
        }
    })
}

/// Does `work` for each package, a few at a time, and returns the results in order; after a
/// failure nothing new is begun.
fn each<T: Send>(
    packages: &[&LockedPackage],
    work: impl Fn(&LockedPackage) -> Result<T, FetchError> + Sync,
) -> Result<Vec<T>, FetchError> {
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<Result<T, FetchError>>>> =
        packages.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS.min(packages.len()) {
            scope.spawn(|| {
                while let Some(index) = Some(next.fetch_add(1, Ordering::Relaxed))
                    && let Some(package) = packages.get(index)
                {
                    let result = work(package);
                    if result.is_err() {
                        next.store(packages.len(), Ordering::Relaxed);
                    }
                    *results[index]
                        .lock()
                        .unwrap_or_else(|held| held.into_inner()) = Some(result);
                }
            });
        }
    });
    results
        .into_iter()
        .filter_map(|slot| slot.into_inner().unwrap_or_else(|held| held.into_inner()))
        .collect()
}

fn shown(package: &LockedPackage) -> String {
    format!("{} {}", package.name, package.version)
}

#[cfg(test)]
mod tests;
