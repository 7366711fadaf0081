//! The memory map that a kernel finds in `boot_params`.
//!
//! Source: ACPI specification 6.5, section 15.1 "INT 15H, E820H"; Linux,
//! arch/x86/include/uapi/asm/bootparam.h, `struct boot_e820_entry`.

use std::ops::Range;

use guestmark_measure::Gpa;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// What a range of memory is to a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum E820Type {
    /// The kernel's to use.
    Ram = 1,
    /// Not to be touched.
    Reserved = 2,
    /// ACPI tables.
    Acpi = 3,
}

/// One entry: start and size in bytes, and a type.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub(crate) struct E820Entry {
    pub(crate) start: U64,
    pub(crate) size: U64,
    pub(crate) kind: U32,
}

const _: () = assert!(size_of::<E820Entry>() == 20);

impl E820Entry {
    /// The entry that says that `range` is `kind`.
    pub(crate) fn new(range: Range<Gpa>, kind: E820Type) -> Self {
        Self {
            start: range.start.get().into(),
            size: (range.end.get() - range.start.get()).into(),
            kind: (kind as u32).into(),
        }
    }
}
