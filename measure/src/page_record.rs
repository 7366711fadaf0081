//! What SEV-SNP launches a guest with, page by page.

use std::fmt;

use crate::{Gpa, PageId};

/// Type of a launched page, as in PAGE_INFO and SNP_LAUNCH_UPDATE (SEV-SNP Firmware ABI,
/// section 8.17).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PageType {
    /// Measured data.
    Normal = 1,
    /// The measured initial state of a virtual processor.
    Vmsa = 2,
    /// Zeros, measured as a type and not by contents.
    Zero = 3,
    /// Data that is loaded and not measured.
    Unmeasured = 4,
    /// Secrets that the firmware writes.
    Secrets = 5,
    /// CPUID results that the firmware checks.
    Cpuid = 6,
}

impl PageType {
    /// The number that stands for the type in PAGE_INFO.
    pub const fn to_wire(self) -> u8 {
        self as u8
    }

    /// The type's name in the SEV-SNP Firmware ABI.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "NORMAL",
            Self::Vmsa => "VMSA",
            Self::Zero => "ZERO",
            Self::Unmeasured => "UNMEASURED",
            Self::Secrets => "SECRETS",
            Self::Cpuid => "CPUID",
        }
    }
}

impl fmt::Display for PageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One launched page: a link of the launch digest's chain. Loaders disagree on which records a
/// file makes and in which order; from the records on, hardware decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRecord {
    gpa: Gpa,
    page_type: PageType,
    contents: Option<PageId>,
}

const _: () = assert!(size_of::<PageRecord>() == 16);

impl PageRecord {
    /// A page whose contents are measured.
    pub const fn normal(gpa: Gpa, contents: PageId) -> Self {
        Self {
            gpa,
            page_type: PageType::Normal,
            contents: Some(contents),
        }
    }

    /// The state of a virtual processor, whose contents are measured.
    pub const fn vmsa(gpa: Gpa, contents: PageId) -> Self {
        Self {
            gpa,
            page_type: PageType::Vmsa,
            contents: Some(contents),
        }
    }

    /// A page of which only address and type are measured.
    pub const fn without_contents(gpa: Gpa, kind: UnreadPage) -> Self {
        let page_type = match kind {
            UnreadPage::Zero => PageType::Zero,
            UnreadPage::Unmeasured => PageType::Unmeasured,
            UnreadPage::Secrets => PageType::Secrets,
            UnreadPage::Cpuid => PageType::Cpuid,
        };
        Self {
            gpa,
            page_type,
            contents: None,
        }
    }

    /// Where the page is in guest memory.
    pub const fn gpa(&self) -> Gpa {
        self.gpa
    }

    /// The page's type.
    pub const fn page_type(&self) -> PageType {
        self.page_type
    }

    /// The measured contents; `None` for types whose contents are not measured.
    pub const fn contents(&self) -> Option<PageId> {
        self.contents
    }
}

/// Page types whose contents are not measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnreadPage {
    /// [`PageType::Zero`].
    Zero,
    /// [`PageType::Unmeasured`].
    Unmeasured,
    /// [`PageType::Secrets`].
    Secrets,
    /// [`PageType::Cpuid`].
    Cpuid,
}
