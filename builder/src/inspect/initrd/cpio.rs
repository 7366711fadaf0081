//! Reads cpio archives of the "new ASCII" form.

use std::collections::BTreeMap;
use std::io::BufRead;

use super::error::InitrdError;
use super::input::Input;
use crate::inspect::listing::{DeviceNumber, Entry, FileType, Listing, Mode};
use crate::inspect::text::printable;
use crate::tree::Device;

/// The most bytes in a name with its NUL, and in a link's target: `PATH_MAX`, past which the
/// kernel drops an entry.
const PATH_MAX: u32 = 4096;

const TRAILER: &[u8] = b"TRAILER!!!";

/// The fields of a header that matter here; the checksum and the time are left out.
struct Header {
    offset: u64,
    inode: u32,
    mode: u32,
    uid: u32,
    gid: u32,
    links: u32,
    size: u32,
    file_system: Device,
    device: Device,
    name_size: u32,
}

/// Adds the entries of one archive to `listing`, up to the archive's trailer.
pub(super) fn read_archive(
    input: &mut Input<impl BufRead>,
    listing: &mut Listing,
) -> Result<(), InitrdError> {
    let start = input.position();
    // Inode numbers hold within one archive.
    let mut first_names = BTreeMap::<(u32, u32, u32), usize>::new();
    let mut links = Vec::new();
    loop {
        let header = Header::read(input)?;
        let name = header.name(input)?;
        align(input, start)?;
        if name == TRAILER {
            input.skip(header.size.into())?;
            break;
        }
        let entry = header.entry(&name, input)?;
        align(input, start)?;
        let may_be_linked = header.links > 1 && entry.file_type != FileType::Directory;
        let index = listing.push(entry)?;
        if may_be_linked {
            let Device { major, minor } = header.file_system;
            let first = *first_names
                .entry((major, minor, header.inode))
                .or_insert(index);
            if first != index {
                listing.raise_size(first, header.size.into());
                links.push((first, index));
            }
        }
    }
    // The content comes with any one of a file's names, mostly the last: only now is every size
    // known.
    for (first, index) in links {
        listing.link(first, index)?;
    }
    Ok(())
}

impl Header {
    fn read(input: &mut Input<impl BufRead>) -> Result<Self, InitrdError> {
        let offset = input.position();
        let found: [u8; 6] = input.array()?;
        if &found != b"070701" && &found != b"070702" {
            return Err(InitrdError::Magic { offset, found });
        }
        let mut number = |field| number(input, offset, field);
        let inode = number("c_ino")?;
        let mode = number("c_mode")?;
        let uid = number("c_uid")?;
        let gid = number("c_gid")?;
        let links = number("c_nlink")?;
        number("c_mtime")?;
        let size = number("c_filesize")?;
        let file_system = Device {
            major: number("c_maj")?,
            minor: number("c_min")?,
        };
        let device = Device {
            major: number("c_rmaj")?,
            minor: number("c_rmin")?,
        };
        let name_size = number("c_namesize")?;
        number("c_chksum")?;
        Ok(Self {
            offset,
            inode,
            mode,
            uid,
            gid,
            links,
            size,
            file_system,
            device,
            name_size,
        })
    }

    fn name(&self, input: &mut Input<impl BufRead>) -> Result<Vec<u8>, InitrdError> {
        let expected = "1 to 4096 bytes, the last of them NUL";
        let invalid = || self.invalid("c_namesize", self.name_size.into(), expected);
        if !(1..=PATH_MAX).contains(&self.name_size) {
            return Err(invalid());
        }
        let mut name = input.bytes(self.name_size as usize)?;
        match name.pop() {
            Some(0) => {}
            _ => return Err(invalid()),
        }
        Ok(name)
    }

    /// Reads the entry's content and says what it is.
    fn entry(&self, name: &[u8], input: &mut Input<impl BufRead>) -> Result<Entry, InitrdError> {
        let file_type = self.file_type()?;
        let target = match file_type {
            FileType::Symlink if self.size > PATH_MAX => {
                let found = self.size.into();
                return Err(self.invalid("c_filesize of a link", found, "at most 4096"));
            }
            FileType::Symlink => Some(input.bytes(self.size as usize)?),
            _ => {
                input.skip(self.size.into())?;
                None
            }
        };
        let is_device = matches!(file_type, FileType::CharacterDevice | FileType::BlockDevice);
        let [low, high, ..] = self.mode.to_le_bytes();
        Ok(Entry {
            path: printable(name),
            file_type,
            mode: Mode(u16::from_le_bytes([low, high]) & 0o7777),
            uid: self.uid,
            gid: self.gid,
            size: self.size.into(),
            target: target.map(|target| printable(&target)),
            hard_link_to: None,
            device: is_device.then_some(DeviceNumber(self.device)),
            xattrs: Vec::new(),
        })
    }

    /// From the type bits of `st_mode` (inode(7)).
    fn file_type(&self) -> Result<FileType, InitrdError> {
        Ok(match self.mode & !0o7777 {
            0o010_000 => FileType::Fifo,
            0o020_000 => FileType::CharacterDevice,
            0o040_000 => FileType::Directory,
            0o060_000 => FileType::BlockDevice,
            0o100_000 => FileType::File,
            0o120_000 => FileType::Symlink,
            0o140_000 => FileType::Socket,
            _ => return Err(self.invalid("c_mode", self.mode.into(), "the type of a file")),
        })
    }

    fn invalid(&self, field: &'static str, found: u64, expected: &'static str) -> InitrdError {
        InitrdError::Field {
            offset: self.offset,
            field,
            found,
            expected,
        }
    }
}

/// Reads one field of the header at `offset`.
fn number(
    input: &mut Input<impl BufRead>,
    offset: u64,
    field: &'static str,
) -> Result<u32, InitrdError> {
    let found: [u8; 8] = input.array()?;
    let mut bytes = [0; 4];
    hex::decode_to_slice(found, &mut bytes).map_err(|_| InitrdError::NotHex {
        offset,
        field,
        found,
    })?;
    Ok(u32::from_be_bytes(bytes))
}

/// Names and contents are padded to a multiple of 4 bytes, counted from the archive's start.
fn align(input: &mut Input<impl BufRead>, start: u64) -> Result<(), InitrdError> {
    let length = input.position() - start;
    input.skip(length.next_multiple_of(4) - length)
}
