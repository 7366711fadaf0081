//! `inspect --disk`: an IGVM file and a disk made by other tools, and what is told when one thing
//! of them changes.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::schema::conforms;
use crate::tools::Tool;
use crate::{guestmark, json, refused, stdout, vectors};

const SALT: &str = "a5c3";
/// 4 MiB of ext4, and its tree: 8 blocks and one above them.
const BLOCKS: u64 = 1024;
const DATA: u64 = 1 << 20;
const TREE: u64 = DATA + BLOCKS * 4096;

/// An IGVM file and a disk as AKS publishes them.
struct Guest {
    folder: TempDir,
    root_hash: String,
}

fn run(command: &'static str, package: &'static str, arguments: &[&str], folder: &Path) -> String {
    let tool = Tool { command, package };
    let mut process = Command::new(command);
    tool.succeeded(tool.run(process.args(arguments).current_dir(folder)))
}

impl Guest {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs_err::create_dir(path.join("tree")).unwrap();
        fs_err::write(path.join("tree/file"), [b'x'; 20_000]).unwrap();
        let root = std::fs::File::create(path.join("root.ext4")).unwrap();
        root.set_len(BLOCKS * 4096).unwrap();
        let arguments = ["-q", "-t", "ext4", "-b", "4096", "-d", "tree", "root.ext4"];
        run("mke2fs", "e2fsprogs", &arguments, path);
        let arguments = [
            "format",
            "--no-superblock",
            "--salt",
            SALT,
            "root.ext4",
            "root.verity",
        ];
        let said = run("veritysetup", "cryptsetup-bin", &arguments, path);
        let root_hash = said.split_once("Root hash:").unwrap().1;
        let root_hash = root_hash.lines().next().unwrap().trim().to_owned();

        let disk = std::fs::File::create_new(path.join("disk.img")).unwrap();
        disk.set_len(8 << 20).unwrap();
        let script = "label: dos\n2048,8192,83\n10240,72,83\n";
        fs_err::write(path.join("script"), script).unwrap();
        let mut sfdisk = Command::new("sfdisk");
        sfdisk.args(["--quiet", "disk.img"]).current_dir(path);
        sfdisk.stdin(Stdio::from(
            std::fs::File::open(path.join("script")).unwrap(),
        ));
        let tool = Tool {
            command: "sfdisk",
            package: "fdisk",
        };
        tool.succeeded(tool.run(&mut sfdisk));
        for (name, place) in [("root.ext4", DATA), ("root.verity", TREE)] {
            let bytes = fs_err::read(path.join(name)).unwrap();
            disk.write_all_at(&bytes, place).unwrap();
        }
        let guest = Self { folder, root_hash };
        guest.assemble(&guest.line());
        guest
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The production command line of an AKS guest, its tabs included.
    fn line(&self) -> String {
        format!(
            "dm-mod.create=\"dm-verity,,,ro,0 {} verity 1 /dev/vda1 /dev/vda2 4096 4096 {BLOCKS} 0 \
             sha256 {} {SALT}\" \troot=/dev/dm-0 rootflags=data=ordered,errors=remount-ro ro \
             rootfstype=ext4 panic=1 no_timer_check noreplace-smp \
             systemd.unit=kata-containers.target systemd.mask=systemd-networkd.service \
             \tsystemd.mask=systemd-networkd.socket agent.enable_signature_verification=false quiet",
            BLOCKS * 8,
            self.root_hash
        )
    }

    fn assemble(&self, line: &str) {
        fs_err::write(self.path().join("line"), line).unwrap();
        let kernel = vectors("builder").join("aks-layout/kernel-cmdline/kernel");
        let kernel = kernel.display().to_string();
        let mut arguments = vec!["assemble", "--layout", "aks", "-o", "guest.igvm"];
        arguments.extend(["--kernel", &kernel, "--cmdline-file", "line"]);
        stdout(self.path(), &arguments);
    }

    /// What is told when the one thing that differs is in the command line.
    fn with_line(&self, old: &str, new: &str) -> Vec<String> {
        let line = self.line();
        assert!(line.contains(old), "{old}");
        self.assemble(&line.replacen(old, new, 1));
        let told = self.told();
        self.assemble(&line);
        told
    }

    /// What is told when the one thing that differs is a byte of the disk.
    fn with_byte(&self, offset: u64) -> Vec<String> {
        let disk = self.disk();
        let mut byte = [0];
        disk.read_exact_at(&mut byte, offset).unwrap();
        disk.write_all_at(&[byte[0] ^ 1], offset).unwrap();
        let told = self.told();
        disk.write_all_at(&byte, offset).unwrap();
        told
    }

    fn disk(&self) -> std::fs::File {
        let mut options = std::fs::OpenOptions::new();
        let options = options.read(true).write(true);
        options.open(self.path().join("disk.img")).unwrap()
    }

    fn document(&self, code: i32) -> Value {
        let mut command = guestmark(self.path());
        command.args(["inspect", "guest.igvm", "--disk", "disk.img", "--json"]);
        let assert = command.assert().code(code).stderr("");
        let document = serde_json::from_slice(&assert.get_output().stdout).unwrap();
        conforms(&document, "inspect");
        document
    }

    /// The checks that fail, which are the verdict.
    fn told(&self) -> Vec<String> {
        let document = self.document(1);
        let checks = document["measured_disk"]["checks"].as_array().unwrap();
        let bad = checks.iter().filter(|check| check["good"] == false);
        bad.map(|check| {
            let text = |key: &str| check[key].as_str().unwrap();
            format!(
                "{}: {}; expected {}",
                text("name"),
                text("found"),
                text("expected")
            )
        })
        .collect()
    }
}

#[test]
fn a_published_pair_agrees_from_the_command_line_to_the_last_block() {
    let guest = Guest::new();
    let document = guest.document(0);
    let facts = &document["measured_disk"];
    assert_eq!(facts["good"], true);
    let checks = facts["checks"].as_array().unwrap();
    let last = checks.last().unwrap();
    assert_eq!(
        last["found"],
        "all 1024 data blocks and 9 hash blocks lead to the root hash"
    );
    assert_eq!(
        facts["not_measured"],
        serde_json::json!([
            {
                "what": "the partition table and what lies before the first partition",
                "offset": 0,
                "bytes": DATA,
            },
            {
                "what": "behind the last partition",
                "offset": TREE + 9 * 4096,
                "bytes": (8 << 20) - TREE - 9 * 4096,
            },
        ])
    );
    let text = stdout(
        guest.path(),
        &["inspect", "guest.igvm", "--disk", "disk.img"],
    );
    assert!(text.contains("good  Root device: root=/dev/dm-0"), "{text}");
    let alone = json(guest.path(), &["inspect", "disk.img"]);
    conforms(&alone, "inspect");
    assert_eq!(alone["partitions"][0]["content"]["file_system"], "ext4");
    assert!(stdout(guest.path(), &["inspect", "disk.img"]).contains("ext4 in partition 1"));
    let listed = json(guest.path(), &["inspect", "root.ext4"]);
    conforms(&listed, "inspect");
    assert_eq!(listed["entries"][1]["path"], "/file");
    assert!(stdout(guest.path(), &["inspect", "root.ext4"]).contains("20000  /file\n"));
}

#[test]
fn a_flipped_bit_is_found_where_it_is() {
    let guest = Guest::new();
    let last = BLOCKS - 1;
    let [told] = &guest.with_byte(DATA + last * 4096 + 5)[..] else {
        panic!("one check fails");
    };
    let place = format!("data block {last}, at byte {}", DATA + last * 4096);
    let start = format!("Hash tree and data: disk.img: {place}, has the hash ");
    assert!(told.starts_with(&start), "{told}");
    assert!(
        told.ends_with(", as the hash block above it says"),
        "{told}"
    );

    let told = guest.with_byte(TREE + 3 * 4096).remove(0);
    let place = format!("hash block 3, at byte {}", TREE + 3 * 4096);
    assert!(told.contains(&place), "{told}");

    let told = guest.with_byte(TREE).remove(0);
    assert!(
        told.contains(&format!("the top hash block, at byte {TREE}, has")),
        "{told}"
    );
    let expected = format!(
        "expected {}, the root hash in the command line",
        guest.root_hash
    );
    assert!(told.ends_with(&expected), "{told}");
}

#[test]
fn a_root_hash_salt_or_disk_that_is_another_is_told() {
    let guest = Guest::new();
    let other = format!("{:0>64}", "7");
    let told = guest.with_line(&guest.root_hash, &other);
    let expected = format!(
        "Hash tree and data: disk.img: the top hash block, at byte {TREE}, has the hash {}; \
         expected {other}, the root hash in the command line",
        guest.root_hash
    );
    assert_eq!(told, [expected]);
    let told = guest.with_line(SALT, "a5c4").remove(0);
    assert!(told.contains("the top hash block"), "{told}");

    fs_err::copy(
        Guest::new().path().join("disk.img"),
        guest.path().join("disk.img"),
    )
    .unwrap();
    let told = guest.told();
    assert!(told[0].contains("the top hash block"), "{told:?}");
}

#[test]
fn numbers_in_the_command_line_that_do_not_fit_are_told() {
    let guest = Guest::new();
    assert_eq!(
        guest.with_line(" 1024 0 ", " 1023 0 "),
        [
            "Sectors: 8192 sectors; expected 8184, which is 1023 data blocks of 8",
            "Root file system: ext4 of 4194304 bytes; expected at most 4190208, which is what the \
          hash tree covers"
        ]
    );
    assert_eq!(
        guest.with_line("0 8192 ", "0 8193 "),
        ["Sectors: 8193 sectors; expected 8192, which is 1024 data blocks of 8"]
    );
    let line = guest.line().replace(" 1024 0 ", " 1025 0 ");
    guest.assemble(&line.replace("0 8192 ", "0 8200 "));
    assert_eq!(
        guest.told()[0],
        "Data partition: partition 1 has 4194304 bytes; expected at least 4198400, by the command \
         line"
    );
}

#[test]
fn a_line_that_names_no_hash_tree_or_several_proves_nothing() {
    let guest = Guest::new();
    let expected = "expected one of either, so that the line names one root hash";
    assert_eq!(
        guest.with_line("dm-mod.create=", "dm-mod.other="),
        [format!(
            "Root hash: 0 dm-mod.create= and 0 guest.verity=; {expected}"
        )]
    );
    assert_eq!(
        guest.with_line("quiet", "dm_mod.create=\"x,,,ro,0 1 zero x\""),
        [format!(
            "Root hash: 2 dm-mod.create= and 0 guest.verity=; {expected}"
        )]
    );
    assert_eq!(
        guest.with_line("/dev/vda1", "/dev/vdb1"),
        ["Root hash: device /dev/vdb1; expected a partition of the first disk, as /dev/vda1"]
    );
    let option = format!("{SALT} 1 ignore_corruption\"");
    assert_eq!(
        guest.with_line(&format!("{SALT}\""), &option),
        [
            "Root hash: optional parameter ignore_corruption; expected none, or of \
          panic_on_corruption, restart_on_corruption, panic_on_error, restart_on_error, \
          ignore_zero_blocks"
        ]
    );
}

#[test]
fn another_root_device_or_file_system_is_told() {
    let guest = Guest::new();
    assert_eq!(
        guest.with_line("rootfstype=ext4", "rootfstype=erofs"),
        [
            "Root file system: rootfstype=erofs; expected rootfstype=ext4, which is what the data \
          partition holds"
        ]
    );
    assert_eq!(
        guest.with_line("quiet", "root=/dev/vda1"),
        ["Root device: root=/dev/vda1; expected root=/dev/dm-0, the device with the hash tree"]
    );
}

#[test]
fn what_is_no_disk_and_a_disk_cut_short_are_refused() {
    let guest = Guest::new();
    let path = guest.path();
    let request = ["inspect", "guest.igvm", "--disk", "guest.igvm"];
    let advice = "expected a disk image; give the IGVM file first, and to --disk the disk that the \
                  guest starts from";
    refused(
        path,
        &request,
        &format!("guest.igvm: an IGVM file, {advice}"),
    );
    let request = ["inspect", "disk.img", "--disk", "disk.img"];
    refused(
        path,
        &request,
        "disk.img: not an IGVM file; --disk holds a disk against the command line that an IGVM \
         file measures",
    );
    let request = ["inspect", "guest.igvm", "--disk", "disk.img"];
    guest.disk().set_len(TREE + 512).unwrap();
    refused(
        path,
        &request,
        "disk.img: disk image: partition 2 takes sectors 10240 to 10311, expected sectors within \
         1..10241; the image is damaged or cut short",
    );
    guest.disk().write_all_at(&[0; 2], 510).unwrap();
    refused(
        path,
        &request,
        &format!(
            "disk.img: no partition table (neither 55 aa at byte 510 nor \"EFI PART\"), {advice}"
        ),
    );
}

#[test]
fn a_disk_of_ours_is_held_against_either_form_of_the_command_line() {
    let guest = Guest::new();
    let path = guest.path();
    fs_err::remove_file(path.join("disk.img")).unwrap();
    let packed = json(path, &["pack", "tree", "--verity", "-o", "disk.img"]);
    let blocks = packed["verity"]["data_blocks"].as_u64().unwrap();
    let root = packed["verity"]["root_hash"].as_str().unwrap();
    guest.assemble(&format!("panic=-1 guest.verity={blocks},{root},-"));
    let document = guest.document(0);
    let left = &document["measured_disk"]["not_checked"][0]["name"];
    assert_eq!(*left, "Root device and file system");
    guest.assemble(&format!(
        "root=/dev/dm-0 rootfstype=erofs dm-mod.create=\"root,,,ro,0 {} verity 1 /dev/vda1 /dev/vda2 \
         4096 4096 {blocks} 0 sha256 {root} - 1 panic_on_corruption\"",
        blocks * 8
    ));
    guest.document(0);
}

#[test]
fn a_tree_behind_a_superblock_is_found_by_either_form() {
    let guest = Guest::new();
    let path = guest.path();
    let uuid = "00112233-4455-6677-8899-aabbccddeeff";
    let arguments = [
        "verity",
        "root.ext4",
        "with",
        "--salt",
        SALT,
        "--uuid",
        uuid,
    ];
    stdout(path, &arguments);
    // The second partition gets one block more.
    guest
        .disk()
        .write_all_at(&80_u32.to_le_bytes(), 446 + 16 + 12)
        .unwrap();
    guest
        .disk()
        .write_all_at(&fs_err::read(path.join("with")).unwrap(), TREE)
        .unwrap();
    guest.assemble(&guest.line().replace(" 1024 0 ", " 1024 1 "));
    guest.document(0);
    guest.assemble(&format!("guest.verity=1024,{},{SALT}", guest.root_hash));
    let document = guest.document(0);
    let range = &document["measured_disk"]["not_measured"][1];
    assert_eq!(range["what"], "partition 2, before the hash tree");
    assert_eq!(
        (&range["offset"], &range["bytes"]),
        (&TREE.into(), &4096.into())
    );
}
