//! Endorsements that are sound, and not what their reader asked for.

use guestmark_manifests::endorsement::{Endorsement, Policy, verify};
use guestmark_measure::LaunchDigest;

use crate::authorities::issuer;
use crate::message::{Message, digest, failure, policy};

#[track_caller]
fn refused_by(policy: &Policy, message: &str) {
    for good in [Message::v1().sign(), Message::v2().sign()] {
        let failure = failure(&good, policy).unwrap();
        assert_eq!(failure.to_string(), message);
    }
}

#[test]
fn good_ones_verify_and_what_was_not_checked_is_said() {
    let verification = verify(&Message::v2().sign(), &policy());
    assert!(verification.good(), "{verification:#?}");
    let names: Vec<_> = verification.checks.iter().map(|check| check.name).collect();
    let expected = [
        "Form",
        "Certificate chain",
        "Signature",
        "Issuer",
        "Feed",
        "SVN",
        "Launch digest",
        "Debug guests",
    ];
    assert_eq!(names, expected);
    let left: Vec<_> = verification
        .not_checked
        .iter()
        .map(|left| left.name)
        .collect();
    assert_eq!(left, ["Revocation", "Clock"]);
    let policy = Policy {
        measurement: None,
        debug_measurements: Vec::new(),
        ..policy()
    };
    let mut message = Message::v1();
    message
        .unprotected
        .push((394.into(), vec![0_u8; 4].as_slice().into()));
    let verification = verify(&message.sign(), &policy);
    assert!(verification.good(), "{verification:#?}");
    let left: Vec<_> = verification
        .not_checked
        .iter()
        .map(|left| left.name)
        .collect();
    let expected = [
        "Launch digest",
        "Debug guests",
        "Revocation",
        "Clock",
        "Unprotected header",
    ];
    assert_eq!(left, expected);
}

#[test]
fn an_intermediate_authority_can_be_pinned_too() {
    let pinned = issuer("ca");
    let message = Message::v1().with("iss", pinned.to_string()).sign();
    let policy = Policy {
        issuer: pinned,
        ..policy()
    };
    assert_eq!(failure(&message, &policy), None);
}

#[test]
fn the_wrong_feed() {
    let policy = Policy {
        feed: "Test-UVM-Debug".to_owned(),
        ..policy()
    };
    refused_by(
        &policy,
        "feed: expected \"Test-UVM-Debug\", found \"Test-UVM\"",
    );
}

#[test]
fn an_svn_below_the_minimum() {
    let policy = Policy {
        minimum_svn: 105,
        ..policy()
    };
    refused_by(&policy, "SVN: expected 105 or more, found 104");
}

#[test]
fn another_guest() {
    let expected = LaunchDigest::new([1; 48]);
    let policy = Policy {
        measurement: Some(expected),
        ..policy()
    };
    let message = format!("launch digest: expected {expected}, found {}", digest());
    refused_by(&policy, &message);
}

#[test]
fn a_debug_guest_under_the_production_feed() {
    let policy = Policy {
        measurement: None,
        debug_measurements: vec![digest()],
        ..policy()
    };
    let message = format!(
        "launch digest: expected no debug guest under feed \"Test-UVM\", found the debug guest {}",
        digest()
    );
    refused_by(&policy, &message);
}

#[test]
fn what_is_read_is_no_more_than_a_claim() {
    let endorsement = Endorsement::read(&Message::v2().sign()).unwrap();
    assert_eq!(endorsement.claims.feed, "Test-UVM");
    assert_eq!(endorsement.claims.launch_digest, digest());
    assert_eq!(endorsement.claims.issuer, issuer("root"));
}
