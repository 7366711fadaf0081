//! Implementations of others: what they make of releases, and what is made of theirs.

use std::path::Path;

use crate::tools::verifier;
use crate::workshop::{failure, list_again, proved, shell, verify, workshop};
use crate::{guestmark, json};

/// A line of shell that runs the verifiers of manifests/tests/verifiers.
fn statements(arguments: &str) -> String {
    let python = verifier("python");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let script = root.join("manifests/tests/verifiers/statements.py");
    format!("{} {} {arguments}\n", python.display(), script.display())
}

#[test]
fn securesystemslib_and_in_toto_accept_what_is_written() {
    let folder = workshop();
    let path = folder.path();
    let provenance = "release/provenance.dsse.json";
    let verify = |threshold: u32| {
        statements(&format!(
            "verify {provenance} {threshold} publisher.pub second.pub"
        ))
    };
    let kind = "https://slsa.dev/provenance/v1";
    assert_eq!(shell(path, &verify(1)), format!("1 {kind}\n"));
    shell(path, &format!("! {}", verify(2)));
    shell(
        path,
        "guestmark sign release -o both --key second.pem -q; rm -r release; mv both release",
    );
    assert_eq!(shell(path, &verify(2)), format!("2 {kind}\n"));
    let rebuild = statements("verify release/rebuild-alice.dsse.json 1 alice.pub");
    assert_eq!(shell(path, &rebuild), "1 urn:guestmark:rebuild:v1\n");
}

#[test]
fn what_securesystemslib_signs_is_accepted() {
    let folder = workshop();
    let path = folder.path();
    shell(
        path,
        &statements("sign release/rebuild-bob.dsse.json carol.pem"),
    );
    shell(
        path,
        &statements("sign release/provenance.dsse.json second.pem"),
    );
    list_again(&path.join("release"));
    let (document, status) = verify(path, &[]);
    assert_eq!(status, 0, "{document:#}");
    assert_eq!(
        proved(&document, "rebuilders"),
        "2 of 3 independent rebuilders agree, threshold 2: alice, carol"
    );
    assert_eq!(
        proved(&document, "publishers"),
        "1 of 2 publishers signed, threshold 1: second"
    );
}

/// Certificates of the publisher, and the feed's issuer in the policy.
const CERTIFY: &str = r#"
printf '[req]\ndistinguished_name=dn\n[dn]\n' > openssl.cnf
for name in root ca; do
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out $name.key
done
certificate() {
    openssl req -x509 -config openssl.cnf -new -key $1 -subj /CN=$2 -days 30 -sha384 -out $2.crt "${@:3}"
}
ca='basicConstraints=critical,CA:TRUE'
certificate root.key root -addext $ca -addext keyUsage=critical,keyCertSign
certificate ca.key ca -CA root.crt -CAkey root.key -addext $ca -addext keyUsage=critical,keyCertSign
certificate publisher.pem leaf -CA ca.crt -CAkey ca.key \
    -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature \
    -addext extendedKeyUsage=1.3.6.1.4.1.99999.1.2
cat leaf.crt ca.crt root.crt > chain.pem
hash=$(openssl x509 -in ca.crt -outform DER | openssl dgst -sha256 -binary | basenc --base64url | tr -d =)
issuer=did:x509:0:sha256:$hash::eku:1.3.6.1.4.1.99999.1.2
echo "issuer = \"$issuer\"" >> trust.toml
rm -rf endorsed
endorse() {
    guestmark sign out --chain chain.pem --issuer $issuer --signing-time $(date -u +%Y-%m-%dT%H:%M:%SZ) \
        -q "$@"
}
"#;

/// A release of the workshop that is endorsed, in place of the one that is not.
fn endorsed() -> tempfile::TempDir {
    let folder = workshop();
    let endorse = "endorse -o endorsed --key publisher.pem --minisign-key minisign.key
                   cp release/rebuild-* endorsed; rm -r release; mv endorsed release";
    shell(folder.path(), &format!("{CERTIFY}{endorse}"));
    folder
}

#[test]
fn an_endorsed_release_is_accepted_as_its_endorsements_are() {
    let folder = endorsed();
    let path = folder.path();
    let (document, status) = verify(path, &[]);
    assert_eq!(status, 0, "{document:#}");
    let said = proved(&document, "endorsement");
    assert!(
        said.starts_with(
            "reference-info-base64: V1, the issuer's word for the production guest's launch \
             digest, feed and SVN 2, said to be signed at 20"
        ),
        "{said}"
    );
    let digest = document["release"]["launch_digest"].as_str().unwrap();
    let issuer = shell(path, "grep -o 'did:.*[0-9]' trust.toml");
    for file in ["reference-info-base64", "reference-info-v2-base64"] {
        let file = format!("release/{file}");
        let arguments = [
            "verify",
            "endorsement",
            &file,
            "--issuer",
            issuer.trim(),
            "--feed",
            "tiny",
            "--min-svn",
            "2",
            "--measurement",
            digest,
        ];
        json(path, &arguments);
    }
    // The certificates in it lead to the root in the eyes of OpenSSL.
    let certificates = "hex() { od -An -v -tx1 | tr -d ' \\n'; }
         for name in leaf ca root; do
             part=$(openssl x509 -in $name.crt -outform DER | hex)
             base64 -d release/reference-info-base64 | hex | grep -q $part
         done
         openssl verify -x509_strict -CAfile root.crt -untrusted ca.crt leaf.crt";
    assert_eq!(shell(path, certificates), "leaf.crt: OK\n");
    // The same by way of an offline ceremony.
    let ceremony = "sign() { openssl dgst -sha384 -sign publisher.pem -out $1.sig $1; }
         time=$(date -u +%Y-%m-%dT%H:%M:%SZ)
         step() { guestmark sign out --chain chain.pem --issuer $issuer --signing-time $time -q $@; }
         step --to-be-signed ceremony
         for file in ceremony/*; do sign $file; done
         step -o again --signatures ceremony --public-key publisher.pub
         cmp again/manifest.json release/manifest.json
         test -s again/reference-info-base64";
    let issuer = format!("issuer={}\n", issuer.trim());
    shell(path, &format!("{issuer}{ceremony}"));
}

#[test]
fn endorsements_must_be_for_this_release() {
    let changed = |change: &str, message: &str| {
        let folder = endorsed();
        shell(folder.path(), change);
        list_again(&folder.path().join("release"));
        let said = failure(folder.path(), &[]);
        assert!(said.starts_with(message), "{said}");
    };
    changed(
        "rm release/reference-info-base64",
        "reference-info-base64: type: expected a regular file, found nothing",
    );
    changed(
        "cp release/reference-info-v2-base64 release/reference-info-base64",
        "reference-info-base64: version: expected V1, found V2",
    );
    changed(
        "sed -i 's/eku:1.3.6.1.4.1.99999.1.2/eku:1.3.6.1.4.1.99999.1.3/' trust.toml",
        "reference-info-base64: issuer: expected did:x509:0:sha256:",
    );
    // An endorsement of another feed.
    let again = "issuer=$(grep -o 'did:.*[0-9]' trust.toml)
         guestmark sign out --chain chain.pem --issuer $issuer --key publisher.pem -o other -q \
             --signing-time $(date -u +%Y-%m-%dT%H:%M:%SZ)";
    changed(
        &format!("{again} --feed other; cp other/reference-info-base64 release"),
        "reference-info-base64: feed: expected \"tiny\", found \"other\"",
    );
    let folder = endorsed();
    let path = folder.path();
    // Certificates of another key than the one that signs.
    let wrong = again.replace("publisher.pem", "second.pem");
    let output = std::process::Command::new("bash")
        .args(["-ec", &wrong])
        .current_dir(path)
        .env("PATH", {
            let program = assert_cmd::cargo_bin!("guestmark").parent().unwrap();
            format!("{}:{}", program.display(), std::env::var("PATH").unwrap())
        })
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("guestmark: reference-info-base64: "),
        "{said}"
    );
    assert!(!path.join("other").exists());
    let sign = [
        "sign",
        "out",
        "--role",
        "rebuilder",
        "-o",
        "f",
        "--key",
        "alice.pem",
    ];
    let more = [
        "--chain",
        "chain.pem",
        "--issuer",
        "did:x509:0:sha256:x::eku:1.2",
    ];
    guestmark(path)
        .args(sign)
        .args(more)
        .assert()
        .code(2)
        .stdout("");
}
