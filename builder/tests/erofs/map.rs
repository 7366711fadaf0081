//! The map of an image: from every byte back to the file it belongs to.

use std::collections::BTreeMap;

use guestmark_builder::erofs::{Holds, Image};
use guestmark_builder::tree::{Content, NodeKind, Origin, Tree};

use crate::sample;

#[test]
fn every_byte_that_is_not_zero_belongs_to_an_inode_or_the_superblock() {
    let (bytes, map) = sample::image(&sample::tree(&sample::everything()));
    let mut position = 0;
    for extent in &map.extents {
        assert!(extent.length > 0 && extent.start >= position, "{extent:?}");
        let gap = &bytes[position as usize..extent.start as usize];
        assert!(gap.iter().all(|&byte| byte == 0), "before {extent:?}");
        assert_eq!(extent.inode.is_none(), extent.holds == Holds::Superblock);
        assert_eq!(map.inode(extent).is_none(), extent.inode.is_none());
        position = extent.start + extent.length;
    }
    assert!(bytes[position as usize..].iter().all(|&byte| byte == 0));
}

#[test]
fn the_contents_of_files_lie_where_the_map_says() {
    let tree = sample::tree(&sample::everything());
    let (bytes, map) = sample::image(&tree);
    let mut pieces: BTreeMap<u32, Vec<&[u8]>> = BTreeMap::new();
    for extent in &map.extents {
        if let (Holds::Content, Some(inode)) = (extent.holds, extent.inode) {
            let piece = &bytes[extent.start as usize..][..extent.length as usize];
            pieces.entry(inode).or_default().push(piece);
        }
    }
    for (number, inode) in (0..).zip(&map.inodes) {
        if let NodeKind::File(content) = &tree.get(&inode.paths[0]).unwrap().kind {
            // The end of a file stands behind its inode, before all blocks.
            let mut pieces = pieces.remove(&number).unwrap_or_default();
            pieces.reverse();
            assert!(
                pieces.concat() == content.to_vec().unwrap(),
                "{:?}",
                inode.paths
            );
        }
    }
    assert!(pieces.is_empty());
}

#[test]
fn a_changed_byte_leads_to_the_package_it_comes_from() {
    let image = |byte: u8| {
        let mut tree = Tree::new(Origin::rule("test"));
        for (name, package, content) in [
            ("a", "alpha", vec![1; 9000]),
            ("b", "beta", vec![byte; 9000]),
        ] {
            let mut node = sample::node(NodeKind::File(Content::bytes(content)));
            node.origin = Origin::package(name, package);
            tree.insert(sample::path(name), node).unwrap();
        }
        sample::image(&tree)
    };
    let ((old, map), (new, _)) = (image(2), image(3));
    let differing: Vec<u64> = (0..map.size)
        .filter(|&at| old[at as usize] != new[at as usize])
        .collect();
    // 9000 bytes of content, and the checksum of the block that holds the end of it.
    assert!((9001..=9004).contains(&differing.len()));
    for at in differing {
        let [extent] = map.extents_in(at..at + 1) else {
            panic!("byte {at} has no extent");
        };
        match map.inode(extent) {
            None => assert_eq!(extent.holds, Holds::Superblock),
            Some(inode) => {
                assert_eq!(inode.paths, [sample::path("b")]);
                assert_eq!(map.origin(inode), Some(&Origin::package("b", "beta")));
            }
        }
    }
}

#[test]
fn a_block_leads_to_all_that_it_holds() {
    let mut tree = Tree::new(Origin::rule("test"));
    tree.insert(sample::path("f"), sample::node(sample::file(1, 10_000)))
        .unwrap();
    let (_, map) = sample::image(&tree);
    let held = |block| -> Vec<(Holds, Option<u32>)> {
        map.extents_in_block(block)
            .iter()
            .map(|extent| (extent.holds, extent.inode))
            .collect()
    };
    let first = [
        (Holds::Superblock, None),
        (Holds::Inode, Some(0)),
        (Holds::Directory, Some(0)),
        (Holds::Inode, Some(1)),
        (Holds::Content, Some(1)),
    ];
    assert_eq!(held(0), first);
    assert_eq!(held(1), [(Holds::Content, Some(1))]);
    assert_eq!(held(2), [(Holds::Content, Some(1))]);
    assert_eq!(held(3), []);
    assert_eq!(held(u64::MAX), []);
}

#[test]
fn the_map_leads_back_from_its_json() {
    let mut tree = Tree::new(Origin::rule("test"));
    let mut node = sample::node(sample::file(1, 3));
    node.origin = Origin::package("coreutils", "9.1-1");
    tree.insert(sample::path(b"caf\xe9"), node).unwrap();
    tree.link(sample::path("z"), &sample::path(b"caf\xe9"))
        .unwrap();
    let (_, map) = sample::image(&tree);
    let json = serde_json::to_string(&map).unwrap();
    assert_eq!(
        json,
        concat!(
            r#"{"size":4096,"#,
            r#""origins":[{"kind":"package","name":"coreutils","version":"9.1-1"},"#,
            r#"{"kind":"rule","name":"test"}],"#,
            r#""inodes":[{"paths":["/"],"origin":1},{"paths":["/caf\\xe9","/z"],"origin":0}],"#,
            r#""extents":[[1024,128,"superblock",null],[1152,32,"inode",0],"#,
            r#"[1184,56,"directory",0],[1248,32,"inode",1],[1280,3,"content",1]]}"#,
        )
    );
    assert_eq!(serde_json::from_str::<Image>(&json).unwrap(), map);
}
