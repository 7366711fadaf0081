use proptest::prelude::*;
use sha2::{Digest, Sha256, Sha384};

use super::*;

/// Pages that differ from each other in every word, the same for one `seed`.
fn pages(count: usize, seed: u64) -> Vec<Page> {
    let mut state = seed;
    let mut next = || {
        // SplitMix64, by its definition.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (word ^ (word >> 31)).to_le_bytes()
    };
    (0..count)
        .map(|_| {
            let mut page = [0; 4096];
            page.as_chunks_mut().0.fill_with(&mut next);
            page
        })
        .collect()
}

fn available() -> impl Iterator<Item = Path> {
    Path::ALL.into_iter().filter(|path| path.is_available())
}

#[track_caller]
fn check_sha384(path: Path, pages: &[&Page]) {
    let mut digests = vec![Sha384Digest::new([0; 48]); pages.len()];
    sha384_pages_with(path, pages, &mut digests);
    for (page, digest) in pages.iter().zip(digests) {
        assert_eq!(
            digest.as_bytes()[..],
            Sha384::digest(page)[..],
            "{path}, {} pages",
            pages.len()
        );
    }
}

#[track_caller]
fn check_sha256(path: Path, salt: &[u8], blocks: &[Page]) {
    let mut digests = vec![Sha256Digest::new([0; 32]); blocks.len()];
    sha256_salted_blocks_with(path, salt, blocks, &mut digests);
    for (block, digest) in blocks.iter().zip(digests) {
        let expected = Sha256::digest([salt, block].concat());
        let (salt, blocks) = (salt.len(), blocks.len());
        assert_eq!(
            digest.as_bytes()[..],
            expected[..],
            "{path}, {salt} B salt, {blocks} blocks"
        );
    }
}

#[test]
fn every_path_hashes_every_number_of_pages_as_sha2_does() {
    let pages = pages(40, 1);
    let pages: Vec<&Page> = pages.iter().collect();
    for path in available() {
        for count in 0..=pages.len() {
            check_sha384(path, &pages[..count]);
        }
    }
}

#[test]
fn every_path_takes_every_length_of_salt() {
    let blocks = pages(17, 2);
    let salt: Vec<u8> = (0..=255).chain([0]).collect();
    for path in available() {
        for length in 0..salt.len() {
            check_sha256(path, &salt[..length], &blocks);
        }
    }
}

#[test]
fn every_path_hashes_every_number_of_blocks_as_sha2_does() {
    let blocks = pages(40, 3);
    for path in available() {
        for count in 0..=blocks.len() {
            check_sha256(path, &[0xA5; 32], &blocks[..count]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_path_agrees_with_sha2_on_any_pages(count in 0_usize..70, seed: u64) {
        let pages = pages(count, seed);
        let pages: Vec<&Page> = pages.iter().collect();
        available().for_each(|path| check_sha384(path, &pages));
    }

    #[test]
    fn every_path_agrees_with_sha2_on_any_salt_and_blocks(
        salt in prop::collection::vec(any::<u8>(), 0..=256),
        count in 0_usize..70,
        seed: u64,
    ) {
        let blocks = pages(count, seed);
        available().for_each(|path| check_sha256(path, &salt, &blocks));
    }
}

#[test]
fn pages_need_no_alignment() {
    let bytes: Vec<u8> = pages(9, 4).concat();
    for path in available() {
        for shift in [1, 3, 8, 31] {
            let (shifted, _) = bytes[shift..].as_chunks::<4096>();
            let pages: Vec<&Page> = shifted.iter().collect();
            check_sha384(path, &pages);
            check_sha256(path, b"salt", shifted);
        }
    }
}

#[test]
fn the_chosen_paths_are_available() {
    assert!(Path::fastest_for_sha384().is_available());
    assert!(Path::fastest_for_sha256().is_available());
    assert!(Path::Sha2.is_available());
}

#[test]
#[should_panic = "one digest a page"]
fn digests_are_as_many_as_pages() {
    sha384_pages(&[&[0; 4096]], &mut []);
}
