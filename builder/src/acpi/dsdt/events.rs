//! How the hypervisor tells the guest that something happened.

use acpi_tables::aml::{
    And, Device, Field, FieldAccessType, FieldEntry, FieldLockRule, FieldUpdateRule, If, Interrupt,
    Local, Method, MethodCall, Name, Notify, OpRegion, OpRegionSpace, Path, ResourceTemplate,
    Store, ZERO,
};

use super::Encoded;
use crate::acpi::address_map::AddressMap;

/// The interrupt after those of the PCI slots.
const GSI: u32 = 13;
/// Of `Notify`: the power button was pressed.
const PRESSED: u8 = 0x80;

/// Bits of the status byte. Bit 1, memory, stays unused: the platform has no such controller.
const CPU: u8 = 1 << 0;
const PCI: u8 = 1 << 2;
const POWER_BUTTON: u8 = 1 << 3;

/// The generic event device (ACPI 6.5, section 5.6.9): an interrupt, and a status byte that says
/// what happened.
pub(super) fn event_device(map: &AddressMap) -> Encoded {
    let interrupt = Interrupt::new(true, true, false, false, GSI);
    Encoded::new(&Device::new(
        Path::new("_SB_.GED_"),
        vec![
            &Name::new("_HID".into(), &"ACPI0013"),
            &Name::new("_UID".into(), &ZERO),
            &Name::new("_CRS".into(), &ResourceTemplate::new(vec![&interrupt])),
            &OpRegion::new(
                "GDST".into(),
                OpRegionSpace::SystemMemory,
                &map.event_status,
                &1_u8,
            ),
            &Field::new(
                "GDST".into(),
                FieldAccessType::Byte,
                FieldLockRule::NoLock,
                FieldUpdateRule::WriteAsZeroes,
                vec![FieldEntry::Named(*b"GDAT", 8)],
            ),
            &handler(),
        ],
    ))
}

/// `_EVT(interrupt)`: reads the status once, as reading may clear it, and tells who is concerned.
fn handler() -> Encoded {
    let status = Local(0);
    Encoded::new(&Method::new(
        "_EVT".into(),
        1,
        true,
        vec![
            &Store::new(&status, &Path::new("GDAT")),
            &If::new(
                &And::new(&ZERO, &status, &CPU),
                vec![&MethodCall::new("\\_SB_.CPUS.CSCN".into(), vec![])],
            ),
            &If::new(
                &And::new(&ZERO, &status, &PCI),
                vec![&MethodCall::new("\\_SB_.PHPR.PSCN".into(), vec![])],
            ),
            &If::new(
                &And::new(&ZERO, &status, &POWER_BUTTON),
                vec![&Notify::new(&Path::new("\\_SB_.PWRB"), &PRESSED)],
            ),
        ],
    ))
}
