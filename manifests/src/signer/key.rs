//! Public keys, and signatures that are checked before anybody uses them.

use std::fmt;

use guestmark_measure::Sha256Digest;
use guestmark_measure::ecdsa::{EcdsaError, PublicKey, Signature};
use sha2::{Digest, Sha256};

/// The SHA-256 of a public key's SubjectPublicKeyInfo: what tells keys apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(Sha256Digest);

impl KeyId {
    /// The id of `key`, which is the same in whatever form the key was given.
    pub fn of(key: &PublicKey) -> Self {
        Self(Sha256Digest::new(Sha256::digest(key.to_der()).into()))
    }

    /// The digest.
    pub const fn digest(&self) -> Sha256Digest {
        self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The signature in what a signer gave, DER or R and S, once it verifies.
///
/// # Errors
/// Neither form, a number out of range, or a signature of another key or over other bytes.
pub fn verified(key: &PublicKey, message: &[u8], given: &[u8]) -> Result<Signature, EcdsaError> {
    let signature = Signature::from_detached(given)?;
    key.verify(message, &signature)?;
    Ok(signature)
}
