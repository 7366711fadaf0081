//! Guest physical addresses.

use std::fmt;

use serde::{Serialize, Serializer};

/// Bytes in a page, the unit in which SEV-SNP launches and measures memory.
pub const PAGE_SIZE: u64 = 4096;

/// A guest physical address (GPA) in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Gpa(u64);

impl Gpa {
    /// The address `bytes` bytes above the start of guest memory.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The address as a number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether the address is the first byte of a page.
    pub const fn is_page_aligned(self) -> bool {
        self.0.is_multiple_of(PAGE_SIZE)
    }

    /// The address `bytes` further up, or `None` past the end of the address space.
    pub const fn checked_add(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The start of the first page at or above this address, or `None` past the end of the
    /// address space.
    pub const fn checked_page_align_up(self) -> Option<Self> {
        match self.0.checked_next_multiple_of(PAGE_SIZE) {
            Some(aligned) => Some(Self(aligned)),
            None => None,
        }
    }
}

impl fmt::Display for Gpa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for Gpa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Gpa {
    /// As the hexadecimal text of [`fmt::Display`]: JSON numbers lose precision past 2^53.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
