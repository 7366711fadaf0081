//! One message after the other, by the `sha2` crate. It uses SHA-NI for SHA-256 where the
//! processor has it.

use sha2::{Digest, Sha256, Sha384};

use super::Page;
use crate::{Sha256Digest, Sha384Digest};

pub(super) fn sha384_page(page: &Page) -> Sha384Digest {
    Sha384Digest::new(Sha384::digest(page).into())
}

pub(super) fn sha256_salted_block(salt: &[u8], block: &Page) -> Sha256Digest {
    let hash = Sha256::new().chain_update(salt).chain_update(block);
    Sha256Digest::new(hash.finalize().into())
}
