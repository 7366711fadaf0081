//! A file on its way into the store.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use guestmark_measure::Sha256Digest;
use sha2::{Digest, Sha256};

use super::{Store, StoreError};

/// What [`Store::begin`] found.
#[derive(Debug)]
pub enum Begun {
    /// The store has the file, and its hash is right.
    Present(PathBuf),
    /// The file is still to be stored.
    Partial(Partial),
}

/// How [`Partial::finish`] ended.
#[derive(Debug)]
pub enum Finished {
    /// The file is in the store.
    Whole(PathBuf),
    /// The bytes have another hash. They are thrown away; `partial` starts over from nothing.
    Mismatch {
        /// The same file, empty again.
        partial: Partial,
        /// The hash of the bytes that were thrown away.
        found: Sha256Digest,
    },
}

/// A file on its way into the store. It may hold bytes of an earlier attempt; they are never
/// trusted, as [`Partial::finish`] judges the hash of the whole. Dropped before that, the bytes
/// stay for the next attempt. An exclusive lock keeps others out as long as the value lives.
#[derive(Debug)]
pub struct Partial {
    store: Store,
    digest: Sha256Digest,
    size: u64,
    file: File,
    length: u64,
    hasher: Sha256,
}

impl Partial {
    pub(super) fn begin(
        store: &Store,
        digest: &Sha256Digest,
        size: u64,
    ) -> Result<Begun, StoreError> {
        let path = store.partial_place(digest);
        loop {
            if let Some(present) = store.get(digest)? {
                return Ok(Begun::Present(present));
            }
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(|error| at(&path, &error))?;
            file.lock().map_err(|error| at(&path, &error))?;
            // While this waited for the lock, its last holder may have renamed the file into
            // `sha256`; writing to it now would damage the store.
            if !is_at(&file, &path)? {
                continue;
            }
            if let Some(present) = store.get(digest)? {
                fs_err::remove_file(&path)?;
                return Ok(Begun::Present(present));
            }
            let mut hasher = Sha256::new();
            let length = super::hash(&mut file, &mut hasher)?;
            let mut partial = Self {
                store: store.clone(),
                digest: *digest,
                size,
                file,
                length,
                hasher,
            };
            if length > size {
                partial.restart()?;
            }
            return Ok(Begun::Partial(partial));
        }
    }

    /// Bytes that are there, from this attempt or an earlier one.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The whole file's size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// The file would become longer than its size; or writing fails, for instance on a full disk.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.len() as u64 > self.size - self.length {
            return Err(StoreError::Length {
                expected: self.size,
                found: self.size.saturating_add(1),
            });
        }
        self.file
            .write_all(bytes)
            .map_err(|error| at(&self.store.partial_place(&self.digest), &error))?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Throws all bytes away.
    ///
    /// # Errors
    /// The file cannot be cut.
    pub fn restart(&mut self) -> Result<(), StoreError> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.length = 0;
        self.hasher = Sha256::new();
        Ok(())
    }

    /// Moves the file into the store if it is whole and its hash is right.
    ///
    /// # Errors
    /// The file is too short (its bytes stay for the next attempt), or it cannot be moved.
    pub fn finish(mut self) -> Result<Finished, StoreError> {
        if self.length != self.size {
            return Err(StoreError::Length {
                expected: self.size,
                found: self.length,
            });
        }
        let found = super::finish(self.hasher.clone());
        if found != self.digest {
            self.restart()?;
            return Ok(Finished::Mismatch {
                partial: self,
                found,
            });
        }
        let place = self.store.place(&self.digest);
        let folder = place.parent().unwrap_or(&place);
        fs_err::create_dir_all(folder)?;
        self.file.set_permissions(Permissions::from_mode(0o444))?;
        self.file.sync_all()?;
        fs_err::rename(self.store.partial_place(&self.digest), &place)?;
        super::sync_folder(folder)?;
        Ok(Finished::Whole(place))
    }
}

/// Whether `path` still names the open file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
