//! UVM endorsements: a publisher's signed word that a launch digest is that of a guest, which
//! verifiers on AKS read as `reference-info-base64`. A COSE_Sign1 message (RFC 9052, section 4.2)
//! with its certificate chain (RFC 9360) and an issuer in the form of did:x509.
//!
//! Two forms are read and written. V1 has a payload in JSON and the claims as text labels of the
//! protected header. V2 has the launch digest itself as payload (COSE hash envelope) and the claims
//! as CWT claims of the protected header (RFC 9597).

mod cbor;
pub mod corim;
mod header;
mod leaf_key;
mod payload;
mod reader;
mod verification;
mod writer;

pub use verification::{Check, Policy, Verification, verify};
pub use writer::{Draft, SignError, reference_info_base64};

use std::fmt;

use guestmark_measure::LaunchDigest;
use serde::Serialize;

use crate::signer::Algorithm;
use crate::{CertificateChain, DidX509, SigningTime};

/// The two forms of endorsements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Version {
    /// Payload in JSON, in use on AKS.
    V1,
    /// Payload the launch digest, claims as CWT claims.
    V2,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "V1",
            Self::V2 => "V2",
        })
    }
}

/// What an endorsement says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claims {
    /// Who says it.
    pub issuer: DidX509,
    /// What it is for, in the issuer's words.
    pub feed: String,
    /// The security version number of what is launched. The guest SVN of an ID block is another
    /// number.
    pub svn: u64,
    /// The launch digest of the guest.
    pub launch_digest: LaunchDigest,
    /// When the issuer says it was signed.
    pub signing_time: SigningTime,
}

/// An endorsement, read and not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endorsement {
    /// The form it has.
    pub version: Version,
    /// How it is signed.
    pub algorithm: Algorithm,
    /// What it says.
    pub claims: Claims,
    /// The certificates that it brings along.
    pub chain: CertificateChain,
    /// SHA-256 of the leaf, as the protected header has it.
    leaf_fingerprint: [u8; 32],
    /// The protected header as it stands in the file.
    protected: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
    /// Labels in the unprotected header.
    unsigned_labels: usize,
}
