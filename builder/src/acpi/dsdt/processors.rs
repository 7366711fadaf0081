//! The processors, and the controller that adds and removes them.

use acpi_tables::Aml;
use acpi_tables::aml::{
    Acquire, Add, AddressSpace, AddressSpaceCacheable, Arg, BufferData, Device, EISAName, Equal,
    Field, FieldAccessType, FieldEntry, FieldLockRule, FieldUpdateRule, If, LessThan, Local,
    Method, MethodCall, Mutex, Name, Notify, ONE, OpRegion, OpRegionSpace, Path, Release,
    ResourceTemplate, Return, Store, While, ZERO,
};
use acpi_tables::madt::{EnabledStatus, ProcessorLocalApic};

use super::{Encoded, FOREVER, children};
use crate::acpi::address_map::AddressMap;
use crate::acpi::bytes_of;
use crate::recipe::Platform;

/// Bytes of the controller's registers.
const CONTROLLER_SIZE: u8 = 12;
/// Of `_STA`: present, enabled, shown, working.
const PRESENT: u8 = 0xf;
/// Of `Notify`: the guest should eject the processor.
const EJECT_REQUEST: u8 = 3;

const LOCK: &str = "\\_SB_.PRES.CPLK";
const SELECTED: &str = "\\_SB_.PRES.CSEL";
const ENABLED: &str = "\\_SB_.PRES.CPEN";
const INSERTED: &str = "\\_SB_.PRES.CINS";
const TO_REMOVE: &str = "\\_SB_.PRES.CRMV";
const EJECT: &str = "\\_SB_.PRES.CEJ0";

/// The CPU hot-plug controller. Writing a processor's number to the first word selects it; bits 0
/// to 3 of byte 4 then say whether it is enabled, inserted, to be removed, and eject it.
pub(super) fn hot_plug_controller(map: &AddressMap) -> Encoded {
    let registers = map.cpu_hot_plug;
    let range = AddressSpace::new_memory(
        AddressSpaceCacheable::NotCacheable,
        true,
        registers,
        registers + u64::from(CONTROLLER_SIZE) - 1,
        None,
    );
    Encoded::new(&Device::new(
        Path::new("_SB_.PRES"),
        vec![
            &Name::new("_HID".into(), &EISAName::new("PNP0A06")),
            &Name::new("_UID".into(), &"CPU Hotplug Controller"),
            &Mutex::new("CPLK".into(), 0),
            &Name::new("_CRS".into(), &ResourceTemplate::new(vec![&range])),
            &OpRegion::new(
                "PRST".into(),
                OpRegionSpace::SystemMemory,
                &registers,
                &CONTROLLER_SIZE,
            ),
            &Field::new(
                "PRST".into(),
                FieldAccessType::Byte,
                FieldLockRule::NoLock,
                FieldUpdateRule::WriteAsZeroes,
                vec![
                    FieldEntry::Reserved(32),
                    FieldEntry::Named(*b"CPEN", 1),
                    FieldEntry::Named(*b"CINS", 1),
                    FieldEntry::Named(*b"CRMV", 1),
                    FieldEntry::Named(*b"CEJ0", 1),
                    FieldEntry::Reserved(4),
                    FieldEntry::Named(*b"CCMD", 8),
                ],
            ),
            &Field::new(
                "PRST".into(),
                FieldAccessType::DWord,
                FieldLockRule::NoLock,
                FieldUpdateRule::Preserve,
                vec![
                    FieldEntry::Named(*b"CSEL", 32),
                    FieldEntry::Reserved(32),
                    FieldEntry::Named(*b"CDAT", 32),
                ],
            ),
        ],
    ))
}

/// The processors, with the methods that work on any of them.
pub(super) fn processors(platform: &Platform) -> Encoded {
    let processors: Vec<_> = (0..platform.vcpus).map(processor).collect();
    let (hid, cid) = (
        Name::new("_HID".into(), &"ACPI0010"),
        Name::new("_CID".into(), &EISAName::new("PNP0A05")),
    );
    let (status, notify) = (status(), notify(platform.vcpus));
    let (eject, scan) = (eject(), scan(platform.vcpus));
    let mut parts = children(&processors);
    parts.splice(
        0..0,
        [&hid as &dyn Aml, &cid, &status, &notify, &eject, &scan],
    );
    Encoded::new(&Device::new(Path::new("_SB_.CPUS"), parts))
}

fn path(number: u8) -> Path {
    Path::new(&format!("C{number:03X}"))
}

/// One processor. Its `_MAT` is its entry of the MADT.
fn processor(number: u8) -> Encoded {
    let apic = bytes_of(&ProcessorLocalApic::new(
        number,
        number,
        EnabledStatus::Enabled,
    ));
    let method = |name: &'static str, arguments, call: &dyn Aml| {
        Encoded::new(&Method::new(name.into(), arguments, false, vec![call]))
    };
    let status = MethodCall::new("CSTA".into(), vec![&number]);
    let eject = MethodCall::new("CEJ0".into(), vec![&number]);
    Encoded::new(&Device::new(
        path(number),
        vec![
            &Name::new("_HID".into(), &"ACPI0007"),
            &Name::new("_UID".into(), &number),
            &method("_STA", 0, &Return::new(&status)),
            &Name::new("_MAT".into(), &BufferData::new(apic)),
            &method("_EJ0", 1, &eject),
        ],
    ))
}

/// `CSTA(number)`: the status of a processor.
fn status() -> Encoded {
    Encoded::new(&Method::new(
        "CSTA".into(),
        1,
        true,
        vec![
            &Acquire::new(LOCK.into(), FOREVER),
            &Store::new(&Path::new(SELECTED), &Arg(0)),
            &Store::new(&Local(0), &ZERO),
            &If::new(
                &Equal::new(&Path::new(ENABLED), &ONE),
                vec![&Store::new(&Local(0), &PRESENT)],
            ),
            &Release::new(LOCK.into()),
            &Return::new(&Local(0)),
        ],
    ))
}

/// `CTFY(number, event)`: notifies a processor, which AML can only name, not index.
fn notify(count: u8) -> Encoded {
    let each: Vec<_> = (0..count)
        .map(|number| {
            Encoded::new(&If::new(
                &Equal::new(&Arg(0), &number),
                vec![&Notify::new(&path(number), &Arg(1))],
            ))
        })
        .collect();
    Encoded::new(&Method::new("CTFY".into(), 2, true, children(&each)))
}

/// `CEJ0(number)`: ejects a processor.
fn eject() -> Encoded {
    Encoded::new(&Method::new(
        "CEJ0".into(),
        1,
        true,
        vec![
            &Acquire::new(LOCK.into(), FOREVER),
            &Store::new(&Path::new(SELECTED), &Arg(0)),
            &Store::new(&Path::new(EJECT), &ONE),
            &Release::new(LOCK.into()),
        ],
    ))
}

/// `CSCN()`: notifies every processor that was inserted or is to be removed.
fn scan(count: u8) -> Encoded {
    let (inserted, to_remove) = (Path::new(INSERTED), Path::new(TO_REMOVE));
    Encoded::new(&Method::new(
        "CSCN".into(),
        0,
        true,
        vec![
            &Acquire::new(LOCK.into(), FOREVER),
            &Store::new(&Local(0), &ZERO),
            &While::new(
                &LessThan::new(&Local(0), &count),
                vec![
                    &Store::new(&Path::new(SELECTED), &Local(0)),
                    &If::new(
                        &Equal::new(&inserted, &ONE),
                        vec![
                            &MethodCall::new("CTFY".into(), vec![&Local(0), &ONE]),
                            &Store::new(&inserted, &ONE),
                        ],
                    ),
                    &If::new(
                        &Equal::new(&to_remove, &ONE),
                        vec![
                            &MethodCall::new("CTFY".into(), vec![&Local(0), &EJECT_REQUEST]),
                            &Store::new(&to_remove, &ONE),
                        ],
                    ),
                    &Add::new(&Local(0), &Local(0), &ONE),
                ],
            ),
            &Release::new(LOCK.into()),
        ],
    ))
}
