//! `guestmark inspect`, as people and scripts call it.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use serde_json::Value;
use tempfile::TempDir;

fn guestmark(arguments: &[&str], file: &Path) -> assert_cmd::assert::Assert {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("guestmark"));
    command.args(arguments).arg(file).assert()
}

/// A disk image with a hash tree without salt, which can be checked by itself.
fn disk(folder: &TempDir) -> PathBuf {
    let root = folder.path().join("root");
    fs::create_dir(&root).expect("a new folder");
    fs::write(root.join("file"), [b'x'; 20_000]).expect("a new file");
    let image = folder.path().join("disk.img");
    let output = image.to_str().expect("a UTF-8 path");
    guestmark(&["pack", "--verity", "--quiet", "-o", output], &root).success();
    image
}

#[test]
fn a_hash_tree_that_matches_is_good_and_one_that_differs_is_bad() {
    let folder = tempfile::tempdir().unwrap();
    let image = disk(&folder);
    guestmark(&["inspect"], &image)
        .success()
        .stdout(contains("root-x86-64-verity").and(contains("matches: all")));

    let facts = guestmark(&["inspect", "--json"], &image).success();
    let facts: Value = serde_json::from_slice(&facts.get_output().stdout).unwrap();
    assert_eq!(facts["schema"], "guestmark/inspect/1");
    assert_eq!(facts["kind"], "disk");
    let root = facts["partitions"][0]["offset"].as_u64().unwrap();

    let file = fs::OpenOptions::new().write(true).open(&image).unwrap();
    file.write_all_at(b"!", root + 8192).unwrap();
    guestmark(&["inspect"], &image).code(1).stdout(contains(
        "DIFFERS: data block 2 does not match the hash tree",
    ));
}

#[test]
fn a_file_of_no_known_kind_is_status_2_with_what_could_be_given() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    fs::write(&file, "not an artifact\n").unwrap();
    guestmark(&["inspect"], &file)
        .code(2)
        .stdout("")
        .stderr(starts_with("guestmark: ").and(contains("not an artifact that can be inspected")));
}
