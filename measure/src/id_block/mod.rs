//! The SEV-SNP ID block: what a guest's owner signs so that the firmware launches nothing else;
//! its signatures and keys; and both in an IGVM file.

mod attach;
mod auth_page;
mod block;

pub use attach::{AttachError, Identity, attach, strip};
pub use auth_page::{Author, IdAuthPage, IdAuthPageError};
pub use block::{IdBlock, IdBlockError};

/// An ID block with what vouches for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedIdBlock {
    /// What is signed.
    pub block: IdBlock,
    /// Signatures and keys.
    pub auth: IdAuthPage,
}

impl SignedIdBlock {
    /// Holds that the ID key signed the block, and the author key, if there is one, the ID key.
    ///
    /// # Errors
    /// The signature that does not verify.
    pub fn verify(&self) -> Result<(), IdAuthPageError> {
        self.auth.verify(&self.block)
    }
}

#[cfg(test)]
mod tests;
