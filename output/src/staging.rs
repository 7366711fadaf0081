//! The hidden folder in which output is written before it takes its place.

use std::ffi::OsString;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use fs_err::File;
use fs_err::os::unix::fs::OpenOptionsExt;
use rustix::fs::OFlags;
use tempfile::TempDir;

use super::OutputError;

/// A hidden folder beside the output, on the same file system. It is locked while its process
/// lives, so that a later run can tell a folder left by a killed one and remove it.
///
/// Dropping it removes the folder.
#[derive(Debug)]
pub(super) struct Staging {
    folder: TempDir,
    /// The folder's place: the parent of the output.
    parent: PathBuf,
    /// Holds the lock. Declared after `folder`, so that the folder is gone before it is unlocked.
    _lock: File,
}

impl Staging {
    /// Makes the folder for `output`, and removes those that killed runs left there.
    ///
    /// # Errors
    /// An output without a name, and a parent that does not exist or cannot be written to.
    pub(super) fn beside(output: &Path) -> Result<Self, OutputError> {
        let name = output
            .file_name()
            .ok_or_else(|| OutputError::NoName(output.to_owned()))?;
        let parent = match output.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let mut prefix = OsString::from(".");
        prefix.push(name);
        prefix.push(".guestmark-");

        let staged = || {
            remove_leftovers(&parent, &prefix)?;
            loop {
                let folder = tempfile::Builder::new()
                    .prefix(&prefix)
                    .permissions(Permissions::from_mode(0o700))
                    .tempdir_in(&parent)?;
                if let Some(lock) = lock_if_same(folder.path())? {
                    return Ok((folder, lock));
                }
            }
        };
        let (folder, lock) = staged().map_err(|source| OutputError::Unwritable {
            path: output.to_owned(),
            source,
        })?;
        Ok(Self {
            folder,
            parent,
            _lock: lock,
        })
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Creates `name` in the folder, readable and writable. Errors of the file speak of
    /// `final_path`, the place that it will have.
    pub(super) fn create(&self, name: &str, final_path: PathBuf) -> io::Result<File> {
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(self.path().join(name))?;
        Ok(File::from_parts(file.into_file(), final_path))
    }

    /// Makes what was renamed beside the folder last through a loss of power.
    pub(super) fn sync_parent(&self) -> io::Result<()> {
        File::open(&self.parent)?.sync_all()
    }
}

/// Locks a folder that was just made. `None` if another run took it for a leftover and removed
/// it before it was locked.
fn lock_if_same(folder: &Path) -> io::Result<Option<File>> {
    let lock = match open_folder(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    lock.lock()?;
    let locked = lock.metadata()?;
    Ok(match fs_err::symlink_metadata(folder) {
        Ok(there) if (there.dev(), there.ino()) == (locked.dev(), locked.ino()) => Some(lock),
        _ => None,
    })
}

/// Removes folders of this prefix that no living process has locked.
fn remove_leftovers(parent: &Path, prefix: &OsString) -> io::Result<()> {
    for entry in fs_err::read_dir(parent)? {
        let entry = entry?;
        let name = entry.file_name();
        if !name
            .as_encoded_bytes()
            .starts_with(prefix.as_encoded_bytes())
        {
            continue;
        }
        // Another user's folder, or one that is gone by now, is not ours to remove.
        let Ok(folder) = open_folder(&entry.path()) else {
            continue;
        };
        if folder.try_lock().is_err() {
            continue;
        }
        match fs_err::remove_dir_all(entry.path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            // Removed, or another run was faster.
            _ => {}
        }
    }
    Ok(())
}

fn open_folder(path: &Path) -> io::Result<File> {
    let only_folders = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    File::options()
        .read(true)
        .custom_flags(only_folders.bits().cast_signed())
        .open(path)
}
