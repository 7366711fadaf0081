//! The ACPI tables in the IGVM file, as a kernel takes them.

use guestmark_builder::boot::{AcpiTables, BootEnd};

use crate::artifacts::artifacts;
use crate::machine::{booted, console};

/// What the kernel says of our tables: its loader, the processors, the interrupt controller, PCI
/// and the sleep states, each of which it has from another table.
const TAKEN: [&str; 11] = [
    "ACPI: RSDP 0x0000000000100000 000024 (v02 GUESTM)",
    "ACPI: XSDT 0x0000000000100040 00003C (v01 GUESTM GUESTMRK ",
    "ACPI: APIC 0x0000000000100080 000050 (v01 GUESTM GUESTMRK ",
    "(v06 GUESTM GUESTMRK ",
    "ACPI: DSDT 0x",
    "ACPI: FACP 0x",
    "ACPI: MCFG 0x",
    "ACPI: Using ACPI (MADT) for SMP configuration information",
    "ACPI: PM: (supports S0 S5)",
    "at [mem 0xe8000000-0xe80fffff] reserved in ACPI motherboard resources",
    "ACPI: PCI Root Bridge [PC00] (domain 0000 [bus 00])",
];

#[test]
fn the_guest_comes_up_with_the_igvm_files_own_acpi_tables_and_without_complaint() {
    let guest = artifacts();
    let outcome = booted(&guest.igvm(), &guest.disk(), AcpiTables::Image);
    let said = console(&outcome);
    assert_eq!(outcome.end, BootEnd::AgentAnswered, "{said}");
    for line in TAKEN {
        assert!(said.contains(line), "{line:?} is missing:\n{said}");
    }
    for line in said.lines() {
        let complaint = ["ACPI Error", "ACPI Warning", "ACPI BIOS", "ACPI Exception"];
        assert!(!complaint.iter().any(|word| line.contains(word)), "{line}");
    }
}
