//! MCFG: where PCI configuration space is mapped (PCI Firmware Specification 3.3, section 4.1.2).

use acpi_tables::mcfg::MCFG;

use super::{OEM_ID, OEM_REVISION, OEM_TABLE_ID};
use crate::recipe::Platform;

/// Bytes of configuration space of a segment, which has one bus.
pub(super) const ECAM_SIZE: u32 = 0x10_0000;

const FIRST_ECAM: u32 = 0xe800_0000;

/// Where the configuration space of `segment` begins.
pub(super) const fn ecam(segment: u8) -> u32 {
    FIRST_ECAM + segment as u32 * ECAM_SIZE
}

/// The table.
pub(super) fn table(platform: &Platform) -> MCFG {
    let mut mcfg = MCFG::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION);
    for segment in 0..platform.pci_segments {
        mcfg.add_ecam(u64::from(ecam(segment)), u16::from(segment), 0, 0);
    }
    mcfg
}
