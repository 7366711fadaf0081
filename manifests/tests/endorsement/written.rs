//! Endorsements that this crate writes.

use guestmark_manifests::endorsement::{
    Claims, Draft, Endorsement, SignError, Version, reference_info_base64,
};
use guestmark_manifests::signer::Algorithm;
use guestmark_manifests::{DidX509, Problem, SigningTime};

use crate::authorities::{Openssl, chain, issuer, now, read, sign};
use crate::message::{CHAIN, FEED, Message, SVN, accepted, digest};

pub(crate) fn claims(issuer: DidX509) -> Claims {
    Claims {
        issuer,
        feed: FEED.to_owned(),
        svn: SVN,
        launch_digest: digest(),
        signing_time: now(),
    }
}

pub(crate) fn draft(version: Version, leaf: &str) -> Draft {
    let (names, root): (&[&str], _) = match leaf {
        "rsa-leaf" => (&["rsa-leaf", "rsa-root"], "rsa-root"),
        _ => (&CHAIN, "root"),
    };
    Draft::new(version, claims(issuer(root)), &chain(names)).unwrap()
}

#[test]
fn what_is_written_is_read_back() {
    for version in [Version::V1, Version::V2] {
        for (leaf, root, algorithm) in [
            ("leaf", "root", Algorithm::Es384),
            ("rsa-leaf", "rsa-root", Algorithm::Ps384),
        ] {
            let draft = draft(version, leaf);
            assert_eq!(draft.algorithm(), algorithm);
            let message = draft.sign(&Openssl::new(leaf)).unwrap();
            let read = Endorsement::from_file(reference_info_base64(&message).as_bytes()).unwrap();
            assert_eq!(read.version, version);
            assert_eq!(read.algorithm, algorithm);
            assert_eq!(read.claims, claims(issuer(root)));
        }
    }
}

#[test]
fn keys_of_the_header_are_in_the_order_of_deterministic_encoding() {
    for (version, made) in [(Version::V1, Message::v1()), (Version::V2, Message::v2())] {
        let mut made = made;
        made.protected
            .sort_by_key(|(key, _)| crate::message::encode(key));
        let draft = draft(version, "leaf").to_be_signed();
        let header = made.header();
        assert!(
            draft.windows(header.len()).any(|window| window == header),
            "{version}"
        );
    }
}

#[test]
fn a_ceremony_takes_two_steps_that_give_the_same_bytes() {
    let draft = || draft(Version::V1, "leaf");
    let to_be_signed = draft().to_be_signed();
    assert_eq!(to_be_signed, draft().to_be_signed());
    let signature = sign("leaf", &to_be_signed);
    accepted(&draft().assemble(&signature).unwrap());
    let raw = guestmark_measure::ecdsa::Signature::from_detached(&signature).unwrap();
    assert_eq!(
        draft().assemble(&signature),
        draft().assemble(&raw.to_raw())
    );
}

#[test]
fn a_signature_of_something_else_is_not_given_out() {
    let draft = draft(Version::V1, "leaf");
    let refused = |signature: &[u8], words: &str| {
        let problem = draft.assemble(signature).unwrap_err();
        assert_eq!(problem.to_string(), words);
    };
    let wrong = "signature: expected a signature of the leaf's key (ES384), found the signature \
                 does not verify: it was made with another key or over other bytes";
    refused(&sign("other", &draft.to_be_signed()), wrong);
    refused(&sign("leaf", b"other bytes"), wrong);
    let form = "signature: expected 96 bytes (R and S, big-endian) or DER, found a detached \
                signature is 96 bytes (R and S, big-endian) or DER, found";
    refused(b"", &format!("{form} 0 bytes"));
    refused(b"garbage", &format!("{form} 7 bytes"));
    let rsa = draft_rsa();
    let problem = rsa.assemble(&[1; 255]).unwrap_err();
    assert_eq!(
        problem.to_string(),
        "signature: expected 256 bytes, found 255 bytes"
    );
}

fn draft_rsa() -> Draft {
    draft(Version::V2, "rsa-leaf")
}

#[test]
fn the_certificate_of_another_key_is_refused() {
    let signer = Openssl {
        name: "leaf",
        public_key: read("rsa-leaf.spki"),
    };
    let error = draft(Version::V1, "leaf").sign(&signer).unwrap_err();
    assert!(matches!(error, SignError::Problem(_)), "{error:?}");
    assert_eq!(
        error.to_string(),
        "x5chain[0]: expected the certificate of the signer's key, found one of another key"
    );
}

#[test]
fn what_verifiers_refuse_is_not_even_drafted() {
    let new = |claims: Claims, names: &[&str]| {
        let draft = Draft::new(Version::V1, claims, &chain(names));
        draft
            .map(|_| ())
            .map_err(|problem: Problem| problem.to_string())
    };
    let good = || claims(issuer("root"));
    assert_eq!(new(good(), &CHAIN), Ok(()));
    let early = Claims {
        signing_time: SigningTime::from_unix(0).unwrap(),
        ..good()
    };
    let failure = new(early, &CHAIN).unwrap_err();
    let words = "x5chain[0]: expected a certificate that is valid at the signing time, \
                 1970-01-01T00:00:00Z, found one valid from ";
    assert!(failure.starts_with(words), "{failure}");
    let nameless = Claims {
        feed: String::new(),
        ..good()
    };
    for (claims, names, words) in [
        (
            nameless,
            &CHAIN,
            "feed: expected the name of a feed, found nothing",
        ),
        (
            claims(issuer("rogue-root")),
            &CHAIN,
            "did:x509, fingerprint: expected the fingerprint of an authority in the chain, found \
             the fingerprint of no certificate in it",
        ),
        (
            claims(
                issuer("root")
                    .to_string()
                    .replace("eku:1.3.6.1.4.1.99999.1.2", "eku:1.3.6.1.5.5.7.3.3")
                    .parse()
                    .unwrap(),
            ),
            &["public-usage", "ca", "root"],
            "x5chain[0]: expected an extended key usage below 1.3.6.1.4.1, which verifiers ask \
             for, found none",
        ),
        (
            good(),
            &["root", "ca", "leaf"],
            "x5chain[0]: expected a leaf, which signs no certificates (the chain goes from leaf to \
             root), found an authority (CA:TRUE), \"CN=Root\"",
        ),
    ] {
        assert_eq!(new(claims, names), Err(words.to_owned()));
    }
}
