//! The signed CoRIM document of a release: written, verified, and refused for one thing wrong.

use std::path::Path;

use crate::refused;
use crate::workshop::{failure, list_again, proved, shell, verify, workshop};

/// An RSA key with certificates, and the issuer of the feed's documents in the policy.
const CERTIFY: &str = r#"
printf '[req]\ndistinguished_name=dn\n[dn]\n' > openssl.cnf
for name in rsa-root rsa-leaf; do openssl genrsa -out $name.key 2048; done
certificate() {
    openssl req -x509 -config openssl.cnf -new -key $1.key -subj /CN=$1 -days 30 -sha384 -out $1.crt "${@:2}"
}
certificate rsa-root -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
certificate rsa-leaf -CA rsa-root.crt -CAkey rsa-root.key \
    -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature \
    -addext extendedKeyUsage=1.3.6.1.4.1.99999.1.2
cat rsa-leaf.crt rsa-root.crt > rsa.pem
hash=$(openssl x509 -in rsa-root.crt -outform DER | openssl dgst -sha256 -binary | basenc --base64url | tr -d =)
issuer=did:x509:0:sha256:$hash::eku:1.3.6.1.4.1.99999.1.2
echo "corim-issuer = \"$issuer\"" >> trust.toml
time=$(date -u +%Y-%m-%dT%H:%M:%SZ)
pss='-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:48'
corim() {
    guestmark sign out --corim-chain rsa.pem --corim-issuer $issuer --signing-time $time -q "$@"
}
"#;

/// A release of the workshop with a signed CoRIM document, in place of the one without.
const SIGN: &str = "corim -o with --key publisher.pem --minisign-key minisign.key \\
    --corim-signer \"openssl dgst -sha384 $pss -sign rsa-leaf.key\"
cp release/rebuild-* with; rm -r release; mv with release
";

#[test]
fn the_document_is_signed_by_a_command_or_in_a_ceremony_and_verified() {
    let folder = workshop();
    let ceremony = "corim --to-be-signed ceremony
        for file in ceremony/*; do
            case $file in
            *.corim.cose.to-be-signed) openssl dgst -sha384 $pss -sign rsa-leaf.key -out $file.sig $file ;;
            *) openssl dgst -sha384 -sign publisher.pem -out $file.sig $file ;;
            esac
        done
        corim -o again --signatures ceremony --public-key publisher.pub
        cmp again/tiny.corim release/tiny.corim
        test -s again/tiny.corim.cose";
    shell(folder.path(), &format!("{CERTIFY}{SIGN}{ceremony}"));
    let (document, status) = verify(folder.path(), &[]);
    assert_eq!(status, 0, "{document:#}");
    let said = proved(&document, "signed CoRIM");
    assert!(
        said.starts_with(
            "tiny.corim.cose: the issuer signed tiny.corim for the feed, said to be at 20"
        ),
        "{said}"
    );
}

#[test]
fn a_signature_that_nobody_asked_for_is_named_and_one_that_is_wrong_refused() {
    let changed = |change: &str, message: &str| {
        let folder = workshop();
        shell(folder.path(), &format!("{CERTIFY}{SIGN}{change}"));
        list_again(&folder.path().join("release"));
        let said = failure(folder.path(), &[]);
        assert!(said.starts_with(message), "{said}");
    };
    changed(
        "rm release/tiny.corim.cose",
        "tiny.corim.cose: type: expected a regular file, found nothing",
    );
    changed(
        "sed -i '/corim-issuer/s/1.2\"/1.3\"/' trust.toml",
        "tiny.corim.cose: issuer: expected did:x509:0:sha256:",
    );
    changed(
        "printf x | dd of=release/tiny.corim.cose bs=1 conv=notrunc status=none \\
             seek=$(($(stat -c %s release/tiny.corim.cose) - 9))",
        "tiny.corim.cose: signature: expected a signature of the leaf's key (PS384), found one",
    );

    let folder = workshop();
    let unasked = "sed -i /corim-issuer/d trust.toml";
    shell(folder.path(), &format!("{CERTIFY}{SIGN}{unasked}"));
    let (document, status) = verify(folder.path(), &[]);
    assert_eq!(status, 0, "{document:#}");
    let left = document["not_checked"].to_string();
    let expected = "tiny.corim.cose: the policy names no corim-issuer for the feed";
    assert!(left.contains(expected), "{left}");
}

#[test]
fn a_request_that_does_not_fit_is_refused_and_nothing_is_written() {
    let folder = workshop();
    let path = folder.path();
    shell(path, CERTIFY);
    let issuer = shell(path, "grep -o 'did:.*[0-9]' trust.toml");
    let with = |more: &[&'static str]| -> Vec<String> {
        let sign = [
            "sign",
            "out",
            "-o",
            "again",
            "--key",
            "publisher.pem",
            "--corim-chain",
            "rsa.pem",
            "--corim-issuer",
            issuer.trim(),
            "--signing-time",
        ];
        let time = shell(path, "date -u +%Y-%m-%dT%H:%M:%SZ");
        let sign = sign.into_iter().chain([time.trim()]).map(str::to_owned);
        sign.chain(more.iter().map(|&word| word.to_owned()))
            .collect()
    };
    let refuse = |arguments: Vec<String>, message: &str| {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        refused(path, &arguments, message);
        assert!(!Path::new(path).join("again").exists());
    };
    refuse(
        with(&[]),
        "--corim-chain needs somebody who signs: give --corim-signer, or sign step by step with \
         --to-be-signed and --signatures",
    );
    refuse(
        with(&["--corim-signer", "openssl dgst -sha384 -sign rsa-leaf.key"]),
        "tiny.corim.cose: signature: expected a signature of the leaf's key (PS384), found one \
         made with another key or over other bytes",
    );
    refuse(
        with(&["--corim-signer", "true"]),
        "true: wrote nothing, expected a signature on standard output",
    );
    let time = [
        "sign",
        "out",
        "-o",
        "again",
        "--key",
        "publisher.pem",
        "--signing-time",
    ];
    let time = time.into_iter().chain(["2026-05-01T00:00:00Z"]);
    refuse(
        time.map(str::to_owned).collect(),
        "--signing-time goes with --chain or --corim-chain",
    );
}
