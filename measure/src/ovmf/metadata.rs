//! SEV metadata: the memory that firmware needs launched beside its image.
//!
//! An entry of the footer table tells how far before the end of the image it starts (edk2,
//! `OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm`).

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::footer::{FooterTable, Item};
use super::{Firmware, OvmfError};
use crate::{Gpa, PAGE_SIZE};

/// What a section is launched as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionKind {
    /// Memory that the firmware uses before it can validate any: zeros.
    SecMem,
    /// The page of secrets.
    Secrets,
    /// The page of CPUID results.
    Cpuid,
    /// The calling area of an SVSM: zeros.
    SvsmCallingArea,
    /// The page that the table of kernel hashes lies in, or zeros without a kernel.
    KernelHashes,
}

impl SectionKind {
    /// The name of the kind in the sources of OVMF.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SecMem => "SNP_SEC_MEM",
            Self::Secrets => "SNP_SECRETS",
            Self::Cpuid => "CPUID",
            Self::SvsmCallingArea => "SVSM_CAA",
            Self::KernelHashes => "SNP_KERNEL_HASHES",
        }
    }

    const fn from_wire(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::SecMem,
            2 => Self::Secrets,
            3 => Self::Cpuid,
            4 => Self::SvsmCallingArea,
            0x10 => Self::KernelHashes,
            _ => return None,
        })
    }

    /// Whether the section is one page by its nature.
    const fn is_one_page(self) -> bool {
        matches!(self, Self::Secrets | Self::Cpuid | Self::KernelHashes)
    }
}

/// A range of whole pages to launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// Start of the range, below 4 GiB.
    pub gpa: Gpa,
    /// Bytes in the range, never 0.
    pub size: u64,
    /// What it is launched as.
    pub kind: SectionKind,
}

impl Section {
    /// The addresses of the section's pages.
    pub(super) fn pages(self) -> impl Iterator<Item = Gpa> {
        (0..self.size / PAGE_SIZE).map(move |page| Gpa::new(self.gpa.get() + page * PAGE_SIZE))
    }

    /// The first address above the section.
    pub(super) fn end(&self) -> u64 {
        self.gpa.get() + self.size
    }
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    signature: [u8; 4],
    /// Bytes of the metadata, this header included.
    size: U32,
    version: U32,
    sections: U32,
}

const _: () = assert!(size_of::<Header>() == 16);

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Descriptor {
    gpa: U32,
    size: U32,
    kind: U32,
}

const _: () = assert!(size_of::<Descriptor>() == 12);

/// The sections that `image` declares; `None` if it has no metadata.
pub(super) fn sections(
    image: &[u8],
    table: &FooterTable<'_>,
) -> Result<Option<Vec<Section>>, OvmfError> {
    let Some(entry) = table.get(Item::SevMetadata) else {
        return Ok(None);
    };
    let from_end = entry.u32(0)?;
    let outside = || OvmfError::MetadataOutside {
        offset: entry.offset,
        limit: image.len(),
        found: from_end,
    };
    let start = usize::try_from(from_end).map_err(|_| outside())?;
    let start = image.len().checked_sub(start).ok_or_else(outside)?;
    let (header, rest) = Header::ref_from_prefix(&image[start..]).map_err(|_| outside())?;

    let field = |offset, field, expected: String, found| OvmfError::MetadataField {
        offset: start + offset,
        field,
        expected,
        found,
    };
    if header.signature != *b"ASEV" {
        return Err(OvmfError::MetadataSignature {
            offset: start,
            found: header.signature,
        });
    }
    if header.version != 1 {
        return Err(field(8, "version", "1".into(), header.version.get()));
    }
    // As many descriptors as the size leaves room for, which the image has to carry.
    let body = (header.size.get() as usize).checked_sub(size_of::<Header>());
    let body = body.and_then(|body| rest.get(..body)).ok_or_else(|| {
        let room = format!("{} to {}", size_of::<Header>(), from_end);
        field(4, "size", room, header.size.get())
    })?;
    let room = body.len() / size_of::<Descriptor>();
    let count = header.sections.get() as usize;
    if count == 0 || count > room {
        let expected = format!("1 to {room}, as the size allows");
        return Err(field(
            12,
            "number of sections",
            expected,
            header.sections.get(),
        ));
    }

    let (descriptors, _) =
        <[Descriptor]>::ref_from_prefix_with_elems(body, count).map_err(|_| outside())?;
    let first = start + size_of::<Header>();
    let sections = (first..)
        .step_by(size_of::<Descriptor>())
        .zip(descriptors)
        .map(|(offset, descriptor)| section(offset, descriptor))
        .collect::<Result<Vec<_>, _>>()?;
    check_together(&sections)?;
    Ok(Some(sections))
}

fn section(offset: usize, descriptor: &Descriptor) -> Result<Section, OvmfError> {
    let kind = SectionKind::from_wire(descriptor.kind.get());
    let kind = kind.ok_or(OvmfError::UnknownSection {
        offset,
        found: descriptor.kind.get(),
    })?;
    let section = Section {
        gpa: Gpa::new(descriptor.gpa.get().into()),
        size: descriptor.size.get().into(),
        kind,
    };
    let expected = match kind.is_one_page() {
        _ if section.size == 0 || !section.size.is_multiple_of(PAGE_SIZE) => "whole pages",
        _ if !section.gpa.is_page_aligned() => "a page-aligned address",
        true if section.size != PAGE_SIZE => "one page",
        true | false => return Ok(section),
    };
    Err(OvmfError::SectionRange {
        offset,
        section,
        expected,
    })
}

/// Checks what no section shows alone. The firmware of the processor launches no page twice
/// (SEV-SNP Firmware ABI, SNP_LAUNCH_UPDATE), so a guest with pages in common has no digest.
fn check_together(sections: &[Section]) -> Result<(), OvmfError> {
    let declared: u64 = sections.iter().map(|section| section.size).sum();
    if declared > Firmware::DECLARED_MEMORY_LIMIT {
        return Err(OvmfError::DeclaredMemory {
            limit: Firmware::DECLARED_MEMORY_LIMIT,
            found: declared,
        });
    }
    let mut ascending: Vec<&Section> = sections.iter().collect();
    ascending.sort_by_key(|section| section.gpa);
    match ascending
        .array_windows()
        .find(|[first, second]| first.end() > second.gpa.get())
    {
        Some([first, second]) => Err(OvmfError::Overlap {
            first: **first,
            second: **second,
        }),
        None => Ok(()),
    }
}
