//! What the fuzz targets for published files do with their input, as `lib.rs` says it for the
//! files that are measured.

use std::hint::black_box;

use guestmark_manifests::DidX509;
use guestmark_manifests::dsse::Envelope;
use guestmark_manifests::endorsement::{Endorsement, Policy, reference_info_base64, verify};
use guestmark_manifests::manifest::Manifest;
use guestmark_manifests::revocation::{self, Revocations};
use guestmark_manifests::statement::{self, Claim, Statement};

/// The issuer of the test vector.
const ISSUER: &str =
    "did:x509:0:sha256:9q0znYvIsZQNKxzLS-Ipll0_lNdArDXTcRDq70WP5fI::eku:1.3.6.1.4.1.99999.1.2";

/// Reads an endorsement and holds it against a policy.
///
/// # Panics
/// Its base64 is read as something else.
pub fn endorsement(bytes: &[u8]) {
    let policy = Policy {
        issuer: ISSUER.parse().expect("a DID"),
        feed: "Demo-AMD-UVM".to_owned(),
        minimum_svn: 0,
        measurement: None,
        debug_measurements: Vec::new(),
    };
    black_box(verify(bytes, &policy));
    if let Ok(endorsement) = Endorsement::read(bytes) {
        let text = reference_info_base64(bytes);
        assert_eq!(Endorsement::from_file(text.as_bytes()), Ok(endorsement));
    }
}

/// Reads an issuer.
///
/// # Panics
/// It is written as other text.
pub fn did_x509(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(did) = text.parse::<DidX509>()
    {
        assert_eq!(did.to_string(), text);
    }
}

/// Reads an envelope, and the statement or the list in it.
///
/// # Panics
/// An envelope is written as another.
pub fn dsse(bytes: &[u8]) {
    for kind in [statement::PAYLOAD_TYPE, revocation::PAYLOAD_TYPE] {
        let Ok(envelope) = Envelope::read(bytes, "f", kind) else {
            continue;
        };
        let written = envelope.to_bytes();
        assert_eq!(Envelope::read(&written, "f", kind), Ok(envelope.clone()));
        for claim in [Claim::Provenance, Claim::Rebuild] {
            black_box(Statement::read(&envelope.payload, "f", claim)).ok();
        }
        black_box(Revocations::read(&envelope.payload, "f")).ok();
    }
}

/// Reads a manifest.
///
/// # Panics
/// It is written as other bytes.
pub fn manifest(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::read(bytes, "f") {
        assert_eq!(manifest.to_bytes().as_deref(), Ok(bytes));
    }
}
