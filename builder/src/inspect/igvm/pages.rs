//! Pages, folded into ranges.

use guestmark_measure::Gpa;
use guestmark_measure::igvm::{
    CompatibilityMask, Directive, IgvmFile, PageData, PageDataType, PageFlags,
};
use serde::Serialize;

use super::mask_hex;
use crate::inspect::text::Hex;

/// Pages of one type that follow each other in the file and in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PageRange {
    /// Its first byte.
    pub start: Gpa,
    /// How many pages.
    pub pages: u64,
    /// How many of them hold nothing but zeros.
    pub zero_pages: u64,
    /// How many of those have no data in the file, which KVM loaders measure as another type.
    pub pages_without_data: u64,
    /// Bytes of memory.
    pub bytes: u64,
    /// What they hold.
    #[serde(rename = "type")]
    pub page_type: &'static str,
    /// Whether the pages are of 2 MiB and not of 4 KiB.
    pub large: bool,
    /// Whether the contents stay out of the measurement.
    pub unmeasured: bool,
    /// Whether the host may see them.
    pub shared: bool,
    /// The platforms they are for.
    pub mask: Hex,
}

/// What pages of one range have in common, and where the next one must be.
struct Open {
    data_type: PageDataType,
    flags: PageFlags,
    mask: CompatibilityMask,
    /// `None` at the end of the address space.
    next: Option<Gpa>,
}

/// The pages of a file, in its order.
pub(super) fn fold(file: &IgvmFile<'_>) -> Vec<PageRange> {
    let mut ranges: Vec<PageRange> = Vec::new();
    let mut open: Option<Open> = None;
    let mut zeros = Zeros::default();
    for directive in file.directives() {
        let Directive::PageData(page) = directive else {
            continue;
        };
        let continues = open.as_ref().is_some_and(|open| open.takes(page));
        if !continues {
            ranges.push(PageRange::empty(page));
        }
        if let Some(range) = ranges.last_mut() {
            range.pages += 1;
            range.bytes += page.size();
            range.zero_pages += u64::from(zeros.are_in(page));
            range.pages_without_data += u64::from(page.data.is_none());
        }
        open = Some(Open {
            data_type: page.data_type,
            flags: page.flags,
            mask: page.mask,
            next: page.gpa.checked_add(page.size()),
        });
    }
    ranges
}

impl Open {
    fn takes(&self, page: &PageData<'_>) -> bool {
        self.next == Some(page.gpa)
            && self.data_type == page.data_type
            && self.flags == page.flags
            && self.mask == page.mask
    }
}

impl PageRange {
    fn empty(page: &PageData<'_>) -> Self {
        Self {
            start: page.gpa,
            pages: 0,
            zero_pages: 0,
            pages_without_data: 0,
            bytes: 0,
            page_type: match page.data_type {
                PageDataType::Normal => "normal",
                PageDataType::Secrets => "secrets",
                PageDataType::CpuidData => "cpuid",
                PageDataType::CpuidExtendedState => "cpuid-extended-state",
            },
            large: page.flags.is_large(),
            unmeasured: page.flags.is_unmeasured(),
            shared: page.flags.is_shared(),
            mask: mask_hex(page.mask),
        }
    }
}

/// Tells pages of zeros. Files store them once, so that most are the one seen before.
#[derive(Default)]
struct Zeros {
    last_zero_page: Option<*const u8>,
}

impl Zeros {
    fn are_in(&mut self, page: &PageData<'_>) -> bool {
        let Some(data) = page.data else {
            return true;
        };
        if self.last_zero_page == Some(data.as_ptr()) {
            return true;
        }
        let is_zero = data.iter().all(|&byte| byte == 0);
        if is_zero {
            self.last_zero_page = Some(data.as_ptr());
        }
        is_zero
    }
}
