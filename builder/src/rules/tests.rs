//! Whole recipes applied to packages made up for the purpose.

use std::path::Path;

use super::*;
use crate::package::MaintainerScript;
use crate::tree::tarball::{Entry, EntryKind};
use crate::tree::{Content, Metadata, Origin};

/// What every recipe must say, before its `[rootfs]`.
pub(crate) const MADE_UP_RECIPE: &str = r#"
[recipe]
name = "test"
description = "made up"
architecture = "amd64"
[identity]
family-id = "00000000000000000000000000000000"
image-id = "00000000000000000000000000000000"
guest-svn = 1
uvm-svn = 1
policy = 0x30000
[archive.debian]
kind = "debian"
suite = "bookworm"
components = ["main"]
keys = []
[kernel]
image = "/boot/vmlinuz-*"
packages = { archive = "debian", names = ["linux"] }
[agent]
kind = "qemu-guest-agent"
port = "agent"
[command-line]
production = "{root_hash}"
debug = "{root_hash}"
[disk]
file = "disk.img"
[igvm]
layout = "linux"
memory = "512 MiB"
file = "guest.igvm"
debug-file = "debug.igvm"
[rootfs]
packages = { archive = "debian", names = ["base"] }
merged-usr = { bin = "usr/bin" }
"#;

fn recipe(folder: &Path, rules: &str) -> Recipe {
    Recipe::parse(
        &format!("{MADE_UP_RECIPE}{rules}"),
        &folder.join("recipe.toml"),
    )
    .unwrap()
}

/// A package of files whose content is their own name; a name with a final slash is a directory.
fn package(name: &str, files: &[&str]) -> OpenedPackage {
    let entries = files.iter().map(|file| Entry {
        path: TreePath::parse(file.as_bytes()).unwrap(),
        kind: EntryKind::Inode {
            kind: match file.ends_with('/') {
                true => NodeKind::Directory,
                false => NodeKind::File(Content::bytes(file.as_bytes())),
            },
            metadata: Metadata::root_owned(0o755),
        },
    });
    OpenedPackage {
        name: name.to_owned(),
        version: "1".to_owned(),
        architecture: "amd64".to_owned(),
        scripts: Vec::new(),
        entries: entries.collect(),
        owners: Vec::new(),
        shares_equal_files: false,
    }
}

fn apply(rules: &str, files: &[&str]) -> Result<Tree, String> {
    let recipe = recipe(Path::new(""), rules);
    root_tree(&recipe, vec![package("base", files)]).map_err(|error| error.to_string())
}

fn names(tree: &Tree) -> Vec<String> {
    tree.iter()
        .skip(1)
        .map(|(path, ..)| path.to_string())
        .collect()
}

fn content(tree: &Tree, path: &str) -> String {
    match &tree
        .get(&TreePath::parse(path.as_bytes()).unwrap())
        .unwrap()
        .kind
    {
        NodeKind::File(content) => String::from_utf8(content.to_vec().unwrap()).unwrap(),
        other => panic!("{path} is {}", other.noun()),
    }
}

#[test]
fn keep_only_leaves_what_is_named_and_the_directories_above_it() {
    let rules = r#"
        keep-only = [{ directory = "/usr/share/doc", files = ["*/copyright", "whole"] }]
    "#;
    let files = [
        "usr/share/doc/a/copyright",
        "usr/share/doc/a/changelog",
        "usr/share/doc/b/changelog",
        "usr/share/doc/empty/",
        "usr/share/doc/whole/x/y",
        "usr/share/docs",
    ];
    assert_eq!(
        names(&apply(rules, &files).unwrap())[3..],
        [
            "/usr/share/doc",
            "/usr/share/doc/a",
            "/usr/share/doc/a/copyright",
            "/usr/share/doc/whole",
            "/usr/share/doc/whole/x",
            "/usr/share/doc/whole/x/y",
            "/usr/share/docs"
        ]
    );
    assert_eq!(
        apply(rules, &["usr/bin/sh"]).unwrap_err(),
        "rootfs.keep-only: /usr/share/doc: no such file or directory in the tree"
    );
    assert_eq!(
        apply(rules, &["usr/share/doc/a/copyright"]).unwrap_err(),
        "rootfs.keep-only: \"whole\" matches nothing; it is out of date: correct it or take it out"
    );
}

#[test]
fn a_removed_directory_goes_with_what_it_holds() {
    let rules = r#"remove = ["/usr/share/{man,locale}", "/usr/share/man/**"]"#;
    let files = ["usr/share/man/a/b", "usr/share/locale/", "usr/share/manual"];
    assert_eq!(
        names(&apply(rules, &files).unwrap()),
        ["/bin", "/usr", "/usr/share", "/usr/share/manual"]
    );
    assert_eq!(
        apply(rules, &files[..1]).unwrap_err(),
        "rootfs.remove: \"/usr/share/locale\" matches nothing; it is out of date: correct it or \
         take it out"
    );
}

#[test]
fn what_may_be_absent_is_removed_where_it_is_there() {
    let rules = r#"remove-if-present = ["/usr/{share,lib}/x*", "/gone"]"#;
    let tree = apply(rules, &["usr/lib/x1", "usr/lib/y"]).unwrap();
    assert_eq!(names(&tree), ["/bin", "/usr", "/usr/lib", "/usr/lib/y"]);
}

#[test]
fn what_moves_stays_its_packages_and_leaves_the_rest_to_be_removed() {
    let rules = r#"
        move = [
            { from = "/opt/kata/agent", to = "/usr/libexec/kata/agent" },
            { from = "/opt/kata/units", to = "/usr/units" },
        ]
        remove = ["/opt"]
    "#;
    let files = ["opt/kata/agent", "opt/kata/units/a/b", "opt/kata/rest"];
    let tree = apply(rules, &files).unwrap();
    let made_by: Vec<_> = tree
        .iter()
        .skip(3)
        .map(|(path, _, node)| format!("{path}: {}", node.origin))
        .collect();
    assert_eq!(
        made_by,
        [
            "/usr/libexec: rule rootfs.move",
            "/usr/libexec/kata: rule rootfs.move",
            "/usr/libexec/kata/agent: package base 1",
            "/usr/units: package base 1",
            "/usr/units/a: package base 1",
            "/usr/units/a/b: package base 1",
        ]
    );
    assert_eq!(content(&tree, "usr/units/a/b"), "opt/kata/units/a/b");
    for (from, to, message) in [
        (
            "/opt/gone",
            "/x",
            "/opt/gone: no such file or directory in the tree",
        ),
        (
            "/opt",
            "/opt/kata/x",
            "/opt cannot go to /opt/kata/x, which is the same or below it",
        ),
        (
            "/opt/kata/rest",
            "/opt/kata/agent",
            "/opt/kata/agent: already exists (package base 1)",
        ),
    ] {
        let rules = format!("move = [{{ from = {from:?}, to = {to:?} }}]");
        assert_eq!(
            apply(&rules, &files).unwrap_err(),
            format!("rootfs.move: {message}")
        );
    }
}

#[test]
fn shells_and_alternatives_name_what_is_there() {
    let rules = r#"
        shells = ["/bin/sh", "/usr/bin/bash"]
        link = [{ path = "/usr/bin/sh", target = "bash" }]
        alternative = [{ name = "ip", link = "/usr/sbin/ip", path = "/usr/sbin/ip-nft" }]
    "#;
    let files = ["usr/bin/bash", "usr/sbin/ip-nft"];
    let tree = apply(rules, &files).unwrap();
    assert_eq!(content(&tree, "etc/shells"), "/bin/sh\n/usr/bin/bash\n");
    for (path, target) in [
        ("usr/sbin/ip", "/etc/alternatives/ip"),
        ("etc/alternatives/ip", "/usr/sbin/ip-nft"),
    ] {
        let node = tree
            .get(&TreePath::parse(path.as_bytes()).unwrap())
            .unwrap();
        assert!(matches!(&node.kind, NodeKind::Symlink(to) if to == target.as_bytes()));
        assert_eq!(node.origin.to_string(), "rule rootfs.alternative");
    }
    for (rules, message) in [
        (
            r#"shells = ["/bin/gone"]"#,
            "rootfs.shells: \"/bin/gone\" does not exist, or is a link to nothing",
        ),
        (
            r#"shells = ["/usr/bin"]"#,
            "rootfs.shells: \"/usr/bin\" is not a program",
        ),
        (
            r#"shells = ["bash"]"#,
            "rootfs.shells: \"bash\" is not an absolute path without \"#\"",
        ),
        (
            r#"alternative = [{ name = "a/b", link = "/x", path = "/usr" }]"#,
            "rootfs.alternative: \"a/b\" is not a plain name",
        ),
        (
            r#"alternative = [{ name = "a", link = "/x", path = "/gone" }]"#,
            "rootfs.alternative: /gone: no such file or directory in the tree",
        ),
    ] {
        assert_eq!(apply(rules, &files).unwrap_err(), message);
    }
}

#[test]
fn rules_run_in_their_order_and_each_entry_says_who_made_it() {
    let rules = r#"
        remove = ["/etc/issue"]
        directory = [{ path = "/etc", mode = "0700", gid = 5 }, { path = "/srv/a/b" }]
        file = [
            { path = "/etc/issue", content = "new\n", mode = "0444" },
            { path = "/etc/hosts", content = "mine\n" },
        ]
        link = [{ path = "/etc/mtab", target = "../proc/self/mounts" }]
        [[rootfs.user]]
        name = "root"
        uid = 0
        gid = 0
        home = "/root"
        shell = "/usr/sbin/nologin"
        [[rootfs.group]]
        name = "root"
        gid = 0
    "#;
    let tree = apply(rules, &["etc/issue", "etc/hosts", "etc/mtab", "bin/sh"]).unwrap();
    assert_eq!(
        names(&tree),
        [
            "/bin",
            "/etc",
            "/etc/group",
            "/etc/hosts",
            "/etc/issue",
            "/etc/mtab",
            "/etc/passwd",
            "/srv",
            "/srv/a",
            "/srv/a/b",
            "/usr",
            "/usr/bin",
            "/usr/bin/sh"
        ]
    );
    assert_eq!(content(&tree, "etc/issue"), "new\n");
    assert_eq!(content(&tree, "etc/hosts"), "mine\n");
    let node = |path: &str| {
        tree.get(&TreePath::parse(path.as_bytes()).unwrap())
            .unwrap()
    };
    assert_eq!(node("etc").metadata.mode, 0o700);
    assert_eq!(node("etc").metadata.gid, 5);
    assert_eq!(node("etc/issue").metadata.mode, 0o444);
    for (path, origin) in [
        ("usr/bin/sh", "package base 1"),
        ("bin", "rule rootfs.merged-usr"),
        ("etc", "rule rootfs.directory"),
        ("etc/hosts", "rule rootfs.file"),
        ("etc/mtab", "rule rootfs.link"),
        ("etc/passwd", "rule rootfs.user"),
    ] {
        assert_eq!(node(path).origin.to_string(), origin);
    }
}

#[test]
fn two_rules_for_one_path_contradict_each_other() {
    let rules = r#"
        file = [{ path = "/etc/x", content = "" }]
        link = [{ path = "/etc/x", target = "y" }]
    "#;
    assert_eq!(
        apply(rules, &[]).unwrap_err(),
        "rootfs.link: /etc/x is already a file (rule rootfs.file); rootfs.link replaces only files \
         and links of packages"
    );
    assert_eq!(
        apply(r#"file = [{ path = "/etc/x", content = "" }]"#, &["etc/x/"]).unwrap_err(),
        "rootfs.file: /etc/x is already a directory (package base 1); rootfs.file replaces only \
         files and links of packages"
    );
    assert_eq!(
        apply(r#"file = [{ path = "/bin/x", content = "" }]"#, &[]).unwrap_err(),
        "rootfs.file: /bin/x: /bin is not a directory (rule rootfs.merged-usr)"
    );
}

#[test]
fn the_merged_usr_links_survive_every_rule() {
    assert_eq!(
        apply(r#"remove = ["/b*"]"#, &["usr/bin/sh"]).unwrap_err(),
        "/bin: the recipe's link to /usr/bin is gone; a rule must not touch merged-usr links"
    );
}

#[test]
fn files_beside_the_recipe_are_used_and_none_of_the_host() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("recipe")).unwrap();
    std::fs::write(folder.path().join("outside"), "host\n").unwrap();
    std::fs::write(folder.path().join("recipe/motd"), "hello\n").unwrap();
    std::os::unix::fs::symlink("../outside", folder.path().join("recipe/link")).unwrap();
    let apply = |source: &str| {
        let rules = format!("file = [{{ path = \"/etc/motd\", source = \"{source}\" }}]");
        root_tree(&recipe(&folder.path().join("recipe"), &rules), Vec::new())
            .map_err(|error| error.to_string())
    };
    let tree = apply("motd").unwrap();
    assert_eq!(content(&tree, "etc/motd"), "hello\n");
    let motd = TreePath::parse(b"etc/motd").unwrap();
    assert_eq!(tree.get(&motd).unwrap().origin, Origin::recipe_file("motd"));
    for source in ["../outside", "/etc/passwd"] {
        assert_eq!(
            apply(source).unwrap_err(),
            format!("recipe file {source}: must be a relative path without \"..\"")
        );
    }
    let error = apply("link").unwrap_err();
    let expected = "recipe file link: leads out of the recipe's folder, to ";
    assert!(error.starts_with(expected), "{error}");
    assert_eq!(
        apply(".").unwrap_err(),
        "recipe file .: is not a regular file"
    );
    assert_eq!(
        apply("gone").unwrap_err(),
        "recipe file gone: No such file or directory (os error 2)"
    );
}

#[test]
fn a_file_has_one_source() {
    assert_eq!(
        apply(r#"file = [{ path = "/etc/x" }]"#, &[]).unwrap_err(),
        "rootfs.file: /etc/x: give exactly one of source and content"
    );
}

#[test]
fn each_set_of_packages_answers_for_its_own_scripts() {
    let recipe = recipe(Path::new(""), "");
    let linux = || {
        let mut linux = package("linux", &["boot/vmlinuz-6", "boot/config"]);
        linux.scripts.push(MaintainerScript::Postinst);
        vec![linux]
    };
    let expected = "maintainer scripts never run here, and nothing stands in for those of linux 1 \
        (postinst); read them and add a line for each package that says what does";
    assert_eq!(
        kernel_tree(&recipe, linux()).unwrap_err().to_string(),
        format!("kernel.maintainer-scripts: {expected}")
    );
    assert_eq!(
        root_tree(&recipe, linux()).unwrap_err().to_string(),
        format!("rootfs.maintainer-scripts: {expected}")
    );
}

#[test]
fn the_kernel_image_is_one_file() {
    let recipe = recipe(Path::new(""), "");
    let image = |files: &[&str]| {
        let tree = kernel_tree(&recipe, vec![package("linux", files)]).unwrap();
        kernel_image(&recipe, &tree)
            .map(|(content, _)| content.len())
            .map_err(|error| error.to_string())
    };
    assert!(image(&["boot/vmlinuz-6"]).is_ok());
    assert_eq!(
        image(&["boot/vmlinuz-6", "boot/vmlinuz-7"]).unwrap_err(),
        "kernel.image: \"/boot/vmlinuz-*\" must match exactly one file of the kernel's packages; \
         it matches /boot/vmlinuz-6, /boot/vmlinuz-7"
    );
    assert_eq!(
        image(&["boot/config"]).unwrap_err(),
        "kernel.image: \"/boot/vmlinuz-*\" matches nothing; it is out of date: correct it or take \
         it out"
    );
}

#[test]
fn the_recipe_debian_12_names_files_that_stand_beside_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes/debian-12");
    let recipe = Recipe::read(&folder).unwrap();
    let init = &recipe.initrd.as_ref().unwrap().init;
    let sources = recipe
        .rootfs
        .file
        .iter()
        .filter_map(|file| file.source.as_ref());
    for file in sources.chain([init]) {
        recipe.companion(file).unwrap();
    }
}
