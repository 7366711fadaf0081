//! Signatures of minisign (its manual's section "Signature format" and "Secret key format"):
//! Ed25519 over the BLAKE2b-512 of a file, with a trusted comment. Deterministic.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blake2::{Blake2b512, Digest};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

/// The algorithm's letters where the file is hashed first, and where it is not.
const HASHED: &[u8; 2] = b"ED";
const PLAIN: &[u8; 2] = b"Ed";

/// Bytes of a key's number.
const NUMBER: usize = 8;

const UNTRUSTED: &str = "untrusted comment: ";
const TRUSTED: &str = "trusted comment: ";

/// What is no key or no signature of minisign, or does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MinisignError {
    /// Text in another form.
    #[error("expected {expected} of minisign, found {found}")]
    Form {
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A key that a password protects.
    #[error(
        "the secret key is protected by a password, which is not asked for: sign with `minisign -S \
         -m manifest.json` and give the signature back, or make a key with `minisign -G -W`"
    )]
    Encrypted,
    /// A signature of another key.
    #[error("expected a signature of key {expected:016X}, found one of key {found:016X}")]
    OtherKey {
        /// The number of the key given.
        expected: u64,
        /// The number in the signature.
        found: u64,
    },
    /// A signature over other bytes.
    #[error("the signature does not verify: it was made over other bytes")]
    DoesNotVerify,
    /// A trusted comment that was changed.
    #[error("the trusted comment was changed after it was signed")]
    Comment,
}

/// A public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    number: [u8; NUMBER],
    key: VerifyingKey,
}

impl FromStr for PublicKey {
    type Err = MinisignError;

    /// The key's line, or its file with a comment before the line.
    fn from_str(text: &str) -> Result<Self, MinisignError> {
        let expected = "a public key (56 characters, beginning with RW)";
        let line = match text.trim_end().rsplit_once('\n') {
            Some((comment, line)) if comment.starts_with(UNTRUSTED) => line,
            None => text.trim_end(),
            Some(_) => return Err(form(expected, "another text")),
        };
        let bytes: [u8; 42] = decode(line, expected)?;
        let key = VerifyingKey::try_from(&bytes[10..]).ok();
        match key.filter(|_| bytes.starts_with(PLAIN)) {
            Some(key) => Ok(Self {
                number: array(&bytes[2..]),
                key,
            }),
            None => Err(form(expected, "another key")),
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&PLAIN[..], &self.number, self.key.as_bytes()].concat();
        f.write_str(&STANDARD.encode(bytes))
    }
}

/// A secret key without a password.
pub struct SecretKey {
    number: [u8; NUMBER],
    key: SigningKey,
}

impl SecretKey {
    /// The key in the text of its file, as `minisign -G -W` writes it.
    ///
    /// # Errors
    /// A key with a password, or no key.
    pub fn read(text: &str) -> Result<Self, MinisignError> {
        let expected = "a secret key file";
        let mut lines = text.lines();
        let comment = lines.next().unwrap_or_default();
        if !comment.starts_with(UNTRUSTED) {
            return Err(form(expected, "another text"));
        }
        // Algorithm, key derivation, checksum's algorithm, salt and two limits; number, seed,
        // public key, checksum.
        let bytes: [u8; 158] = decode(lines.next().unwrap_or_default(), expected)?;
        if !bytes.starts_with(PLAIN) || &bytes[4..6] != b"B2" {
            return Err(form(expected, "other algorithms"));
        }
        if bytes[2..4] != [0, 0] {
            return Err(MinisignError::Encrypted);
        }
        let key = SigningKey::from_bytes(&array(&bytes[62..94]));
        if key.verifying_key().as_bytes() != &bytes[94..126] {
            return Err(form(expected, "two halves of different keys"));
        }
        Ok(Self {
            number: array(&bytes[54..62]),
            key,
        })
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        PublicKey {
            number: self.number,
            key: self.key.verifying_key(),
        }
    }

    /// The text of the signature file over `message`; `trusted` is one line, which is signed too.
    pub fn sign(&self, message: &[u8], trusted: &str) -> String {
        let signature = self.key.sign(&Blake2b512::digest(message)).to_bytes();
        let global = [&signature[..], trusted.as_bytes()].concat();
        let global = STANDARD.encode(self.key.sign(&global).to_bytes());
        let signature = STANDARD.encode([&HASHED[..], &self.number, &signature].concat());
        let PublicKey { number, .. } = self.public_key();
        let number = u64::from_le_bytes(number);
        format!(
            "{UNTRUSTED}signature of minisign key {number:016X}\n{signature}\n{TRUSTED}{trusted}\n\
             {global}\n"
        )
    }
}

impl PublicKey {
    /// Holds that `signature`, the text of a signature file, was made by this key over `message`.
    /// Returns the trusted comment.
    ///
    /// # Errors
    /// It was not, or its comment was changed. A signature over a file that was not hashed
    /// first (minisign's legacy form) is refused.
    pub fn verify(&self, message: &[u8], signature: &str) -> Result<String, MinisignError> {
        let expected = "a signature file of four lines";
        let lines: Vec<&str> = signature.lines().collect();
        let [untrusted, line, trusted, global] = lines[..] else {
            return Err(form(expected, format!("{} lines", lines.len())));
        };
        let trusted = trusted.strip_prefix(TRUSTED);
        let trusted = trusted.filter(|_| untrusted.starts_with(UNTRUSTED));
        let trusted = trusted.ok_or_else(|| form(expected, "no comments"))?;
        let bytes: [u8; 74] = decode(line, expected)?;
        if !bytes.starts_with(HASHED) {
            let found = "algorithm other than ED";
            return Err(form("a signature over a hashed file", found));
        }
        let number: [u8; NUMBER] = array(&bytes[2..]);
        if number != self.number {
            return Err(MinisignError::OtherKey {
                expected: u64::from_le_bytes(self.number),
                found: u64::from_le_bytes(number),
            });
        }
        let over = |message: &[u8], signature: &[u8; 64]| {
            let signature = Signature::from_bytes(signature);
            self.key.verify_strict(message, &signature)
        };
        let signature: [u8; 64] = array(&bytes[10..]);
        over(&Blake2b512::digest(message), &signature).map_err(|_| MinisignError::DoesNotVerify)?;
        let signed = [&signature[..], trusted.as_bytes()].concat();
        over(&signed, &decode(global, expected)?).map_err(|_| MinisignError::Comment)?;
        Ok(trusted.to_owned())
    }
}

fn form(expected: &'static str, found: impl Into<String>) -> MinisignError {
    MinisignError::Form {
        expected,
        found: found.into(),
    }
}

fn decode<const N: usize>(line: &str, expected: &'static str) -> Result<[u8; N], MinisignError> {
    let bytes = STANDARD.decode(line);
    let bytes = bytes.map_err(|error| form(expected, format!("no base64: {error}")))?;
    let size = bytes.len();
    let bytes = bytes.try_into();
    bytes.map_err(|_| form(expected, format!("{size} bytes instead of {N}")))
}

/// The first bytes of a slice that is known to be long enough.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array
        .iter_mut()
        .zip(bytes)
        .for_each(|(to, from)| *to = *from);
    array
}
