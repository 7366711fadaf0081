//! The signed list of what is no longer trusted.

use guestmark_measure::Sha256Digest;
use serde::{Deserialize, Serialize};

use crate::dsse::Envelope;
use crate::policy::Role;
use crate::signer::KeyId;
use crate::{FileProblem, json};

/// The type of an envelope's payload that is a list of revocations.
pub const PAYLOAD_TYPE: &str = "application/vnd.guestmark.revocations+json";

/// What is no longer trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocations {
    schema: String,
    /// One more in each list.
    pub sequence: u64,
    /// SHA-256 of keys' SubjectPublicKeyInfo.
    keys: Vec<Sha256Digest>,
    /// SHA-256 of manifests.
    manifests: Vec<Sha256Digest>,
}

impl Revocations {
    /// The form of the document.
    pub const SCHEMA: &str = "guestmark/revocations/1";

    /// Reads a list.
    ///
    /// # Errors
    /// JSON that is no list of this form.
    pub fn read(bytes: &[u8], file: &str) -> Result<Self, FileProblem> {
        json::read_schema(bytes, file, Self::SCHEMA)
    }

    /// Reads the list in an envelope that enough keys of `role` signed.
    ///
    /// # Errors
    /// Too few signatures, or no list.
    pub fn read_signed(bytes: &[u8], file: &str, role: &Role) -> Result<Self, FileProblem> {
        let envelope = Envelope::read(bytes, file, PAYLOAD_TYPE)?;
        let signed = role.signers(&envelope).len();
        if signed < role.threshold {
            let expected = format!("{} of the policy's revokers", role.threshold);
            return Err(FileProblem::new(file, "signatures", expected, signed));
        }
        Self::read(&envelope.payload, file)
    }

    /// Whether a key is no longer trusted.
    pub fn has_key(&self, key: KeyId) -> bool {
        self.keys.contains(&key.digest())
    }

    /// Whether a release, by its manifest's digest, is no longer trusted.
    pub fn has_manifest(&self, manifest: Sha256Digest) -> bool {
        self.manifests.contains(&manifest)
    }
}
