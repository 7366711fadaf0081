//! Issuers in the form of did:x509.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use guestmark_manifests::{CertificateChain, DidX509};
use sha2::{Digest, Sha384, Sha512};

use crate::authorities::{USAGE, der, issuer};

const HASH: &str = "9q0znYvIsZQNKxzLS-Ipll0_lNdArDXTcRDq70WP5fI";

#[track_caller]
fn refused(text: &str, message: &str) {
    let problem = text.parse::<DidX509>().unwrap_err();
    assert_eq!(problem.to_string(), message);
}

#[test]
fn a_did_reads_back_as_it_was_written() {
    for text in [
        format!("did:x509:0:sha256:{HASH}::eku:{USAGE}"),
        format!("did:x509:0:sha256:{HASH}::subject:C:US:O:Example%20Org::san:dns:example.com"),
        format!("did:x509:0:sha256:{HASH}::subject:2.5.4.12:x"),
    ] {
        assert_eq!(text.parse::<DidX509>().unwrap().to_string(), text);
    }
}

#[test]
fn anything_else_is_refused() {
    let form = "did:x509: expected did:x509:0:HASH:FINGERPRINT::POLICY:VALUE, found";
    for text in [
        "",
        "did:web:example.com",
        "DID:x509:0:sha256:a::eku:1.2",
        "did:x509:0:sha256",
        "did:x509:0:sha256:a:b::eku:1.2",
    ] {
        refused(text, &format!("{form} {text:?}"));
    }
    let with = |rest: &str| format!("did:x509:0:sha256:{HASH}{rest}");
    for (text, message) in [
        (
            with("").replace(":0:", ":1:") + "::eku:1.2",
            "version: expected 0, found \"1\"",
        ),
        (
            with("::eku:1.2").replace("sha256", "sha1"),
            "hash: expected sha256, sha384 or sha512, found \"sha1\"",
        ),
        (
            with("::eku:1.2").replace("sha256", "sha384"),
            "fingerprint: expected 48 bytes in base64url without padding, found \
             \"9q0znYvIsZQNKxzLS-Ipll0_lNdArDXTcRDq70WP5fI\"",
        ),
        (
            with("=::eku:1.2"),
            "fingerprint: expected 32 bytes in base64url without padding, found \
             \"9q0znYvIsZQNKxzLS-Ipll0_lNdArDXTcRDq70WP5fI=\"",
        ),
        (
            with(""),
            "policy: expected at least one, for example ::eku:1.3.6.1.4.1.99999.1.2, found none",
        ),
        (with("::"), "policy: expected NAME:VALUE, found \"\""),
        (
            with("::issuer:x"),
            "policy: expected eku, subject or san, found \"issuer\"",
        ),
        (
            with("::fulcio-issuer:example.com"),
            "policy: expected eku, subject or san (fulcio-issuer is not supported), found \
             \"fulcio-issuer\"",
        ),
        (
            with("::eku:1.02"),
            "eku: expected an object identifier, for example \
             1.3.6.1.4.1.99999.1.2, found \"1.02\"",
        ),
        (
            with("::eku:1.2:3"),
            "eku: expected an object identifier, for example \
             1.3.6.1.4.1.99999.1.2, found \"1.2:3\"",
        ),
        (
            with("::subject:CN"),
            "subject: expected KEY:VALUE, repeated, found \"CN\"",
        ),
        (
            with("::subject:CN:a:CN:b"),
            "subject: expected each key once, found \"CN\" twice",
        ),
        (
            with("::subject:CN:a:2.5.4.3:b"),
            "subject: expected each key once, found \"2.5.4.3\" \
             twice",
        ),
        (
            with("::subject:CN:"),
            "subject: expected a value, found \"\"",
        ),
        (
            with("::subject:CN:a b"),
            "subject: expected letters, digits, '.', '-', '_' and %XX for all else, found \"a b\"",
        ),
        (
            with("::subject:CN:a%2"),
            "subject: expected two hexadecimal digits after each %, found \"a%2\"",
        ),
        (
            with("::subject:CN:%ff"),
            "subject: expected UTF-8 behind the percent signs, found \"%ff\"",
        ),
        (
            with("::san:ip:1"),
            "san: expected email:VALUE, dns:VALUE or uri:VALUE, found \"ip\"",
        ),
        (
            with("::eku:1.2#0"),
            "eku: expected an object identifier, for example \
             1.3.6.1.4.1.99999.1.2, found \"1.2#0\"",
        ),
    ] {
        refused(&text, &format!("did:x509, {message}"));
    }
    let long = with(&"::eku:1.2".repeat(500));
    refused(
        &long,
        &format!(
            "did:x509: expected at most 4096 bytes, found {}",
            long.len()
        ),
    );
}

#[test]
fn every_policy_is_held_against_the_leaf() {
    let certificates = [der("named"), der("ca"), der("root")];
    let chain = CertificateChain::from_der(certificates.iter().map(Vec::as_slice)).unwrap();
    let root = issuer("root").to_string();
    let resolve = |policies: &str| {
        let did: DidX509 = format!("{root}{policies}").parse().unwrap();
        did.resolve(&chain).map_err(|problem| problem.to_string())
    };
    for good in [
        "",
        "::subject:C:US:O:Example%20Org",
        "::subject:CN:Leaf::san:dns:example.com",
        "::san:email:bob%40example.com",
        "::san:uri:https%3A%2F%2Fexample.com%2fa",
    ] {
        assert_eq!(resolve(good), Ok(2), "{good}");
    }
    for (bad, message) in [
        (
            "::subject:CN:Other",
            "subject: expected CN \"Other\" in the leaf's subject, found \"Leaf\"",
        ),
        (
            "::subject:L:x",
            "subject: expected L \"x\" in the leaf's subject, found none",
        ),
        (
            "::subject:OU:a",
            "subject: expected OU \"a\" in the leaf's subject, found several",
        ),
        (
            "::san:dns:www.example.com",
            "san: expected \"www.example.com\" among the leaf's alternative names, found 3 others",
        ),
        (
            "::san:email:example.com",
            "san: expected \"example.com\" among the leaf's alternative names, found 3 others",
        ),
        (
            "::eku:1.3.6.1.4.1.99999.1.2::eku:1.3.6.1.5.5.7.3.3",
            "eku: expected 1.3.6.1.5.5.7.3.3 in the leaf, found 1.3.6.1.4.1.99999.1.2",
        ),
    ] {
        assert_eq!(resolve(bad), Err(format!("did:x509, {message}")), "{bad}");
    }
}

#[test]
fn fingerprints_can_be_longer() {
    let certificates = [der("leaf"), der("ca"), der("root")];
    let chain = CertificateChain::from_der(certificates.iter().map(Vec::as_slice)).unwrap();
    let hashes = [
        ("sha384", Sha384::digest(der("ca")).to_vec()),
        ("sha512", Sha512::digest(der("ca")).to_vec()),
    ];
    for (name, hash) in hashes {
        let hash = BASE64_URL_SAFE_NO_PAD.encode(hash);
        let did: DidX509 = format!("did:x509:0:{name}:{hash}::eku:{USAGE}")
            .parse()
            .unwrap();
        assert_eq!(did.resolve(&chain), Ok(1));
    }
}
