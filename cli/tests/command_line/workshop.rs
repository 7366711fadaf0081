//! A build of the tiny recipe, keys of everybody who signs, a release and a policy: made once,
//! and copied for each test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use guestmark_manifests::dsse::Envelope;
use guestmark_manifests::manifest::Manifest;
use guestmark_manifests::signer::{PemSigner, Signer};
use guestmark_manifests::statement::{PAYLOAD_TYPE, Statement};
use guestmark_measure::ecdsa::{PublicKey, Signature};
use serde_json::Value;
use tempfile::TempDir;

use crate::archive::Tiny;
use crate::tools::Tool;
use crate::{guestmark, stdout};

const OPENSSL: Tool = Tool {
    command: "openssl",
    package: "openssl",
};
pub(crate) const MINISIGN: Tool = Tool {
    command: "minisign",
    package: "minisign",
};
const SHELL: Tool = Tool {
    command: "bash",
    package: "bash",
};

/// Everybody who has a key.
pub(crate) const PEOPLE: [&str; 6] = ["publisher", "second", "alice", "bob", "carol", "revoker"];

pub(crate) const POLICY: &str = r#"version = 1

[publisher]
threshold = 1
minisign = ["minisign.pub"]
[publisher.keys]
main = "publisher.pub"
second = "second.pub"

[rebuilder]
threshold = 2
[rebuilder.keys]
alice = "alice.pub"
bob = "bob.pub"
carol = "carol.pub"

[feed.tiny]
minimum-svn = 2
minimum-guest-svn = 1
"#;

/// `sign out -o release-1`, with the publisher's key.
pub(crate) const SIGN: [&str; 8] = [
    "sign",
    "out",
    "-o",
    "again",
    "--key",
    "publisher.pem",
    "--minisign-key",
    "minisign.key",
];

/// Runs a shell's commands in `folder`; they must succeed.
pub(crate) fn shell(folder: &Path, commands: &str) -> String {
    let program = assert_cmd::cargo_bin!("guestmark").parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut command = Command::new(SHELL.command);
    command
        .args(["-ec", commands])
        .current_dir(folder)
        .env("COLUMNS", "80");
    let output = command
        .env("PATH", format!("{}:{path}", program.display()))
        .output()
        .unwrap();
    SHELL.succeeded(output)
}

/// A copy of everything, for one test.
pub(crate) fn workshop() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = template().join(".").display().to_string();
    let to = folder.path().display().to_string();
    let output = Command::new("cp")
        .args(["-a", &from, &to])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    folder
}

fn template() -> &'static Path {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let tiny = Tiny::locked();
        let path = tiny.path();
        stdout(path, &tiny.build(&["-o", "out"]));
        for name in PEOPLE {
            key_pair(path, name);
        }
        MINISIGN.stdout(&[
            "-G",
            "-W",
            "-p",
            &path.join("minisign.pub").display().to_string(),
            "-s",
            &path.join("minisign.key").display().to_string(),
        ]);
        fs_err::write(path.join("trust.toml"), POLICY).unwrap();
        let mut sign = SIGN;
        sign[3] = "release";
        guestmark(path).args(sign).assert().code(0);
        for name in ["alice", "bob"] {
            rebuild(path, name, "out", "release");
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("workshop");
        if folder.exists() {
            fs_err::remove_dir_all(&folder).unwrap();
        }
        fs_err::create_dir(&folder).unwrap();
        let wanted = "shopt -s extglob; cp -a !(store|cache|config) \"$0\"";
        let mut command = Command::new(SHELL.command);
        command.args(["-O", "extglob", "-ec", wanted]).arg(&folder);
        SHELL.succeeded(command.current_dir(path).output().unwrap());
        folder
    })
}

/// A key pair on P-384: NAME.pem and NAME.pub.
pub(crate) fn key_pair(folder: &Path, name: &str) {
    let pem = folder.join(format!("{name}.pem")).display().to_string();
    let public = folder.join(format!("{name}.pub")).display().to_string();
    let curve = "ec_paramgen_curve:P-384";
    OPENSSL.stdout(&[
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        curve,
        "-out",
        &pem,
    ]);
    OPENSSL.stdout(&["pkey", "-in", &pem, "-pubout", "-out", &public]);
}

/// The word of a rebuilder about what was built, put into a release.
pub(crate) fn rebuild(folder: &Path, name: &str, built: &str, release: &str) {
    let file = format!("{release}/rebuild-{name}.dsse.json");
    let key = format!("{name}.pem");
    let sign = [
        "sign",
        built,
        "--role",
        "rebuilder",
        "--key",
        &key,
        "-o",
        &file,
    ];
    guestmark(folder).args(sign).assert().code(0);
}

/// The document of `verify release`, and the exit status.
pub(crate) fn verify(folder: &Path, more: &[&str]) -> (Value, i32) {
    let arguments = [
        "verify",
        "release",
        "release",
        "--policy",
        "trust.toml",
        "--json",
    ];
    let output = guestmark(folder)
        .args(arguments)
        .args(more)
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    let document = serde_json::from_slice(&output.stdout).unwrap();
    (document, output.status.code().unwrap())
}

/// What is wrong with the release, in one line.
pub(crate) fn failure(folder: &Path, more: &[&str]) -> String {
    let (document, status) = verify(folder, more);
    assert_eq!(status, 1, "{document:#}");
    crate::schema::conforms(&document, "verify-release");
    let part = |name: &str| document["failure"][name].as_str().unwrap().to_owned();
    format!(
        "{}: {}: expected {}, found {}",
        part("file"),
        part("field"),
        part("expected"),
        part("found")
    )
}

/// What was proved by the check of this name.
pub(crate) fn proved(document: &Value, name: &str) -> String {
    let checks = document["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == name);
    check.unwrap_or_else(|| panic!("{document:#}"))["proved"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Replaces text of a file, where it must stand.
pub(crate) fn replace(path: &Path, from: &str, to: &str) {
    let text = fs_err::read_to_string(path).unwrap();
    assert!(
        text.contains(from),
        "{} has no {from:?}:\n{text}",
        path.display()
    );
    fs_err::write(path, text.replacen(from, to, 1)).unwrap();
}

/// The digests of a folder's files, listed anew.
pub(crate) fn list_again(folder: &Path) {
    shell(
        folder,
        "rm -f SHA256SUMS; sha256sum -- * > ../sums; mv ../sums SHA256SUMS",
    );
}

/// Signs a message as somebody.
pub(crate) fn sign(folder: &Path, name: &str, message: &[u8]) -> (PublicKey, Signature) {
    let signer = PemSigner::read(&folder.join(format!("{name}.pem"))).unwrap();
    let signature = Signature::from_detached(&signer.sign(message).unwrap()).unwrap();
    (
        PublicKey::from_file(signer.public_key()).unwrap(),
        signature,
    )
}

/// An envelope that somebody signed, in a file.
pub(crate) fn seal(folder: &Path, name: &str, kind: &str, payload: &[u8], file: &str) {
    let mut envelope = Envelope::new(kind, payload.to_vec());
    let (key, signature) = sign(folder, name, &envelope.to_be_signed());
    envelope.add(&key, &signature);
    fs_err::write(folder.join(file), envelope.to_bytes()).unwrap();
}

/// The release with another manifest, signed by a publisher who means it.
pub(crate) fn publish_again(folder: &Path, change: impl FnOnce(&mut Manifest)) {
    let release = folder.join("release");
    let bytes = fs_err::read(release.join("manifest.json")).unwrap();
    let mut manifest = Manifest::read(&bytes, "manifest.json").unwrap();
    change(&mut manifest);
    let bytes = manifest.to_bytes().unwrap();
    fs_err::write(release.join("manifest.json"), &bytes).unwrap();
    let statement = Statement::provenance(&manifest, &bytes).to_bytes().unwrap();
    let file = "release/provenance.dsse.json";
    seal(folder, "publisher", PAYLOAD_TYPE, &statement, file);
    let (_, signature) = sign(folder, "publisher", &bytes);
    fs_err::write(release.join("manifest.json.sig"), signature.to_der()).unwrap();
    shell(&release, "minisign -S -s ../minisign.key -m manifest.json");
    list_again(&release);
}

/// Holds that one change of a good release leads to this refusal.
pub(crate) fn changed(change: impl FnOnce(&Path), message: &str) {
    let folder = workshop();
    change(folder.path());
    assert_eq!(failure(folder.path(), &[]), message);
}
