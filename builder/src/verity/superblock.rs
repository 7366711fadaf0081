//! The superblock that may stand before a hash tree. The kernel never reads it; tools do.

use uuid::Uuid;
use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{BLOCK_SIZE, Salt};

/// On disk: version 1 of the superblock (cryptsetup, "On-disk format" of its DMVerity page).
/// Integers are little-endian, the UUID is in the order of its text.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Raw {
    signature: [u8; 8],
    version: U32,
    hash_type: U32,
    uuid: [u8; 16],
    algorithm: [u8; 32],
    data_block_size: U32,
    hash_block_size: U32,
    data_blocks: U64,
    salt_size: U16,
    padding1: [u8; 6],
    salt: [u8; Salt::MAX_SIZE],
    padding2: [u8; 168],
}

const _: () = assert!(size_of::<Raw>() == Superblock::SIZE);
const _: () = assert!(BLOCK_BYTES as u64 == BLOCK_SIZE);

const SIGNATURE: [u8; 8] = *b"verity\0\0";
const VERSION: u32 = 1;
const HASH_TYPE: u32 = 1;
const ALGORITHM: &[u8] = b"sha256";
const BLOCK_BYTES: u32 = 4096;

/// Bytes that are not a superblock of the one kind supported here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("superblock field {field}: expected {expected}, found {found}")]
pub struct ParseSuperblockError {
    field: &'static str,
    expected: String,
    found: String,
}

/// What a superblock says about the tree behind it: SHA-256, hash type 1, blocks of 4096 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// Names the hash area.
    pub uuid: Uuid,
    /// The number of data blocks under the tree.
    pub data_blocks: u64,
    /// Hashed before every block.
    pub salt: Salt,
}

impl Superblock {
    /// Bytes in a superblock; the tree starts at the next whole block.
    pub const SIZE: usize = 512;

    /// The superblock as it stands on disk.
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut raw = Raw {
            signature: SIGNATURE,
            version: U32::new(VERSION),
            hash_type: U32::new(HASH_TYPE),
            uuid: *self.uuid.as_bytes(),
            algorithm: [0; 32],
            data_block_size: U32::new(BLOCK_BYTES),
            hash_block_size: U32::new(BLOCK_BYTES),
            data_blocks: U64::new(self.data_blocks),
            salt_size: U16::new(0),
            padding1: [0; 6],
            salt: [0; Salt::MAX_SIZE],
            padding2: [0; 168],
        };
        raw.algorithm[..ALGORITHM.len()].copy_from_slice(ALGORITHM);
        let salt = self.salt.as_bytes();
        for (place, byte) in raw.salt.iter_mut().zip(salt) {
            *place = *byte;
            raw.salt_size += 1;
        }
        zerocopy::transmute!(raw)
    }

    /// Reads a superblock.
    ///
    /// # Errors
    /// A field with another value than the one this project writes, or a salt that is too long.
    pub fn parse(bytes: &[u8; Self::SIZE]) -> Result<Self, ParseSuperblockError> {
        let raw: &Raw = zerocopy::transmute_ref!(bytes);
        let mut algorithm = [0; 32];
        algorithm[..ALGORITHM.len()].copy_from_slice(ALGORITHM);
        let text = |bytes: &[u8]| format!("{:?}", String::from_utf8_lossy(bytes));
        expect("signature", text(&SIGNATURE), text(&raw.signature))?;
        expect("version", VERSION, raw.version.get())?;
        expect("hash type", HASH_TYPE, raw.hash_type.get())?;
        expect("algorithm", text(&algorithm), text(&raw.algorithm))?;
        expect("data block size", BLOCK_BYTES, raw.data_block_size.get())?;
        expect("hash block size", BLOCK_BYTES, raw.hash_block_size.get())?;
        let size = usize::from(raw.salt_size.get());
        let salt = raw.salt.get(..size).ok_or_else(|| ParseSuperblockError {
            field: "salt size",
            expected: format!("at most {}", Salt::MAX_SIZE),
            found: size.to_string(),
        })?;
        Ok(Self {
            uuid: Uuid::from_bytes(raw.uuid),
            data_blocks: raw.data_blocks.get(),
            salt: Salt::new(salt).unwrap_or_default(),
        })
    }
}

fn expect<T: PartialEq + ToString>(
    field: &'static str,
    expected: T,
    found: T,
) -> Result<(), ParseSuperblockError> {
    if expected == found {
        return Ok(());
    }
    Err(ParseSuperblockError {
        field,
        expected: expected.to_string(),
        found: found.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superblock() -> Superblock {
        Superblock {
            uuid: Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff),
            data_blocks: 0x0102_0304_0506,
            salt: Salt::new([0x5a; 256]).unwrap(),
        }
    }

    #[test]
    fn a_superblock_reads_back() {
        for salt in [Salt::default(), superblock().salt] {
            let superblock = Superblock {
                salt,
                ..superblock()
            };
            assert_eq!(Superblock::parse(&superblock.to_bytes()), Ok(superblock));
        }
    }

    #[test]
    fn each_field_of_another_kind_is_refused_by_name() {
        for (at, value, message) in [
            (
                0,
                b'V',
                r#"superblock field signature: expected "verity\0\0", found "Verity\0\0""#,
            ),
            (8, 2, "superblock field version: expected 1, found 2"),
            (12, 0, "superblock field hash type: expected 1, found 0"),
            (
                65,
                0x08,
                "superblock field data block size: expected 4096, found 2048",
            ),
            (
                69,
                0x02,
                "superblock field hash block size: expected 4096, found 512",
            ),
            (
                80,
                1,
                "superblock field salt size: expected at most 256, found 257",
            ),
        ] {
            let mut bytes = superblock().to_bytes();
            bytes[at] = value;
            assert_eq!(Superblock::parse(&bytes).unwrap_err().to_string(), message);
        }
    }
}
