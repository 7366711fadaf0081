//! DSDT: the devices and what they can do, in AML (ACPI 6.5, sections 5.2.11.1 and 20).

mod events;
mod legacy;
mod pci;
mod processors;

use acpi_tables::sdt::Sdt;
use acpi_tables::{Aml, AmlSink};

use super::address_map::AddressMap;
use super::{OEM_ID, OEM_REVISION, OEM_TABLE_ID, bytes_of};
use crate::recipe::Platform;

/// 64-bit integers need 2 or more.
const REVISION: u8 = 6;
const HEADER_SIZE: u32 = 36;
/// An `Acquire` that waits for ever.
const FOREVER: u16 = 0xffff;

/// The table.
pub(super) fn table(platform: &Platform, map: &AddressMap) -> Vec<u8> {
    let mut devices = vec![pci::hot_plug_controller(platform, map)];
    devices.extend((0..platform.pci_segments).map(|segment| pci::root(segment, map)));
    devices.extend([
        legacy::motherboard(platform),
        legacy::serial_port(),
        legacy::power_off(),
        legacy::power_button(),
        events::event_device(map),
        processors::hot_plug_controller(map),
        processors::processors(platform),
    ]);
    let signature = *b"DSDT";
    let mut table = Sdt::new(
        signature,
        HEADER_SIZE,
        REVISION,
        OEM_ID,
        OEM_TABLE_ID,
        OEM_REVISION,
    );
    let aml: Vec<_> = devices.into_iter().flat_map(|device| device.0).collect();
    table.append_slice(&aml);
    table.as_slice().to_vec()
}

/// AML in its final bytes: what is put together from parts of parts.
struct Encoded(Vec<u8>);

impl Encoded {
    fn new(aml: &dyn Aml) -> Self {
        Self(bytes_of(aml))
    }
}

impl Aml for Encoded {
    fn to_aml_bytes(&self, sink: &mut dyn AmlSink) {
        sink.vec(&self.0);
    }
}

/// The parts as children of something larger.
fn children(parts: &[Encoded]) -> Vec<&dyn Aml> {
    parts.iter().map(|part| part as &dyn Aml).collect()
}
