//! Page records as a person reads them: runs of like pages, and the digest after each.

use std::iter::Peekable;

use serde::{Serialize, Serializer};

use crate::chain::{hash, link};
use crate::{
    DistinctPages, Gpa, Launch, LaunchDigest, PAGE_SIZE, PageRecord, PageRecords, PageType,
    Sha384Digest,
};

/// Page records that follow each other at contiguous ascending addresses, of one type and with
/// one contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PageRange {
    /// The first byte of the first page.
    pub start: Gpa,
    /// The last byte of the last page.
    pub last: Gpa,
    /// How many pages there are.
    pub pages: u64,
    /// The type of each.
    pub page_type: PageType,
    /// SHA-384 of the contents of each; `None` for types whose contents are not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contents: Option<Sha384Digest>,
    /// The launch digest once the last page is launched.
    pub launch_digest: LaunchDigest,
}

impl PageRange {
    fn of(record: &PageRecord, contents: Option<Sha384Digest>, so_far: LaunchDigest) -> Self {
        Self {
            start: record.gpa(),
            last: last_byte(record),
            pages: 1,
            page_type: record.page_type(),
            contents,
            launch_digest: link(so_far, record, contents.as_ref()),
        }
    }

    /// Takes `record` in if it continues the range.
    fn extend(&mut self, record: &PageRecord, contents: Option<Sha384Digest>) -> bool {
        let continues = self.last.checked_add(1) == Some(record.gpa())
            && self.page_type == record.page_type()
            && self.contents == contents;
        if continues {
            self.last = last_byte(record);
            self.pages += 1;
            self.launch_digest = link(self.launch_digest, record, contents.as_ref());
        }
        continues
    }
}

fn last_byte(record: &PageRecord) -> Gpa {
    // A page starts at a multiple of its size, so that its last byte has an address.
    let start = record.gpa();
    start.checked_add(PAGE_SIZE - 1).unwrap_or(start)
}

/// The page records of a launch, to be listed. Only the digests of pages are held.
#[derive(Debug, Clone)]
pub struct PageListing<'l> {
    launch: &'l Launch<'l>,
    contents: Vec<Sha384Digest>,
}

impl<'l> PageListing<'l> {
    /// The records of `launch`, which are of `pages`.
    pub fn new(pages: &DistinctPages<'_>, launch: &'l Launch<'l>) -> Self {
        let contents = hash(pages);
        Self { launch, contents }
    }

    /// The records in launch order, folded.
    pub fn ranges(&self) -> PageRanges<'_> {
        PageRanges {
            records: self.launch.records().peekable(),
            contents: &self.contents,
            digest: LaunchDigest::new([0; 48]),
        }
    }
}

impl Serialize for PageListing<'_> {
    /// As a sequence of [`PageRange`]s.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.ranges())
    }
}

/// The [`PageRange`]s of a [`PageListing`], in launch order.
#[derive(Debug, Clone)]
pub struct PageRanges<'l> {
    records: Peekable<PageRecords<'l>>,
    contents: &'l [Sha384Digest],
    digest: LaunchDigest,
}

impl Iterator for PageRanges<'_> {
    type Item = PageRange;

    fn next(&mut self) -> Option<PageRange> {
        let contents = self.contents;
        let contents = |record: &PageRecord| record.contents().map(|page| contents[page.index()]);
        let first = self.records.next()?;
        let mut range = PageRange::of(&first, contents(&first), self.digest);
        while let Some(record) = self.records.peek()
            && range.extend(record, contents(record))
        {
            self.records.next();
        }
        self.digest = range.launch_digest;
        Some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::igvm::IgvmFile;
    use crate::sample::Sample;
    use crate::{LaunchPages, Loader, launch_digest};

    const NORMAL: u16 = 0;
    const SECRETS: u16 = 1;

    /// Start, last byte, pages, type, and whether contents are measured.
    type Folded = (u64, u64, u64, PageType, bool);

    fn folded(sample: &Sample, loader: Loader) -> Vec<Folded> {
        let bytes = sample.bytes();
        let file = IgvmFile::parse(&bytes).unwrap();
        let pages = LaunchPages::of(&file);
        let launch = pages.launch(loader, None).unwrap();
        let ranges: Vec<PageRange> = PageListing::new(pages.distinct(), &launch)
            .ranges()
            .collect();
        // The running digest ends at the launch digest, which is folded elsewhere.
        let end = ranges.last().map(|range| range.launch_digest);
        assert_eq!(end, Some(launch_digest(&file, loader, None).unwrap()));
        let folded = ranges.iter().map(|range| {
            let has_contents = range.contents.is_some();
            let (start, last) = (range.start.get(), range.last.get());
            (start, last, range.pages, range.page_type, has_contents)
        });
        folded.collect()
    }

    #[test]
    fn contiguous_pages_of_one_type_and_one_contents_fold() {
        let sample = Sample::snp()
            .page(0x1000, 1, 0, NORMAL)
            .page(0x2000, 1, 0, NORMAL)
            .page(0x3000, 2, 0, NORMAL)
            .page(0x5000, 2, 0, NORMAL)
            .page(0x4000, 2, 0, NORMAL)
            .empty_page(0x5000, 0, SECRETS);
        let expected = [
            (0x1000, 0x2FFF, 2, PageType::Normal, true),
            (0x3000, 0x3FFF, 1, PageType::Normal, true),
            (0x5000, 0x5FFF, 1, PageType::Normal, true),
            (0x4000, 0x4FFF, 1, PageType::Normal, true),
            (0x5000, 0x5FFF, 1, PageType::Secrets, false),
        ];
        assert_eq!(folded(&sample, Loader::Spec), expected);
    }

    #[test]
    fn zeros_fold_whether_the_file_carries_them_or_not() {
        let sample = Sample::snp()
            .page(0x1000, 0, 0, NORMAL)
            .empty_page(0x2000, 0, NORMAL);
        let expected = [(0x1000, 0x2FFF, 2, PageType::Normal, true)];
        assert_eq!(folded(&sample, Loader::Spec), expected);
    }

    #[test]
    fn a_parameter_area_is_one_range_up_to_the_end_of_the_address_space() {
        let sample = Sample::snp()
            .area(0, 0x2000)
            .insert(0, 0xFFFF_FFFF_FFFF_E000);
        let expected = [(
            0xFFFF_FFFF_FFFF_E000,
            u64::MAX,
            2,
            PageType::Unmeasured,
            false,
        )];
        assert_eq!(folded(&sample, Loader::Spec), expected);
    }
}
