//! A package archive and a recipe so small that a build takes no time: three packages made with
//! dpkg-deb, an index signed with gpg, and a mirror that is a folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::tools::Tool;
use crate::vectors;

const DPKG_DEB: Tool = Tool {
    command: "dpkg-deb",
    package: "dpkg",
};
const GPG: Tool = Tool {
    command: "gpg",
    package: "gnupg",
};
const GPGCONF: Tool = Tool {
    command: "gpgconf",
    package: "gnupg",
};

/// The recipe, which says in comments nothing that a test depends on.
pub(crate) const RECIPE: &str = include_str!("tiny/recipe.toml");

/// The static program of the initrd: an ELF header for x86-64, which needs no library.
pub(crate) const PROGRAM: &[u8; 64] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\
    \x02\0\x3e\0\x01\0\0\0\0\0\0\0\0\0\0\0\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \0\0\0\0\x40\0\x38\0\0\0\x40\0\0\0\0\0";

/// An archive that all tests share, and the key that it is signed with.
struct Archive {
    folder: PathBuf,
    key: String,
}

/// A recipe that a test may change, with a store of its own.
pub(crate) struct Tiny {
    folder: TempDir,
}

impl Tiny {
    /// The recipe, not locked.
    pub(crate) fn new() -> Self {
        let tiny = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs_err::create_dir(tiny.path().join("tiny")).unwrap();
        tiny.write("recipe.toml", RECIPE);
        tiny.write("key.asc", &archive().key);
        tiny.write("init", "#!/bin/tool\n");
        tiny
    }

    /// The recipe, locked.
    pub(crate) fn locked() -> Self {
        let tiny = Self::new();
        crate::stdout(tiny.path(), &tiny.lock(&[]));
        tiny
    }

    /// The folder that commands run in; the recipe is `tiny` in it.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the recipe.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs_err::write(self.path().join("tiny").join(name), text).unwrap();
    }

    /// A file of the recipe.
    pub(crate) fn read(&self, name: &str) -> String {
        fs_err::read_to_string(self.path().join("tiny").join(name)).unwrap()
    }

    /// Replaces text of a file of the recipe, where it must stand.
    pub(crate) fn change(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no {from:?}:\n{text}");
        self.write(name, &text.replacen(from, to, 1));
    }

    /// The arguments that lock the recipe.
    pub(crate) fn lock<'a>(&self, more: &[&'a str]) -> Vec<&'a str> {
        [
            &["lock", "tiny", "--store", "store", "--mirror", mirror()],
            more,
        ]
        .concat()
    }

    /// The arguments that build the recipe.
    pub(crate) fn build<'a>(&self, more: &[&'a str]) -> Vec<&'a str> {
        [
            &["build", "tiny", "--store", "store", "--mirror", mirror()],
            more,
        ]
        .concat()
    }
}

/// The archive's address, as `--mirror` takes it.
pub(crate) fn mirror() -> &'static str {
    static MIRROR: OnceLock<String> = OnceLock::new();
    MIRROR.get_or_init(|| format!("tiny=file://{}", archive().folder.display()))
}

/// The SHA-256 of `bytes` in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The archive, made anew for each run of the tests.
fn archive() -> &'static Archive {
    static ARCHIVE: OnceLock<Archive> = OnceLock::new();
    ARCHIVE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tiny-archive");
        if folder.exists() {
            fs_err::remove_dir_all(&folder).unwrap();
        }
        let kernel = vectors("builder").join("aks-layout/kernel-cmdline/kernel");
        let kernel = fs_err::read(kernel).unwrap();
        let packages: String = [
            package(&folder, "tiny-base", &[("etc/os-release", b"NAME=Tiny\n")]),
            package(&folder, "tiny-kernel", &[("boot/vmlinuz-1", &kernel)]),
            package(&folder, "tiny-tool", &[("bin/tool", PROGRAM)]),
        ]
        .concat();
        let key = publish(&folder, &packages);
        Archive { folder, key }
    })
}

/// Writes the archive's index of these packages, signed; gives the certificate.
pub(crate) fn publish(archive: &Path, packages: &str) -> String {
    let suite = archive.join("dists/tiny");
    let index = "main/binary-amd64/Packages";
    fs_err::create_dir_all(suite.join(index).parent().unwrap()).unwrap();
    fs_err::write(suite.join(index), packages).unwrap();
    let release = format!(
        "Suite: tiny\nCodename: tiny\nDate: Sat, 11 Jul 2026 10:00:00 UTC\n\
         Architectures: amd64\nComponents: main\nSHA256:\n {} {} {index}\n",
        sha256(packages.as_bytes()),
        packages.len()
    );
    let (signed, key) = sign(&release);
    fs_err::write(suite.join("InRelease"), signed).unwrap();
    key
}

/// Makes a package in the archive's pool, and its paragraph of the index.
fn package(archive: &Path, name: &str, files: &[(&str, &[u8])]) -> String {
    let tree = tempfile::tempdir().unwrap();
    let control = format!(
        "Package: {name}\nVersion: 1.0\nArchitecture: amd64\n\
         Maintainer: Nobody <nobody@example.org>\nDescription: a test\n"
    );
    let control_file = ("DEBIAN/control", control.as_bytes());
    for (path, bytes) in files.iter().copied().chain([control_file]) {
        let path = tree.path().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, bytes).unwrap();
    }
    let path = format!("pool/main/{name}_1.0_amd64.deb");
    let file = archive.join(&path);
    fs_err::create_dir_all(file.parent().unwrap()).unwrap();
    let options = ["--root-owner-group", "-Zxz", "--build"].map(AsRef::as_ref);
    let places = [tree.path().as_os_str(), file.as_os_str()];
    DPKG_DEB.stdout(&[&options[..], &places].concat());
    let bytes = fs_err::read(&file).unwrap();
    let (size, sha256) = (bytes.len(), sha256(&bytes));
    format!("{control}Filename: {path}\nSize: {size}\nSHA256: {sha256}\n\n")
}

/// Signs a text with a key made for it; gives the signed text and the certificate.
fn sign(text: &str) -> (String, String) {
    let home = tempfile::tempdir().unwrap();
    let gpg = |arguments: &[&str]| {
        let mut command = Command::new(GPG.command);
        command.args([
            "--batch",
            "--quiet",
            "--pinentry-mode=loopback",
            "--passphrase=",
        ]);
        GPG.succeeded(GPG.run(command.args(arguments).env("GNUPGHOME", home.path())))
    };
    let release = home.path().join("Release").display().to_string();
    fs_err::write(&release, text).unwrap();
    gpg(&[
        "--quick-generate-key",
        "Tiny archive",
        "ed25519",
        "sign,cert",
        "never",
    ]);
    let signed = gpg(&["--clearsign", "--output=-", &release]);
    let key = gpg(&["--armor", "--export"]);
    let mut end = Command::new(GPGCONF.command);
    GPGCONF.run(end.args(["--kill", "all"]).env("GNUPGHOME", home.path()));
    (signed, key)
}
