//! Lists the files of an ext file system with the library that reads it.
//!
//! The library believes some numbers that an image can lie about: it makes room for a link's
//! target as long as the inode says, and reads a directory as often as its extents repeat. Both
//! are looked at here first, on the way that the library itself takes, so that memory and time
//! are bounded by the size of the image.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ext4_view::{Ext4, Ext4Read, Metadata, Path};

use super::Ext4Error;
use crate::inspect::listing::{Entry, FileType, Listing, Mode};
use crate::inspect::text::printable;

/// The longest path and the longest target of a link, in bytes: `PATH_MAX` of Linux.
const PATH_LIMIT: u64 = 4096;

/// The files of the file system in these bytes of `file`, each directory directly before what it
/// holds, siblings sorted by their text.
pub(super) fn list(file: File, offset: u64, length: u64) -> Result<Vec<Entry>, Ext4Error> {
    let source = Source {
        file,
        offset,
        length,
    };
    // The file system and all that is made of it are dropped when the library gives up.
    let listed = catch_unwind(AssertUnwindSafe(|| Walk::new(source)?.entries()));
    listed.unwrap_or_else(|cause| Err(Ext4Error::gave_up(cause.as_ref())))
}

/// The bytes of a file system within a file.
struct Source {
    file: File,
    offset: u64,
    length: u64,
}

impl Ext4Read for Source {
    fn read(
        &mut self,
        start: u64,
        bytes: &mut [u8],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync + 'static>> {
        let end = start.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > self.length) {
            let message = format!(
                "{} bytes at {start} lie outside of the file system",
                bytes.len()
            );
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message).into());
        }
        // Within a file that is there.
        Ok(self.file.read_exact_at(bytes, self.offset + start)?)
    }
}

struct Walk {
    fs: Ext4,
    listing: Listing,
    /// Directories that are listed and whose entries are not.
    pending: Vec<Vec<u8>>,
    /// How many bytes further directories can have: none shares a block with another.
    left: u64,
    length: u64,
}

impl Walk {
    fn new(source: Source) -> Result<Self, Ext4Error> {
        let length = source.length;
        Ok(Self {
            fs: Ext4::load(Box::new(source))?,
            listing: Listing::default(),
            pending: Vec::new(),
            left: length,
            length,
        })
    }

    fn entries(mut self) -> Result<Vec<Entry>, Ext4Error> {
        let root = self.fs.symlink_metadata("/")?;
        self.push(b"/".to_vec(), &root)?;
        while let Some(directory) = self.pending.pop() {
            self.directory(&directory)?;
        }
        let mut entries = self.listing.into_entries();
        entries.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
        Ok(entries)
    }

    /// Lists what a directory holds.
    fn directory(&mut self, directory: &[u8]) -> Result<(), Ext4Error> {
        // What the path leads to is what is read, and it may not be what the entry said.
        let metadata = self.metadata(directory)?;
        if !metadata.is_dir() {
            return Err(Ext4Error::Ambiguous(printable(directory)));
        }
        self.left =
            self.left
                .checked_sub(metadata.len())
                .ok_or_else(|| Ext4Error::Directories {
                    path: printable(directory),
                    size: self.length,
                })?;
        for entry in self.fs.read_dir(path(directory)?)? {
            let entry = entry?;
            let name = entry.file_name();
            let name: &[u8] = name.as_ref();
            if name == b"." || name == b".." {
                continue;
            }
            let mut full = directory.to_vec();
            if directory != b"/" {
                full.push(b'/');
            }
            full.extend_from_slice(name);
            self.push(full, &entry.metadata()?)?;
        }
        Ok(())
    }

    fn push(&mut self, full: Vec<u8>, metadata: &Metadata) -> Result<(), Ext4Error> {
        if full.len() as u64 > PATH_LIMIT {
            return Err(Ext4Error::TooLong(printable(&full)));
        }
        let file_type = file_type(metadata);
        let target = match file_type {
            FileType::Symlink => Some(self.target(&full)?),
            _ => None,
        };
        self.listing.push(Entry {
            path: printable(&full),
            file_type,
            mode: Mode(metadata.mode()),
            uid: metadata.uid(),
            gid: metadata.gid(),
            size: match file_type {
                FileType::File | FileType::Symlink => metadata.len(),
                _ => 0,
            },
            target,
            hard_link_to: None,
            device: None,
            xattrs: Vec::new(),
        })?;
        if file_type == FileType::Directory {
            self.pending.push(full);
        }
        Ok(())
    }

    /// Where a symbolic link leads.
    fn target(&self, link: &[u8]) -> Result<String, Ext4Error> {
        let metadata = self.metadata(link)?;
        if !metadata.is_symlink() {
            return Err(Ext4Error::Ambiguous(printable(link)));
        }
        if metadata.len() > PATH_LIMIT {
            return Err(Ext4Error::TooLong(printable(link)));
        }
        Ok(printable(self.fs.read_link(path(link)?)?.as_ref()))
    }

    /// What a path leads to. Every part of it but the last was found to be a directory this way,
    /// so that no link is followed.
    fn metadata(&self, of: &[u8]) -> Result<Metadata, Ext4Error> {
        Ok(self.fs.symlink_metadata(path(of)?)?)
    }
}

fn path(bytes: &[u8]) -> Result<Path<'_>, Ext4Error> {
    Path::try_from(bytes).map_err(|_| Ext4Error::TooLong(printable(bytes)))
}

fn file_type(metadata: &Metadata) -> FileType {
    match metadata.file_type() {
        ext4_view::FileType::Directory => FileType::Directory,
        ext4_view::FileType::Regular => FileType::File,
        ext4_view::FileType::Symlink => FileType::Symlink,
        ext4_view::FileType::CharacterDevice => FileType::CharacterDevice,
        ext4_view::FileType::BlockDevice => FileType::BlockDevice,
        ext4_view::FileType::Fifo => FileType::Fifo,
        ext4_view::FileType::Socket => FileType::Socket,
    }
}
