//! OpenPGP signatures on indexes (RFC 9580), judged against certificates that the recipe carries.

mod certificate;

use std::fmt;
use std::path::Path;

use jiff::Timestamp;
use pgp::composed::{CleartextSignedMessage, Deserializable, DetachedSignature, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::Fingerprint;

use certificate::Certificate;

use crate::recipe::Archive;

/// A signature, or a certificate, that cannot be relied on.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// A file of certificates cannot be read.
    #[error("{path}: {problem}; expected OpenPGP certificates (public keys)")]
    KeyFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The text carries no OpenPGP signature.
    #[error("it is not a signed text: {0}")]
    NotSigned(String),
    /// None of the signatures is by a key of the recipe.
    #[error(
        "it is signed by {signers}, which the recipe does not trust; it trusts {trusted}; \
         if the archive has new keys, add them to the recipe's archive keys"
    )]
    UnknownKey {
        /// Fingerprints or key ids that the signatures name.
        signers: Keys,
        /// Fingerprints of the recipe's certificates.
        trusted: Keys,
    },
    /// The text is not what the key signed.
    #[error("bad signature by key {key}: the text was changed after it was signed")]
    Bad {
        /// The signing key's fingerprint.
        key: String,
    },
    /// The signature is only valid for a time that is over.
    #[error("the signature by key {key} expired on {on}")]
    SignatureExpired {
        /// The signing key's fingerprint.
        key: String,
        /// The end of the signature's validity.
        on: Timestamp,
    },
    /// The signature was made in the future, or names no time, or precedes its key.
    #[error("the signature by key {key} has no possible time of creation (it is {now} now)")]
    SignatureTime {
        /// The signing key's fingerprint.
        key: String,
        /// The time now.
        now: Timestamp,
    },
    /// The key is no longer valid.
    #[error(
        "key {key} expired on {on}; if the archive has published a renewed one, put it into the \
         recipe's archive keys"
    )]
    KeyExpired {
        /// The key's fingerprint.
        key: String,
        /// The end of its validity.
        on: Timestamp,
    },
    /// The key was revoked.
    #[error("key {key} is revoked; remove it from the recipe's archive keys")]
    KeyRevoked {
        /// The key's fingerprint.
        key: String,
    },
    /// The key is not one for signing data, or nothing binds it to its certificate.
    #[error("key {key} may not sign: {problem}")]
    KeyUnfit {
        /// The key's fingerprint.
        key: String,
        /// Why.
        problem: &'static str,
    },
    /// The signature is over a hash that can be forged.
    #[error("the signature by key {key} uses {hash}; expected SHA-256 or stronger")]
    WeakHash {
        /// The signing key's fingerprint.
        key: String,
        /// The hash algorithm.
        hash: String,
    },
}

/// Fingerprints or key ids, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys(Vec<String>);

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => f.write_str("no key"),
            [key] => write!(f, "key {key}"),
            keys => write!(f, "keys {}", keys.join(", ")),
        }
    }
}

/// A text whose signature was verified.
#[derive(Debug, Clone)]
pub(crate) struct Verified {
    /// Exactly what was signed.
    pub(crate) text: String,
    /// Fingerprints of the keys whose signatures verified, sorted.
    pub(crate) signed_by: Vec<String>,
}

/// The certificates that a recipe trusts for one archive.
#[derive(Debug)]
pub(crate) struct Certificates(Vec<Certificate>);

impl Certificates {
    /// Reads the certificates of `archive`, whose paths are relative to the recipe's `folder`.
    pub(crate) fn of_archive(archive: &Archive, folder: &Path) -> Result<Self, SignatureError> {
        let keys: Vec<_> = archive.keys.iter().map(|key| folder.join(key)).collect();
        Self::read(keys.iter().map(AsRef::as_ref))
    }

    /// Reads certificates from files, ASCII-armoured or binary.
    pub(crate) fn read<'a>(
        files: impl IntoIterator<Item = &'a Path>,
    ) -> Result<Self, SignatureError> {
        let mut certificates = Vec::new();
        for path in files {
            let refused = |problem: String| SignatureError::KeyFile {
                path: path.display().to_string(),
                problem,
            };
            let bytes = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
            let (keys, _) = SignedPublicKey::from_reader_many(&bytes[..])
                .map_err(|error| refused(error.to_string()))?;
            let before = certificates.len();
            for key in keys {
                let key = key.map_err(|error| refused(error.to_string()))?;
                certificates.push(Certificate::new(key));
            }
            if certificates.len() == before {
                return Err(refused("it holds none".to_owned()));
            }
        }
        Ok(Self(certificates))
    }

    /// Verifies a text in the cleartext signature framework (RFC 9580, section 7) at time `now`.
    /// One good signature is enough, signatures by strangers are passed over, and a bad one by a
    /// trusted key spoils all.
    pub(crate) fn verify_cleartext(
        &self,
        signed: &[u8],
        now: Timestamp,
    ) -> Result<Verified, SignatureError> {
        let signed = std::str::from_utf8(signed)
            .map_err(|_| SignatureError::NotSigned("it is not UTF-8".to_owned()))?;
        let (message, _) = CleartextSignedMessage::from_string(signed)
            .map_err(|error| SignatureError::NotSigned(error.to_string()))?;
        let text = message.signed_text();
        let signed_by = self.verify(message.signatures(), text.as_bytes(), now)?;
        Ok(Verified { text, signed_by })
    }

    /// Verifies detached signatures over `data` at time `now`, ASCII-armoured or binary; judged as
    /// by [`Certificates::verify_cleartext`]. Returns the fingerprints of the keys whose signatures
    /// verified, sorted.
    pub(crate) fn verify_detached(
        &self,
        signatures: &[u8],
        data: &[u8],
        now: Timestamp,
    ) -> Result<Vec<String>, SignatureError> {
        let refused = |error: pgp::errors::Error| SignatureError::NotSigned(error.to_string());
        let (found, _) = DetachedSignature::from_reader_many(signatures).map_err(refused)?;
        let signatures: Vec<Signature> = found
            .map(|one| one.map(|one| one.signature))
            .collect::<Result<_, _>>()
            .map_err(refused)?;
        self.verify(&signatures, data, now)
    }

    fn verify(
        &self,
        signatures: &[Signature],
        data: &[u8],
        now: Timestamp,
    ) -> Result<Vec<String>, SignatureError> {
        let mut signed_by = Vec::new();
        let mut first_refusal = None;
        for signature in signatures {
            let Some(certificate) = self.0.iter().find(|one| one.issued(signature)) else {
                continue;
            };
            match judge(certificate, signature, data, now) {
                Ok(key) => signed_by.push(key),
                Err(bad @ SignatureError::Bad { .. }) => return Err(bad),
                Err(refusal) => first_refusal = first_refusal.or(Some(refusal)),
            }
        }
        if signed_by.is_empty() {
            return Err(first_refusal.unwrap_or_else(|| SignatureError::UnknownKey {
                signers: Keys(signatures.iter().map(issuer).collect()),
                trusted: Keys(self.0.iter().map(Certificate::fingerprint).collect()),
            }));
        }
        signed_by.sort();
        signed_by.dedup();
        Ok(signed_by)
    }
}

/// Judges one signature by a key of `certificate`; returns that key's fingerprint.
fn judge(
    certificate: &Certificate,
    signature: &Signature,
    data: &[u8],
    now: Timestamp,
) -> Result<String, SignatureError> {
    let key = certificate.signing_key(signature);
    let fingerprint = key.fingerprint();
    if !is_strong(signature) {
        return Err(SignatureError::WeakHash {
            key: fingerprint,
            hash: signature
                .hash_alg()
                .map_or_else(|| "no hash".to_owned(), |hash| hash.to_string()),
        });
    }
    let is_of_data = matches!(
        signature.typ(),
        Some(SignatureType::Text | SignatureType::Binary)
    );
    if !is_of_data || !key.verifies(signature, data) {
        return Err(SignatureError::Bad { key: fingerprint });
    }
    let created = signature.created().map(|time| i64::from(time.as_secs()));
    let Some(created) =
        created.filter(|&created| key.created() <= created && created <= now.as_second())
    else {
        return Err(SignatureError::SignatureTime {
            key: fingerprint,
            now,
        });
    };
    if let Some(lifetime) = signature
        .signature_expiration_time()
        .map(|time| time.as_secs())
        && lifetime > 0
    {
        let end = created + i64::from(lifetime);
        if end <= now.as_second() {
            return Err(SignatureError::SignatureExpired {
                key: fingerprint,
                on: time(end),
            });
        }
    }
    certificate.check(&key, now)?;
    Ok(fingerprint)
}

/// Whether the hash under a signature is one that nobody can find collisions for.
fn is_strong(signature: &Signature) -> bool {
    matches!(
        signature.hash_alg(),
        Some(
            HashAlgorithm::Sha256
                | HashAlgorithm::Sha384
                | HashAlgorithm::Sha512
                | HashAlgorithm::Sha3_256
                | HashAlgorithm::Sha3_512
        )
    )
}

/// Who a signature says made it.
fn issuer(signature: &Signature) -> String {
    let fingerprint = signature
        .issuer_fingerprint()
        .first()
        .map(|&found| hex(found));
    let id = || {
        signature
            .issuer_key_id()
            .first()
            .map(|id| id.to_string().to_uppercase())
    };
    fingerprint
        .or_else(id)
        .unwrap_or_else(|| "an unnamed key".to_owned())
}

fn hex(fingerprint: &Fingerprint) -> String {
    format!("{fingerprint:X}")
}

/// Seconds since 1970, of which OpenPGP's 32 bits and their sums always fit.
fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
