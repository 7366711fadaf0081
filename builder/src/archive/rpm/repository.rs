//! One RPM repository on a mirror: its signed `repomd.xml`, and the metadata that this vouches
//! for.

use std::io::BufRead;

use guestmark_measure::Sha256Digest;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::primary::{Index, PrimaryError};
use super::repomd::{Listed, Repomd, RepomdError};
use crate::archive::DownloadError;
use crate::archive::openpgp::SignatureError;
use crate::archive::source::{IndexError, Source};
use crate::lock::SignedIndex;
use crate::tree::section::Codec;

/// The largest `repomd.xml` that is read, in bytes. They take a few kilobytes.
const REPOMD_LIMIT: u64 = 1 << 20;
/// The largest primary metadata that are read, in bytes after decompression.
const PRIMARY_LIMIT: u64 = 1 << 30;
/// The largest file lists that are read, in bytes after decompression.
const FILE_LISTS_LIMIT: u64 = 8 << 30;

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
    /// Primary metadata or file lists cannot be read.
    #[error("{file}: {source}")]
    Metadata {
        /// Their address.
        file: String,
        /// Why.
        source: PrimaryError,
    },
    /// Metadata cannot be opened.
    #[error(transparent)]
    Open(#[from] IndexError),
    /// Metadata in another compression.
    #[error("{file}: unknown compression; guestmark reads none, .gz, .xz and .zst")]
    Compression {
        /// Their address.
        file: String,
    },
    /// A package requires a file of which nothing can be known.
    #[error(
        "{file}: a package requires a file that only file lists tell of, and it lists none; add the \
         file to provided and the package that holds it to names"
    )]
    NoFileLists {
        /// The address of `repomd.xml`.
        file: String,
    },
}

/// A repository.
#[derive(Clone, Copy)]
pub(crate) struct Repository<'a> {
    pub(crate) source: Source<'a>,
    /// Files that are newer do not count.
    pub(crate) snapshot: Option<Timestamp>,
}

/// A `repomd.xml` whose signature was checked.
pub(crate) struct Checked {
    pub(crate) time: Timestamp,
    pub(crate) index: SignedIndex,
    pub(crate) repomd: Repomd,
}

impl Repository<'_> {
    /// Reads `repomd.xml` and checks its signature.
    pub(crate) fn repomd(&self, now: Timestamp) -> Result<Checked, RepositoryError> {
        let location = self.source.location(&self.path("repodata/repomd.xml"));
        let file = location.to_string();
        let signature = |source| RepositoryError::Signature {
            file: file.clone(),
            source,
        };
        let certificates = self.source.certificates().map_err(signature)?;
        let bytes = self.source.transport.read(&location, REPOMD_LIMIT)?;
        let detached = self.source.location(&self.path("repodata/repomd.xml.asc"));
        let detached = self.source.transport.read(&detached, REPOMD_LIMIT)?;
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
                suite: self.source.archive.suite.clone(),
                date: repomd.time.to_string(),
                sha256: Sha256Digest::new(Sha256::digest(&bytes).into()),
                signed_by,
                snapshot: self.snapshot,
            },
            repomd,
        })
    }

    /// Reads what the repository offers.
    pub(crate) fn packages(&self, repomd: &Repomd) -> Result<Index, RepositoryError> {
        let mut index = Index::new(self.source.architecture, self.snapshot);
        let suite = self.source.archive.suite.trim_end_matches('/');
        self.read(&repomd.primary, PRIMARY_LIMIT, |reader| {
            index.add(reader, suite)
        })?;
        Ok(index.finish())
    }

    /// Reads the files that packages of `index` require and primary metadata do not list.
    pub(crate) fn file_lists(
        &self,
        repomd: &Repomd,
        index: &mut Index,
    ) -> Result<(), RepositoryError> {
        let Some(listed) = &repomd.file_lists else {
            let location = self.source.location(&self.path("repodata/repomd.xml"));
            let file = location.to_string();
            return Err(RepositoryError::NoFileLists { file });
        };
        self.read(listed, FILE_LISTS_LIMIT, |reader| {
            index.add_file_lists(reader)
        })
    }

    fn read(
        &self,
        listed: &Listed,
        limit: u64,
        add: impl FnOnce(&mut dyn BufRead) -> Result<(), PrimaryError>,
    ) -> Result<(), RepositoryError> {
        let location = self.source.location(&self.path(&listed.path));
        let file = location.to_string();
        let suffix = match listed.path.rsplit_once('.') {
            Some((_, "xml")) | None => "",
            Some((name, _)) => &listed.path[name.len()..],
        };
        let Some(codec) = Codec::of_suffix(suffix.as_bytes()) else {
            return Err(RepositoryError::Compression { file });
        };
        let opened = self
            .source
            .open_index(&[location], listed.file, codec, limit);
        add(&mut opened?).map_err(|source| RepositoryError::Metadata { file, source })
    }

    fn path(&self, path: &str) -> String {
        let suite = self.source.archive.suite.trim_end_matches('/');
        format!("{suite}/{path}")
    }
}
