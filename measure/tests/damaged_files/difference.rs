//! Where the igvm crate 0.5 and this reader differ, and may.

use guestmark_measure::igvm::{Directive, IgvmError, IgvmFile, Initialization, VpState};
use igvm::{BinaryHeaderError, Error};

/// The type of parameter inserts, which have their mask behind tag and address.
const PARAMETER_INSERT: usize = 0x303;

/// The type of VP context headers.
const VP_CONTEXT: usize = 0x304;

/// An agreed difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Difference {
    /// The crate panics; this reader never does.
    CratePanics,
    /// The file declares more parameter areas than the crate is asked to measure.
    TooLargeForTheCrate,

    /// The crate ignores padding behind a header; this reader refuses what is not zeros.
    Padding,
    /// The crate ignores reserved flags.
    ReservedFlags,
    /// The crate ignores the reserved field of a VP context.
    VpContextReserved,
    /// The crate skips what is for no platform, this reader only once it is found valid.
    NoPlatform,
    /// The crate ignores the 2 MiB flag, so also that such a page has to be aligned.
    LargePageAlignment,
    /// The crate takes headers at any offset, inside the fixed header too.
    HeadersPlace,
    /// The crate lets two platforms share a mask, of which only one gets a VP context.
    SharedMask,
    /// The crate has no limit on declared memory.
    DeclaredMemory,
    /// The crate ignores where an area ends that it does not measure.
    AddressOverflow,
    /// The crate takes file offset 0 for "no data" in CoRIM headers.
    CorimWithoutData,

    /// The crate knows no optional headers.
    OptionalHeader,
    /// The crate does not know version strings.
    VersionString,
    /// The crate refuses a file that ends with its headers.
    NoData,
    /// The crate inserts an area once, not once on each platform.
    InsertedPerPlatform,
    /// The crate refuses a VP context for no platform or for several.
    VpContextPlatform,
    /// The crate checks the contexts of other platforms.
    OtherVpContext,
    /// The crate checks relocations and the number of CoRIM headers, which are not measured.
    Initialization,
}

impl Difference {
    pub(crate) const ALL: [Self; 19] = [
        Self::CratePanics,
        Self::TooLargeForTheCrate,
        Self::Padding,
        Self::ReservedFlags,
        Self::VpContextReserved,
        Self::NoPlatform,
        Self::LargePageAlignment,
        Self::HeadersPlace,
        Self::SharedMask,
        Self::DeclaredMemory,
        Self::AddressOverflow,
        Self::CorimWithoutData,
        Self::OptionalHeader,
        Self::VersionString,
        Self::NoData,
        Self::InsertedPerPlatform,
        Self::VpContextPlatform,
        Self::OtherVpContext,
        Self::Initialization,
    ];

    /// The difference that `refusal` is, if only the crate accepts the file of these `bytes`.
    pub(crate) fn refused_here(bytes: &[u8], refusal: &IgvmError) -> Option<Self> {
        Some(match refusal {
            IgvmError::Field {
                offset,
                field: "reserved",
                ..
            } if number(bytes, *offset) == Some(VP_CONTEXT) => Self::VpContextReserved,
            IgvmError::Field {
                field, expected, ..
            } => match (*field, *expected) {
                ("padding", _) => Self::Padding,
                ("flags", _) => Self::ReservedFlags,
                ("gpa", "a multiple of 2 MiB") => Self::LargePageAlignment,
                ("variable_header_offset", _) => Self::HeadersPlace,
                _ => return None,
            },
            IgvmError::ParameterArea { offset, .. }
                if number(bytes, *offset) == Some(PARAMETER_INSERT)
                    && number(bytes, *offset + 16) == Some(0) =>
            {
                Self::NoPlatform
            }
            IgvmError::DuplicatePlatform { .. } => Self::SharedMask,
            IgvmError::DeclaredMemory { .. } => Self::DeclaredMemory,
            IgvmError::AddressOverflow { .. } => Self::AddressOverflow,
            IgvmError::DataOutside { file_offset: 0, .. } => Self::CorimWithoutData,
            _ => return None,
        })
    }

    /// The difference that `refusal` is, if only this reader accepts `file`.
    pub(crate) fn refused_there(
        file: &IgvmFile<'_>,
        bytes: &[u8],
        refusal: &Error,
    ) -> Option<Self> {
        let directives = || file.directives().iter();
        let initializations = || file.initializations().iter();
        Some(match refusal {
            Error::InvalidBinaryVariableHeaderSection if !file.unknown_optional().is_empty() => {
                Self::OptionalHeader
            }
            Error::InvalidBinaryInitializationHeader(
                BinaryHeaderError::InvalidVariableHeaderType,
            ) if initializations().any(|it| matches!(it, Initialization::VersionString(_))) => {
                Self::VersionString
            }
            Error::InvalidFixedHeader if headers_end(bytes) == Some(bytes.len()) => Self::NoData,
            Error::InvalidParameterAreaIndex if inserts_twice(file) => Self::InsertedPerPlatform,
            Error::InvalidBinaryDirectiveHeader(
                BinaryHeaderError::InvalidVpContextPlatformType,
            ) if directives().any(|it| matches!(it, Directive::VpContext(_))) => {
                Self::VpContextPlatform
            }
            Error::InvalidBinaryDirectiveHeader(_) | Error::NoMatchingVpContext
                if directives().any(is_other_context) =>
            {
                Self::OtherVpContext
            }
            Error::InvalidBinaryInitializationHeader(_)
            | Error::MultiplePageTableRelocationHeaders
            | Error::RelocationRegionsOverlap
            | Error::ParameterInsertInsidePageTableRegion
            | Error::NoMatchingVpContext
            | Error::InvalidHeaderArch { .. }
            | Error::InvalidCcaPolicyCompatibilityMask(_)
                if initializations().any(is_loose) =>
            {
                Self::Initialization
            }
            _ => return None,
        })
    }
}

/// The little-endian number at `offset`.
fn number(bytes: &[u8], offset: usize) -> Option<usize> {
    let number = bytes.get(offset..)?.first_chunk()?;
    usize::try_from(u32::from_le_bytes(*number)).ok()
}

/// Where the fixed header says that headers end.
fn headers_end(bytes: &[u8]) -> Option<usize> {
    number(bytes, 0x8)?.checked_add(number(bytes, 0xC)?)
}

fn inserts_twice(file: &IgvmFile<'_>) -> bool {
    let mut inserted: Vec<u32> = file
        .directives()
        .iter()
        .filter_map(|directive| match directive {
            Directive::ParameterInsert(insert) => Some(insert.index),
            _ => None,
        })
        .collect();
    let count = inserted.len();
    inserted.sort_unstable();
    inserted.dedup();
    inserted.len() < count
}

fn is_other_context(directive: &Directive<'_>) -> bool {
    matches!(directive, Directive::VpContext(context)
        if matches!(context.state, VpState::Other { .. }))
}

/// Whether this reader only takes in what the header says.
fn is_loose(header: &Initialization<'_>) -> bool {
    !matches!(
        header,
        Initialization::GuestPolicy { .. } | Initialization::VersionString(_)
    )
}
