//! `verity` against `veritysetup format`, and requests that would harm data.

use std::path::Path;

use tempfile::TempDir;

use crate::schema::conforms;
use crate::tools::Tool;
use crate::{json, misused, refused, stdout};

const VERITYSETUP: Tool = Tool {
    command: "veritysetup",
    package: "cryptsetup-bin",
};

const UUID: &str = "11111111-2222-3333-4444-555555555555";

/// `blocks` blocks that differ from each other.
fn data(blocks: u32) -> Vec<u8> {
    (0..blocks * 1024).flat_map(u32::to_le_bytes).collect()
}

fn folder_with(name: &str, content: &[u8]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join(name), content).unwrap();
    folder
}

/// The root hash that veritysetup prints; it writes the hash area to the file `reference`.
fn reference(folder: &Path, more: &[&str]) -> String {
    let place = |name| folder.join(name).display().to_string();
    fs_err::write(folder.join("reference"), "").unwrap();
    let files = [place("data"), place("reference")];
    let options = ["format", "--format=1", "--hash=sha256", "--data-block-size=4096"];
    let mut arguments: Vec<&str> = options.to_vec();
    arguments.push("--hash-block-size=4096");
    arguments.extend(more);
    arguments.extend(files.iter().map(String::as_str));
    let said = VERITYSETUP.stdout(&arguments);
    let line = said.lines().find_map(|line| line.strip_prefix("Root hash:"));
    line.expect("veritysetup prints the root hash").trim().to_owned()
}

#[test]
fn the_tree_is_the_one_that_veritysetup_writes() {
    // One block has no tree, 128 fill one block of it, 129 need two levels.
    for (blocks, salt) in [(1, "00ff"), (128, "-"), (129, "00ff")] {
        let folder = folder_with("data", &data(blocks));
        let path = folder.path();
        let salt_option = format!("--salt={salt}");
        let root_hash = reference(path, &["--no-superblock", &salt_option]);
        let document = json(path, &["verity", "data", "hash", "--salt", salt]);
        conforms(&document, "verity");
        assert_eq!(document["root_hash"], root_hash, "{blocks} blocks");
        assert_eq!(document["hash_start_block"], 0);
        let tree = |name| fs_err::read(path.join(name)).unwrap();
        assert!(tree("hash") == tree("reference"), "{blocks} blocks");
    }
}

#[test]
fn with_a_uuid_the_superblock_is_the_one_that_veritysetup_writes() {
    let folder = folder_with("data", &data(129));
    let path = folder.path();
    let root_hash = reference(path, &["--salt=00ff", &format!("--uuid={UUID}")]);
    let table = stdout(path, &["verity", "data", "hash", "--salt", "00ff", "--uuid", UUID]);
    assert_eq!(
        table,
        format!(
            "Root hash    {root_hash}\nSalt         00ff\nData blocks  129\nHash start   block 1\n"
        )
    );
    let tree = |name| fs_err::read(path.join(name)).unwrap();
    assert!(tree("hash") == tree("reference"));
}

#[test]
fn a_tree_after_its_data_in_the_same_file_leaves_the_data_as_it_was() {
    let folder = folder_with("disk", &data(10));
    let offset = (10 * 4096).to_string();
    let place = ["--data-blocks", "10", "--hash-offset", &offset];
    let request = [&["verity", "disk", "disk", "--salt", "-"], &place[..]].concat();
    let document = json(folder.path(), &request);
    assert_eq!(document["hash_start_block"], 10);
    let disk = fs_err::read(folder.path().join("disk")).unwrap();
    assert!(disk[..10 * 4096] == data(10));
    assert_eq!(disk.len(), 11 * 4096);
}

#[test]
fn a_tree_never_takes_the_place_of_its_data() {
    let folder = folder_with("data", &data(10));
    let path = folder.path();
    fs_err::hard_link(path.join("data"), path.join("link")).unwrap();
    for name in ["data", "./data", "link"] {
        refused(
            path,
            &["verity", "data", name, "--salt", "-"],
            &format!(
                "{name}: the hash tree would replace the data; give --hash-offset with a place \
                 after the data, or another file"
            ),
        );
    }
    refused(
        path,
        &["verity", "data", "data", "--salt", "-", "--hash-offset", "4096"],
        "data: the hash area at bytes 4096 to 8192 overlaps the data at bytes 0 to 40960; move one \
         of them",
    );
    assert!(fs_err::read(path.join("data")).unwrap() == data(10));
}

#[test]
fn data_that_is_not_whole_blocks_is_refused() {
    let folder = folder_with("data", &[7; 5000]);
    let path = folder.path();
    fs_err::write(path.join("empty"), "").unwrap();
    refused(
        path,
        &["verity", "data", "hash", "--salt", "-"],
        "data: 5000 bytes of data are not a whole number of blocks; make the length a multiple of \
         4096",
    );
    refused(
        path,
        &["verity", "empty", "hash", "--salt", "-"],
        "empty: no data to hash at offset 0; dm-verity needs at least one block of 4096 bytes",
    );
    refused(
        path,
        &["verity", "data", "hash", "--salt", "-", "--data-blocks", "2"],
        "data: --data-blocks 2 needs 8192 bytes, the file has 5000; give at most 1",
    );
    assert!(!path.join("hash").exists());
}

#[test]
fn a_salt_that_is_none_is_refused() {
    let refused = |salt: &str, reason: &str| {
        let message = format!("invalid value '{salt}' for '--salt <HEX>': {reason}");
        misused(Path::new("."), &["verity", "data", "hash", "--salt", salt], &message);
    };
    refused("0g", "salt \"0g\" is not hexadecimal; write two digits a byte, or \"-\" for no salt");
    refused(&"ab".repeat(257), "salt of 257 bytes; dm-verity takes at most 256");
}

#[test]
fn a_hash_area_within_a_block_is_refused() {
    let folder = folder_with("data", &data(1));
    refused(
        folder.path(),
        &["verity", "data", "hash", "--salt", "-", "--hash-offset", "512"],
        "hash offset 512 is not a multiple of 4096, which it must be without a superblock",
    );
}
