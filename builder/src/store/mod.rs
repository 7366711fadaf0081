//! Files by their SHA-256. What the store hands out has just been hashed, so a damaged file never
//! reaches a build.

mod partial;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use guestmark_measure::Sha256Digest;
use sha2::{Digest, Sha256};

pub use partial::{Begun, Finished, Partial};

/// A store that cannot be used, or a file that it refuses.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder of the store cannot be read or written.
    #[error("the store cannot be used: {0}")]
    File(#[from] io::Error),
    /// There is no home directory, so no cache directory to put the store in.
    #[error("the store's default place is not known ({0}); give one with --store DIR")]
    NoHome(#[from] etcetera::HomeDirError),
    /// The content is not what was asked for.
    #[error(
        "expected {size} bytes with SHA-256 {expected}, found SHA-256 {found}; nothing is stored"
    )]
    Mismatch {
        /// The expected size in bytes.
        size: u64,
        /// The expected digest.
        expected: Sha256Digest,
        /// The digest of what came.
        found: Sha256Digest,
    },
    /// The content has another length than what was asked for.
    #[error("expected {expected} bytes, found {found}; nothing is stored")]
    Length {
        /// The expected length in bytes.
        expected: u64,
        /// The length that came; one more than expected stands for any longer one.
        found: u64,
    },
}

/// A folder of files named by their SHA-256:
///
/// ```text
/// sha256/5f/5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
/// partial/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
/// ```
///
/// Files enter `sha256` only by being renamed out of `partial`, after their hash was found right.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// Opens the store in `root`, made if it is missing; without one, `guestmark/store` in the
    /// user's cache directory (`XDG_CACHE_HOME`).
    ///
    /// # Errors
    /// There is no home directory, or the folder cannot be made.
    pub fn open(root: Option<&Path>) -> Result<Self, StoreError> {
        let root = match root {
            Some(root) => root.to_owned(),
            None => etcetera::choose_base_strategy()?
                .cache_dir()
                .join("guestmark/store"),
        };
        fs_err::create_dir_all(root.join("partial"))?;
        fs_err::create_dir_all(root.join("sha256"))?;
        Ok(Self { root })
    }

    /// The store's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file with this digest, if the store has it. The whole file is hashed by this call;
    /// one that was damaged is removed and counts as missing.
    ///
    /// # Errors
    /// The file cannot be read, or a damaged one cannot be removed.
    pub fn get(&self, digest: &Sha256Digest) -> Result<Option<PathBuf>, StoreError> {
        let path = self.place(digest);
        let file = match fs_err::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut hasher = Sha256::new();
        hash(file, &mut hasher)?;
        if finish(hasher) == *digest {
            return Ok(Some(path));
        }
        match fs_err::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(None),
        }
    }

    /// Stores what `reader` gives, if it has this digest and this size in bytes. Nothing is read
    /// when the store has it already.
    ///
    /// # Errors
    /// The content is another one, or reading or writing fails.
    pub fn insert(
        &self,
        digest: &Sha256Digest,
        size: u64,
        mut reader: impl Read,
    ) -> Result<PathBuf, StoreError> {
        let mut partial = match self.begin(digest, size)? {
            Begun::Present(path) => return Ok(path),
            Begun::Partial(partial) => partial,
        };
        partial.restart()?;
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = reader.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            partial.append(&buffer[..read])?;
        }
        match partial.finish()? {
            Finished::Whole(path) => Ok(path),
            Finished::Mismatch { found, .. } => Err(StoreError::Mismatch {
                size,
                expected: *digest,
                found,
            }),
        }
    }

    /// Begins to store a file, or goes on where an earlier attempt stopped. Waits while another
    /// process or thread stores the same file.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn begin(&self, digest: &Sha256Digest, size: u64) -> Result<Begun, StoreError> {
        Partial::begin(self, digest, size)
    }

    fn place(&self, digest: &Sha256Digest) -> PathBuf {
        let name = digest.to_string();
        self.root.join("sha256").join(&name[..2]).join(&name)
    }

    fn partial_place(&self, digest: &Sha256Digest) -> PathBuf {
        self.root.join("partial").join(digest.to_string())
    }
}

/// Bytes read or hashed at a time.
pub(crate) const CHUNK: usize = 64 * 1024;

/// Feeds all of `reader` to `hasher`; returns how many bytes that were.
fn hash(mut reader: impl Read, hasher: &mut Sha256) -> io::Result<u64> {
    let mut buffer = vec![0; CHUNK];
    let mut length = 0;
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            return Ok(length);
        }
        hasher.update(&buffer[..read]);
        length += read as u64;
    }
}

fn finish(hasher: Sha256) -> Sha256Digest {
    Sha256Digest::new(hasher.finalize().into())
}

/// Makes a rename in `folder` outlive a power cut.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
