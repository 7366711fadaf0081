//! What a boot loader tells the kernel: the "zero page".
//!
//! Source: Linux, Documentation/arch/x86/zero-page.rst and
//! arch/x86/include/uapi/asm/bootparam.h, `struct boot_params`.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::e820::E820Entry;
use crate::igvm::bzimage::{SETUP_HEADER_OFFSET, SetupHeader};

/// Entries that the table in `boot_params` has room for.
const E820_ENTRIES: usize = 128;

/// `struct boot_params`, 4096 bytes. What is not set here is zero.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct BootParams {
    _before_rsdp: [u8; 0x70],
    /// The address of the ACPI root pointer.
    pub(crate) acpi_rsdp_addr: U64,
    _before_cc_blob: [u8; 0x13c - 0x78],
    /// The address of the confidential-computing blob.
    pub(crate) cc_blob_address: U32,
    _before_e820_entries: [u8; 0x1e8 - 0x140],
    /// How many entries of the table are in use.
    pub(crate) e820_entries: u8,
    _before_header: [u8; SETUP_HEADER_OFFSET - 0x1e9],
    /// The kernel's own setup header, completed by the loader.
    pub(crate) header: SetupHeader,
    _before_e820: [u8; 0x2d0 - SETUP_HEADER_OFFSET - size_of::<SetupHeader>()],
    /// The memory map.
    pub(crate) e820_table: [E820Entry; E820_ENTRIES],
    _rest: [u8; 4096 - 0xcd0],
}

const _: () = {
    assert!(size_of::<BootParams>() as u64 == BootParams::SIZE);
    assert!(std::mem::offset_of!(BootParams, acpi_rsdp_addr) == 0x70);
    assert!(std::mem::offset_of!(BootParams, cc_blob_address) == 0x13c);
    assert!(std::mem::offset_of!(BootParams, e820_entries) == 0x1e8);
    assert!(std::mem::offset_of!(BootParams, header) == 0x1f1);
    assert!(std::mem::offset_of!(BootParams, e820_table) == 0x2d0);
};

impl BootParams {
    /// Bytes that the structure takes.
    pub(crate) const SIZE: u64 = 4096;

    /// Sets the memory map; entries past the 128th are left out.
    pub(crate) fn set_e820(&mut self, entries: &[E820Entry]) {
        self.e820_entries = 0;
        for (slot, entry) in self.e820_table.iter_mut().zip(entries) {
            *slot = *entry;
            self.e820_entries += 1;
        }
    }
}
