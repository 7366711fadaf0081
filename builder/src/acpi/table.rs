//! An ACPI table with its place in guest memory.

use guestmark_measure::Gpa;

use crate::tree::Origin;

/// An ACPI table, or a page of them, with its place in guest memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    name: String,
    gpa: Gpa,
    bytes: Vec<u8>,
    origin: Origin,
}

impl Table {
    /// The table `name` at `gpa`.
    pub fn new(name: impl Into<String>, gpa: Gpa, bytes: Vec<u8>, origin: Origin) -> Self {
        Self {
            name: name.into(),
            gpa,
            bytes,
            origin,
        }
    }

    /// Bytes that somebody gives for an address, named after it: one table, or pages of them.
    pub fn given(gpa: Gpa, bytes: Vec<u8>, origin: Origin) -> Self {
        Self::new(format!("at {gpa}"), gpa, bytes, origin)
    }

    /// What the table is called: its signature, or where it lies.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it lies.
    pub const fn gpa(&self) -> Gpa {
        self.gpa
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it was made from.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }
}
