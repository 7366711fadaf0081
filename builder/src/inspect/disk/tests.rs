use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::disk::{DiskImage, DiskWriter};
use crate::erofs::{self, Options, VolumeName};
use crate::tree::{Content, Metadata, Node, NodeKind, Origin, Tree, TreePath};
use crate::verity::Parameters;

/// A file system of a few blocks.
fn tree() -> Tree {
    let mut tree = Tree::new(Origin::rule("test"));
    for (name, length) in [("large", 3 << 20), ("small", 7)] {
        let node = Node {
            kind: NodeKind::File(Content::bytes(vec![b'x'; length])),
            metadata: Metadata::root_owned(0o644),
            origin: Origin::rule("test"),
        };
        tree.insert(TreePath::parse(name.as_bytes()).unwrap(), node)
            .unwrap();
    }
    tree
}

/// A disk image of ours.
fn disk(folder: &TempDir, salt: &str, superblock: Option<Uuid>) -> (PathBuf, DiskImage) {
    let path = folder.path().join("disk.img");
    let mut options = File::options();
    let file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .unwrap();
    let disk = DiskWriter::new(file, None).unwrap();
    let options = Options {
        uuid: Uuid::from_u128(0x1234),
        timestamp: 1_700_000_000,
        volume_name: VolumeName::default(),
    };
    let image = erofs::write(&tree(), &options, &mut disk.root()).unwrap();
    let parameters = Parameters {
        salt: salt.parse().unwrap(),
        uuid: superblock,
    };
    (path, disk.finish(image.size, &parameters).unwrap())
}

fn read(path: &Path) -> Result<DiskFacts, GptError> {
    let file = File::open(path).unwrap();
    let length = file.metadata().unwrap().len();
    let mut start = vec![0; 8192];
    std::io::Read::read(&mut &file, &mut start).unwrap();
    DiskFacts::read(file, length, sector_size(&start).unwrap())
}

fn refused(path: &Path) -> String {
    read(path).unwrap_err().to_string()
}

fn check(path: &Path) -> HashTreeCheck {
    read(path).unwrap().hash_trees[0].check.clone()
}

/// Overwrites bytes of a file.
fn patch(path: &Path, offset: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, bytes, offset).unwrap();
}

fn patch_u32(path: &Path, offset: u64, number: u32) {
    patch(path, offset, &number.to_le_bytes());
}

/// Writes the checksum of the header at the start of the disk, and of its entries.
fn seal(path: &Path) {
    let bytes = fs_err::read(path).unwrap();
    patch_u32(
        path,
        512 + 88,
        crc32fast::hash(&bytes[1024..1024 + 128 * 128]),
    );
    let mut header = fs_err::read(path).unwrap()[512..512 + 92].to_vec();
    header[16..20].fill(0);
    patch_u32(path, 512 + 16, crc32fast::hash(&header));
}

/// Runs `sfdisk` with this script on an image of `mebibytes`.
fn sfdisk(folder: &TempDir, mebibytes: u64, script: &str) -> PathBuf {
    let path = folder.path().join("sfdisk.img");
    std::fs::File::create(&path)
        .unwrap()
        .set_len(mebibytes << 20)
        .unwrap();
    let mut child = Command::new("sfdisk")
        .arg("--quiet")
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("sfdisk runs (Debian package fdisk)");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success());
    path
}

#[test]
fn our_disk_is_read_with_its_partitions_and_file_system() {
    let folder = tempfile::tempdir().unwrap();
    let (path, image) = disk(&folder, "a5a5", None);
    let facts = read(&path).unwrap();
    assert_eq!(facts.guid, image.guid);
    assert_eq!((facts.sector_size, facts.bytes), (512, image.layout.size));
    assert_eq!(facts.backup_problem, None);
    let [root, hash] = &facts.partitions[..] else {
        panic!("{:?}", facts.partitions);
    };
    assert_eq!((root.number, root.type_name), (1, Some("root-x86-64")));
    assert_eq!(
        (hash.number, hash.type_name),
        (2, Some("root-x86-64-verity"))
    );
    assert_eq!((root.uuid, hash.uuid), (image.root_uuid, image.hash_uuid));
    assert_eq!(root.name, "root-x86-64");
    assert_eq!(
        (root.offset, root.bytes),
        (image.layout.root.offset, image.layout.root.length)
    );
    assert_eq!(
        (hash.offset, hash.bytes),
        (image.layout.hash.offset, image.layout.hash.length)
    );
    assert!(root.read_only && hash.read_only);
    assert_eq!(
        root.content,
        Some(PartitionContent::Erofs(ErofsSuperblock {
            uuid: Uuid::from_u128(0x1234),
            volume_name: String::new(),
            timestamp: 1_700_000_000,
            inodes: 3,
            bytes: image.layout.root.length,
        }))
    );
    assert_eq!(hash.content, None);
    assert_eq!(facts.hash_trees[0].implied_root_hash, image.tree.root_hash);
}

#[test]
fn a_salt_that_is_not_on_the_disk_is_not_guessed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = disk(&folder, "a5a5", None);
    assert_eq!(
        check(&path),
        HashTreeCheck::NotChecked {
            reason: "partition 2 has no superblock, so the salt is not on the disk, and the tree \
                     does not match without one; the salt stands with the root hash in the \
                     kernel command line of the guest's IGVM file"
                .to_owned()
        }
    );
}

#[test]
fn a_tree_whose_salt_is_known_is_checked_to_the_last_block() {
    for (salt, superblock) in [("a5a5", Some(Uuid::from_u128(7))), ("-", None)] {
        let folder = tempfile::tempdir().unwrap();
        let (path, image) = disk(&folder, salt, superblock);
        assert_eq!(
            check(&path),
            HashTreeCheck::Matches {
                data_blocks: image.tree.data_blocks,
                salt: salt.to_owned(),
            }
        );
        let uuid = read(&path).unwrap().hash_trees[0].superblock.clone();
        assert_eq!(uuid.map(|superblock| superblock.uuid), superblock);

        // The last byte of the data, then one of the tree's second level.
        let differs = |reason: String| HashTreeCheck::Differs { reason };
        patch(&path, image.layout.root.end() - 1, b"!");
        let last = image.tree.data_blocks - 1;
        let expected = differs(format!("data block {last} does not match the hash tree"));
        assert_eq!(check(&path), expected);
        patch(&path, image.tree.tree_offset + 4096, b"!");
        let expected = "block 1 of the hash tree does not match the root hash";
        assert_eq!(check(&path), differs(expected.to_owned()));
    }
}

#[test]
fn partition_uuids_of_another_root_hash_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let (path, image) = disk(&folder, "a5a5", Some(Uuid::from_u128(7)));
    patch(&path, 1024 + 16, &[0; 16]);
    seal(&path);
    let HashTreeCheck::Differs { reason } = check(&path) else {
        panic!("{:?}", check(&path));
    };
    let found = image.tree.root_hash.to_string();
    let expected = format!("{}{}", "0".repeat(32), &found[32..]);
    assert_eq!(
        reason,
        format!("the root hash is {found}, expected {expected}")
    );
    let backup = read(&path).unwrap().backup_problem;
    assert_eq!(
        backup.as_deref(),
        Some("it differs from the table at the start")
    );
}

#[test]
fn superblocks_that_lie_are_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let (path, image) = disk(&folder, "a5a5", Some(Uuid::from_u128(7)));
    let superblock = image.layout.hash.offset;
    patch(&path, superblock + 72, &u64::MAX.to_le_bytes());
    assert_eq!(
        check(&path),
        HashTreeCheck::Differs {
            reason: format!(
                "the superblock counts 18446744073709551615 data blocks, partition 1 has {}",
                image.tree.data_blocks
            )
        }
    );
    patch(&path, superblock + 8, &[9]);
    assert_eq!(
        check(&path),
        HashTreeCheck::NotChecked {
            reason: "superblock field version: expected 1, found 9".to_owned()
        }
    );
}

#[test]
fn a_hash_partition_too_small_for_its_tree_is_not_checked() {
    let folder = tempfile::tempdir().unwrap();
    let script = "label: gpt\n\
                  start=2048, size=4096, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\n\
                  start=8192, size=8, type=2C7357ED-EBD2-46D9-AEC1-23D437EC2BF5\n";
    let path = sfdisk(&folder, 8, script);
    assert_eq!(
        check(&path),
        HashTreeCheck::NotChecked {
            reason: "partition 2 has 4096 bytes, the hash tree of 512 blocks takes 20480"
                .to_owned()
        }
    );
}

#[test]
fn a_table_made_by_sfdisk_is_read_as_it_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    let script = "label: gpt\n\
                  label-id: 6A0F0B6C-0F6C-4C54-9C5B-3C7B6E1B7F11\n\
                  start=2048, size=2048, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, \
                  uuid=00112233-4455-6677-8899-AABBCCDDEEFF, name=\"EFI é\"\n\
                  5: start=4096, size=1, type=00000000-0000-0000-0000-00000000ABCD, \
                  attrs=\"RequiredPartition GUID:60\"\n";
    let path = sfdisk(&folder, 8, script);
    let facts = read(&path).unwrap();
    assert_eq!(
        facts.guid.to_string(),
        "6a0f0b6c-0f6c-4c54-9c5b-3c7b6e1b7f11"
    );
    assert_eq!(facts.backup_problem, None);
    let partitions = serde_json::to_value(&facts.partitions).unwrap();
    assert_eq!(
        partitions[0]["uuid"],
        "00112233-4455-6677-8899-aabbccddeeff"
    );
    assert_eq!(partitions[0]["type_name"], "esp");
    assert_eq!(partitions[0]["name"], "EFI é");
    assert_eq!(partitions[0]["read_only"], false);
    assert_eq!(partitions[1]["number"], 5);
    assert_eq!(partitions[1]["type_name"], json!(null));
    assert_eq!(partitions[1]["attributes"], "0x1000000000000001");
    assert_eq!(
        (facts.partitions[1].offset, facts.partitions[1].bytes),
        (4096 * 512, 512)
    );
    assert!(facts.hash_trees.is_empty());
}

#[test]
fn damaged_headers_and_entries_are_refused_by_field() {
    let folder = tempfile::tempdir().unwrap();
    let damaged = |offset, bytes: &[u8], sealed: bool| {
        let (path, _) = disk(&folder, "-", None);
        patch(&path, offset, bytes);
        if sealed {
            seal(&path);
        }
        refused(&path)
    };
    assert!(damaged(512 + 56, &[1], false).contains("HeaderCRC32 is 0x"));
    assert!(damaged(1024 + 56, b"!", false).contains("but the entries have the CRC-32 0x"));
    let header = "GPT header at offset 0x200: ";
    for (offset, bytes, message) in [
        (12, &[91][..], "HeaderSize is 0x5b, expected 92 to 512"),
        (12, &[0, 4], "HeaderSize is 0x400, expected 92 to 512"),
        (24, &[2], "MyLBA is 0x2, expected 0x1"),
        (
            84,
            &[96],
            "SizeOfPartitionEntry is 0x60, expected 128 or a larger power of two",
        ),
        (
            80,
            &[0xff, 0xff, 0xff, 0xff],
            "NumberOfPartitionEntries is 0xffffffff, expected entries of at most 1 MiB in all",
        ),
        (
            72,
            &[0xff; 8],
            "PartitionEntryLBA is 0xffffffffffffffff, expected entries inside the disk",
        ),
    ] {
        assert_eq!(
            damaged(512 + offset, bytes, true),
            format!("{header}{message}")
        );
    }
}

#[test]
fn partitions_lie_apart_and_inside_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (path, image) = disk(&folder, "-", None);
    // The second starts where the first does.
    patch(&path, 1024 + 128 + 32, &2048_u64.to_le_bytes());
    seal(&path);
    let message = "partitions 1 and 2 overlap; the table is damaged";
    assert_eq!(refused(&path), message);
    patch(&path, 1024 + 128 + 40, &u64::MAX.to_le_bytes());
    seal(&path);
    let last_usable = image.layout.size / 512 - 34;
    assert_eq!(
        refused(&path),
        format!(
            "partition 2 takes sectors 2048 to 18446744073709551615, expected sectors within \
             34..{}; the image is damaged or cut short",
            last_usable + 1
        )
    );
}

#[test]
fn an_image_cut_short_tells_which_partition_lost_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let (path, image) = disk(&folder, "-", None);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(image.layout.hash.offset + 512).unwrap();
    assert!(refused(&path).starts_with("partition 2 takes sectors"));
    file.set_len(2048).unwrap();
    assert_eq!(
        refused(&path),
        "GPT header at offset 0x200: PartitionEntryLBA is 0x2, expected entries inside the disk"
    );
}

#[test]
fn a_lost_backup_is_a_fact_and_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let (path, image) = disk(&folder, "-", None);
    let last = image.layout.size / 512 - 1;
    patch(&path, last * 512, &[0; 512]);
    assert_eq!(
        read(&path).unwrap().backup_problem.unwrap(),
        format!(
            "GPT header at offset {:#x}: Signature is 0x0, expected 0x5452415020494645, \
             \"EFI PART\"",
            last * 512
        )
    );
}

#[test]
fn a_damaged_file_system_does_not_hide_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let (path, image) = disk(&folder, "-", None);
    patch(&path, image.layout.root.offset + 1024 + 12, &[63]);
    let facts = read(&path).unwrap();
    assert!(matches!(
        &facts.partitions[0].content,
        Some(PartitionContent::UnreadableErofs { problem }) if problem.contains("block size")
    ));
    assert!(matches!(
        facts.hash_trees[0].check,
        HashTreeCheck::Differs { .. }
    ));
}

#[test]
fn sectors_of_4096_bytes_are_found_too() {
    let mut start = vec![0; 8192];
    assert_eq!(sector_size(&start), None);
    start[4096..4104].copy_from_slice(&gpt::SIGNATURE);
    assert_eq!(sector_size(&start), Some(4096));
    assert_eq!(sector_size(&start[..4100]), None);
}
