//! MADT: the interrupt controllers (ACPI 6.5, section 5.2.12).

use acpi_tables::madt::{
    EnabledStatus, IoApic, LocalInterruptController, MADT, ProcessorLocalApic,
};
use acpi_tables::{Aml, AmlSink, aml_as_bytes};
use zerocopy::little_endian::{U16, U32};
use zerocopy::{Immutable, IntoBytes};

use super::{OEM_ID, OEM_REVISION, OEM_TABLE_ID};
use crate::recipe::Platform;

const LOCAL_APIC: u32 = 0xfee0_0000;
const IO_APIC: u32 = 0xfec0_0000;
const IO_APIC_ID: u8 = 1;
/// Where ACPI's own interrupt would be.
const ACPI_IRQ: u8 = 9;
/// Level-triggered, active high.
const LEVEL_HIGH: u16 = 0xd;
const ALL_PROCESSORS: u8 = 0xff;

/// The table.
pub(super) fn table(platform: &Platform) -> MADT {
    let controller = LocalInterruptController::Address(LOCAL_APIC);
    let mut madt = MADT::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION, controller);
    // AKS guests number processors from 1 here and from 0 in the DSDT. The processors' own _MAT
    // repeats the APIC id, and that is what the kernel goes by.
    for apic_id in 0..platform.vcpus {
        let uid = apic_id + 1;
        madt.add_structure(ProcessorLocalApic::new(
            uid,
            apic_id,
            EnabledStatus::Enabled,
        ));
    }
    madt.add_structure(IoApic::new(IO_APIC_ID, IO_APIC, 0));
    madt.add_structure(SourceOverride {
        kind: 2,
        length: 10,
        bus: 0,
        source: ACPI_IRQ,
        gsi: u32::from(ACPI_IRQ).into(),
        flags: LEVEL_HIGH.into(),
    });
    madt.add_structure(LocalApicNmi {
        kind: 4,
        length: 6,
        processor_uid: ALL_PROCESSORS,
        flags: U16::ZERO,
        lint: 1,
    });
    madt
}

/// Interrupt Source Override, section 5.2.12.5.
#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
struct SourceOverride {
    kind: u8,
    length: u8,
    bus: u8,
    source: u8,
    gsi: U32,
    flags: U16,
}

const _: () = assert!(size_of::<SourceOverride>() == 10);
aml_as_bytes!(SourceOverride);

/// Local APIC NMI, section 5.2.12.7.
#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
struct LocalApicNmi {
    kind: u8,
    length: u8,
    processor_uid: u8,
    flags: U16,
    lint: u8,
}

const _: () = assert!(size_of::<LocalApicNmi>() == 6);
aml_as_bytes!(LocalApicNmi);
