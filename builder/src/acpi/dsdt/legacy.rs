//! What is left of a PC: reserved ranges, a serial port, power.

use acpi_tables::Aml;
use acpi_tables::aml::{
    Device, EISAName, IO, Interrupt, Memory32Fixed, Name, Package, Path, ResourceTemplate, ZERO,
};

use super::Encoded;
use crate::acpi::mcfg::{ECAM_SIZE, ecam};
use crate::recipe::Platform;

const COM1_PORT: u16 = 0x3f8;
const COM1_SIZE: u8 = 8;
const COM1_IRQ: u32 = 4;
/// What powers the guest off, when written to the sleep control register.
const SLEEP_TYPE_OFF: u8 = 5;

/// Motherboard resources: a kernel uses a configuration space only if it is reserved here.
pub(super) fn motherboard(platform: &Platform) -> Encoded {
    let spaces: Vec<_> = (0..platform.pci_segments)
        .map(|segment| Memory32Fixed::new(true, ecam(segment), ECAM_SIZE))
        .collect();
    let spaces = spaces.iter().map(|space| space as &dyn Aml).collect();
    Encoded::new(&Device::new(
        Path::new("_SB_.MBRD"),
        vec![
            &Name::new("_HID".into(), &EISAName::new("PNP0C02")),
            &Name::new("_UID".into(), &ZERO),
            &Name::new("_CRS".into(), &ResourceTemplate::new(spaces)),
        ],
    ))
}

/// A 16550A serial port, COM1.
pub(super) fn serial_port() -> Encoded {
    Encoded::new(&Device::new(
        Path::new("_SB_.COM1"),
        vec![
            &Name::new("_HID".into(), &EISAName::new("PNP0501")),
            &Name::new("_UID".into(), &ZERO),
            &Name::new("_DDN".into(), &"COM1"),
            &Name::new(
                "_CRS".into(),
                &ResourceTemplate::new(vec![
                    &Interrupt::new(true, true, false, false, COM1_IRQ),
                    &IO::new(COM1_PORT, COM1_PORT, 1, COM1_SIZE),
                ]),
            ),
        ],
    ))
}

/// `_S5`: the state that is off.
pub(super) fn power_off() -> Encoded {
    let states = Package::new(vec![&SLEEP_TYPE_OFF]);
    Encoded::new(&Name::new("_S5_".into(), &states))
}

/// The power button, which the event device presses.
pub(super) fn power_button() -> Encoded {
    Encoded::new(&Device::new(
        Path::new("_SB_.PWRB"),
        vec![
            &Name::new("_HID".into(), &EISAName::new("PNP0C0C")),
            &Name::new("_UID".into(), &ZERO),
        ],
    ))
}
