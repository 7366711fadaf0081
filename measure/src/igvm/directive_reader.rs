//! Reads directive headers and checks what one header alone cannot tell.

use super::directive::{
    ErrorRange, PageData, PageDataType, PageFlags, Parameter, ParameterArea, ParameterInsert,
    RequiredMemory, VpContext, VpState,
};
use super::file_data::FileData;
use super::parameter::{ParameterAreas, ParameterKind};
use super::variable_headers::VariableHeader;
use super::wire::{self, kind};
use super::{CompatibilityMask, Directive, IgvmError, IgvmFile, PlatformType, SupportedPlatform};
use crate::Gpa;

/// Reads directives in file order.
pub(super) struct DirectiveReader<'a> {
    data: FileData<'a>,
    areas: ParameterAreas,
    /// Bytes of memory declared so far that the file does not carry.
    declared: u64,
}

impl<'a> DirectiveReader<'a> {
    pub(super) fn new(data: FileData<'a>) -> Self {
        Self {
            data,
            areas: ParameterAreas::default(),
            declared: 0,
        }
    }

    /// The directive in `header`; `platforms` are those the file declares.
    pub(super) fn read(
        &mut self,
        header: &VariableHeader<'a>,
        platforms: &[SupportedPlatform],
    ) -> Result<Directive<'a>, IgvmError> {
        match header.kind {
            kind::PAGE_DATA => self.page_data(header).map(Directive::PageData),
            kind::PARAMETER_AREA => self.parameter_area(header).map(Directive::ParameterArea),
            kind::PARAMETER_INSERT => self
                .parameter_insert(header)
                .map(Directive::ParameterInsert),
            kind::VP_CONTEXT => self.vp_context(header, platforms).map(Directive::VpContext),
            kind::REQUIRED_MEMORY => required_memory(header).map(Directive::RequiredMemory),
            kind::SNP_ID_BLOCK => header.body_as().map(Directive::SnpIdBlock),
            kind::ERROR_RANGE => error_range(header).map(Directive::ErrorRange),
            kind::VBS_MEASUREMENT => {
                let raw: &wire::VbsMeasurement = header.body_as()?;
                let mask = CompatibilityMask::new(raw.compatibility_mask.get());
                Ok(Directive::VbsMeasurement { mask })
            }
            other => match ParameterKind::from_header(other) {
                Some(kind) => self.parameter(header, kind).map(Directive::Parameter),
                None => Err(IgvmError::UnknownRequired {
                    offset: header.offset,
                    kind: other,
                }),
            },
        }
    }

    fn page_data(&mut self, header: &VariableHeader<'a>) -> Result<PageData<'a>, IgvmError> {
        let raw: &wire::PageData = header.body_as()?;
        let gpa = page_aligned(header, raw.gpa.get())?;
        header.check(raw.reserved.get() == 0, "reserved", "0", raw.reserved)?;
        let field = |field, expected, found| IgvmError::Field {
            offset: header.offset,
            field,
            expected,
            found,
        };
        let flags = PageFlags::from_bits(raw.flags.get()).ok_or_else(|| {
            field(
                "flags",
                "bits 0 (2 MiB), 1 (unmeasured) and 2 (shared)",
                raw.flags.into(),
            )
        })?;
        let data_type = PageDataType::from_wire(raw.data_type.get())
            .ok_or_else(|| field("data_type", "0 to 3", raw.data_type.into()))?;
        let data = match raw.file_offset.get() {
            0 => None,
            file_offset => Some(self.data.page(header.offset, file_offset)?),
        };
        let mask = CompatibilityMask::new(raw.compatibility_mask.get());
        let page = PageData {
            gpa,
            mask,
            flags,
            data_type,
            data,
        };
        if flags.is_large() {
            let aligned = gpa.get().is_multiple_of(page.size());
            header.check(aligned, "gpa", "a multiple of 2 MiB", gpa.get())?;
            self.declare(header, page.size())?;
        }
        fits_address_space(header, gpa, page.size())?;
        Ok(page)
    }

    fn parameter_area(
        &mut self,
        header: &VariableHeader<'a>,
    ) -> Result<ParameterArea<'a>, IgvmError> {
        let raw: &wire::ParameterArea = header.body_as()?;
        let (index, size) = (raw.parameter_area_index.get(), raw.number_of_bytes.get());
        self.areas.declare(header.offset, index, size)?;
        self.declare(header, size)?;
        let initial = match raw.file_offset.get() {
            0 => None,
            file_offset => Some(self.data.bytes(header.offset, file_offset, size)?),
        };
        Ok(ParameterArea {
            index,
            size,
            initial,
        })
    }

    fn parameter_insert(
        &mut self,
        header: &VariableHeader<'a>,
    ) -> Result<ParameterInsert, IgvmError> {
        let raw: &wire::ParameterInsert = header.body_as()?;
        let gpa = page_aligned(header, raw.gpa.get())?;
        let index = raw.parameter_area_index.get();
        let mask = CompatibilityMask::new(raw.compatibility_mask.get());
        let size = self.areas.insert(header.offset, index, mask)?;
        fits_address_space(header, gpa, size)?;
        Ok(ParameterInsert {
            gpa,
            mask,
            index,
            size,
        })
    }

    fn parameter(
        &self,
        header: &VariableHeader<'a>,
        kind: ParameterKind,
    ) -> Result<Parameter, IgvmError> {
        let raw: &wire::Parameter = header.body_as()?;
        let index = raw.parameter_area_index.get();
        self.areas.fill(header.offset, index)?;
        Ok(Parameter {
            kind,
            index,
            byte_offset: raw.byte_offset.get(),
        })
    }

    fn vp_context(
        &self,
        header: &VariableHeader<'a>,
        platforms: &[SupportedPlatform],
    ) -> Result<VpContext<'a>, IgvmError> {
        let raw: &wire::VpContext = header.body_as()?;
        header.check(raw.reserved.get() == 0, "reserved", "0", raw.reserved)?;
        let mask = CompatibilityMask::new(raw.compatibility_mask.get());
        let mut named = platforms
            .iter()
            .filter(|platform| platform.mask.intersects(mask));
        let has_vmsa = |platform: &SupportedPlatform| {
            matches!(
                platform.platform,
                PlatformType::SevSnp | PlatformType::SevEs
            )
        };
        let file_offset = raw.file_offset.get();
        let (gpa, state) = if named.clone().all(has_vmsa) && named.clone().next().is_some() {
            let gpa = page_aligned(header, raw.gpa.get())?;
            (
                gpa,
                VpState::Vmsa(self.data.page(header.offset, file_offset)?),
            )
        } else if named.any(has_vmsa) {
            return Err(IgvmError::MixedVpContext {
                offset: header.offset,
                mask: mask.bits(),
            });
        } else {
            (Gpa::new(raw.gpa.get()), VpState::Other { file_offset })
        };
        Ok(VpContext {
            gpa,
            mask,
            vp_index: raw.vp_index.get(),
            state,
        })
    }

    /// Adds memory that the file declares but does not carry: each page of it costs a link of
    /// the digest's chain.
    fn declare(&mut self, header: &VariableHeader<'_>, size: u64) -> Result<(), IgvmError> {
        self.declared = self.declared.saturating_add(size);
        if self.declared > IgvmFile::DECLARED_MEMORY_LIMIT {
            return Err(IgvmError::DeclaredMemory {
                offset: header.offset,
                limit: IgvmFile::DECLARED_MEMORY_LIMIT,
                found: self.declared,
            });
        }
        Ok(())
    }
}

fn required_memory(header: &VariableHeader<'_>) -> Result<RequiredMemory, IgvmError> {
    let raw: &wire::RequiredMemory = header.body_as()?;
    let gpa = page_aligned(header, raw.gpa.get())?;
    header.check(raw.reserved.get() == 0, "reserved", "0", raw.reserved)?;
    let size = raw.number_of_bytes.get();
    header.check(
        size.is_multiple_of(4096),
        "number_of_bytes",
        "a multiple of 4096",
        size,
    )?;
    let flags = raw.flags.get();
    header.check(flags <= 1, "flags", "bit 0 (VTL 2 protectable)", flags)?;
    let mask = CompatibilityMask::new(raw.compatibility_mask.get());
    Ok(RequiredMemory {
        gpa,
        mask,
        size,
        vtl2_protectable: flags == 1,
    })
}

fn error_range(header: &VariableHeader<'_>) -> Result<ErrorRange, IgvmError> {
    let raw: &wire::ErrorRange = header.body_as()?;
    let gpa = page_aligned(header, raw.gpa.get())?;
    let mask = CompatibilityMask::new(raw.compatibility_mask.get());
    Ok(ErrorRange {
        gpa,
        mask,
        size: raw.size_bytes.get(),
    })
}

fn page_aligned(header: &VariableHeader<'_>, gpa: u64) -> Result<Gpa, IgvmError> {
    let address = Gpa::new(gpa);
    header.check(address.is_page_aligned(), "gpa", "a multiple of 4096", gpa)?;
    Ok(address)
}

fn fits_address_space(header: &VariableHeader<'_>, gpa: Gpa, length: u64) -> Result<(), IgvmError> {
    // The last page of the address space ends at 2^64, which no u64 holds.
    match gpa.get().checked_add(length.saturating_sub(1)) {
        Some(_) => Ok(()),
        None => Err(IgvmError::AddressOverflow {
            offset: header.offset,
            gpa: gpa.get(),
            length,
        }),
    }
}
