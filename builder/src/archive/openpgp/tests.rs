use std::path::PathBuf;

use pgp::composed::KeyType;
use pgp::packet::SubpacketData;
use pgp::types::Duration;

use super::*;
use crate::archive::testing::{Key, MADE, Signing, armored_message, may_sign};

const TEXT: &str = "Suite: bookworm\n- dashed\n";

/// A moment this many seconds after keys and signatures were made.
fn after(seconds: u32) -> Timestamp {
    time(i64::from(MADE + seconds))
}

fn certificates(armored: &[String]) -> Certificates {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..armored.len())
        .map(|index| folder.path().join(format!("{index}.asc")))
        .collect();
    for (path, text) in paths.iter().zip(armored) {
        fs_err::write(path, text).unwrap();
    }
    Certificates::read(paths.iter().map(PathBuf::as_path)).unwrap()
}

fn message(trusted: &[String], signed: &str, now: Timestamp) -> String {
    certificates(trusted)
        .verify_cleartext(signed.as_bytes(), now)
        .unwrap_err()
        .to_string()
}

#[test]
fn a_good_signature_gives_the_signed_text_and_the_keys() {
    let key = Key::new(1);
    let trusted = certificates(&[Key::new(2).armored(), key.armored()]);
    let verified = trusted
        .verify_cleartext(key.sign(TEXT).as_bytes(), after(1))
        .unwrap();
    assert_eq!(verified.text, TEXT.replace('\n', "\r\n"));
    assert_eq!(verified.signed_by, [key.subkey()]);

    let by_primary = key.sign_as(
        TEXT,
        Signing {
            by_subkey: false,
            ..Signing::default()
        },
    );
    let verified = trusted
        .verify_cleartext(by_primary.as_bytes(), after(1))
        .unwrap();
    assert_eq!(verified.signed_by, [key.fingerprint()]);
}

#[test]
fn one_known_signer_among_strangers_is_enough() {
    let (known, stranger) = (Key::new(1), Key::new(2));
    let both = CleartextSignedMessage::new_many(TEXT, |_| {
        let signature = |key: &Key| key.message(TEXT, Signing::default()).signatures()[0].clone();
        Ok(vec![signature(&stranger), signature(&known)])
    });
    let trusted = certificates(&[known.armored()]);
    let verified = trusted
        .verify_cleartext(armored_message(&both.unwrap()).as_bytes(), after(1))
        .unwrap();
    assert_eq!(verified.signed_by, [known.subkey()]);
}

#[test]
fn a_changed_text_is_a_bad_signature() {
    let key = Key::new(1);
    let changed = key.sign(TEXT).replace("bookworm", "bookw0rm");
    assert_eq!(
        message(&[key.armored()], &changed, after(1)),
        format!(
            "bad signature by key {}: the text was changed after it was signed",
            key.subkey()
        )
    );
}

#[test]
fn an_unknown_key_is_named_beside_those_that_are_trusted() {
    let (key, other) = (Key::new(1), Key::new(2));
    assert_eq!(
        message(&[other.armored()], &key.sign(TEXT), after(1)),
        format!(
            "it is signed by key {}, which the recipe does not trust; it trusts key {}; \
             if the archive has new keys, add them to the recipe's archive keys",
            key.subkey(),
            other.fingerprint()
        )
    );
}

#[test]
fn a_text_without_signature_is_refused() {
    let trusted = [Key::new(1).armored()];
    for text in [
        "",
        TEXT,
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nSuite: a\n",
    ] {
        let message = message(&trusted, text, after(1));
        assert!(
            message.starts_with("it is not a signed text: "),
            "{message}"
        );
    }
    // Text outside of the signed part must not be read as signed.
    let key = Key::new(1);
    for around in [
        format!("{TEXT}{}", key.sign(TEXT)),
        format!("{}{TEXT}", key.sign(TEXT)),
    ] {
        let message = message(&trusted, &around, after(1));
        assert!(
            message.starts_with("it is not a signed text: "),
            "{message}"
        );
    }
}

#[test]
fn a_signature_holds_for_its_lifetime() {
    let key = Key::new(1);
    let signing = Signing {
        lifetime: Some(100),
        ..Signing::default()
    };
    let signed = key.sign_as(TEXT, signing);
    certificates(&[key.armored()])
        .verify_cleartext(signed.as_bytes(), after(99))
        .unwrap();
    assert_eq!(
        message(&[key.armored()], &signed, after(100)),
        format!(
            "the signature by key {} expired on 2001-09-09T01:48:20Z",
            key.subkey()
        )
    );
    let before_the_key = key.sign_as(
        TEXT,
        Signing {
            at: MADE - 1,
            ..Signing::default()
        },
    );
    let in_the_future = key.sign_as(
        TEXT,
        Signing {
            at: MADE + 5,
            ..Signing::default()
        },
    );
    for signed in [before_the_key, in_the_future] {
        assert_eq!(
            message(&[key.armored()], &signed, after(1)),
            format!(
                "the signature by key {} has no possible time of creation \
                 (it is 2001-09-09T01:46:41Z now)",
                key.subkey()
            )
        );
    }
}

#[test]
fn weak_hashes_are_refused() {
    let key = Key::of_type(1, KeyType::Rsa(2048));
    let signed = key.sign_as(
        TEXT,
        Signing {
            hash: HashAlgorithm::Sha1,
            ..Signing::default()
        },
    );
    assert_eq!(
        message(&[key.armored()], &signed, after(1)),
        format!(
            "the signature by key {} uses SHA1; expected SHA-256 or stronger",
            key.subkey()
        )
    );
}

#[test]
fn an_expired_key_is_named_with_its_end() {
    let mut key = Key::new(1);
    let lifetime = SubpacketData::KeyExpirationTime(Duration::from_secs(1000));
    let renewed = key.user_binding(MADE + 10, vec![may_sign(), lifetime]);
    key.certificate.details.users[0].signatures.push(renewed);
    certificates(&[key.armored()])
        .verify_cleartext(key.sign(TEXT).as_bytes(), after(999))
        .unwrap();
    assert_eq!(
        message(&[key.armored()], &key.sign(TEXT), after(1000)),
        format!(
            "key {} expired on 2001-09-09T02:03:20Z; if the archive has published a renewed one, \
             put it into the recipe's archive keys",
            key.fingerprint()
        )
    );
}

#[test]
fn revoked_keys_and_subkeys_are_refused() {
    let refusal = |fingerprint: String| {
        format!("key {fingerprint} is revoked; remove it from the recipe's archive keys")
    };
    let mut key = Key::new(1);
    let revocation = key.revocation(MADE + 10);
    key.certificate
        .details
        .revocation_signatures
        .push(revocation);
    assert_eq!(
        message(&[key.armored()], &key.sign(TEXT), after(1)),
        refusal(key.fingerprint())
    );

    let mut key = Key::new(1);
    let subkey = key.certificate.public_subkeys[0].key.clone();
    let kind = SignatureType::SubkeyRevocation;
    let revocation = key.subkey_statement(kind, &subkey, MADE + 10, Vec::new());
    key.certificate.public_subkeys[0]
        .signatures
        .push(revocation);
    assert_eq!(
        message(&[key.armored()], &key.sign(TEXT), after(1)),
        refusal(key.subkey())
    );
}

#[test]
fn a_subkey_that_is_only_claimed_may_not_sign() {
    let (key, mut thief) = (Key::new(1), Key::new(2));
    thief.certificate.public_subkeys = key.certificate.public_subkeys.clone();
    assert_eq!(
        message(&[thief.armored()], &key.sign(TEXT), after(1)),
        format!(
            "key {} may not sign: nothing valid binds it to its certificate",
            key.subkey()
        )
    );
    let subkey = thief.certificate.public_subkeys[0].key.clone();
    let kind = SignatureType::SubkeyBinding;
    let claim = thief.subkey_statement(kind, &subkey, MADE, vec![may_sign()]);
    thief.certificate.public_subkeys[0].signatures = vec![claim];
    assert_eq!(
        message(&[thief.armored()], &key.sign(TEXT), after(1)),
        format!(
            "key {} may not sign: it has not itself signed that it belongs to its certificate",
            key.subkey()
        )
    );
}

#[test]
fn a_key_that_may_only_certify_may_not_sign() {
    let mut key = Key::new(1);
    let certifies = key.user_binding(MADE, Vec::new());
    key.certificate.details.users[0].signatures = vec![certifies];
    let by_primary = key.sign_as(
        TEXT,
        Signing {
            by_subkey: false,
            ..Signing::default()
        },
    );
    assert_eq!(
        message(&[key.armored()], &by_primary, after(1)),
        format!(
            "key {} may not sign: its certificate does not allow it to sign data",
            key.fingerprint()
        )
    );
}

#[test]
fn a_file_without_certificates_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.asc");
    let message = || {
        Certificates::read([path.as_path()])
            .unwrap_err()
            .to_string()
    };
    let prefix = format!("{}: ", path.display());
    assert!(message().starts_with(&prefix));
    for content in ["", "nonsense", &Key::new(1).sign(TEXT)] {
        fs_err::write(&path, content).unwrap();
        let message = message();
        assert!(message.starts_with(&prefix), "{message}");
        assert!(
            message.ends_with("; expected OpenPGP certificates (public keys)"),
            "{message}"
        );
    }
}

/// The certificates that the recipe carries, and no other.
#[test]
fn the_certificates_of_debian_12_may_sign() {
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes/debian-12/keys");
    let names = [
        "debian-archive-bookworm-automatic.asc",
        "debian-release-bookworm.asc",
    ];
    let paths = names.map(|name| keys.join(name));
    let certificates = Certificates::read(paths.iter().map(PathBuf::as_path)).unwrap();
    let fingerprints: Vec<_> = certificates
        .0
        .iter()
        .map(Certificate::fingerprint)
        .collect();
    assert_eq!(
        fingerprints,
        [
            "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8",
            "4D64FEC119C2029067D6E791F8D2585B8783D481",
        ]
    );
}

/// A home of GnuPG; its agent ends with it.
struct Gpg(tempfile::TempDir);

impl Gpg {
    fn run(&self, arguments: &[&str]) -> Vec<u8> {
        let output = std::process::Command::new("gpg")
            .args([
                "--batch",
                "--quiet",
                "--pinentry-mode=loopback",
                "--passphrase=",
            ])
            .args(arguments)
            .env("GNUPGHOME", self.0.path())
            .output()
            .expect("the test needs gpg, of the Debian package gnupg");
        let problem = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gpg {arguments:?}: {problem}");
        output.stdout
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let ended = std::process::Command::new("gpgconf")
            .args(["--kill", "all"])
            .env("GNUPGHOME", self.0.path())
            .status();
        assert!(
            ended.is_ok_and(|status| status.success()),
            "gpgconf --kill all"
        );
    }
}

/// GnuPG makes the keys and signs, as the archives' own tools do.
#[test]
fn what_gpg_signs_is_verified() {
    let gpg = Gpg(tempfile::tempdir().unwrap());
    gpg.run(&[
        "--quick-generate-key",
        "Test",
        "rsa3072",
        "sign,cert",
        "never",
    ]);
    let listed = gpg.run(&["--list-keys", "--with-colons"]);
    let listed = String::from_utf8(listed).unwrap();
    let primary = listed.lines().find_map(|line| line.strip_prefix("fpr:"));
    let primary = primary.unwrap().trim_matches(':').to_owned();
    gpg.run(&["--quick-add-key", &primary, "ed25519", "sign", "never"]);
    let text = gpg.0.path().join("text");
    fs_err::write(&text, "Suite: bookworm \n- dashed\n").unwrap();
    let text = text.to_str().unwrap();
    let key = gpg.run(&["--armor", "--export"]);
    let trusted = certificates(&[String::from_utf8(key).unwrap()]);
    // Late enough for any clock that the signatures are dated by.
    let now = "2100-01-01T00:00:00Z".parse().unwrap();
    let by_subkey = gpg.run(&["--clearsign", "--output=-", text]);
    let by_primary = gpg.run(&[
        "--clearsign",
        "--output=-",
        "-u",
        &format!("{primary}!"),
        text,
    ]);
    let verified = trusted.verify_cleartext(&by_primary, now).unwrap();
    assert_eq!(verified.text, "Suite: bookworm\r\n- dashed");
    assert_eq!(verified.signed_by, std::slice::from_ref(&primary));
    let verified = trusted.verify_cleartext(&by_subkey, now).unwrap();
    assert_ne!(verified.signed_by, [primary]);
}
