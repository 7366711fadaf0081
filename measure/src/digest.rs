//! Digests as types, so that a SHA-256 never stands where a SHA-384 is meant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Text that is not the lower-case hexadecimal form of a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} lower-case hexadecimal digits, found {found:?}")]
pub struct ParseDigestError {
    expected: usize,
    found: String,
}

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident, $size:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $size]);

        impl $name {
            /// Bytes in the digest.
            pub const SIZE: usize = $size;

            /// The digest made of these bytes.
            pub const fn new(bytes: [u8; $size]) -> Self {
                Self(bytes)
            }

            /// The digest's bytes.
            pub const fn as_bytes(&self) -> &[u8; $size] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseDigestError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let refused = || ParseDigestError { expected: 2 * $size, found: text.to_owned() };
                if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    return Err(refused());
                }
                let mut bytes = [0; $size];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| refused())?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

digest!(
    /// A SHA-256 digest (FIPS 180-4): of a file, or of a dm-verity block.
    Sha256Digest,
    32
);
digest!(
    /// A SHA-384 digest (FIPS 180-4), for instance of the contents of one page.
    Sha384Digest,
    48
);
digest!(
    /// The SEV-SNP launch digest: what `MEASUREMENT` of an attestation report holds
    /// (SEV-SNP Firmware ABI, table ATTESTATION_REPORT). SHA-384 chained over page records.
    LaunchDigest,
    48
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_from_its_text() {
        let digest = Sha256Digest::new([0xa5; 32]);
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }

    #[test]
    fn upper_case_short_and_foreign_text_are_refused() {
        let upper = "A5".repeat(32);
        let short = "a5".repeat(31);
        let foreign = "zz".repeat(32);
        for text in [upper, short, foreign] {
            let error = text.parse::<Sha256Digest>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("expected 64 lower-case hexadecimal digits, found {text:?}")
            );
        }
    }
}
