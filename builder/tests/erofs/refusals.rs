//! Trees that the format cannot hold, and images that are refused: each with its message.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use guestmark_builder::erofs::{self, Reader};
use guestmark_builder::tree::{Content, Device, NodeKind, Origin, Tree};

use crate::sample;

fn write_refusal(path: &str, kind: NodeKind) -> String {
    let mut tree = Tree::new(Origin::rule("test"));
    tree.insert(sample::path(path), sample::node(kind)).unwrap();
    erofs::write(&tree, &sample::options(), &mut Vec::new())
        .unwrap_err()
        .to_string()
}

#[test]
fn device_numbers_that_linux_does_not_have() {
    let expected = |number| {
        format!(
            "/null: device {number} does not fit: Linux has major numbers up to 4095 and minor \
             numbers up to 1048575"
        )
    };
    for (major, minor) in [(4096, 0), (0, 1 << 20)] {
        let device = NodeKind::CharacterDevice(Device { major, minor });
        assert_eq!(
            write_refusal("null", device),
            expected(format!("{major}:{minor}"))
        );
    }
}

#[test]
fn contents_past_the_last_block() {
    for length in [1 << 44, u64::MAX] {
        let content = Content::Range {
            file: Arc::new(tempfile::tempfile().unwrap()),
            offset: 0,
            length,
        };
        assert_eq!(
            write_refusal("large", NodeKind::File(content)),
            "the tree does not fit: an EROFS image has at most 4294967295 blocks of 4096 bytes"
        );
    }
}

#[test]
fn links_that_linux_does_not_follow() {
    for length in [0, 4096] {
        assert_eq!(
            write_refusal("link", NodeKind::Symlink(vec![b'x'; length])),
            format!("/link: the link's target has {length} bytes; Linux follows 1 to 4095")
        );
    }
}

#[test]
fn a_content_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    std::fs::write(&source, b"12345").unwrap();
    let content = |path| NodeKind::File(Content::Path { path, length: 9000 });
    assert_eq!(
        write_refusal("etc", content(source.clone())),
        format!(
            "/etc: cannot read the file's content: {}: the file changed while it was read: \
             expected 9000 bytes, found 5",
            source.display()
        )
    );
    let missing = write_refusal("etc", content(folder.path().join("missing")));
    assert!(missing.starts_with("/etc: cannot read the file's content: "));
}

#[test]
fn an_output_that_takes_no_more() {
    let mut room = [0; 10_000];
    let mut tree = Tree::new(Origin::rule("test"));
    let file = sample::node(sample::file(1, 100_000));
    tree.insert(sample::path("f"), file).unwrap();
    assert_eq!(
        erofs::write(&tree, &sample::options(), &mut &mut room[..])
            .unwrap_err()
            .to_string(),
        "cannot write the EROFS image: failed to write whole buffer"
    );
}

#[test]
fn what_became_no_directory_but_holds_something() {
    let mut tree = Tree::new(Origin::rule("test"));
    for (path, kind) in [("a", NodeKind::Directory), ("a/b", NodeKind::Fifo)] {
        tree.insert(sample::path(path), sample::node(kind)).unwrap();
    }
    tree.get_mut(&sample::path("a")).unwrap().kind = NodeKind::Fifo;
    assert_eq!(
        erofs::write(&tree, &sample::options(), &mut Vec::new())
            .unwrap_err()
            .to_string(),
        "/a/b: lies below something that is not a directory"
    );
}

fn read_refusal(bytes: &[u8]) -> String {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(bytes, 0).unwrap();
    match Reader::open(Arc::new(file), 0, bytes.len() as u64) {
        Err(error) => error.to_string(),
        Ok(reader) => reader.tree(&Origin::rule("read")).unwrap_err().to_string(),
    }
}

/// An image of a directory with a file and a link, without checksum, so that it can be changed:
/// superblock at 1024, root at 1152, `d` and its entries behind it.
fn small_image() -> Vec<u8> {
    let mut tree = Tree::new(Origin::rule("test"));
    for (path, kind) in [
        ("d", NodeKind::Directory),
        ("d/f", sample::file(1, 5)),
        ("l", NodeKind::Symlink(b"d/f".to_vec())),
    ] {
        tree.insert(sample::path(path), sample::node(kind)).unwrap();
    }
    let (mut bytes, _) = sample::image(&tree);
    bytes[1024 + 8] &= !1;
    bytes
}

#[test]
fn bytes_that_are_no_image() {
    assert_eq!(
        read_refusal(&[0; 4096]),
        "not an EROFS image: expected the magic number 0xe0f5e1e2 at byte 1024, found 0x00000000"
    );
    assert_eq!(
        read_refusal(b"short"),
        "EROFS: the superblock takes 128 bytes from byte 1024, but the image has 5; it is \
         damaged or truncated"
    );
}

#[test]
fn an_image_that_ends_early() {
    let (bytes, _) = sample::image(&sample::tree(&sample::everything()));
    let half = bytes.len() / 2;
    assert_eq!(
        read_refusal(&bytes[..half]),
        format!(
            "EROFS: the image takes {} bytes from byte 0, but the image has {half}; it is damaged \
             or truncated",
            bytes.len()
        )
    );
}

#[test]
fn a_first_block_that_does_not_match_its_checksum() {
    let (mut bytes, _) = sample::image(&Tree::new(Origin::rule("test")));
    bytes[2000] ^= 1;
    let message = read_refusal(&bytes);
    assert!(
        message.starts_with("EROFS: the first block has the checksum 0x"),
        "{message}"
    );
}

#[test]
fn numbers_that_break_the_format_or_go_beyond_this_reader() {
    // Where a byte is changed, to what, and what is said of it.
    for (at, value, expected) in [
        (
            1024 + 12,
            9,
            "the superblock's block size, as a power of two is 0x9, this reader knows 0xc",
        ),
        (
            1024 + 80,
            4,
            "the superblock's incompatible features, besides zero padding, is 0x4",
        ),
        (
            1024 + 14,
            0,
            "byte 0: the inode's mode is 0, expected the type of a file",
        ),
        (
            1152,
            3 << 1,
            "an inode's data layout is 0x3, this reader knows 0x2",
        ),
        (
            1152,
            0x10,
            "byte 1152: the inode's format is 16, expected no bit above the fourth",
        ),
        (1152 + 3, 0xff, "an inode's extended attributes takes 261"),
        (1152 + 6, 9, "/ says it has 9 links, the image has 3"),
        (1152 + 32 + 8, 13, "the offset of the first name is 13"),
        (
            1152 + 32,
            40,
            "the inode number of \".\" or \"..\" in the directory is 40",
        ),
        (
            1152 + 32 + 24,
            36,
            "/d is a directory that has another name already",
        ),
        (
            1152 + 32 + 34,
            1,
            "the file type of an entry in the directory is 1",
        ),
    ] {
        let mut bytes = small_image();
        bytes[at] = value;
        let message = read_refusal(&bytes);
        assert!(message.contains(expected), "byte {at} = {value}: {message}");
    }
}
