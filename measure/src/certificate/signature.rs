//! Signatures over certificates: ECDSA (RFC 5758, section 3.2), RSASSA-PKCS1-v1_5 (RFC 4055,
//! section 5) and RSASSA-PSS (RFC 4055, section 3).

use std::fmt;

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::pkcs1::RsaPssParams;
use rsa::sha2::{Digest, Sha256, Sha384, Sha512};
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Sign, Pss, RsaPublicKey};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoRef};

use super::{Certificate, CertificateError};

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

const RSASSA_PSS: ObjectIdentifier = oid("1.2.840.113549.1.1.10");
const MGF1: ObjectIdentifier = oid("1.2.840.113549.1.1.8");
const EC_PUBLIC_KEY: ObjectIdentifier = oid("1.2.840.10045.2.1");
const P_256: ObjectIdentifier = oid("1.2.840.10045.3.1.7");
const P_384: ObjectIdentifier = oid("1.3.132.0.34");

const EXPECTED: &str = "ECDSA (P-256, P-384) or RSA (2048 to 4096 bits) with SHA-256, SHA-384 or \
                        SHA-512";

/// Bytes of the shortest modulus that still counts.
const SMALLEST_MODULUS: usize = 2048 / 8;

static KNOWN: [(ObjectIdentifier, Scheme); 6] = [
    (oid("1.2.840.10045.4.3.2"), Scheme::Ecdsa(Hash::Sha256)),
    (oid("1.2.840.10045.4.3.3"), Scheme::Ecdsa(Hash::Sha384)),
    (oid("1.2.840.10045.4.3.4"), Scheme::Ecdsa(Hash::Sha512)),
    (oid("1.2.840.113549.1.1.11"), Scheme::Pkcs1(Hash::Sha256)),
    (oid("1.2.840.113549.1.1.12"), Scheme::Pkcs1(Hash::Sha384)),
    (oid("1.2.840.113549.1.1.13"), Scheme::Pkcs1(Hash::Sha512)),
];

/// What is refused by name.
static BROKEN: [(ObjectIdentifier, &str); 3] = [
    (oid("1.2.840.10045.4.1"), "ECDSA with SHA-1"),
    (oid("1.2.840.113549.1.1.5"), "RSASSA-PKCS1-v1_5 with SHA-1"),
    (oid("1.2.840.113549.1.1.4"), "RSASSA-PKCS1-v1_5 with MD5"),
];

static HASHES: [(ObjectIdentifier, Hash); 3] = [
    (oid("2.16.840.1.101.3.4.2.1"), Hash::Sha256),
    (oid("2.16.840.1.101.3.4.2.2"), Hash::Sha384),
    (oid("2.16.840.1.101.3.4.2.3"), Hash::Sha512),
];

#[derive(Clone, Copy)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

#[derive(Clone, Copy)]
enum Scheme {
    Ecdsa(Hash),
    Pkcs1(Hash),
    Pss { hash: Hash, salt: usize },
}

impl Hash {
    fn of(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha384 => Sha384::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        })
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ecdsa(hash) => write!(f, "ECDSA with {hash}"),
            Self::Pkcs1(hash) => write!(f, "RSASSA-PKCS1-v1_5 with {hash}"),
            Self::Pss { hash, .. } => write!(f, "RSASSA-PSS with {hash}"),
        }
    }
}

/// The scheme by name.
pub(super) fn scheme(certificate: &x509_cert::Certificate) -> Result<String, CertificateError> {
    Ok(Scheme::of(&certificate.signature_algorithm)?.to_string())
}

/// Holds that the key of `issuer` signed `certificate`.
pub(super) fn verify(
    certificate: &x509_cert::Certificate,
    issuer: &Certificate,
) -> Result<(), CertificateError> {
    let algorithm = &certificate.signature_algorithm;
    let scheme = Scheme::of(algorithm)?;
    let refused = || CertificateError::Signature {
        issuer: issuer.subject(),
        algorithm: scheme.to_string(),
    };
    // Outside the signed part stands what the signed part repeats.
    if *algorithm != certificate.tbs_certificate.signature {
        return Err(refused());
    }
    let message = certificate.tbs_certificate.to_der();
    let message = message.map_err(CertificateError::Unreadable)?;
    let signature = certificate.signature.as_bytes().ok_or_else(refused)?;
    let verified = scheme.verify(&issuer.key()?, &message, signature)?;
    verified.ok_or_else(refused)
}

impl Scheme {
    fn of(algorithm: &AlgorithmIdentifierOwned) -> Result<Self, CertificateError> {
        let found = |found: String| CertificateError::Algorithm {
            expected: EXPECTED,
            found,
        };
        if algorithm.oid == RSASSA_PSS {
            return Self::pss(algorithm)
                .ok_or_else(|| found("RSASSA-PSS with SHA-1, or with two hashes".to_owned()));
        }
        let known = KNOWN.iter().find(|(oid, _)| *oid == algorithm.oid);
        known.map(|(_, scheme)| *scheme).ok_or_else(|| {
            let broken = BROKEN.iter().find(|(oid, _)| *oid == algorithm.oid);
            found(broken.map_or_else(|| algorithm.oid.to_string(), |(_, name)| (*name).to_owned()))
        })
    }

    /// Absent parameters stand for SHA-1.
    fn pss(algorithm: &AlgorithmIdentifierOwned) -> Option<Self> {
        let parameters = algorithm.parameters.as_ref()?.to_der().ok()?;
        let parameters = RsaPssParams::from_der(&parameters).ok()?;
        let mask = parameters.mask_gen;
        if mask.oid != MGF1 || mask.parameters?.oid != parameters.hash.oid {
            return None;
        }
        let known = HASHES.iter().find(|(oid, _)| *oid == parameters.hash.oid);
        let &(_, hash) = known?;
        let salt = parameters.salt_len.into();
        Some(Self::Pss { hash, salt })
    }

    /// `None`: the signature is wrong.
    fn verify(
        self,
        key: &SubjectPublicKeyInfoRef<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<Option<()>, CertificateError> {
        Ok(match self {
            Self::Ecdsa(hash) => ecdsa(key, &hash.of(message), signature)?,
            Self::Pkcs1(hash) => {
                let padding = match hash {
                    Hash::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
                    Hash::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
                    Hash::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
                };
                let verified = rsa_key(key)?.verify(padding, &hash.of(message), signature);
                verified.ok()
            }
            Self::Pss { hash, salt } => {
                let padding = match hash {
                    Hash::Sha256 => Pss::new_with_salt::<Sha256>(salt),
                    Hash::Sha384 => Pss::new_with_salt::<Sha384>(salt),
                    Hash::Sha512 => Pss::new_with_salt::<Sha512>(salt),
                };
                let verified = rsa_key(key)?.verify(padding, &hash.of(message), signature);
                verified.ok()
            }
        })
    }
}

fn ecdsa(
    key: &SubjectPublicKeyInfoRef<'_>,
    digest: &[u8],
    signature: &[u8],
) -> Result<Option<()>, CertificateError> {
    let curve = key.algorithm.parameters_oid().ok();
    let point = key.subject_public_key.as_bytes().unwrap_or_default();
    Ok(match (key.algorithm.oid, curve) {
        (EC_PUBLIC_KEY, Some(P_256)) => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok();
            let signature = p256::ecdsa::Signature::from_der(signature).ok();
            key.zip(signature)
                .and_then(|(key, signature)| key.verify_prehash(digest, &signature).ok())
        }
        (EC_PUBLIC_KEY, Some(P_384)) => {
            let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(point).ok();
            let signature = p384::ecdsa::Signature::from_der(signature).ok();
            key.zip(signature)
                .and_then(|(key, signature)| key.verify_prehash(digest, &signature).ok())
        }
        (other, curve) => {
            let curve = curve.map_or_else(String::new, |curve| format!(" on curve {curve}"));
            let found = format!("a key of kind {other}{curve}");
            return Err(CertificateError::Algorithm {
                expected: EXPECTED,
                found,
            });
        }
    })
}

/// The key, unless it is too short to prove anything; the crate refuses longer ones than 4096
/// bits.
fn rsa_key(key: &SubjectPublicKeyInfoRef<'_>) -> Result<RsaPublicKey, CertificateError> {
    let refused = |found: String| CertificateError::Algorithm {
        expected: EXPECTED,
        found,
    };
    let key = RsaPublicKey::try_from(key.clone())
        .map_err(|error| refused(format!("a key that is no RSA key: {error}")))?;
    if key.size() < SMALLEST_MODULUS {
        return Err(refused(format!("an RSA key of {} bits", key.size() * 8)));
    }
    Ok(key)
}
