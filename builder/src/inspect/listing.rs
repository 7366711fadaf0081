//! A file tree as a list, one line an entry.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::tree::Device;

/// The most memory that a listing may take, in bytes: some hundred thousand files with ordinary
/// names. Links can make a long listing of a small file.
const LIMIT: u64 = 256 << 20;

/// A list that would take too much memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "has so many or such long names that a list of them takes more than {LIMIT} bytes; extract \
     the part that matters and inspect that"
)]
pub struct ListingTooLarge;

/// Entries, in order, with a bound on what they take.
#[derive(Debug, Default)]
pub(super) struct Listing {
    entries: Vec<Entry>,
    size: u64,
}

impl Listing {
    /// Adds an entry and gives its index.
    pub(super) fn push(&mut self, entry: Entry) -> Result<usize, ListingTooLarge> {
        let target = entry.target.as_ref().map_or(0, String::len);
        let xattrs: usize = entry
            .xattrs
            .iter()
            .map(|name| name.len() + size_of::<String>())
            .sum();
        self.grow(size_of::<Entry>() + entry.path.len() + target + xattrs)?;
        self.entries.push(entry);
        Ok(self.entries.len() - 1)
    }

    /// Says of entry `second` that it names the same file as entry `first`.
    pub(super) fn link(&mut self, first: usize, second: usize) -> Result<(), ListingTooLarge> {
        let Entry { path, size, .. } = &self.entries[first];
        let (path, size) = (path.clone(), *size);
        self.grow(path.len())?;
        self.entries[second].hard_link_to = Some(path);
        self.entries[second].size = size;
        Ok(())
    }

    /// Says that the file of an entry has at least `size` bytes.
    pub(super) fn raise_size(&mut self, index: usize, size: u64) {
        let entry = &mut self.entries[index];
        entry.size = entry.size.max(size);
    }

    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    fn grow(&mut self, bytes: usize) -> Result<(), ListingTooLarge> {
        self.size += bytes as u64;
        match self.size > LIMIT {
            true => Err(ListingTooLarge),
            false => Ok(()),
        }
    }
}

/// One name in a file tree.
///
/// Text is as the file has it, except that a backslash, control characters, characters that
/// change the direction of text, and bytes that are not UTF-8 are written as `\xNN`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The name, as the image or archive spells it.
    pub path: String,
    /// What it is.
    #[serde(rename = "type")]
    pub file_type: FileType,
    /// Permission bits.
    pub mode: Mode,
    /// The owning user's id.
    pub uid: u32,
    /// The owning group's id.
    pub gid: u32,
    /// Bytes in the file, or in the link's target; 0 for what has no content.
    pub size: u64,
    /// Where a symbolic link leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The name listed before that is the same file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hard_link_to: Option<String>,
    /// The number of a device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceNumber>,
    /// Names of extended attributes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub xattrs: Vec<String>,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileType {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl FileType {
    /// The letter that `ls -l` starts a line with.
    pub const fn letter(self) -> char {
        match self {
            Self::Directory => 'd',
            Self::File => '-',
            Self::Symlink => 'l',
            Self::CharacterDevice => 'c',
            Self::BlockDevice => 'b',
            Self::Fifo => 'p',
            Self::Socket => 's',
        }
    }
}

/// Permission bits with set-user-ID, set-group-ID and sticky, as four octal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(
    /// The low 12 bits of `st_mode`.
    pub u16,
);

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A device number, as `MAJOR:MINOR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceNumber(
    /// Major and minor number.
    pub Device,
);

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.major, self.0.minor)
    }
}

impl Serialize for DeviceNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
