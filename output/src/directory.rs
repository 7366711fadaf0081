//! An output directory: plain files and the list of their digests.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fs_err::File;
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use super::staging::Staging;
use super::sums::{self, Artifact, SUMS_NAME};
use super::{DIRECTORY_MODE, FILE_MODE, FileName, OutputError};

/// The longest `SHA256SUMS` of an earlier output that is read, in bytes.
const MAX_SUMS: u64 = 1 << 20;

/// A directory that appears at its path, complete, when it is committed. Dropped before, it
/// leaves nothing behind and what was there unchanged.
#[derive(Debug)]
pub struct OutputDirectory {
    staging: Staging,
    path: PathBuf,
    mark: &'static str,
}

impl OutputDirectory {
    /// Starts a directory that will be at `path`.
    ///
    /// An earlier output is replaced: a directory whose `SHA256SUMS` lists every file in it, the
    /// file `mark` among them. So is an empty directory. Anything else is refused, so that no
    /// file is lost that this project did not write.
    ///
    /// # Errors
    /// Something at `path` that is not replaced, symbolic links included, and a parent that does
    /// not exist or cannot be written to.
    pub fn begin(path: &Path, mark: &'static str) -> Result<Self, OutputError> {
        find_replaceable(path, mark)?;
        Ok(Self {
            staging: Staging::beside(path)?,
            path: path.to_owned(),
            mark,
        })
    }

    /// Creates a file in the directory, readable and writable.
    ///
    /// # Errors
    /// A name that is not plain, a name that exists, and any failure to create it.
    pub fn create(&self, name: &str) -> Result<File, OutputError> {
        FileName::try_from(name.to_owned()).map_err(OutputError::NotPlain)?;
        self.staging
            .create(name, self.path.join(name))
            .map_err(OutputError::io(&self.path))
    }

    /// The files so far with their digests, sorted by name.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn artifacts(&self) -> Result<Vec<Artifact>, OutputError> {
        self.names()
            .and_then(|names| sums::artifacts(self.staging.path(), &names))
            .map_err(OutputError::io(&self.path))
    }

    /// Writes `SHA256SUMS`, syncs everything, gives files mode 0644 and the directory 0755, and
    /// puts it at its path. Returns what `SHA256SUMS` lists.
    ///
    /// # Errors
    /// Something that came to the path meanwhile and is not replaced, and any failure to write.
    pub fn commit(self) -> Result<Vec<Artifact>, OutputError> {
        let artifacts = self.artifacts()?;
        self.create(SUMS_NAME)?
            .write_all(sums::text(&artifacts).as_bytes())
            .and_then(|()| self.settle())
            .map_err(OutputError::io(&self.path))?;
        let earlier = find_replaceable(&self.path, self.mark)?;
        self.place(earlier)
            .and_then(|()| self.staging.sync_parent())
            .map_err(OutputError::io(&self.path))?;
        Ok(artifacts)
    }

    fn names(&self) -> io::Result<BTreeSet<String>> {
        fs_err::read_dir(self.staging.path())?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    /// Fixes modes and syncs: after this only names change.
    fn settle(&self) -> io::Result<()> {
        for name in self.names()? {
            let file = File::open(self.staging.path().join(name))?;
            file.set_permissions(Permissions::from_mode(FILE_MODE))?;
            file.sync_all()?;
        }
        let folder = File::open(self.staging.path())?;
        folder.set_permissions(Permissions::from_mode(DIRECTORY_MODE))?;
        folder.sync_all()
    }

    /// Puts the staging folder in its place; an earlier output then has the staging folder's
    /// name, and goes with it.
    fn place(&self, earlier: bool) -> io::Result<()> {
        let staged = self.staging.path();
        if !earlier {
            return fs_err::rename(staged, &self.path);
        }
        match rustix::fs::renameat_with(CWD, staged, CWD, &self.path, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(()),
            // A file system that cannot exchange two names, such as NFS.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                replace_in_steps(staged, &self.path)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// As an exchange of the two names, but for the moment in which `path` is missing.
fn replace_in_steps(staged: &Path, path: &Path) -> io::Result<()> {
    let mut aside = staged.as_os_str().to_owned();
    aside.push(".earlier");
    fs_err::rename(path, &aside)?;
    if let Err(error) = fs_err::rename(staged, path) {
        fs_err::rename(&aside, path)?;
        return Err(error);
    }
    fs_err::rename(&aside, staged)
}

/// Whether there is an earlier output, or an empty directory, to replace.
fn find_replaceable(path: &Path, mark: &str) -> Result<bool, OutputError> {
    let found = match path.symlink_metadata() {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(OutputError::io(path)(error)),
    };
    if found.is_symlink() {
        let found = "is a symbolic link, which is not followed";
        return Err(OutputError::in_the_way(path, found));
    }
    if !found.is_dir() {
        let found = "is not a directory, and the output is one";
        return Err(OutputError::in_the_way(path, found));
    }
    match foreign_entry(path, mark).map_err(OutputError::io(path))? {
        None => Ok(true),
        Some(found) => Err(OutputError::in_the_way(
            path,
            format!("is not an output of guestmark: {found}"),
        )),
    }
}

/// What makes a directory something else than an earlier output.
fn foreign_entry(path: &Path, mark: &str) -> io::Result<Option<String>> {
    let mut entries = fs_err::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    if entries.is_empty() {
        return Ok(None);
    }
    entries.sort_by_key(|entry| entry.file_name());

    let irregular = |entry: &&fs_err::DirEntry| !entry.file_type().is_ok_and(|kind| kind.is_file());
    if let Some(entry) = entries.iter().find(irregular) {
        let name = entry.file_name();
        return Ok(Some(format!(
            "it holds {}, which is no file",
            name.display()
        )));
    }

    let mut text = String::new();
    match File::open(path.join(SUMS_NAME)) {
        Ok(file) => file.take(MAX_SUMS).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    let Some(listed) = sums::names(&text).filter(|names| names.contains(mark)) else {
        return Ok(Some(format!("it has no {SUMS_NAME} that lists {mark}")));
    };
    let foreign = entries
        .iter()
        .map(|entry| entry.file_name())
        .find(|name| name != SUMS_NAME && !name.to_str().is_some_and(|name| listed.contains(name)));
    Ok(foreign.map(|name| {
        format!(
            "it holds {}, which {SUMS_NAME} does not list",
            name.display()
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_exchange_of_names_the_earlier_output_still_ends_up_staged() {
        let folder = tempfile::tempdir().unwrap();
        let [staged, path] = ["staged", "out"].map(|name| folder.path().join(name));
        fs_err::create_dir(&staged).unwrap();
        fs_err::create_dir(&path).unwrap();
        fs_err::write(staged.join("new"), "").unwrap();
        fs_err::write(path.join("old"), "").unwrap();
        replace_in_steps(&staged, &path).unwrap();
        assert!(path.join("new").exists() && staged.join("old").exists());
    }

    #[test]
    fn an_earlier_output_comes_back_when_the_new_one_cannot_take_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs_err::create_dir(&path).unwrap();
        fs_err::write(path.join("old"), "").unwrap();
        assert!(replace_in_steps(&folder.path().join("missing"), &path).is_err());
        assert!(path.join("old").exists());
    }
}
