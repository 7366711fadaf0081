//! Why an initrd cannot be listed.

use std::io;

use crate::inspect::listing::ListingTooLarge;

/// Why an initrd cannot be listed. Offsets are bytes from the start of the file or, inside
/// compressed data, from the start of what they unpack to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitrdError {
    /// Data cannot be read, or their compression is damaged.
    #[error("offset {offset:#x}: the data end too early or are damaged: {source}")]
    Read {
        /// How far reading got.
        offset: u64,
        /// What went wrong.
        source: io::Error,
    },
    /// A part is neither a cpio archive nor compressed in a way that is understood.
    #[error(
        "offset {offset:#x}: expected a cpio archive (first byte 0x30), gzip (0x1f) or zstd \
         (0x28) data, found {found:#04x}; unpack other compressions first"
    )]
    Start {
        /// Where the part starts.
        offset: u64,
        /// Its first byte.
        found: u8,
    },
    /// An entry does not start with the magic number of a cpio archive.
    #[error(
        "offset {offset:#x}: expected a cpio entry of the form \"newc\", magic 070701 or 070702, \
         found \"{}\"",
        .found.escape_ascii()
    )]
    Magic {
        /// Where the entry starts.
        offset: u64,
        /// What stands there.
        found: [u8; 6],
    },
    /// A field of an entry's header is not a number.
    #[error(
        "offset {offset:#x}: {field} of a cpio entry is \"{}\", expected eight hexadecimal digits",
        .found.escape_ascii()
    )]
    NotHex {
        /// Where the entry starts.
        offset: u64,
        /// The field.
        field: &'static str,
        /// What it holds.
        found: [u8; 8],
    },
    /// A field of an entry's header has a value that has no meaning.
    #[error("offset {offset:#x}: {field} of a cpio entry is {found:#x}, expected {expected}")]
    Field {
        /// Where the entry starts.
        offset: u64,
        /// The field.
        field: &'static str,
        /// Its value.
        found: u64,
        /// What it may be.
        expected: &'static str,
    },
    /// More comes out than an initrd can hold.
    #[error("unpacks to more than {limit} bytes; no guest could hold such an initrd")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The list itself would take too much memory.
    #[error(transparent)]
    Listing(#[from] ListingTooLarge),
}
