use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::*;
use fs_err::os::unix::fs::FileExt;

const UUID: Uuid = Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);

/// A data file and a hash file in a folder of their own.
struct Files {
    folder: TempDir,
    data: File,
    hash: File,
}

impl Files {
    /// Data whose blocks all differ, the same in every run, and an empty hash file.
    fn with_blocks(blocks: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..blocks * BLOCK_SIZE / 8)
            .flat_map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
            .collect();
        let path = folder.path().join("data");
        fs_err::write(&path, bytes).unwrap();
        Self {
            data: open(&path),
            hash: open(&folder.path().join("hash")),
            folder,
        }
    }

    fn data(&self) -> Data<'_> {
        Data::whole(&self.data).unwrap()
    }

    fn hash_area(&self, offset: u64) -> HashArea<'_> {
        HashArea {
            file: &self.hash,
            offset,
        }
    }
}

fn open(path: &Path) -> File {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .unwrap()
}

fn parameters(salt: &str, uuid: Option<Uuid>) -> Parameters {
    Parameters {
        salt: salt.parse().unwrap(),
        uuid,
    }
}

/// What `veritysetup format` makes of the same data: the hash file's bytes and the root hash.
fn veritysetup(files: &Files, offset: u64, parameters: &Parameters) -> (Vec<u8>, String) {
    let hash = files.folder.path().join("hash.veritysetup");
    let mut command = Command::new("veritysetup");
    command
        .arg("format")
        .args([files.data.path(), &hash])
        .args(["--salt", &parameters.salt.to_string()])
        .args(["--hash-offset", &offset.to_string()]);
    match parameters.uuid {
        Some(uuid) => command.args(["--uuid", &uuid.to_string()]),
        None => command.arg("--no-superblock"),
    };
    let output = command
        .output()
        .expect("veritysetup runs (Debian package cryptsetup-bin)");
    assert!(output.status.success(), "{output:?}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    let root = stdout.split_once("Root hash:").unwrap().1;
    let root = root.lines().next().unwrap().trim().to_owned();
    (fs_err::read(&hash).unwrap(), root)
}

#[track_caller]
fn assert_equal_to_veritysetup(files: &Files, offset: u64, parameters: &Parameters) {
    let made = format(files.data(), files.hash_area(offset), parameters).unwrap();
    let (expected, root) = veritysetup(files, offset, parameters);
    let case = format!(
        "{} blocks, hash offset {offset}, {parameters:?}",
        files.data().blocks()
    );
    assert_eq!(made.root_hash.to_string(), root, "{case}");
    assert!(
        fs_err::read(files.hash.path()).unwrap() == expected,
        "{case}: hash file differs"
    );
    let untouched = expected.is_empty();
    assert!(untouched || made.end == expected.len() as u64, "{case}");
}

#[test]
fn the_tree_is_the_one_of_veritysetup_for_every_number_of_levels() {
    for blocks in [1, 2, 127, 128, 129, 128 * 128, 128 * 128 + 1] {
        let files = Files::with_blocks(blocks);
        assert_equal_to_veritysetup(&files, 0, &parameters("00112233", None));
    }
}

#[test]
fn the_superblock_is_the_one_of_veritysetup() {
    for blocks in [1, 2, 129] {
        let files = Files::with_blocks(blocks);
        assert_equal_to_veritysetup(&files, 0, &parameters("00112233", Some(UUID)));
    }
}

#[test]
fn any_length_of_salt_gives_the_tree_of_veritysetup() {
    for length in [0, 1, 31, 32, 33, 63, 64, 255, 256] {
        let files = Files::with_blocks(129);
        let salt = Salt::new(vec![0xc3; length]).unwrap().to_string();
        assert_equal_to_veritysetup(&files, 0, &parameters(&salt, Some(UUID)));
    }
}

#[test]
fn a_hash_offset_is_taken_as_veritysetup_takes_it() {
    for (offset, uuid) in [
        (4096, None),
        (1 << 20, None),
        (512, Some(UUID)),
        (3584, Some(UUID)),
        (4096, Some(UUID)),
        (4608, Some(UUID)),
    ] {
        let files = Files::with_blocks(130);
        assert_equal_to_veritysetup(&files, offset, &parameters("-", uuid));
    }
}

#[test]
fn data_and_hash_area_may_share_a_file() {
    let (apart, shared) = (Files::with_blocks(129), Files::with_blocks(129));
    let parameters = parameters("a5", Some(UUID));
    let in_two = format(apart.data(), apart.hash_area(0), &parameters).unwrap();
    let offset = 129 * BLOCK_SIZE;
    let area = HashArea {
        file: &shared.data,
        offset,
    };
    let in_one = format(shared.data(), area, &parameters).unwrap();
    assert_eq!(in_one.root_hash, in_two.root_hash);
    let mut both = fs_err::read(apart.data.path()).unwrap();
    both.extend(fs_err::read(apart.hash.path()).unwrap());
    assert!(fs_err::read(shared.data.path()).unwrap() == both);
}

#[test]
fn part_of_a_file_hashes_like_a_file_of_its_own() {
    let files = Files::with_blocks(300);
    let part = Data::new(&files.data, 2 * BLOCK_SIZE, 129 * BLOCK_SIZE).unwrap();
    let parameters = parameters("a5", None);
    let of_part = format(part, files.hash_area(0), &parameters).unwrap();

    let bytes = fs_err::read(files.data.path()).unwrap();
    let alone = files.folder.path().join("alone");
    fs_err::write(&alone, &bytes[2 * 4096..131 * 4096]).unwrap();
    let alone = open(&alone);
    let other = open(&files.folder.path().join("other"));
    let area = HashArea {
        file: &other,
        offset: 0,
    };
    let of_file = format(Data::whole(&alone).unwrap(), area, &parameters).unwrap();
    assert_eq!(of_part, of_file);
}

#[test]
fn nothing_and_partial_blocks_cannot_be_hashed() {
    let files = Files::with_blocks(1);
    let path = files.data.path().display();
    assert_eq!(
        Data::new(&files.data, 0, 0).unwrap_err().to_string(),
        format!(
            "{path}: no data to hash at offset 0; dm-verity needs at least one block of 4096 bytes"
        )
    );
    assert_eq!(
        Data::new(&files.data, 0, 4097).unwrap_err().to_string(),
        format!(
            "{path}: 4097 bytes of data are not a whole number of blocks; make the length a \
             multiple of 4096"
        )
    );
    assert_eq!(
        Data::new(&files.data, u64::MAX - 5, 4096)
            .unwrap_err()
            .to_string(),
        format!("{path}: data or hash area ends past byte 2^63")
    );
}

#[test]
fn a_hash_area_between_blocks_or_over_the_data_is_refused() {
    let files = Files::with_blocks(129);
    let plain = parameters("-", None);
    let refused = |area, parameters: &Parameters| {
        format(files.data(), area, parameters)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(files.hash_area(512), &plain),
        "hash offset 512 is not a multiple of 4096, which it must be without a superblock"
    );
    assert_eq!(
        refused(files.hash_area(100), &parameters("-", Some(UUID))),
        "hash offset 100 is not a multiple of 512, which it must be with a superblock"
    );
    let inside = HashArea {
        file: &files.data,
        offset: 128 * BLOCK_SIZE,
    };
    assert_eq!(
        refused(inside, &plain),
        format!(
            "{}: the hash area at bytes 524288 to 536576 overlaps the data at bytes 0 to 528384; \
             move one of them",
            files.data.path().display()
        )
    );
}

#[test]
fn data_shorter_than_said_is_an_error_that_names_the_file() {
    let files = Files::with_blocks(1);
    let too_long = Data::new(&files.data, 0, 2 * BLOCK_SIZE).unwrap();
    let error = format(too_long, files.hash_area(0), &parameters("-", None)).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains(&files.data.path().display().to_string()),
        "{message}"
    );
}

#[test]
fn an_unchanged_pair_passes_the_check() {
    for blocks in [1, 2, 128 * 128 + 1] {
        let files = Files::with_blocks(blocks);
        let parameters = parameters("a5", Some(UUID));
        let tree = format(files.data(), files.hash_area(0), &parameters).unwrap();
        let found = check(
            files.data(),
            &files.hash,
            tree.tree_offset,
            &parameters.salt,
            tree.root_hash,
        );
        assert_eq!(found.unwrap(), None, "{blocks}");
    }
}

#[test]
fn the_first_block_that_differs_is_named() {
    let flip = |file: &File, at: u64| {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    };
    let files = Files::with_blocks(128 * 128 + 1);
    let salt = "a5".parse().unwrap();
    let tree = format(files.data(), files.hash_area(0), &parameters("a5", None)).unwrap();
    let found = |root| check(files.data(), &files.hash, 0, &salt, root).unwrap();

    flip(&files.data, 9000 * BLOCK_SIZE + 17);
    flip(&files.data, 9001 * BLOCK_SIZE);
    let Some(Corruption::Data(first)) = found(tree.root_hash) else {
        panic!("{:?}", found(tree.root_hash));
    };
    assert_eq!(first.block, 9000);
    assert_ne!(first.expected, first.found);

    flip(&files.hash, 40 * BLOCK_SIZE);
    assert!(matches!(
        found(tree.root_hash),
        Some(Corruption::Tree(Mismatch { block: 40, .. }))
    ));

    let other = Sha256Digest::new([7; 32]);
    let expected = Corruption::Root {
        expected: other,
        found: tree.root_hash,
    };
    assert_eq!(found(other), Some(expected));
}
