//! ACPI tables, by their fields.
//!
//! Source: ACPI Specification 6.5, sections 5.2.5 (RSDP), 5.2.6 (header), 5.2.8 (XSDT), 5.2.9
//! (FADT), 5.2.10 (FACS), 5.2.12 (MADT); PCI Firmware Specification 3.3, section 4.1.2 (MCFG).
//! Integers are little-endian.

use super::fields::{self, Field, shortened};
use crate::diff::explanation::FieldChange;

const RSDP: &[Field] = &[
    Field::new("Signature", 0, 8),
    Field::new("Checksum", 8, 1),
    Field::new("OEMID", 9, 6),
    Field::new("Revision", 15, 1),
    Field::new("RsdtAddress", 16, 4),
    Field::new("Length", 20, 4),
    Field::new("XsdtAddress", 24, 8),
    Field::new("Extended Checksum", 32, 1),
];

const HEADER: &[Field] = &[
    Field::new("Signature", 0, 4),
    Field::new("Length", 4, 4),
    Field::new("Revision", 8, 1),
    Field::new("Checksum", 9, 1),
    Field::new("OEMID", 10, 6),
    Field::new("OEM Table ID", 16, 8),
    Field::new("OEM Revision", 24, 4),
    Field::new("Creator ID", 28, 4),
    Field::new("Creator Revision", 32, 4),
];

/// Bytes of a header.
const HEADER_SIZE: usize = 36;

const FADT: &[Field] = &[
    Field::new("FIRMWARE_CTRL", 36, 4),
    Field::new("DSDT", 40, 4),
    Field::new("Preferred_PM_Profile", 45, 1),
    Field::new("SCI_INT", 46, 2),
    Field::new("SMI_CMD", 48, 4),
    Field::new("IAPC_BOOT_ARCH", 109, 2),
    Field::new("Flags", 112, 4),
    Field::new("RESET_REG", 116, 12),
    Field::new("RESET_VALUE", 128, 1),
    Field::new("X_FIRMWARE_CTRL", 132, 8),
    Field::new("X_DSDT", 140, 8),
    Field::new("SLEEP_CONTROL_REG", 244, 12),
    Field::new("SLEEP_STATUS_REG", 256, 12),
    Field::new("Hypervisor Vendor Identity", 268, 8),
];

const FACS: &[Field] = &[
    Field::new("Signature", 0, 4),
    Field::new("Length", 4, 4),
    Field::new("Hardware Signature", 8, 4),
    Field::new("Firmware Waking Vector", 12, 4),
    Field::new("Global Lock", 16, 4),
    Field::new("Flags", 20, 4),
    Field::new("X Firmware Waking Vector", 24, 8),
    Field::new("Version", 32, 1),
];

const MADT: &[Field] = &[
    Field::new("Local Interrupt Controller Address", 36, 4),
    Field::new("Flags", 40, 4),
];

/// The fields of the table that differ.
pub(super) fn compare(old: &[u8], new: &[u8]) -> Vec<FieldChange> {
    let signature = new.get(..4).or(old.get(..4)).unwrap_or_default();
    let (fields, entries): (Vec<Field>, _) = match signature {
        b"RSD " => (RSDP.to_vec(), None),
        b"FACS" => (FACS.to_vec(), None),
        b"FACP" => ([HEADER, FADT].concat(), None),
        b"APIC" => ([HEADER, MADT].concat(), Some(madt as fn(&[u8]) -> _)),
        b"MCFG" => (HEADER.to_vec(), Some(mcfg as fn(&[u8]) -> _)),
        b"XSDT" => (HEADER.to_vec(), Some(xsdt as fn(&[u8]) -> _)),
        _ => (HEADER.to_vec(), None),
    };
    let mut changes = fields::compare(&fields, old, new);
    match entries {
        Some(entries) => changes.extend(compare_entries(&entries(old), &entries(new))),
        None => changes.extend(fields::rest(&fields, old, new)),
    }
    if matches!(signature, b"DSDT" | b"SSDT") {
        for change in &mut changes {
            if change.name.starts_with("byte") {
                change.name = format!("definition block, {}", change.name);
            }
        }
    }
    let is_sum = |name: &str| name.ends_with("Checksum") || name == "Length";
    if changes.iter().any(|change| !is_sum(&change.name)) {
        for change in &mut changes {
            if is_sum(&change.name) {
                change.follows_from = Some("the table's other fields".to_owned());
            }
        }
    }
    changes
}

/// Entries of a table: what one is called, and its value.
type Entries = Vec<(String, String)>;

fn compare_entries(old: &Entries, new: &Entries) -> Vec<FieldChange> {
    let longest = old.len().max(new.len());
    let mut changes = Vec::new();
    for index in 0..longest {
        let (one, two) = (old.get(index), new.get(index));
        if one == two {
            continue;
        }
        let value = |entry: Option<&(String, String)>| entry.map(|(_, value)| value.clone());
        let name = two.or(one).map(|(name, _)| name.clone());
        let name = format!("entry {index}, {}", name.unwrap_or_default());
        changes.push(FieldChange::of(name, value(one), value(two)));
    }
    changes
}

/// The interrupt controllers of a MADT.
fn madt(table: &[u8]) -> Entries {
    let mut entries = Vec::new();
    let mut rest = table.get(HEADER_SIZE + 8..).unwrap_or_default();
    while let [kind, length, ..] = rest {
        let length = usize::from(*length).clamp(2, rest.len());
        let (entry, after) = rest.split_at(length);
        let name = match kind {
            0 => "Processor Local APIC".to_owned(),
            1 => "I/O APIC".to_owned(),
            2 => "Interrupt Source Override".to_owned(),
            4 => "Local APIC NMI".to_owned(),
            9 => "Processor Local x2APIC".to_owned(),
            other => format!("type {other}"),
        };
        entries.push((name, shortened(entry)));
        rest = after;
    }
    entries
}

/// The segments of an MCFG.
fn mcfg(table: &[u8]) -> Entries {
    let segments = table.get(HEADER_SIZE + 8..).unwrap_or_default();
    segments
        .chunks(16)
        .map(|segment| {
            let field = |offset, size| Field::new("", offset, size).number(segment);
            let (base, group) = (field(0, 8), field(8, 2));
            let value = match (base, group, segment.get(10), segment.get(11)) {
                (Some(base), Some(group), Some(first), Some(last)) => {
                    format!("segment {group} at {base:#x}, buses {first} to {last}")
                }
                _ => shortened(segment),
            };
            ("configuration space".to_owned(), value)
        })
        .collect()
}

/// The addresses that an XSDT lists.
fn xsdt(table: &[u8]) -> Entries {
    let addresses = table.get(HEADER_SIZE..).unwrap_or_default().chunks(8);
    addresses
        .map(|address| {
            let value = Field::new("", 0, address.len()).value(address);
            ("address".to_owned(), value.unwrap_or_default())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(signature: &[u8; 4], rest: &[u8]) -> Vec<u8> {
        let mut table = signature.to_vec();
        table.resize(HEADER_SIZE, 0);
        table.extend_from_slice(rest);
        table[4] = u8::try_from(table.len()).unwrap();
        table
    }

    #[test]
    fn an_added_processor_is_named_and_length_follows() {
        let head = [0; 8];
        let one = table(b"APIC", &[&head[..], &[0, 4, 0, 0]].concat());
        let two = table(b"APIC", &[&head[..], &[0, 4, 0, 0, 0, 4, 1, 1]].concat());
        let changes = compare(&one, &two);
        let names: Vec<_> = changes
            .iter()
            .map(|change| (&change.name[..], change.follows_from.is_some()))
            .collect();
        assert_eq!(
            names,
            [("Length", true), ("entry 1, Processor Local APIC", false)]
        );
        assert_eq!(changes[1].old, None);
    }

    #[test]
    fn bytes_without_a_name_are_told_by_their_place() {
        let one = table(b"DSDT", &[1, 2, 3]);
        let two = table(b"DSDT", &[1, 9, 3]);
        assert_eq!(compare(&one, &two)[0].name, "definition block, byte 0x25");
    }
}
