//! The SEV-SNP ID block as an IGVM file carries it, signatures and keys included.

use std::fmt;

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::CompatibilityMask;
use crate::LaunchDigest;
use crate::ecdsa::{EcdsaError, PublicKey, Signature};
use crate::id_block::{IdAuthPage, IdBlock, SignedIdBlock};

/// Directive 0x30B (`IGVM_VHS_SNP_ID_BLOCK`), 696 bytes. It has no policy field: the policy of
/// the ID block is the guest policy header's.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SnpIdBlock {
    compatibility_mask: U32,
    /// 1 if an author key is used, else 0.
    pub author_key_enabled: u8,
    /// Zeros.
    pub reserved: [u8; 3],
    launch_digest: [u8; 48],
    /// Family of the guest, chosen by its maker.
    pub family_id: [u8; 16],
    /// Image of the guest, chosen by its maker.
    pub image_id: [u8; 16],
    /// Version of the ID block format: 1.
    pub version: U32,
    /// Security version of the guest.
    pub guest_svn: U32,
    /// Algorithm of the ID key: 1 for ECDSA P-384 with SHA-384.
    pub id_key_algorithm: U32,
    /// Algorithm of the author key.
    pub author_key_algorithm: U32,
    /// Signature of the ID key over the ID block.
    pub id_key_signature: SnpSignature,
    /// The ID key.
    pub id_public_key: SnpPublicKey,
    /// Signature of the author key over the ID key.
    pub author_key_signature: SnpSignature,
    /// The author key.
    pub author_public_key: SnpPublicKey,
}

const _: () = assert!(size_of::<SnpIdBlock>() == 696);

impl SnpIdBlock {
    /// A signed ID block for the platforms of `mask`. Its policy goes nowhere: the directive has
    /// none.
    pub(crate) fn new(mask: CompatibilityMask, signed: &SignedIdBlock) -> Self {
        let SignedIdBlock { block, auth } = signed;
        let mut wire = Self::new_zeroed();
        wire.compatibility_mask = U32::new(mask.bits());
        wire.launch_digest = *block.launch_digest.as_bytes();
        wire.family_id = block.family_id;
        wire.image_id = block.image_id;
        wire.version = U32::new(IdBlock::VERSION);
        wire.guest_svn = U32::new(block.guest_svn);
        wire.id_key_algorithm = U32::new(IdAuthPage::ALGORITHM);
        wire.id_key_signature = SnpSignature::from(&auth.id_signature);
        wire.id_public_key = SnpPublicKey::from(&auth.id_key);
        if let Some(author) = &auth.author {
            wire.author_key_enabled = 1;
            wire.author_key_algorithm = U32::new(IdAuthPage::ALGORITHM);
            wire.author_key_signature = SnpSignature::from(&author.signature);
            wire.author_public_key = SnpPublicKey::from(&author.key);
        }
        wire
    }

    /// The platforms the block is for.
    pub const fn mask(&self) -> CompatibilityMask {
        CompatibilityMask::new(self.compatibility_mask.get())
    }

    /// The launch digest that the signer expects.
    pub const fn launch_digest(&self) -> LaunchDigest {
        LaunchDigest::new(self.launch_digest)
    }
}

impl fmt::Debug for SnpIdBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnpIdBlock")
            .field("mask", &self.mask())
            .field("launch_digest", &self.launch_digest())
            .field("family_id", &hex::encode(self.family_id))
            .field("image_id", &hex::encode(self.image_id))
            .field("guest_svn", &self.guest_svn.get())
            .finish_non_exhaustive()
    }
}

/// An ECDSA P-384 signature: two little-endian numbers, padded with zeros.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SnpSignature {
    /// The number r.
    pub r: [u8; 72],
    /// The number s.
    pub s: [u8; 72],
}

/// An ECDSA public key: a point as two little-endian numbers, padded with zeros.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SnpPublicKey {
    /// The curve: 2 for P-384.
    pub curve: U32,
    /// Zeros.
    pub reserved: U32,
    /// The x coordinate.
    pub qx: [u8; 72],
    /// The y coordinate.
    pub qy: [u8; 72],
}

impl From<&Signature> for SnpSignature {
    fn from(signature: &Signature) -> Self {
        let (r, s) = signature.to_fields();
        Self { r, s }
    }
}

impl TryFrom<&SnpSignature> for Signature {
    type Error = EcdsaError;

    fn try_from(wire: &SnpSignature) -> Result<Self, Self::Error> {
        Self::from_fields(&wire.r, &wire.s)
    }
}

impl From<&PublicKey> for SnpPublicKey {
    fn from(key: &PublicKey) -> Self {
        let (qx, qy) = key.to_fields();
        Self {
            curve: U32::new(PublicKey::CURVE),
            reserved: U32::ZERO,
            qx,
            qy,
        }
    }
}

impl TryFrom<&SnpPublicKey> for PublicKey {
    type Error = EcdsaError;

    fn try_from(wire: &SnpPublicKey) -> Result<Self, Self::Error> {
        if wire.reserved != U32::ZERO {
            return Err(EcdsaError::Padding { field: "the curve" });
        }
        Self::from_fields(wire.curve.get(), &wire.qx, &wire.qy)
    }
}
