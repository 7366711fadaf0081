//! Directive headers: what a loader does, in order.

use super::{CompatibilityMask, ParameterKind, SnpIdBlock};
use crate::lanes::Page;
use crate::{Gpa, PAGE_SIZE};

/// A directive header.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Directive<'a> {
    /// Declares memory that the loader fills.
    ParameterArea(ParameterArea<'a>),
    /// A page to load.
    PageData(PageData<'a>),
    /// Puts a parameter area into guest memory.
    ParameterInsert(ParameterInsert),
    /// Initial state of a virtual processor.
    VpContext(VpContext<'a>),
    /// Memory that must be there.
    RequiredMemory(RequiredMemory),
    /// Something for the loader to write into a parameter area.
    Parameter(Parameter),
    /// The signed SEV-SNP ID block.
    SnpIdBlock(&'a SnpIdBlock),
    /// Shared memory in which the guest reports errors.
    ErrorRange(ErrorRange),
    /// A signed VBS measurement; contents are not read.
    VbsMeasurement {
        /// The platforms it is for.
        mask: CompatibilityMask,
    },
}

impl Directive<'_> {
    /// The platforms the directive is for; `None` for all.
    pub const fn mask(&self) -> Option<CompatibilityMask> {
        match self {
            Self::PageData(page) => Some(page.mask),
            Self::ParameterInsert(insert) => Some(insert.mask),
            Self::VpContext(context) => Some(context.mask),
            Self::RequiredMemory(memory) => Some(memory.mask),
            Self::SnpIdBlock(block) => Some(block.mask()),
            Self::ErrorRange(range) => Some(range.mask),
            Self::VbsMeasurement { mask } => Some(*mask),
            Self::ParameterArea(_) | Self::Parameter(_) => None,
        }
    }

    /// Whether the directive is for the platform with this mask.
    pub fn applies_to(&self, platform: CompatibilityMask) -> bool {
        self.mask().is_none_or(|mask| mask.intersects(platform))
    }

    /// What the directive is, in words.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ParameterArea(_) => "parameter area",
            Self::PageData(_) => "page data",
            Self::ParameterInsert(_) => "parameter insert",
            Self::VpContext(_) => "VP context",
            Self::RequiredMemory(_) => "required memory",
            Self::Parameter(parameter) => parameter.kind.name(),
            Self::SnpIdBlock(_) => "SNP ID block",
            Self::ErrorRange(_) => "error range",
            Self::VbsMeasurement { .. } => "VBS measurement",
        }
    }
}

/// Memory that the loader fills with parameters and inserts later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterArea<'a> {
    /// The index by which parameters and the insert name it.
    pub index: u32,
    /// Bytes, a multiple of the page size.
    pub size: u64,
    /// Contents before parameters are written; `None` for zeros.
    pub initial: Option<&'a [u8]>,
}

/// One page of guest memory.
#[derive(Debug, Clone, Copy)]
pub struct PageData<'a> {
    /// Where it goes, page-aligned; 2 MiB-aligned with [`PageFlags::is_large`].
    pub gpa: Gpa,
    /// The platforms it is for.
    pub mask: CompatibilityMask,
    /// How to load it.
    pub flags: PageFlags,
    /// What it holds.
    pub data_type: PageDataType,
    /// Its contents; `None` for zeros that the file does not carry. Pages that the file stores
    /// once have the same address here.
    pub data: Option<&'a Page>,
}

impl PageData<'_> {
    /// Bytes of guest memory that the header describes: 4 KiB or 2 MiB.
    pub const fn size(&self) -> u64 {
        if self.flags.is_large() {
            PageFlags::LARGE_PAGE_SIZE
        } else {
            PAGE_SIZE
        }
    }
}

/// Flags of a [`PageData`] header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageFlags(u32);

impl PageFlags {
    /// Bytes in a large page.
    pub const LARGE_PAGE_SIZE: u64 = 2 << 20;

    const LARGE: u32 = 1 << 0;
    const UNMEASURED: u32 = 1 << 1;
    const SHARED: u32 = 1 << 2;

    /// The flags in these bits, or `None` if a reserved bit is set.
    pub const fn from_bits(bits: u32) -> Option<Self> {
        if bits & !(Self::LARGE | Self::UNMEASURED | Self::SHARED) != 0 {
            return None;
        }
        Some(Self(bits))
    }

    /// Whether this is a 2 MiB page.
    pub const fn is_large(self) -> bool {
        self.0 & Self::LARGE != 0
    }

    /// Whether the contents stay out of the measurement.
    pub const fn is_unmeasured(self) -> bool {
        self.0 & Self::UNMEASURED != 0
    }

    /// Whether the host may see the page.
    pub const fn is_shared(self) -> bool {
        self.0 & Self::SHARED != 0
    }
}

/// What a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageDataType {
    /// The data that the file gives.
    Normal,
    /// Secrets that the SEV-SNP firmware writes.
    Secrets,
    /// CPUID results that the loader fills and the SEV-SNP firmware checks.
    CpuidData,
    /// CPUID results for extended state.
    CpuidExtendedState,
}

impl PageDataType {
    pub(super) const fn from_wire(value: u16) -> Option<Self> {
        Some(match value {
            0 => Self::Normal,
            1 => Self::Secrets,
            2 => Self::CpuidData,
            3 => Self::CpuidExtendedState,
            _ => return None,
        })
    }
}

/// Puts a parameter area into guest memory, unmeasured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterInsert {
    /// Where the area goes, page-aligned.
    pub gpa: Gpa,
    /// The platforms it is for.
    pub mask: CompatibilityMask,
    /// The area's index.
    pub index: u32,
    /// The area's size in bytes, as declared before.
    pub size: u64,
}

/// Initial state of a virtual processor.
#[derive(Debug, Clone, Copy)]
pub struct VpContext<'a> {
    /// Where the context goes, page-aligned; 0 where the platform needs no address.
    pub gpa: Gpa,
    /// The platforms it is for.
    pub mask: CompatibilityMask,
    /// The virtual processor, from 0.
    pub vp_index: u16,
    /// The state.
    pub state: VpState<'a>,
}

/// The state in a [`VpContext`], by the platforms of its mask.
#[derive(Debug, Clone, Copy)]
pub enum VpState<'a> {
    /// SEV-SNP and SEV-ES: the save area, VMSA.
    Vmsa(&'a Page),
    /// Another platform's state, which is not read.
    Other {
        /// Where the state starts in the file.
        file_offset: u32,
    },
}

/// Memory without which the guest does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequiredMemory {
    /// Start, page-aligned.
    pub gpa: Gpa,
    /// The platforms it is for.
    pub mask: CompatibilityMask,
    /// Bytes, a multiple of the page size.
    pub size: u32,
    /// Whether VTL 2 must be able to protect it.
    pub vtl2_protectable: bool,
}

/// Something for the loader to write into a parameter area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// What to write.
    pub kind: ParameterKind,
    /// The parameter area.
    pub index: u32,
    /// Where in the area, in bytes from its start.
    pub byte_offset: u32,
}

/// Shared memory in which the guest reports errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorRange {
    /// Start, page-aligned.
    pub gpa: Gpa,
    /// The platforms it is for.
    pub mask: CompatibilityMask,
    /// Bytes.
    pub size: u32,
}
