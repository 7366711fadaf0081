//! Certificate chains with one thing wrong.

use std::ops::RangeInclusive;

use ciborium::Value;
use guestmark_manifests::{CertificateChain, SigningTime};

use crate::authorities::{chain, issuer, now, read};
use crate::message::{
    CHAIN, Message, accepted, epoch, failure, policy, refused, signed_and_refused,
};

#[track_caller]
fn refused_chain(names: &[&str], message: &str) {
    for good in [Message::v1(), Message::v2()] {
        signed_and_refused(&good.chain(names), message);
    }
}

#[test]
fn an_attackers_root_with_a_did_that_fits_it() {
    let names = ["rogue-leaf", "rogue-ca", "rogue-root"];
    let mut message = Message::v1().chain(&names);
    message = message.with("iss", issuer("rogue-root").to_string());
    message.key = "rogue-leaf";
    let (trusted, theirs) = (issuer("root"), issuer("rogue-root"));
    signed_and_refused(
        &message,
        &format!("issuer: expected {trusted}, found {theirs}"),
    );
    // With the DID that is trusted, over their own chain.
    message = message.with("iss", trusted.to_string());
    signed_and_refused(
        &message,
        "did:x509, fingerprint: expected the fingerprint of an authority in the chain, found the \
         fingerprint of no certificate in it",
    );
    // With the trusted root on top of it, which has their root's name.
    refused_chain(
        &["rogue-leaf", "rogue-ca", "root"],
        "x5chain[1]: expected a signature of \"CN=Root\" (ECDSA with SHA-384), found one that does \
         not verify",
    );
    refused_chain(
        &["rogue-leaf", "ca", "root"],
        "x5chain[0]: expected a signature of \"CN=Issuing\" (ECDSA with SHA-384), found one that \
         does not verify",
    );
}

#[test]
fn the_wrong_usage_or_one_of_the_authority_only() {
    let other = issuer("root").to_string().replace(".1.2", ".1.21");
    signed_and_refused(
        &Message::v1().with("iss", other),
        "did:x509, eku: expected 1.3.6.1.4.1.99999.1.21 in the leaf, found 1.3.6.1.4.1.99999.1.2",
    );
    refused_chain(
        &["public-usage", "ca", "root"],
        "did:x509, eku: expected 1.3.6.1.4.1.99999.1.2 in the leaf, found 1.3.6.1.5.5.7.3.3",
    );
    refused_chain(
        &["usage-less", "usage-ca", "root"],
        "did:x509, eku: expected 1.3.6.1.4.1.99999.1.2 in the leaf, found none",
    );
}

#[test]
fn a_leaf_that_may_sign_certificates() {
    refused_chain(
        &["authority-leaf", "ca", "root"],
        "x5chain[0]: expected a leaf, which signs no certificates (the chain goes from leaf to \
         root), found an authority (CA:TRUE), \"CN=Leaf\"",
    );
}

#[test]
fn another_order() {
    refused_chain(
        &["root", "ca", "leaf"],
        "x5chain[0]: expected a leaf, which signs no certificates (the chain goes from leaf to \
         root), found an authority (CA:TRUE), \"CN=Root\"",
    );
    refused_chain(
        &["leaf", "root", "ca"],
        "x5chain[1]: expected the issuer of x5chain[0], \"CN=Issuing\", found \"CN=Root\"",
    );
}

#[test]
fn one_certificate_or_none_or_many() {
    let expected = "x5chain: expected 2 to 8 certificates, leaf to root, found";
    let one = format!("{expected} one alone, which a verifier in use cannot read");
    refused_chain(&["leaf"], &one);
    let bare = Message::v1().with(33, crate::authorities::der("leaf").as_slice());
    signed_and_refused(&bare, &one);
    let none = Message::v1().with(33, Value::Array(Vec::new()));
    signed_and_refused(&none, &format!("{expected} none"));
    refused_chain(&["root"; 9], &format!("{expected} more"));
}

#[test]
fn the_fingerprint_of_the_leaf_in_the_place_of_an_authority() {
    signed_and_refused(
        &Message::v1().with("iss", issuer("leaf").to_string()),
        "did:x509, fingerprint: expected the fingerprint of an authority in the chain, found the \
         fingerprint of the leaf",
    );
}

#[test]
fn a_signing_time_at_which_the_leaf_is_not_valid() {
    let leaf = chain(&CHAIN);
    let validity = leaf.leaf().fields().validity;
    let (from, to) = (validity.not_before, validity.not_after);
    let unix = |time: &x509_cert::time::Time| time.to_unix_duration().as_secs();
    for seconds in [unix(&from) - 1, unix(&to) + 1] {
        let time = SigningTime::from_unix(seconds).unwrap();
        let message = format!(
            "x5chain[0]: expected a certificate that is valid at the signing time, {time}, found \
             one valid from {} to {}",
            from.to_date_time(),
            to.to_date_time()
        );
        signed_and_refused(&Message::v1().with("signingtime", epoch(seconds)), &message);
        let v2 = Message::v2().claims(|claims| claims[2].1 = seconds.into());
        signed_and_refused(&v2, &message);
    }
    let both: RangeInclusive<u64> = unix(&from)..=unix(&to);
    assert!(both.contains(&now().unix()));
}

#[test]
fn an_unrelated_certificate_more() {
    refused_chain(
        &["leaf", "ca", "root", "p256-root"],
        "x5chain[3]: expected nothing after x5chain[2], which names itself as issuer, found \
         \"CN=P256Root\"",
    );
    refused_chain(
        &["leaf", "ca", "root", "root"],
        "x5chain[3]: expected nothing after x5chain[2], which names itself as issuer, found \
         \"CN=Root\"",
    );
    refused_chain(
        &["leaf", "p256-root", "ca", "root"],
        "x5chain[1]: expected the issuer of x5chain[0], \"CN=Issuing\", found \"CN=P256Root\"",
    );
}

#[test]
fn a_missing_root() {
    refused_chain(
        &["leaf", "ca"],
        "x5chain[1]: expected a root, which signs itself, found one issued by \"CN=Root\", which \
         is missing",
    );
}

#[test]
fn sha_1_and_other_signatures_that_prove_nothing() {
    let expected = "expected a signature with ECDSA (P-256, P-384) or RSA (2048 to 4096 bits) with \
                    SHA-256, SHA-384 or SHA-512, found";
    refused_chain(
        &["sha1", "ca", "root"],
        &format!("x5chain[0]: {expected} ECDSA with SHA-1"),
    );
    refused_chain(
        &["pss-sha1", "rsa-root"],
        &format!("x5chain[0]: {expected} RSASSA-PSS with SHA-1, or with two hashes"),
    );
}

#[test]
fn certificates_that_do_what_they_may_not() {
    refused_chain(
        &["deep", "below", "ca", "root"],
        "x5chain[2]: expected at most 0 authorities below it (pathlen), found 1",
    );
    refused_chain(
        &["no-signing", "ca", "root"],
        "x5chain[0]: expected key usage digitalSignature, found other uses only",
    );
    refused_chain(
        &["leaf", "no-cert-sign", "root"],
        "x5chain[1]: expected key usage keyCertSign, found other uses only",
    );
    refused_chain(
        &["critical", "ca", "root"],
        "x5chain[0]: expected no critical extensions but basic constraints, key usage, extended \
         key usage and alternative names, found critical extension 1.3.6.1.4.1.99999.9",
    );
}

#[test]
fn keys_that_no_scheme_fits() {
    let expected = "x5chain[0], key: expected a key on P-384, or an RSA key of 2048 to 4096 bits, \
                    found";
    refused_chain(
        &["p256-leaf", "ca", "root"],
        &format!("{expected} the key is on P-256, expected an ECDSA key on P-384 (curve 2)"),
    );
    refused_chain(
        &["short", "rsa-root"],
        &format!("{expected} an RSA key of 1024 bits"),
    );
}

#[test]
fn a_damaged_certificate() {
    let mut leaf = crate::authorities::der("leaf");
    let last = leaf.len() - 1;
    leaf[last] ^= 1;
    let mut certificates = [
        leaf,
        crate::authorities::der("ca"),
        crate::authorities::der("root"),
    ];
    let of = |certificates: &[Vec<u8>]| {
        let each = certificates.iter().map(|one| one.as_slice().into());
        Value::Array(each.collect())
    };
    let message = Message::v1().with(33, of(&certificates));
    signed_and_refused(
        &message,
        "x5chain[0]: expected a signature of \"CN=Issuing\" (ECDSA with SHA-384), found one that \
         does not verify",
    );
    certificates[0].push(0);
    let longer = Message::v1().with(33, of(&certificates)).sign();
    let failure = failure(&longer, &policy()).unwrap();
    assert_eq!(failure.field, "x5chain[0]");
    assert_eq!(failure.expected, "a certificate");
    certificates[0].clear();
    let none = Message::v1().with(33, of(&certificates)).sign();
    assert!(crate::message::failure(&none, &policy()).is_some());
    refused(
        &Message::v1()
            .with(33, vec![Value::from(1), 2.into()])
            .sign(),
        "x5chain: expected certificates as bytes, found 1",
    );
}

#[test]
fn rsa_and_p256_authorities_sign_too() {
    for (names, root) in [
        (&["rsa-leaf", "rsa-root"], "rsa-root"),
        (&["p256-signed", "p256-root"], "p256-root"),
    ] {
        chain(names).verify(now()).unwrap();
        issuer(root).resolve(&chain(names)).unwrap();
    }
    let pem = [read("leaf.pem"), read("ca.pem"), read("root.pem")].concat();
    assert_eq!(CertificateChain::from_pem(&pem).unwrap(), chain(&CHAIN));
    accepted(&Message::v1().sign());
}
