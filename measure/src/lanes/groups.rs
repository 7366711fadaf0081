//! Splits messages into groups of as many as there are lanes.

use std::borrow::Borrow;

use super::Page;
use crate::{Sha256Digest, Sha384Digest};

/// Hashes `pages` in groups with `all_lanes`. A last group that is not full is filled up with
/// copies of its first page, or hashed by `one` if filling up would take longer.
pub(super) fn for_each_group<const LANES: usize, P: Borrow<Page>, D: Copy>(
    pages: &[P],
    digests: &mut [D],
    one: impl Fn(&Page) -> D,
    all_lanes: impl Fn(&[&Page; LANES]) -> [D; LANES],
) {
    for (pages, digests) in pages.chunks(LANES).zip(digests.chunks_mut(LANES)) {
        // All lanes together take about as long as a quarter of them one by one.
        if pages.len() <= LANES / 4 {
            for (page, digest) in pages.iter().zip(digests) {
                *digest = one(page.borrow());
            }
            continue;
        }
        let group = std::array::from_fn(|lane| pages.get(lane).unwrap_or(&pages[0]).borrow());
        digests.copy_from_slice(&all_lanes(&group)[..digests.len()]);
    }
}

/// The digest of each lane, from the final state: one row for each word.
pub(super) fn sha384_digests<const LANES: usize>(
    words: &[[u64; LANES]; 8],
) -> [Sha384Digest; LANES] {
    std::array::from_fn(|lane| {
        let mut digest = [0; Sha384Digest::SIZE];
        for (bytes, row) in digest.as_chunks_mut().0.iter_mut().zip(words) {
            *bytes = row[lane].to_be_bytes();
        }
        Sha384Digest::new(digest)
    })
}

/// The digest of each lane, from the final state: one row for each word.
pub(super) fn sha256_digests<const LANES: usize>(
    words: &[[u32; LANES]; 8],
) -> [Sha256Digest; LANES] {
    std::array::from_fn(|lane| {
        let mut digest = [0; Sha256Digest::SIZE];
        for (bytes, row) in digest.as_chunks_mut().0.iter_mut().zip(words) {
            *bytes = row[lane].to_be_bytes();
        }
        Sha256Digest::new(digest)
    })
}
