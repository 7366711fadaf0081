//! Hashes of many equal-sized pages at once.

use sha2::{Digest, Sha256, Sha384};

use crate::{Sha256Digest, Sha384Digest};

/// One page or block of 4096 bytes.
pub type Page = [u8; 4096];

/// SHA-384 of each page, in order.
///
/// # Panics
/// `digests` is not as long as `pages`.
pub fn sha384_pages(pages: &[&Page], digests: &mut [Sha384Digest]) {
    assert_eq!(pages.len(), digests.len(), "one digest a page");
    for (page, digest) in pages.iter().zip(digests) {
        *digest = Sha384Digest::new(Sha384::digest(page).into());
    }
}

/// SHA-256 of `salt` followed by each block, in order: the hash of dm-verity hash type 1.
///
/// # Panics
/// `digests` is not as long as `blocks`.
pub fn sha256_salted_blocks(salt: &[u8], blocks: &[Page], digests: &mut [Sha256Digest]) {
    assert_eq!(blocks.len(), digests.len(), "one digest a block");
    for (block, digest) in blocks.iter().zip(digests) {
        let hash = Sha256::new()
            .chain_update(salt)
            .chain_update(block)
            .finalize();
        *digest = Sha256Digest::new(hash.into());
    }
}
