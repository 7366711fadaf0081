//! Hashes of many equal-sized pages at once: one message in each lane of a vector.
//!
//! The instruction set is chosen when the program runs. Only this module has `unsafe` code.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod constants;
#[cfg(target_arch = "x86_64")]
mod groups;
#[cfg(target_arch = "x86_64")]
mod kernel;
mod path;
mod portable;
#[cfg(target_arch = "x86_64")]
mod salted;

pub use path::Path;

use crate::{Sha256Digest, Sha384Digest};

/// One page or block of 4096 bytes.
pub type Page = [u8; 4096];

/// SHA-384 of each page, in order.
///
/// # Panics
/// `digests` is not as long as `pages`.
pub fn sha384_pages(pages: &[&Page], digests: &mut [Sha384Digest]) {
    sha384_pages_with(Path::fastest_for_sha384(), pages, digests);
}

/// [`sha384_pages`] by a path of the caller's choice.
///
/// # Panics
/// `digests` is not as long as `pages`, or the processor lacks the path's instructions.
pub fn sha384_pages_with(path: Path, pages: &[&Page], digests: &mut [Sha384Digest]) {
    assert_eq!(pages.len(), digests.len(), "one digest a page");
    assert!(path.is_available(), "the processor has no {path}");
    match path {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has the instructions, as asserted above.
        Path::Avx512 => unsafe { avx512::pages(pages, digests) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has the instructions, as asserted above.
        Path::Avx2 => unsafe { avx2::pages(pages, digests) },
        _ => {
            for (page, digest) in pages.iter().zip(digests) {
                *digest = portable::sha384_page(page);
            }
        }
    }
}

/// SHA-256 of `salt` followed by each block, in order: the hash of dm-verity hash type 1.
///
/// # Panics
/// `digests` is not as long as `blocks`.
pub fn sha256_salted_blocks(salt: &[u8], blocks: &[Page], digests: &mut [Sha256Digest]) {
    sha256_salted_blocks_with(Path::fastest_for_sha256(), salt, blocks, digests);
}

/// [`sha256_salted_blocks`] by a path of the caller's choice.
///
/// # Panics
/// `digests` is not as long as `blocks`, or the processor lacks the path's instructions.
pub fn sha256_salted_blocks_with(
    path: Path,
    salt: &[u8],
    blocks: &[Page],
    digests: &mut [Sha256Digest],
) {
    assert_eq!(blocks.len(), digests.len(), "one digest a block");
    assert!(path.is_available(), "the processor has no {path}");
    match path {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has the instructions, as asserted above.
        Path::Avx512 => unsafe { avx512::salted_blocks(salt, blocks, digests) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has the instructions, as asserted above.
        Path::Avx2 => unsafe { avx2::salted_blocks(salt, blocks, digests) },
        _ => {
            for (block, digest) in blocks.iter().zip(digests) {
                *digest = portable::sha256_salted_block(salt, block);
            }
        }
    }
}

#[cfg(test)]
mod tests;
