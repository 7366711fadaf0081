//! `inspect` of every kind of artifact, its verdict, and files that are none.

use std::os::unix::fs::FileExt;
use std::path::Path;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use tempfile::TempDir;

use crate::idblock::{ATTACH, ceremony};
use crate::schema::conforms;
use crate::{guestmark, json, refused, stdout, vectors};

/// A folder with a disk image whose hash tree has no salt, so that it can be checked by itself.
fn folder_with_disk() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("tree")).unwrap();
    fs_err::write(folder.path().join("tree/file"), [b'x'; 20_000]).unwrap();
    stdout(
        folder.path(),
        &["pack", "tree", "--verity", "-o", "disk.img"],
    );
    folder
}

/// What `inspect` says of a file, held against the schema.
fn inspected(folder: &Path, file: &str) -> serde_json::Value {
    let document = json(folder, &["inspect", file]);
    conforms(&document, "inspect");
    assert_eq!(document["file"], file);
    document
}

#[test]
fn a_hash_tree_that_matches_is_good_and_one_that_differs_is_bad() {
    let folder = folder_with_disk();
    let text = stdout(folder.path(), &["inspect", "disk.img"]);
    assert!(text.contains("root-x86-64-verity") && text.contains("matches: all 6 data blocks"));
    let document = inspected(folder.path(), "disk.img");
    assert_eq!(document["kind"], "disk");
    assert_eq!(document["hash_trees"][0]["check"]["result"], "matches");

    let image = folder.path().join("disk.img");
    let image = std::fs::OpenOptions::new().write(true).open(image).unwrap();
    let root = document["partitions"][0]["offset"].as_u64().unwrap();
    image.write_all_at(b"!", root + 8192).unwrap();
    let mut command = guestmark(folder.path());
    let assert = command
        .args(["inspect", "disk.img"])
        .assert()
        .code(1)
        .stderr("");
    assert.stdout(contains(
        "DIFFERS: data block 2 does not match the hash tree",
    ));
}

#[test]
fn an_erofs_image_is_listed() {
    let folder = folder_with_disk();
    stdout(
        folder.path(),
        &["pack", "tree", "--root-owned", "-o", "root.img"],
    );
    let text = stdout(folder.path(), &["inspect", "root.img"]);
    assert!(text.starts_with("Holds       EROFS image, "));
    assert!(text.ends_with("-0644  0:0    20000  /file\n"), "{text}");
    let document = inspected(folder.path(), "root.img");
    assert_eq!(document["entries"][1]["path"], "/file");
}

#[test]
fn an_igvm_file_shows_the_command_line_that_is_measured() {
    let vector = vectors("builder").join("aks-layout/kernel-cmdline");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| vector.join(name).display().to_string();
    let acpi = ["0xe0000", "0x100000", "0x101000"]
        .map(|gpa| format!("{gpa}={}", file(&format!("acpi-{gpa}.bin"))));
    let (kernel, line) = (file("kernel"), file("cmdline"));
    let mut arguments = vec!["assemble", "--layout", "aks", "-o", "guest.igvm"];
    arguments.extend(["--kernel", &kernel, "--cmdline-file", &line]);
    arguments.extend(acpi.iter().flat_map(|acpi| ["--acpi", acpi]));
    stdout(folder.path(), &arguments);

    let line = fs_err::read_to_string(line).unwrap();
    let text = stdout(folder.path(), &["inspect", "guest.igvm"]);
    assert!(
        text.contains(&format!("\nCommand line  {line}\n")),
        "{text}"
    );
    assert!(text.contains("SMT allowed, debugging forbidden"), "{text}");
    let document = inspected(folder.path(), "guest.igvm");
    assert_eq!(document["linux"]["command_line"]["text"], line);
    assert_eq!(document["platforms"][0]["guest_policy"]["bits"], "0x3001f");

    let kernel = inspected(&vector, "kernel");
    assert_eq!(
        (&kernel["kind"], &kernel["bytes"]),
        (&"kernel".into(), &122_560.into())
    );
}

#[test]
fn igvm_files_of_other_makers_conform_too() {
    let folder = vectors("measure").join("launch-digest");
    for entry in fs_err::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".igvm") {
            assert_eq!(inspected(&folder, &name)["kind"], "igvm");
            stdout(&folder, &["inspect", &name]);
        }
    }
}

#[test]
fn a_signed_file_tells_whose_digest_its_id_block_has() {
    let folder = ceremony();
    stdout(folder.path(), &ATTACH);
    let text = stdout(folder.path(), &["inspect", "signed.igvm"]);
    assert!(
        text.contains("\nMatches        this file, launched by spec"),
        "{text}"
    );
    assert!(text.contains("\nGuest SVN      7\n"), "{text}");
    let document = inspected(folder.path(), "signed.igvm");
    assert_eq!(document["id_blocks"][0]["matching_loaders"][0], "spec");
}

#[test]
fn an_id_block_that_allows_debugging_says_so_loudly() {
    let folder = tempfile::tempdir().unwrap();
    let mut block = [0; 96];
    block[0x50] = 1;
    block[0x58..0x5c].copy_from_slice(&0xa_0000_u32.to_le_bytes());
    fs_err::write(folder.path().join("guest.idblock"), block).unwrap();
    let text = stdout(folder.path(), &["inspect", "guest.idblock"]);
    assert!(
        text.contains("DEBUGGING ALLOWED: the host can read the guest's memory"),
        "{text}"
    );
    assert_eq!(
        inspected(folder.path(), "guest.idblock")["kind"],
        "id-block"
    );
}

#[test]
fn an_initrd_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = String::new();
    for (mode, name) in [(0o100_755, "init\0\0"), (0, "TRAILER!!!\0\0\0\0")] {
        let name_size = name.trim_end_matches('\0').len() + 1;
        let zeros = "0".repeat(16);
        archive += &format!(
            "07070100000001{mode:08x}{zeros}00000001{}{name_size:08x}00000000{name}",
            "0".repeat(48)
        );
    }
    fs_err::write(folder.path().join("initrd"), archive).unwrap();
    let document = inspected(folder.path(), "initrd");
    assert_eq!(document["segments"][0]["compression"], "none");
    let text = stdout(folder.path(), &["inspect", "initrd"]);
    assert!(text.ends_with("-0755  0:0    0     init\n"), "{text}");
}

#[test]
fn a_file_of_no_known_kind_is_refused_with_what_could_be_given() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("notes.txt"), "not an artifact\n").unwrap();
    refused(
        folder.path(),
        &["inspect", "notes.txt"],
        "notes.txt: not an artifact that can be inspected; those are IGVM files, disk images with \
         a GPT or an MBR, EROFS and ext4 images, initrds (cpio, plain or with gzip or zstd), ID \
         blocks of 96 bytes and kernels (bzImage)",
    );
    let mut command = guestmark(folder.path());
    let assert = command
        .args(["inspect", "missing"])
        .assert()
        .code(2)
        .stdout("");
    assert.stderr(contains("missing").and(contains("No such file")));
}
