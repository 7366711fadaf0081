//! The tables as Intel's own disassembler and compiler read them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use super::*;

/// Runs `iasl` in a folder.
fn iasl(folder: &Path, arguments: &[&str]) -> Output {
    Command::new("iasl")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("iasl is missing: install the Debian package acpica-tools")
}

fn text(output: &Output) -> String {
    let streams = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(streams).unwrap()
}

/// The disassembly of a table, runs of blanks made one, and what the disassembler had to say.
fn disassembled(table: &Table) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("table.dat"), table.bytes()).unwrap();
    let output = iasl(folder.path(), &["-d", "table.dat"]);
    assert!(output.status.success(), "{}", text(&output));
    let source = std::fs::read_to_string(folder.path().join("table.dsl")).unwrap();
    let squeezed = source
        .split_ascii_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    (squeezed, text(&output))
}

fn aks() -> BTreeMap<String, Table> {
    by_name(tables(&Platform::default(), Layout::Aks).unwrap())
}

fn by_name(tables: Vec<Table>) -> BTreeMap<String, Table> {
    tables
        .into_iter()
        .map(|table| (table.name().to_owned(), table))
        .collect()
}

fn assert_holds(table: &Table, expected: &[&str]) {
    let (source, _) = disassembled(table);
    for line in expected {
        assert!(
            source.contains(line),
            "{line:?} is not in {}:\n{source}",
            table.name()
        );
    }
}

#[test]
fn the_disassembler_finds_nothing_wrong() {
    for layout in [Layout::Aks, Layout::Linux] {
        // The disassembler takes no RSDP by itself.
        for table in &tables(&Platform::default(), layout).unwrap()[1..] {
            let (source, said) = disassembled(table);
            for complaint in [
                "Warning",
                "Error",
                "Invalid",
                "Incorrect checksum",
                "should be",
            ] {
                assert!(!said.contains(complaint), "{}: {said}", table.name());
                assert!(!source.contains(complaint), "{}: {source}", table.name());
            }
        }
    }
}

#[test]
fn the_compiler_takes_the_dsdt_back_without_a_remark() {
    for vcpus in [1, 3] {
        let platform = Platform {
            vcpus,
            ..Platform::default()
        };
        let dsdt = &by_name(tables(&platform, Layout::Aks).unwrap())["DSDT"];
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("dsdt.aml"), dsdt.bytes()).unwrap();
        assert!(iasl(folder.path(), &["-d", "dsdt.aml"]).status.success());
        let output = iasl(folder.path(), &["-p", "again", "dsdt.dsl"]);
        let said = text(&output);
        assert!(said.contains("0 Errors, 0 Warnings, 0 Remarks"), "{said}");
    }
}

#[test]
fn aks_has_them_where_aks_guests_look_for_them() {
    let tables = tables(&Platform::default(), Layout::Aks).unwrap();
    let names: Vec<_> = tables.iter().map(Table::name).collect();
    assert_eq!(
        names,
        ["RSDP", "XSDT", "APIC", "DSDT", "FACP", "FACS", "MCFG"]
    );
    assert_eq!(tables[0].gpa(), Gpa::new(0xe_0000));
    assert_eq!(tables[1].gpa(), Gpa::new(0x10_0000));
    assert_eq!(tables[2].gpa(), Gpa::new(0x10_1000));
    assert_packed(&tables[2..]);
}

#[test]
fn linux_has_the_root_pointer_first() {
    let tables = tables(&Platform::default(), Layout::Linux).unwrap();
    assert_eq!(tables[0].name(), "RSDP");
    assert_eq!(tables[0].gpa(), Gpa::new(0x10_0000));
    assert_packed(&tables);
}

fn assert_packed(tables: &[Table]) {
    for pair in tables.windows(2) {
        let end = pair[0].gpa().get() + pair[0].bytes().len() as u64;
        let gap = pair[1].gpa().get().checked_sub(end).expect("in order");
        assert!(gap < ALIGNMENT, "{} to {}", pair[0].name(), pair[1].name());
        assert!(pair[1].gpa().get().is_multiple_of(ALIGNMENT));
    }
}

#[test]
fn the_tables_lead_to_each_other() {
    for layout in [Layout::Aks, Layout::Linux] {
        let tables = by_name(tables(&Platform::default(), layout).unwrap());
        let pointer = |name: &str, offset: usize| {
            let bytes = &tables[name].bytes()[offset..offset + 8];
            Gpa::new(u64::from_le_bytes(bytes.try_into().unwrap()))
        };
        assert_eq!(pointer("RSDP", 24), tables["XSDT"].gpa());
        for (index, name) in ["APIC", "FACP", "MCFG"].into_iter().enumerate() {
            assert_eq!(pointer("XSDT", 36 + 8 * index), tables[name].gpa());
        }
        assert_eq!(pointer("FACP", 132), tables["FACS"].gpa());
        assert_eq!(pointer("FACP", 140), tables["DSDT"].gpa());
    }
}

#[test]
fn each_table_adds_up_to_zero_and_names_its_maker() {
    for (name, table) in aks() {
        let sum = |bytes: &[u8]| bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        match name.as_str() {
            "FACS" => continue,
            "RSDP" => {
                assert_eq!(sum(&table.bytes()[..20]), 0);
                assert_eq!(table.bytes()[9..15], OEM_ID);
                assert_eq!(table.bytes()[15], 2, "revision");
            }
            _ => {
                assert_eq!(table.bytes()[..4], *name.as_bytes());
                assert_eq!(table.bytes()[10..16], OEM_ID);
                assert_eq!(table.bytes()[16..24], OEM_TABLE_ID);
                assert_eq!(table.bytes()[24..28], OEM_REVISION.to_le_bytes());
            }
        }
        assert_eq!(sum(table.bytes()), 0, "{name}");
    }
}

#[test]
fn madt_has_the_interrupt_controllers_of_the_platform() {
    assert_holds(
        &aks()["APIC"],
        &[
            "Local Apic Address : FEE00000",
            "Subtable Type : 00 [Processor Local APIC]",
            "Processor ID : 01",
            "Local Apic ID : 00",
            "Processor Enabled : 1",
            "I/O Apic ID : 01",
            "Address : FEC00000",
            "Interrupt : 00000000",
            "Source : 09",
            "Interrupt : 00000009",
            "Flags (decoded below) : 000D",
            "Subtable Type : 04 [Local APIC NMI]",
            "Processor ID : FF",
            "Interrupt Input LINT : 01",
        ],
    );
}

#[test]
fn madt_has_an_entry_for_every_processor() {
    let platform = Platform {
        vcpus: 4,
        ..Platform::default()
    };
    let (source, _) = disassembled(&by_name(tables(&platform, Layout::Linux).unwrap())["APIC"]);
    assert_eq!(source.matches("[Processor Local APIC]").count(), 4);
}

#[test]
fn fadt_is_hardware_reduced_with_reset_and_a_32_bit_timer() {
    assert_holds(
        &aks()["FACP"],
        &[
            "Revision : 06",
            "FADT Minor Revision : 03",
            "32-bit PM Timer (V1) : 1",
            "Reset Register Supported (V2) : 1",
            "Hardware Reduced (V5) : 1",
            "PM Timer Block Address : 00000608",
            "Address : 0000000000000608",
            "Reset Register : [Generic Address Structure]",
            "Encoded Access Width : 01 [Byte Access:8] [078h 0120 8] Address : 0000000000000600",
            "Value to cause reset : 01",
            "Encoded Access Width : 01 [Byte Access:8] [0F8h 0248 8] Address : 0000000000000600",
            "Encoded Access Width : 01 [Byte Access:8] [104h 0260 8] Address : 0000000000000600",
        ],
    );
}

#[test]
fn mcfg_has_ten_segments_of_one_bus() {
    let (source, _) = disassembled(&aks()["MCFG"]);
    for segment in 0..10_u64 {
        let base = 0xe800_0000 + 0x10_0000 * segment;
        assert!(
            source.contains(&format!("Base Address : {base:016X}")),
            "{source}"
        );
        assert!(
            source.contains(&format!("Segment Group Number : {segment:04X}")),
            "{source}"
        );
    }
    assert_eq!(source.matches("Start Bus Number : 00").count(), 10);
    assert_eq!(source.matches("End Bus Number : 00").count(), 10);
}

#[test]
fn dsdt_has_ten_pci_roots_with_slots_windows_and_interrupts() {
    let (source, _) = disassembled(&aks()["DSDT"]);
    let roots: Vec<_> = (0..10).map(|n| format!("Device (_SB.PC{n:02})")).collect();
    let places: Vec<_> = roots
        .iter()
        .map(|root| source.find(root).unwrap())
        .collect();
    assert!(places.is_sorted());
    for segment in 0..10_usize {
        let end = places.get(segment + 1).copied();
        let root = &source[places[segment]..end.unwrap_or(source.find("_SB.MBRD").unwrap())];
        assert!(root.contains("Name (_HID, EisaId (\"PNP0A08\")"));
        let number = ["Zero".into(), "One".into()];
        let number = number
            .get(segment)
            .cloned()
            .unwrap_or(format!("0x{segment:02X}"));
        assert!(root.contains(&format!("Name (_SEG, {number})")), "{root}");
        let window = 0x100 + segment;
        let first = format!("0x00000{window:03X}00000000, // Range Minimum");
        let last = format!("0x00000{window:03X}FFFFFFFF, // Range Maximum");
        assert!(root.contains(&first) && root.contains(&last), "{root}");
        assert!(root.contains("0x0000000100000000, // Length"));
        assert_eq!(root.matches("Name (_SUN,").count(), 32);
        assert!(root.contains("Device (S000)") && root.contains("Device (S031)"));
        assert!(root.contains("Name (_PRT, Package (0x20)"));
        assert!(
            root.contains("Package (0x04) { 0xFFFF, Zero, Zero, 0x05 }"),
            "{root}"
        );
        assert!(
            root.contains("Package (0x04) { 0x001FFFFF, Zero, Zero, 0x0C }"),
            "{root}"
        );
        let is_first = segment == 0;
        assert_eq!(root.contains("0xC0000000, // Range Minimum"), is_first);
        assert_eq!(root.contains("0xE7FFFFFF, // Range Maximum"), is_first);
        assert_eq!(root.contains("0x0CF8, // Range Minimum"), is_first);
        assert_eq!(root.contains("0x0CF7, // Range Maximum"), is_first);
        assert_eq!(root.contains("0x0D00, // Range Minimum"), is_first);
    }
}

#[test]
fn dsdt_has_what_is_left_of_a_pc() {
    let reserved: Vec<_> = (0..10_u32)
        .map(|segment| {
            let base = 0xe800_0000 + 0x10_0000 * segment;
            format!("0x{base:08X}, // Address Base 0x00100000, // Address Length")
        })
        .collect();
    let mut expected = vec![
        "Device (_SB.MBRD) { Name (_HID, EisaId (\"PNP0C02\")",
        "Device (_SB.COM1) { Name (_HID, EisaId (\"PNP0501\")",
        "Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive, ,, ) { 0x00000004, } IO \
         (Decode16, 0x03F8,",
        "Device (_SB.PWRB) { Name (_HID, EisaId (\"PNP0C0C\")",
        "Name (_S5, Package (0x01) // _S5_: S5 System State { 0x05 })",
    ];
    expected.extend(reserved.iter().map(String::as_str));
    assert_holds(&aks()["DSDT"], &expected);
}

#[test]
fn dsdt_has_the_event_device_and_its_controllers() {
    assert_holds(
        &aks()["DSDT"],
        &[
            "Name (_HID, \"ACPI0013\"",
            "Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive, ,, ) { 0x0000000D, }",
            "OperationRegion (GDST, SystemMemory, 0x000007FFFFFED000, One)",
            "OperationRegion (PRST, SystemMemory, 0x000007FFFFFEE000, 0x0C)",
            "OperationRegion (PCST, SystemMemory, 0x000007FFFFFEF000, 0x10)",
            "Name (_HID, \"ACPI0007\" /* Processor Device */) // _HID: Hardware ID Name \
             (_UID, Zero)",
            "If ((Local0 & One)) { \\_SB.CPUS.CSCN () }",
            "If ((Local0 & 0x04)) { \\_SB.PHPR.PSCN () }",
            "If ((Local0 & 0x08)) { Notify (\\_SB.PWRB, 0x80)",
        ],
    );
}

#[test]
fn the_same_platform_gives_the_same_bytes() {
    assert_eq!(aks(), aks());
}
