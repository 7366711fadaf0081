//! The page tables that the guest starts under: four levels, in long mode (AMD64 Architecture
//! Programmer's Manual, volume 2, section "Long-Mode Page Translation").

use std::collections::BTreeSet;

use guestmark_measure::Gpa;

use super::PvhError;
use super::image::LaunchImage;

/// The bit that marks encrypted memory, in entries and in CR3.
const ENCRYPTED: u64 = 1 << 51;
const PRESENT: u64 = 1 << 0;
/// In an entry above the last level: it maps memory, not a table.
const LARGE: u64 = 1 << 7;
/// The address in an entry, without flags and encryption bit.
const ADDRESS: u64 = 0x0007_ffff_ffff_f000;
const ENTRIES: u64 = 512;
/// The level of the table that CR3 points at; tables of level 1 map pages only.
const TOP_LEVEL: u32 = 4;

/// Clears the encryption bit in every table that the save area's CR3 reaches. The result is the
/// address of the first table.
pub(super) fn remove_encryption(image: &mut LaunchImage<'_>) -> Result<Gpa, PvhError> {
    let root = Gpa::new(image.vmsa().cr3 & ADDRESS);
    let mut seen = BTreeSet::new();
    let mut tables = vec![(root, TOP_LEVEL)];
    while let Some((table, level)) = tables.pop() {
        // A table may be used at several levels, and may point back at itself.
        if !seen.insert((table, level)) {
            continue;
        }
        let page = image.page_mut(table).ok_or(PvhError::NoPageTable(table))?;
        for entry in page.as_chunks_mut().0 {
            let value = u64::from_le_bytes(*entry);
            if value & PRESENT == 0 {
                continue;
            }
            *entry = (value & !ENCRYPTED).to_le_bytes();
            if level > 1 && value & LARGE == 0 {
                tables.push((Gpa::new(value & ADDRESS), level - 1));
            }
        }
    }
    Ok(root)
}

/// The physical address that the tables give to a virtual one.
fn translate(image: &LaunchImage<'_>, root: Gpa, address: u64) -> Option<u64> {
    let mut table = root.get();
    for level in (1..=TOP_LEVEL).rev() {
        let shift = 12 + 9 * (level - 1);
        let index = (address >> shift) % ENTRIES;
        let entry = u64::from_le_bytes(image.read(table + index * 8)?);
        if entry & PRESENT == 0 {
            return None;
        }
        if level == 1 || entry & LARGE != 0 {
            let below = (1 << shift) - 1;
            return Some(entry & ADDRESS & !below | address & below);
        }
        table = entry & ADDRESS;
    }
    None
}

/// Checks that `address` is mapped to itself: code that turns paging on runs on.
pub(super) fn expect_identity(
    image: &LaunchImage<'_>,
    root: Gpa,
    what: &'static str,
    address: u64,
) -> Result<(), PvhError> {
    match translate(image, root, address) {
        Some(physical) if physical == address => Ok(()),
        found => Err(not_mapped(what, address, found)),
    }
}

/// Checks that `address` is mapped to a page of the IGVM file.
pub(super) fn expect_mapped(
    image: &LaunchImage<'_>,
    root: Gpa,
    what: &'static str,
    address: u64,
) -> Result<(), PvhError> {
    match translate(image, root, address) {
        Some(physical) if image.is_present(physical) => Ok(()),
        found => Err(not_mapped(what, address, found)),
    }
}

fn not_mapped(what: &'static str, address: u64, found: Option<u64>) -> PvhError {
    PvhError::NotMapped {
        what,
        address,
        found: match found {
            Some(physical) => format!("to {physical:#x}"),
            None => "to nothing".to_owned(),
        },
    }
}
