//! Endorsements put together by hand, so that each can have one thing wrong.

use ciborium::Value;
use guestmark_manifests::Problem;
use guestmark_manifests::endorsement::{Policy, verify};
use guestmark_measure::LaunchDigest;
use guestmark_measure::ecdsa::Signature;
use sha2::{Digest, Sha256};

use crate::authorities::{der, issuer, now, sign};

pub(crate) const FEED: &str = "Test-UVM";
pub(crate) const SVN: u64 = 104;
pub(crate) const CHAIN: [&str; 3] = ["leaf", "ca", "root"];

pub(crate) fn digest() -> LaunchDigest {
    LaunchDigest::new([0x5A; 48])
}

/// What all endorsements here should satisfy.
pub(crate) fn policy() -> Policy {
    Policy {
        issuer: issuer("root"),
        feed: FEED.to_owned(),
        minimum_svn: 100,
        measurement: Some(digest()),
        debug_measurements: vec![LaunchDigest::new([0xDB; 48])],
    }
}

/// A message before it is signed.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) tag: Option<u64>,
    pub(crate) protected: Vec<(Value, Value)>,
    pub(crate) unprotected: Vec<(Value, Value)>,
    pub(crate) payload: Vec<u8>,
    pub(crate) key: &'static str,
}

pub(crate) fn json() -> String {
    format!(
        r#"{{"x-ms-sevsnpvm-guestsvn":"104","x-ms-sevsnpvm-guestsvn-int":104,"x-ms-sevsnpvm-launchmeasurement":"{}"}}"#,
        digest()
    )
}

pub(crate) fn epoch(seconds: u64) -> Value {
    Value::Tag(1, Box::new(seconds.into()))
}

impl Message {
    fn new(alg: i64) -> Self {
        let message = Self {
            tag: Some(18),
            protected: vec![(1.into(), alg.into())],
            unprotected: Vec::new(),
            payload: Vec::new(),
            key: "leaf",
        };
        message.chain(&CHAIN)
    }

    pub(crate) fn v1() -> Self {
        Self::new(-35)
            .with(3, "application/json")
            .with("iss", issuer("root").to_string())
            .with("feed", FEED)
            .with("signingtime", epoch(now().unix()))
            .payload(json())
    }

    pub(crate) fn v2() -> Self {
        Self::new(-35)
            .with(258, -43)
            .with(259, "application/octet-stream")
            .payload(digest().as_bytes())
            .claims(|_| {})
    }

    /// V2 with its CWT claims after `change`.
    pub(crate) fn claims(self, change: impl FnOnce(&mut Vec<(Value, Value)>)) -> Self {
        let mut claims = vec![
            (1.into(), issuer("root").to_string().into()),
            (2.into(), FEED.into()),
            (6.into(), now().unix().into()),
            ("svn".into(), SVN.into()),
        ];
        change(&mut claims);
        self.with(15, Value::Map(claims))
    }

    /// With `value` under `key` of the protected header, in the place of another one.
    pub(crate) fn with(mut self, key: impl Into<Value>, value: impl Into<Value>) -> Self {
        let key = key.into();
        self.protected.retain(|(other, _)| *other != key);
        self.protected.push((key, value.into()));
        self
    }

    pub(crate) fn without(mut self, key: impl Into<Value>) -> Self {
        let key = key.into();
        self.protected.retain(|(other, _)| *other != key);
        self
    }

    /// With the entry `key` of the protected header in the unprotected one.
    pub(crate) fn unprotect(mut self, key: i64) -> Self {
        let key = Value::from(key);
        let at = self.protected.iter().position(|(other, _)| *other == key);
        self.unprotected.push(self.protected.remove(at.unwrap()));
        self
    }

    pub(crate) fn payload(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.payload = payload.as_ref().to_vec();
        self
    }

    /// With these certificates, and the hash of the first.
    pub(crate) fn chain(self, names: &[&str]) -> Self {
        let hash = Sha256::digest(der(names[0]));
        let each = names.iter().map(|name| der(name).into());
        self.with(33, Value::Array(each.collect()))
            .with(34, vec![Value::from(-16), hash.as_slice().into()])
    }

    /// Signed by the leaf's key, the header encoded as `encode` does.
    pub(crate) fn signed_with(&self, protected: &[u8]) -> Vec<u8> {
        let structure = Value::Array(vec![
            "Signature1".into(),
            protected.into(),
            Value::Bytes(Vec::new()),
            self.payload.as_slice().into(),
        ]);
        let signature = sign(self.key, &encode(&structure));
        let signature = match self.key {
            "rsa-leaf" => signature,
            _ => Signature::from_detached(&signature)
                .unwrap()
                .to_raw()
                .to_vec(),
        };
        self.assemble(protected, self.payload.as_slice().into(), signature.into())
    }

    pub(crate) fn assemble(&self, protected: &[u8], payload: Value, signature: Value) -> Vec<u8> {
        let unprotected = Value::Map(self.unprotected.clone());
        let message = Value::Array(vec![protected.into(), unprotected, payload, signature]);
        encode(&match self.tag {
            Some(tag) => Value::Tag(tag, Box::new(message)),
            None => message,
        })
    }

    pub(crate) fn header(&self) -> Vec<u8> {
        encode(&Value::Map(self.protected.clone()))
    }

    pub(crate) fn sign(&self) -> Vec<u8> {
        self.signed_with(&self.header())
    }
}

pub(crate) fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

/// The first thing wrong with a file, if any.
pub(crate) fn failure(file: &[u8], policy: &Policy) -> Option<Problem> {
    verify(file, policy).failure
}

/// Holds that the file is refused with exactly this message.
#[track_caller]
pub(crate) fn refused(file: &[u8], message: &str) {
    let failure = failure(file, &policy()).map(|problem| problem.to_string());
    assert_eq!(failure.as_deref(), Some(message));
}

/// Holds that the message, signed well, is refused with exactly these words.
#[track_caller]
pub(crate) fn signed_and_refused(message: &Message, words: &str) {
    refused(&message.sign(), words);
}

/// Holds that nothing is wrong with a file.
#[track_caller]
pub(crate) fn accepted(file: &[u8]) {
    assert_eq!(failure(file, &policy()), None);
}
