//! Signed ID blocks.

use guestmark_measure::igvm::{Directive, IgvmFile, SnpIdBlock, SnpPublicKey, SnpSignature};
use guestmark_measure::{LaunchDigest, Loader, Sha384Digest, launch_digests};
use serde::Serialize;
use sha2::{Digest, Sha384};

use super::mask_hex;
use crate::inspect::text::Hex;

/// A signed ID block. Its policy is the platform's guest policy. Signatures are not checked here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignedIdBlockFacts {
    /// The platforms it is for.
    pub mask: Hex,
    /// The launch digest that the signer expects.
    pub launch_digest: LaunchDigest,
    /// The loaders that launch this file to that digest; a guest launched by another does not
    /// start.
    pub matching_loaders: Vec<Loader>,
    /// FAMILY_ID, in hexadecimal.
    pub family_id: String,
    /// IMAGE_ID, in hexadecimal.
    pub image_id: String,
    /// Version of the ID block.
    pub version: u32,
    /// GUEST_SVN.
    pub guest_svn: u32,
    /// The key that signed the ID block.
    pub id_key: KeyFacts,
    /// The key that signed the ID key, if one is in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author_key: Option<KeyFacts>,
}

/// A public key and what it is used with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyFacts {
    /// 1 is ECDSA with P-384 and SHA-384.
    pub algorithm: u32,
    /// 2 is P-384.
    pub curve: u32,
    /// SHA-384 of the key as the firmware reads it: what attestation reports show.
    pub digest: Sha384Digest,
    /// Whether there are bytes where the signature should be.
    pub has_signature: bool,
}

/// The ID blocks of a file.
pub(super) fn all(file: &IgvmFile<'_>) -> Vec<SignedIdBlockFacts> {
    let blocks: Vec<_> = file
        .directives()
        .iter()
        .filter_map(|directive| match directive {
            Directive::SnpIdBlock(block) => Some(block),
            _ => None,
        })
        .collect();
    if blocks.is_empty() {
        return Vec::new();
    }
    let digests = launch_digests(file, None);
    let facts = blocks.into_iter().map(|block| {
        let matching = digests
            .iter()
            .filter(|(_, digest)| digest.as_ref().ok() == Some(&block.launch_digest()));
        facts(block, matching.map(|(loader, _)| *loader).collect())
    });
    facts.collect()
}

fn facts(block: &SnpIdBlock, matching_loaders: Vec<Loader>) -> SignedIdBlockFacts {
    let author = || {
        let algorithm = block.author_key_algorithm.get();
        key(
            algorithm,
            &block.author_public_key,
            &block.author_key_signature,
        )
    };
    SignedIdBlockFacts {
        mask: mask_hex(block.mask()),
        launch_digest: block.launch_digest(),
        matching_loaders,
        family_id: hex::encode(block.family_id),
        image_id: hex::encode(block.image_id),
        version: block.version.get(),
        guest_svn: block.guest_svn.get(),
        id_key: key(
            block.id_key_algorithm.get(),
            &block.id_public_key,
            &block.id_key_signature,
        ),
        author_key: (block.author_key_enabled != 0).then(author),
    }
}

fn key(algorithm: u32, key: &SnpPublicKey, signature: &SnpSignature) -> KeyFacts {
    let is_zero = |bytes: &[u8]| bytes.iter().all(|&byte| byte == 0);
    KeyFacts {
        algorithm,
        curve: key.curve.get(),
        digest: digest(key),
        has_signature: !is_zero(&signature.r) && !is_zero(&signature.s),
    }
}

/// SHA-384 of a key in the form of the ID authentication information structure: curve, X, Y, and
/// zeros up to 0x404 bytes (SEV-SNP Firmware ABI, table "ECDSA public key").
fn digest(key: &SnpPublicKey) -> Sha384Digest {
    const ZEROS: [u8; 0x404 - 4 - 2 * 72] = [0; 0x404 - 4 - 2 * 72];
    let hash = Sha384::new()
        .chain_update(key.curve.get().to_le_bytes())
        .chain_update(key.qx)
        .chain_update(key.qy)
        .chain_update(ZEROS)
        .finalize();
    Sha384Digest::new(hash.into())
}
