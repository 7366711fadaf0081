//! How the files of one archive are reached: its mirror, the store, the keys that vouch for it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use guestmark_measure::Sha256Digest;

use super::location::Location;
use super::openpgp::{Certificates, SignatureError};
use super::{DownloadError, Mirror, Transport};
use crate::progress::Progress;
use crate::recipe::Archive;
use crate::store::Store;
use crate::tree::section::Codec;

/// An index that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It did not come, or came wrong.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// It is too large to be one.
    #[error("{file}: expected an index of at most {limit} bytes, found {size}")]
    TooLarge {
        /// The index.
        file: String,
        /// The limit in bytes.
        limit: u64,
        /// Its size in bytes.
        size: u64,
    },
    /// It cannot be read.
    #[error("{file}: {reason}")]
    Read {
        /// The index.
        file: String,
        /// Why.
        reason: io::Error,
    },
}

/// What it takes to read an archive's files.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) archive: &'a Archive,
    pub(crate) architecture: &'a str,
    /// The recipe's folder, which the keys' paths are relative to.
    pub(crate) folder: &'a Path,
    pub(crate) mirror: &'a Mirror,
    pub(crate) transport: &'a Transport,
    pub(crate) store: &'a Store,
    pub(crate) progress: &'a dyn Progress,
}

/// What a signed file says of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListedFile {
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) sha256: Sha256Digest,
}

impl Source<'_> {
    pub(super) fn certificates(&self) -> Result<Certificates, SignatureError> {
        Certificates::of_archive(self.archive, self.folder)
    }

    /// A file of the mirror.
    pub(super) fn location(&self, path: &str) -> Location {
        self.mirror.url.file(path)
    }

    /// Opens an index of at most `limit` bytes, compressed or not. It comes from the store, or
    /// else from the first of `locations` that the mirror has.
    pub(super) fn open_index(
        &self,
        locations: &[Location],
        listed: ListedFile,
        codec: Codec,
        limit: u64,
    ) -> Result<impl BufRead + use<>, IndexError> {
        let file = locations
            .last()
            .map(Location::to_string)
            .unwrap_or_default();
        let size = listed.size;
        if size > limit {
            return Err(IndexError::TooLarge { file, limit, size });
        }
        let stored = self.bring(locations, listed)?;
        let open = || {
            let file = BufReader::new(File::open(stored)?);
            let decoder: Box<dyn Read> = match codec {
                Codec::Plain => Box::new(file),
                Codec::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
                Codec::Xz => Box::new(liblzma::bufread::XzDecoder::new(file)),
                Codec::Zstd => Box::new(zstd::Decoder::with_buffer(file)?),
            };
            Ok(BufReader::with_capacity(
                BUFFER,
                Bounded {
                    decoder,
                    left: limit,
                    limit,
                },
            ))
        };
        open().map_err(|reason| IndexError::Read { file, reason })
    }

    fn bring(&self, locations: &[Location], listed: ListedFile) -> Result<PathBuf, DownloadError> {
        let ListedFile { size, sha256 } = listed;
        if let Ok(Some(stored)) = self.store.get(&sha256) {
            return Ok(stored);
        }
        self.progress.downloads(1, size);
        let received = |bytes| self.progress.received(bytes);
        let mut places = locations.iter().peekable();
        loop {
            let Some(location) = places.next() else {
                unreachable!("an index has a location");
            };
            let download = self
                .transport
                .download(location, &sha256, size, self.store, &received);
            match download {
                Err(DownloadError::Missing { .. }) if places.peek().is_some() => {}
                result => return result,
            }
        }
    }
}

/// The decompressed bytes that are read at a time.
const BUFFER: usize = 64 << 10;

/// What a decoder gives, as long as it is not too much.
struct Bounded {
    decoder: Box<dyn Read>,
    left: u64,
    limit: u64,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => {
                self.left = left;
                Ok(read)
            }
            None => Err(io::Error::other(format!(
                "it unpacks to more than {} bytes",
                self.limit
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_unpacks_to_too_much_is_an_error_at_the_limit() {
        let read = |limit| {
            let decoder = Box::new(io::repeat(7).take(1000));
            let left = limit;
            let mut bounded = Bounded {
                decoder,
                left,
                limit,
            };
            let mut bytes = Vec::new();
            bounded
                .read_to_end(&mut bytes)
                .map_err(|error| error.to_string())
        };
        assert_eq!(read(1000), Ok(1000));
        assert_eq!(read(999).unwrap_err(), "it unpacks to more than 999 bytes");
    }
}
