//! Reads IGVM files that nobody vouches for.
//!
//! The file is borrowed, for instance from a memory map: page data is never copied, and what is
//! allocated is in proportion to the number of headers. Source of the format: the IGVM file
//! format definitions (crate `igvm_defs` 0.5).

mod corim;
mod directive;
mod directive_reader;
mod error;
mod file_data;
mod fixed_header;
mod initialization;
mod overlap;
mod parameter;
mod platform;
mod snp_id_block;
mod splice;
mod variable_headers;
mod wire;

pub use corim::{attach_corim, strip_corim};
pub use directive::{
    Directive, ErrorRange, PageData, PageDataType, PageFlags, Parameter, ParameterArea,
    ParameterInsert, RequiredMemory, VpContext, VpState,
};
pub use error::IgvmError;
pub use fixed_header::{Architecture, Revision};
pub use initialization::Initialization;
pub use overlap::Overlap;
pub use parameter::ParameterKind;
pub use platform::{CompatibilityMask, PlatformType, SupportedPlatform};
pub use snp_id_block::{SnpIdBlock, SnpPublicKey, SnpSignature};
pub use splice::SpliceError;
pub(crate) use splice::{insert_id_block, remove_id_block};

use directive_reader::DirectiveReader;
use file_data::FileData;
use fixed_header::FixedHeader;
use variable_headers::{VariableHeader, VariableHeaders};
use wire::kind;

/// An IGVM file: what its headers say, and the data they point to.
#[derive(Debug, Clone)]
pub struct IgvmFile<'a> {
    revision: Revision,
    platforms: Vec<SupportedPlatform>,
    initializations: Vec<Initialization<'a>>,
    directives: Vec<Directive<'a>>,
    unknown_optional: Vec<UnknownHeader>,
}

/// A header of unknown type that loaders may skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownHeader {
    /// Its start in the file.
    pub offset: usize,
    /// Its type, bit 31 set.
    pub kind: u32,
    /// Bytes it holds.
    pub length: usize,
}

/// The parts of the variable headers, in the order in which they must come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    Platform,
    Initialization,
    Directive,
}

impl Section {
    /// The section of headers of type `kind`.
    const fn of(kind: u32) -> Option<Self> {
        match kind {
            0x001..=0x100 => Some(Self::Platform),
            0x101..=0x200 => Some(Self::Initialization),
            0x301..=0x400 => Some(Self::Directive),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Initialization => "initialization",
            Self::Directive => "directive",
        }
    }
}

impl<'a> IgvmFile<'a> {
    /// Bytes of memory that parameter areas and 2 MiB pages may add up to in one file. Measuring
    /// them takes time although the file does not carry them; 1 GiB is about 0.1 s.
    pub const DECLARED_MEMORY_LIMIT: u64 = 1 << 30;

    /// Reads the headers of `file`, the bytes of a whole IGVM file.
    ///
    /// # Errors
    /// The first thing found wrong, with its offset. Unknown headers are refused unless marked
    /// optional, and so is memory declared beyond [`Self::DECLARED_MEMORY_LIMIT`].
    pub fn parse(file: &'a [u8]) -> Result<Self, IgvmError> {
        let fixed = FixedHeader::parse(file)?;
        let range = fixed.variable_headers;
        let data = FileData::new(file, range.end);
        let mut parsed = Self {
            revision: fixed.revision,
            platforms: Vec::new(),
            initializations: Vec::new(),
            directives: Vec::new(),
            unknown_optional: Vec::new(),
        };
        let mut directives = DirectiveReader::new(data);
        let mut reached = Section::Platform;
        for header in VariableHeaders::new(&file[range.clone()], range.start) {
            let header = header?;
            if header.is_optional() {
                parsed.unknown_optional.push(unknown_optional(&header)?);
                continue;
            }
            let section = section(&header, reached)?;
            reached = section;
            match section {
                Section::Platform if header.kind == kind::SUPPORTED_PLATFORM => {
                    let architecture = parsed.revision.architecture();
                    let platform =
                        SupportedPlatform::parse(&header, architecture, &parsed.platforms)?;
                    parsed.platforms.push(platform);
                }
                Section::Platform => return Err(unknown_required(&header)),
                Section::Initialization => {
                    parsed
                        .initializations
                        .push(Initialization::parse(&header, data)?);
                }
                Section::Directive => {
                    parsed
                        .directives
                        .push(directives.read(&header, &parsed.platforms)?);
                }
            }
        }
        if parsed.platforms.is_empty() {
            return Err(IgvmError::NoPlatform);
        }
        Ok(parsed)
    }

    /// The version of the format.
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// The platforms the file supports, in file order.
    pub fn platforms(&self) -> &[SupportedPlatform] {
        &self.platforms
    }

    /// The header of one platform, if the file supports it.
    pub fn platform(&self, platform: PlatformType) -> Option<&SupportedPlatform> {
        self.platforms
            .iter()
            .find(|supported| supported.platform == platform)
    }

    /// The initialization headers of all platforms, in file order.
    pub fn initializations(&self) -> &[Initialization<'a>] {
        &self.initializations
    }

    /// The first guest policy for the platform with this mask.
    pub fn guest_policy(&self, platform: CompatibilityMask) -> Option<u64> {
        self.initializations.iter().find_map(|header| match header {
            Initialization::GuestPolicy { mask, policy } if mask.intersects(platform) => {
                Some(*policy)
            }
            _ => None,
        })
    }

    /// The directives of all platforms, in file order.
    pub fn directives(&self) -> &[Directive<'a>] {
        &self.directives
    }

    /// Headers that were skipped: unknown and marked optional.
    pub fn unknown_optional(&self) -> &[UnknownHeader] {
        &self.unknown_optional
    }
}

fn section(header: &VariableHeader<'_>, reached: Section) -> Result<Section, IgvmError> {
    let section = Section::of(header.kind).ok_or_else(|| unknown_required(header))?;
    if section < reached {
        return Err(IgvmError::SectionOrder {
            offset: header.offset,
            found: section.name(),
            after: reached.name(),
        });
    }
    Ok(section)
}

fn unknown_required(header: &VariableHeader<'_>) -> IgvmError {
    IgvmError::UnknownRequired {
        offset: header.offset,
        kind: header.kind,
    }
}

fn unknown_optional(header: &VariableHeader<'_>) -> Result<UnknownHeader, IgvmError> {
    let VariableHeader { offset, kind, body } = *header;
    if kind::is_known(kind & !kind::OPTIONAL) {
        return Err(IgvmError::OptionalButKnown { offset, kind });
    }
    Ok(UnknownHeader {
        offset,
        kind,
        length: body.len(),
    })
}

#[cfg(test)]
mod tests;
