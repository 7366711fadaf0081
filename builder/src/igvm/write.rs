//! The IGVM file of a guest's memory.
//!
//! Source: the `igvm_defs` crate 0.5, format version 1. All integers are little-endian.

use std::io::{self, Write};

use guestmark_measure::{Gpa, PAGE_SIZE};
use igvm::snp_defs::SevVmsa;
use igvm::{BinaryHeaderError, FileDataSerializer, IgvmDirectiveHeader};
use igvm_defs::{
    IGVM_FIXED_HEADER, IGVM_FORMAT_VERSION_1, IGVM_MAGIC_VALUE, IGVM_VHS_GUEST_POLICY,
    IGVM_VHS_MEMORY_MAP_ENTRY, IGVM_VHS_PAGE_DATA, IGVM_VHS_PARAMETER, IGVM_VHS_PARAMETER_INSERT,
    IGVM_VHS_SUPPORTED_PLATFORM, IGVM_VHS_VARIABLE_HEADER, IgvmPageDataFlags, IgvmPageDataType,
    IgvmPlatformType, IgvmVariableHeaderType,
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::memory::{GuestMemory, Page, PageBytes, RegionKind};
use crate::recipe::GuestPolicy;

const PAGE: usize = size_of::<PageBytes>();
/// The only platform in the file.
const PLATFORM: u32 = 1;
const SEV_SNP_VERSION: u16 = 1;
const PARAMETER_AREA: u32 = 0;
/// In the parameter page the memory map follows the number of virtual CPUs, one entry's size
/// further: where the kernel of an AKS guest looks for it.
const MEMORY_MAP_OFFSET: u32 = size_u32::<IGVM_VHS_MEMORY_MAP_ENTRY>();

/// An IGVM file that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The output cannot be written.
    #[error(transparent)]
    Output(#[from] io::Error),
    /// The igvm crate refuses a header.
    #[error("IGVM header: {0}")]
    Header(#[from] BinaryHeaderError),
    /// The file would be larger than its offsets can say.
    #[error(
        "the IGVM file would take {0} bytes or more, the format holds less than 4 GiB; use a \
         smaller initrd"
    )]
    TooLarge(u64),
    /// A range of required memory is larger than its header can say.
    #[error("required memory {start} to {end} is 4 GiB or more, which an IGVM file cannot say")]
    RequiredMemory {
        /// The range's first byte.
        start: Gpa,
        /// The byte after its last.
        end: Gpa,
    },
}

/// Writes the IGVM file of `memory`, for guests launched with `policy`, and gives its size in
/// bytes. Directives stand in ascending order of address. Every page of zeros has explicit data,
/// because KVM loaders measure a page without data as another type of page; all share one copy.
///
/// The headers are kept in memory, 32 bytes a page; the pages' contents are not.
///
/// # Errors
/// `out` cannot be written, or the file would not fit into 4 GiB.
pub fn write(
    memory: &GuestMemory<'_>,
    policy: GuestPolicy,
    out: &mut dyn Write,
) -> Result<u64, WriteError> {
    // Headers hold offsets that depend on how large the headers are.
    let size = Headers::of(memory, policy, 0)?.bytes.len();
    let data_start = size + size_of::<IGVM_FIXED_HEADER>();
    let headers = Headers::of(memory, policy, data_start)?;
    let total = headers.next_page;
    let too_large = |_| WriteError::TooLarge(total);
    let mut fixed = IGVM_FIXED_HEADER {
        magic: IGVM_MAGIC_VALUE,
        format_version: IGVM_FORMAT_VERSION_1,
        variable_header_offset: size_u32::<IGVM_FIXED_HEADER>(),
        variable_header_size: u32::try_from(size).map_err(too_large)?,
        total_file_size: u32::try_from(total).map_err(too_large)?,
        checksum: 0,
    };
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(fixed.as_bytes());
    checksum.update(&headers.bytes);
    fixed.checksum = checksum.finalize();
    out.write_all(fixed.as_bytes())?;
    out.write_all(&headers.bytes)?;
    out.write_all(&headers.shared.take())?;
    for page in memory.pages().filter(has_own_data) {
        if let Some(data) = page.data {
            out.write_all(&data[..])?;
        }
    }
    Ok(total)
}

/// Whether the file holds the page's contents in their own place.
fn has_own_data(page: &Page<'_>) -> bool {
    page.data.is_some() && matches!(page.kind, RegionKind::Data | RegionKind::Cpuid)
}

/// The variable headers, and what they say about the data after them.
struct Headers {
    bytes: Vec<u8>,
    /// The page of zeros and the save area: the data that comes first.
    shared: FileDataSerializer,
    zero_page: u32,
    /// Where the next page that has data of its own goes.
    next_page: u64,
}

impl Headers {
    /// The headers of a file whose data begins at offset `data_start`.
    fn of(
        memory: &GuestMemory<'_>,
        policy: GuestPolicy,
        data_start: usize,
    ) -> Result<Self, WriteError> {
        const ZEROS: PageBytes = [0; PAGE];
        let save_areas = memory
            .regions()
            .iter()
            .filter(|region| region.kind() == RegionKind::Vmsa)
            .count();
        let mut shared = FileDataSerializer::new(data_start);
        let zero_page = shared.write_file_data(&ZEROS);
        let mut headers = Self {
            bytes: Vec::new(),
            shared,
            zero_page,
            next_page: (data_start + PAGE * (1 + save_areas)) as u64,
        };
        headers.platform(policy);
        headers.required_memory(memory)?;
        for page in memory.pages() {
            headers.page(&page)?;
        }
        Ok(headers)
    }

    fn platform(&mut self, policy: GuestPolicy) {
        let platform = IGVM_VHS_SUPPORTED_PLATFORM {
            compatibility_mask: PLATFORM,
            highest_vtl: 0,
            platform_type: IgvmPlatformType::SEV_SNP,
            platform_version: SEV_SNP_VERSION,
            shared_gpa_boundary: 0,
        };
        self.push(
            IgvmVariableHeaderType::IGVM_VHT_SUPPORTED_PLATFORM,
            &platform,
        );
        let policy = IGVM_VHS_GUEST_POLICY {
            policy: policy.bits(),
            compatibility_mask: PLATFORM,
            reserved: 0,
        };
        self.push(IgvmVariableHeaderType::IGVM_VHT_GUEST_POLICY, &policy);
    }

    fn required_memory(&mut self, memory: &GuestMemory<'_>) -> Result<(), WriteError> {
        for range in memory.required() {
            let (start, end) = (range.start, range.end);
            let size = end.get().saturating_sub(start.get());
            let size = u32::try_from(size);
            self.directive(&IgvmDirectiveHeader::RequiredMemory {
                gpa: start.get(),
                compatibility_mask: PLATFORM,
                number_of_bytes: size.map_err(|_| WriteError::RequiredMemory { start, end })?,
                vtl2_protectable: false,
            })?;
        }
        Ok(())
    }

    fn page(&mut self, page: &Page<'_>) -> Result<(), WriteError> {
        match page.kind {
            RegionKind::Data => self.page_data(page, IgvmPageDataType::NORMAL),
            RegionKind::Cpuid => self.page_data(page, IgvmPageDataType::CPUID_DATA),
            RegionKind::Secrets => {
                // The firmware fills it: there is nothing to load.
                self.page_header(page, IgvmPageDataType::SECRETS, 0);
                Ok(())
            }
            RegionKind::ParameterArea => self.parameter_area(page),
            RegionKind::Vmsa => self.vp_context(page),
        }
    }

    fn page_data(
        &mut self,
        page: &Page<'_>,
        data_type: IgvmPageDataType,
    ) -> Result<(), WriteError> {
        let file_offset = if page.data.is_some() {
            let offset = self.next_page;
            self.next_page += PAGE_SIZE;
            u32::try_from(offset).map_err(|_| WriteError::TooLarge(offset))?
        } else {
            self.zero_page
        };
        self.page_header(page, data_type, file_offset);
        Ok(())
    }

    /// The crate's own page directive owns a copy of the page, one allocation each, and hashes it
    /// to find its equals: this one is the definition alone.
    fn page_header(&mut self, page: &Page<'_>, data_type: IgvmPageDataType, file_offset: u32) {
        let header = IGVM_VHS_PAGE_DATA {
            gpa: page.gpa.get(),
            compatibility_mask: PLATFORM,
            file_offset,
            flags: IgvmPageDataFlags::new(),
            data_type,
            reserved: 0,
        };
        self.push(IgvmVariableHeaderType::IGVM_VHT_PAGE_DATA, &header);
    }

    fn parameter_area(&mut self, page: &Page<'_>) -> Result<(), WriteError> {
        let parameter = |byte_offset| IGVM_VHS_PARAMETER {
            parameter_area_index: PARAMETER_AREA,
            byte_offset,
        };
        let directives = [
            IgvmDirectiveHeader::ParameterArea {
                number_of_bytes: PAGE_SIZE,
                parameter_area_index: PARAMETER_AREA,
                initial_data: Vec::new(),
            },
            IgvmDirectiveHeader::VpCount(parameter(0)),
            IgvmDirectiveHeader::MemoryMap(parameter(MEMORY_MAP_OFFSET)),
            IgvmDirectiveHeader::ParameterInsert(IGVM_VHS_PARAMETER_INSERT {
                gpa: page.gpa.get(),
                compatibility_mask: PLATFORM,
                parameter_area_index: PARAMETER_AREA,
            }),
        ];
        directives
            .iter()
            .try_for_each(|directive| self.directive(directive))
    }

    fn vp_context(&mut self, page: &Page<'_>) -> Result<(), WriteError> {
        let vmsa = page
            .data
            .as_ref()
            .and_then(|data| SevVmsa::read_from_bytes(&data[..]).ok());
        let vmsa = vmsa.ok_or(BinaryHeaderError::InvalidContext)?;
        self.directive(&IgvmDirectiveHeader::SnpVpContext {
            gpa: page.gpa.get(),
            compatibility_mask: PLATFORM,
            vp_index: 0,
            vmsa: Box::new(vmsa),
        })
    }

    fn directive(&mut self, directive: &IgvmDirectiveHeader) -> Result<(), WriteError> {
        Ok(directive.write_binary_header(&mut self.bytes, &mut self.shared)?)
    }

    /// A header that the crate has no public writer for. Each is a multiple of 8 bytes long, as
    /// the next one's place must be.
    fn push<T: IntoBytes + Immutable>(&mut self, typ: IgvmVariableHeaderType, header: &T) {
        const { assert!(size_of::<T>().is_multiple_of(8)) };
        let length = size_u32::<T>();
        let prefix = IGVM_VHS_VARIABLE_HEADER { typ, length };
        self.bytes.extend_from_slice(prefix.as_bytes());
        self.bytes.extend_from_slice(header.as_bytes());
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the assertion rules it out"
)]
const fn size_u32<T>() -> u32 {
    const { assert!(size_of::<T>() <= u32::MAX as usize) };
    size_of::<T>() as u32
}
