//! Who signs. Private keys stay outside: a signer is given bytes and gives a signature back, and
//! whatever comes back is verified before it is used.

mod command;
mod key;
mod pem;

use std::fmt;

pub use command::{CommandSigner, SigningCommand, split};
pub use key::{KeyId, verified};
pub use pem::PemSigner;

/// The signature schemes that signers have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-384 with SHA-384 (RFC 9053, section 2.1: ES384).
    Es384,
    /// RSASSA-PSS with SHA-384, MGF1 with SHA-384, a salt of 48 bytes (RFC 8230: PS384).
    Ps384,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Es384 => "ES384",
            Self::Ps384 => "PS384",
        })
    }
}

/// A signer that gave no signature, or one that does not verify.
#[derive(Debug, thiserror::Error)]
#[error("{signer}: {problem}")]
pub struct SignerError {
    /// The key's file or the command.
    pub signer: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

/// Something that signs with one key.
pub trait Signer {
    /// The scheme that its key is for.
    fn algorithm(&self) -> Algorithm;

    /// The public key in DER (SubjectPublicKeyInfo, RFC 5280).
    fn public_key(&self) -> &[u8];

    /// Signs `message`, which is hashed on the way. The signature is R and S, big-endian, 48 bytes
    /// each for [`Algorithm::Es384`], as long as the modulus for [`Algorithm::Ps384`], and it has
    /// been verified with the public key.
    ///
    /// # Errors
    /// No signature came, or one that does not verify.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError>;
}
