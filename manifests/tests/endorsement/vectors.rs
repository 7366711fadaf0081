//! Endorsements of other implementations.

use std::fs;
use std::path::Path;

use guestmark_manifests::endorsement::{
    Claims, Draft, Endorsement, Policy, Version, reference_info_base64,
};
use guestmark_manifests::signer::Algorithm;
use guestmark_measure::certificate::Certificate;

use crate::message::failure;

const ISSUER: &str =
    "did:x509:0:sha256:9q0znYvIsZQNKxzLS-Ipll0_lNdArDXTcRDq70WP5fI::eku:1.3.6.1.4.1.99999.1.2";

fn read(name: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read(root.join("tests/vectors/uvm-endorsement").join(name)).unwrap()
}

fn policy() -> Policy {
    Policy {
        issuer: ISSUER.parse().unwrap(),
        feed: "Demo-AMD-UVM".to_owned(),
        minimum_svn: 104,
        measurement: None,
        debug_measurements: Vec::new(),
    }
}

#[test]
fn good_ones_verify() {
    for name in ["ok_v1_json.cose", "ok_v1_json.base64"] {
        assert_eq!(failure(&read(name), &policy()), None, "{name}");
    }
    let endorsement = Endorsement::read(&read("ok_v1_json.cose")).unwrap();
    assert_eq!(endorsement.version, Version::V1);
    assert_eq!(endorsement.algorithm, Algorithm::Es384);
    let claims = &endorsement.claims;
    assert_eq!(claims.svn, 104);
    assert_eq!(claims.signing_time.to_string(), "2026-03-01T00:00:00Z");
    assert!(
        claims
            .launch_digest
            .to_string()
            .starts_with("dcfe103c5c9ddd1e")
    );
    let root = Certificate::read_one(&read("root.pem")).unwrap();
    assert_eq!(endorsement.chain.certificates()[2], root);
}

#[test]
fn bad_ones_are_refused() {
    for (name, message) in [
        (
            "bad_chain_reversed.cose",
            "x5chain[0]: expected a leaf, which signs no certificates (the chain goes from leaf to \
             root), found an authority (CA:TRUE), \"CN=Demo Root\"",
        ),
        (
            "bad_swapped_payload.cose",
            "payload, \"x-ms-sevsnpvm-guestsvn-int\": expected 999, as in \
             \"x-ms-sevsnpvm-guestsvn\", found 104",
        ),
        (
            "bad_wrong_eku_did.cose",
            "did:x509, eku: expected 1.3.6.1.4.1.99999.1.21 in the leaf, found \
             1.3.6.1.4.1.99999.1.2",
        ),
        (
            "bad_x5chain_unprotected.cose",
            "unprotected header, x5chain (33): expected it in the protected header alone, which \
             the signature covers, found it here",
        ),
    ] {
        let failure = failure(&read(name), &policy()).unwrap();
        assert_eq!(failure.to_string(), message, "{name}");
    }
}

#[test]
fn the_same_claims_and_signature_give_the_same_file() {
    let vector = read("ok_v1_json.cose");
    let endorsement = Endorsement::read(&vector).unwrap();
    let Claims {
        feed,
        svn,
        launch_digest,
        signing_time,
        ..
    } = endorsement.claims;
    let claims = Claims {
        issuer: ISSUER.parse().unwrap(),
        feed,
        svn,
        launch_digest,
        signing_time,
    };
    let draft = Draft::new(Version::V1, claims, &endorsement.chain).unwrap();
    let written = draft.assemble(&vector[vector.len() - 96..]).unwrap();
    assert_eq!(written, vector);
    let published = read("ok_v1_json.base64");
    assert_eq!(reference_info_base64(&written).as_bytes(), published);
}
