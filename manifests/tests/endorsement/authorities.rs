//! Certificates that `openssl` makes, and signatures of their keys.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::SystemTime;
use std::{fs, process};

use guestmark_manifests::signer::{Algorithm, Signer, SignerError};
use guestmark_manifests::{CertificateChain, DidX509, SigningTime};
use guestmark_measure::certificate::Certificate;

pub(crate) const USAGE: &str = "1.3.6.1.4.1.99999.1.2";

/// Where the certificates are.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("authorities");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/endorsement/authorities.sh");
    openssl(Command::new("bash").arg(script).current_dir(&folder));
    folder
});

/// A time at which all certificates are valid: they are made before.
static NOW: LazyLock<SigningTime> = LazyLock::new(|| {
    LazyLock::force(&FOLDER);
    let elapsed = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    SigningTime::from_unix(elapsed.as_secs()).unwrap()
});

fn openssl(command: &mut Command) -> Vec<u8> {
    let output = command.output().expect("this test needs openssl");
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

pub(crate) fn now() -> SigningTime {
    *NOW
}

pub(crate) fn read(name: &str) -> Vec<u8> {
    fs::read(FOLDER.join(name)).unwrap()
}

pub(crate) fn der(name: &str) -> Vec<u8> {
    read(&format!("{name}.der"))
}

pub(crate) fn chain(names: &[&str]) -> CertificateChain {
    let each: Vec<_> = names.iter().map(|name| der(name)).collect();
    CertificateChain::from_der(each.iter().map(Vec::as_slice)).unwrap()
}

/// The issuer that `authority` vouches for.
pub(crate) fn issuer(authority: &str) -> DidX509 {
    let authority = Certificate::from_der(&der(authority)).unwrap();
    DidX509::with_eku(&authority, USAGE).unwrap()
}

/// What the key `name` signs, as `openssl` writes it.
pub(crate) fn sign(name: &str, message: &[u8]) -> Vec<u8> {
    let file = FOLDER.join(format!(
        "{}-{:?}",
        process::id(),
        std::thread::current().id()
    ));
    fs::write(&file, message).unwrap();
    let mut command = Command::new("openssl");
    command.args(["dgst", "-sha384", "-sign", &format!("{name}.key")]);
    if name.starts_with("rsa") {
        let pss = [
            "-sigopt",
            "rsa_padding_mode:pss",
            "-sigopt",
            "rsa_pss_saltlen:48",
        ];
        command.args(pss);
    }
    openssl(command.arg(&file).current_dir(&*FOLDER))
}

/// A signer whose key is in a file here.
pub(crate) struct Openssl {
    pub(crate) name: &'static str,
    pub(crate) public_key: Vec<u8>,
}

impl Openssl {
    pub(crate) fn new(name: &'static str) -> Self {
        let public_key = read(&format!("{name}.spki"));
        Self { name, public_key }
    }
}

impl Signer for Openssl {
    fn algorithm(&self) -> Algorithm {
        match self.name {
            "rsa-leaf" => Algorithm::Ps384,
            _ => Algorithm::Es384,
        }
    }

    fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(sign(self.name, message))
    }
}
