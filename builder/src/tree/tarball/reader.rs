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
mod tests {
    use std::io::Write;
    use std::process::Command;

    use super::super::pax::tests::record;
    use super::super::read_tar;
    use super::*;
    use crate::tree::{Origin, Tree};

    /// A header with a name exactly as given, followed by padded data.
    fn entry(kind: u8, name: &[u8], link: &[u8], data: &[u8]) -> Vec<u8> {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
        header.set_entry_type(EntryType::new(kind));
        header.set_mode(0o4755);
        header.set_uid(7);
        header.set_gid(8);
        header.set_size(data.len() as u64);
        header.set_device_major(5).unwrap();
        header.set_device_minor(1).unwrap();
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }

    fn section(parts: &[Vec<u8>]) -> Section {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&parts.concat()).unwrap();
        Section::whole(file).unwrap()
    }

    fn read(parts: &[Vec<u8>]) -> Result<Vec<Entry>, String> {
        let end = vec![0; 1024];
        entries(&section(&[parts, &[end]].concat())).map_err(|error| error.to_string())
    }

    fn inode(entry: &Entry) -> (&NodeKind, &Metadata) {
        match &entry.kind {
            EntryKind::Inode { kind, metadata } => (kind, metadata),
            EntryKind::HardLink { target } => panic!("a hard link to {target}"),
        }
    }

    #[test]
    fn every_type_of_entry_keeps_what_it_says() {
        let found = read(&[
            entry(b'5', b"./dev/", b"", b""),
            entry(b'3', b"./dev/console", b"", b""),
            entry(b'6', b"./pipe\xff", b"", b""),
            entry(b'0', b"./file", b"", b"content"),
            entry(b'1', b"./second", b"./file", b""),
            entry(b'2', b"./link", b"/a/../b", b""),
        ])
        .unwrap();
        let names: Vec<_> = found.iter().map(|entry| entry.path.to_string()).collect();
        assert_eq!(
            names,
            [
                "/dev",
                "/dev/console",
                "/pipe\\xff",
                "/file",
                "/second",
                "/link"
            ]
        );
        let (kind, metadata) = inode(&found[1]);
        let console = Device { major: 5, minor: 1 };
        assert!(matches!(kind, NodeKind::CharacterDevice(device) if *device == console));
        assert_eq!((metadata.mode, metadata.uid, metadata.gid), (0o4755, 7, 8));
        assert!(matches!(inode(&found[2]).0, NodeKind::Fifo));
        let NodeKind::File(content) = inode(&found[3]).0 else {
            panic!("not a file")
        };
        assert_eq!(content.to_vec().unwrap(), b"content");
        assert!(
            matches!(&found[4].kind, EntryKind::HardLink { target } if *target == found[3].path)
        );
        assert!(matches!(inode(&found[5]).0, NodeKind::Symlink(text) if text == b"/a/../b"));
    }

    #[test]
    fn long_names_and_extended_headers_replace_the_headers_fields() {
        let long = [b"d/".repeat(80), b"file".to_vec()].concat();
        let records = [
            record("path", b"named\nby pax"),
            record("uid", b"4000000000"),
            record("SCHILY.xattr.security.capability", b"\x01\n=\0"),
        ];
        let found = read(&[
            entry(b'L', b"././@LongLink", b"", &[&long[..], b"\0"].concat()),
            entry(b'0', b"short", b"", b""),
            entry(
                b'g',
                b"pax_global_header",
                b"",
                &record("comment", b"a commit"),
            ),
            entry(b'x', b"PaxHeaders/short", b"", &records.concat()),
            entry(b'0', b"short", b"", b""),
        ])
        .unwrap();
        assert_eq!(found[0].path.as_bytes(), long);
        assert_eq!(found[1].path.as_bytes(), b"named\nby pax");
        let (_, metadata) = inode(&found[1]);
        assert_eq!((metadata.uid, metadata.gid), (4_000_000_000, 8));
        assert_eq!(metadata.xattrs[&b"security.capability"[..]], b"\x01\n=\0");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        assert_eq!(
            read(&[entry(b'0', b"./../etc/passwd", b"", b"")]).unwrap_err(),
            "tar entry at byte 0: path \"./../etc/passwd\" has a \"..\" component, which leads \
             out of the tree"
        );
        assert_eq!(
            read(&[entry(b'0', b"/etc/passwd", b"", b"")]).unwrap_err(),
            "tar entry \"/etc/passwd\": its name is absolute; names in an archive are relative"
        );
        assert_eq!(
            read(&[entry(b'1', b"mine", b"/etc/shadow", b"")]).unwrap_err(),
            "tar entry \"/etc/shadow\": its hard link target is absolute; names in an archive \
             are relative"
        );
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        assert_eq!(
            read(&[entry(b'S', b"holes", b"", b"")]).unwrap_err(),
            "tar entry /holes is sparse; pack it without --sparse"
        );
        assert_eq!(
            read(&[entry(b'V', b"label", b"", b"")]).unwrap_err(),
            "tar entry /label has the unknown type 'V'"
        );
        assert_eq!(
            read(&[entry(b'g', b"global", b"", &record("uid", b"0"))]).unwrap_err(),
            "tar header at byte 0: a global extended header that changes every entry; pack \
             without --pax-option"
        );
    }

    #[test]
    fn an_archive_cut_short_anywhere_is_an_error() {
        let whole = [entry(b'0', b"file", b"", &[b'x'; 600]), vec![0; 512]].concat();
        let read = |length: usize| {
            entries(&section(&[whole[..length].to_vec()]))
                .map(|entries| entries.len())
                .map_err(|error| error.to_string())
        };
        assert_eq!(read(whole.len()), Ok(1));
        assert_eq!(
            read(100).unwrap_err(),
            "tar archive ends at byte 100, within a header; it was cut short"
        );
        assert_eq!(
            read(1000).unwrap_err(),
            "tar archive ends at byte 1000, within a file's data; it was cut short"
        );
        assert_eq!(
            read(1536).unwrap_err(),
            "tar archive ends at byte 1536, without the zero block that ends an archive; it was \
             cut short"
        );
        let mut damaged = whole;
        damaged[0] ^= 1;
        assert_eq!(
            entries(&section(&[damaged])).unwrap_err().to_string(),
            "tar header at byte 0: its checksum is wrong; this is not a tar archive or it is \
             damaged"
        );
    }

    #[test]
    fn an_extended_header_of_absurd_size_is_refused_before_it_is_read() {
        let huge = vec![b'a'; 1 << 21];
        assert_eq!(
            read(&[entry(b'x', b"PaxHeaders/x", b"", &huge)]).unwrap_err(),
            "tar header at byte 0: a long name or extended header of 2097152 bytes; the limit is \
             1048576"
        );
    }

    proptest::proptest! {
        #[test]
        fn no_damage_makes_the_reader_panic(at in 0_usize..3072, byte: u8, length in 0_usize..3072) {
            let mut archive = [
                entry(b'x', b"PaxHeaders/file", b"", &record("path", b"name")),
                entry(b'L', b"././@LongLink", b"", b"long name\0"),
                entry(b'0', b"file", b"", b"content"),
                vec![0; 512],
            ]
            .concat();
            archive[at] = byte;
            archive.truncate(length);
            let _ = entries(&section(&[archive]));
        }
    }

    /// What `tar -t` of GNU tar prints for the same archive is the oracle.
    #[test]
    fn archives_of_gnu_tar_are_read_in_every_format_and_compression() {
        let folder = tempfile::tempdir().unwrap();
        let long = "n".repeat(200);
        std::fs::create_dir(folder.path().join("d")).unwrap();
        std::fs::write(folder.path().join("d/file"), b"content").unwrap();
        std::fs::write(folder.path().join("d").join(&long), b"").unwrap();
        std::fs::hard_link(folder.path().join("d/file"), folder.path().join("d/two")).unwrap();
        std::os::unix::fs::symlink("file", folder.path().join("d/link")).unwrap();
        let run = |arguments: &[&str]| {
            let output = Command::new("tar")
                .args(arguments)
                .current_dir(folder.path())
                .output()
                .expect("tar: install the Debian package tar");
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        for format in ["gnu", "posix"] {
            for flag in ["--no-auto-compress", "--gzip", "--xz", "--zstd"] {
                run(&["--format", format, flag, "-cf", "a.tar", "d"]);
                let path = folder.path().join("a.tar");
                let tree: Tree = read_tar(
                    &path,
                    folder.path(),
                    Origin::Input {
                        argument: "TAR".into(),
                    },
                )
                .unwrap();
                let mut expected: Vec<_> = run(&["-tf", "a.tar"])
                    .lines()
                    .map(|line| TreePath::parse(line.as_bytes()).unwrap())
                    .collect();
                expected.sort();
                let found: Vec<_> = tree.iter().skip(1).map(|(path, ..)| path.clone()).collect();
                assert_eq!(found, expected, "{format} {flag}");
                let id = |name: &str| {
                    let wanted = TreePath::parse(name.as_bytes()).unwrap();
                    tree.iter().find(|(path, ..)| **path == wanted).unwrap().1
                };
                assert_eq!(id("d/file"), id("d/two"));
            }
        }
    }
}
