//! The PCI roots, one a segment, and the controller that adds and removes devices.

use acpi_tables::Aml;
use acpi_tables::aml::{
    Acquire, AddressSpace, AddressSpaceCacheable, And, Arg, Device, EISAName, Field,
    FieldAccessType, FieldEntry, FieldLockRule, FieldUpdateRule, IO, If, Method, MethodCall, Mutex,
    Name, Notify, ONE, OpRegion, OpRegionSpace, Package, Path, Release, ResourceTemplate, Return,
    ShiftLeft, Store, ZERO,
};

use super::{Encoded, FOREVER, children};
use crate::acpi::address_map::AddressMap;
use crate::recipe::Platform;

/// Bytes of the controller's registers.
const CONTROLLER_SIZE: u8 = 16;
/// Devices that a bus has room for, each a slot.
const SLOTS: u8 = 32;
/// The slots share this many interrupts, of which this is the first.
const INTERRUPTS: u32 = 8;
const FIRST_GSI: u32 = 5;
/// Of `Notify`: the guest should eject the device.
const EJECT_REQUEST: u8 = 3;

/// The ports of configuration mechanism 1.
const CONFIG_PORT: u16 = 0xcf8;
const CONFIG_SIZE: u8 = 8;
/// The first segment's window below 4 GiB, first and last byte.
const WINDOW_32: (u32, u32) = (0xc000_0000, 0xe7ff_ffff);

const LOCK: &str = "\\_SB_.PHPR.BLCK";
const SEGMENT: &str = "\\_SB_.PHPR.PSEG";
const INSERTED: &str = "\\_SB_.PHPR.PCIU";
const TO_REMOVE: &str = "\\_SB_.PHPR.PCID";

/// The PCI hot-plug controller: four words. Writing a segment to the last selects it; the first
/// two then have a bit for every slot whose device was inserted or is to be removed, and writing
/// a slot's bit to the third ejects it.
pub(super) fn hot_plug_controller(platform: &Platform, map: &AddressMap) -> Encoded {
    let registers = map.pci_hot_plug;
    let range = memory(registers, registers + u64::from(CONTROLLER_SIZE) - 1);
    Encoded::new(&Device::new(
        Path::new("_SB_.PHPR"),
        vec![
            &Name::new("_HID".into(), &EISAName::new("PNP0A06")),
            &Name::new("_UID".into(), &"PCI Hotplug Controller"),
            &Mutex::new("BLCK".into(), 0),
            &Name::new("_CRS".into(), &ResourceTemplate::new(vec![&range])),
            &OpRegion::new(
                "PCST".into(),
                OpRegionSpace::SystemMemory,
                &registers,
                &CONTROLLER_SIZE,
            ),
            &Field::new(
                "PCST".into(),
                FieldAccessType::DWord,
                FieldLockRule::NoLock,
                FieldUpdateRule::WriteAsZeroes,
                [b"PCIU", b"PCID", b"B0EJ", b"PSEG"]
                    .map(|name| FieldEntry::Named(*name, 32))
                    .to_vec(),
            ),
            &eject(),
            &scan(platform.pci_segments),
        ],
    ))
}

/// `PCEJ(slot, segment)`: ejects a slot's device.
fn eject() -> Encoded {
    Encoded::new(&Method::new(
        "PCEJ".into(),
        2,
        true,
        vec![
            &Acquire::new("BLCK".into(), FOREVER),
            &Store::new(&Path::new("PSEG"), &Arg(1)),
            &ShiftLeft::new(&Path::new("B0EJ"), &ONE, &Arg(0)),
            &Release::new("BLCK".into()),
            &Return::new(&ZERO),
        ],
    ))
}

/// `PSCN()`: has every root look at its slots.
fn scan(segments: u8) -> Encoded {
    let each: Vec<_> = (0..segments)
        .map(|segment| {
            let scan = format!("\\_SB_.{}.PCNT", root_name(segment));
            Encoded::new(&MethodCall::new(Path::new(&scan), vec![]))
        })
        .collect();
    Encoded::new(&Method::new("PSCN".into(), 0, true, children(&each)))
}

fn root_name(segment: u8) -> String {
    format!("PC{segment:02X}")
}

/// The root of a segment, with its windows, slots and interrupts.
pub(super) fn root(segment: u8, map: &AddressMap) -> Encoded {
    let mut parts = vec![
        Encoded::new(&Name::new("_HID".into(), &EISAName::new("PNP0A08"))),
        Encoded::new(&Name::new("_CID".into(), &EISAName::new("PNP0A03"))),
        Encoded::new(&Name::new("_SEG".into(), &segment)),
        Encoded::new(&Name::new("_BBN".into(), &ZERO)),
        Encoded::new(&Name::new("_UID".into(), &segment)),
        Encoded::new(&Name::new("_CCA".into(), &ONE)),
        resources(segment, map),
    ];
    parts.extend((0..SLOTS).map(slot));
    parts.extend([notify_slots(), look_at_slots(), interrupts()]);
    let path = format!("_SB_.{}", root_name(segment));
    Encoded::new(&Device::new(Path::new(&path), children(&parts)))
}

/// `_CRS`: bus 0 and a window above 4 GiB; the first segment has the legacy ports and a window
/// below 4 GiB too.
fn resources(segment: u8, map: &AddressMap) -> Encoded {
    let (first, last) = map.window(segment);
    let bus = AddressSpace::new_bus_number(0_u16, 0);
    let window = memory(first, last);
    let config = IO::new(CONFIG_PORT, CONFIG_PORT, 1, CONFIG_SIZE);
    let ports_below = AddressSpace::new_io(0_u16, CONFIG_PORT - 1, None);
    let ports_above = AddressSpace::new_io(CONFIG_PORT + u16::from(CONFIG_SIZE), u16::MAX, None);
    let window_32 = memory(WINDOW_32.0, WINDOW_32.1);
    let mut resources: Vec<&dyn Aml> = vec![&bus];
    if segment == 0 {
        resources.extend([&config as &dyn Aml, &ports_below, &ports_above, &window_32]);
    }
    resources.push(&window);
    Encoded::new(&Name::new("_CRS".into(), &ResourceTemplate::new(resources)))
}

fn memory<T: Default>(first: T, last: T) -> AddressSpace<T> {
    AddressSpace::new_memory(AddressSpaceCacheable::NotCacheable, true, first, last, None)
}

fn slot_path(number: u8) -> Path {
    Path::new(&format!("S{number:03}"))
}

fn slot(number: u8) -> Encoded {
    let address = u32::from(number) << 16;
    let (slot, segment) = (Path::new("_SUN"), Path::new("_SEG"));
    let eject = MethodCall::new("\\_SB_.PHPR.PCEJ".into(), vec![&slot, &segment]);
    Encoded::new(&Device::new(
        slot_path(number),
        vec![
            &Name::new("_SUN".into(), &number),
            &Name::new("_ADR".into(), &address),
            &Method::new("_EJ0".into(), 1, true, vec![&eject]),
        ],
    ))
}

/// `DVNT(slots, event)`: notifies every slot whose bit is set.
fn notify_slots() -> Encoded {
    let each: Vec<_> = (0..SLOTS)
        .map(|number| {
            Encoded::new(&If::new(
                &And::new(&ZERO, &Arg(0), &(1_u32 << number)),
                vec![&Notify::new(&slot_path(number), &Arg(1))],
            ))
        })
        .collect();
    Encoded::new(&Method::new("DVNT".into(), 2, true, children(&each)))
}

/// `PCNT()`: asks the controller which of the segment's slots changed, and notifies them.
fn look_at_slots() -> Encoded {
    let call = |slots: &'static str, event: &dyn Aml| {
        let slots = Path::new(slots);
        Encoded::new(&MethodCall::new("DVNT".into(), vec![&slots, event]))
    };
    Encoded::new(&Method::new(
        "PCNT".into(),
        0,
        true,
        vec![
            &Acquire::new(LOCK.into(), FOREVER),
            &Store::new(&Path::new(SEGMENT), &Path::new("_SEG")),
            &call(INSERTED, &ONE),
            &call(TO_REMOVE, &EJECT_REQUEST),
            &Release::new(LOCK.into()),
        ],
    ))
}

/// `_PRT`: pin A of each slot has an interrupt of its own, as far as they go round.
fn interrupts() -> Encoded {
    let routes: Vec<_> = (0..u32::from(SLOTS))
        .map(|slot| {
            let all_functions = slot << 16 | 0xffff;
            let gsi = FIRST_GSI + slot % INTERRUPTS;
            Encoded::new(&Package::new(vec![&all_functions, &ZERO, &ZERO, &gsi]))
        })
        .collect();
    Encoded::new(&Name::new("_PRT".into(), &Package::new(children(&routes))))
}
