//! Writes a tree as a cpio archive of the "new ASCII" format, as the kernel unpacks it
//! (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::WriteError;
use crate::tree::{Device, Node, NodeId, NodeKind, Tree, TreePath};

/// The kernel drops names and link targets past this, the final NUL included (`PATH_MAX`).
const MAX_NAME: usize = 4096;

/// The header's fields but for the checksum, which this format leaves zero.
struct Header {
    inode: u32,
    mode: u32,
    uid: u32,
    gid: u32,
    links: u32,
    time: u32,
    size: u32,
    device: Device,
}

/// Writes the whole archive, its trailer included. Every entry's time is `timestamp`.
pub(super) fn write(tree: &Tree, timestamp: u64, out: &mut impl Write) -> Result<(), WriteError> {
    let time = u32::try_from(timestamp).map_err(|_| WriteError::Timestamp { timestamp })?;
    let mut names_left = BTreeMap::<NodeId, u32>::new();
    for (_, id, _) in tree.iter() {
        *names_left.entry(id).or_default() += 1;
    }
    let links = names_left.clone();
    let mut inodes = BTreeMap::<NodeId, u32>::new();
    for (path, id, node) in tree.iter() {
        let next = u32::try_from(inodes.len() + 1).map_err(|_| WriteError::TooMany)?;
        let inode = *inodes.entry(id).or_insert(next);
        let left = names_left.entry(id).or_default();
        *left -= 1;
        if !node.metadata.xattrs.is_empty() {
            return Err(WriteError::Xattrs { path: path.clone() });
        }
        let header = Header {
            inode,
            mode: file_type(&node.kind) | u32::from(node.metadata.mode),
            uid: node.metadata.uid,
            gid: node.metadata.gid,
            links: links[&id],
            time,
            // The content goes with the last name of a file: readers link the others to it.
            size: match *left {
                0 => size(path, &node.kind)?,
                _ => 0,
            },
            device: device(&node.kind),
        };
        let name = match path.is_root() {
            true => b".",
            false => path.as_bytes(),
        };
        if name.len() >= MAX_NAME {
            return Err(WriteError::Name { path: path.clone() });
        }
        write_header(out, &header, name)?;
        if header.size > 0 {
            write_body(out, path, node)?;
            pad(out, u64::from(header.size))?;
        }
    }
    let trailer = Header {
        inode: 0,
        mode: 0,
        uid: 0,
        gid: 0,
        links: 1,
        time: 0,
        size: 0,
        device: Device { major: 0, minor: 0 },
    };
    write_header(out, &trailer, b"TRAILER!!!")?;
    Ok(())
}

fn write_header(out: &mut impl Write, header: &Header, name: &[u8]) -> io::Result<()> {
    let Header {
        inode,
        mode,
        uid,
        gid,
        links,
        time,
        size,
        device: Device { major, minor },
    } = header;
    let name_size = name.len() + 1;
    write!(
        out,
        "070701{inode:08X}{mode:08X}{uid:08X}{gid:08X}{links:08X}{time:08X}{size:08X}\
         {:08X}{:08X}{major:08X}{minor:08X}{name_size:08X}{:08X}",
        0, 0, 0
    )?;
    out.write_all(name)?;
    out.write_all(&[0])?;
    pad(out, 110 + name_size as u64)
}

/// Headers and contents start at multiples of 4 bytes.
fn pad(out: &mut impl Write, length: u64) -> io::Result<()> {
    let padding = length.next_multiple_of(4) - length;
    io::copy(&mut io::Read::take(io::repeat(0), padding), out).map(|_| ())
}

fn write_body(out: &mut impl Write, path: &TreePath, node: &Node) -> Result<(), WriteError> {
    match &node.kind {
        NodeKind::File(content) => {
            let fail = |reason| WriteError::Content {
                path: path.clone(),
                reason,
            };
            let mut reader = content.open().map_err(fail)?;
            let mut buffer = [0; 64 << 10];
            loop {
                match io::Read::read(&mut reader, &mut buffer).map_err(fail)? {
                    0 => return Ok(()),
                    read => out.write_all(&buffer[..read])?,
                }
            }
        }
        NodeKind::Symlink(target) => Ok(out.write_all(target)?),
        _ => Ok(()),
    }
}

fn size(path: &TreePath, kind: &NodeKind) -> Result<u32, WriteError> {
    match kind {
        NodeKind::File(content) => u32::try_from(content.len()).map_err(|_| WriteError::TooLarge {
            path: path.clone(),
            length: content.len(),
        }),
        NodeKind::Symlink(target) => match u32::try_from(target.len()) {
            Ok(length) if target.len() < MAX_NAME => Ok(length),
            _ => Err(WriteError::Name { path: path.clone() }),
        },
        _ => Ok(0),
    }
}

fn device(kind: &NodeKind) -> Device {
    match kind {
        NodeKind::CharacterDevice(device) | NodeKind::BlockDevice(device) => *device,
        _ => Device { major: 0, minor: 0 },
    }
}

/// The type bits of `st_mode` (inode(7)).
const fn file_type(kind: &NodeKind) -> u32 {
    match kind {
        NodeKind::Fifo => 0o010_000,
        NodeKind::CharacterDevice(_) => 0o020_000,
        NodeKind::Directory => 0o040_000,
        NodeKind::BlockDevice(_) => 0o060_000,
        NodeKind::File(_) => 0o100_000,
        NodeKind::Symlink(_) => 0o120_000,
        NodeKind::Socket => 0o140_000,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::{Command, Stdio};

    use crate::initrd::write;
    use crate::recipe::Compression;
    use crate::tree::{Content, Device, Metadata, Node, NodeKind, Origin, Tree, TreePath};

    fn path(bytes: &[u8]) -> TreePath {
        TreePath::parse(bytes).unwrap()
    }

    fn node(kind: NodeKind, mode: u16) -> Node {
        Node {
            kind,
            metadata: Metadata {
                uid: 7,
                gid: 8,
                ..Metadata::root_owned(mode)
            },
            origin: Origin::rule("test"),
        }
    }

    fn file(content: &[u8]) -> Node {
        node(NodeKind::File(Content::bytes(content)), 0o644)
    }

    fn sample(with_devices: bool) -> Tree {
        let mut tree = Tree::new(Origin::rule("test"));
        tree.insert(path(b"dir"), node(NodeKind::Directory, 0o750))
            .unwrap();
        tree.insert(path(b"dir/\xff\xfe"), file(b"12345")).unwrap();
        tree.insert(path(b"dir/empty"), file(b"")).unwrap();
        tree.insert(path(b"dir/two"), file(b"shared")).unwrap();
        tree.link(path(b"one"), &path(b"dir/two")).unwrap();
        let link = NodeKind::Symlink(b"dir/two".to_vec());
        tree.insert(path(b"link"), node(link, 0o777)).unwrap();
        if with_devices {
            let console = NodeKind::CharacterDevice(Device { major: 5, minor: 1 });
            tree.insert(path(b"console"), node(console, 0o600)).unwrap();
            tree.insert(path(b"pipe"), node(NodeKind::Fifo, 0o4755))
                .unwrap();
        }
        tree
    }

    fn written(tree: &Tree, compression: Compression) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(tree, compression, 1_700_000_000, &mut bytes).unwrap();
        bytes
    }

    fn cpio(arguments: &[&str], folder: &std::path::Path, archive: &[u8]) -> String {
        let mut child = Command::new("cpio")
            .args(arguments)
            .current_dir(folder)
            .env("TZ", "UTC")
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("cpio: install the Debian package cpio");
        let mut input = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut input, archive).unwrap();
        drop(input);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[test]
    fn cpio_lists_what_was_written() {
        let here = std::env::temp_dir();
        let listing = cpio(
            &["-itvn"],
            &here,
            &written(&sample(true), Compression::None),
        );
        let lines: Vec<String> = listing
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "drwxr-xr-x 1 0 0 0 Nov 14 2023 .",
                "crw------- 1 7 8 5, 1 Nov 14 2023 console",
                "drwxr-x--- 1 7 8 0 Nov 14 2023 dir",
                "-rw-r--r-- 1 7 8 0 Nov 14 2023 dir/empty",
                "-rw-r--r-- 2 7 8 0 Nov 14 2023 dir/two",
                "-rw-r--r-- 1 7 8 5 Nov 14 2023 dir/\u{fffd}\u{fffd}",
                "lrwxrwxrwx 1 7 8 7 Nov 14 2023 link -> dir/two",
                "-rw-r--r-- 2 7 8 6 Nov 14 2023 one",
                "prwsr-xr-x 1 7 8 0 Nov 14 2023 pipe",
            ]
        );
    }

    #[test]
    fn cpio_unpacks_contents_and_hard_links() {
        let folder = tempfile::tempdir().unwrap();
        let archive = written(&sample(false), Compression::None);
        cpio(&["-id", "--no-preserve-owner"], folder.path(), &archive);
        let inode = |name: &str| {
            std::os::unix::fs::MetadataExt::ino(&folder.path().join(name).metadata().unwrap())
        };
        assert_eq!(inode("one"), inode("dir/two"));
        assert_eq!(inode("link"), inode("one"));
        assert_eq!(std::fs::read(folder.path().join("one")).unwrap(), b"shared");
        assert_eq!(std::fs::read(folder.path().join("dir/empty")).unwrap(), b"");
        let name = std::os::unix::ffi::OsStrExt::from_bytes(b"dir/\xff\xfe");
        let name: &std::ffi::OsStr = name;
        assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), b"12345");
    }

    #[test]
    fn every_compression_holds_the_same_archive_and_nothing_of_the_host() {
        let tree = sample(true);
        let plain = written(&tree, Compression::None);
        let gzip = written(&tree, Compression::Gzip);
        // No flags, no time, no name, and no telling operating system (RFC 1952, 2.3).
        assert_eq!(gzip[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
        assert_eq!(gzip[9], 255);
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&gzip[..])
            .read_to_end(&mut unpacked)
            .unwrap();
        assert!(unpacked == plain);
        let zstd = written(&tree, Compression::Zstd);
        assert!(zstd::decode_all(&zstd[..]).unwrap() == plain);
        assert!(zstd == written(&tree, Compression::Zstd));
    }

    #[test]
    fn what_the_format_cannot_hold_is_an_error() {
        let refusal = |tree: &Tree, time| {
            write(tree, Compression::None, time, &mut Vec::new())
                .unwrap_err()
                .to_string()
        };
        let mut tree = Tree::new(Origin::rule("test"));
        assert_eq!(
            refusal(&tree, 1 << 32),
            "initrd: the timestamp 4294967296 does not fit the 32 bits of a cpio archive"
        );
        let huge = Content::Path {
            path: "/nowhere".into(),
            length: 1 << 32,
        };
        tree.insert(path(b"huge"), node(NodeKind::File(huge), 0o644))
            .unwrap();
        assert_eq!(
            refusal(&tree, 0),
            "initrd: /huge has 4294967296 bytes; a file of a cpio archive ends at 4 GiB"
        );
        let mut capable = file(b"");
        capable
            .metadata
            .xattrs
            .insert(b"security.capability".to_vec(), vec![1]);
        tree.insert(path(b"a"), capable).unwrap();
        assert_eq!(
            refusal(&tree, 0),
            "initrd: /a has extended attributes, which a cpio archive cannot hold"
        );
    }
}
