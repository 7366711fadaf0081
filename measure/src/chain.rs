//! The chain of page records that becomes the launch digest.

use rayon::prelude::*;
use sha2::{Digest, Sha384};
use zerocopy::little_endian::{U16, U64};
use zerocopy::{Immutable, IntoBytes};

use crate::lanes;
use crate::{DistinctPages, LaunchDigest, PageRecord, Sha384Digest};

/// Pages hashed between two looks at the chains: enough to keep all cores busy, and the chains
/// not far behind.
const SEGMENT: usize = 2048;

/// Pages that one core hashes in one go: a multiple of every lane count.
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

/// The launch digest so far, and the records yet to come.
struct Chain<'r> {
    digest: LaunchDigest,
    rest: &'r [PageRecord],
}

impl<'r> Chain<'r> {
    fn new(digest: LaunchDigest, records: &'r [PageRecord]) -> Self {
        Self {
            digest,
            rest: records,
        }
    }

    /// Folds records into the digest up to the first whose page is not among `hashed`.
    fn advance(&mut self, hashed: &[Sha384Digest]) {
        while let [record, rest @ ..] = self.rest {
            let contents = match record.contents() {
                None => &[0; 48],
                Some(page) => match hashed.get(page.index()) {
                    None => return,
                    Some(digest) => digest.as_bytes(),
                },
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
    }
}

/// The launch digest of each stream of records; all records are of `pages`.
///
/// Each page is hashed once, on all cores; the chains, which are serial, run behind the hashes.
///
/// # Panics
/// A record names a page that `pages` does not have.
pub fn fold_page_records(
    pages: &DistinctPages<'_>,
    streams: &[Vec<PageRecord>],
) -> Vec<LaunchDigest> {
    fold(LaunchDigest::new([0; 48]), pages, streams)
}

/// `start` with `records` measured into it; all records are of `pages`.
///
/// # Panics
/// A record names a page that `pages` does not have.
pub(crate) fn extend_launch_digest(
    start: LaunchDigest,
    pages: &DistinctPages<'_>,
    records: Vec<PageRecord>,
) -> LaunchDigest {
    fold(start, pages, &[records])[0]
}

fn fold(
    start: LaunchDigest,
    pages: &DistinctPages<'_>,
    streams: &[Vec<PageRecord>],
) -> Vec<LaunchDigest> {
    let pages = pages.pages();
    let mut digests = vec![Sha384Digest::new([0; 48]); pages.len()];
    let mut chains: Vec<Chain<'_>> = streams
        .iter()
        .map(|records| Chain::new(start, records))
        .collect();
    for (segment, pages) in pages.chunks(SEGMENT).enumerate() {
        let (hashed, next) = digests.split_at_mut(segment * SEGMENT);
        rayon::join(
            || {
                chains
                    .par_iter_mut()
                    .for_each(|chain| chain.advance(hashed))
            },
            || {
                pages
                    .par_chunks(BATCH)
                    .zip(next.par_chunks_mut(BATCH))
                    .for_each(|(pages, digests)| lanes::sha384_pages(pages, digests));
            },
        );
    }
    chains
        .par_iter_mut()
        .for_each(|chain| chain.advance(&digests));
    assert!(
        chains.iter().all(|chain| chain.rest.is_empty()),
        "records are of these pages"
    );
    chains.into_iter().map(|chain| chain.digest).collect()
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
