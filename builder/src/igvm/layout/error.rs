//! Inputs that cannot be laid out.

use guestmark_measure::Gpa;

use super::linux::MOST_RAM;
use crate::igvm::bzimage::BzImageError;
use crate::igvm::memory::MemoryError;
use crate::recipe::Memory;

/// Inputs that cannot be laid out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The kernel cannot be used.
    #[error("kernel: {0}")]
    Kernel(#[from] BzImageError),
    /// The kernel wants to be loaded where it cannot be.
    #[error(
        "kernel: pref_address (offset 0x258) is {found:#x}; this layout takes a page-aligned \
         address from {lowest} up to 4 GiB"
    )]
    LoadAddress {
        /// The address found.
        found: u64,
        /// The lowest address there is room at.
        lowest: Gpa,
    },
    /// The kernel's memory is not a whole number of pages.
    #[error("kernel: init_size (offset 0x260) is {found:#x}, not a multiple of a page (0x1000)")]
    InitSizeUnaligned {
        /// The size found.
        found: u64,
    },
    /// The kernel asks for less memory than it takes.
    #[error(
        "kernel: init_size (offset 0x260) is {found:#x}; a payload of this size needs at least \
         {needed:#x}"
    )]
    InitSizeTooSmall {
        /// The size found.
        found: u64,
        /// The least that will do.
        needed: u64,
    },
    /// The command line is longer than the kernel takes.
    #[error(
        "command line: {length} bytes, the kernel takes at most {limit} (cmdline_size, offset \
         0x238); shorten it by {} bytes",
        .length - .limit
    )]
    CommandLineTooLong {
        /// Its length in bytes.
        length: usize,
        /// The most that the kernel takes.
        limit: usize,
    },
    /// The command line has a NUL in it.
    #[error(
        "command line: a NUL at offset {offset}; the kernel would not see what follows it, remove \
         it"
    )]
    CommandLineNul {
        /// Where the first one is.
        offset: usize,
    },
    /// Something would have to lie past 4 GiB.
    #[error("{what} would end at {end:#x}, past 4 GiB (0x100000000)")]
    Past4GiB {
        /// What would.
        what: String,
        /// Where it would end.
        end: u128,
    },
    /// Something begins before what lies below it ends.
    #[error("{what} begins at {start}, but everything up to {end} is taken")]
    Overlap {
        /// What begins too low.
        what: String,
        /// Where it begins.
        start: Gpa,
        /// Where what lies below it ends.
        end: Gpa,
    },
    /// A table that must lie in a certain place does not.
    #[error(
        "ACPI: this layout needs the {name} at {gpa}; no table or page begins there with \
         {signature:?}"
    )]
    NoTable {
        /// The table.
        name: &'static str,
        /// Its place.
        gpa: Gpa,
        /// The signature it must begin with.
        signature: &'static str,
    },
    /// An ACPI table lies outside the place for them.
    #[error("ACPI {name}: {start} to {end} is outside {lowest} to {highest}")]
    AcpiOutside {
        /// The table.
        name: String,
        /// Its first byte.
        start: Gpa,
        /// The byte after its last.
        end: Gpa,
        /// The first byte that tables may take.
        lowest: Gpa,
        /// The byte after the last they may take.
        highest: Gpa,
    },
    /// The RAM does not hold what is launched.
    #[error(
        "memory is {memory}, but kernel, initrd and their tables end at {end}; give at least \
         {least}"
    )]
    RamTooSmall {
        /// The RAM asked for.
        memory: Memory,
        /// Where what is launched ends.
        end: Gpa,
        /// The least whole number of MiB that will do, in words.
        least: String,
    },
    /// The RAM is more than the layout takes.
    #[error("memory is {memory}; this layout takes at most {MOST_RAM} bytes (2 GiB)")]
    RamTooLarge {
        /// The RAM asked for.
        memory: Memory,
    },
    /// Regions do not make up a memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}
