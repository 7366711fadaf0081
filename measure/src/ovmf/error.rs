//! Why firmware leads to no digest.

use uuid::Uuid;

use super::Section;
use crate::Gpa;

/// A reason to refuse firmware. Offsets count bytes from the start of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OvmfError {
    /// The file is not whole pages.
    #[error(
        "expected whole pages of 4096 bytes, found {found} bytes: give the firmware image that \
         the VMM loads"
    )]
    Size {
        /// Bytes in the file.
        found: usize,
    },

    /// The file is larger than firmware can be.
    #[error("expected a firmware image of at most {limit:#x} bytes, found more")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },

    /// No footer table.
    #[error(
        "offset {offset:#x}: expected the footer table (GUID {guid}): give an OVMF image, and of \
         one in two files the one with the code"
    )]
    NoFooter {
        /// Where the footer should be.
        offset: usize,
        /// The footer's GUID.
        guid: Uuid,
    },

    /// The footer table is larger than what comes before its end, or smaller than its footer.
    #[error("offset {offset:#x}: the footer table has {found} bytes, expected 18 to {limit}")]
    TableSize {
        /// Start of the footer.
        offset: usize,
        /// Bytes of the image up to the end of the table.
        limit: usize,
        /// Bytes the table says to have.
        found: usize,
    },

    /// An entry of the footer table does not fit into it.
    #[error(
        "offset {offset:#x}: an entry of the footer table has {found} bytes, expected at least 18 \
         and at most the {left} that are left"
    )]
    EntrySize {
        /// Where the entry's size is.
        offset: usize,
        /// Bytes left in the table.
        left: usize,
        /// Bytes the entry has.
        found: usize,
    },

    /// Two entries with one GUID: VMMs disagree on which they take.
    #[error("offset {offset:#x}: the footer table has a second entry with GUID {guid}")]
    DuplicateEntry {
        /// Start of the second entry.
        offset: usize,
        /// The GUID.
        guid: Uuid,
    },

    /// An entry that is needed and absent.
    #[error("the footer table has no {name} (GUID {guid}): {remedy}")]
    NoEntry {
        /// What the entry is.
        name: &'static str,
        /// Its GUID.
        guid: Uuid,
        /// What to do.
        remedy: &'static str,
    },

    /// An entry without the data that its GUID promises.
    #[error(
        "offset {offset:#x}: expected at least {expected} bytes in the entry with GUID {guid}, \
         found {found}"
    )]
    ShortEntry {
        /// Start of the entry.
        offset: usize,
        /// Its GUID.
        guid: Uuid,
        /// Bytes needed.
        expected: usize,
        /// Bytes there.
        found: usize,
    },

    /// SEV metadata outside the image.
    #[error(
        "offset {offset:#x}: expected SEV metadata between 16 and {limit:#x} bytes before the end \
         of the image, found {found:#x}"
    )]
    MetadataOutside {
        /// Start of the entry that points to the metadata.
        offset: usize,
        /// Bytes in the image.
        limit: usize,
        /// Where the entry says the metadata are, in bytes before the end.
        found: u32,
    },

    /// SEV metadata that do not start as they should.
    #[error(
        "offset {offset:#x}: expected SEV metadata with the signature \"ASEV\" (41 53 45 56), \
         found {:02x} {:02x} {:02x} {:02x}",
        found[0], found[1], found[2], found[3]
    )]
    MetadataSignature {
        /// Start of the metadata.
        offset: usize,
        /// The first four bytes.
        found: [u8; 4],
    },

    /// A field of the SEV metadata holds a value that is not allowed.
    #[error("offset {offset:#x}: {field} of the SEV metadata is {found}, expected {expected}")]
    MetadataField {
        /// Where the field is.
        offset: usize,
        /// The field.
        field: &'static str,
        /// The values allowed.
        expected: String,
        /// The value found.
        found: u32,
    },

    /// A section of a kind that is not known, so that nobody can say what it is launched as.
    #[error(
        "offset {offset:#x}: section type {found:#x} is unknown, expected 1, 2, 3, 4 or 0x10: use \
         a release of guestmark that knows it"
    )]
    UnknownSection {
        /// Start of the section's descriptor.
        offset: usize,
        /// The type.
        found: u32,
    },

    /// A section whose range cannot be launched.
    #[error(
        "offset {offset:#x}: the section {} has {:#x} bytes at {}, expected {expected}",
        section.kind.name(), section.size, section.gpa
    )]
    SectionRange {
        /// Start of the section's descriptor.
        offset: usize,
        /// The section.
        section: Section,
        /// What it should have.
        expected: &'static str,
    },

    /// More memory declared than is measured.
    #[error(
        "the sections of the SEV metadata add up to {found:#x} bytes, expected at most {limit:#x}"
    )]
    DeclaredMemory {
        /// The limit in bytes.
        limit: u64,
        /// Bytes declared.
        found: u64,
    },

    /// Two sections with pages in common.
    #[error(
        "the sections {} at {} and {} at {} overlap, and SEV-SNP launches no page twice",
        first.kind.name(), first.gpa, second.kind.name(), second.gpa
    )]
    Overlap {
        /// The lower section.
        first: Section,
        /// The higher section.
        second: Section,
    },

    /// A section with pages of the image itself.
    #[error(
        "the section {} at {} reaches into the image at {image}, and SEV-SNP launches no page twice",
        section.kind.name(), section.gpa
    )]
    OverlapsImage {
        /// The section.
        section: Section,
        /// Start of the image in guest memory.
        image: Gpa,
    },

    /// A reset block that names no address.
    #[error("the SEV-ES reset block names no address: give firmware built for SEV-ES or SEV-SNP")]
    NoResetAddress,

    /// No room for the table of kernel hashes.
    #[error(
        "the firmware sets {size} bytes at {gpa:#x} aside for kernel hashes, expected at least \
         {expected} within one page: give firmware that checks kernels, such as OVMF of platform \
         AmdSevX64, or leave the kernel out"
    )]
    HashTableArea {
        /// Start of the area.
        gpa: u32,
        /// Bytes in the area.
        size: u32,
        /// Bytes needed.
        expected: usize,
    },

    /// No section for the page that the table of kernel hashes lies in.
    #[error(
        "the SEV metadata have no section SNP_KERNEL_HASHES (type 0x10): the kernel would not be \
         measured; give firmware that checks kernels, such as OVMF of platform AmdSevX64, or \
         leave the kernel out"
    )]
    NoKernelHashes,

    /// The section for kernel hashes is not where the firmware looks for them.
    #[error(
        "the section SNP_KERNEL_HASHES is at {section}, expected at {expected}, where the \
         firmware looks for the table"
    )]
    KernelHashesElsewhere {
        /// Start of the section.
        section: Gpa,
        /// The page that the table lies in.
        expected: Gpa,
    },

    /// An SVSM with no room between it and the start of guest memory.
    #[error(
        "an SVSM of {size:#x} bytes and variables of {variables:#x} bytes do not fit into guest \
         memory below the firmware"
    )]
    SvsmPlace {
        /// Bytes of the SVSM.
        size: u64,
        /// Bytes of the store of variables.
        variables: u64,
    },

    /// A store of variables that is not whole pages, so that the SVSM below it is not either.
    #[error("expected a store of variables of whole pages of 4096 bytes, found {found} bytes")]
    VariablesSize {
        /// Bytes of the store.
        found: u64,
    },
}
