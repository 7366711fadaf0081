//! The launch measurement as a CoRIM document (draft-ietf-rats-corim-10, profile
//! `tag:microsoft.com,2026:launch-measurement/v1`, as the crate `igvm` 0.5 writes it), and its
//! detached signature. Both travel in the IGVM file:
//! [`attach_corim`](guestmark_measure::igvm::attach_corim).

use ciborium::Value;
use guestmark_measure::LaunchDigest;

use super::cbor::Map;
use super::leaf_key::LeafKey;
use super::writer::{certificates, check_signer};
use super::{Claims, SignError, cbor, header, reader};
use crate::signer::{Algorithm, Signer};
use crate::{CertificateChain, DidX509, Problem, SigningTime};

const PROFILE: &str = "tag:microsoft.com,2026:launch-measurement/v1";
const NAME: &str = "AMD/SEV-SNP/launch-measurement";
/// The UUID, of version 5, that the profile derives from vendor and model.
const TAG_ID: &str = "77e8061e-4634-5e53-a848-d1d09e996843";
/// SHA-384 among the named information hash algorithms (RFC 6920).
const NI_SHA_384: u64 = 7;
const MEDIA_TYPE: &str = "application/rim+cbor";

/// The document that gives a launch digest an SVN. It holds no time, no name and no random number.
pub fn launch_measurement(digest: LaunchDigest, svn: u64) -> Vec<u8> {
    let map = |entries: Vec<(u64, Value)>| {
        let entries = entries.into_iter().map(|(key, value)| (key.into(), value));
        Value::Map(entries.collect())
    };
    let list = Value::Array;
    let tag = |number, value| Value::Tag(number, Box::new(value));

    let class = map(vec![(1, "AMD".into()), (2, "SEV-SNP".into())]);
    let environment = map(vec![(0, class)]);
    let hash = list(vec![NI_SHA_384.into(), digest.as_bytes().as_slice().into()]);
    let digests = map(vec![(2, list(vec![hash]))]);
    let measurement = map(vec![(0, "MEASUREMENT".into()), (1, digests)]);
    let endorsed = map(vec![(1, map(vec![(1, tag(552, svn.into()))]))]);

    let reference = list(vec![environment.clone(), list(vec![measurement.clone()])]);
    let series = list(vec![
        list(vec![environment, list(Vec::new())]),
        list(vec![list(vec![
            list(vec![measurement]),
            list(vec![endorsed]),
        ])]),
    ]);
    let triples = map(vec![(0, list(vec![reference])), (8, list(vec![series]))]);
    let identity = map(vec![(0, TAG_ID.into())]);
    let comid = cbor::encode(&map(vec![(1, identity), (4, triples)]));

    cbor::encode(&tag(
        501,
        map(vec![
            (0, NAME.into()),
            (1, list(vec![tag(506, comid.into())])),
            (3, PROFILE.into()),
        ]),
    ))
}

/// A document and its detached signature, which nobody has made yet. The same claims and chain give
/// the same bytes.
#[derive(Debug)]
pub struct CorimDraft {
    key: LeafKey,
    key_der: Vec<u8>,
    protected: Vec<u8>,
    document: Vec<u8>,
}

impl CorimDraft {
    /// The document of `claims`, to be signed by the leaf of `chain`: PS384, the one scheme whose
    /// readers are known.
    ///
    /// # Errors
    /// The chain does not hold together at the signing time, the issuer is not about it, or the
    /// leaf's key is no RSA key.
    pub fn new(claims: &Claims, chain: &CertificateChain) -> Result<Self, Problem> {
        chain.verify(claims.signing_time)?;
        claims.issuer.resolve(chain)?;
        let key = LeafKey::of(chain.leaf())?;
        if key.algorithm() != Algorithm::Ps384 {
            let found = "one on P-384";
            return Err(Problem::new(
                "x5chain[0], key",
                "an RSA key, for PS384",
                found,
            ));
        }
        let (x5chain, x5t) = certificates(chain);
        let identity = Value::Map(vec![
            (header::CWT_ISSUER.into(), claims.issuer.to_string().into()),
            (header::CWT_FEED.into(), claims.feed.as_str().into()),
            (
                header::CWT_ISSUED_AT.into(),
                claims.signing_time.unix().into(),
            ),
        ]);
        let protected = Value::Map(vec![
            (header::ALG.into(), header::number(key.algorithm()).into()),
            (header::CONTENT_TYPE.into(), MEDIA_TYPE.into()),
            (header::CWT_CLAIMS.into(), identity),
            (header::X5CHAIN.into(), x5chain),
            (header::X5T.into(), x5t),
        ]);
        Ok(Self {
            key,
            key_der: chain.leaf().key_der().to_vec(),
            protected: cbor::encode(&protected),
            document: launch_measurement(claims.launch_digest, claims.svn),
        })
    }

    /// The document.
    pub fn document(&self) -> &[u8] {
        &self.document
    }

    /// The bytes to sign (RFC 9052, section 4.4: Sig_structure). The signer hashes them.
    pub fn to_be_signed(&self) -> Vec<u8> {
        header::to_be_signed(&self.protected, &self.document)
    }

    /// The COSE_Sign1 message around `signature`, without the document. The signature is verified
    /// before it is given out.
    ///
    /// # Errors
    /// The signature is none, or another key's, or over other bytes.
    pub fn assemble(&self, signature: &[u8]) -> Result<Vec<u8>, Problem> {
        self.key.verify(&self.to_be_signed(), signature)?;
        Ok(header::cose_sign1(&self.protected, None, signature))
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

/// Holds that `message` is the detached signature over `document` by a leaf of `issuer`, for `feed`.
/// Gives the time that it is said to be signed at.
///
/// # Errors
/// The first thing that is not so.
pub fn verify(
    message: &[u8],
    document: &[u8],
    issuer: &DidX509,
    feed: &str,
) -> Result<SigningTime, Problem> {
    let reader::Opened {
        protected,
        mut map,
        payload,
        signature,
        ..
    } = reader::open(message)?;
    if payload != Value::Null {
        let expected = "none, for the document lies beside the signature";
        return Err(Problem::new("payload", expected, cbor::describe(&payload)));
    }
    let algorithm = map.take_as(header::ALG, "PS384 (-38)", |value| {
        header::algorithm(value.clone())
            .ok()
            .filter(|algorithm| *algorithm == Algorithm::Ps384)
            .ok_or(value)
    })?;
    map.equal(header::CONTENT_TYPE, &MEDIA_TYPE.into())?;
    let claims = map.take_as(header::CWT_CLAIMS, "a map", |value| match value {
        map @ Value::Map(_) => Ok(map),
        other => Err(other),
    })?;
    let mut claims = Map::new(map.name(header::CWT_CLAIMS), claims)?;
    let signer = claims.text(header::CWT_ISSUER)?;
    let signer = reader::issuer(&claims.name(header::CWT_ISSUER), &signer)?;
    let signed_feed = claims.text(header::CWT_FEED)?;
    let time = SigningTime::from_unix(claims.unsigned(header::CWT_ISSUED_AT)?)?;
    claims.finish()?;
    let chain = reader::chain(&mut map)?;
    let fingerprint = reader::leaf_fingerprint(&mut map)?;
    map.finish()?;

    chain.verify(time)?;
    LeafKey::of_message(&chain, fingerprint, algorithm)?
        .verify(&header::to_be_signed(&protected, document), &signature)?;
    signer.resolve(&chain)?;
    for (field, expected, found) in [
        ("issuer", issuer.to_string(), signer.to_string()),
        ("feed", feed.to_owned(), signed_feed),
    ] {
        if expected != found {
            return Err(Problem::new(field, expected, found));
        }
    }
    Ok(time)
}
