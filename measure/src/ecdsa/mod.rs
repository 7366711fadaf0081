//! ECDSA on P-384 with SHA-384, the one scheme of SEV-SNP, in the forms that people and firmware
//! use: PEM and DER outside, little-endian numbers padded with zeros to 72 bytes inside (SEV-SNP
//! Firmware ABI, chapter "Digital Signatures").

mod key;
mod signature;

pub use key::{PublicKey, PublicKeyBytes};
pub use signature::{Signature, SignatureBytes};

/// Bytes of a number on P-384.
const NUMBER: usize = 48;

/// Bytes of a number as the firmware keeps it.
const FIELD: usize = 72;

/// Bytes that are no public key or no signature, or a signature that another key or other bytes
/// gave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EcdsaError {
    /// A key on another curve, or of another kind.
    #[error("the key is {found}, expected an ECDSA key on P-384 (curve 2)")]
    Curve {
        /// What the key is.
        found: String,
    },
    /// A private key where a public one is expected.
    #[error(
        "this is a private key, expected the public key: keep it where it signs, and give what \
         `openssl pkey -in KEY -pubout` prints"
    )]
    PrivateKey,
    /// A file that is no public key at all.
    #[error("expected a public key in PEM (BEGIN PUBLIC KEY) or DER (SubjectPublicKeyInfo): {0}")]
    NoKey(String),
    /// Coordinates of no point.
    #[error("the coordinates are no point on P-384: the key was damaged or made up")]
    NotOnCurve,
    /// Bytes that belong to no number and are not zero.
    #[error("the padding after {field} is not zero")]
    Padding {
        /// The number before it, or the whole.
        field: &'static str,
    },
    /// A number of a signature that no signer gives.
    #[error("{field} is {found}, expected 1 to n - 1, where n is the order of P-384")]
    Range {
        /// `R` or `S`.
        field: &'static str,
        /// What it is instead.
        found: &'static str,
    },
    /// A detached signature in no known form.
    #[error("a detached signature is 96 bytes (R and S, big-endian) or DER, found {found} bytes")]
    NoSignature {
        /// Bytes given.
        found: usize,
    },
    /// A signature of another key or over other bytes.
    #[error("the signature does not verify: it was made with another key or over other bytes")]
    DoesNotVerify,
}

/// The big-endian number in a little-endian field.
fn from_field(bytes: &[u8; FIELD], field: &'static str) -> Result<[u8; NUMBER], EcdsaError> {
    let mut number = [0; NUMBER];
    let (low, padding) = bytes.split_at(NUMBER);
    if padding.iter().any(|&byte| byte != 0) {
        return Err(EcdsaError::Padding { field });
    }
    number.copy_from_slice(low);
    number.reverse();
    Ok(number)
}

/// The little-endian field that holds a big-endian number.
fn to_field(number: &[u8]) -> [u8; FIELD] {
    let mut field = [0; FIELD];
    for (to, from) in field.iter_mut().zip(number.iter().rev()) {
        *to = *from;
    }
    field
}
