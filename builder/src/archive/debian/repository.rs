//! One suite of a Debian archive on a mirror: its signed release file, and the indexes that this
//! vouches for.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use guestmark_measure::Sha256Digest;

use super::control::ControlError;
use super::packages::PackageIndex;
use super::release::{ListedFile, Release, ReleaseError};
use crate::archive::location::Location;
use crate::archive::openpgp::{Certificates, SignatureError};
use crate::archive::{DownloadError, Mirror, Transport};
use crate::lock::SignedIndex;
use crate::progress::Progress;
use crate::recipe::Archive;
use crate::store::Store;

/// The largest release file that is read, in bytes. Debian's own are below 200 KiB.
const RELEASE_LIMIT: u64 = 16 << 20;
/// The largest index that is read, in bytes after decompression. Debian's own are below 100 MiB.
const INDEX_LIMIT: u64 = 1 << 30;

/// An archive that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// A file of the archive did not come, or came wrong.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// A certificate of the recipe, or the signature on the release file, cannot be relied on.
    #[error("{file}: {source}")]
    Signature {
        /// The release file's address.
        file: String,
        /// Why.
        source: SignatureError,
    },
    /// The release file cannot be used.
    #[error("{file}: {source}")]
    Release {
        /// The release file's address.
        file: String,
        /// Why.
        source: ReleaseError,
    },
    /// The suite does not have what the recipe names.
    #[error(
        "{file}: suite {suite} has no component {component:?} for architecture {architecture}; \
         change the recipe's archive"
    )]
    NoSuchComponent {
        /// The release file's address.
        file: String,
        /// The suite.
        suite: String,
        /// The component.
        component: String,
        /// The architecture.
        architecture: String,
    },
    /// An index is too large to be one.
    #[error("{file}: expected an index of at most {INDEX_LIMIT} bytes, found at least {size}")]
    TooLarge {
        /// The index.
        file: String,
        /// Its size in bytes.
        size: u64,
    },
    /// An index cannot be read.
    #[error("{file}: {source}")]
    Index {
        /// The index.
        file: String,
        /// Why.
        source: ControlError,
    },
}

/// What it takes to read a suite.
pub(crate) struct Repository<'a> {
    pub(crate) archive: &'a Archive,
    pub(crate) architecture: &'a str,
    /// The recipe's folder, which the keys' paths are relative to.
    pub(crate) folder: &'a Path,
    pub(crate) mirror: &'a Mirror,
    pub(crate) transport: &'a Transport,
    pub(crate) store: &'a Store,
    pub(crate) progress: &'a dyn Progress,
}

/// A release file whose signature and validity were checked.
pub(crate) struct Checked {
    pub(crate) release: Release,
    pub(crate) index: SignedIndex,
    file: String,
}

/// How an index is compressed.
#[derive(Clone, Copy)]
enum Compression {
    Xz,
    Gzip,
    None,
}

impl Compression {
    /// The best first.
    const ALL: [Self; 3] = [Self::Xz, Self::Gzip, Self::None];

    fn suffix(self) -> &'static str {
        match self {
            Self::Xz => ".xz",
            Self::Gzip => ".gz",
            Self::None => "",
        }
    }

    fn reader(self, file: File) -> Box<dyn BufRead> {
        match self {
            Self::Xz => Box::new(BufReader::new(liblzma::read::XzDecoder::new(file))),
            Self::Gzip => {
                let file = BufReader::new(file);
                Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(file)))
            }
            Self::None => Box::new(BufReader::new(file)),
        }
    }
}

impl Repository<'_> {
    /// Reads the suite's release file and checks its signature, its suite and its time.
    pub(crate) fn release(&self, now: Timestamp) -> Result<Checked, RepositoryError> {
        let location = self.location("InRelease");
        let file = location.to_string();
        let signature = |source| RepositoryError::Signature {
            file: file.clone(),
            source,
        };
        let certificates =
            Certificates::of_archive(self.archive, self.folder).map_err(signature)?;
        let bytes = self.transport.read(&location, RELEASE_LIMIT)?;
        let verified = certificates
            .verify_cleartext(&bytes, now)
            .map_err(signature)?;
        let release = Release::parse(&verified.text)
            .and_then(|release| release.check(&self.archive.suite, now).map(|()| release))
            .map_err(|source| RepositoryError::Release {
                file: file.clone(),
                source,
            })?;
        let index = SignedIndex {
            suite: self.archive.suite.clone(),
            date: release.date.clone(),
            sha256: Sha256Digest::new(Sha256::digest(&bytes).into()),
            signed_by: verified.signed_by,
            snapshot: None,
        };
        Ok(Checked {
            release,
            index,
            file,
        })
    }

    /// Reads what all components of the recipe offer.
    pub(crate) fn packages(&self, checked: &Checked) -> Result<PackageIndex, RepositoryError> {
        let mut packages = PackageIndex::new(self.architecture);
        for component in &self.archive.components {
            let mut found = false;
            let all = checked.release.separate_all.then_some("all");
            for architecture in std::iter::once(self.architecture).chain(all) {
                let folder = format!("{component}/binary-{architecture}");
                let listed = Compression::ALL.iter().find_map(|&compression| {
                    let path = format!("{folder}/Packages{}", compression.suffix());
                    Some((compression, checked.release.file(&path)?, path))
                });
                if let Some((compression, listed, path)) = listed {
                    self.add(&mut packages, compression, listed, &path, &folder, checked)?;
                    found = true;
                }
            }
            if !found {
                return Err(RepositoryError::NoSuchComponent {
                    file: checked.file.clone(),
                    suite: self.archive.suite.clone(),
                    component: component.clone(),
                    architecture: self.architecture.to_owned(),
                });
            }
        }
        Ok(packages.finish())
    }

    fn add(
        &self,
        packages: &mut PackageIndex,
        compression: Compression,
        listed: ListedFile,
        path: &str,
        folder: &str,
        checked: &Checked,
    ) -> Result<(), RepositoryError> {
        let location = self.location(path);
        let file = location.to_string();
        if listed.size > INDEX_LIMIT {
            let size = listed.size;
            return Err(RepositoryError::TooLarge { file, size });
        }
        let by_hash = checked
            .release
            .by_hash
            .then(|| self.location(&format!("{folder}/by-hash/SHA256/{}", listed.sha256)));
        let stored = self.bring(by_hash, location, listed)?;
        let refused = |source| RepositoryError::Index {
            file: file.clone(),
            source,
        };
        let opened = File::open(stored).map_err(|error| refused(error.into()))?;
        let mut reader = compression.reader(opened).take(INDEX_LIMIT + 1);
        packages.add(&mut reader).map_err(refused)?;
        if reader.limit() == 0 {
            let size = INDEX_LIMIT + 1;
            return Err(RepositoryError::TooLarge { file, size });
        }
        Ok(())
    }

    /// Brings an index into the store, by its hash where the mirror keeps it so: the plain name
    /// may already be that of a newer index.
    fn bring(
        &self,
        by_hash: Option<Location>,
        by_name: Location,
        listed: ListedFile,
    ) -> Result<std::path::PathBuf, DownloadError> {
        let ListedFile { size, sha256 } = listed;
        if let Ok(Some(stored)) = self.store.get(&sha256) {
            return Ok(stored);
        }
        self.progress.downloads(1, size);
        let received = |bytes| self.progress.received(bytes);
        let download = |location: &Location| {
            self.transport
                .download(location, &sha256, size, self.store, &received)
        };
        match by_hash.as_ref().map(download) {
            Some(Err(DownloadError::Missing { .. })) | None => download(&by_name),
            Some(result) => result,
        }
    }

    fn location(&self, path: &str) -> Location {
        self.mirror
            .url
            .file(&format!("dists/{}/{path}", self.archive.suite))
    }
}
