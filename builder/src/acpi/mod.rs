//! ACPI tables for a guest, from one platform value.

mod table;

pub use table::Table;
