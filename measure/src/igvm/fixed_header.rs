//! The fixed header, which says where everything else is.

use std::mem::offset_of;
use std::ops::Range;

use zerocopy::{FromBytes, IntoBytes};

use super::{IgvmError, wire};
use crate::PAGE_SIZE;

/// Processor architecture of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// x86-64; the only one of version 1.
    X64,
    /// 64-bit Arm.
    AArch64,
}

/// The version of the file format, with what it brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revision {
    /// Version 1: x86-64.
    V1,
    /// Version 2.
    V2 {
        /// The architecture the file says it is for.
        architecture: Architecture,
    },
}

impl Revision {
    /// The architecture that files of this revision are for.
    pub const fn architecture(self) -> Architecture {
        match self {
            Self::V1 => Architecture::X64,
            Self::V2 { architecture } => architecture,
        }
    }
}

/// The fixed header's contents, checked against the file.
pub(super) struct FixedHeader {
    pub(super) revision: Revision,
    /// Bytes in the fixed header.
    pub(super) size: usize,
    /// Where the variable headers are; the file's data starts at its end.
    pub(super) variable_headers: Range<usize>,
}

impl FixedHeader {
    /// Reads and checks the fixed header, and the CRC-32 over all headers.
    pub(super) fn parse(file: &[u8]) -> Result<Self, IgvmError> {
        let too_short = |expected| IgvmError::TooShort {
            expected,
            found: file.len(),
        };
        let (header, rest) = wire::FixedHeader::ref_from_prefix(file)
            .map_err(|_| too_short(size_of::<wire::FixedHeader>()))?;
        if header.magic != *b"IGVM" {
            return Err(IgvmError::Magic {
                found: header.magic,
            });
        }
        let (revision, size) = match header.format_version.get() {
            1 => (Revision::V1, size_of::<wire::FixedHeader>()),
            2 => {
                let size = size_of::<wire::FixedHeader>() + size_of::<wire::FixedHeaderV2Tail>();
                let (tail, _) =
                    wire::FixedHeaderV2Tail::ref_from_prefix(rest).map_err(|_| too_short(size))?;
                (revision_2(tail)?, size)
            }
            other => return Err(field(0x4, "format_version", "1 or 2", other)),
        };
        if u64::from(header.total_file_size) != file.len() as u64 {
            return Err(IgvmError::FileSize {
                expected: header.total_file_size.get(),
                found: file.len(),
            });
        }
        let variable_headers = variable_headers(header, size, file.len())?;

        let expected = Self::checksum(file, size, variable_headers.clone());
        if header.checksum.get() != expected {
            return Err(IgvmError::Checksum {
                expected,
                found: header.checksum.get(),
            });
        }
        Ok(Self {
            revision,
            size,
            variable_headers,
        })
    }

    /// The CRC-32 over the fixed header of `size` bytes, its checksum taken as zero, and the
    /// variable headers.
    pub(super) fn checksum(file: &[u8], size: usize, variable_headers: Range<usize>) -> u32 {
        let mut crc = crc32fast::Hasher::new();
        let field = offset_of!(wire::FixedHeader, checksum);
        crc.update(&file[..field]);
        crc.update(0_u32.as_bytes());
        crc.update(&file[field + size_of::<u32>()..size]);
        crc.update(&file[variable_headers]);
        crc.finalize()
    }
}

fn field(offset: usize, field: &'static str, expected: &'static str, found: u32) -> IgvmError {
    IgvmError::Field {
        offset,
        field,
        expected,
        found: found.into(),
    }
}

fn revision_2(tail: &wire::FixedHeaderV2Tail) -> Result<Revision, IgvmError> {
    let architecture = match tail.architecture.get() {
        0 => Architecture::X64,
        1 => Architecture::AArch64,
        other => {
            return Err(field(
                0x18,
                "architecture",
                "0 (x86-64) or 1 (AArch64)",
                other,
            ));
        }
    };
    if u64::from(tail.page_size) != PAGE_SIZE {
        return Err(field(0x1C, "page_size", "4096", tail.page_size.get()));
    }
    Ok(Revision::V2 { architecture })
}

/// Where the variable headers are, inside the file and after the fixed header of `fixed` bytes.
fn variable_headers(
    header: &wire::FixedHeader,
    fixed: usize,
    file_size: usize,
) -> Result<Range<usize>, IgvmError> {
    let offset = header.variable_header_offset.get();
    let size = header.variable_header_size.get();
    let start = usize::try_from(offset)
        .ok()
        .filter(|start| start.is_multiple_of(8) && (fixed..=file_size).contains(start))
        .ok_or_else(|| {
            let expected = "a multiple of 8 between the fixed header's end and the file's";
            field(0x8, "variable_header_offset", expected, offset)
        })?;
    let end = usize::try_from(size)
        .ok()
        .and_then(|size| start.checked_add(size))
        .filter(|end| *end <= file_size)
        .ok_or_else(|| {
            let expected = "at most what the file has after the fixed header";
            field(0xC, "variable_header_size", expected, size)
        })?;
    Ok(start..end)
}
