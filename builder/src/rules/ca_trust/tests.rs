use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::archive::testing::run;
use crate::recipe::TrustBundle;

/// A certificate of its own key, as PEM. `usage` is an OpenSSL extension such as
/// `extendedKeyUsage=serverAuth`.
fn certificate(folder: &Path, name: &str, extensions: &[&str]) -> String {
    let file = folder.join(format!("{name}.new"));
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "30"]);
    command.args(["-pkeyopt", "ec_paramgen_curve:P-256", "-subj"]);
    command.arg(format!("/O=Test/CN={name}"));
    for extension in extensions {
        command.args(["-addext", extension]);
    }
    command.args(["-keyout", "/dev/null", "-out"]).arg(&file);
    run(&mut command);
    fs_err::read_to_string(file).unwrap()
}

fn public_key(pem: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(file.path(), pem).unwrap();
    run(Command::new("openssl")
        .args(["x509", "-noout", "-pubkey", "-in"])
        .arg(file.path()))
}

/// The folder's files as a tree, at `/certs`.
fn tree(folder: &Path) -> Tree {
    let mut tree = Tree::new(Origin::rule("test"));
    for entry in walkdir::WalkDir::new(folder).min_depth(1) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let name = entry.path().strip_prefix(folder).unwrap().display();
            let path = parse_path("test", &format!("certs/{name}")).unwrap();
            let node = Node {
                kind: NodeKind::File(Content::bytes(fs_err::read(entry.path()).unwrap())),
                metadata: Metadata::root_owned(0o644),
                origin: Origin::package("ca-certificates", "1"),
            };
            put(&mut tree, "test", path, node).unwrap();
        }
    }
    tree
}

fn bundle(folder: &Path, purpose: Purpose) -> Result<String, String> {
    let mut tree = tree(folder);
    let rule = CaTrust {
        sources: vec!["/certs".to_owned()],
        bundles: vec![TrustBundle {
            purpose,
            path: "/etc/pki/bundle.pem".to_owned(),
        }],
    };
    apply(&mut tree, &rule).map_err(|error| error.to_string())?;
    let path = parse_path("test", "etc/pki/bundle.pem").unwrap();
    let node = tree.get(&path).unwrap();
    assert_eq!(node.metadata.mode, 0o444);
    match &node.kind {
        NodeKind::File(content) => Ok(String::from_utf8(content.to_vec().unwrap()).unwrap()),
        other => panic!("{other:?}"),
    }
}

/// The certificates of a bundle, without comments.
fn set(bundle: &str) -> BTreeSet<String> {
    let blocks = bundle.split("-----BEGIN CERTIFICATE-----\n").skip(1);
    blocks
        .map(|block| block.split("-----END").next().unwrap().to_owned())
        .collect()
}

/// What p11-kit extracts from the same folder. Only an ordinary user can point it to a folder.
fn extracted_by_p11_kit(folder: &Path, purpose: &str) -> BTreeSet<String> {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join(".config/pkcs11/modules");
    fs_err::create_dir_all(&config).unwrap();
    let module = format!(
        "module: p11-kit-trust.so\ntrust-policy: yes\nx-init-reserved: paths='{}'\n",
        folder.display()
    );
    fs_err::write(config.join("p11-kit-trust.module"), module).unwrap();
    for path in [home.path(), folder] {
        std::fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
    }
    let output = home.path().join("bundle.pem");
    let root = rustix::process::geteuid().is_root();
    let mut command = Command::new(if root { "setpriv" } else { "trust" });
    if root {
        command.args(["--reuid=65534", "--clear-groups", "trust"]);
    }
    command
        .env("HOME", home.path())
        .env_remove("XDG_CONFIG_HOME");
    command.args(["extract", "--format=pem-bundle", "--filter=ca-anchors"]);
    command.arg(format!("--purpose={purpose}")).arg(&output);
    run(&mut command);
    set(&fs_err::read_to_string(&output).unwrap())
}

/// Folders as the packages p11-kit and ca-certificates of Azure Linux lay them out.
fn sources() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let make = |name: &str, extensions: &[&str]| certificate(scratch.path(), name, extensions);
    let write = |name: &str, text: String| fs_err::write(folder.path().join(name), text).unwrap();
    for name in ["anchors", "blocklist"] {
        fs_err::create_dir(folder.path().join(name)).unwrap();
    }
    let server = "extendedKeyUsage=serverAuth";
    let blocked = make("blocked", &[]);
    write("README", "nothing to see\n".to_owned());
    write("untrusted.pem", make("untrusted", &[]));
    write("anchors/plain.pem", make("plain", &[]));
    write("anchors/blocked.pem", blocked.clone());
    write("blocklist/blocked.pem", blocked);
    write("anchors/server.pem", make("server", &[server]));
    write(
        "anchors/mail.pem",
        make("mail", &["extendedKeyUsage=emailProtection"]),
    );
    write(
        "anchors/leaf.pem",
        make("leaf", &["basicConstraints=critical,CA:false"]),
    );
    // As certdata2pem.py writes them: an attached extension by public key, then the certificate.
    let mut bundle = "# a bundle\n".to_owned();
    let by_number = [("%01", "for TLS"), ("%04", "for mail")];
    for (last, label) in by_number {
        let pem = make(label, &[]);
        let value =
            format!("0%16%06%03U%1d%25%01%01%ff%04%0c0%0a%06%08%2b%06%01%05%05%07%03{last}");
        let _ = write!(
            bundle,
            "[p11-kit-object-v1]\nlabel: \"{label}\"\nclass: x-certificate-extension\n\
             object-id: 2.5.29.37\nvalue: \"{value}\"\nmodifiable: false\n{}\n\
             [p11-kit-object-v1]\nlabel: \"{label}\"\ntrusted: true\nnss-mozilla-ca-policy: true\n\
             modifiable: false\n{pem}#Certificate:\n#    Data:\n\n",
            public_key(&pem),
        );
    }
    for (label, state) in [("no", "x-distrusted: true"), ("neutral", "trusted: false")] {
        let pem = make(label, &[]);
        let _ = write!(
            bundle,
            "[p11-kit-object-v1]\nlabel: \"{label}\"\n{state}\n{pem}\n"
        );
    }
    write("ca-bundle.trust.mozilla.p11-kit", bundle);
    for entry in walkdir::WalkDir::new(folder.path()) {
        let entry = entry.unwrap();
        let mode = if entry.file_type().is_dir() {
            0o755
        } else {
            0o644
        };
        std::fs::set_permissions(entry.path(), Permissions::from_mode(mode)).unwrap();
    }
    folder
}

#[test]
fn bundles_hold_what_p11_kit_extracts() {
    let folder = sources();
    for (purpose, name, expected) in [
        (
            Purpose::ServerAuth,
            "server-auth",
            ["for TLS", "plain", "server"].as_slice(),
        ),
        (Purpose::Email, "email", &["for mail", "mail", "plain"]),
        (Purpose::CodeSigning, "code-signing", &["plain"]),
    ] {
        let bundle = bundle(folder.path(), purpose).unwrap();
        assert_eq!(
            set(&bundle),
            extracted_by_p11_kit(folder.path(), name),
            "{name}"
        );
        let mut names: Vec<_> = bundle
            .lines()
            .filter_map(|line| line.strip_prefix("# CN="))
            .collect();
        names.sort_unstable();
        let full: Vec<_> = expected
            .iter()
            .map(|name| format!("{name},O=Test"))
            .collect();
        assert_eq!(names, full, "{name}");
    }
}

/// Mozilla's list, as Debian's package has it.
#[test]
fn real_certificates_are_read_and_sorted() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("anchors")).unwrap();
    for entry in walkdir::WalkDir::new("/usr/share/ca-certificates/mozilla").min_depth(1) {
        let entry = entry.unwrap();
        let name = folder.path().join("anchors").join(entry.file_name());
        fs_err::copy(entry.path(), name).unwrap();
    }
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let bundle = bundle(folder.path(), Purpose::ServerAuth).unwrap();
    assert_eq!(
        set(&bundle),
        extracted_by_p11_kit(folder.path(), "server-auth")
    );
    let digests: Vec<_> = bundle
        .split("# ")
        .skip(1)
        .map(|part| {
            let block = &part[part.find("-----BEGIN").unwrap()..];
            Sha256::digest(pem::decode_vec(block.as_bytes()).unwrap().1)
        })
        .collect();
    assert!(digests.len() > 100 && digests.is_sorted());
}

#[test]
fn what_is_no_certificate_is_refused_with_its_place() {
    for (text, message) in [
        (
            "",
            "/etc/pki/bundle.pem: no certificate of /certs is trusted for this purpose",
        ),
        (
            "hello\n",
            "/certs/x: holds no certificates in PEM, DER or p11-kit's format; take it out with \
             rootfs.remove",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nMIIB\n",
            "/certs/x: line 1: there is no -----END CERTIFICATE----- after it",
        ),
        (
            "-----BEGIN TRUSTED CERTIFICATE-----\nMIIB\n-----END TRUSTED CERTIFICATE-----\n",
            "/certs/x: line 1: TRUSTED CERTIFICATE is not read here, only CERTIFICATE",
        ),
        (
            "[p11-kit-object-v1]\nclass: x-certificate-extension\nvalue: \"%zz\"\n",
            "/certs/x: value: \"%zz\" is not a quoted value with %xx for bytes",
        ),
        (
            "[p11-kit-object-v1]\nlabel\n",
            "/certs/x: line 2: \"label\" is not \"key: value\" of an object",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("x"), text).unwrap();
        assert_eq!(
            bundle(folder.path(), Purpose::ServerAuth).unwrap_err(),
            format!("rootfs.ca-trust: {message}"),
        );
    }
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        bundle(folder.path(), Purpose::Email).unwrap_err(),
        "rootfs.ca-trust: there is no /certs in the tree; list the folders that are in sources"
    );
}
