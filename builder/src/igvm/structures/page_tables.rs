//! The page tables that the guest starts with: an identity map of 512 GiB in 1 GiB pages.
//!
//! Source: AMD64 Architecture Programmer's Manual, volume 2, section 5.3 "Long-Mode Page
//! Translation".

use guestmark_measure::{Gpa, PAGE_SIZE};
use zerocopy::little_endian::U64;
use zerocopy::{FromZeros, Immutable, IntoBytes};

/// The bit of a page-table entry, and of CR3, that marks the memory behind it as encrypted: bit
/// 51 on every processor with SEV-SNP.
pub(in crate::igvm) const ENCRYPTED: u64 = 1 << 51;

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const HUGE: u64 = 1 << 7;
const GIB: u64 = 1 << 30;

/// Both levels: one entry of the root, and the table it names.
#[derive(FromZeros, IntoBytes, Immutable)]
#[repr(C)]
pub(in crate::igvm) struct PageTables {
    pml4: [U64; 512],
    pdpt: [U64; 512],
}

const _: () = assert!(size_of::<PageTables>() as u64 == PageTables::SIZE);

impl PageTables {
    /// Bytes that the tables take.
    pub(in crate::igvm) const SIZE: u64 = 2 * PAGE_SIZE;

    /// The tables for a root at `root`, a page-aligned address below 4 GiB.
    pub(in crate::igvm) fn at(root: Gpa) -> Self {
        let mut tables = Self::new_zeroed();
        let entry = PRESENT | WRITABLE | USER | ENCRYPTED;
        tables.pml4[0] = U64::new((root.get() + PAGE_SIZE) | entry);
        for (index, slot) in (0..).zip(&mut tables.pdpt) {
            *slot = U64::new((index * GIB) | HUGE | entry);
        }
        tables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_names_the_table_after_it_and_that_maps_everything_to_itself() {
        let tables = PageTables::at(Gpa::new(0x110_0000));
        assert_eq!(tables.pml4[0].get(), 0x0008_0000_0110_1007);
        assert!(tables.pml4[1..].iter().all(|entry| entry.get() == 0));
        assert_eq!(tables.pdpt[0].get(), 0x0008_0000_0000_0087);
        assert_eq!(tables.pdpt[511].get(), 0x0008_007f_c000_0087);
    }
}
