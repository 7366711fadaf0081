//! Measurements of the other platforms that an IGVM file may be for, computed by the igvm crate.
//!
//! The crate's own parser stops the program on some hostile files, so it never sees the file:
//! it is given the headers of this crate's reader, and only those that the platform measures.
//! What its measurement in turn takes for granted is checked before. Page data is copied for it:
//! memory grows with the pages that the file carries for the platform.

use igvm::IgvmDirectiveHeader;
use igvm::hv_defs::Vtl;
use igvm::measurement::{MeasurementError, generate_tdx_measurement, generate_vbs_measurement};
use igvm::registers::{AArch64Register, X86Register};
use igvm_defs::{
    IGVM_VHS_PARAMETER_INSERT, IgvmPageDataFlags, IgvmPageDataType, VbsVpContextRegister,
};
use serde::Serialize;
use zerocopy::FromBytes;

use crate::igvm::{
    Architecture, CompatibilityMask, Directive, ErrorRange, IgvmFile, PageData, PageDataType,
    ParameterInsert, PlatformType, VpContext, VpState,
};
use crate::{Gpa, Sha256Digest, Sha384Digest};

/// What another platform than SEV-SNP reports for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "platform", content = "digest", rename_all = "lowercase")]
pub enum PlatformDigest {
    /// Intel TDX: MRTD.
    Tdx(Sha384Digest),
    /// Hyper-V virtualisation-based security: the boot measurement.
    Vbs(Sha256Digest),
}

/// A reason why another platform's measurement is not computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlatformRefusal {
    /// The range of a parameter area ends with the address space.
    #[error("{gpa}: the parameter area ends with the address space, expected it below")]
    AreaAtEnd {
        /// Start of the area.
        gpa: Gpa,
    },
    /// A page that only SEV-SNP has.
    #[error("{gpa}: the page is of a type that only SEV-SNP has, expected normal data")]
    PageType {
        /// The page's address.
        gpa: Gpa,
    },
    /// More memory in error ranges than is measured.
    #[error("error ranges add up to {found:#x} bytes, expected at most {limit:#x}")]
    ErrorRanges {
        /// The limit in bytes.
        limit: u64,
        /// Bytes up to the range that passes it.
        found: u64,
    },
    /// Registers of a processor that cannot be told.
    #[error("the VP context at file offset {file_offset:#x} {problem}")]
    VpContext {
        /// Where the registers are.
        file_offset: u32,
        /// What is wrong.
        problem: &'static str,
    },
    /// The igvm crate refuses.
    #[error("the igvm crate cannot measure it: {0}")]
    IgvmCrate(String),
}

impl From<MeasurementError> for PlatformRefusal {
    fn from(error: MeasurementError) -> Self {
        Self::IgvmCrate(error.to_string())
    }
}

/// Registers in one VP context. The igvm crate knows 41.
const MOST_REGISTERS: u32 = 64;

/// Computes what TDX and VBS report for a file that is for them, with the platform's name; `bytes`
/// are those that `file` was read from.
pub fn other_platforms(
    file: &IgvmFile<'_>,
    bytes: &[u8],
) -> Vec<(&'static str, Result<PlatformDigest, PlatformRefusal>)> {
    let measured = file.platforms().iter().filter_map(|it| {
        let headers = Headers {
            file,
            bytes,
            mask: it.mask,
        };
        match it.platform {
            PlatformType::Tdx => Some(("tdx", headers.tdx())),
            PlatformType::Vsm => Some(("vbs", headers.vbs())),
            _ => None,
        }
    });
    measured.collect()
}

/// The headers of one platform.
struct Headers<'f> {
    file: &'f IgvmFile<'f>,
    bytes: &'f [u8],
    mask: CompatibilityMask,
}

impl Headers<'_> {
    fn directives(&self) -> impl Iterator<Item = &Directive<'_>> {
        let directives = self.file.directives().iter();
        directives.filter(|directive| directive.applies_to(self.mask))
    }

    fn tdx(&self) -> Result<PlatformDigest, PlatformRefusal> {
        let mut headers = Vec::new();
        for directive in self.directives() {
            match directive {
                Directive::PageData(page) => headers.push(self.page(page)),
                Directive::ParameterInsert(insert) => headers.extend(self.inserted(insert)?),
                _ => {}
            }
        }
        let digest = generate_tdx_measurement(&headers, self.mask.bits())?;
        Ok(PlatformDigest::Tdx(Sha384Digest::new(digest)))
    }

    fn vbs(&self) -> Result<PlatformDigest, PlatformRefusal> {
        let mut headers = Vec::new();
        let mut error_ranges = 0_u64;
        let mut levels = Vec::new();
        for directive in self.directives() {
            match directive {
                Directive::PageData(page) if page.data_type != PageDataType::Normal => {
                    return Err(PlatformRefusal::PageType { gpa: page.gpa });
                }
                Directive::PageData(page) => headers.push(self.page(page)),
                Directive::ParameterInsert(insert) => headers.extend(self.inserted(insert)?),
                Directive::ErrorRange(range) => {
                    error_ranges = error_ranges.saturating_add(range.size.into());
                    headers.push(self.error_range(range, error_ranges)?);
                }
                Directive::VpContext(context) => {
                    headers.push(self.registers(context, &mut levels)?);
                }
                _ => {}
            }
        }
        let digest = generate_vbs_measurement(&headers, self.mask.bits())?;
        Ok(PlatformDigest::Vbs(Sha256Digest::new(digest)))
    }

    fn page(&self, page: &PageData<'_>) -> IgvmDirectiveHeader {
        IgvmDirectiveHeader::PageData {
            gpa: page.gpa.get(),
            compatibility_mask: self.mask.bits(),
            flags: IgvmPageDataFlags::new()
                .with_is_2mb_page(page.flags.is_large())
                .with_unmeasured(page.flags.is_unmeasured())
                .with_shared(page.flags.is_shared()),
            data_type: IgvmPageDataType::NORMAL,
            data: page.data.map_or(Vec::new(), |data| data.to_vec()),
        }
    }

    /// The area, declared right before it is inserted.
    fn inserted(
        &self,
        insert: &ParameterInsert,
    ) -> Result<[IgvmDirectiveHeader; 2], PlatformRefusal> {
        let ParameterInsert {
            gpa, index, size, ..
        } = *insert;
        // The crate adds size to address.
        if gpa.checked_add(size).is_none() {
            return Err(PlatformRefusal::AreaAtEnd { gpa });
        }
        let area = IgvmDirectiveHeader::ParameterArea {
            number_of_bytes: size,
            parameter_area_index: index,
            initial_data: Vec::new(),
        };
        let insert = IgvmDirectiveHeader::ParameterInsert(IGVM_VHS_PARAMETER_INSERT {
            gpa: gpa.get(),
            compatibility_mask: self.mask.bits(),
            parameter_area_index: index,
        });
        Ok([area, insert])
    }

    fn error_range(
        &self,
        range: &ErrorRange,
        found: u64,
    ) -> Result<IgvmDirectiveHeader, PlatformRefusal> {
        // The crate hashes every page of it.
        let limit = IgvmFile::DECLARED_MEMORY_LIMIT;
        if found > limit {
            return Err(PlatformRefusal::ErrorRanges { limit, found });
        }
        Ok(IgvmDirectiveHeader::ErrorRange {
            gpa: range.gpa.get(),
            compatibility_mask: self.mask.bits(),
            size_bytes: range.size,
        })
    }

    /// The registers of the first processor; `levels` are the trust levels that have some.
    fn registers(
        &self,
        context: &VpContext<'_>,
        levels: &mut Vec<Vtl>,
    ) -> Result<IgvmDirectiveHeader, PlatformRefusal> {
        let file_offset = match context.state {
            VpState::Other { file_offset } => file_offset,
            VpState::Vmsa(_) => 0,
        };
        let refuse = |problem| PlatformRefusal::VpContext {
            file_offset,
            problem,
        };
        if context.vp_index != 0 {
            return Err(refuse("is not for processor 0"));
        }
        let outside = || refuse("lies outside the file");
        let data = usize::try_from(file_offset).ok();
        let data = data.and_then(|start| self.bytes.get(start..));
        let (count, data) = data
            .and_then(|data| u32::read_from_prefix(data).ok())
            .ok_or_else(outside)?;
        if count > MOST_REGISTERS {
            return Err(refuse("has more than 64 registers"));
        }
        let (registers, _) =
            <[VbsVpContextRegister]>::ref_from_prefix_with_elems(data, count as usize)
                .map_err(|_| outside())?;
        let level = registers.first().and_then(|it| Vtl::try_from(it.vtl).ok());
        let vtl = level.ok_or_else(|| refuse("has no trust level"))?;
        if registers.iter().any(|it| it.vtl != vtl as u8) {
            return Err(refuse("has registers of two trust levels"));
        }
        if levels.contains(&vtl) {
            return Err(refuse("is the second for its trust level"));
        }
        levels.push(vtl);
        let unknown = || refuse("has a register that the igvm crate does not know");
        let compatibility_mask = self.mask.bits();
        Ok(match self.file.revision().architecture() {
            Architecture::X64 => IgvmDirectiveHeader::X64VbsVpContext {
                vtl,
                registers: known(registers, X86Register::try_from).ok_or_else(unknown)?,
                compatibility_mask,
            },
            Architecture::AArch64 => IgvmDirectiveHeader::AArch64VbsVpContext {
                vtl,
                registers: known(registers, AArch64Register::try_from).ok_or_else(unknown)?,
                compatibility_mask,
            },
        })
    }
}

fn known<R, E>(
    registers: &[VbsVpContextRegister],
    read: fn(VbsVpContextRegister) -> Result<R, E>,
) -> Option<Vec<R>> {
    registers.iter().map(|it| read(*it).ok()).collect()
}

#[cfg(test)]
mod tests;
