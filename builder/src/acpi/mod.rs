//! ACPI tables for a guest, from one platform value: Cloud Hypervisor's fixed platform.
//!
//! The tables are measured, so nothing but the platform and this module decides their bytes: no
//! compiler, and no host.
//!
//! Source: ACPI specification 6.5; PCI Firmware Specification 3.3 (MCFG).

mod address_map;
mod dsdt;
mod fadt;
mod madt;
mod mcfg;
mod table;

#[cfg(test)]
mod tests;

use acpi_tables::Aml;
use acpi_tables::facs::FACS;
use acpi_tables::rsdp::Rsdp;
use acpi_tables::xsdt::XSDT;
use guestmark_measure::Gpa;

pub use address_map::PlatformError;
pub use table::Table;

use crate::recipe::{Layout, Platform};
use crate::tree::Origin;
use address_map::AddressMap;

/// Who made the tables.
const OEM_ID: [u8; 6] = *b"GUESTM";
const OEM_TABLE_ID: [u8; 8] = *b"GUESTMRK";
/// To be raised whenever the bytes made from an unchanged platform change.
const OEM_REVISION: u32 = 1;

/// Tables begin on multiples of this: the FACS must (ACPI 6.5, section 5.2.10).
const ALIGNMENT: u64 = 64;

/// The tables that describe `platform`, where `layout` has them, in ascending order of address:
/// RSDP and XSDT, then the others in the order of their names.
///
/// # Errors
/// There is no such platform.
pub fn tables(platform: &Platform, layout: Layout) -> Result<Vec<Table>, PlatformError> {
    let map = AddressMap::of(platform)?;
    let apic = bytes_of(&madt::table(platform));
    let dsdt = dsdt::table(platform, &map);
    let facs = bytes_of(&FACS::new());
    let mcfg = bytes_of(&mcfg::table(platform));

    let (rsdp_gpa, xsdt_gpa, first) = places(layout);
    let apic_gpa = first;
    let dsdt_gpa = after(apic_gpa, apic.len());
    let facp_gpa = after(dsdt_gpa, dsdt.len());
    let facs_gpa = after(facp_gpa, fadt::SIZE);
    let mcfg_gpa = after(facs_gpa, facs.len());

    let facp = bytes_of(&fadt::table(facs_gpa, dsdt_gpa));
    let rsdp = bytes_of(&Rsdp::new(OEM_ID, xsdt_gpa.get()));
    // The DSDT and the FACS are found through the FACP.
    let xsdt = xsdt_of([apic_gpa, facp_gpa, mcfg_gpa]);
    let origin = Origin::rule("platform");
    Ok([
        ("RSDP", rsdp_gpa, rsdp),
        ("XSDT", xsdt_gpa, xsdt),
        ("APIC", apic_gpa, apic),
        ("DSDT", dsdt_gpa, dsdt),
        ("FACP", facp_gpa, facp),
        ("FACS", facs_gpa, facs),
        ("MCFG", mcfg_gpa, mcfg),
    ]
    .map(|(name, gpa, bytes)| Table::new(name, gpa, bytes, origin.clone()))
    .to_vec())
}

/// The places of RSDP, XSDT and the first other table.
const fn places(layout: Layout) -> (Gpa, Gpa, Gpa) {
    match layout {
        Layout::Aks => (Gpa::new(0xe_0000), Gpa::new(0x10_0000), Gpa::new(0x10_1000)),
        Layout::Linux => (
            Gpa::new(0x10_0000),
            Gpa::new(0x10_0040),
            Gpa::new(0x10_0080),
        ),
    }
}

/// The place of the table after one of `size` bytes at `gpa`.
const fn after(gpa: Gpa, size: usize) -> Gpa {
    Gpa::new((gpa.get() + size as u64).next_multiple_of(ALIGNMENT))
}

fn xsdt_of(tables: [Gpa; 3]) -> Vec<u8> {
    let mut xsdt = XSDT::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION);
    for table in tables {
        xsdt.add_entry(table.get());
    }
    bytes_of(&xsdt)
}

fn bytes_of(table: &dyn Aml) -> Vec<u8> {
    let mut bytes = Vec::new();
    table.to_aml_bytes(&mut bytes);
    bytes
}
