//! Merging packages: what goes together, and what clashes.

use super::*;
use crate::tree::Content;

fn path(text: &str) -> TreePath {
    TreePath::parse(text.as_bytes()).unwrap()
}

fn entry(at: &str, kind: NodeKind, mode: u16) -> Entry {
    Entry {
        path: path(at),
        kind: EntryKind::Inode {
            kind,
            metadata: Metadata::root_owned(mode),
        },
    }
}

fn directory(at: &str) -> Entry {
    entry(at, NodeKind::Directory, 0o755)
}

fn file(at: &str) -> Entry {
    entry(at, NodeKind::File(Content::bytes(*b"x")), 0o644)
}

fn symlink(at: &str, target: &str) -> Entry {
    entry(at, NodeKind::Symlink(target.into()), 0o777)
}

fn hard_link(at: &str, target: &str) -> Entry {
    Entry {
        path: path(at),
        kind: EntryKind::HardLink {
            target: path(target),
        },
    }
}

fn packages(parts: Vec<Vec<Entry>>) -> Result<Tree, String> {
    merged(parts, false)
}

fn merged(parts: Vec<Vec<Entry>>, shares_equal_files: bool) -> Result<Tree, String> {
    let parts = parts
        .into_iter()
        .zip(["a", "b", "c"])
        .map(|(entries, name)| Part {
            origin: Origin::package(name, "1"),
            entries,
            shares_equal_files,
        });
    let table = [("bin", "usr/bin"), ("lib", "usr/lib")]
        .map(|(link, target)| (link.to_owned(), target.to_owned()));
    let merged = MergedLinks::parse(&table.into()).unwrap();
    merge(&merged, parts).map_err(|error| error.to_string())
}

fn names(tree: &Tree) -> Vec<String> {
    tree.iter().map(|(path, ..)| path.to_string()).collect()
}

#[test]
fn archives_unpack_through_the_recipes_links_which_survive() {
    let tree = packages(vec![
        vec![
            directory(""),
            directory("bin"),
            file("bin/sh"),
            hard_link("usr/bin/dash", "bin/sh"),
        ],
        vec![
            directory("usr"),
            directory("usr/bin"),
            symlink("lib", "usr/lib"),
            file("lib/x/y"),
        ],
    ])
    .unwrap();
    assert_eq!(
        names(&tree),
        [
            "/",
            "/bin",
            "/lib",
            "/usr",
            "/usr/bin",
            "/usr/bin/dash",
            "/usr/bin/sh",
            "/usr/lib",
            "/usr/lib/x",
            "/usr/lib/x/y"
        ]
    );
    let bin = tree.get(&path("bin")).unwrap();
    assert!(matches!(&bin.kind, NodeKind::Symlink(target) if target == b"usr/bin"));
    assert_eq!(bin.origin, Origin::rule("rootfs.merged-usr"));
    let id = |at: &str| {
        tree.iter()
            .find(|(found, ..)| **found == path(at))
            .unwrap()
            .1
    };
    assert_eq!(id("usr/bin/sh"), id("usr/bin/dash"));
}

#[test]
fn directories_are_shared_and_the_first_to_name_one_is_its_origin() {
    let tree = packages(vec![
        vec![file("etc/a/file")],
        vec![directory("etc"), entry("etc/a", NodeKind::Directory, 0o700)],
        vec![entry("etc/a", NodeKind::Directory, 0o700)],
    ])
    .unwrap();
    let shared = tree.get(&path("etc/a")).unwrap();
    assert_eq!(shared.metadata.mode, 0o700);
    assert_eq!(shared.origin, Origin::package("b", "1"));
}

#[test]
fn directories_of_different_modes_are_a_conflict() {
    let open = entry("tmp", NodeKind::Directory, 0o1777);
    assert_eq!(
        packages(vec![vec![directory("tmp")], vec![open]]).unwrap_err(),
        "directory conflict at /tmp: mode 0755 owner 0:0 in package a 1, mode 1777 owner 0:0 \
         in package b 1"
    );
}

#[test]
fn one_path_from_two_packages_is_a_conflict_that_names_both() {
    assert_eq!(
        packages(vec![vec![file("lib/x")], vec![file("usr/lib/x")]]).unwrap_err(),
        "file conflict at /usr/lib/x: a file of package a 1 and a file of package b 1; leave \
         one of them out"
    );
    assert_eq!(
        packages(vec![vec![directory("opt")], vec![symlink("opt", "srv")]]).unwrap_err(),
        "file conflict at /opt: a directory of package a 1 and a symbolic link of package b \
         1; leave one of them out"
    );
    assert_eq!(
        packages(vec![vec![symlink("bin", "elsewhere")]]).unwrap_err(),
        "file conflict at /bin: a symbolic link of rule rootfs.merged-usr and a symbolic \
         link of package a 1; leave one of them out"
    );
}

#[test]
fn rpm_packages_share_files_that_are_equal_and_no_others() {
    let content = |at: &str, bytes: &[u8]| entry(at, NodeKind::File(Content::bytes(bytes)), 0o644);
    let first = || {
        vec![
            content("lib/x", b"x"),
            symlink("lib/y", "x"),
            hard_link("lib/z", "lib/x"),
        ]
    };
    let tree = merged(vec![first(), first(), vec![file("usr/lib/x")]], true).unwrap();
    for name in ["usr/lib/x", "usr/lib/y", "usr/lib/z"] {
        let node = tree.get(&path(name)).unwrap();
        assert_eq!(node.origin, Origin::package("a", "1"));
    }
    let id = |at: &str| {
        let found = tree.iter().find(|(found, ..)| **found == path(at));
        found.unwrap().1
    };
    assert_eq!(id("usr/lib/x"), id("usr/lib/z"));
    for (other, kind) in [
        (content("lib/x", b"y"), "a file"),
        (content("lib/x", b"xx"), "a file"),
        (
            entry("lib/x", NodeKind::File(Content::bytes(*b"x")), 0o600),
            "a file",
        ),
        (symlink("lib/x", "y"), "a symbolic link"),
    ] {
        assert_eq!(
            merged(vec![first(), vec![other]], true).unwrap_err(),
            format!(
                "file conflict at /usr/lib/x: a file of package a 1 and {kind} of package b \
                 1; leave one of them out"
            )
        );
    }
    let link = vec![content("w", b"w"), hard_link("lib/x", "w")];
    assert!(
        merged(vec![first(), link], true)
            .unwrap_err()
            .starts_with("file conflict at /usr/lib/x: ")
    );
}

#[test]
fn writing_through_a_link_that_a_package_brought_is_refused() {
    for (target, parts) in [
        (
            "/etc",
            vec![vec![symlink("opt", "/etc"), file("opt/passwd")]],
        ),
        (
            "../..",
            vec![vec![symlink("opt", "../..")], vec![file("opt/passwd")]],
        ),
    ] {
        let expected = format!(
            "writes /opt/passwd through the symbolic link /opt -> {target} (package a 1); \
             only links named in rootfs.merged-usr are followed"
        );
        let error = packages(parts).unwrap_err();
        assert!(error.starts_with("symlink escape: package "), "{error}");
        assert!(error.ends_with(&expected), "{error}");
    }
    let hard = vec![symlink("opt", "etc"), file("x"), hard_link("opt/x", "x")];
    assert!(
        packages(vec![hard])
            .unwrap_err()
            .starts_with("symlink escape")
    );
}

#[test]
fn a_file_cannot_hold_anything() {
    assert_eq!(
        packages(vec![vec![file("etc")], vec![file("etc/passwd")]]).unwrap_err(),
        "package b 1 puts /etc/passwd below /etc, which is a file (package a 1)"
    );
}

#[test]
fn hard_links_name_an_earlier_file_of_their_own_package() {
    assert_eq!(
        packages(vec![vec![hard_link("b", "a"), file("a")]]).unwrap_err(),
        "package a 1: /b is a hard link to /a, which does not come before it"
    );
    assert_eq!(
        packages(vec![vec![file("a")], vec![hard_link("b", "a")]]).unwrap_err(),
        "package b 1: /b is a hard link to /a, which another package brings"
    );
    assert_eq!(
        packages(vec![vec![directory("a"), hard_link("b", "a")]]).unwrap_err(),
        "package a 1: /b is a hard link to /a, which is a directory"
    );
}
