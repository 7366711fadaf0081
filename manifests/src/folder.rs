//! A folder whose files are opened without following links, and read through the descriptor that
//! was looked at.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use guestmark_measure::{Sha256Digest, Sha384Digest};
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256, Sha384};

use crate::FileProblem;
use crate::manifest::Artifact;

/// Bytes read at once.
const BUFFER: usize = 1 << 18;

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    descriptor: OwnedFd,
    path: PathBuf,
}

/// A file that cannot be used: it is not what it should be, or reading failed.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It is not what it should be.
    #[error(transparent)]
    Problem(#[from] FileProblem),
    /// The system failed to read it.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// What was read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Folder {
    /// Opens a folder, which may be given through a link.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let descriptor = rustix::fs::openat(CWD, path, flags, Mode::empty());
        Ok(Self {
            descriptor: descriptor.map_err(|error| io_error(path, error.into()))?,
            path: path.to_owned(),
        })
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names in the folder. Each must be that of a regular file.
    ///
    /// # Errors
    /// A link, folder, pipe or device; a name that is not UTF-8.
    pub fn names(&self) -> Result<BTreeSet<String>, FolderError> {
        let failed = |error: Errno| io_error(&self.path, error.into());
        let mut names = BTreeSet::new();
        for entry in Dir::read_from(&self.descriptor).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let name = String::from_utf8(name.to_vec()).map_err(|error| {
                let name = String::from_utf8_lossy(error.as_bytes()).into_owned();
                FileProblem::new(&name, "name", "UTF-8", "other bytes")
            })?;
            self.open_file(&name)?;
            names.insert(name);
        }
        Ok(names)
    }

    /// Opens a regular file.
    ///
    /// # Errors
    /// There is none, or it is a link, folder, pipe or device.
    pub fn open_file(&self, name: &str) -> Result<File, FolderError> {
        let wrong = |found: &str| FileProblem::new(name, "type", "a regular file", found);
        // A pipe without a writer would block, and opening some devices has effects.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.descriptor, name, flags, Mode::empty());
        let descriptor = match opened {
            Err(Errno::LOOP) => return Err(wrong("a symbolic link").into()),
            Err(Errno::NOENT) => return Err(wrong("nothing").into()),
            // A socket, or a device without a driver.
            Err(Errno::NXIO) => return Err(wrong("a socket or a device").into()),
            Err(error) => return Err(io_error(&self.path.join(name), error.into())),
            Ok(descriptor) => descriptor,
        };
        let status = rustix::fs::fstat(&descriptor);
        let status = status.map_err(|error| io_error(&self.path.join(name), error.into()))?;
        let found = match FileType::from_raw_mode(status.st_mode) {
            FileType::RegularFile => return Ok(descriptor.into()),
            FileType::Directory => "a directory",
            FileType::Fifo => "a named pipe",
            _ => "a device",
        };
        Err(wrong(found).into())
    }

    /// The bytes of a file of at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Self::open_file`], and a file that is longer.
    pub fn read(&self, name: &str, limit: usize) -> Result<Vec<u8>, FolderError> {
        let mut bytes = Vec::new();
        let file = self.open_file(name)?;
        file.take(limit as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| io_error(&self.path.join(name), error))?;
        if bytes.len() > limit {
            let limit = format!("at most {limit} bytes");
            return Err(FileProblem::new(name, "size", limit, "more").into());
        }
        Ok(bytes)
    }

    /// The digests of a file.
    ///
    /// # Errors
    /// As [`Self::open_file`].
    pub fn artifact(&self, name: &str) -> Result<Artifact, FolderError> {
        let mut file = self.open_file(name)?;
        let (mut sha256, mut sha384) = (Sha256::new(), Sha384::new());
        let mut buffer = vec![0; BUFFER];
        let mut size = 0;
        loop {
            let read = file.read(&mut buffer);
            let read = read.map_err(|error| io_error(&self.path.join(name), error))?;
            if read == 0 {
                break;
            }
            sha256.update(&buffer[..read]);
            sha384.update(&buffer[..read]);
            size += read as u64;
        }
        Ok(Artifact {
            name: name.to_owned(),
            size,
            sha256: Sha256Digest::new(sha256.finalize().into()),
            sha384: Sha384Digest::new(sha384.finalize().into()),
        })
    }
}

fn io_error(path: &Path, source: io::Error) -> FolderError {
    FolderError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn whatever_is_no_regular_file_is_refused_by_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs_err::write(path.join("file"), "abc").unwrap();
        let opened = Folder::open(path).unwrap();
        assert_eq!(opened.read("file", 3).unwrap(), b"abc");
        assert_eq!(
            opened.read("file", 2).unwrap_err().to_string(),
            "file: size: expected at most 2 bytes, found more"
        );

        symlink("file", path.join("link")).unwrap();
        fs_err::create_dir(path.join("folder")).unwrap();
        rustix::fs::mkfifoat(CWD, path.join("pipe"), Mode::RUSR).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path.join("socket")).unwrap();
        for (name, found) in [
            ("link", "a symbolic link"),
            ("folder", "a directory"),
            ("pipe", "a named pipe"),
            ("socket", "a socket or a device"),
            ("gone", "nothing"),
        ] {
            assert_eq!(
                opened.open_file(name).unwrap_err().to_string(),
                format!("{name}: type: expected a regular file, found {found}")
            );
        }
        let devices = Folder::open(Path::new("/dev")).unwrap();
        assert_eq!(
            devices.open_file("null").unwrap_err().to_string(),
            "null: type: expected a regular file, found a device"
        );
        assert!(opened.names().is_err());
    }
}
