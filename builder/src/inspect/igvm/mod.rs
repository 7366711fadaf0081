//! An IGVM file: what a loader would do with it, and the Linux guest that it starts.

mod id_block;
mod linux;
mod memory;
mod pages;
mod parameters;
mod vp_context;

#[cfg(test)]
mod tests;

use guestmark_measure::Gpa;
use guestmark_measure::igvm::{
    Architecture, CompatibilityMask, Directive, IgvmError, IgvmFile, Initialization, PlatformType,
    Revision,
};
use serde::Serialize;

pub use id_block::{KeyFacts, SignedIdBlockFacts};
pub use linux::{CommandLine, E820Range, InitrdRange, LinuxFacts};
pub use pages::PageRange;
pub use parameters::{ParameterAreaFacts, ParameterFacts};
pub use vp_context::{Registers, SevFeatures, VpContextFacts};

use super::policy::Policy;
use super::text::{Hex, printable};
use memory::LaunchedMemory;

/// An IGVM file.
#[derive(Debug, Clone, Serialize)]
pub struct IgvmFacts {
    /// Bytes in the file.
    pub bytes: u64,
    /// Version of the format.
    pub revision: u32,
    /// Processor architecture.
    pub architecture: &'static str,
    /// A label that the file's maker chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_string: Option<String>,
    /// The platforms it can be loaded on.
    pub platforms: Vec<PlatformFacts>,
    /// Signed ID blocks. Loaders refuse a file with more than one for a platform.
    pub id_blocks: Vec<SignedIdBlockFacts>,
    /// Headers besides those described elsewhere, in file order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_headers: Vec<OtherHeader>,
    /// Headers of unknown type, which loaders may skip.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown_headers: Vec<UnknownHeaderFacts>,
    /// Pages, those that follow each other folded, in file order.
    pub pages: Vec<PageRange>,
    /// Areas that a loader fills with facts about the machine.
    pub parameter_areas: Vec<ParameterAreaFacts>,
    /// Memory that must be there.
    pub required_memory: Vec<MemoryRange>,
    /// Initial states of virtual processors.
    pub vp_contexts: Vec<VpContextFacts>,
    /// The Linux guest that virtual processor 0 starts on SEV-SNP, if that is what it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linux: Option<LinuxFacts>,
}

/// A platform that the file can be loaded on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlatformFacts {
    /// The platform's name.
    pub platform: &'static str,
    /// The bit by which headers name it.
    pub mask: Hex,
    /// The highest virtual trust level used.
    pub highest_vtl: u8,
    /// First address that is shared with the host; 0 for none.
    pub shared_gpa_boundary: Gpa,
    /// The guest policy, on SEV-SNP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest_policy: Option<Policy>,
}

/// A header that is only counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OtherHeader {
    /// What it is.
    pub header: &'static str,
    /// The platforms it is for.
    pub mask: Hex,
}

/// A header of unknown type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnknownHeaderFacts {
    /// Its type, with bit 31 set: "optional".
    #[serde(rename = "type")]
    pub header_type: Hex,
    /// Where it starts in the file.
    pub offset: u64,
    /// Bytes it holds.
    pub bytes: u64,
}

/// A range of memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemoryRange {
    /// Its first byte.
    pub start: Gpa,
    /// Bytes it has.
    pub bytes: u64,
    /// The platforms it is for.
    pub mask: Hex,
}

impl IgvmFacts {
    /// Reads the IGVM file with these bytes.
    ///
    /// # Errors
    /// The file breaks a rule of the format.
    pub fn read(bytes: &[u8]) -> Result<Self, IgvmError> {
        let file = IgvmFile::parse(bytes)?;
        let revision = file.revision();
        let unknown = file.unknown_optional().iter();
        Ok(Self {
            bytes: bytes.len() as u64,
            revision: match revision {
                Revision::V1 => 1,
                Revision::V2 { .. } => 2,
            },
            architecture: match revision.architecture() {
                Architecture::X64 => "x86-64",
                Architecture::AArch64 => "aarch64",
            },
            version_string: version_string(&file),
            platforms: platforms(&file),
            id_blocks: id_block::all(&file),
            other_headers: other_headers(&file),
            unknown_headers: unknown
                .map(|header| UnknownHeaderFacts {
                    header_type: Hex(header.kind.into()),
                    offset: header.offset as u64,
                    bytes: header.length as u64,
                })
                .collect(),
            pages: pages::fold(&file),
            parameter_areas: parameters::all(&file),
            required_memory: required_memory(&file),
            vp_contexts: vp_context::all(&file),
            linux: linux(&file),
        })
    }
}

fn mask_hex(mask: CompatibilityMask) -> Hex {
    Hex(mask.bits().into())
}

fn version_string(file: &IgvmFile<'_>) -> Option<String> {
    file.initializations()
        .iter()
        .find_map(|header| match header {
            Initialization::VersionString(text) => Some(printable(text.as_bytes())),
            _ => None,
        })
}

fn platforms(file: &IgvmFile<'_>) -> Vec<PlatformFacts> {
    let facts = file.platforms().iter().map(|supported| {
        let is_snp = supported.platform == PlatformType::SevSnp;
        let policy = is_snp.then(|| file.guest_policy(supported.mask)).flatten();
        PlatformFacts {
            platform: match supported.platform {
                PlatformType::Native => "native",
                PlatformType::Vsm => "vsm",
                PlatformType::SevSnp => "sev-snp",
                PlatformType::Tdx => "tdx",
                PlatformType::Sev => "sev",
                PlatformType::SevEs => "sev-es",
                PlatformType::Cca => "cca",
            },
            mask: mask_hex(supported.mask),
            highest_vtl: supported.highest_vtl,
            shared_gpa_boundary: Gpa::new(supported.shared_gpa_boundary),
            guest_policy: policy.map(Policy::new),
        }
    });
    facts.collect()
}

/// Headers that no other part of [`IgvmFacts`] is about.
fn other_headers(file: &IgvmFile<'_>) -> Vec<OtherHeader> {
    let initializations = file.initializations().iter().filter_map(|header| {
        let mask = header.mask()?;
        let is_told = matches!(header, Initialization::GuestPolicy { .. });
        (!is_told).then(|| (header.name(), mask))
    });
    let directives = file
        .directives()
        .iter()
        .filter_map(|directive| match directive {
            Directive::ErrorRange(range) => Some((directive.name(), range.mask)),
            Directive::VbsMeasurement { mask } => Some((directive.name(), *mask)),
            _ => None,
        });
    initializations
        .chain(directives)
        .map(|(header, mask)| OtherHeader {
            header,
            mask: mask_hex(mask),
        })
        .collect()
}

fn required_memory(file: &IgvmFile<'_>) -> Vec<MemoryRange> {
    let ranges = file
        .directives()
        .iter()
        .filter_map(|directive| match directive {
            Directive::RequiredMemory(memory) => Some(MemoryRange {
                start: memory.gpa,
                bytes: memory.size.into(),
                mask: mask_hex(memory.mask),
            }),
            _ => None,
        });
    ranges.collect()
}

/// The Linux guest, if virtual processor 0 starts one on SEV-SNP.
fn linux(file: &IgvmFile<'_>) -> Option<LinuxFacts> {
    let mask = file.platform(PlatformType::SevSnp)?.mask;
    let registers = vp_context::boot_registers(file, mask)?;
    LinuxFacts::find(&LaunchedMemory::new(file, mask), &registers)
}
