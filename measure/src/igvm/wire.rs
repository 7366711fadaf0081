//! IGVM structures as they lie in the file: packed, little-endian. Names and sizes follow the
//! IGVM file format definitions (crate `igvm_defs` 0.5).

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Types of variable headers.
pub(super) mod kind {
    /// Set when a loader that does not know the type may skip the header.
    pub(in crate::igvm) const OPTIONAL: u32 = 1 << 31;

    pub(in crate::igvm) const SUPPORTED_PLATFORM: u32 = 0x1;

    pub(in crate::igvm) const GUEST_POLICY: u32 = 0x101;
    pub(in crate::igvm) const RELOCATABLE_REGION: u32 = 0x102;
    pub(in crate::igvm) const PAGE_TABLE_RELOCATION_REGION: u32 = 0x103;
    pub(in crate::igvm) const CORIM_DOCUMENT: u32 = 0x104;
    pub(in crate::igvm) const CORIM_SIGNATURE: u32 = 0x105;
    pub(in crate::igvm) const CCA_POLICY: u32 = 0x106;
    pub(in crate::igvm) const VERSION_STRING: u32 = 0x107;

    pub(in crate::igvm) const PARAMETER_AREA: u32 = 0x301;
    pub(in crate::igvm) const PAGE_DATA: u32 = 0x302;
    pub(in crate::igvm) const PARAMETER_INSERT: u32 = 0x303;
    pub(in crate::igvm) const VP_CONTEXT: u32 = 0x304;
    pub(in crate::igvm) const REQUIRED_MEMORY: u32 = 0x305;
    pub(in crate::igvm) const VP_COUNT: u32 = 0x307;
    pub(in crate::igvm) const SRAT: u32 = 0x308;
    pub(in crate::igvm) const MADT: u32 = 0x309;
    pub(in crate::igvm) const MMIO_RANGES: u32 = 0x30A;
    pub(in crate::igvm) const SNP_ID_BLOCK: u32 = 0x30B;
    pub(in crate::igvm) const MEMORY_MAP: u32 = 0x30C;
    pub(in crate::igvm) const ERROR_RANGE: u32 = 0x30D;
    pub(in crate::igvm) const COMMAND_LINE: u32 = 0x30E;
    pub(in crate::igvm) const SLIT: u32 = 0x30F;
    pub(in crate::igvm) const PPTT: u32 = 0x310;
    pub(in crate::igvm) const VBS_MEASUREMENT: u32 = 0x311;
    pub(in crate::igvm) const DEVICE_TREE: u32 = 0x312;
    pub(in crate::igvm) const ENVIRONMENT_INFO: u32 = 0x313;

    /// Whether this reader knows headers of type `kind`.
    pub(in crate::igvm) const fn is_known(kind: u32) -> bool {
        matches!(
            kind,
            SUPPORTED_PLATFORM
                | GUEST_POLICY..=VERSION_STRING
                | PARAMETER_AREA..=REQUIRED_MEMORY
                | VP_COUNT..=ENVIRONMENT_INFO
        )
    }
}

macro_rules! wire {
    ($(#[$doc:meta])* $name:ident, $size:literal, { $($field:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
        #[repr(C)]
        pub(super) struct $name {
            $(pub(super) $field: $type,)+
        }

        const _: () = assert!(size_of::<$name>() == $size);
    };
}

wire!(
    /// The fixed header of version 1, and the start of the one of version 2.
    FixedHeader, 24, {
        magic: [u8; 4],
        format_version: U32,
        variable_header_offset: U32,
        variable_header_size: U32,
        total_file_size: U32,
        checksum: U32,
    }
);

wire!(
    /// What version 2 adds to the fixed header.
    FixedHeaderV2Tail, 8, {
        architecture: U32,
        page_size: U32,
    }
);

wire!(
    /// Starts each variable header; `length` bytes follow, then zeros up to a multiple of 8.
    VariableHeader, 8, {
        kind: U32,
        length: U32,
    }
);

wire!(SupportedPlatform, 16, {
    compatibility_mask: U32,
    highest_vtl: u8,
    platform_type: u8,
    platform_version: U16,
    shared_gpa_boundary: U64,
});

wire!(GuestPolicy, 16, {
    policy: U64,
    compatibility_mask: U32,
    reserved: U32,
});

wire!(RelocatableRegion, 48, {
    compatibility_mask: U32,
    _vp_index: U16,
    _vtl: u8,
    _flags: u8,
    _relocation_alignment: U64,
    gpa: U64,
    size: U64,
    _minimum_gpa: U64,
    _maximum_gpa: U64,
});

wire!(PageTableRelocation, 32, {
    compatibility_mask: U32,
    _vp_index: U16,
    _vtl: u8,
    _reserved: u8,
    gpa: U64,
    size: U64,
    _used_size: U64,
});

wire!(CorimData, 16, {
    compatibility_mask: U32,
    file_offset: U32,
    size_bytes: U32,
    reserved: U32,
});

wire!(CcaPolicy, 32, {
    compatibility_mask: U32,
    _rest: [u8; 28],
});

wire!(ParameterArea, 16, {
    number_of_bytes: U64,
    parameter_area_index: U32,
    file_offset: U32,
});

wire!(PageData, 24, {
    gpa: U64,
    compatibility_mask: U32,
    file_offset: U32,
    flags: U32,
    data_type: U16,
    reserved: U16,
});

wire!(ParameterInsert, 16, {
    gpa: U64,
    compatibility_mask: U32,
    parameter_area_index: U32,
});

wire!(Parameter, 8, {
    parameter_area_index: U32,
    byte_offset: U32,
});

wire!(VpContext, 20, {
    gpa: U64,
    compatibility_mask: U32,
    file_offset: U32,
    vp_index: U16,
    reserved: U16,
});

wire!(RequiredMemory, 24, {
    gpa: U64,
    compatibility_mask: U32,
    number_of_bytes: U32,
    flags: U32,
    reserved: U32,
});

wire!(ErrorRange, 16, {
    gpa: U64,
    compatibility_mask: U32,
    size_bytes: U32,
});

wire!(VbsMeasurement, 864, {
    compatibility_mask: U32,
    _rest: [u8; 860],
});
