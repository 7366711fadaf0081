//! Why bytes are not an IGVM file that can be measured.

/// A reason to refuse an IGVM file. Offsets count bytes from the start of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IgvmError {
    /// Fewer bytes than the fixed header needs.
    #[error(
        "offset 0x0: the fixed header needs {expected} bytes, found {found}: this is no IGVM file, \
         or a truncated one"
    )]
    TooShort {
        /// Bytes the fixed header has.
        expected: usize,
        /// Bytes in the file.
        found: usize,
    },

    /// The file does not start with `IGVM`.
    #[error(
        "offset 0x0: expected the magic \"IGVM\" (49 47 56 4d), found {:02x} {:02x} {:02x} {:02x}: \
         give an IGVM file",
        found[0], found[1], found[2], found[3]
    )]
    Magic {
        /// The first four bytes.
        found: [u8; 4],
    },

    /// The fixed header gives another file size.
    #[error(
        "offset 0x10: the fixed header says {expected} bytes, the file has {found}: fetch the \
         whole file again"
    )]
    FileSize {
        /// Bytes according to the fixed header.
        expected: u32,
        /// Bytes in the file.
        found: usize,
    },

    /// The CRC-32 over fixed and variable headers differs.
    #[error(
        "offset 0x14: expected CRC-32 {expected:#010x} over the headers, found {found:#010x}: a \
         header was changed after the file was written"
    )]
    Checksum {
        /// What the headers add up to.
        expected: u32,
        /// What the fixed header says.
        found: u32,
    },

    /// A field holds a value that the format does not allow or this reader does not know.
    #[error("offset {offset:#x}: {field} is {found:#x}, expected {expected}")]
    Field {
        /// Start of the header that holds the field.
        offset: usize,
        /// The field, as the format names it.
        field: &'static str,
        /// The values allowed.
        expected: &'static str,
        /// The value found.
        found: u64,
    },

    /// A variable header runs past the end of its section.
    #[error(
        "offset {offset:#x}: a variable header needs {expected} bytes, its section has {found} \
         left: the section's size or the header's length is wrong"
    )]
    PastSection {
        /// Start of the variable header.
        offset: usize,
        /// Bytes the header takes with its padding.
        expected: u64,
        /// Bytes left in the section.
        found: usize,
    },

    /// A variable header has not the length that its type has.
    #[error("offset {offset:#x}: a header of type {kind:#x} has {expected} bytes, found {found}")]
    HeaderLength {
        /// Start of the variable header.
        offset: usize,
        /// Its type.
        kind: u32,
        /// Bytes that a header of this type has.
        expected: usize,
        /// Bytes it says to have.
        found: usize,
    },

    /// A header that must be understood is not.
    #[error(
        "offset {offset:#x}: header type {kind:#x} is unknown and not marked optional (bit 31): a \
         digest without it would be a guess, use a release of guestmark that knows it"
    )]
    UnknownRequired {
        /// Start of the variable header.
        offset: usize,
        /// Its type.
        kind: u32,
    },

    /// A header that is known, marked as one that loaders may skip.
    #[error(
        "offset {offset:#x}: header type {kind:#x} is known but marked optional (bit 31): loaders \
         may obey or skip it, so there is no one digest"
    )]
    OptionalButKnown {
        /// Start of the variable header.
        offset: usize,
        /// Its type, with bit 31.
        kind: u32,
    },

    /// Headers out of order.
    #[error(
        "offset {offset:#x}: found a {found} header after a {after} header, expected platform, \
         then initialization, then directive headers"
    )]
    SectionOrder {
        /// Start of the variable header.
        offset: usize,
        /// The section it belongs to.
        found: &'static str,
        /// The section already reached.
        after: &'static str,
    },

    /// A header points outside the file's data.
    #[error(
        "offset {offset:#x}: the header takes {length} bytes at file offset {file_offset:#x}, \
         expected them inside the file's data, {start:#x} to {end:#x}"
    )]
    DataOutside {
        /// Start of the variable header.
        offset: usize,
        /// Bytes the header takes.
        length: u64,
        /// Where it says they are.
        file_offset: u32,
        /// Start of the data.
        start: usize,
        /// End of the data and of the file.
        end: usize,
    },

    /// A range of guest memory that ends past the address space.
    #[error(
        "offset {offset:#x}: {length:#x} bytes at GPA {gpa:#x} end past the 64-bit address space"
    )]
    AddressOverflow {
        /// Start of the variable header.
        offset: usize,
        /// Start of the range.
        gpa: u64,
        /// Bytes in the range.
        length: u64,
    },

    /// No supported-platform header.
    #[error("no platform header: an IGVM file names at least one platform, before all else")]
    NoPlatform,

    /// Two platform headers for one platform or one mask.
    #[error(
        "offset {offset:#x}: platform type {platform:#x} or its mask {mask:#x} is declared twice"
    )]
    DuplicatePlatform {
        /// Start of the second header.
        offset: usize,
        /// The platform type.
        platform: u8,
        /// The compatibility mask.
        mask: u32,
    },

    /// A processor context for platforms whose contexts differ in format.
    #[error(
        "offset {offset:#x}: the mask {mask:#x} of a VP context names platforms with different \
         context formats, expected one format"
    )]
    MixedVpContext {
        /// Start of the variable header.
        offset: usize,
        /// The compatibility mask.
        mask: u32,
    },

    /// A parameter area used against the rules.
    #[error("offset {offset:#x}: parameter area {index} {problem}")]
    ParameterArea {
        /// Start of the variable header.
        offset: usize,
        /// The parameter area's index.
        index: u32,
        /// What is wrong.
        problem: &'static str,
    },

    /// More memory declared than this reader measures.
    #[error(
        "offset {offset:#x}: parameter areas and 2 MiB pages add up to {found:#x} bytes of memory \
         that the file does not carry, expected at most {limit:#x}"
    )]
    DeclaredMemory {
        /// Start of the variable header that passes the limit.
        offset: usize,
        /// The limit in bytes.
        limit: u64,
        /// Bytes declared up to here.
        found: u64,
    },

    /// Text that is not UTF-8.
    #[error("offset {offset:#x}: expected a version string in UTF-8, byte {valid_up_to} is not")]
    VersionString {
        /// Start of the variable header.
        offset: usize,
        /// The first byte of the string that is not UTF-8.
        valid_up_to: usize,
    },
}
