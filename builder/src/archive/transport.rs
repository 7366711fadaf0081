//! Opens files of a mirror, over HTTP or from this machine.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use guestmark_measure::Sha256Digest;
use ureq::http::{StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::location::Location;
use crate::store::{Begun, CHUNK, Finished, Partial, Store, StoreError};

/// Failures in a row, none of which brought a byte, before a file is given up.
const ATTEMPTS: u32 = 5;
/// The pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// How long a mirror may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a mirror may stay silent.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);

/// A file that did not come, or came wrong.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The mirror does not have the file.
    #[error("{location}: the mirror does not have this file")]
    Missing {
        /// The file's address.
        location: String,
    },
    /// The mirror answers with a status that is no success.
    #[error("{location}: the mirror answers with HTTP status {status}")]
    Status {
        /// The file's address.
        location: String,
        /// The HTTP status.
        status: u16,
    },
    /// The file cannot be reached or read.
    #[error("{location}: {cause}")]
    Unreachable {
        /// The file's address.
        location: String,
        /// What the network or the file system says.
        cause: String,
        /// Whether another attempt may succeed.
        transient: bool,
    },
    /// The file is not the one that was asked for.
    #[error(
        "{location}: expected {size} bytes with SHA-256 {expected}, found SHA-256 {found}; \
         nothing is stored; try another mirror with --mirror"
    )]
    Mismatch {
        /// The file's address.
        location: String,
        /// The expected size in bytes.
        size: u64,
        /// The expected digest.
        expected: Sha256Digest,
        /// The digest of what came.
        found: Sha256Digest,
    },
    /// The file is longer than it may be.
    #[error(
        "{location}: expected at most {limit} bytes, the mirror sends more; \
         nothing is stored; try another mirror with --mirror"
    )]
    TooLong {
        /// The file's address.
        location: String,
        /// The largest length in bytes.
        limit: u64,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Store(StoreError),
}

impl DownloadError {
    fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..),
            Self::Unreachable { transient, .. } => *transient,
            _ => false,
        }
    }
}

/// Opens files of mirrors. One value serves several threads and keeps connections open.
pub(crate) struct Transport {
    agent: Agent,
}

/// What a mirror sends.
struct Opened {
    reader: Box<dyn Read>,
    /// Where in the file the first byte stands.
    offset: u64,
}

impl Transport {
    pub(crate) fn new() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .tls_config(
                TlsConfig::builder()
                    .root_certs(RootCerts::PlatformVerifier)
                    .build(),
            )
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(SILENCE_TIMEOUT))
            .timeout_per_read(Some(SILENCE_TIMEOUT))
            .user_agent(concat!("guestmark/", env!("CARGO_PKG_VERSION")))
            // Sizes, ranges and hashes are those of the file itself.
            .accept_encoding("identity")
            .build();
        Self {
            agent: config.into(),
        }
    }

    /// Brings a file into the store, going on where an earlier attempt stopped. `received` is
    /// told of every byte that need not come any more.
    pub(crate) fn download(
        &self,
        location: &Location,
        digest: &Sha256Digest,
        size: u64,
        store: &Store,
        received: &dyn Fn(u64),
    ) -> Result<PathBuf, DownloadError> {
        let mut partial = match store.begin(digest, size).map_err(DownloadError::Store)? {
            Begun::Present(path) => return Ok(path),
            Begun::Partial(partial) => partial,
        };
        received(partial.length());
        // Bytes of an earlier attempt may be wrong, or of another file: one try from zero decides.
        let mut inherited = partial.length() > 0;
        loop {
            self.fill(location, &mut partial, received)?;
            match partial.finish().map_err(DownloadError::Store)? {
                Finished::Whole(path) => return Ok(path),
                Finished::Mismatch { partial: empty, .. } if inherited => {
                    partial = empty;
                    inherited = false;
                }
                Finished::Mismatch { found, .. } => {
                    return Err(DownloadError::Mismatch {
                        location: location.to_string(),
                        size,
                        expected: *digest,
                        found,
                    });
                }
            }
        }
    }

    /// Reads a file into memory.
    pub(crate) fn read(&self, location: &Location, limit: u64) -> Result<Vec<u8>, DownloadError> {
        let mut failures = 0;
        loop {
            let attempt = self.open(location, 0).and_then(|opened| {
                let mut bytes = Vec::new();
                opened
                    .reader
                    .take(limit.saturating_add(1))
                    .read_to_end(&mut bytes)
                    .map_err(|error| unreachable_at(location, &error))?;
                Ok(bytes)
            });
            match attempt {
                Ok(bytes) if bytes.len() as u64 > limit => {
                    return Err(DownloadError::TooLong {
                        location: location.to_string(),
                        limit,
                    });
                }
                Err(error) if error.is_transient() && failures + 1 < ATTEMPTS => {
                    failures += 1;
                    pause(failures);
                }
                ended => return ended,
            }
        }
    }

    /// Reads until `partial` has its size.
    fn fill(
        &self,
        location: &Location,
        partial: &mut Partial,
        received: &dyn Fn(u64),
    ) -> Result<(), DownloadError> {
        let mut failures = 0;
        while partial.length() < partial.size() {
            let before = partial.length();
            match self.read_piece(location, partial, received) {
                Ok(()) => {}
                Err(error) if error.is_transient() => {
                    failures = if partial.length() > before {
                        1
                    } else {
                        failures + 1
                    };
                    if failures == ATTEMPTS {
                        return Err(error);
                    }
                    pause(failures);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read_piece(
        &self,
        location: &Location,
        partial: &mut Partial,
        received: &dyn Fn(u64),
    ) -> Result<(), DownloadError> {
        let mut opened = self.open(location, partial.length())?;
        if opened.offset != partial.length() {
            partial.restart().map_err(DownloadError::Store)?;
        }
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = opened
                .reader
                .read(&mut buffer)
                .map_err(|error| unreachable_at(location, &error))?;
            if read == 0 {
                break;
            }
            partial
                .append(&buffer[..read])
                .map_err(|error| match error {
                    StoreError::Length { expected, .. } => DownloadError::TooLong {
                        location: location.to_string(),
                        limit: expected,
                    },
                    other => DownloadError::Store(other),
                })?;
            received(read as u64);
        }
        if partial.length() < partial.size() {
            return Err(DownloadError::Unreachable {
                location: location.to_string(),
                cause: format!(
                    "the mirror's file ends after {} of {} bytes",
                    partial.length(),
                    partial.size()
                ),
                transient: true,
            });
        }
        Ok(())
    }

    /// Opens a file at `offset`, or at its start where the mirror cannot do that.
    fn open(&self, location: &Location, offset: u64) -> Result<Opened, DownloadError> {
        match location {
            Location::File(path) => {
                let open = || -> io::Result<_> {
                    let mut file = std::fs::File::open(path)?;
                    file.seek(SeekFrom::Start(offset))?;
                    Ok(file)
                };
                match open() {
                    Ok(file) => Ok(Opened {
                        reader: Box::new(file),
                        offset,
                    }),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        Err(DownloadError::Missing {
                            location: location.to_string(),
                        })
                    }
                    Err(error) => Err(DownloadError::Unreachable {
                        location: location.to_string(),
                        cause: error.to_string(),
                        transient: false,
                    }),
                }
            }
            Location::Http(url) => self.open_http(location, url, offset),
        }
    }

    fn open_http(
        &self,
        location: &Location,
        url: &str,
        offset: u64,
    ) -> Result<Opened, DownloadError> {
        let mut request = self.agent.get(url);
        if offset > 0 {
            request = request.header(header::RANGE, format!("bytes={offset}-"));
        }
        let response = request.call().map_err(|error| DownloadError::Unreachable {
            location: location.to_string(),
            cause: error.to_string(),
            transient: matches!(
                error,
                ureq::Error::Io(_)
                    | ureq::Error::Timeout(_)
                    | ureq::Error::HostNotFound
                    | ureq::Error::ConnectionFailed
                    | ureq::Error::Protocol(_)
            ),
        })?;
        let start = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if range_start(&response) == Some(offset) => offset,
            // What is there may be longer than what the mirror has.
            StatusCode::RANGE_NOT_SATISFIABLE if offset > 0 => {
                return self.open_http(location, url, 0);
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(DownloadError::Missing {
                    location: location.to_string(),
                });
            }
            status => {
                return Err(DownloadError::Status {
                    location: location.to_string(),
                    status: status.as_u16(),
                });
            }
        };
        Ok(Opened {
            reader: Box::new(response.into_body().into_reader()),
            offset: start,
        })
    }
}

/// The first byte's position in `Content-Range: bytes 21010-47021/47022` (RFC 9110, 14.4).
fn range_start(response: &ureq::http::Response<Body>) -> Option<u64> {
    let range = response
        .headers()
        .get(header::CONTENT_RANGE)?
        .to_str()
        .ok()?;
    let (start, _) = range.strip_prefix("bytes ")?.split_once('-')?;
    start.parse().ok()
}

fn unreachable_at(location: &Location, error: &io::Error) -> DownloadError {
    DownloadError::Unreachable {
        location: location.to_string(),
        cause: error.to_string(),
        transient: true,
    }
}

fn pause(failures: u32) {
    std::thread::sleep(FIRST_PAUSE * 2_u32.saturating_pow(failures.saturating_sub(1)));
}
