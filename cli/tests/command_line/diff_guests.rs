//! Guests that differ in one thing: a small archive and recipe, built as they are and with a
//! change.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::archive::{PROGRAM, RECIPE, publish, sha256};
use crate::tools::Tool;
use crate::vectors;

const TAR: Tool = Tool {
    command: "tar",
    package: "tar",
};

/// A package of the archive.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Path, content and mode, in the order of the package.
    pub(crate) files: Vec<(&'static str, Vec<u8>, u32)>,
    /// More options for tar.
    pub(crate) tar: Vec<&'static str>,
}

/// An archive and a recipe over it.
#[derive(Debug, Clone)]
pub(crate) struct Seed {
    pub(crate) packages: Vec<Package>,
    pub(crate) recipe: String,
    /// The script that the initrd starts.
    pub(crate) init: String,
}

/// A build: its folder is removed with it.
pub(crate) struct Guest {
    folder: TempDir,
}

impl Guest {
    /// The folder that commands run in.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The output directory.
    pub(crate) fn out(&self) -> PathBuf {
        self.path().join("out")
    }
}

impl Package {
    pub(crate) fn new(
        name: &'static str,
        version: &'static str,
        files: &[(&'static str, &[u8])],
    ) -> Self {
        let file = |(path, bytes): &(&'static str, &[u8])| (*path, bytes.to_vec(), 0o644);
        Self {
            name,
            version,
            files: files.iter().map(file).collect(),
            tar: Vec::new(),
        }
    }

    /// Puts the package into an archive; gives its paragraph of the index.
    fn publish(&self, archive: &Path) -> String {
        let Self { name, version, .. } = self;
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\n\
             Maintainer: Nobody <nobody@example.org>\nDescription: a test\n"
        );
        let paragraph = [("control", control.clone().into_bytes(), 0o644)];
        // Nothing of the machine: two packages of one content are one package.
        let plain = ["--pax-option=delete=atime,delete=ctime,exthdr.name=%d/PaxHeaders/%f"];
        let mut deb = b"!<arch>\n".to_vec();
        for (member, bytes) in [
            ("debian-binary", b"2.0\n".to_vec()),
            ("control.tar", tar(&paragraph, &plain)),
            (
                "data.tar",
                tar(&self.files, &[&plain[..], &self.tar].concat()),
            ),
        ] {
            let size = bytes.len();
            deb.extend(format!("{member:16}{:12}0     0     100644  {size:<10}`\n", 0).bytes());
            deb.extend(&bytes);
            deb.resize(deb.len().next_multiple_of(2), b'\n');
        }
        let path = format!("pool/main/{name}_{version}_amd64.deb");
        let file = archive.join(&path);
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(&file, &deb).unwrap();
        let (size, sha256) = (deb.len(), sha256(&deb));
        format!("{control}Filename: {path}\nSize: {size}\nSHA256: {sha256}\n\n")
    }
}

/// A tar archive of these files in their order.
pub(crate) fn tar(files: &[(&str, Vec<u8>, u32)], options: &[&str]) -> Vec<u8> {
    use std::os::unix::fs::PermissionsExt;

    let tree = tempfile::tempdir().unwrap();
    for (path, bytes, mode) in files {
        let path = tree.path().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, bytes).unwrap();
        let mode = std::fs::Permissions::from_mode(*mode);
        fs_err::set_permissions(path, mode).unwrap();
    }
    let mut command = Command::new(TAR.command);
    command.current_dir(tree.path());
    command.args(["--create", "--format=pax", "--owner=0", "--group=0"]);
    command.args(["--numeric-owner", "--no-recursion"]);
    command.arg("--mtime=@0");
    command.args(options);
    command.args(files.iter().map(|(path, _, _)| format!("./{path}")));
    let output = TAR.run(&mut command);
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// A file that takes some blocks: what `seed` says decides its bytes.
pub(crate) fn blocks(seed: u8) -> Vec<u8> {
    let bytes = (0..20_000_u32).map(|at| at.to_le_bytes()[0] ^ seed);
    bytes.collect()
}

/// The kernel of all guests, with `banner` where a kernel keeps its own.
pub(crate) fn kernel(banner: &str) -> Vec<u8> {
    let file = vectors("builder").join("aks-layout/kernel-cmdline/kernel");
    let mut kernel = fs_err::read(file).unwrap();
    let word = |kernel: &[u8], at: usize| {
        let bytes: [u8; 4] = kernel[at..at + 4].try_into().unwrap();
        usize::try_from(u32::from_le_bytes(bytes)).unwrap()
    };
    let setup = (usize::from(kernel[0x1f1]) + 1) * 512;
    let payload = setup + word(&kernel, 0x248);
    let text = format!("Linux version {banner} (nobody@nowhere) #1 SMP\n\0");
    kernel[payload..payload + text.len()].copy_from_slice(text.as_bytes());
    kernel
}

impl Seed {
    /// The guest that changes are made to.
    pub(crate) fn base() -> Self {
        let release = b"NAME=Tiny\n";
        Self {
            packages: vec![
                Package::new(
                    "tiny-base",
                    "1.0",
                    &[
                        ("etc/os-release", release),
                        ("etc/motd", b"hello\n"),
                        ("usr/lib/libbig.so", &blocks(1)),
                    ],
                ),
                Package::new("tiny-data", "2.0-1", &[("usr/share/data", &blocks(2))]),
                Package::new(
                    "tiny-kernel",
                    "1.0",
                    &[("boot/vmlinuz-1", &kernel("6.1.0"))],
                ),
                Package::new("tiny-tool", "1.0", &[("bin/tool", PROGRAM)]),
            ],
            recipe: RECIPE.replace(
                "names = [\"tiny-base\"]",
                "names = [\"tiny-base\", \"tiny-data\"]",
            ),
            init: "#!/bin/tool\n".to_owned(),
        }
    }

    /// The same with something else in its recipe.
    pub(crate) fn with(mut self, from: &str, to: &str) -> Self {
        assert!(self.recipe.contains(from), "no {from:?}:\n{}", self.recipe);
        self.recipe = self.recipe.replace(from, to);
        self
    }

    pub(crate) fn package(&mut self, name: &str) -> &mut Package {
        let mut packages = self.packages.iter_mut();
        packages.find(|package| package.name == name).unwrap()
    }

    /// Locks and builds.
    pub(crate) fn build(&self) -> Guest {
        let guest = Guest {
            folder: tempfile::tempdir().unwrap(),
        };
        let archive = guest.path().join("archive");
        let packages = self.packages.iter();
        let index: String = packages.map(|package| package.publish(&archive)).collect();
        let recipe = guest.path().join("tiny");
        fs_err::create_dir(&recipe).unwrap();
        fs_err::write(recipe.join("key.asc"), publish(&archive, &index)).unwrap();
        fs_err::write(recipe.join("recipe.toml"), &self.recipe).unwrap();
        fs_err::write(recipe.join("init"), &self.init).unwrap();
        let mirror = format!("tiny=file://{}", archive.display());
        let arguments = ["tiny", "--store", "store", "--mirror", &mirror];
        crate::stdout(guest.path(), &[&["lock"], &arguments[..]].concat());
        crate::stdout(
            guest.path(),
            &[&["build"], &arguments[..], &["-o", "out"]].concat(),
        );
        guest
    }
}

/// [`Seed::base`], built.
pub(crate) fn base() -> &'static Guest {
    static BASE: OnceLock<Guest> = OnceLock::new();
    BASE.get_or_init(|| Seed::base().build())
}
