//! The ways to hash, and which to take on this processor.

use std::fmt;

#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// A way to hash many messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Path {
    /// AVX-512: 8 lanes of SHA-384, 16 of SHA-256.
    Avx512,
    /// AVX2: 4 lanes of SHA-384, 8 of SHA-256.
    Avx2,
    /// The `sha2` crate, on every processor: one message at a time, SHA-256 with SHA-NI where
    /// the processor has it.
    Sha2,
}

impl Path {
    /// All paths.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Sha2];

    /// The path's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "AVX-512",
            Self::Avx2 => "AVX2",
            Self::Sha2 => "sha2",
        }
    }

    /// Whether this processor has the path's instructions.
    #[cfg(target_arch = "x86_64")]
    pub fn is_available(self) -> bool {
        match self {
            Self::Avx512 => avx512::is_available(),
            Self::Avx2 => avx2::is_available(),
            Self::Sha2 => true,
        }
    }

    /// Whether this processor has the path's instructions.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn is_available(self) -> bool {
        self == Self::Sha2
    }

    /// The fastest path that this processor has for SHA-384.
    pub fn fastest_for_sha384() -> Self {
        first_available([Self::Avx512, Self::Avx2])
    }

    /// The fastest path that this processor has for SHA-256. One message with SHA-NI is as fast
    /// as eight with AVX2, and stays so when there are fewer than eight.
    pub fn fastest_for_sha256() -> Self {
        match first_available([Self::Avx512, Self::Avx2]) {
            Self::Avx2 if has_sha_ni() => Self::Sha2,
            path => path,
        }
    }
}

fn first_available(preferred: [Path; 2]) -> Path {
    preferred
        .into_iter()
        .find(|path| path.is_available())
        .unwrap_or(Path::Sha2)
}

#[cfg(target_arch = "x86_64")]
fn has_sha_ni() -> bool {
    is_x86_feature_detected!("sha")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_sha_ni() -> bool {
    false
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
