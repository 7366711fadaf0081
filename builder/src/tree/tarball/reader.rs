//! Walks the headers of a tar archive: ustar, GNU long names, pax extended headers.

use std::io;

use tar::{EntryType, Header};

use super::super::section::Section;
use super::super::{Device, Metadata, NodeKind, TreePath};
use super::pax::Records;
use super::{Entry, EntryKind, SPARSE, TarError};

const BLOCK: u64 = 512;
/// The most that a long name or an extended header may take. Linux paths end at 4 KiB and an
/// extended attribute at 64 KiB.
const MAX_EXTENSION: u64 = 1 << 20;

/// Reads the entries of a tar archive, in its order. Contents are ranges of the archive.
pub(crate) fn entries(archive: &Section) -> Result<Vec<Entry>, TarError> {
    let mut walk = Walk {
        archive,
        offset: 0,
        extensions: Extensions::default(),
    };
    let mut entries = Vec::new();
    while let Some(header) = walk.header()? {
        entries.extend(walk.entry(&header)?);
    }
    Ok(entries)
}

/// What headers before the entry's own header say about it.
#[derive(Default)]
struct Extensions {
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    pax: Option<Records>,
}

struct Walk<'a> {
    archive: &'a Section,
    /// Where the next header, or the data of the current one, starts.
    offset: u64,
    extensions: Extensions,
}

impl Walk<'_> {
    /// The next header; `None` at the zero block that ends the archive.
    fn header(&mut self) -> Result<Option<Header>, TarError> {
        if self.offset == self.archive.len() {
            return Err(self.truncated("without the zero block that ends an archive"));
        }
        let mut header = Header::new_old();
        self.archive
            .read_exact_at(header.as_mut_bytes(), self.offset)
            .map_err(|reason| match reason.kind() {
                io::ErrorKind::UnexpectedEof => self.truncated("within a header"),
                _ => TarError::Read {
                    offset: self.offset,
                    reason,
                },
            })?;
        let bytes = header.as_bytes();
        if bytes.iter().all(|&byte| byte == 0) {
            return match self.extensions {
                Extensions {
                    long_name: None,
                    long_link: None,
                    pax: None,
                } => Ok(None),
                _ => Err(self.bad_header("the archive ends after a header that extends the next")),
            };
        }
        // The sum counts its own field as spaces (POSIX.1-2017, pax, "ustar Interchange Format").
        let sum: u32 = bytes[..148]
            .iter()
            .chain(&bytes[156..])
            .map(|&byte| u32::from(byte))
            .sum();
        let found = header.cksum().map_err(|error| self.bad_header(error))?;
        if found != sum + 8 * u32::from(b' ') {
            return Err(self
                .bad_header("its checksum is wrong; this is not a tar archive or it is damaged"));
        }
        Ok(Some(header))
    }

    /// Takes the header's data and moves past them. A header that only extends the next one
    /// gives no entry.
    fn entry(&mut self, header: &Header) -> Result<Option<Entry>, TarError> {
        let start = self.offset;
        let kind = header.entry_type();
        let extends = kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions();
        let override_size = match extends {
            true => None,
            false => self.extensions.pax.as_ref().and_then(|pax| pax.size),
        };
        let size = match override_size {
            Some(size) => size,
            None => header
                .entry_size()
                .map_err(|error| self.bad_header(error))?,
        };
        // Only regular files have data; other types may still give a size that means nothing.
        let has_data = extends || kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse();
        let size = if has_data { size } else { 0 };
        let data = self
            .archive
            .slice(start + BLOCK, size)
            .ok_or_else(|| self.truncated("within a file's data"))?;
        let padded = size
            .next_multiple_of(BLOCK)
            .min(self.archive.len() - start - BLOCK);
        if extends {
            self.extend(kind, &data)?;
            self.offset = start + BLOCK + padded;
            return Ok(None);
        }
        let extensions = std::mem::take(&mut self.extensions);
        let entry = self.finish(header, extensions, &data)?;
        self.offset = start + BLOCK + padded;
        Ok(Some(entry))
    }

    fn extend(&mut self, kind: EntryType, data: &Section) -> Result<(), TarError> {
        if data.len() > MAX_EXTENSION {
            return Err(self.bad_header(format!(
                "a long name or extended header of {} bytes; the limit is {MAX_EXTENSION}",
                data.len()
            )));
        }
        let mut bytes = vec![0; usize::try_from(data.len()).unwrap_or(usize::MAX)];
        data.read_exact_at(&mut bytes, 0)
            .map_err(|reason| TarError::Read {
                offset: self.offset,
                reason,
            })?;
        let extensions = &mut self.extensions;
        if kind.is_gnu_longname() || kind.is_gnu_longlink() {
            let end = bytes.iter().position(|&byte| byte == 0);
            bytes.truncate(end.unwrap_or(bytes.len()));
            let slot = match kind.is_gnu_longname() {
                true => &mut extensions.long_name,
                false => &mut extensions.long_link,
            };
            if slot.replace(bytes).is_some() {
                return Err(self.bad_header("two long names for one entry"));
            }
            return Ok(());
        }
        let records = Records::parse(&bytes).map_err(|error| self.bad_header(error))?;
        if kind.is_pax_global_extensions() {
            return match records == Records::default() {
                true => Ok(()),
                false => Err(self.bad_header(
                    "a global extended header that changes every entry; pack without --pax-option",
                )),
            };
        }
        match self.extensions.pax.replace(records) {
            None => Ok(()),
            Some(_) => Err(self.bad_header("two extended headers for one entry")),
        }
    }

    fn finish(
        &self,
        header: &Header,
        extensions: Extensions,
        data: &Section,
    ) -> Result<Entry, TarError> {
        let pax = extensions.pax.unwrap_or_default();
        let name = extensions
            .long_name
            .or(pax.path)
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let link = extensions
            .long_link
            .or(pax.link_path)
            .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned))
            .unwrap_or_default();
        let path = self.relative(&name, "name")?;
        let number = |error: io::Error| self.bad_header(error);
        let id = |value: u64, what| {
            u32::try_from(value).map_err(|_| TarError::Entry {
                entry: path.clone(),
                reason: format!("has the {what} id {value}, past 32 bits"),
            })
        };
        let mode = header.mode().map_err(number)? & 0o7777;
        let metadata = Metadata {
            mode: u16::try_from(mode).unwrap_or(u16::MAX),
            uid: id(
                pax.uid.map_or_else(|| header.uid(), Ok).map_err(number)?,
                "user",
            )?,
            gid: id(
                pax.gid.map_or_else(|| header.gid(), Ok).map_err(number)?,
                "group",
            )?,
            xattrs: pax.xattrs,
        };
        let kind = match header.entry_type() {
            EntryType::Link => {
                return Ok(Entry {
                    kind: EntryKind::HardLink {
                        target: self.relative(&link, "hard link target")?,
                    },
                    path,
                });
            }
            EntryType::Directory => NodeKind::Directory,
            // Archives older than ustar mark a directory by the slash that ends its name.
            EntryType::Regular if name.ends_with(b"/") => NodeKind::Directory,
            EntryType::Regular | EntryType::Continuous => NodeKind::File(data.content()),
            EntryType::Symlink if link.is_empty() || link.contains(&0) => {
                return Err(TarError::Entry {
                    entry: path,
                    reason: "is a symbolic link without a usable target".to_owned(),
                });
            }
            EntryType::Symlink => NodeKind::Symlink(link),
            EntryType::Char => NodeKind::CharacterDevice(self.device(header)?),
            EntryType::Block => NodeKind::BlockDevice(self.device(header)?),
            EntryType::Fifo => NodeKind::Fifo,
            EntryType::GNUSparse => {
                return Err(TarError::Entry {
                    entry: path,
                    reason: SPARSE.to_owned(),
                });
            }
            other => {
                return Err(TarError::Entry {
                    entry: path,
                    reason: format!("has the unknown type {:?}", char::from(other.as_byte())),
                });
            }
        };
        Ok(Entry {
            path,
            kind: EntryKind::Inode { kind, metadata },
        })
    }

    fn relative(&self, name: &[u8], what: &'static str) -> Result<TreePath, TarError> {
        if name.starts_with(b"/") {
            return Err(TarError::Absolute {
                entry: String::from_utf8_lossy(name).into_owned(),
                what,
            });
        }
        TreePath::parse(name).map_err(|reason| TarError::Path {
            offset: self.offset,
            reason,
        })
    }

    fn device(&self, header: &Header) -> Result<Device, TarError> {
        let missing = || self.bad_header("a device without its number");
        let major = header
            .device_major()
            .map_err(|error| self.bad_header(error))?;
        let minor = header
            .device_minor()
            .map_err(|error| self.bad_header(error))?;
        Ok(Device {
            major: major.ok_or_else(missing)?,
            minor: minor.ok_or_else(missing)?,
        })
    }

    fn truncated(&self, missing: &'static str) -> TarError {
        TarError::Truncated {
            offset: self.archive.len(),
            missing,
        }
    }

    fn bad_header(&self, reason: impl ToString) -> TarError {
        TarError::Header {
            offset: self.offset,
            reason: reason.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
