//! erofs-utils as judge. Run as root: device nodes and files of other owners are made.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use guestmark_builder::erofs::{self, Holds, Image};
use guestmark_builder::tree::{NodeKind, Origin, Tree, TreePath, read_directory};
use rustix::fs::{CWD, FileType, Mode, XattrFlags};

use crate::{round_trip, sample};

/// Runs a tool of the Debian package erofs-utils, which must succeed.
fn run(tool: &str, arguments: &[&Path]) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = match Command::new(tool).args(arguments).output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            panic!("{tool} is missing: install the Debian package erofs-utils")
        }
        output => output.unwrap(),
    };
    let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    assert!(status.success(), "{tool} {arguments:?}: {status}\n{said}");
    said
}

fn require_root() {
    assert!(
        rustix::process::geteuid().is_root(),
        "run this test as root: it makes device nodes and files of other owners"
    );
}

/// The image of everything, in a file.
fn image_file(folder: &Path) -> (Tree, PathBuf, Image) {
    let tree = sample::tree(&sample::everything());
    let path = folder.join("image");
    let mut file = std::fs::File::create(&path).unwrap();
    let map = erofs::write(&tree, &sample::options(), &mut file).unwrap();
    (tree, path, map)
}

/// The tree as `fsck.erofs --extract` restores it: version 1.5 knows no extended attributes, makes
/// hard links files of their own, and sets owners after modes, which clears set-user-ID and
/// set-group-ID.
fn as_extracted(tree: &Tree) -> Tree {
    let mut plain = Tree::new(Origin::rule("test"));
    for (path, _, node) in tree.iter() {
        let mut node = node.clone();
        node.metadata.xattrs.clear();
        if !matches!(node.kind, NodeKind::Directory) {
            node.metadata.mode &= 0o1777;
        }
        match path.is_root() {
            true => plain.get_mut(path).unwrap().metadata = node.metadata,
            false => _ = plain.insert(path.clone(), node).unwrap(),
        }
    }
    plain
}

#[test]
fn fsck_extracts_the_same_tree() {
    require_root();
    let folder = tempfile::tempdir().unwrap();
    let (tree, image, _) = image_file(folder.path());
    run("fsck.erofs", &[&image]);

    let extracted = folder.path().join("extracted");
    let argument = format!("--extract={}", extracted.display());
    run("fsck.erofs", &[argument.as_ref(), &image]);
    let found = read_directory(&extracted, &Origin::rule("read")).unwrap();
    sample::assert_same(&found, &as_extracted(&tree));
}

#[test]
fn fsck_takes_a_file_past_32_bits_of_size() {
    let folder = tempfile::tempdir().unwrap();
    let (_, image) = round_trip::past_32_bits(folder.path());
    run("fsck.erofs", &[&image]);
    let said = run("dump.erofs", &["--path=/large".as_ref(), &image]);
    assert!(said.contains("Size: 5368710123 "), "{said}");
    assert!(said.contains("Inode size: 64 "), "{said}");
}

#[test]
fn dump_sees_the_extents_of_the_map_and_what_fsck_does_not_restore() {
    let folder = tempfile::tempdir().unwrap();
    let (tree, image, map) = image_file(folder.path());
    for (name, links, inode_size, xattr_size) in [
        ("/sizes/300001", 1, 32, 0),
        ("/hard-link", 3, 32, 0),
        ("/owned", 1, 64, 0),
        ("/xattrs/ping", 1, 32, 12 + 4 + 10 + 20 + 2),
        ("/xattrs/shared", 1, 32, 12 + 4),
    ] {
        let argument = format!("--path={name}");
        let said = run("dump.erofs", &[argument.as_ref(), "-e".as_ref(), &image]);
        assert!(said.contains(&format!("Links: {links} ")), "{said}");
        assert!(
            said.contains(&format!("Inode size: {inode_size} ")),
            "{said}"
        );
        assert!(
            said.contains(&format!("Xattr size: {xattr_size}\n")),
            "{said}"
        );

        let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let path = sample::path(name);
        assert!(tree.get(&path).is_some());
        let number = map
            .inodes
            .iter()
            .position(|inode| inode.paths.contains(&path));
        for extent in &map.extents {
            if extent.holds == Holds::Content && extent.inode == number.map(|index| index as u32) {
                let end = extent.start + extent.length;
                let physical = format!("{}.. {end} | {}", extent.start, extent.length);
                assert!(words.contains(&physical), "{physical} is not in {words}");
            }
        }
    }
    let said = run("dump.erofs", &["-s".as_ref(), &image]);
    assert!(said.contains("sb_csum mtime"), "{said}");
    assert!(
        said.contains("12345678-9abc-def0-1122-334455667788"),
        "{said}"
    );
}

/// Makes files on disk of a tree.
fn make(tree: &Tree, root: &Path) {
    let place = |path: &TreePath| root.join(std::ffi::OsStr::from_bytes(path.as_bytes()));
    let mut made = std::collections::BTreeMap::new();
    for (path, id, node) in tree.iter() {
        let at = place(path);
        if let Some(first) = made.get(&id) {
            std::fs::hard_link(first, &at).unwrap();
            continue;
        }
        made.insert(id, at.clone());
        let special = |file_type, device: Option<guestmark_builder::tree::Device>| {
            let number = device.map_or(0, |device| rustix::fs::makedev(device.major, device.minor));
            rustix::fs::mknodat(CWD, &at, file_type, Mode::RUSR, number).unwrap();
        };
        match &node.kind {
            NodeKind::Directory if path.is_root() => {}
            NodeKind::Directory => std::fs::create_dir(&at).unwrap(),
            NodeKind::File(content) => std::fs::write(&at, content.to_vec().unwrap()).unwrap(),
            NodeKind::Symlink(target) => {
                std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(target), &at).unwrap();
            }
            NodeKind::CharacterDevice(device) => special(FileType::CharacterDevice, Some(*device)),
            NodeKind::BlockDevice(device) => special(FileType::BlockDevice, Some(*device)),
            NodeKind::Fifo => special(FileType::Fifo, None),
            NodeKind::Socket => special(FileType::Socket, None),
        }
        let metadata = &node.metadata;
        std::os::unix::fs::lchown(&at, Some(metadata.uid), Some(metadata.gid)).unwrap();
        if !matches!(node.kind, NodeKind::Symlink(_)) {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(metadata.mode.into());
            std::fs::set_permissions(&at, mode).unwrap();
        }
        for (name, value) in &metadata.xattrs {
            let name = std::ffi::OsStr::from_bytes(name);
            rustix::fs::lsetxattr(&at, name, value, XattrFlags::CREATE).unwrap_or_else(|error| {
                panic!("{} of {path}: {error}; the folder for temporary files must keep extended attributes", name.display())
            });
        }
    }
}

#[test]
fn mkfs_makes_the_same_tree_of_the_same_folder() {
    require_root();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    std::fs::create_dir(&source).unwrap();
    let entries: Vec<_> = sample::everything()
        .into_iter()
        // File systems on disk hold no attributes of 64 KiB.
        .filter(|(_, node)| {
            node.metadata
                .xattrs
                .values()
                .all(|value| value.len() < 3000)
        })
        // mkfs.erofs 1.5 cuts names after 254 bytes, and then does not find the file.
        .filter(|(path, _)| path.name().len() < 255)
        .collect();
    make(&sample::tree(&entries), &source);

    let origin = Origin::rule("read");
    let read = read_directory(&source, &origin).unwrap();
    let (bytes, _) = sample::image(&read);
    let ours = sample::open(&bytes).tree(&origin).unwrap();
    sample::assert_same(&ours, &read);

    let theirs = folder.path().join("theirs");
    run(
        "mkfs.erofs",
        &["--quiet".as_ref(), "-T0".as_ref(), &theirs, &source],
    );
    let theirs_tree = sample::open_file(&theirs).tree(&origin).unwrap();
    sample::assert_same(&theirs_tree, &read);
    let their_size = std::fs::metadata(&theirs).unwrap().len();
    assert!(
        bytes.len() as u64 <= their_size + their_size / 100,
        "{} bytes, mkfs.erofs makes {their_size}",
        bytes.len()
    );
}
