//! Guest memory as a value: named regions, and the pages they make up.

use std::borrow::Cow;
use std::ops::Range;

use guestmark_measure::{Gpa, PAGE_SIZE, lanes};
use serde::Serialize;

use crate::tree::Origin;

/// The contents of one page.
pub type PageBytes = lanes::Page;

const PAGE: usize = size_of::<PageBytes>();

static ZERO_PAGE: PageBytes = [0; PAGE];

/// What a loader does with a region's pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegionKind {
    /// Loaded as it is, and measured.
    Data,
    /// A CPUID page: the firmware checks what the loader puts there.
    Cpuid,
    /// The secrets page, which the firmware fills.
    Secrets,
    /// Filled by the loader with facts about the machine; not measured.
    ParameterArea,
    /// The save area that the first virtual CPU starts from.
    Vmsa,
}

/// A named range of guest memory. It need not begin or end on a page: structures that share a
/// page are regions of their own.
#[derive(Debug, Clone, Serialize)]
pub struct Region<'a> {
    name: Cow<'static, str>,
    start: Gpa,
    end: Gpa,
    kind: RegionKind,
    origin: Origin,
    /// Zeros follow it up to the end: an all-zero region has none.
    #[serde(skip)]
    contents: Cow<'a, [u8]>,
}

impl<'a> Region<'a> {
    /// A region of `size` bytes at `start` that holds `contents` and then zeros.
    ///
    /// # Errors
    /// The contents are larger than the region, or it ends past the address space.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        start: Gpa,
        size: u64,
        kind: RegionKind,
        contents: impl Into<Cow<'a, [u8]>>,
        origin: Origin,
    ) -> Result<Self, MemoryError> {
        let (name, contents) = (name.into(), contents.into());
        match start.checked_add(size) {
            Some(end) if contents.len() as u64 <= size => Ok(Self {
                name,
                start,
                end,
                kind,
                origin,
                contents,
            }),
            _ => Err(MemoryError::Size {
                name,
                start,
                size,
                contents: contents.len(),
            }),
        }
    }

    /// What the region is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its first byte.
    pub const fn start(&self) -> Gpa {
        self.start
    }

    /// The byte after its last.
    pub const fn end(&self) -> Gpa {
        self.end
    }

    /// What a loader does with it.
    pub const fn kind(&self) -> RegionKind {
        self.kind
    }

    /// Where its contents come from.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Its contents; zeros follow up to its end.
    pub fn contents(&self) -> &[u8] {
        &self.contents
    }

    /// The contents from `from` on, at most `size` bytes of them.
    fn slice(&self, from: Gpa, size: usize) -> &[u8] {
        let skipped = usize::try_from(from.get() - self.start.get()).unwrap_or(usize::MAX);
        let rest = self.contents.get(skipped..).unwrap_or_default();
        &rest[..rest.len().min(size)]
    }
}

/// Regions that do not make up a memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// Contents do not fit their region, or the region the address space.
    #[error("region {name} at {start}: {contents} bytes do not fit into {size} bytes")]
    Size {
        /// The region's name.
        name: Cow<'static, str>,
        /// Its first byte.
        start: Gpa,
        /// Its size in bytes.
        size: u64,
        /// The size of its contents.
        contents: usize,
    },
    /// Two regions claim the same bytes.
    #[error("region {second} at {start} begins before region {first} ends at {end}")]
    Overlap {
        /// The lower region's name.
        first: Cow<'static, str>,
        /// The byte after its last.
        end: Gpa,
        /// The upper region's name.
        second: Cow<'static, str>,
        /// Its first byte.
        start: Gpa,
    },
    /// A region that the loader treats specially is not exactly one page.
    #[error("region {name}, {start} to {end}, must be one aligned page")]
    NotOnePage {
        /// The region's name.
        name: Cow<'static, str>,
        /// Its first byte.
        start: Gpa,
        /// The byte after its last.
        end: Gpa,
    },
}

/// The memory a guest is launched with: every page that is present belongs to a region.
/// Serializes as the list of its regions without their contents.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct GuestMemory<'a> {
    regions: Vec<Region<'a>>,
    #[serde(skip)]
    required: Vec<Range<Gpa>>,
}

impl<'a> GuestMemory<'a> {
    /// The memory made up of `regions`, in ascending order; empty ones are left out. `required`
    /// are the page-aligned ranges that the loader must back with RAM, whatever else it gives the
    /// guest.
    ///
    /// # Errors
    /// Regions overlap or are out of order, or one that is not data is not exactly one page.
    pub fn new(
        mut regions: Vec<Region<'a>>,
        required: Vec<Range<Gpa>>,
    ) -> Result<Self, MemoryError> {
        regions.retain(|region| region.start < region.end);
        for pair in regions.windows(2) {
            if pair[0].end > pair[1].start {
                return Err(MemoryError::Overlap {
                    first: pair[0].name.clone(),
                    end: pair[0].end,
                    second: pair[1].name.clone(),
                    start: pair[1].start,
                });
            }
        }
        for region in &regions {
            let one_page = region.start.is_page_aligned()
                && region.end.get() - region.start.get() == PAGE_SIZE;
            if region.kind != RegionKind::Data && !one_page {
                return Err(MemoryError::NotOnePage {
                    name: region.name.clone(),
                    start: region.start,
                    end: region.end,
                });
            }
        }
        Ok(Self { regions, required })
    }

    /// The regions in ascending order.
    pub fn regions(&self) -> &[Region<'a>] {
        &self.regions
    }

    /// The ranges that the loader must back with RAM.
    pub fn required(&self) -> &[Range<Gpa>] {
        &self.required
    }

    /// The pages that are present, in ascending order.
    pub fn pages(&self) -> Pages<'_, 'a> {
        Pages {
            regions: &self.regions,
            next: Gpa::new(0),
        }
    }
}

/// A page that is present.
#[derive(Debug, Clone)]
pub struct Page<'m> {
    /// Its address.
    pub gpa: Gpa,
    /// What the loader does with it.
    pub kind: RegionKind,
    /// Its contents; `None` is a page of zeros.
    pub data: Option<Cow<'m, PageBytes>>,
}

/// The pages of a [`GuestMemory`], in ascending order.
#[derive(Debug, Clone)]
pub struct Pages<'m, 'a> {
    regions: &'m [Region<'a>],
    next: Gpa,
}

impl<'m> Iterator for Pages<'m, '_> {
    type Item = Page<'m>;

    fn next(&mut self) -> Option<Page<'m>> {
        let done = |region: &Region<'_>| region.end <= self.next;
        let passed = self
            .regions
            .iter()
            .take_while(|region| done(region))
            .count();
        self.regions = &self.regions[passed..];
        let first = self.regions.first()?;
        let aligned = first.start.get() - first.start.get() % PAGE_SIZE;
        let gpa = self.next.max(Gpa::new(aligned));
        // A page that ends past the address space is the last one.
        let end = gpa.checked_add(PAGE_SIZE).unwrap_or(Gpa::new(u64::MAX));
        self.next = end;
        let data = if first.start <= gpa && end <= first.end {
            page_of_one(first.slice(gpa, PAGE))
        } else {
            page_of_several(self.regions, gpa, end)
        };
        Some(Page {
            gpa,
            kind: first.kind,
            data,
        })
    }
}

/// A page that lies in one region, whose contents there are `bytes`.
fn page_of_one(bytes: &[u8]) -> Option<Cow<'_, PageBytes>> {
    match <&PageBytes>::try_from(bytes) {
        Ok(page) => (*page != ZERO_PAGE).then_some(Cow::Borrowed(page)),
        Err(_) if bytes.iter().all(|byte| *byte == 0) => None,
        Err(_) => {
            let mut page = ZERO_PAGE;
            page[..bytes.len()].copy_from_slice(bytes);
            Some(Cow::Owned(page))
        }
    }
}

/// The page at `gpa` up to `end`, put together from every region that reaches into it.
fn page_of_several<'m>(
    regions: &'m [Region<'_>],
    gpa: Gpa,
    end: Gpa,
) -> Option<Cow<'m, PageBytes>> {
    let mut page = ZERO_PAGE;
    for region in regions.iter().take_while(|region| region.start < end) {
        let from = region.start.max(gpa);
        let offset = (from.get() % PAGE_SIZE) as usize;
        let bytes = region.slice(from, PAGE - offset);
        page[offset..offset + bytes.len()].copy_from_slice(bytes);
    }
    (page != ZERO_PAGE).then_some(Cow::Owned(page))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region<'a>(name: &'static str, start: u64, size: u64, contents: &'a [u8]) -> Region<'a> {
        let origin = Origin::layout(name);
        let start = Gpa::new(start);
        Region::new(name, start, size, RegionKind::Data, contents, origin).unwrap()
    }

    fn memory(regions: Vec<Region<'_>>) -> GuestMemory<'_> {
        GuestMemory::new(regions, Vec::new()).unwrap()
    }

    #[test]
    fn a_page_holds_every_region_that_reaches_into_it() {
        let memory = memory(vec![
            region("a", 0x1ff0, 0x20, &[1; 0x20]),
            region("b", 0x2020, 0x10, &[2; 8]),
            region("c", 0x2fff, 2, &[3]),
        ]);
        let pages: Vec<_> = memory.pages().collect();
        let addresses: Vec<_> = pages.iter().map(|page| page.gpa.get()).collect();
        assert_eq!(addresses, [0x1000, 0x2000, 0x3000]);
        let first = pages[0].data.as_ref().unwrap();
        assert_eq!(first[..0xff0], [0; 0xff0]);
        assert_eq!(first[0xff0..], [1; 0x10]);
        let second = pages[1].data.as_ref().unwrap();
        assert_eq!(second[..0x10], [1; 0x10]);
        assert_eq!(second[0x10..0x20], [0; 0x10]);
        assert_eq!(second[0x20..0x28], [2; 8]);
        assert_eq!(second[0x28..0xfff], [0; 0xfd7]);
        assert_eq!(second[0xfff], 3);
        assert!(pages[2].data.is_none(), "only zeros reach into it");
    }

    #[test]
    fn whole_pages_are_borrowed_and_zeros_cost_nothing() {
        let mut contents = vec![0; 3 * PAGE];
        contents[0] = 1;
        contents[2 * PAGE] = 2;
        let memory = memory(vec![region("a", 0x1000, 1 << 30, &contents)]);
        let mut pages = memory.pages();
        assert!(matches!(pages.next().unwrap().data, Some(Cow::Borrowed(_))));
        assert!(pages.next().unwrap().data.is_none());
        assert!(matches!(pages.next().unwrap().data, Some(Cow::Borrowed(_))));
        assert!(pages.all(|page| page.data.is_none()));
        assert_eq!(memory.pages().count(), (1 << 30) / PAGE);
    }

    #[test]
    fn what_is_between_regions_is_absent() {
        let memory = memory(vec![
            region("a", 0x1000, 0x1000, &[]),
            region("b", 0x5000, 0x1000, &[]),
            region("last", 0xffff_ffff_f000, 0x1000, &[]),
        ]);
        let addresses: Vec<_> = memory.pages().map(|page| page.gpa.get()).collect();
        assert_eq!(addresses, [0x1000, 0x5000, 0xffff_ffff_f000]);
    }

    #[test]
    fn overlap_and_odd_special_pages_are_refused() {
        let overlap = GuestMemory::new(
            vec![region("a", 0, 0x11, &[]), region("b", 0x10, 1, &[])],
            Vec::new(),
        );
        assert_eq!(
            overlap.unwrap_err().to_string(),
            "region b at 0x10 begins before region a ends at 0x11"
        );
        let origin = Origin::layout("VMSA");
        let vmsa = Region::new("VMSA", Gpa::new(0), 8, RegionKind::Vmsa, &[][..], origin).unwrap();
        assert_eq!(
            GuestMemory::new(vec![vmsa], Vec::new())
                .unwrap_err()
                .to_string(),
            "region VMSA, 0x0 to 0x8, must be one aligned page"
        );
    }

    #[test]
    fn it_serializes_as_its_regions() {
        let memory = memory(vec![region("a", 0x1000, 0x1000, &[1])]);
        assert_eq!(
            serde_json::to_value(&memory).unwrap(),
            serde_json::json!([{
                "name": "a",
                "start": "0x1000",
                "end": "0x2000",
                "kind": "data",
                "origin": { "kind": "layout", "name": "a" },
            }])
        );
    }
}
