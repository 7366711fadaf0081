//! The ID authentication page: signatures and keys of an ID block.

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::IdBlock;
use crate::ecdsa::{EcdsaError, PublicKey, PublicKeyBytes, Signature, SignatureBytes};

/// What SNP_LAUNCH_FINISH takes beside the ID block (SEV-SNP Firmware ABI, structure
/// ID_AUTH_INFO).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdAuthPage {
    /// Signature of the ID key over the ID block's 96 bytes.
    pub id_signature: Signature,
    /// The ID key.
    pub id_key: PublicKey,
    /// Who vouches for the ID key, if anybody.
    pub author: Option<Author>,
}

/// An author key and what it signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Author {
    /// Signature over the 0x404 bytes of the ID key.
    pub signature: Signature,
    /// The author key.
    pub key: PublicKey,
}

/// The page as it lies in memory; numbers are little-endian.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Wire {
    id_key_algorithm: U32,
    author_key_algorithm: U32,
    reserved_8: [u8; 0x38],
    id_signature: SignatureBytes,
    id_key: PublicKeyBytes,
    reserved_644: [u8; 0x3C],
    author_signature: SignatureBytes,
    author_key: PublicKeyBytes,
    reserved_c84: [u8; 0x37C],
}

const _: () = assert!(size_of::<Wire>() == IdAuthPage::SIZE);

/// Bytes that are no ID authentication page, or signatures that do not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdAuthPageError {
    /// Too many or too few bytes.
    #[error(
        "an ID authentication page has {} bytes, found {found}",
        IdAuthPage::SIZE
    )]
    Size {
        /// Bytes given.
        found: usize,
    },
    /// An algorithm that the firmware does not have.
    #[error("the {field} is {found}, expected {expected}")]
    Algorithm {
        /// The field, in words.
        field: &'static str,
        /// The values allowed.
        expected: &'static str,
        /// The value found.
        found: u32,
    },
    /// Reserved bytes that are not zero.
    #[error("offset {offset:#x}: reserved bytes are not zero")]
    Reserved {
        /// Start of the reserved bytes.
        offset: usize,
    },
    /// An author key or signature that is not in use.
    #[error(
        "there are an author key or signature but the author key is not enabled: set them to \
         zeros, or enable it"
    )]
    AuthorNotEnabled,
    /// A key or signature that is wrong.
    #[error("{field}: {source}")]
    Ecdsa {
        /// The key or signature.
        field: &'static str,
        /// What is wrong with it.
        source: EcdsaError,
    },
}

/// Names the field in which an error is.
pub(super) fn within(field: &'static str) -> impl FnOnce(EcdsaError) -> IdAuthPageError {
    move |source| IdAuthPageError::Ecdsa { field, source }
}

impl IdAuthPage {
    /// Bytes in the page.
    pub const SIZE: usize = 4096;

    /// ECDSA on P-384 with SHA-384.
    pub const ALGORITHM: u32 = 1;

    /// The page's bytes.
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut wire = Wire::new_zeroed();
        wire.id_key_algorithm = U32::new(Self::ALGORITHM);
        wire.id_signature = self.id_signature.to_bytes();
        wire.id_key = self.id_key.to_bytes();
        if let Some(author) = &self.author {
            wire.author_key_algorithm = U32::new(Self::ALGORITHM);
            wire.author_signature = author.signature.to_bytes();
            wire.author_key = author.key.to_bytes();
        }
        zerocopy::transmute!(wire)
    }

    /// The page in these bytes. Signatures are not verified.
    ///
    /// # Errors
    /// Another size, an unknown algorithm, reserved bytes that are not zero, and keys and
    /// signatures out of their range.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdAuthPageError> {
        let wire = Wire::ref_from_bytes(bytes)
            .map_err(|_| IdAuthPageError::Size { found: bytes.len() })?;
        for (offset, reserved) in [
            (0x8, &wire.reserved_8[..]),
            (0x644, &wire.reserved_644),
            (0xC84, &wire.reserved_c84),
        ] {
            if reserved.iter().any(|&byte| byte != 0) {
                return Err(IdAuthPageError::Reserved { offset });
            }
        }
        check_id_algorithm(wire.id_key_algorithm.get())?;
        let author = match wire.author_key_algorithm.get() {
            0 if is_zero(&wire.author_signature) && is_zero(&wire.author_key) => None,
            0 => return Err(IdAuthPageError::AuthorNotEnabled),
            algorithm => {
                check_author_algorithm(algorithm)?;
                Some(Author {
                    signature: Signature::from_bytes(&wire.author_signature)
                        .map_err(within("author signature"))?,
                    key: PublicKey::from_bytes(&wire.author_key).map_err(within("author key"))?,
                })
            }
        };
        Ok(Self {
            id_signature: Signature::from_bytes(&wire.id_signature)
                .map_err(within("ID signature"))?,
            id_key: PublicKey::from_bytes(&wire.id_key).map_err(within("ID key"))?,
            author,
        })
    }

    pub(super) fn verify(&self, block: &IdBlock) -> Result<(), IdAuthPageError> {
        self.id_key
            .verify(&block.to_bytes(), &self.id_signature)
            .map_err(within("ID signature"))?;
        if let Some(author) = &self.author {
            author
                .key
                .verify(self.id_key.to_bytes().as_bytes(), &author.signature)
                .map_err(within("author signature"))?;
        }
        Ok(())
    }
}

pub(super) fn is_zero(bytes: &(impl IntoBytes + Immutable)) -> bool {
    bytes.as_bytes().iter().all(|&byte| byte == 0)
}

pub(super) fn check_id_algorithm(found: u32) -> Result<(), IdAuthPageError> {
    check_algorithm("ID key algorithm", "1 (ECDSA P-384 with SHA-384)", found)
}

pub(super) fn check_author_algorithm(found: u32) -> Result<(), IdAuthPageError> {
    check_algorithm("author key algorithm", "0 (no author key) or 1", found)
}

fn check_algorithm(
    field: &'static str,
    expected: &'static str,
    found: u32,
) -> Result<(), IdAuthPageError> {
    if found == IdAuthPage::ALGORITHM {
        return Ok(());
    }
    Err(IdAuthPageError::Algorithm {
        field,
        expected,
        found,
    })
}
