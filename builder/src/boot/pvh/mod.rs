//! An IGVM file for SEV-SNP as an ELF file that QEMU boots under software emulation.
//!
//! QEMU as distributions package it loads no IGVM files, and SEV-SNP needs hardware. What can be
//! shown without either is that the launched memory is a machine that runs: all pages, tables and
//! registers come from the IGVM file. Not shown: CPUID and secrets pages, everything between
//! guest and firmware, and the launch digest.
//!
//! Three things change on the way, because the CPU has no memory encryption: the encryption bit
//! is cleared from page tables, the confidential-computing blob is hidden from the kernel, and the
//! first mebibyte, where QEMU's firmware lies and works, is left out. The start goes through a
//! page of code that loads the registers of the save area. It is entered as a PVH guest (Xen,
//! "x86/HVM direct boot ABI"), after QEMU's firmware has set up PCI and its own ACPI tables.

mod boot_params;
mod elf;
mod image;
mod page_tables;
mod trampoline;

use std::io::{self, Write};

use guestmark_measure::Gpa;
use guestmark_measure::igvm::{IgvmError, IgvmFile};

use image::LaunchImage;

/// Where RAM ends at most: above it QEMU's q35 machine has its PCI windows.
const RAM_LIMIT: u64 = 0xb000_0000;

/// RAM above the guest's own for QEMU's firmware, which keeps its ACPI tables at the end of RAM.
const FIRMWARE_RAM: u64 = 64 << 20;

/// Whose ACPI tables the kernel uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AcpiTables {
    /// Those of the emulated machine: what they describe exists, so devices work.
    #[default]
    Machine,
    /// Those in the IGVM file: the kernel parses them, and finds another machine than it runs on.
    Image,
}

/// An IGVM file that cannot be booted in this way.
#[derive(Debug, thiserror::Error)]
pub enum PvhError {
    /// The file is not a correct IGVM file.
    #[error(transparent)]
    Igvm(#[from] IgvmError),
    /// The file is for other platforms.
    #[error("the IGVM file is not for SEV-SNP; build it with that platform")]
    NotSnp,
    /// The file says nowhere how the first virtual CPU starts.
    #[error("the IGVM file has no save area (VP context) for virtual CPU 0")]
    NoSaveArea,
    /// A page that does not fit into the emulated machine.
    #[error(
        "page {0} of the IGVM file is above {RAM_LIMIT:#x}, where the emulated machine has no RAM; \
         build with less memory"
    )]
    TooHigh(Gpa),
    /// Data where the firmware works.
    #[error(
        "page {0} of the IGVM file holds data below 1 MiB, which QEMU's firmware overwrites before \
         the guest starts; only guests that keep nothing there can be booted"
    )]
    LowMemory(Gpa),
    /// The save area holds a state that the start code cannot reach.
    #[error("save area: {register} is {value:#x}, and {expected}")]
    Unsupported {
        /// The register.
        register: &'static str,
        /// Its value in the save area.
        value: u64,
        /// What it has to be.
        expected: &'static str,
    },
    /// A page table is not in the file.
    #[error("the page table at {0} is not among the pages of the IGVM file")]
    NoPageTable(Gpa),
    /// The page tables do not map what they must.
    #[error("the page tables map {what} at {address:#x} {found}")]
    NotMapped {
        /// What is not mapped.
        what: &'static str,
        /// Its virtual address.
        address: u64,
        /// What is there instead.
        found: String,
    },
    /// The RSDP is where QEMU has its firmware.
    #[error(
        "the ACPI tables of the IGVM file start at {0}, where QEMU has its firmware; only layout \
         linux keeps them"
    )]
    AcpiLeftOut(Gpa),
    /// More runs of pages than an ELF file holds.
    #[error("the IGVM file has {0} separate runs of pages; at most {max} can be booted",
        max = elf::MAX_SEGMENTS)]
    TooManySegments(usize),
    /// The ELF file cannot be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What the ELF file needs of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PvhGuest {
    /// RAM in bytes, a whole number of mebibytes: the guest's own and what QEMU's firmware takes.
    pub memory: u64,
}

/// Converts the bytes of an IGVM file into an ELF file.
///
/// # Errors
/// A file that is not IGVM for SEV-SNP, a start that is not 64-bit code under four levels of page
/// tables, memory that the emulated machine does not have, and failures to write.
pub fn convert(igvm: &[u8], acpi: AcpiTables, elf: &mut dyn Write) -> Result<PvhGuest, PvhError> {
    let mut image = LaunchImage::new(&IgvmFile::parse(igvm)?)?;
    boot_params::adapt(&mut image, acpi)?;
    image.remove_low_memory()?;
    let root = page_tables::remove_encryption(&mut image)?;

    let start = image
        .free_page()
        .ok_or(PvhError::TooHigh(Gpa::new(RAM_LIMIT)))?;
    page_tables::expect_identity(&image, root, "the start code", start.get())?;
    page_tables::expect_mapped(&image, root, "the first instruction", image.vmsa().rip)?;
    let code = trampoline::page(start, image.vmsa(), root)?;
    image.insert(start, &code);

    elf::write(&image, start, elf)?;
    Ok(PvhGuest {
        memory: (image.end().get() + FIRMWARE_RAM).next_multiple_of(1 << 20),
    })
}

#[cfg(test)]
mod tests;
