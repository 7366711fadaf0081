//! The key of a leaf, and what it signed.

use guestmark_measure::certificate::Certificate;
use guestmark_measure::ecdsa::{PublicKey, Signature};
use rsa::RsaPublicKey;
use rsa::pss::{Signature as PssSignature, VerifyingKey};
use rsa::sha2::Sha384;
use rsa::signature::Verifier;
use rsa::traits::PublicKeyParts;
use sha2::{Digest, Sha256};
use x509_cert::der::asn1::ObjectIdentifier;

use crate::signer::Algorithm;
use crate::{CertificateChain, Problem};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// Bytes of R and S on P-384.
const ES384_SIGNATURE: usize = 96;

/// Bits of the shortest RSA key that still counts.
const SHORTEST: usize = 2048;

/// A key that one scheme fits.
#[derive(Debug)]
pub(super) enum LeafKey {
    P384(PublicKey),
    Rsa(RsaPublicKey),
}

impl LeafKey {
    pub(super) fn of(leaf: &Certificate) -> Result<Self, Problem> {
        let refused = |found: String| {
            let expected = "a key on P-384, or an RSA key of 2048 to 4096 bits";
            Problem::new("x5chain[0], key", expected, found)
        };
        let spki = leaf.key().map_err(|error| refused(error.to_string()))?;
        if spki.algorithm.oid != RSA {
            let key = PublicKey::try_from(spki);
            return key
                .map(Self::P384)
                .map_err(|error| refused(error.to_string()));
        }
        let key = RsaPublicKey::try_from(spki).map_err(|error| refused(error.to_string()))?;
        match key.size() * 8 {
            short if short < SHORTEST => Err(refused(format!("an RSA key of {short} bits"))),
            _ => Ok(Self::Rsa(key)),
        }
    }

    /// The key of a message's leaf, which the message names by the SHA-256 of its certificate and
    /// by its scheme.
    pub(super) fn of_message(
        chain: &CertificateChain,
        fingerprint: [u8; 32],
        algorithm: Algorithm,
    ) -> Result<Self, Problem> {
        let leaf = chain.leaf();
        if Sha256::digest(leaf.der()).as_slice() != fingerprint {
            let expected = "SHA-256 of the leaf, x5chain[0]";
            return Err(Problem::new(
                "protected header, x5t (34)",
                expected,
                "another hash",
            ));
        }
        let key = Self::of(leaf)?;
        if key.algorithm() != algorithm {
            let expected = format!("{}, for the leaf's key is of that kind", key.algorithm());
            let found = algorithm.to_string();
            return Err(Problem::new("protected header, alg (1)", expected, found));
        }
        Ok(key)
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Self::P384(_) => Algorithm::Es384,
            Self::Rsa(_) => Algorithm::Ps384,
        }
    }

    /// Holds that this key signed `message`. The signature is in COSE's form: R and S, or as long
    /// as the modulus.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Problem> {
        let size = match self {
            Self::P384(_) => ES384_SIGNATURE,
            Self::Rsa(key) => key.size(),
        };
        if signature.len() != size {
            let found = format!("{} bytes", signature.len());
            return Err(Problem::new("signature", format!("{size} bytes"), found));
        }
        let refused = |found: String| {
            let expected = format!("a signature of the leaf's key ({})", self.algorithm());
            Problem::new("signature", expected, found)
        };
        match self {
            Self::P384(key) => Signature::from_detached(signature)
                .and_then(|signature| key.verify(message, &signature))
                .map_err(|error| refused(error.to_string())),
            Self::Rsa(key) => {
                let key = VerifyingKey::<Sha384>::new(key.clone());
                PssSignature::try_from(signature)
                    .and_then(|signature| key.verify(message, &signature))
                    .map_err(|_| refused("one made with another key or over other bytes".into()))
            }
        }
    }

    /// A signature as COSE holds it, of one as signers write it: for ES384 also DER.
    pub(super) fn in_cose(&self, signature: &[u8]) -> Result<Vec<u8>, Problem> {
        match self {
            Self::Rsa(_) => Ok(signature.to_vec()),
            Self::P384(_) => {
                let signature = Signature::from_detached(signature).map_err(|error| {
                    let expected = "96 bytes (R and S, big-endian) or DER";
                    Problem::new("signature", expected, error.to_string())
                })?;
                Ok(signature.to_raw().to_vec())
            }
        }
    }
}
