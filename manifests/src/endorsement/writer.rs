//! Writes endorsements: what is to be signed, and the message around a signature.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ciborium::Value;
use sha2::{Digest, Sha256};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::ExtendedKeyUsage;

use super::leaf_key::LeafKey;
use super::{Claims, Policy, Version, cbor, header, payload, verify};
use crate::signer::{Algorithm, Signer, SignerError};
use crate::{CertificateChain, Problem};

/// Object identifiers that organizations have of their own (RFC 5912: private enterprises).
const PRIVATE_ARC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1");

/// An endorsement that nobody has signed yet. The same claims and chain give the same bytes.
#[derive(Debug)]
pub struct Draft {
    claims: Claims,
    key: LeafKey,
    key_der: Vec<u8>,
    protected: Vec<u8>,
    payload: Vec<u8>,
}

/// Why a signer's endorsement came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The signer gave no signature.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The chain is for another key, or what came back does not verify.
    #[error(transparent)]
    Problem(#[from] Problem),
}

impl Draft {
    /// The endorsement of `claims` by the leaf of `chain`, whose key decides the scheme.
    ///
    /// # Errors
    /// The chain does not hold together at the signing time, the issuer is not about it, or its
    /// leaf has no extended key usage of an organization's own, which verifiers ask for.
    pub fn new(
        version: Version,
        claims: Claims,
        chain: &CertificateChain,
    ) -> Result<Self, Problem> {
        if claims.feed.is_empty() {
            return Err(Problem::new("feed", "the name of a feed", "nothing"));
        }
        chain.verify(claims.signing_time)?;
        claims.issuer.resolve(chain)?;
        check_usage(chain)?;
        let key = LeafKey::of(chain.leaf())?;
        let (protected, payload) = match version {
            Version::V1 => (
                protected_v1(&claims, chain, key.algorithm()),
                payload::write(claims.svn, claims.launch_digest),
            ),
            Version::V2 => (
                protected_v2(&claims, chain, key.algorithm()),
                claims.launch_digest.as_bytes().to_vec(),
            ),
        };
        Ok(Self {
            claims,
            key,
            key_der: chain.leaf().key_der().to_vec(),
            protected: cbor::encode(&protected),
            payload,
        })
    }

    /// The scheme to sign with.
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// The bytes to sign (RFC 9052, section 4.4: Sig_structure). The signer hashes them.
    pub fn to_be_signed(&self) -> Vec<u8> {
        header::to_be_signed(&self.protected, &self.payload)
    }

    /// The message around `signature`, which for ES384 is R and S (96 bytes, big-endian) or DER,
    /// and for PS384 as long as the modulus. It is read and verified again before it is given out.
    ///
    /// # Errors
    /// The signature is none, or another key's, or over other bytes.
    pub fn assemble(&self, signature: &[u8]) -> Result<Vec<u8>, Problem> {
        let signature = self.key.in_cose(signature)?;
        let message = header::cose_sign1(&self.protected, Some(&self.payload), &signature);
        let policy = Policy {
            issuer: self.claims.issuer.clone(),
            feed: self.claims.feed.clone(),
            minimum_svn: self.claims.svn,
            measurement: Some(self.claims.launch_digest),
            debug_measurements: Vec::new(),
        };
        match verify(&message, &policy).failure {
            None => Ok(message),
            Some(problem) => Err(problem),
        }
    }

    /// The message, signed by `signer` at once.
    ///
    /// # Errors
    /// The signer has another key than the leaf, or gives no signature of it.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Vec<u8>, SignError> {
        check_signer(signer, &self.key_der)?;
        Ok(self.assemble(&signer.sign(&self.to_be_signed())?)?)
    }
}

/// Holds that the signer's key is the one that a certificate is for.
pub(super) fn check_signer(signer: &dyn Signer, key: &[u8]) -> Result<(), Problem> {
    if signer.public_key() == key {
        return Ok(());
    }
    let expected = "the certificate of the signer's key";
    Err(Problem::new("x5chain[0]", expected, "one of another key"))
}

/// What is published as `reference-info-base64`: padded, without a newline at the end.
pub fn reference_info_base64(message: &[u8]) -> String {
    BASE64_STANDARD.encode(message)
}

fn check_usage(chain: &CertificateChain) -> Result<(), Problem> {
    let usages = chain.leaf().fields().get::<ExtendedKeyUsage>();
    let usages = usages.ok().flatten().map(|(_, usages)| usages.0);
    let usages = usages.unwrap_or_default();
    let is_private =
        |usage: &ObjectIdentifier| usage.arcs().take(PRIVATE_ARC.len()).eq(PRIVATE_ARC.arcs());
    if usages.iter().any(is_private) {
        return Ok(());
    }
    let expected = "an extended key usage below 1.3.6.1.4.1, which verifiers ask for";
    Err(Problem::new("x5chain[0]", expected, "none"))
}

/// The certificates and the leaf's hash.
pub(super) fn certificates(chain: &CertificateChain) -> (Value, Value) {
    let each = chain.certificates().iter();
    let hash = Sha256::digest(chain.leaf().der());
    (
        Value::Array(each.map(|one| one.der().into()).collect()),
        Value::Array(vec![header::SHA_256.into(), hash.as_slice().into()]),
    )
}

/// Keys in the order of deterministic encoding (RFC 8949, section 4.2.1), as in the other form.
fn protected_v1(claims: &Claims, chain: &CertificateChain, algorithm: Algorithm) -> Value {
    let (x5chain, x5t) = certificates(chain);
    let time = Value::Tag(
        header::EPOCH_TIME,
        Box::new(claims.signing_time.unix().into()),
    );
    Value::Map(vec![
        (header::ALG.into(), header::number(algorithm).into()),
        (header::CONTENT_TYPE.into(), header::JSON.into()),
        (header::X5CHAIN.into(), x5chain),
        (header::X5T.into(), x5t),
        (header::ISSUER.into(), claims.issuer.to_string().into()),
        (header::FEED.into(), claims.feed.as_str().into()),
        (header::SIGNING_TIME.into(), time),
    ])
}

fn protected_v2(claims: &Claims, chain: &CertificateChain, algorithm: Algorithm) -> Value {
    let (x5chain, x5t) = certificates(chain);
    let time = claims.signing_time.unix();
    let claims = Value::Map(vec![
        (header::CWT_ISSUER.into(), claims.issuer.to_string().into()),
        (header::CWT_FEED.into(), claims.feed.as_str().into()),
        (header::CWT_ISSUED_AT.into(), time.into()),
        (header::CWT_SVN.into(), claims.svn.into()),
    ]);
    Value::Map(vec![
        (header::ALG.into(), header::number(algorithm).into()),
        (header::CWT_CLAIMS.into(), claims),
        (header::X5CHAIN.into(), x5chain),
        (header::X5T.into(), x5t),
        (header::PAYLOAD_HASH.into(), header::SHA_384.into()),
        (header::PREIMAGE_TYPE.into(), header::OCTETS.into()),
    ])
}
