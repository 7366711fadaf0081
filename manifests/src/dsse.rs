//! Signed envelopes (DSSE 1.0): a payload, its type, and signatures over both.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use guestmark_measure::ecdsa::{PublicKey, Signature};
use serde::{Deserialize, Serialize};

use crate::signer::{KeyId, verified};
use crate::{FileProblem, json};

/// The most signatures that an envelope may have.
const MAX_SIGNATURES: usize = 64;

/// A payload and what was signed with it. Whether signatures verify is asked one key at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What the payload is.
    pub payload_type: String,
    /// The payload.
    pub payload: Vec<u8>,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct EnvelopeSignature {
    /// A hint at the key, which nothing vouches for.
    keyid: Option<String>,
    signature: Vec<u8>,
}

/// The envelope as JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire {
    payload: String,
    payload_type: String,
    signatures: Vec<WireSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSignature {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyid: Option<String>,
    sig: String,
}

/// The bytes that are signed (DSSE, "Signature Definition": PAE).
pub fn to_be_signed(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    );
    [head.as_bytes(), payload].concat()
}

impl Envelope {
    /// An envelope without signatures.
    pub fn new(payload_type: &str, payload: Vec<u8>) -> Self {
        Self {
            payload_type: payload_type.to_owned(),
            payload,
            signatures: Vec::new(),
        }
    }

    /// Reads an envelope from `file`, whose payload must be of type `payload_type`.
    ///
    /// # Errors
    /// JSON that is no envelope, another type, or base64 that is none.
    pub fn read(bytes: &[u8], file: &str, payload_type: &str) -> Result<Self, FileProblem> {
        let wire: Wire = json::read(bytes, file)?;
        crate::file_problem::expect(
            file,
            "payloadType",
            &payload_type,
            &wire.payload_type.as_str(),
        )?;
        let count = wire.signatures.len();
        if count > MAX_SIGNATURES {
            let expected = format!("at most {MAX_SIGNATURES}");
            return Err(FileProblem::new(file, "signatures", expected, count));
        }
        let decode = |field: &str, text: &str| {
            let bytes = STANDARD.decode(text);
            bytes.map_err(|error| FileProblem::new(file, field, "base64 with padding", error))
        };
        let signatures = wire.signatures.into_iter().map(|signature| {
            Ok(EnvelopeSignature {
                signature: decode("signatures.sig", &signature.sig)?,
                keyid: signature.keyid,
            })
        });
        Ok(Self {
            payload: decode("payload", &wire.payload)?,
            payload_type: wire.payload_type,
            signatures: signatures.collect::<Result<_, FileProblem>>()?,
        })
    }

    /// The bytes that are signed.
    pub fn to_be_signed(&self) -> Vec<u8> {
        to_be_signed(&self.payload_type, &self.payload)
    }

    /// How many signatures it has, of whatever keys.
    pub fn signatures(&self) -> usize {
        self.signatures.len()
    }

    /// Whether one of the signatures is by this key. Any number of them by one key count once,
    /// for this is asked of a key.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let message = self.to_be_signed();
        self.signatures
            .iter()
            .any(|signature| verified(key, &message, &signature.signature).is_ok())
    }

    /// Adds a signature that verifies.
    pub fn add(&mut self, key: &PublicKey, signature: &Signature) {
        self.signatures.push(EnvelopeSignature {
            keyid: Some(KeyId::of(key).to_string()),
            signature: signature.to_der(),
        });
    }

    /// The envelope as one line of JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        let wire = Wire {
            payload: STANDARD.encode(&self.payload),
            payload_type: self.payload_type.clone(),
            signatures: self
                .signatures
                .iter()
                .map(|signature| WireSignature {
                    keyid: signature.keyid.clone(),
                    sig: STANDARD.encode(&signature.signature),
                })
                .collect(),
        };
        let mut bytes = serde_json::to_vec(&wire)
            .unwrap_or_else(|error| unreachable!("an envelope holds only strings: {error}"));
        bytes.push(b'\n');
        bytes
    }
}
