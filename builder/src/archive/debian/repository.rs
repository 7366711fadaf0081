//! One suite of a Debian archive on a mirror: its signed release file, and the indexes that this
//! vouches for.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use guestmark_measure::Sha256Digest;

use super::control::ControlError;
use super::packages::PackageIndex;
use super::release::{Release, ReleaseError};
use crate::archive::DownloadError;
use crate::archive::location::Location;
use crate::archive::openpgp::SignatureError;
use crate::archive::source::{IndexError, ListedFile, Source};
use crate::lock::SignedIndex;
use crate::tree::section::Codec;

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
    /// An index cannot be opened.
    #[error(transparent)]
    Open(#[from] IndexError),
    /// An index cannot be read.
    #[error("{file}: {source}")]
    Index {
        /// The index.
        file: String,
        /// Why.
        source: ControlError,
    },
}

/// A suite.
pub(crate) struct Repository<'a>(pub(crate) Source<'a>);

/// A release file whose signature and validity were checked.
pub(crate) struct Checked {
    pub(crate) release: Release,
    pub(crate) index: SignedIndex,
    file: String,
}

/// How indexes are compressed, the best first.
const COMPRESSIONS: [(&str, Codec); 3] =
    [(".xz", Codec::Xz), (".gz", Codec::Gzip), ("", Codec::Plain)];

impl Repository<'_> {
    /// Reads the suite's release file and checks its signature, its suite and its time.
    pub(crate) fn release(&self, now: Timestamp) -> Result<Checked, RepositoryError> {
        let location = self.location("InRelease");
        let file = location.to_string();
        let signature = |source| RepositoryError::Signature {
            file: file.clone(),
            source,
        };
        let certificates = self.0.certificates().map_err(signature)?;
        let bytes = self.0.transport.read(&location, RELEASE_LIMIT)?;
        let verified = certificates
            .verify_cleartext(&bytes, now)
            .map_err(signature)?;
        let release = Release::parse(&verified.text)
            .and_then(|release| release.check(&self.0.archive.suite, now).map(|()| release))
            .map_err(|source| RepositoryError::Release {
                file: file.clone(),
                source,
            })?;
        let index = SignedIndex {
            suite: self.0.archive.suite.clone(),
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
        let mut packages = PackageIndex::new(self.0.architecture);
        for component in &self.0.archive.components {
            let mut found = false;
            let all = checked.release.separate_all.then_some("all");
            for architecture in std::iter::once(self.0.architecture).chain(all) {
                let folder = format!("{component}/binary-{architecture}");
                let listed = COMPRESSIONS.iter().find_map(|(suffix, codec)| {
                    let path = format!("{folder}/Packages{suffix}");
                    Some((*codec, checked.release.file(&path)?, path))
                });
                if let Some((codec, listed, path)) = listed {
                    self.add(&mut packages, codec, listed, &path, &folder, checked)?;
                    found = true;
                }
            }
            if !found {
                return Err(RepositoryError::NoSuchComponent {
                    file: checked.file.clone(),
                    suite: self.0.archive.suite.clone(),
                    component: component.clone(),
                    architecture: self.0.architecture.to_owned(),
                });
            }
        }
        Ok(packages.finish())
    }

    fn add(
        &self,
        packages: &mut PackageIndex,
        codec: Codec,
        listed: ListedFile,
        path: &str,
        folder: &str,
        checked: &Checked,
    ) -> Result<(), RepositoryError> {
        let location = self.location(path);
        let file = location.to_string();
        // By its hash where the mirror keeps it so: the plain name may already be that of a newer
        // index.
        let by_hash = checked
            .release
            .by_hash
            .then(|| self.location(&format!("{folder}/by-hash/SHA256/{}", listed.sha256)));
        let locations: Vec<_> = by_hash.into_iter().chain([location]).collect();
        let reader = self.0.open_index(&locations, listed, codec, INDEX_LIMIT)?;
        packages
            .add(reader)
            .map_err(|source| RepositoryError::Index { file, source })
    }

    fn location(&self, path: &str) -> Location {
        self.0
            .location(&format!("dists/{}/{path}", self.0.archive.suite))
    }
}
