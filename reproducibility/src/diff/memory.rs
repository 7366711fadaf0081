//! Guest memory as one loader launches it, by address.

use std::ops::Range;

use guestmark_measure::igvm::IgvmFile;
use guestmark_measure::lanes::Page;
use guestmark_measure::{Gpa, LaunchPages, Loader, PAGE_SIZE, PageType, Refusal};

static ZEROS: Page = [0; size_of::<Page>()];

/// A page that is launched.
#[derive(Debug, Clone, Copy)]
pub(super) struct LaunchedPage<'f> {
    pub(super) gpa: Gpa,
    pub(super) page_type: PageType,
    /// What it holds; `None` for zeros, and for what is not measured by contents.
    pub(super) data: Option<&'f Page>,
}

/// The pages that a loader launches.
#[derive(Debug)]
pub(super) struct GuestPages<'f> {
    /// Sorted by address.
    pub(super) pages: Vec<LaunchedPage<'f>>,
    /// Their addresses in the order of the launch.
    pub(super) order: Vec<Gpa>,
}

impl<'f> GuestPages<'f> {
    /// What `loader` launches of `file`.
    pub(super) fn of(file: &'f IgvmFile<'f>, loader: Loader) -> Result<Self, Refusal> {
        let carried = LaunchPages::of(file);
        let distinct = carried.distinct().pages().iter();
        let distinct: Vec<Option<&'f Page>> = distinct
            .map(|page| (**page != ZEROS).then_some(*page))
            .collect();
        let launch = carried.launch(loader, None)?;
        let records = launch.records();
        let mut pages: Vec<_> = records
            .map(|record| LaunchedPage {
                gpa: record.gpa(),
                page_type: record.page_type(),
                data: record.contents().and_then(|id| distinct[id.index()]),
            })
            .collect();
        let order = pages.iter().map(|page| page.gpa).collect();
        pages.sort_by_key(|page| page.gpa);
        Ok(Self { pages, order })
    }

    /// The bytes of a range; what is not launched there reads as zeros. At most `limit` bytes.
    pub(super) fn bytes(&self, range: &Range<Gpa>, limit: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for slice in self.slices(range) {
            let room = limit - bytes.len();
            bytes.extend_from_slice(&slice.bytes()[..slice.length.min(room)]);
            if bytes.len() == limit {
                break;
            }
        }
        bytes
    }

    /// Whether a range holds nothing but zeros.
    pub(super) fn is_zero(&self, range: &Range<Gpa>) -> bool {
        let zero =
            |slice: Slice<'_>| slice.page.is_none() || slice.bytes().iter().all(|byte| *byte == 0);
        self.slices(range).all(zero)
    }

    /// Whether two ranges of one length hold the same bytes.
    pub(super) fn same(&self, range: &Range<Gpa>, other: &Self, place: &Range<Gpa>) -> bool {
        let (mut one, mut two) = (self.slices(range), other.slices(place));
        let (mut left, mut right) = (one.next(), two.next());
        while let (Some(a), Some(b)) = (left, right) {
            let length = a.length.min(b.length);
            let both_zero = a.page.is_none() && b.page.is_none();
            if !both_zero && a.bytes()[..length] != b.bytes()[..length] {
                return false;
            }
            left = a.after(length).or_else(|| one.next());
            right = b.after(length).or_else(|| two.next());
        }
        left.is_none() && right.is_none()
    }

    /// A range in pieces that end with their pages.
    fn slices(&self, range: &Range<Gpa>) -> impl Iterator<Item = Slice<'f>> {
        let (mut at, end) = (range.start.get(), range.end.get());
        let mut index = self
            .pages
            .partition_point(|page| page.gpa.get() + (PAGE_SIZE - 1) < at);
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let start = at - at % PAGE_SIZE;
            while self
                .pages
                .get(index)
                .is_some_and(|page| page.gpa.get() < start)
            {
                index += 1;
            }
            let page = self.pages.get(index).filter(|page| page.gpa.get() == start);
            let offset = usize::try_from(at - start).unwrap_or_default();
            let length = usize::try_from(end - at).unwrap_or(usize::MAX);
            let length = length.min(size_of::<Page>() - offset);
            at = at.saturating_add(length as u64);
            Some(Slice {
                page: page.and_then(|page| page.data),
                offset,
                length,
            })
        })
    }
}

/// A part of one page, or of zeros.
#[derive(Clone, Copy)]
struct Slice<'f> {
    page: Option<&'f Page>,
    offset: usize,
    length: usize,
}

impl Slice<'_> {
    fn bytes(&self) -> &[u8] {
        &self.page.unwrap_or(&ZEROS)[self.offset..self.offset + self.length]
    }

    /// What is left after `length` bytes.
    fn after(self, length: usize) -> Option<Self> {
        (self.length > length).then(|| Self {
            page: self.page,
            offset: self.offset + length,
            length: self.length - length,
        })
    }
}
