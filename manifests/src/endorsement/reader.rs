//! Reads endorsements that nobody vouches for.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ciborium::Value;

use super::cbor::{self, Label, Map, describe, unsigned};
use super::{Claims, Endorsement, Version, header, payload};
use crate::{CertificateChain, DidX509, Problem, SigningTime};
use guestmark_measure::LaunchDigest;

const MESSAGE: &str = "COSE_Sign1";

impl Endorsement {
    /// The largest message that is read, in bytes: many times what a chain needs.
    pub const LARGEST: usize = 1 << 16;

    /// The endorsement in a file: a message, or its base64 as it is published, which is padded
    /// and has no newline at its end.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn from_file(file: &[u8]) -> Result<Self, Problem> {
        // Every message begins with a byte that is not ASCII.
        if file.is_empty() || !file.is_ascii() {
            return Self::read(file);
        }
        let refused = |expected: &str, found: String| Problem::new("base64", expected, found);
        if file.ends_with(b"\n") {
            let expected = "no newline at the end: readers take the file as it is, so publish it \
                            without (printf %s \"$(cat FILE)\" > FILE)";
            return Err(refused(expected, "a newline".to_owned()));
        }
        if file.len() > Self::LARGEST / 3 * 4 {
            return Err(too_large(file.len() / 4 * 3));
        }
        let message = BASE64_STANDARD.decode(file).map_err(|error| {
            let expected = "standard base64, padded, or a message that begins with tag 18";
            refused(expected, error.to_string())
        })?;
        Self::read(&message)
    }

    /// The endorsement that `message`, a tagged COSE_Sign1, holds. What is the publisher's to
    /// choose is parsed here; what must be proved is left to [`super::verify`].
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn read(message: &[u8]) -> Result<Self, Problem> {
        let Opened {
            protected,
            mut map,
            payload,
            signature,
            unsigned_labels,
        } = open(message)?;
        let payload = bytes("payload", "bytes, for nothing is signed detached", payload)?;

        let version = version(&map)?;
        let algorithm =
            map.take_as(header::ALG, "ES384 (-35) or PS384 (-38)", header::algorithm)?;
        let chain = chain(&mut map)?;
        let leaf_fingerprint = leaf_fingerprint(&mut map)?;
        let claims = match version {
            Version::V1 => claims_v1(&mut map, &payload)?,
            Version::V2 => claims_v2(&mut map, &payload)?,
        };
        map.finish()?;
        Ok(Self {
            version,
            algorithm,
            claims,
            chain,
            leaf_fingerprint,
            protected,
            payload,
            signature,
            unsigned_labels,
        })
    }
}

/// A COSE_Sign1 message taken apart.
pub(super) struct Opened {
    /// The protected header's bytes, which the signature covers.
    pub(super) protected: Vec<u8>,
    /// The same as a map.
    pub(super) map: Map,
    pub(super) payload: Value,
    pub(super) signature: Vec<u8>,
    /// How many labels of other uses the unprotected header has.
    pub(super) unsigned_labels: usize,
}

/// Takes a tagged COSE_Sign1 message apart. No label that counts stands in its unprotected header.
pub(super) fn open(message: &[u8]) -> Result<Opened, Problem> {
    if message.len() > Endorsement::LARGEST {
        return Err(too_large(message.len()));
    }
    let refused = |expected: &str, value: &Value| Problem::new(MESSAGE, expected, describe(value));
    let parts = match cbor::parse(MESSAGE, message)? {
        Value::Tag(header::COSE_SIGN1, message) => *message,
        other => return Err(refused("tag 18 (COSE_Sign1)", &other)),
    };
    let parts = parts
        .into_array()
        .map_err(|it| refused("an array of 4", &it))?;
    let [protected, unprotected, payload, signature] = <[_; 4]>::try_from(parts)
        .map_err(|parts| refused("an array of 4", &Value::Array(parts)))?;
    let protected = bytes("protected header", "bytes", protected)?;
    let map = cbor::parse("protected header", &protected)?;
    let map = Map::new("protected header", map)?;
    let unprotected = Map::new("unprotected header", unprotected)?;
    let known = [&header::BOTH[..], &header::V1_ONLY, &header::V2_ONLY];
    if let Some(&label) = known.into_iter().flatten().find(|it| unprotected.has(**it)) {
        let expected = "it in the protected header alone, which the signature covers";
        return Err(Problem::new(unprotected.name(label), expected, "it here"));
    }
    Ok(Opened {
        protected,
        map,
        signature: bytes("signature", "bytes", signature)?,
        payload,
        unsigned_labels: unprotected.len(),
    })
}

fn too_large(found: usize) -> Problem {
    let expected = format!("at most {} bytes", Endorsement::LARGEST);
    Problem::new(MESSAGE, expected, format!("{found} bytes"))
}

fn bytes(field: &str, expected: &str, value: Value) -> Result<Vec<u8>, Problem> {
    match value {
        Value::Bytes(bytes) if !bytes.is_empty() => Ok(bytes),
        other => Err(Problem::new(field, expected, describe(&other))),
    }
}

fn version(map: &Map) -> Result<Version, Problem> {
    let first = |labels: &[Label]| labels.iter().find(|label| map.has(**label)).copied();
    match (first(&header::V1_ONLY), first(&header::V2_ONLY)) {
        (Some(_), None) => Ok(Version::V1),
        (None, Some(_)) => Ok(Version::V2),
        (v1, v2) => {
            let expected = "the labels of V1 (\"iss\", \"feed\", \"signingtime\", content type) or \
                            those of V2 (15, 258, 259)";
            let found = match (v1, v2) {
                (Some(v1), Some(v2)) => format!("both, {v1} and {v2}"),
                _ => "neither".to_owned(),
            };
            Err(Problem::new("protected header", expected, found))
        }
    }
}

pub(super) fn chain(map: &mut Map) -> Result<CertificateChain, Problem> {
    let expected = "an array of certificates";
    let certificates = map.take_as(header::X5CHAIN, expected, |value| match value {
        // The form of a chain of one, which the chain refuses.
        one @ Value::Bytes(_) => Ok(vec![one]),
        other => other.into_array(),
    })?;
    let each = certificates.iter().map(|one| {
        let refused = || Problem::new("x5chain", "certificates as bytes", describe(one));
        one.as_bytes().map(Vec::as_slice).ok_or_else(refused)
    });
    CertificateChain::from_der(each.collect::<Result<Vec<_>, _>>()?)
}

pub(super) fn leaf_fingerprint(map: &mut Map) -> Result<[u8; 32], Problem> {
    let expected = "[-16 (SHA-256), 32 bytes]";
    map.take_as(header::X5T, expected, |value| {
        let fingerprint = match value.as_array().map(Vec::as_slice) {
            Some([algorithm, Value::Bytes(hash)]) if *algorithm == header::SHA_256.into() => {
                <[u8; 32]>::try_from(hash.as_slice()).ok()
            }
            _ => None,
        };
        fingerprint.ok_or(value)
    })
}

pub(super) fn feed(field: String, feed: String) -> Result<String, Problem> {
    match feed.is_empty() {
        true => Err(Problem::new(field, "the name of a feed", "nothing")),
        false => Ok(feed),
    }
}

pub(super) fn issuer(field: &str, text: &str) -> Result<DidX509, Problem> {
    text.parse().map_err(|problem: Problem| Problem {
        field: format!("{field}, {}", problem.field),
        ..problem
    })
}

fn claims_v1(map: &mut Map, payload: &[u8]) -> Result<Claims, Problem> {
    map.equal(header::CONTENT_TYPE, &header::JSON.into())?;
    let did = map.text(header::ISSUER)?;
    let feed = feed(map.name(header::FEED), map.text(header::FEED)?)?;
    let expected = "tag 1 with whole seconds since 1970";
    let seconds = map.take_as(header::SIGNING_TIME, expected, |value| match value {
        Value::Tag(header::EPOCH_TIME, seconds) => unsigned(*seconds),
        other => Err(other),
    })?;
    let (svn, launch_digest) = payload::read(payload)?;
    Ok(Claims {
        issuer: issuer(&map.name(header::ISSUER), &did)?,
        feed,
        svn,
        launch_digest,
        signing_time: SigningTime::from_unix(seconds)?,
    })
}

fn claims_v2(map: &mut Map, payload: &[u8]) -> Result<Claims, Problem> {
    map.equal(header::PAYLOAD_HASH, &header::SHA_384.into())?;
    map.equal(header::PREIMAGE_TYPE, &header::OCTETS.into())?;
    let claims = map.take_as(header::CWT_CLAIMS, "a map", |value| match value {
        map @ Value::Map(_) => Ok(map),
        other => Err(other),
    })?;
    let mut claims = Map::new(map.name(header::CWT_CLAIMS), claims)?;
    let did = claims.text(header::CWT_ISSUER)?;
    let feed = feed(
        claims.name(header::CWT_FEED),
        claims.text(header::CWT_FEED)?,
    )?;
    let seconds = claims.unsigned(header::CWT_ISSUED_AT)?;
    let svn = claims.unsigned(header::CWT_SVN)?;
    let issuer = issuer(&claims.name(header::CWT_ISSUER), &did)?;
    claims.finish()?;
    let digest = <[u8; LaunchDigest::SIZE]>::try_from(payload).map_err(|_| {
        let found = format!("{} bytes", payload.len());
        Problem::new("payload", "the 48 bytes of a launch digest", found)
    })?;
    Ok(Claims {
        issuer,
        feed,
        svn,
        launch_digest: LaunchDigest::new(digest),
        signing_time: SigningTime::from_unix(seconds)?,
    })
}
