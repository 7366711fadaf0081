//! ACPI tables for a guest, from one platform value.
