//! An ID block on its own: the 96 bytes to sign.

use guestmark_measure::LaunchDigest;
use guestmark_measure::id_block::IdBlock;
use serde::Serialize;

use super::policy::Policy;

/// What an ID block says (SEV-SNP Firmware ABI, section "ID Block").
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IdBlockFacts {
    /// The launch digest that the guest must have.
    pub launch_digest: LaunchDigest,
    /// FAMILY_ID, in hexadecimal.
    pub family_id: String,
    /// IMAGE_ID, in hexadecimal.
    pub image_id: String,
    /// Version of the structure.
    pub version: u32,
    /// GUEST_SVN.
    pub guest_svn: u32,
    /// The policy that the guest must be launched with.
    pub policy: Policy,
}

impl IdBlockFacts {
    pub(super) fn new(block: &IdBlock) -> Self {
        Self {
            launch_digest: block.launch_digest,
            family_id: hex::encode(block.family_id),
            image_id: hex::encode(block.image_id),
            version: IdBlock::VERSION,
            guest_svn: block.guest_svn,
            policy: Policy::new(block.policy),
        }
    }
}
