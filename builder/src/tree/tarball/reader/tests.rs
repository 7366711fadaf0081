use std::io::Write;
use std::process::Command;

use super::super::read_tar;
use super::*;
use crate::tree::tarball::pax::tests::record;
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
    assert!(matches!(&found[4].kind, EntryKind::HardLink { target } if *target == found[3].path));
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
