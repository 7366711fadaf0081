//! Artifacts as files, through the one public door.

use std::path::PathBuf;
use std::process::Command;

use guestmark_measure::LaunchDigest;
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::erofs::{self, Options};
use crate::tree::{Content, Device, Metadata, Node, NodeKind, Origin, Tree, TreePath};

const KERNEL: &[u8] = include_bytes!("../../tests/vectors/aks-layout/kernel-cmdline/kernel");

fn file(folder: &TempDir, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join("artifact");
    fs_err::write(&path, bytes).unwrap();
    path
}

/// What `inspect` makes of these bytes, as JSON.
fn inspected(bytes: &[u8]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    serde_json::to_value(inspect(&file(&folder, bytes)).unwrap()).unwrap()
}

/// The error for these bytes, without the path it starts with.
fn refused(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, bytes);
    let message = inspect(&path).unwrap_err().to_string();
    let rest = message.strip_prefix(&format!("{}: ", path.display()));
    rest.unwrap_or_else(|| panic!("{message}")).to_owned()
}

fn tree() -> Tree {
    let mut tree = Tree::new(Origin::rule("test"));
    let mut insert = |path: &[u8], kind, mode| {
        let mut metadata = Metadata::root_owned(mode);
        if path == b"ping" {
            metadata
                .xattrs
                .insert(b"security.capability".to_vec(), vec![1; 20]);
            metadata.xattrs.insert(b"user.\x1b".to_vec(), vec![]);
        }
        let node = Node {
            kind,
            metadata,
            origin: Origin::rule("test"),
        };
        tree.insert(TreePath::parse(path).unwrap(), node).unwrap();
    };
    let disk = NodeKind::BlockDevice(Device {
        major: 254,
        minor: 300,
    });
    insert(b"dev", NodeKind::Directory, 0o755);
    insert(b"dev/disk", disk, 0o660);
    insert(
        b"ping",
        NodeKind::File(Content::bytes(vec![7; 5000])),
        0o4755,
    );
    insert(b"socket", NodeKind::Socket, 0o666);
    insert(b"to-\xfe", NodeKind::Symlink(b"../p\xfe".to_vec()), 0o777);
    let ping = TreePath::parse(b"ping").unwrap();
    tree.link(TreePath::parse(b"dev/ping").unwrap(), &ping)
        .unwrap();
    tree
}

fn erofs_image() -> Vec<u8> {
    let options = Options {
        uuid: Uuid::from_u128(0x1234),
        timestamp: 42,
        volume_name: "root".parse().unwrap(),
    };
    let mut image = std::io::Cursor::new(Vec::new());
    erofs::write(&tree(), &options, &mut image).unwrap();
    image.into_inner()
}

#[test]
fn an_erofs_image_of_ours_is_listed_whole() {
    let image = erofs_image();
    let mut facts = inspected(&image);
    let entries = facts["entries"].take();
    assert_eq!(
        facts,
        json!({
            "kind": "erofs",
            "superblock": {
                "uuid": "00000000-0000-0000-0000-000000001234",
                "volume_name": "root",
                "timestamp": 42,
                "inodes": 6,
                "bytes": image.len(),
            },
            "trailing_bytes": 0,
            "entries": null,
        })
    );
    let owned = |rest: Value| {
        let mut entry = json!({ "uid": 0, "gid": 0 });
        entry
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        entry
    };
    let xattrs = json!(["security.capability", r"user.\x1b"]);
    let expected = [
        json!({ "path": "/", "type": "directory", "mode": "0755", "size": 0 }),
        json!({ "path": "/dev", "type": "directory", "mode": "0755", "size": 0 }),
        json!({
            "path": "/dev/disk", "type": "block-device", "mode": "0660", "size": 0,
            "device": "254:300"
        }),
        json!({
            "path": "/dev/ping", "type": "file", "mode": "4755", "size": 5000, "xattrs": xattrs
        }),
        json!({
            "path": "/ping", "type": "file", "mode": "4755", "size": 5000, "xattrs": xattrs,
            "hard_link_to": "/dev/ping"
        }),
        json!({ "path": "/socket", "type": "socket", "mode": "0666", "size": 0 }),
        json!({
            "path": r"/to-\xfe", "type": "symlink", "mode": "0777", "size": 5,
            "target": r"../p\xfe"
        }),
    ];
    assert_eq!(entries, Value::from_iter(expected.map(owned)));
}

#[test]
fn an_image_of_mkfs_erofs_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs_err::create_dir_all(root.join("etc")).unwrap();
    fs_err::write(root.join("etc/hostname"), "guest\n").unwrap();
    fs_err::hard_link(root.join("etc/hostname"), root.join("name")).unwrap();
    std::os::unix::fs::symlink("etc/hostname", root.join("link")).unwrap();
    let image = folder.path().join("image");
    let output = Command::new("mkfs.erofs")
        .args([
            "-U",
            "00112233-4455-6677-8899-aabbccddeeff",
            "-T",
            "1",
            "--all-root",
        ])
        .args([&image, &root])
        .output()
        .expect("mkfs.erofs runs (Debian package erofs-utils)");
    assert!(output.status.success(), "{output:?}");
    let Inspection::Erofs(facts) = inspect(&image).unwrap() else {
        panic!();
    };
    let uuid = "00112233-4455-6677-8899-aabbccddeeff";
    assert_eq!(facts.superblock.uuid.to_string(), uuid);
    assert_eq!(
        (facts.superblock.timestamp, facts.superblock.inodes),
        (1, 4)
    );
    let entries = facts.entries.iter();
    let lines = entries.map(|entry| (entry.path.as_str(), entry.file_type.letter(), entry.size));
    assert_eq!(
        lines.collect::<Vec<_>>(),
        [
            ("/", 'd', 0),
            ("/etc", 'd', 0),
            ("/etc/hostname", '-', 6),
            ("/link", 'l', 12),
            ("/name", '-', 6),
        ]
    );
    assert_eq!(
        facts.entries[4].hard_link_to.as_deref(),
        Some("/etc/hostname")
    );
}

#[test]
fn damaged_erofs_images_are_refused() {
    let mut image = erofs_image();
    assert_eq!(
        refused(&image[..1028]),
        "EROFS: the superblock takes 128 bytes from byte 1024, but the image has 1028; it is \
         damaged or truncated"
    );
    image[1024 + 60] ^= 1;
    assert!(refused(&image).starts_with("EROFS: the first block has the checksum"));
}

#[test]
fn an_id_block_is_decoded() {
    let block = IdBlock {
        launch_digest: LaunchDigest::new([0x11; 48]),
        family_id: [0x22; 16],
        image_id: [0x33; 16],
        guest_svn: 5,
        policy: 0xb_0000,
    };
    let facts = inspected(&block.to_bytes());
    assert_eq!(facts["kind"], "id-block");
    assert_eq!(facts["launch_digest"], "11".repeat(48));
    assert_eq!(facts["family_id"], "22".repeat(16));
    assert_eq!(facts["image_id"], "33".repeat(16));
    assert_eq!(
        (&facts["version"], &facts["guest_svn"]),
        (&json!(1), &json!(5))
    );
    assert_eq!(facts["policy"]["bits"], "0xb0000");
    assert_eq!(facts["policy"]["debug"], true);
}

#[test]
fn ninety_six_other_bytes_are_no_id_block() {
    assert_eq!(
        refused(&[7; 96]),
        "ID block: offset 0x50: expected ID block version 1, found 117901063"
    );
}

#[test]
fn a_kernel_is_described_by_its_setup_header() {
    let mut kernel = KERNEL.to_vec();
    kernel[0x20e..0x210].copy_from_slice(&0x300_u16.to_le_bytes());
    let banner = b"6.1.0-56-cloud-amd64 (debian) #1\0";
    kernel[0x500..0x500 + banner.len()].copy_from_slice(banner);
    kernel[5 * 512 + 768..][..2].copy_from_slice(&[0x1f, 0x8b]);
    assert_eq!(
        inspected(&kernel),
        json!({
            "kind": "kernel",
            "bytes": 122_560,
            "boot_protocol": "2.15",
            "version": "6.1.0-56-cloud-amd64 (debian) #1",
            "preferred_address": "0x1000000",
            "init_size": 0x10_0000,
            "entry": "0x1000200",
            "relocatable": KERNEL[0x234] != 0,
            "alignment": u32::from_le_bytes(KERNEL[0x230..0x234].try_into().unwrap()),
            "command_line_limit": 2047,
            "setup_bytes": 2560,
            "payload_bytes": 120_000,
            "compressed": { "offset": 768, "bytes": 118_976, "compression": "gzip" },
        })
    );
}

#[test]
fn a_version_string_outside_of_the_setup_code_is_left_out() {
    let mut kernel = KERNEL.to_vec();
    kernel[0x20e..0x210].copy_from_slice(&0xffff_u16.to_le_bytes());
    kernel[0x24c..0x250].copy_from_slice(&u32::MAX.to_le_bytes());
    let facts = inspected(&kernel);
    assert!(facts.get("version").is_none() && facts.get("compressed").is_none());
}

#[test]
fn damaged_kernels_are_refused() {
    assert!(refused(&KERNEL[..0x1000]).starts_with("truncated bzImage: "));
    assert!(refused(&KERNEL[..0x210]).starts_with("not a bzImage: the setup header ends at"));
}

#[test]
fn what_is_none_of_them_is_refused_with_all_that_could_be() {
    for bytes in [&b""[..], b"#!/bin/sh\n", &[0; 4096]] {
        assert_eq!(
            refused(bytes),
            "not an artifact that can be inspected; those are IGVM files, disk images with a \
             GPT or an MBR, EROFS and ext4 images, initrds (cpio, plain or with gzip or zstd), ID \
             blocks of 96 bytes and kernels (bzImage)"
        );
    }
}

#[test]
fn a_damaged_artifact_is_refused_as_what_it_says_it_is() {
    assert!(refused(b"IGVM").starts_with("IGVM file: "));
    assert!(refused(b"070701").starts_with("initrd: offset 0x6: the data end too early"));
    let mut disk = vec![0; 4096];
    disk[512..520].copy_from_slice(b"EFI PART");
    assert!(refused(&disk).starts_with("disk image: GPT header at offset 0x200: HeaderSize"));
}

#[test]
fn folders_and_missing_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        inspect(folder.path()).unwrap_err().to_string(),
        format!(
            "{}: not a regular file; give the artifact itself",
            folder.path().display()
        )
    );
    let missing = folder.path().join("missing");
    let message = inspect(&missing).unwrap_err().to_string();
    assert!(message.contains(&*missing.to_string_lossy()), "{message}");
}

#[test]
fn files_too_large_for_their_kind_are_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, b"IGVM");
    let sparse = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    sparse.set_len(1 << 40).unwrap();
    assert_eq!(
        inspect(&path).unwrap_err().to_string(),
        format!(
            "{}: 1099511627776 bytes are too many for an IGVM file, expected at most 4294967295",
            path.display()
        )
    );
}
