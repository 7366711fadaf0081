//! The labels of the protected header, and the numbers that stand there.

use ciborium::Value;

use super::cbor::Label;
use crate::signer::Algorithm;

/// RFC 9052, section 3.1.
pub(super) const ALG: Label = Label::Number(1, "alg");
/// RFC 9052, section 3.1.
pub(super) const CONTENT_TYPE: Label = Label::Number(3, "content type");
/// RFC 9597.
pub(super) const CWT_CLAIMS: Label = Label::Number(15, "CWT claims");
/// RFC 9360.
pub(super) const X5CHAIN: Label = Label::Number(33, "x5chain");
/// RFC 9360.
pub(super) const X5T: Label = Label::Number(34, "x5t");
/// COSE hash envelope (draft-ietf-cose-hash-envelope).
pub(super) const PAYLOAD_HASH: Label = Label::Number(258, "payload hash algorithm");
/// COSE hash envelope.
pub(super) const PREIMAGE_TYPE: Label = Label::Number(259, "preimage content type");

/// Of V1.
pub(super) const ISSUER: Label = Label::Text("iss");
/// Of V1.
pub(super) const FEED: Label = Label::Text("feed");
/// Of V1.
pub(super) const SIGNING_TIME: Label = Label::Text("signingtime");

/// RFC 8392, section 3.1.1.
pub(super) const CWT_ISSUER: Label = Label::Number(1, "iss");
/// RFC 8392, section 3.1.2: the subject, which is the feed here.
pub(super) const CWT_FEED: Label = Label::Number(2, "sub");
/// RFC 8392, section 3.1.6.
pub(super) const CWT_ISSUED_AT: Label = Label::Number(6, "iat");
/// Of V2.
pub(super) const CWT_SVN: Label = Label::Text("svn");

/// Labels that V1 alone has.
pub(super) const V1_ONLY: [Label; 4] = [CONTENT_TYPE, ISSUER, FEED, SIGNING_TIME];
/// Labels that V2 alone has.
pub(super) const V2_ONLY: [Label; 3] = [CWT_CLAIMS, PAYLOAD_HASH, PREIMAGE_TYPE];
/// Labels that both have.
pub(super) const BOTH: [Label; 3] = [ALG, X5CHAIN, X5T];

/// Content type of V1's payload.
pub(super) const JSON: &str = "application/json";
/// Content type of what V2's payload is the hash of: launched memory.
pub(super) const OCTETS: &str = "application/octet-stream";

/// SHA-256 (RFC 9054).
pub(super) const SHA_256: i64 = -16;
/// SHA-384 (RFC 9054).
pub(super) const SHA_384: i64 = -43;
/// The tag of a time in seconds since 1970 (RFC 8949, section 3.4.2).
pub(super) const EPOCH_TIME: u64 = 1;
/// The tag of COSE_Sign1 (RFC 9052, section 4.2).
pub(super) const COSE_SIGN1: u64 = 18;

/// The number of a signature scheme (RFC 9053, section 2.1; RFC 8230, section 2).
pub(super) fn number(algorithm: Algorithm) -> i64 {
    match algorithm {
        Algorithm::Es384 => -35,
        Algorithm::Ps384 => -38,
    }
}

/// The signature scheme of a number.
pub(super) fn algorithm(value: Value) -> Result<Algorithm, Value> {
    let known = [Algorithm::Es384, Algorithm::Ps384];
    let found = known
        .into_iter()
        .find(|known| value == number(*known).into());
    found.ok_or(value)
}

/// What is signed (RFC 9052, section 4.4).
pub(super) fn to_be_signed(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    super::cbor::encode(&Value::Array(vec![
        "Signature1".into(),
        protected.into(),
        Value::Bytes(Vec::new()),
        payload.into(),
    ]))
}

/// COSE_Sign1 with nothing in the unprotected header; without `payload`, a detached one.
pub(super) fn cose_sign1(protected: &[u8], payload: Option<&[u8]>, signature: &[u8]) -> Vec<u8> {
    let message = Value::Array(vec![
        protected.into(),
        Value::Map(Vec::new()),
        payload.map_or(Value::Null, Value::from),
        signature.into(),
    ]);
    super::cbor::encode(&Value::Tag(COSE_SIGN1, Box::new(message)))
}
