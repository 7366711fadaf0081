//! The salt that is hashed before every block.

use std::fmt;
use std::str::FromStr;

/// Text that is not a salt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseSaltError {
    /// Not hexadecimal digits.
    #[error("salt {0:?} is not hexadecimal; write two digits a byte, or \"-\" for no salt")]
    NotHex(String),
    /// More than the superblock and the kernel take.
    #[error("salt of {0} bytes; dm-verity takes at most {max}", max = Salt::MAX_SIZE)]
    TooLong(usize),
}

/// A dm-verity salt: 0 to 256 bytes. Its text is hexadecimal, `-` when empty, as in a dm-verity
/// table and in `veritysetup --salt`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Salt(Vec<u8>);

impl Salt {
    /// The most bytes a salt may have.
    pub const MAX_SIZE: usize = 256;

    /// The salt of these bytes.
    ///
    /// # Errors
    /// More than 256 bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, ParseSaltError> {
        let bytes = bytes.into();
        if bytes.len() > Self::MAX_SIZE {
            return Err(ParseSaltError::TooLong(bytes.len()));
        }
        Ok(Self(bytes))
    }

    /// The salt's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; 32]> for Salt {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes.to_vec())
    }
}

impl FromStr for Salt {
    type Err = ParseSaltError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "-" {
            return Ok(Self::default());
        }
        let bytes = hex::decode(text).map_err(|_| ParseSaltError::NotHex(text.to_owned()))?;
        Self::new(bytes)
    }
}

impl fmt::Display for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("-");
        }
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salt_reads_back_from_its_text() {
        for text in ["-", "00", &"ab".repeat(256)] {
            assert_eq!(text.parse::<Salt>().unwrap().to_string(), *text);
        }
    }

    #[test]
    fn long_and_foreign_salts_are_refused() {
        assert_eq!(
            "ab".repeat(257).parse::<Salt>().unwrap_err().to_string(),
            "salt of 257 bytes; dm-verity takes at most 256"
        );
        assert_eq!(
            "abc".parse::<Salt>().unwrap_err().to_string(),
            "salt \"abc\" is not hexadecimal; write two digits a byte, or \"-\" for no salt"
        );
    }
}
