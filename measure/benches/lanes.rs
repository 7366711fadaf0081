//! Bytes a second that one core hashes, for each path that this processor has.

use divan::Bencher;
use divan::counter::BytesCount;
use guestmark_measure::lanes::{Page, Path, sha256_salted_blocks_with, sha384_pages_with};
use guestmark_measure::{Sha256Digest, Sha384Digest};

/// Pages hashed in one run: 1 MiB, which stays in the second-level cache.
const PAGES: usize = 256;

fn main() {
    divan::main();
}

fn pages() -> Vec<Page> {
    (0..=255).map(|fill| [fill; 4096]).take(PAGES).collect()
}

fn available() -> impl Iterator<Item = Path> {
    Path::ALL.into_iter().filter(|path| path.is_available())
}

#[divan::bench(args = available())]
fn sha384(bencher: Bencher<'_, '_>, path: Path) {
    let pages = pages();
    let pages: Vec<&Page> = pages.iter().collect();
    let mut digests = vec![Sha384Digest::new([0; 48]); PAGES];
    bencher
        .counter(BytesCount::new(PAGES * size_of::<Page>()))
        .bench_local(|| sha384_pages_with(path, &pages, &mut digests));
}

#[divan::bench(args = available())]
fn sha256_with_32_bytes_of_salt(bencher: Bencher<'_, '_>, path: Path) {
    let blocks = pages();
    let mut digests = vec![Sha256Digest::new([0; 32]); PAGES];
    bencher
        .counter(BytesCount::new(PAGES * size_of::<Page>()))
        .bench_local(|| sha256_salted_blocks_with(path, &[0xA5; 32], &blocks, &mut digests));
}

/// One page more than fills the lanes: the last group must not cost as much as a full one.
#[divan::bench(args = available())]
fn sha384_of_9_pages(bencher: Bencher<'_, '_>, path: Path) {
    let pages = pages();
    let pages: Vec<&Page> = pages.iter().take(9).collect();
    let mut digests = vec![Sha384Digest::new([0; 48]); 9];
    bencher
        .counter(BytesCount::new(9 * size_of::<Page>()))
        .bench_local(|| sha384_pages_with(path, &pages, &mut digests));
}
