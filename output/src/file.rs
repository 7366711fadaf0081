//! One output file.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fs_err::File;

use super::staging::Staging;
use super::{FILE_MODE, OutputError};

/// The file's name in its staging folder.
const STAGED: &str = "file";

/// A file that appears at its path, complete, when it is committed. Dropped before, it leaves
/// nothing behind and what was there unchanged.
#[derive(Debug)]
pub struct OutputFile {
    file: File,
    staging: Staging,
    path: PathBuf,
}

impl OutputFile {
    /// Starts a file that will be at `path`, where a regular file is replaced.
    ///
    /// # Errors
    /// Anything else at `path`, symbolic links included, and a folder that does not exist or
    /// cannot be written to.
    pub fn begin(path: &Path) -> Result<Self, OutputError> {
        refuse_all_but_files(path)?;
        let staging = Staging::beside(path)?;
        let file = staging
            .create(STAGED, path.to_owned())
            .map_err(OutputError::io(path))?;
        Ok(Self {
            file,
            staging,
            path: path.to_owned(),
        })
    }

    /// The file, empty at first, readable and writable.
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Syncs the file, gives it mode 0644 and puts it at its path.
    ///
    /// # Errors
    /// Something that came to the path meanwhile and is no regular file, and any failure to
    /// write.
    pub fn commit(self) -> Result<(), OutputError> {
        let Self {
            file,
            staging,
            path,
        } = self;
        refuse_all_but_files(&path)?;
        let place = || {
            file.set_permissions(Permissions::from_mode(FILE_MODE))?;
            file.sync_all()?;
            fs_err::rename(staging.path().join(STAGED), &path)?;
            staging.sync_parent()
        };
        place().map_err(OutputError::io(&path))
    }
}

fn refuse_all_but_files(path: &Path) -> Result<(), OutputError> {
    let found = match path.symlink_metadata() {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(OutputError::io(path)(error)),
    };
    let found = if found.is_file() {
        return Ok(());
    } else if found.is_symlink() {
        "is a symbolic link, which is not followed"
    } else if found.is_dir() {
        "is a directory, and the output is one file"
    } else {
        "is not a regular file"
    };
    Err(OutputError::in_the_way(path, found))
}
