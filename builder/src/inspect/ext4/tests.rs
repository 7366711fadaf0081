use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};
use tempfile::TempDir;

use super::*;
use crate::inspect::listing::FileType;

/// Runs a tool of e2fsprogs and gives what it says.
fn tool(name: &str, arguments: &[&str]) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new(name)
        .args(arguments)
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .output()
        .unwrap_or_else(|error| panic!("{name} (Debian package e2fsprogs): {error}"));
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A file system of 4 MiB with a few files, made by `mke2fs` with these options.
fn image(folder: &TempDir, options: &[&str]) -> PathBuf {
    let tree = folder.path().join("tree");
    fs_err::create_dir_all(tree.join("etc/many")).unwrap();
    fs_err::write(tree.join("etc/blob"), [b'x'; 70_000]).unwrap();
    for number in 0..200 {
        let name = format!("a-name-that-fills-the-blocks-of-a-directory-{number}");
        fs_err::write(tree.join("etc/many").join(name), "").unwrap();
    }
    for (name, target) in [("short", "blob".to_owned()), ("long", "x/".repeat(100))] {
        let link = tree.join("etc").join(name);
        if !link.is_symlink() {
            fs_err::os::unix::fs::symlink(target, link).unwrap();
        }
    }
    let path = folder.path().join("image");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(4 << 20).unwrap();
    let (path_text, tree) = (path.display().to_string(), tree.display().to_string());
    let arguments = [&["-q", "-F", "-d", &tree], options, &[&path_text]].concat();
    tool("mke2fs", &arguments);
    path
}

fn read(path: &Path) -> Result<Ext4Facts, Ext4Error> {
    let file = File::open(path).unwrap();
    let length = file.metadata().unwrap().len();
    Ext4Facts::read(file, length)
}

fn patch(path: &Path, offset: u64, bytes: &[u8]) {
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}

#[test]
fn every_form_of_the_format_is_listed_like_the_tree_it_was_made_of() {
    for (options, name) in [
        (&["-t", "ext4", "-b", "4096", "-L", "root"][..], "ext4"),
        (&["-t", "ext4", "-b", "1024", "-O", "^has_journal"], "ext4"),
        (&["-t", "ext3"], "ext3"),
        (&["-t", "ext2", "-I", "128"], "ext2"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let facts = read(&image(&folder, options)).unwrap();
        assert_eq!(facts.superblock.file_system, name);
        let paths: Vec<_> = facts.entries.iter().map(|it| it.path.as_str()).collect();
        assert_eq!(
            paths[..4],
            ["/", "/etc", "/etc/blob", "/etc/long"],
            "{name}"
        );
        assert_eq!(facts.entries.len(), 4 + 1 + 200 + 1 + 1, "{name}");
        let blob = &facts.entries[2];
        assert_eq!((blob.file_type, blob.size), (FileType::File, 70_000));
        let long = facts.entries[3].target.as_ref().unwrap();
        assert_eq!(*long, "x/".repeat(100));
        let short = facts.entries.iter().find(|it| it.path == "/etc/short");
        assert_eq!(short.unwrap().target.as_deref(), Some("blob"));
    }
}

#[test]
fn the_superblock_says_what_dumpe2fs_says() {
    for options in [
        &["-t", "ext4", "-L", "label", "-O", "quota,casefold,verity"][..],
        &["-t", "ext4", "-O", "metadata_csum_seed,orphan_file,project"],
        &["-t", "ext3"],
        &["-t", "ext2"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = image(&folder, options);
        let file = File::open(&path).unwrap();
        let superblock = superblock(&file, 0, 4 << 20).unwrap().unwrap();
        let said = tool("dumpe2fs", &["-h", &path.display().to_string()]);
        let field = |name: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("{name} in {said}"))
                .trim()
                .to_owned()
        };
        assert_eq!(superblock.uuid.to_string(), field("Filesystem UUID:"));
        assert_eq!(superblock.blocks.to_string(), field("Block count:"));
        assert_eq!(superblock.free_blocks.to_string(), field("Free blocks:"));
        assert_eq!(superblock.inodes.to_string(), field("Inode count:"));
        assert_eq!(superblock.free_inodes.to_string(), field("Free inodes:"));
        assert_eq!(superblock.block_size.to_string(), field("Block size:"));
        assert_eq!(superblock.features.join(" "), field("Filesystem features:"));
        let name = field("Filesystem volume name:").replace("<none>", "");
        assert_eq!(superblock.volume_name, name);
    }
}

#[test]
fn numbers_that_cannot_be_are_refused_by_field() {
    for (offset, bytes, message) in [
        (
            0x18,
            &[7][..],
            "s_log_block_size is 7, expected at most 6, blocks of 64 KiB",
        ),
        (
            0x4,
            &[1, 4, 0, 0],
            "s_blocks_count is 1025, expected 1 to 1024, which is where the file ends",
        ),
        (
            0x20,
            &[0; 4],
            "s_blocks_per_group is 0, expected at least 1",
        ),
        (0x58, &[127, 0], "s_inode_size is 127, expected 128 to 4096"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = image(&folder, &["-t", "ext2", "-b", "4096"]);
        patch(&path, 1024 + offset, bytes);
        assert_eq!(
            read(&path).unwrap_err().to_string(),
            format!("ext4 superblock: {message}; the image is damaged or cut short")
        );
    }
}

#[test]
fn inodes_without_room_for_their_checksum_are_refused_before_the_library_trips() {
    let folder = tempfile::tempdir().unwrap();
    let path = image(&folder, &["-t", "ext4", "-I", "128", "-b", "4096"]);
    assert_eq!(
        read(&path).unwrap_err().to_string(),
        "ext4 superblock: s_inode_size is 128, expected 160 to 4096; the image is damaged or cut \
         short"
    );
}

#[test]
fn a_journal_that_is_not_empty_is_not_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let path = image(&folder, &["-t", "ext3"]);
    patch(&path, 1024 + 0x60, &[0x6]);
    assert!(matches!(read(&path), Err(Ext4Error::NeedsRecovery)));
}

#[test]
fn a_link_that_claims_gigabytes_and_a_directory_in_itself_take_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    // Without checksums, so that what is changed is believed.
    let path = image(&folder, &["-t", "ext2", "-b", "4096"]);
    let inode = |name: &str| {
        let request = format!("stat {name}");
        let said = tool("debugfs", &["-R", &request, &path.display().to_string()]);
        let number = said.split("Inode: ").nth(1).unwrap();
        number.split_whitespace().next().unwrap().to_owned()
    };
    let set = |request: &str| {
        tool(
            "debugfs",
            &["-w", "-R", request, &path.display().to_string()],
        );
    };
    let long = inode("/etc/long");
    set(&format!("set_inode_field <{long}> size 0x10000000000"));
    assert_eq!(
        read(&path).unwrap_err().to_string(),
        "ext4: /etc/long or where it leads is longer than 4096 bytes; the image is damaged"
    );
    set("rm /etc/long");
    set(&format!("link <{}> /etc/many/loop", inode("/etc")));
    assert!(
        matches!(read(&path), Err(Ext4Error::Directories { .. })),
        "{:?}",
        read(&path)
    );
}

#[test]
fn damage_ends_in_a_list_or_an_error() {
    for options in [
        &["-t", "ext4", "-b", "1024"][..],
        &["-t", "ext2", "-b", "1024"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = image(&folder, options);
        let whole = fs_err::read(&path).unwrap();
        // What is not zero is worth damaging: superblocks, inodes, directories.
        let places: Vec<u64> = (0..)
            .zip(&whole)
            .filter(|(_, byte)| **byte != 0 && **byte != b'x')
            .map(|(place, _)| place)
            .collect();
        let strategy = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8);
        let config = ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(300)
        };
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let mut runner = proptest::test_runner::TestRunner::new_with_rng(config, rng);
        runner
            .run(&strategy, |changes| {
                let places = changes
                    .iter()
                    .map(|(index, byte)| (places[index.index(places.len())], *byte));
                let places: Vec<_> = places.collect();
                for (place, byte) in &places {
                    patch(&path, *place, &[*byte]);
                }
                let found = read(&path);
                for (place, _) in &places {
                    patch(&path, *place, &[whole[usize::try_from(*place).unwrap()]]);
                }
                prop_assert!(!matches!(found, Err(Ext4Error::GaveUp(_))), "{found:?}");
                Ok(())
            })
            .unwrap();
    }
}
