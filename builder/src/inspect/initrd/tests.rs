use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::*;
use crate::initrd::write;
use crate::inspect::listing::{FileType, Mode};
use crate::recipe::Compression as Wanted;
use crate::tree::{Content, Device, Metadata, Node, NodeKind, Origin, Tree, TreePath};

fn read_within(archive: &[u8], limit: u64) -> Result<InitrdFacts, InitrdError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(archive).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    InitrdFacts::read(file, archive.len() as u64, limit)
}

fn read(archive: &[u8]) -> InitrdFacts {
    read_within(archive, UNPACKED_LIMIT).unwrap()
}

fn refused(archive: &[u8]) -> String {
    read_within(archive, UNPACKED_LIMIT)
        .unwrap_err()
        .to_string()
}

fn paths(facts: &InitrdFacts) -> Vec<&str> {
    facts.entries.iter().map(|entry| &*entry.path).collect()
}

fn insert(tree: &mut Tree, path: &[u8], kind: NodeKind, mode: u16) {
    let node = Node {
        kind,
        metadata: Metadata {
            uid: 7,
            gid: 8,
            ..Metadata::root_owned(mode)
        },
        origin: Origin::rule("test"),
    };
    tree.insert(TreePath::parse(path).unwrap(), node).unwrap();
}

fn tree() -> Tree {
    let mut tree = Tree::new(Origin::rule("test"));
    let file = NodeKind::File(Content::bytes(*b"shared"));
    insert(&mut tree, b"bin", NodeKind::Directory, 0o750);
    insert(&mut tree, b"bin/busybox", file, 0o4755);
    let busybox = TreePath::parse(b"bin/busybox").unwrap();
    tree.link(TreePath::parse(b"bin/sh").unwrap(), &busybox)
        .unwrap();
    let console = NodeKind::CharacterDevice(Device { major: 5, minor: 1 });
    insert(&mut tree, b"console", console, 0o600);
    insert(&mut tree, b"name-\xff\n", NodeKind::Fifo, 0o644);
    insert(
        &mut tree,
        b"link",
        NodeKind::Symlink(b"bin/sh".to_vec()),
        0o777,
    );
    tree
}

fn ours(compression: Wanted) -> Vec<u8> {
    let mut archive = Vec::new();
    write(&tree(), compression, 1, &mut archive).unwrap();
    archive
}

fn run(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} (Debian package of that name): {error}"));
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[test]
fn our_initrd_is_listed_the_same_in_every_compression() {
    let expected: Value = json!([
        { "path": ".", "type": "directory", "mode": "0755", "uid": 0, "gid": 0, "size": 0 },
        { "path": "bin", "type": "directory", "mode": "0750", "uid": 7, "gid": 8, "size": 0 },
        { "path": "bin/busybox", "type": "file", "mode": "4755", "uid": 7, "gid": 8, "size": 6 },
        {
            "path": "bin/sh", "type": "file", "mode": "4755", "uid": 7, "gid": 8, "size": 6,
            "hard_link_to": "bin/busybox"
        },
        {
            "path": "console", "type": "character-device", "mode": "0600", "uid": 7, "gid": 8,
            "size": 0, "device": "5:1"
        },
        {
            "path": "link", "type": "symlink", "mode": "0777", "uid": 7, "gid": 8, "size": 6,
            "target": "bin/sh"
        },
        {
            "path": r"name-\xff\x0a", "type": "fifo", "mode": "0644", "uid": 7, "gid": 8, "size": 0
        },
    ]);
    let plain = ours(Wanted::None).len() as u64;
    for (wanted, found) in [
        (Wanted::None, Compression::None),
        (Wanted::Gzip, Compression::Gzip),
        (Wanted::Zstd, Compression::Zstd),
    ] {
        let archive = ours(wanted);
        let facts = read(&archive);
        assert_eq!(serde_json::to_value(&facts.entries).unwrap(), expected);
        assert_eq!(
            facts.segments,
            [Segment {
                offset: 0,
                compression: found,
                bytes: archive.len() as u64,
                unpacked_bytes: plain,
            }]
        );
    }
}

#[test]
fn archives_of_cpio_gzip_and_zstd_one_after_another_are_one_initrd() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("early")).unwrap();
    fs_err::write(folder.path().join("early/microcode"), [1; 1000]).unwrap();
    let directory = folder.path().to_str().unwrap();
    let plain = run(
        "cpio",
        &["-o", "-H", "newc", "-D", directory],
        b"early\nearly/microcode\n",
    );
    let checked = run("cpio", &["-o", "-H", "crc", "-D", directory], b"early\n");
    let gzip = run("gzip", &["-c"], &checked);
    let zstd = run("zstd", &["-c"], &plain);

    let mut initrd = [plain.clone(), vec![0; 4096]].concat();
    let gzip_start = initrd.len() as u64;
    initrd.extend(&gzip);
    initrd.extend([0; 3]);
    initrd.extend(&zstd);
    let facts = read(&initrd);
    let segments: Vec<_> = facts.segments.iter().map(|part| part.compression).collect();
    assert_eq!(
        segments,
        [Compression::None, Compression::Gzip, Compression::Zstd]
    );
    assert_eq!(
        (facts.segments[1].offset, facts.segments[1].bytes),
        (gzip_start, gzip.len() as u64)
    );
    let both = ["early", "early/microcode"];
    assert_eq!(paths(&facts), [&both[..], &both[..1], &both].concat());
    assert_eq!(
        (facts.entries[1].size, facts.entries[1].file_type),
        (1000, FileType::File)
    );
    assert_eq!(facts.entries[1].mode, Mode(0o644));
}

/// An archive of one header with these fields, in the order of the format, and a name.
fn entry(change: impl FnOnce(&mut [u32; 13]), name: &[u8], content: &[u8]) -> Vec<u8> {
    let mut fields = [0; 13];
    fields[1] = 0o100_644;
    fields[4] = 1;
    fields[6] = u32::try_from(content.len()).unwrap();
    fields[11] = u32::try_from(name.len() + 1).unwrap();
    change(&mut fields);
    let mut archive = b"070701".to_vec();
    archive.extend(
        fields
            .iter()
            .flat_map(|field| format!("{field:08x}").into_bytes()),
    );
    for part in [name, &[0], content] {
        if part == content {
            archive.resize(archive.len().next_multiple_of(4), 0);
        }
        archive.extend(part);
    }
    archive.resize(archive.len().next_multiple_of(4), 0);
    archive
}

fn trailer() -> Vec<u8> {
    entry(|fields| fields[1] = 0, b"TRAILER!!!", b"")
}

#[test]
fn the_content_may_come_with_any_name_of_a_file() {
    let name = |name: &[u8], content: &[u8]| entry(|fields| fields[4] = 3, name, content);
    for contents in [["", "", "1234"], ["", "1234", ""], ["1234", "", ""]] {
        let parts = [b"a", b"b", b"c"].iter().zip(contents);
        let mut archive: Vec<u8> = parts
            .flat_map(|(path, content)| name(&path[..], content.as_bytes()))
            .collect();
        archive.extend(trailer());
        let facts = read(&archive);
        assert!(
            facts.entries.iter().all(|entry| entry.size == 4),
            "{contents:?}"
        );
        assert_eq!(facts.entries[2].hard_link_to.as_deref(), Some("a"));
    }
}

#[test]
fn equal_inode_numbers_in_two_archives_are_no_links() {
    let archive = [entry(|fields| fields[4] = 2, b"a", b""), trailer()].concat();
    let facts = read(&archive.repeat(2));
    assert!(
        facts
            .entries
            .iter()
            .all(|entry| entry.hard_link_to.is_none())
    );
}

#[test]
fn headers_that_make_no_sense_are_refused_by_offset_and_field() {
    let good = entry(|_| {}, b"file", b"");
    let second = |bytes: Vec<u8>| refused(&[good.clone(), bytes].concat());
    let field = |index: usize, value: u32| second(entry(|fields| fields[index] = value, b"x", b""));
    assert_eq!(
        field(11, 0),
        "offset 0x74: c_namesize of a cpio entry is 0x0, expected 1 to 4096 bytes, the last of \
         them NUL"
    );
    assert!(field(11, 0xffff_ffff).contains("c_namesize of a cpio entry is 0xffffffff"));
    assert!(field(11, 1).contains("c_namesize of a cpio entry is 0x1, expected"));
    assert_eq!(
        field(1, 0o070_000),
        "offset 0x74: c_mode of a cpio entry is 0x7000, expected the type of a file"
    );
    assert_eq!(
        second(entry(
            |fields| {
                fields[1] = 0o120_777;
                fields[6] = 4097;
            },
            b"link",
            b""
        )),
        "offset 0x74: c_filesize of a link of a cpio entry is 0x1001, expected at most 4096"
    );
    let mut not_hex = good.clone();
    not_hex[6..14].copy_from_slice(b"+0000001");
    assert_eq!(
        second(not_hex),
        "offset 0x74: c_ino of a cpio entry is \"+0000001\", expected eight hexadecimal digits"
    );
    assert_eq!(
        second(b"070707 and so on".to_vec()),
        "offset 0x74: expected a cpio entry of the form \"newc\", magic 070701 or 070702, found \
         \"070707\""
    );
}

#[test]
fn other_data_after_an_archive_are_named_by_their_first_byte() {
    let archive = [trailer(), b"\xfd7zXZ\0".to_vec()].concat();
    assert_eq!(
        refused(&archive),
        "offset 0x7c: expected a cpio archive (first byte 0x30), gzip (0x1f) or zstd (0x28) data, \
         found 0xfd; unpack other compressions first"
    );
}

#[test]
fn an_initrd_cut_short_anywhere_is_refused() {
    for wanted in [Wanted::None, Wanted::Gzip, Wanted::Zstd] {
        let archive = ours(wanted);
        for length in 1..archive.len() {
            let result = read_within(&archive[..length], UNPACKED_LIMIT);
            assert!(result.is_err(), "{length} of {} bytes", archive.len());
        }
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let zeros = entry(|fields| fields[6] = 0xffff_ffff, b"large", b"");
    let mut packed = zstd::Encoder::new(Vec::new(), 1).unwrap();
    packed.write_all(&zeros).unwrap();
    packed.write_all(&vec![0; 20 << 20]).unwrap();
    let packed = packed.finish().unwrap();
    assert_eq!(
        read_within(&packed, 10 << 20).unwrap_err().to_string(),
        "unpacks to more than 10485760 bytes; no guest could hold such an initrd"
    );
    // Neither do zeros after the end count as nothing, nor do two parts count apart.
    let padded = zstd::encode_all(&[trailer(), vec![0; 6 << 20]].concat()[..], 1).unwrap();
    assert!(read_within(&padded, 10 << 20).is_ok());
    let twice = read_within(&padded.repeat(2), 10 << 20).unwrap_err();
    assert!(
        twice
            .to_string()
            .starts_with("unpacks to more than 10485760 bytes")
    );
}

#[test]
fn a_list_out_of_proportion_is_refused() {
    let long = entry(|_| {}, &[b'\x01'; 4000], b"");
    let archive = zstd::encode_all(&long.repeat(20_000)[..], 1).unwrap();
    assert!(refused(&archive).starts_with("has so many or such long names"));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        changes in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(),
            proptest::num::u8::ANY), 1..6),
    ) {
        let mut archive = ours(Wanted::None);
        for (place, byte) in changes {
            let at = place.index(archive.len());
            archive[at] = byte;
        }
        let _ = read_within(&archive, 64 << 20);
    }
}
