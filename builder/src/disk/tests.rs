use std::io::{Seek, SeekFrom, Write};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::verity::BLOCK_SIZE;

/// Runs `sfdisk` on the image and returns what it prints.
fn sfdisk(option: &str, image: &File) -> String {
    let output = Command::new("sfdisk")
        .arg(option)
        .arg(image.path())
        .env("LC_ALL", "C")
        .output()
        .expect("sfdisk runs (Debian package fdisk)");
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && errors.is_empty(),
        "{text}{errors}"
    );
    text
}

#[track_caller]
fn assert_no_errors(image: &File) {
    let found = sfdisk("--verify", image);
    assert!(found.contains("No errors detected."), "{found}");
}

fn parameters(uuid: Option<Uuid>) -> Parameters {
    Parameters {
        salt: "a5a5".parse().unwrap(),
        uuid,
    }
}

fn file_in(folder: &TempDir) -> File {
    File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(folder.path().join("disk.img"))
        .unwrap()
}

/// A disk whose root file system is `blocks` blocks of 0x5a.
fn disk(
    folder: &TempDir,
    blocks: u64,
    size: Option<&str>,
    uuid: Option<Uuid>,
) -> (File, DiskImage) {
    let file = file_in(folder);
    let kept = File::from_parts(file.file().try_clone().unwrap(), file.path());
    let disk = DiskWriter::new(file, size.map(|size| size.parse().unwrap())).unwrap();
    let mut root = disk.root();
    for _ in 0..blocks {
        root.write_all(&[0x5a; 4096]).unwrap();
    }
    let image = disk.finish(blocks * BLOCK_SIZE, &parameters(uuid)).unwrap();
    (kept, image)
}

#[test]
fn sfdisk_finds_no_fault_and_reads_back_what_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    let (file, image) = disk(&folder, 300, None, None);
    assert_no_errors(&file);

    let dump: Value = serde_json::from_str(&sfdisk("--json", &file)).unwrap();
    let table = &dump["partitiontable"];
    let upper = |uuid: Uuid| uuid.to_string().to_uppercase();
    assert_eq!(table["label"], "gpt");
    assert_eq!(table["id"], upper(image.guid));
    assert_eq!(table["sectorsize"], 512);

    let root_hash = image.tree.root_hash.to_string();
    let plain = |uuid: &Value| uuid.as_str().unwrap().replace('-', "").to_lowercase();
    let [root, hash] = table["partitions"].as_array().unwrap().as_slice() else {
        panic!("{table}");
    };
    assert_eq!(root["type"], "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709");
    assert_eq!(plain(&root["uuid"]), root_hash[..32]);
    assert_eq!(root["name"], "root-x86-64");
    assert_eq!(root["attrs"], "GUID:60");
    assert_eq!(root["start"], 2048);
    assert_eq!(root["size"], 300 * 8);

    assert_eq!(hash["type"], "2C7357ED-EBD2-46D9-AEC1-23D437EC2BF5");
    assert_eq!(plain(&hash["uuid"]), root_hash[32..]);
    assert_eq!(hash["name"], "root-x86-64-verity");
    assert_eq!(hash["attrs"], "GUID:60");
    assert_eq!(hash["start"], 3 * 2048);
    assert_eq!(hash["size"], (3 + 1) * 8);
}

#[test]
fn the_partitions_hold_the_data_and_its_tree() {
    for uuid in [None, Some(Uuid::from_u128(7))] {
        let folder = tempfile::tempdir().unwrap();
        let (file, image) = disk(&folder, 130, None, uuid);
        let root = image.layout.root;
        let data = Data::new(&file, root.offset, root.length).unwrap();
        let salt = parameters(None).salt;
        let tree = image.layout.hash.offset + image.hash_start_block() * BLOCK_SIZE;
        assert_eq!(image.hash_start_block(), u64::from(uuid.is_some()));
        let found = verity::check(data, &file, tree, &salt, image.tree.root_hash);
        assert_eq!(found.unwrap(), None);
        assert_eq!(image.tree.end, image.layout.hash.end());
    }
}

#[test]
fn the_same_content_gives_the_same_disk() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [one, two] = folders.each_ref().map(|folder| {
        let (file, image) = disk(folder, 5, None, None);
        (fs_err::read(file.path()).unwrap(), image)
    });
    assert!(one == two);
}

#[test]
fn what_a_file_held_before_does_not_reach_the_disk() {
    let (fresh, used) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (expected, _) = disk(&fresh, 5, None, None);

    let mut file = file_in(&used);
    file.write_all(&vec![0xff; 8 << 20]).unwrap();
    let path = file.path().to_owned();
    let disk = DiskWriter::new(file, None).unwrap();
    disk.root().write_all(&[0x5a; 5 * 4096]).unwrap();
    disk.finish(5 * BLOCK_SIZE, &parameters(None)).unwrap();
    assert!(fs_err::read(path).unwrap() == fs_err::read(expected.path()).unwrap());
}

#[test]
fn a_disk_is_as_large_as_needed_in_whole_mebibytes_or_exactly_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (file, image) = disk(&folder, 1, None, None);
    assert_eq!(image.layout.size, 3 << 20);
    assert_eq!(file.metadata().unwrap().len(), 3 << 20);

    let folder = tempfile::tempdir().unwrap();
    let (file, image) = disk(&folder, 1, Some("4100 KiB"), None);
    assert_eq!(image.layout.size, 4100 << 10);
    assert_eq!(file.metadata().unwrap().len(), 4100 << 10);
    assert_no_errors(&file);
}

#[test]
fn a_root_file_system_larger_than_the_disk_is_refused_with_the_numbers() {
    let size = Some("2 MiB".parse().unwrap());
    assert_eq!(
        DiskLayout::new(256, false, size).unwrap_err().to_string(),
        "the disk of 2 MiB is too small: a root file system of 1048576 bytes and its hash tree of \
         12288 bytes need at least 3 MiB; raise disk.size, leave it out, or remove files from the \
         root file system"
    );
}

#[test]
fn the_table_and_its_backup_are_all_that_a_disk_needs_besides_the_partitions() {
    // The tree starts at 2 MiB; the backup of the table needs 16.5 KiB.
    let size = |text: &str| Some(text.parse().unwrap());
    assert!(DiskLayout::new(256, false, size("2080 KiB")).is_ok());
    assert!(DiskLayout::new(256, false, size("2076 KiB")).is_err());
}

#[test]
fn no_number_of_blocks_overflows() {
    assert_eq!(
        DiskLayout::new(u64::MAX, true, None)
            .unwrap_err()
            .to_string(),
        "a root file system of 18446744073709551615 blocks is larger than any disk; at most \
         562949953421312 are possible"
    );
    let largest = DiskLayout::new(DiskLayout::MAX_ROOT_BLOCKS, true, None).unwrap();
    assert!(i64::try_from(largest.size).is_ok());
}

#[test]
fn a_writer_seeks_within_its_partition() {
    let folder = tempfile::tempdir().unwrap();
    let file = file_in(&folder);
    let path = file.path().to_owned();
    let disk = DiskWriter::new(file, None).unwrap();
    let mut root = disk.root();
    root.write_all(b"abcdef").unwrap();
    root.seek(SeekFrom::Start(1)).unwrap();
    root.write_all(b"B").unwrap();
    root.seek(SeekFrom::Current(2)).unwrap();
    root.write_all(b"E").unwrap();
    assert_eq!(root.seek(SeekFrom::End(-1)).unwrap(), 5);
    assert!(root.seek(SeekFrom::Current(-6)).is_err());
    assert_eq!(fs_err::read(path).unwrap()[1 << 20..], *b"aBcdEf");
}
