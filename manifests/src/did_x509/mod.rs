//! Issuers as did:x509 names them: the fingerprint of an authority, and what the leaf below it
//! must say (did:x509 method specification, version 0; draft-birkholz-did-x509).

mod predicate;
mod syntax;

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use guestmark_measure::certificate::Certificate;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::{CertificateChain, Problem};
use predicate::Predicate;

/// What fields of a DID are named after.
const DID: &str = "did:x509";

/// An issuer. Trust in it comes from whoever states it: a DID that a file brings along proves
/// nothing until it equals one that is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DidX509 {
    text: String,
    hash: Hash,
    fingerprint: Vec<u8>,
    predicates: Vec<Predicate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha384 => Sha384::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }

    const fn size(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

impl DidX509 {
    /// The longest DID that is read, in bytes.
    pub const LONGEST: usize = 4096;

    /// The issuer that `authority` vouches for by the extended key usage `eku`, an object
    /// identifier in dotted form.
    ///
    /// # Errors
    /// `eku` is no object identifier.
    pub fn with_eku(authority: &Certificate, eku: &str) -> Result<Self, Problem> {
        let fingerprint = BASE64_URL_SAFE_NO_PAD.encode(authority.fingerprint().as_bytes());
        format!("did:x509:0:sha256:{fingerprint}::eku:{eku}").parse()
    }

    /// Holds that the DID is about this chain: its fingerprint is that of an authority, never of
    /// the leaf, and the leaf says what the DID demands. Gives the authority's place in the
    /// chain. The chain's signatures are not verified here.
    ///
    /// # Errors
    /// The part of the DID that does not fit.
    pub fn resolve(&self, chain: &CertificateChain) -> Result<usize, Problem> {
        let is_pinned =
            |certificate: &Certificate| self.hash.of(certificate.der()) == self.fingerprint;
        let pinned = chain
            .authorities()
            .find(|(_, authority)| is_pinned(authority));
        let Some((index, _)) = pinned else {
            let found = match is_pinned(chain.leaf()) {
                true => "the fingerprint of the leaf",
                false => "the fingerprint of no certificate in it",
            };
            let expected = "the fingerprint of an authority in the chain";
            return Err(Problem::new(field("fingerprint"), expected, found));
        };
        for predicate in &self.predicates {
            predicate.check(chain.leaf())?;
        }
        Ok(index)
    }
}

impl FromStr for DidX509 {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        if text.len() > Self::LONGEST {
            let expected = format!("at most {} bytes", Self::LONGEST);
            return Err(Problem::new(DID, expected, text.len().to_string()));
        }
        let form = "did:x509:0:HASH:FINGERPRINT::POLICY:VALUE";
        let rest = text.strip_prefix("did:x509:");
        let rest = rest.ok_or_else(|| Problem::new(DID, form, format!("{text:?}")))?;
        let mut parts = rest.split("::");
        let identifier: Vec<_> = parts.next().unwrap_or_default().split(':').collect();
        let [version, hash, fingerprint] = identifier[..] else {
            return Err(Problem::new(DID, form, format!("{text:?}")));
        };
        if version != "0" {
            return Err(Problem::new(field("version"), "0", format!("{version:?}")));
        }
        let hash = match hash {
            "sha256" => Hash::Sha256,
            "sha384" => Hash::Sha384,
            "sha512" => Hash::Sha512,
            other => {
                let expected = "sha256, sha384 or sha512";
                return Err(Problem::new(field("hash"), expected, format!("{other:?}")));
            }
        };
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(fingerprint).ok();
        let bytes = bytes.filter(|bytes| bytes.len() == hash.size());
        let decoded = bytes.ok_or_else(|| {
            let expected = format!("{} bytes in base64url without padding", hash.size());
            Problem::new(field("fingerprint"), expected, format!("{fingerprint:?}"))
        })?;
        let predicates = parts.map(Predicate::parse).collect::<Result<Vec<_>, _>>()?;
        if predicates.is_empty() {
            let expected = "at least one, for example ::eku:1.3.6.1.4.1.99999.1.2";
            return Err(Problem::new(field("policy"), expected, "none"));
        }
        Ok(Self {
            text: text.to_owned(),
            hash,
            fingerprint: decoded,
            predicates,
        })
    }
}

impl fmt::Display for DidX509 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl serde::Serialize for DidX509 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn field(part: &str) -> String {
    format!("{DID}, {part}")
}
