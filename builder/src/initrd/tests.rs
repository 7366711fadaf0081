//! Initrds made of packages made up for the purpose, and of the programs of this machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::made_up_elf::{linked, module};
use super::*;
use crate::recipe::{PackageSet, Recipe};

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

fn path(text: &str) -> TreePath {
    TreePath::parse(text.as_bytes()).unwrap()
}

/// A tree of files, and of links where the content starts with `-> `.
fn packages(entries: &[(&str, Vec<u8>)]) -> Tree {
    let kind = |content: &[u8]| match content.strip_prefix(b"-> ") {
        Some(target) => NodeKind::Symlink(target.to_vec()),
        None => NodeKind::File(Content::bytes(content)),
    };
    tree_of(entries.iter().map(|(name, content)| (*name, kind(content))))
}

/// Directories are made as needed.
fn tree_of<'a>(entries: impl Iterator<Item = (&'a str, NodeKind)>) -> Tree {
    let origin = Origin::package("made-up", "1");
    let mut tree = Tree::new(origin.clone());
    for (name, kind) in entries {
        let at = path(name);
        let parents: Vec<_> = std::iter::successors(at.parent(), TreePath::parent).collect();
        for parent in parents.into_iter().rev() {
            add_directory(&mut tree, parent.as_bytes(), &origin).unwrap();
        }
        let node = Node {
            kind,
            metadata: Metadata::root_owned(0o755),
            origin: origin.clone(),
        };
        tree.insert(at, node).unwrap();
    }
    tree
}

fn names(tree: &Tree) -> Vec<String> {
    tree.iter().map(|(path, ..)| path.to_string()).collect()
}

fn own(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn programs(from: &Tree, wanted: &[&str]) -> Result<Vec<String>, String> {
    let mut tree = Tree::new(Origin::rule("test"));
    programs::add(from, &own(wanted), &mut tree)
        .map(|()| names(&tree))
        .map_err(|error| error.to_string())
}

fn modules(kernel: &Tree, wanted: &[&str]) -> Result<Vec<String>, String> {
    modules::in_load_order(kernel, &own(wanted))
        .map(|modules| modules.into_iter().map(|module| module.name).collect())
        .map_err(|error| error.to_string())
}

#[test]
fn programs_bring_their_loader_and_libraries_with_the_links_that_lead_there() {
    let from = packages(&[
        ("bin", b"-> usr/bin".to_vec()),
        ("lib64", b"-> usr/lib64".to_vec()),
        ("lib", b"-> usr/lib".to_vec()),
        (
            "usr/bin/tool",
            linked(LOADER, &["liba.so.1"], "/opt/x:$ORIGIN/../share/tool"),
        ),
        ("usr/bin/other", Vec::new()),
        ("usr/share/tool/liba.so.1", b"-> ../liba.so.1.2".to_vec()),
        (
            "usr/share/liba.so.1.2",
            linked("", &["libc.so.6", "liba.so.1"], ""),
        ),
        (
            "usr/lib64/ld-linux-x86-64.so.2",
            b"-> /lib/x86_64-linux-gnu/ld.so".to_vec(),
        ),
        ("usr/lib/x86_64-linux-gnu/ld.so", linked("", &[], "")),
        (
            "usr/lib/x86_64-linux-gnu/libc.so.6",
            linked("", &["ld-linux-x86-64.so.2"], ""),
        ),
        ("usr/lib/x86_64-linux-gnu/libunused.so.1", Vec::new()),
        ("usr/lib/liba.so.1", linked("", &[], "")),
    ]);
    assert_eq!(
        programs(&from, &["/bin/tool"]).unwrap(),
        [
            "/",
            "/bin",
            "/lib",
            "/lib64",
            "/usr",
            "/usr/bin",
            "/usr/bin/tool",
            "/usr/lib",
            "/usr/lib/liba.so.1",
            "/usr/lib/x86_64-linux-gnu",
            "/usr/lib/x86_64-linux-gnu/ld.so",
            "/usr/lib/x86_64-linux-gnu/libc.so.6",
            "/usr/lib64",
            "/usr/lib64/ld-linux-x86-64.so.2",
            "/usr/share",
            "/usr/share/liba.so.1.2",
            "/usr/share/tool",
            "/usr/share/tool/liba.so.1",
        ]
    );
}

#[test]
fn programs_that_cannot_run_are_errors() {
    let from = packages(&[
        ("bin/lonely", linked(LOADER, &[], "")),
        ("bin/needy", linked("", &["libgone.so.2"], "")),
        ("bin/script", b"#!/bin/sh\n".to_vec()),
        ("bin/circle", b"-> circle".to_vec()),
    ]);
    for (program, message) in [
        (
            "/bin/gone",
            "/bin/gone: none of the initrd's packages brings it",
        ),
        (
            "/bin/circle",
            "/bin/circle: none of the initrd's packages brings it",
        ),
        ("/bin", "/bin: is a directory"),
        (
            "/bin/lonely",
            "/bin/lonely needs /lib64/ld-linux-x86-64.so.2, which none of the initrd's packages \
             brings; add the package that does",
        ),
        (
            "/bin/needy",
            "/bin/needy needs libgone.so.2, which none of the initrd's packages brings; add the \
             package that does",
        ),
        ("/bin/script", "/bin/script: is not an ELF program"),
    ] {
        let error = programs(&from, &[program]).unwrap_err();
        assert_eq!(error, format!("initrd.programs: {message}"));
    }
}

fn made_up_kernel() -> Tree {
    let module_at = |name: &str| format!("usr/lib/modules/6.1/kernel/{name}");
    let builtin = b"kernel/crypto/crc32c_generic.ko\nkernel/fs/ext4/ext4.ko\n".to_vec();
    let plain = |name: &str, info: &[&str]| (module_at(name), module(info));
    let mut xz = Vec::new();
    let bufio = module(&["depends=dm-mod"]);
    std::io::Read::read_to_end(&mut liblzma::read::XzEncoder::new(&bufio[..], 6), &mut xz).unwrap();
    let verity = module(&["license=GPL", "depends=reed_solomon,dm-mod,dm_bufio"]);
    let entries = [
        plain("dm-mod.ko", &["depends="]),
        (module_at("dm-bufio.ko.xz"), xz),
        (
            module_at("dm-verity.ko.zst"),
            zstd::encode_all(&verity[..], 3).unwrap(),
        ),
        plain("reed_solomon.ko", &[]),
        plain(
            "erofs.ko",
            &["depends=libcrc32c", "softdep=pre: early crc32c post: late"],
        ),
        plain("early.ko", &["softdep=post: late"]),
        plain("late.ko", &[]),
        plain(
            "libcrc32c.ko",
            &["softdep=pre: crc32c", "depends=crc32c-generic"],
        ),
        plain("broken.ko", &["depends=nowhere"]),
        plain("hen.ko", &["depends=egg"]),
        plain("egg.ko", &["depends=hen"]),
        (module_at("text.ko"), b"text".to_vec()),
        ("usr/lib/modules/6.1/modules.builtin".to_owned(), builtin),
    ];
    packages(
        &entries
            .each_ref()
            .map(|(name, bytes)| (name.as_str(), bytes.clone())),
    )
}

#[test]
fn modules_come_after_what_they_depend_on_and_only_once() {
    let kernel = made_up_kernel();
    assert_eq!(
        modules(&kernel, &["dm_verity", "ext4", "erofs", "dm-mod"]).unwrap(),
        [
            "reed_solomon",
            "dm-mod",
            "dm-bufio",
            "dm-verity",
            "early",
            "libcrc32c",
            "erofs"
        ]
    );
}

#[test]
fn modules_that_cannot_load_are_errors_with_close_names() {
    let kernel = made_up_kernel();
    for (wanted, message) in [
        (
            "dm-verty",
            "the kernel has no module \"dm-verty\" and none of that name is built in; there is \
             dm-verity",
        ),
        (
            "broken",
            "the kernel has no module \"nowhere\", which broken depends on, and none of that name \
             is built in",
        ),
        (
            "hen",
            "/usr/lib/modules/6.1/kernel/hen.ko depends on itself through hen, egg",
        ),
        (
            "text",
            "/usr/lib/modules/6.1/kernel/text.ko is not a kernel module: Could not read file magic",
        ),
    ] {
        let error = modules(&kernel, &[wanted]).unwrap_err();
        assert_eq!(error, format!("initrd.modules: {message}"));
    }
    assert_eq!(
        modules(&packages(&[]), &["erofs"]).unwrap_err(),
        "initrd.modules: the kernel's packages hold no /lib/modules/VERSION"
    );
    let two = packages(&[("lib/modules/1/a", vec![]), ("lib/modules/2/a", vec![])]);
    assert_eq!(
        modules(&two, &["erofs"]).unwrap_err(),
        "initrd.modules: the kernel's packages hold two kernels, /lib/modules/1 and \
         /lib/modules/2; name the package of one"
    );
}

struct Declared {
    recipe: Recipe,
    initrd: Initrd,
    folder: tempfile::TempDir,
}

fn declare(init: &str) -> Declared {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("init"), init).unwrap();
    let initrd = Initrd {
        packages: PackageSet {
            archive: "debian".to_owned(),
            names: Vec::new(),
            provided: Vec::new(),
            contents_only: Vec::new(),
        },
        compression: Compression::Zstd,
        programs: own(&["/bin/busybox"]),
        modules: own(&["dm-verity"]),
        init: PathBuf::from("init"),
        maintainer_scripts: Default::default(),
    };
    let recipe = Recipe::parse(
        crate::rules::MADE_UP_RECIPE,
        &folder.path().join("recipe.toml"),
    );
    Declared {
        recipe: recipe.unwrap(),
        initrd,
        folder,
    }
}

fn made_up_initrd(init: &str) -> Result<Tree, String> {
    let declared = declare(init);
    let programs = packages(&[("bin/busybox", linked("", &[], ""))]);
    let Declared { recipe, initrd, .. } = &declared;
    tree(recipe, initrd, &made_up_kernel(), &programs).map_err(|error| error.to_string())
}

#[test]
fn the_tree_holds_programs_modules_init_and_places_to_mount_on() {
    let tree = made_up_initrd("#!/bin/busybox sh\n").unwrap();
    assert_eq!(
        names(&tree),
        [
            "/",
            "/bin",
            "/bin/busybox",
            "/dev",
            "/dev/console",
            "/init",
            "/modules",
            "/modules/000-reed_solomon.ko",
            "/modules/001-dm-mod.ko",
            "/modules/002-dm-bufio.ko",
            "/modules/003-dm-verity.ko",
            "/proc",
            "/root",
            "/run",
            "/sys",
        ]
    );
    let init = tree.get(&path("init")).unwrap();
    assert_eq!(init.metadata.mode, 0o755);
    assert_eq!(init.origin, Origin::recipe_file("init"));
    let verity = tree.get(&path("modules/003-dm-verity.ko")).unwrap();
    assert_eq!(verity.origin, Origin::package("made-up", "1"));
    match &verity.kind {
        NodeKind::File(content) => assert!(content.to_vec().unwrap().starts_with(b"\x7fELF")),
        other => panic!("{}", other.noun()),
    }
}

#[test]
fn an_init_script_that_cannot_start_is_an_error() {
    assert_eq!(
        made_up_initrd("echo hello\n").unwrap_err(),
        "initrd.init: init: does not start with \"#!\" and the path of its interpreter"
    );
    assert_eq!(
        made_up_initrd("#! /bin/sh -e\n").unwrap_err(),
        "initrd.init: init: its interpreter /bin/sh is not in the initrd; add it to \
         initrd.programs"
    );
    let declared = declare("");
    std::fs::remove_file(declared.folder.path().join("init")).unwrap();
    let programs = packages(&[("bin/busybox", linked("", &[], ""))]);
    let found = tree(
        &declared.recipe,
        &declared.initrd,
        &made_up_kernel(),
        &programs,
    );
    assert_eq!(
        found.unwrap_err().to_string(),
        "recipe file init: No such file or directory (os error 2)"
    );
}

/// The libraries of this machine as a tree, with `program`.
fn this_machine(program: &str) -> Tree {
    let mut paths: Vec<PathBuf> = ["/bin", "/sbin", "/lib", "/lib64", program]
        .map(PathBuf::from)
        .to_vec();
    for folder in ["/usr/lib/x86_64-linux-gnu", "/usr/lib64"] {
        paths.extend(
            std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().path()),
        );
    }
    let kind = |path: &PathBuf| {
        let metadata = std::fs::symlink_metadata(path).unwrap();
        if metadata.is_symlink() {
            let target = std::fs::read_link(path).unwrap();
            return Some(NodeKind::Symlink(target.to_str().unwrap().into()));
        }
        let content = Content::Path {
            path: path.clone(),
            length: metadata.len(),
        };
        metadata.is_file().then_some(NodeKind::File(content))
    };
    tree_of(
        paths
            .iter()
            .filter_map(|path| Some((path.to_str().unwrap(), kind(path)?))),
    )
}

/// What ldd(1) lists, links resolved.
fn ldd(program: &str) -> BTreeSet<PathBuf> {
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .expect("ldd: install the Debian package libc-bin");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .flat_map(|line| line.split_whitespace())
        .filter(|word| word.starts_with('/'))
        .map(|word| Path::new(word).canonicalize().unwrap())
        .collect()
}

#[test]
fn the_libraries_of_real_programs_are_those_that_ldd_lists() {
    for (program, package) in [
        ("/usr/sbin/dmsetup", "dmsetup"),
        ("/usr/bin/busybox", "busybox-static"),
        ("/usr/bin/dpkg-deb", "dpkg"),
    ] {
        assert!(
            Path::new(program).exists(),
            "{program}: install the Debian package {package}"
        );
        let from = this_machine(program);
        let mut tree = Tree::new(Origin::rule("test"));
        programs::add(&from, &own(&[program]), &mut tree).unwrap();
        let found: BTreeSet<PathBuf> = tree
            .iter()
            .filter(|(_, _, node)| matches!(node.kind, NodeKind::File(_)))
            .map(|(path, ..)| PathBuf::from(path.to_string()))
            .filter(|path| path != Path::new(program))
            .collect();
        assert_eq!(found, ldd(program), "{program}");
    }
}

#[test]
fn the_init_script_of_debian_12_is_a_script_for_busybox() {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../recipes/debian-12/files/init"
    );
    let output = Command::new("busybox")
        .args(["sh", "-n", script])
        .output()
        .expect("busybox: install the Debian package busybox-static");
    assert!(output.status.success(), "{output:?}");
}
