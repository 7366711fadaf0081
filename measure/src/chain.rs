//! The chain of page records that becomes the launch digest.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest, Sha384};
use zerocopy::little_endian::{U16, U64};
use zerocopy::{Immutable, IntoBytes};

use crate::lanes::{self, Page};
use crate::{DistinctPages, LaunchDigest, PageId, PageRecord, Sha384Digest};

/// Pages that one core hashes in one go: a multiple of every lane count, few enough that the
/// chains stay close behind.
const BATCH: usize = 64;

/// PAGE_INFO (SEV-SNP Firmware ABI, section 8.17): what one page adds to the launch digest.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct PageInfo {
    digest_current: [u8; 48],
    contents: [u8; 48],
    length: U16,
    page_type: u8,
    imi_page: u8,
    vmpl_permissions: [u8; 3],
    reserved: u8,
    gpa: U64,
}

const PAGE_INFO_SIZE: u16 = 0x70;
const _: () = assert!(size_of::<PageInfo>() == PAGE_INFO_SIZE as usize);

/// The hashes of pages, made batch by batch by whoever has time.
struct PageHashes<'p> {
    pages: &'p [&'p Page],
    batches: Vec<OnceLock<[Sha384Digest; BATCH]>>,
    /// The first batch that nobody has taken.
    next: AtomicUsize,
}

impl<'p> PageHashes<'p> {
    fn new(pages: &'p [&'p Page]) -> Self {
        let batches = pages.len().div_ceil(BATCH);
        Self {
            pages,
            batches: std::iter::repeat_with(OnceLock::new)
                .take(batches)
                .collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// Hashes the next batch; `false` if all are taken.
    fn hash_next(&self) -> bool {
        let batch = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(hashes) = self.batches.get(batch) else {
            return false;
        };
        hashes.get_or_init(|| {
            let pages = &self.pages[batch * BATCH..];
            let pages = &pages[..pages.len().min(BATCH)];
            let mut hashes = [Sha384Digest::new([0; 48]); BATCH];
            lanes::sha384_pages(pages, &mut hashes[..pages.len()]);
            hashes
        });
        true
    }

    /// The hash of a page, or the batch that it comes with.
    fn get(&self, page: PageId) -> Result<&Sha384Digest, &OnceLock<[Sha384Digest; BATCH]>> {
        assert!(
            page.index() < self.pages.len(),
            "records are of these pages"
        );
        let batch = &self.batches[page.index() / BATCH];
        let hashes = batch.get().ok_or(batch)?;
        Ok(&hashes[page.index() % BATCH])
    }
}

/// The launch digest so far, and the records yet to come.
struct Chain<'r> {
    digest: LaunchDigest,
    rest: &'r [PageRecord],
}

impl<'r> Chain<'r> {
    fn new(records: &'r [PageRecord]) -> Self {
        Self {
            digest: LaunchDigest::new([0; 48]),
            rest: records,
        }
    }

    /// Folds all records into the digest; hashes pages while one that it needs is not hashed.
    fn fold(&mut self, hashes: &PageHashes<'_>) {
        while let Err(needed) = self.advance(hashes) {
            if !hashes.hash_next() {
                needed.wait();
            }
        }
    }

    /// Folds records into the digest up to the first whose page is not hashed; gives the batch
    /// that the page comes with.
    fn advance<'h>(
        &mut self,
        hashes: &'h PageHashes<'_>,
    ) -> Result<(), &'h OnceLock<[Sha384Digest; BATCH]>> {
        while let [record, rest @ ..] = self.rest {
            let contents = match record.contents() {
                None => &[0; 48],
                Some(page) => hashes.get(page)?.as_bytes(),
            };
            let info = PageInfo {
                digest_current: *self.digest.as_bytes(),
                contents: *contents,
                length: U16::new(PAGE_INFO_SIZE),
                page_type: record.page_type().to_wire(),
                imi_page: 0,
                vmpl_permissions: [0; 3],
                reserved: 0,
                gpa: U64::new(record.gpa().get()),
            };
            self.digest = LaunchDigest::new(Sha384::digest(info.as_bytes()).into());
            self.rest = rest;
        }
        Ok(())
    }
}

/// The launch digest of each stream of records; all records are of `pages`.
///
/// Each page is hashed once, on all cores; the chains, which are serial, run right behind.
///
/// # Panics
/// A record names a page that `pages` does not have.
pub fn fold_page_records(
    pages: &DistinctPages<'_>,
    streams: &[Vec<PageRecord>],
) -> Vec<LaunchDigest> {
    let hashes = PageHashes::new(pages.pages());
    let mut chains: Vec<Chain<'_>> = streams.iter().map(|records| Chain::new(records)).collect();
    rayon::scope(|scope| {
        let hashes = &hashes;
        for _ in chains.len()..rayon::current_num_threads() {
            scope.spawn(|_| while hashes.hash_next() {});
        }
        for chain in &mut chains {
            scope.spawn(|_| chain.fold(hashes));
        }
    });
    chains.into_iter().map(|chain| chain.digest).collect()
}

/// `start` with `records` measured into it, on this core alone; all records are of `pages`.
///
/// # Panics
/// A record names a page that `pages` does not have.
pub(crate) fn extend_launch_digest(
    start: LaunchDigest,
    pages: &DistinctPages<'_>,
    records: &[PageRecord],
) -> LaunchDigest {
    let mut chain = Chain {
        digest: start,
        rest: records,
    };
    chain.fold(&PageHashes::new(pages.pages()));
    chain.digest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Gpa;

    #[test]
    fn pages_past_one_hashing_segment_are_all_measured() {
        // Two loaders with different orders over more pages than are hashed between two looks at
        // the chains, checked against the definition of the chain.
        let pages: Vec<[u8; 4096]> = (0..5000_u32)
            .map(|number| {
                let mut page = [0; 4096];
                page[..4].copy_from_slice(&number.to_le_bytes());
                page
            })
            .collect();
        let carried: Vec<_> = pages.iter().map(Some).collect();
        let (distinct, ids) = DistinctPages::collect(&carried);
        let up: Vec<PageRecord> = (0..)
            .zip(&ids)
            .map(|(n, id)| PageRecord::normal(Gpa::new(n * 4096), *id))
            .collect();
        let down: Vec<PageRecord> = up.iter().rev().copied().collect();
        let by_definition = |records: &[PageRecord]| {
            records.iter().fold([0; 48], |digest, record| {
                let contents = Sha384::digest(distinct.pages()[record.contents().unwrap().index()]);
                Sha384::new()
                    .chain_update(digest)
                    .chain_update(contents)
                    .chain_update([0x70, 0, 1, 0, 0, 0, 0, 0])
                    .chain_update(record.gpa().get().to_le_bytes())
                    .finalize()
                    .into()
            })
        };
        let expected = [by_definition(&up), by_definition(&down)].map(LaunchDigest::new);
        assert_eq!(fold_page_records(&distinct, &[up, down]), expected);
    }
}
