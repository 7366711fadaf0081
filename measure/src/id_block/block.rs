//! The 96 bytes that are signed.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::LaunchDigest;

/// An ID block (SEV-SNP Firmware ABI, section "ID Block", structure IDBLOCK, version 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdBlock {
    /// The launch digest that the guest must have.
    pub launch_digest: LaunchDigest,
    /// Family of the guest, chosen by its owner and repeated in attestation reports.
    pub family_id: [u8; 16],
    /// Image of the guest, chosen by its owner and repeated in attestation reports.
    pub image_id: [u8; 16],
    /// Security version of the guest, repeated in attestation reports.
    pub guest_svn: u32,
    /// The policy that the guest must be launched with.
    pub policy: u64,
}

/// The structure as it lies in memory; numbers are little-endian.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Wire {
    launch_digest: [u8; 48],
    family_id: [u8; 16],
    image_id: [u8; 16],
    version: U32,
    guest_svn: U32,
    policy: U64,
}

const _: () = assert!(size_of::<Wire>() == IdBlock::SIZE);

/// Bytes that are no ID block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdBlockError {
    /// Too many or too few bytes.
    #[error(
        "an ID block has {} bytes, found {found}: give the block alone",
        IdBlock::SIZE
    )]
    Size {
        /// Bytes given.
        found: usize,
    },
    /// A version of the structure that is not known.
    #[error(
        "offset 0x50: expected ID block version {}, found {found}",
        IdBlock::VERSION
    )]
    Version {
        /// The version found.
        found: u32,
    },
}

impl IdBlock {
    /// Bytes in an ID block.
    pub const SIZE: usize = 96;

    /// Version of the structure.
    pub const VERSION: u32 = 1;

    /// The bytes to sign and to hand to the firmware.
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let wire = Wire {
            launch_digest: *self.launch_digest.as_bytes(),
            family_id: self.family_id,
            image_id: self.image_id,
            version: U32::new(Self::VERSION),
            guest_svn: U32::new(self.guest_svn),
            policy: U64::new(self.policy),
        };
        zerocopy::transmute!(wire)
    }

    /// The ID block in these bytes.
    ///
    /// # Errors
    /// `bytes` has another size, or holds another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdBlockError> {
        let wire =
            Wire::read_from_bytes(bytes).map_err(|_| IdBlockError::Size { found: bytes.len() })?;
        if wire.version.get() != Self::VERSION {
            return Err(IdBlockError::Version {
                found: wire.version.get(),
            });
        }
        Ok(Self {
            launch_digest: LaunchDigest::new(wire.launch_digest),
            family_id: wire.family_id,
            image_id: wire.image_id,
            guest_svn: wire.guest_svn.get(),
            policy: wire.policy.get(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> IdBlock {
        IdBlock {
            launch_digest: LaunchDigest::new([0x11; 48]),
            family_id: [0x22; 16],
            image_id: [0x33; 16],
            guest_svn: 0x0403_0201,
            policy: 0x3_001F,
        }
    }

    #[test]
    fn fields_lie_where_the_firmware_reads_them() {
        let bytes = block().to_bytes();
        assert_eq!(bytes[..0x30], [0x11; 48]);
        assert_eq!(bytes[0x30..0x40], [0x22; 16]);
        assert_eq!(bytes[0x40..0x50], [0x33; 16]);
        assert_eq!(bytes[0x50..0x54], [1, 0, 0, 0]);
        assert_eq!(bytes[0x54..0x58], [1, 2, 3, 4]);
        assert_eq!(bytes[0x58..], [0x1F, 0, 3, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_block_reads_back_from_its_bytes() {
        assert_eq!(IdBlock::from_bytes(&block().to_bytes()), Ok(block()));
    }

    #[test]
    fn other_sizes_and_versions_are_refused() {
        let mut bytes = block().to_bytes();
        assert_eq!(
            IdBlock::from_bytes(&bytes[..95]).unwrap_err().to_string(),
            "an ID block has 96 bytes, found 95: give the block alone"
        );
        bytes[0x50] = 2;
        assert_eq!(
            IdBlock::from_bytes(&bytes).unwrap_err().to_string(),
            "offset 0x50: expected ID block version 1, found 2"
        );
    }
}
