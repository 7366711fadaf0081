//! One RPM repository on a mirror: its signed `repomd.xml`, and the metadata that this vouches
//! for.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use guestmark_measure::Sha256Digest;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::primary::{Index, PrimaryError};
use super::repomd::{Repomd, RepomdError};
use crate::archive::openpgp::{Certificates, SignatureError};
use crate::archive::{DownloadError, Mirror, Transport};
use crate::lock::SignedIndex;
use crate::progress::Progress;
use crate::recipe::Archive;
use crate::store::Store;

/// The largest `repomd.xml` that is read, in bytes. They take a few kilobytes.
const REPOMD_LIMIT: u64 = 1 << 20;
/// The largest primary metadata that are read, in bytes after decompression.
const PRIMARY_LIMIT: u64 = 1 << 30;

/// A repository that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// A file of the repository did not come, or came wrong.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// A certificate of the recipe, or the signature on `repomd.xml`, cannot be relied on.
    #[error("{file}: {source}")]
    Signature {
        /// The address of the signed file.
        file: String,
        /// Why.
        source: SignatureError,
    },
    /// `repomd.xml` cannot be used.
    #[error("{file}: {source}")]
    Repomd {
        /// Its address.
        file: String,
        /// Why.
        source: RepomdError,
    },
    /// Primary metadata cannot be read.
    #[error("{file}: {source}")]
    Primary {
        /// Their address.
        file: String,
        /// Why.
        source: PrimaryError,
    },
    /// Primary metadata are too large to be any, or cannot be opened.
    #[error("{file}: {problem}")]
    Index {
        /// Their address.
        file: String,
        /// What is wrong.
        problem: String,
    },
}

/// What it takes to read a repository.
pub(crate) struct Repository<'a> {
    pub(crate) archive: &'a Archive,
    pub(crate) architecture: &'a str,
    /// The recipe's folder, which the keys' paths are relative to.
    pub(crate) folder: &'a Path,
    /// Files that are newer do not count.
    pub(crate) snapshot: Option<Timestamp>,
    pub(crate) mirror: &'a Mirror,
    pub(crate) transport: &'a Transport,
    pub(crate) store: &'a Store,
    pub(crate) progress: &'a dyn Progress,
}

/// A `repomd.xml` whose signature was checked.
pub(crate) struct Checked {
    pub(crate) time: Timestamp,
    pub(crate) index: SignedIndex,
    repomd: Repomd,
}

impl Repository<'_> {
    /// Reads `repomd.xml` and checks its signature.
    pub(crate) fn repomd(&self, now: Timestamp) -> Result<Checked, RepositoryError> {
        let location = self.mirror.url.file(&self.path("repodata/repomd.xml"));
        let file = location.to_string();
        let signature = |source| RepositoryError::Signature {
            file: file.clone(),
            source,
        };
        let certificates =
            Certificates::of_archive(self.archive, self.folder).map_err(signature)?;
        let bytes = self.transport.read(&location, REPOMD_LIMIT)?;
        let detached = self.mirror.url.file(&self.path("repodata/repomd.xml.asc"));
        let detached = self.transport.read(&detached, REPOMD_LIMIT)?;
        let signed_by = certificates
            .verify_detached(&detached, &bytes, now)
            .map_err(signature)?;
        let repomd = Repomd::parse(&bytes).map_err(|source| RepositoryError::Repomd {
            file: file.clone(),
            source,
        })?;
        Ok(Checked {
            time: repomd.time,
            index: SignedIndex {
                suite: self.archive.suite.clone(),
                date: repomd.time.to_string(),
                sha256: Sha256Digest::new(Sha256::digest(&bytes).into()),
                signed_by,
                snapshot: self.snapshot,
            },
            repomd,
        })
    }

    /// Reads what the repository offers.
    pub(crate) fn packages(&self, checked: &Checked) -> Result<Index, RepositoryError> {
        let Repomd {
            path, size, sha256, ..
        } = &checked.repomd;
        let location = self.mirror.url.file(&self.path(path));
        let file = location.to_string();
        let refused = |problem: String| RepositoryError::Index {
            file: file.clone(),
            problem,
        };
        let too_large = || {
            refused(format!(
                "expected at most {PRIMARY_LIMIT} bytes of metadata"
            ))
        };
        if *size > PRIMARY_LIMIT {
            return Err(too_large());
        }
        let stored = match self.store.get(sha256) {
            Ok(Some(stored)) => stored,
            _ => {
                self.progress.downloads(1, *size);
                let received = |bytes| self.progress.received(bytes);
                self.transport
                    .download(&location, sha256, *size, self.store, &received)?
            }
        };
        let opened = File::open(stored).map_err(|error| refused(error.to_string()))?;
        let reader = decompressed(path, opened).map_err(refused)?;
        let mut reader = reader.take(PRIMARY_LIMIT + 1);
        let mut index = Index::new(self.architecture, self.snapshot);
        index
            .add(&mut reader, self.archive.suite.trim_end_matches('/'))
            .map_err(|source| RepositoryError::Primary {
                file: file.clone(),
                source,
            })?;
        if reader.limit() == 0 {
            return Err(too_large());
        }
        Ok(index.finish())
    }

    fn path(&self, path: &str) -> String {
        format!("{}/{path}", self.archive.suite.trim_end_matches('/'))
    }
}

fn decompressed(path: &str, file: File) -> Result<Box<dyn BufRead>, String> {
    let file = BufReader::new(file);
    Ok(match path.rsplit_once('.') {
        Some((_, "gz")) => Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(file))),
        Some((_, "xz")) => Box::new(BufReader::new(liblzma::bufread::XzDecoder::new(file))),
        Some((_, "zst")) => {
            let decoder = zstd::Decoder::with_buffer(file).map_err(|error| error.to_string())?;
            Box::new(BufReader::new(decoder))
        }
        Some((_, "xml")) => Box::new(file),
        _ => return Err("unknown compression; guestmark reads none, .gz, .xz and .zst".to_owned()),
    })
}
