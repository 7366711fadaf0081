//! EROFS images that someone has changed: no panic, no hang, no memory beyond the image's measure.
//!
//! A test binary of its own, because it limits the memory of its process.

#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "what fails or does not fit fails the test, in its helpers too"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use guestmark_builder::erofs::{self, Options, Reader, VolumeName};
use guestmark_builder::tree::{Content, Metadata, Node, NodeKind, Origin, Tree, TreePath};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use uuid::Uuid;

/// What the process may use: a hundred times the images of these tests, and a small part of what
/// their 32-bit and 64-bit numbers can ask for.
const MEMORY: u64 = 1 << 30;

fn limit_memory() {
    let limit = Rlimit {
        current: Some(MEMORY),
        ..getrlimit(Resource::As)
    };
    setrlimit(Resource::As, limit).unwrap();
}

fn insert(tree: &mut Tree, path: &str, kind: NodeKind, xattrs: &[(&str, &[u8])]) {
    let mut metadata = Metadata::root_owned(0o644);
    metadata.xattrs = xattrs
        .iter()
        .map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()))
        .collect();
    let node = Node {
        kind,
        metadata,
        origin: Origin::rule("test"),
    };
    let path = TreePath::parse(path.as_bytes()).unwrap();
    tree.insert(path, node).unwrap();
}

fn file(length: usize) -> NodeKind {
    NodeKind::File(Content::bytes(vec![0x5a; length]))
}

/// The image of a tree, without its checksum: or every change of the first block would end
/// there.
fn image(tree: &Tree) -> Vec<u8> {
    let options = Options {
        uuid: Uuid::nil(),
        timestamp: 0,
        volume_name: VolumeName::default(),
    };
    let mut bytes = Vec::new();
    erofs::write(tree, &options, &mut bytes).unwrap();
    bytes[1024 + 8] &= !1;
    bytes
}

/// An image with all that the reader looks at: directories of several blocks, own and shared
/// extended attributes, files with and without blocks, large inodes, links of both kinds.
fn small_image() -> Vec<u8> {
    let mut tree = Tree::new(Origin::rule("test"));
    let label: (&str, &[u8]) = ("security.selinux", b"system_u:object_r:bin_t:s0");
    insert(&mut tree, "usr", NodeKind::Directory, &[label]);
    insert(&mut tree, "usr/bin", NodeKind::Directory, &[label]);
    for number in 0..200 {
        let path = format!("usr/bin/a-program-of-the-number-{number}");
        insert(&mut tree, &path, file(number * 3), &[]);
    }
    insert(
        &mut tree,
        "blocks",
        file(9000),
        &[label, ("user.own", b"value")],
    );
    insert(&mut tree, "whole-blocks", file(8192), &[]);
    insert(
        &mut tree,
        "link",
        NodeKind::Symlink(b"usr/bin".to_vec()),
        &[],
    );
    insert(&mut tree, "fifo", NodeKind::Fifo, &[]);
    insert(&mut tree, "large-owner", file(10), &[]);
    let path = |text: &str| TreePath::parse(text.as_bytes()).unwrap();
    tree.get_mut(&path("large-owner")).unwrap().metadata.uid = 1 << 20;
    tree.link(path("usr/second-name"), &path("blocks")).unwrap();
    image(&tree)
}

/// Reads the image at the start of a file, with every content in it. Returns how many bytes the
/// files have, or what was said.
fn read(file: &Arc<File>, length: u64) -> Result<u64, String> {
    let reader = Reader::open(Arc::clone(file), 0, length).map_err(|error| error.to_string())?;
    let tree = reader
        .tree(&Origin::rule("read"))
        .map_err(|error| error.to_string())?;
    let files: BTreeMap<_, _> = tree
        .iter()
        .filter_map(|(_, id, node)| match &node.kind {
            NodeKind::File(content) => Some((id, content)),
            _ => None,
        })
        .collect();
    let lengths = files
        .values()
        .map(|content| content.to_vec().unwrap().len() as u64);
    Ok(lengths.sum())
}

fn refusal(image: &[u8]) -> String {
    let file = Arc::new(tempfile::tempfile().unwrap());
    file.write_all_at(image, 0).unwrap();
    read(&file, image.len() as u64).unwrap_err()
}

#[test]
fn a_changed_image_is_read_or_refused() {
    limit_memory();
    let image = small_image();
    let length = image.len();
    let file = Arc::new(tempfile::tempfile().unwrap());
    file.write_all_at(&image, 0).unwrap();
    assert!(read(&file, length as u64).unwrap() > 0);

    // The superblock and inodes are more interesting than contents, and numbers at their ends
    // and nids more than others.
    let position = prop_oneof![1024..1280_usize, 1024..8192_usize, 0..length];
    let value = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        any::<[u8; 4]>().prop_map(Vec::from),
        prop::sample::select(vec![0_u8, 0x7f, 0x80, 0xff]).prop_map(|byte| vec![byte; 4]),
        (36..400_u64).prop_map(|nid| nid.to_le_bytes().to_vec()),
    ];
    let changes = prop::collection::vec((position, value), 1..6);
    let end = prop_oneof![9 => Just(length), 1 => 0..length];
    let config = Config {
        cases: 4000,
        rng_seed: RngSeed::Fixed(0x6e05),
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&(changes, end), |(changes, end)| {
            let mut changed = image.clone();
            for (at, bytes) in changes {
                let end = length.min(at + bytes.len());
                changed[at..end].copy_from_slice(&bytes[..end - at]);
            }
            file.write_all_at(&changed, 0).unwrap();
            if let Ok(read) = read(&file, end as u64) {
                prop_assert!(read <= length as u64);
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn files_that_claim_the_same_blocks_again_and_again_are_refused() {
    limit_memory();
    let mut tree = Tree::new(Origin::rule("test"));
    for name in ["a", "b", "c"] {
        insert(&mut tree, name, file(4096), &[]);
    }
    let mut image = image(&tree);
    // Behind the root and its entries at 1152: three inodes of 32 bytes.
    for inode in [1248, 1280, 1312] {
        image[inode + 8..][..4].copy_from_slice(&8192_u32.to_le_bytes());
    }
    assert_eq!(
        refusal(&image),
        "EROFS: by /b, inodes claim more than the 16384 bytes of the image; it is damaged"
    );
}

#[test]
fn an_attribute_that_thousands_of_inodes_share_does_not_fill_the_memory() {
    limit_memory();
    let mut tree = Tree::new(Origin::rule("test"));
    let value = vec![0; 65_000];
    for number in 0..1500 {
        insert(
            &mut tree,
            &format!("{number:04}"),
            file(0),
            &[("user.large", &value)],
        );
    }
    let image = image(&tree);
    assert!(image.len() < 300_000);
    let message = refusal(&image);
    let limit = (64 << 20) + image.len();
    assert!(
        message.ends_with(&format!(
            "names and extended attributes take more than {limit} bytes, the most this reader \
             allows an image of this size"
        )),
        "{message}"
    );
}

#[test]
fn a_directory_inside_of_itself_is_refused() {
    limit_memory();
    let mut tree = Tree::new(Origin::rule("test"));
    insert(&mut tree, "d", NodeKind::Directory, &[]);
    insert(&mut tree, "d/d", NodeKind::Directory, &[]);
    let mut image = image(&tree);
    // The root's entries at 1184 name `d` last, by its nid; the entries of `d` name `d/d` last.
    let nid = image[1184 + 24..][..8].to_vec();
    let entries = u64::from_le_bytes(nid[..].try_into().unwrap()) as usize * 32 + 32;
    image[entries + 24..][..8].copy_from_slice(&nid);
    assert_eq!(
        refusal(&image),
        "EROFS: /d/d is a directory that has another name already; the image is damaged"
    );
}
