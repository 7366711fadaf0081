//! What is written is what is read, and the same tree gives the same bytes.

use std::io::{self, Write};
use std::sync::Arc;

use guestmark_builder::erofs::{self, BLOCK_SIZE, Reader, WriteError};
use guestmark_builder::tree::{Content, NodeKind, Origin, Tree};

use crate::sample;

#[test]
fn everything_written_is_read_back() {
    let tree = sample::tree(&sample::everything());
    let (bytes, map) = sample::image(&tree);
    let reader = sample::open(&bytes);
    sample::assert_same(&reader.tree(&Origin::rule("read")).unwrap(), &tree);

    assert_eq!(bytes.len() as u64 % BLOCK_SIZE, 0);
    assert_eq!(map.size, bytes.len() as u64);
    assert_eq!(reader.size(), map.size);
    assert_eq!(reader.inode_count(), map.inodes.len() as u64);
    assert_eq!(reader.uuid(), sample::options().uuid);
    assert_eq!(reader.timestamp(), sample::options().timestamp);
    assert_eq!(reader.volume_name(), "sample");
}

#[test]
fn an_image_read_and_written_again_is_the_same_image() {
    let (bytes, _) = sample::image(&sample::tree(&sample::everything()));
    let read = sample::open(&bytes).tree(&Origin::rule("read")).unwrap();
    assert!(sample::image(&read).0 == bytes);
}

#[test]
fn the_order_in_which_a_tree_was_built_does_not_show() {
    let mut entries = sample::everything();
    let (bytes, map) = sample::image(&sample::tree(&entries));
    assert!(sample::image(&sample::tree(&entries)).0 == bytes);
    entries.reverse();
    let (reversed_bytes, reversed_map) = sample::image(&sample::tree(&entries));
    assert!(reversed_bytes == bytes);
    assert_eq!(reversed_map, map);
}

#[test]
fn an_empty_tree_is_one_block() {
    let tree = Tree::new(Origin::rule("test"));
    let (bytes, _) = sample::image(&tree);
    assert_eq!(bytes.len() as u64, BLOCK_SIZE);
    let read = sample::open(&bytes).tree(&Origin::rule("read")).unwrap();
    sample::assert_same(&read, &tree);
}

#[test]
fn an_image_is_found_inside_of_a_disk() {
    let tree = sample::tree(&sample::everything());
    let (bytes, _) = sample::image(&tree);
    let mut disk = tempfile::tempfile().unwrap();
    disk.write_all(&[0xee; 1_048_576]).unwrap();
    disk.write_all(&bytes).unwrap();
    disk.write_all(&[0xee; 5000]).unwrap();
    let reader = Reader::open(Arc::new(disk), 1_048_576, bytes.len() as u64 + 5000).unwrap();
    let read = reader.tree(&Origin::rule("read")).unwrap();
    sample::assert_same(&read, &tree);
}

/// Takes the start of an image and then refuses.
struct Head(Vec<u8>);

impl Write for Head {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.is_empty() {
            true => self.0.extend_from_slice(bytes),
            false => return Err(io::ErrorKind::StorageFull.into()),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A tree with a file of zeros past 32 bits of size, whose last bytes are "end", and the sparse
/// image of it.
pub(crate) fn past_32_bits(folder: &std::path::Path) -> (Tree, std::path::PathBuf) {
    const SIZE: u64 = 5 << 30 | 1003;
    let source = folder.join("source");
    let mut file = std::fs::File::create(&source).unwrap();
    file.set_len(SIZE - 3).unwrap();
    io::Seek::seek(&mut file, io::SeekFrom::End(0)).unwrap();
    file.write_all(b"end").unwrap();
    let content = Content::Path {
        path: source,
        length: SIZE,
    };
    let mut tree = Tree::new(Origin::rule("test"));
    let mut insert = |path, kind| tree.insert(sample::path(path), sample::node(kind)).unwrap();
    insert("large", NodeKind::File(content));
    insert("small", sample::file(1, 10));

    // The file's blocks are zeros, so the image is its first bytes and a hole: nothing of the
    // rest needs to be written.
    let mut head = Head(Vec::new());
    let error = erofs::write(&tree, &sample::options(), &mut head).unwrap_err();
    assert!(matches!(error, WriteError::Output(_)), "{error}");
    let blocks = u32::from_le_bytes(head.0[1024 + 36..][..4].try_into().unwrap());
    let image = folder.join("image");
    std::fs::write(&image, head.0).unwrap();
    let file = std::fs::File::options().write(true).open(&image).unwrap();
    file.set_len(u64::from(blocks) * BLOCK_SIZE).unwrap();
    (tree, image)
}

#[test]
fn a_size_past_32_bits_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (_, image) = past_32_bits(folder.path());
    let tree = sample::open_file(&image)
        .tree(&Origin::rule("read"))
        .unwrap();
    let NodeKind::File(content) = &tree.get(&sample::path("large")).unwrap().kind else {
        panic!("not a file");
    };
    assert_eq!(content.len(), 5 << 30 | 1003);
    let mut end = String::new();
    let mut reader = content.open_at(content.len() - 5).unwrap();
    io::Read::read_to_string(&mut reader, &mut end).unwrap();
    assert_eq!(end, "\0\0end");
}
