//! Trees to write, and trees as text to compare.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use guestmark_builder::erofs::{self, Image, Options, Reader};
use guestmark_builder::tree::{
    Content, Device, Metadata, Node, NodeId, NodeKind, Origin, Tree, TreePath,
};
use uuid::Uuid;

/// The options that these tests write images with.
pub(crate) fn options() -> Options {
    Options {
        uuid: Uuid::from_u128(0x1234_5678_9abc_def0_1122_3344_5566_7788),
        timestamp: 1_700_000_000,
        volume_name: "sample".parse().unwrap(),
    }
}

pub(crate) fn path(bytes: impl AsRef<[u8]>) -> TreePath {
    TreePath::parse(bytes.as_ref()).unwrap()
}

/// A file of `length` bytes that differ from block to block and from seed to seed.
pub(crate) fn file(seed: u64, length: usize) -> NodeKind {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_le_bytes()
    })
    .flatten()
    .take(length)
    .collect();
    NodeKind::File(Content::bytes(bytes))
}

/// A node owned by root, mode 0644, or 0777 as links always have it.
pub(crate) fn node(kind: NodeKind) -> Node {
    let mode = match kind {
        NodeKind::Symlink(_) => 0o777,
        _ => 0o644,
    };
    Node {
        kind,
        metadata: Metadata::root_owned(mode),
        origin: Origin::rule("test"),
    }
}

/// The entries that every tree of these tests can have.
pub(crate) fn everything() -> Vec<(TreePath, Node)> {
    let mut entries = Vec::new();
    let mut add = |bytes: &[u8], kind| entries.push((path(bytes), node(kind)));

    add(b"empty-directory", NodeKind::Directory);
    add(b"sizes", NodeKind::Directory);
    for size in [
        0, 1, 3900, 4031, 4032, 4063, 4064, 4065, 4095, 4096, 4097, 8192, 300_001,
    ] {
        add(format!("sizes/{size}").as_bytes(), file(size as u64, size));
    }
    add(b"names", NodeKind::Directory);
    add(&[b"names/", &[b'n'; 255][..]].concat(), file(1, 9));
    add(b"names/not-utf8-\xff\xfe", file(2, 9));
    // These sort before "." and "..".
    for name in ["!", "+x", "-", "..."] {
        add(format!("names/{name}").as_bytes(), file(3, 1));
    }
    add(b"links", NodeKind::Directory);
    for length in [1, 100, 4063, 4064, 4095] {
        let name = format!("links/{length}");
        add(name.as_bytes(), NodeKind::Symlink(vec![b'x'; length]));
    }
    add(b"dev", NodeKind::Directory);
    let device = |major, minor| Device { major, minor };
    add(b"dev/null", NodeKind::CharacterDevice(device(1, 3)));
    add(b"dev/sda", NodeKind::BlockDevice(device(8, 0)));
    add(
        b"dev/last",
        NodeKind::CharacterDevice(device(4095, 0xfffff)),
    );
    add(b"dev/fifo", NodeKind::Fifo);
    add(b"dev/socket", NodeKind::Socket);
    add(b"many", NodeKind::Directory);
    for number in 0..10_000 {
        add(
            format!("many/{number:x}").as_bytes(),
            file(number, (number % 7) as usize),
        );
    }
    let mut deep = String::from("deep");
    for _ in 0..200 {
        add(deep.as_bytes(), NodeKind::Directory);
        deep.push_str("/deeper");
    }

    let mut owned = node(file(4, 5000));
    owned.metadata = Metadata {
        mode: 0o6755,
        uid: 70_000,
        gid: 4_000_000_000,
        ..Metadata::default()
    };
    entries.push((path("owned"), owned));
    let mut sticky = node(NodeKind::Directory);
    sticky.metadata = Metadata {
        mode: 0o1777,
        uid: 65_535,
        gid: 65_535,
        ..Metadata::default()
    };
    entries.push((path("sticky"), sticky));
    entries.extend(with_xattrs());
    entries
}

type Xattrs<'a> = &'a [(&'a str, &'a [u8])];

fn with_xattrs() -> Vec<(TreePath, Node)> {
    let capability: &[u8] = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let acl: &[u8] = b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x04\0\xe8\x03\0\0\
        \x04\0\x04\0\xff\xff\xff\xff\x10\0\x04\0\xff\xff\xff\xff\x20\0\x04\0\xff\xff\xff\xff";
    let label: &[u8] = b"system_u:object_r:bin_t:s0\0";
    let large = vec![0xa5; 65_535];
    let mut entries = vec![(path("xattrs"), node(NodeKind::Directory))];
    let rows: [(&str, NodeKind, Xattrs<'_>); 8] = [
        ("ping", file(5, 600), &[("security.capability", capability)]),
        ("acl", file(6, 100), &[("system.posix_acl_access", acl)]),
        (
            "acl-default",
            NodeKind::Directory,
            &[("system.posix_acl_default", acl)],
        ),
        (
            "every-prefix",
            file(7, 4000),
            &[
                ("security.selinux", label),
                ("trusted.overlay.opaque", b"y"),
                ("user.empty", b""),
                ("user.note", b"text"),
            ],
        ),
        ("shared", file(8, 10), &[("security.selinux", label)]),
        (
            "link",
            NodeKind::Symlink(b"ping".to_vec()),
            &[("security.selinux", label), ("trusted.of-a-link", b"1")],
        ),
        ("large", file(9, 5000), &[("user.large", &large)]),
        (
            "large-link",
            NodeKind::Symlink(vec![b'y'; 4000]),
            &[("trusted.large", &large[..4096])],
        ),
    ];
    for (name, kind, xattrs) in rows {
        let mut node = node(kind);
        node.metadata.xattrs = xattrs
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()))
            .collect();
        entries.push((path(format!("xattrs/{name}")), node));
    }
    entries
}

/// Hard links that every tree of these tests can have: second name and first.
pub(crate) const HARD_LINKS: [(&str, &str); 4] = [
    ("hard-link", "sizes/4097"),
    ("names/hard-link", "sizes/4097"),
    ("links/hard-link", "links/100"),
    ("dev/hard-link", "dev/null"),
];

/// The tree of these entries, placed in the order given except that directories come first, and
/// of the hard links.
pub(crate) fn tree(entries: &[(TreePath, Node)]) -> Tree {
    let mut tree = Tree::new(Origin::rule("test"));
    let (mut directories, others): (Vec<_>, Vec<_>) = entries
        .iter()
        .partition(|(_, node)| matches!(node.kind, NodeKind::Directory));
    directories.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (path, node) in directories.into_iter().chain(others) {
        tree.insert(path.clone(), node.clone()).unwrap();
    }
    for (second, first) in HARD_LINKS {
        tree.link(path(second), &path(first)).unwrap();
    }
    tree
}

/// The image of a tree, in memory.
pub(crate) fn image(tree: &Tree) -> (Vec<u8>, Image) {
    let mut bytes = Vec::new();
    let map = erofs::write(tree, &options(), &mut bytes).unwrap();
    (bytes, map)
}

/// Opens an image that lies in memory.
pub(crate) fn open(bytes: &[u8]) -> Reader {
    let file = tempfile::tempfile().unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, bytes, 0).unwrap();
    Reader::open(Arc::new(file), 0, bytes.len() as u64).unwrap()
}

/// Opens an image file.
pub(crate) fn open_file(path: &std::path::Path) -> Reader {
    let file = File::open(path).unwrap();
    let length = file.metadata().unwrap().len();
    Reader::open(Arc::new(file), 0, length).unwrap()
}

/// A tree as text: one line a path, with everything but origins.
pub(crate) fn lines(tree: &Tree) -> Vec<String> {
    let mut first_names: BTreeMap<NodeId, &TreePath> = BTreeMap::new();
    tree.iter()
        .map(|(path, id, node)| {
            let first = *first_names.entry(id).or_insert(path);
            let metadata = &node.metadata;
            let xattrs: Vec<String> = metadata
                .xattrs
                .iter()
                .map(|(name, value)| format!("{}={}", name.escape_ascii(), hex::encode(value)))
                .collect();
            format!(
                "{path:?} {} {:o} {}:{} same as {first:?} {xattrs:?}",
                kind(&node.kind),
                metadata.mode,
                metadata.uid,
                metadata.gid
            )
        })
        .collect()
}

fn kind(kind: &NodeKind) -> String {
    match kind {
        NodeKind::File(content) => {
            let bytes = content.to_vec().unwrap();
            assert_eq!(bytes.len() as u64, content.len());
            format!("file {} {:08x}", bytes.len(), crc32fast::hash(&bytes))
        }
        NodeKind::Symlink(target) => format!("link {}", target.escape_ascii()),
        other => format!("{other:?}"),
    }
}

/// Asserts that two trees are the same, and names the lines that differ.
pub(crate) fn assert_same(found: &Tree, expected: &Tree) {
    let (found, expected) = (lines(found), lines(expected));
    for (found, expected) in found.iter().zip(&expected) {
        assert!(
            found == expected,
            "found    {found:.300}\nexpected {expected:.300}"
        );
    }
    assert_eq!(found.len(), expected.len(), "one tree has more paths");
}
