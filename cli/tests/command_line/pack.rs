//! `pack` against fsck.erofs and sfdisk, and sources that are refused.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::schema::conforms;
use crate::tools::Tool;
use crate::{guestmark, json, misused, refused, stdout};

const FSCK: Tool = Tool {
    command: "fsck.erofs",
    package: "erofs-utils",
};
const SFDISK: Tool = Tool {
    command: "sfdisk",
    package: "fdisk",
};
const VERITYSETUP: Tool = Tool {
    command: "veritysetup",
    package: "cryptsetup-bin",
};
const TAR: Tool = Tool {
    command: "tar",
    package: "tar",
};
const UNSHARE: Tool = Tool {
    command: "unshare",
    package: "util-linux",
};

/// A folder with a small tree in `tree`.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs_err::create_dir_all(tree.join("usr/bin")).unwrap();
    fs_err::write(tree.join("usr/bin/tool"), vec![0x5a; 10_000]).unwrap();
    fs_err::write(tree.join("empty"), "").unwrap();
    symlink("usr/bin", tree.join("bin")).unwrap();
    folder
}

fn read(folder: &TempDir, name: &str) -> Vec<u8> {
    fs_err::read(folder.path().join(name)).unwrap()
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

#[test]
fn a_folder_packs_to_the_same_bytes_twice_and_fsck_finds_it_clean() {
    let folder = folder();
    let document = json(folder.path(), &["pack", "tree", "-o", "one.img"]);
    conforms(&document, "pack");
    assert_eq!(document["entries"], 6);
    stdout(folder.path(), &["pack", "tree", "-o", "two.img"]);
    assert!(read(&folder, "one.img") == read(&folder, "two.img"));
    FSCK.stdout(&[path(&folder, "one.img")]);

    let extracted = path(&folder, "extracted");
    FSCK.stdout(&[format!("--extract={extracted}"), path(&folder, "one.img")]);
    assert_eq!(read(&folder, "extracted/usr/bin/tool"), [0x5a; 10_000]);
    let link = fs_err::read_link(folder.path().join("extracted/bin")).unwrap();
    assert_eq!(link, Path::new("usr/bin"));
}

#[test]
fn a_tar_archive_of_a_folder_packs_to_what_the_folder_does() {
    let folder = folder();
    let tree = path(&folder, "tree");
    TAR.stdout(&["--create", "--file", &path(&folder, "tree.tar"), "--directory", &tree, "."]);
    for source in ["tree", "tree.tar"] {
        let image = format!("{source}.img");
        stdout(folder.path(), &["pack", source, "-o", &image, "--root-owned"]);
    }
    assert!(read(&folder, "tree.img") == read(&folder, "tree.tar.img"));
}

#[test]
fn a_disk_has_a_table_that_sfdisk_verifies_and_a_tree_that_veritysetup_verifies() {
    let folder = folder();
    let request = ["pack", "tree", "-o", "disk.img", "--verity", "--salt", "00ff"];
    let document = json(folder.path(), &request);
    conforms(&document, "pack");
    let verity = &document["verity"];
    let disk = path(&folder, "disk.img");
    SFDISK.stdout(&["--verify", &disk]);

    let table: serde_json::Value = serde_json::from_str(&SFDISK.stdout(&["--json", &disk])).unwrap();
    let partitions = table["partitiontable"]["partitions"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_lowercase();
    assert_eq!(text(&partitions[0]["uuid"]), text(&verity["root_partition_uuid"]));
    assert_eq!(text(&partitions[1]["uuid"]), text(&verity["hash_partition_uuid"]));

    // Each partition as a file of its own, as the kernel shows them to dm-verity.
    let whole = read(&folder, "disk.img");
    for (partition, name) in partitions.iter().zip(["data", "hash"]) {
        let bytes = |key: &str| usize::try_from(partition[key].as_u64().unwrap()).unwrap() * 512;
        let (start, size) = (bytes("start"), bytes("size"));
        fs_err::write(folder.path().join(name), &whole[start..start + size]).unwrap();
    }
    let options = ["verify", "--no-superblock", "--salt=00ff", "--hash=sha256", "--format=1"];
    let mut arguments: Vec<String> = options.map(str::to_owned).to_vec();
    arguments.push(format!("--data-blocks={}", verity["data_blocks"]));
    arguments.extend([path(&folder, "data"), path(&folder, "hash")]);
    arguments.push(verity["root_hash"].as_str().unwrap().to_owned());
    VERITYSETUP.stdout(&arguments);
}

#[test]
fn the_table_fits_80_columns() {
    let folder = folder();
    let table = stdout(folder.path(), &["pack", "tree", "-o", "disk.img", "--verity"]);
    let labels = table.lines().map(|line| line.split("  ").next().unwrap());
    let labels: Vec<_> = labels.collect();
    assert_eq!(labels, ["Image", "Size", "Entries", "Root hash", "Salt", "Data blocks"]);
    assert!(table.lines().all(|line| line.len() <= 80), "{table}");
}

#[test]
fn a_source_that_is_none_is_refused() {
    let folder = folder();
    fs_err::write(folder.path().join("text"), "no archive").unwrap();
    refused(
        folder.path(),
        &["pack", "missing", "-o", "image"],
        "missing: No such file or directory (os error 2)",
    );
    refused(
        folder.path(),
        &["pack", "text", "-o", "image"],
        "text: tar archive ends at byte 10, within a header; it was cut short",
    );
    assert!(!folder.path().join("image").exists());
}

#[test]
fn an_archive_that_leads_out_of_the_tree_is_refused() {
    let folder = folder();
    let archive = path(&folder, "evil.tar");
    let tree = path(&folder, "tree");
    let from = ["--create", "--file", &archive, "--directory", &tree, "--absolute-names"];
    TAR.stdout(&[&from[..], &["--transform=s,^,../,", "empty"]].concat());
    refused(
        folder.path(),
        &["pack", "evil.tar", "-o", "image"],
        "evil.tar: tar entry at byte 0: path \"../empty\" has a \"..\" component, which leads out \
         of the tree",
    );
    assert!(!folder.path().join("image").exists());
}

#[test]
fn a_salt_without_a_hash_tree_is_refused() {
    misused(
        Path::new("."),
        &["pack", "tree", "-o", "image", "--salt", "00"],
        "the following required arguments were not provided:\n  --verity",
    );
}

#[test]
fn an_output_that_cannot_be_written_is_refused() {
    let folder = folder();
    fs_err::create_dir(folder.path().join("taken")).unwrap();
    symlink("elsewhere", folder.path().join("link")).unwrap();
    for (output, message) in [
        (
            "taken",
            "taken is a directory, and the output is one file; nothing was changed: remove it or \
             choose another output",
        ),
        (
            "link",
            "link is a symbolic link, which is not followed; nothing was changed: remove it or \
             choose another output",
        ),
        (
            "no/image",
            "cannot write beside no/image: failed to read directory `no`: No such file or \
             directory (os error 2)",
        ),
    ] {
        refused(folder.path(), &["pack", "tree", "-o", output], message);
    }
}

#[test]
fn a_full_disk_leaves_nothing_and_the_message_names_the_image() {
    let folder = folder();
    let big = folder.path().join("tree/big");
    fs_err::write(big, vec![0x5a; 1 << 20]).unwrap();
    fs_err::create_dir(folder.path().join("full")).unwrap();
    let program = assert_cmd::cargo_bin!("guestmark").display().to_string();
    let pack = format!("'{program}' pack tree -o full/image");
    // A small tmpfs in a mount namespace; where mounting is not allowed, a limit on the size of
    // files, which stops the same write.
    let mount = "mount -t tmpfs -o size=256k tmpfs full";
    let namespace = ["--user", "--map-root-user", "--mount", "sh", "-c"];
    let in_folder = |command: &mut Command| UNSHARE.run(command.current_dir(folder.path()));
    let unshare = |script: &str| {
        in_folder(Command::new(UNSHARE.command).args(namespace).arg(script))
    };
    let (output, reason) = if unshare(mount).status.success() {
        let script = format!("{mount} && {pack}; status=$?; ls -A full; exit $status");
        (unshare(&script), "No space left on device (os error 28)")
    } else {
        let script = format!("trap '' XFSZ; ulimit -f 256; {pack}; status=$?; ls -A full; exit $status");
        let mut shell = Command::new("sh");
        (in_folder(shell.args(["-c", &script])), "File too large (os error 27)")
    };
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    // Nothing is left, and nothing was said about success.
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("guestmark: ") && said.contains("full/image"), "{said}");
    assert!(said.ends_with(&format!("{reason}\n")), "{said}");
}

#[test]
fn an_earlier_image_stays_when_a_new_one_cannot_be_made() {
    let folder = folder();
    fs_err::write(folder.path().join("image"), "earlier").unwrap();
    let mut command = guestmark(folder.path());
    command.args(["pack", "missing", "-o", "image"]).assert().code(2);
    assert_eq!(read(&folder, "image"), b"earlier");
}
