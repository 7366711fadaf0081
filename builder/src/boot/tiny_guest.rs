//! For tests: guests of a few pages that run without a kernel.

use std::collections::BTreeMap;

use guestmark_measure::{Gpa, PAGE_SIZE};
use igvm::snp_defs::{SevSelector, SevVmsa};
use zerocopy::{FromZeros, IntoBytes};

use crate::igvm::{GuestMemory, Region, RegionKind, write};
use crate::recipe::GuestPolicy;
use crate::tree::Origin;

pub(super) const ENCRYPTED: u64 = 1 << 51;

/// Page tables of all four levels: the first 2 MiB in small pages, the rest of the first GiB in
/// large ones.
pub(super) const PML4: u64 = 0x11_0000;
pub(super) const PDPT: u64 = 0x11_1000;
pub(super) const PD: u64 = 0x11_2000;
pub(super) const PT: u64 = 0x11_3000;
pub(super) const GDT: u64 = 0x11_4000;
pub(super) const STACK: u64 = 0x11_5000;
pub(super) const CODE: u64 = 0x11_6000;
pub(super) const TEXT: u64 = 0x11_7000;

/// Memory by address, and the state to start from.
pub(super) struct TinyGuest {
    pub(super) memory: BTreeMap<u64, Vec<u8>>,
    pub(super) vmsa: SevVmsa,
}

impl TinyGuest {
    /// A guest that runs `code` in 64-bit mode, under encrypted identity mapping.
    pub(super) fn running(code: &[u8]) -> Self {
        let table = |entries: [u64; 512]| entries.as_bytes().to_vec();
        let single = |target: u64| {
            let mut entries = [0; 512];
            entries[0] = target | 7 | ENCRYPTED;
            entries
        };
        let mut large: [u64; 512] =
            std::array::from_fn(|index| (index as u64) << 21 | 0x87 | ENCRYPTED);
        large[0] = PT | 7 | ENCRYPTED;
        let small = std::array::from_fn(|index| (index as u64) << 12 | 7 | ENCRYPTED);
        let descriptors = [0u64, 0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff];
        let memory = BTreeMap::from([
            (PML4, table(single(PDPT))),
            (PDPT, table(single(PD))),
            (PD, table(large)),
            (PT, table(small)),
            (GDT, descriptors.as_bytes().to_vec()),
            (STACK, Vec::new()),
            (CODE, code.to_vec()),
        ]);

        let segment = |selector| SevSelector {
            selector,
            attrib: 0,
            limit: 0xffff_ffff,
            base: 0,
        };
        let mut vmsa = SevVmsa::new_zeroed();
        vmsa.cs = segment(0x10);
        vmsa.ds = segment(0x18);
        vmsa.es = segment(0x18);
        vmsa.ss = segment(0x18);
        vmsa.gdtr = SevSelector {
            selector: 0,
            attrib: 0,
            limit: 31,
            base: GDT,
        };
        vmsa.cr0 = 0x8000_0011;
        vmsa.cr3 = PML4 | ENCRYPTED;
        vmsa.cr4 = 0x60;
        vmsa.efer = 0x1d00;
        vmsa.pat = 0x0007_0406_0007_0406;
        vmsa.rflags = 2;
        vmsa.rip = CODE;
        vmsa.rsp = STACK + PAGE_SIZE;
        Self { memory, vmsa }
    }

    /// The bytes of the guest's IGVM file.
    pub(super) fn igvm(&self) -> Vec<u8> {
        let mut regions: Vec<_> = self
            .memory
            .iter()
            .map(|(gpa, bytes)| {
                let size = (bytes.len() as u64)
                    .next_multiple_of(PAGE_SIZE)
                    .max(PAGE_SIZE);
                region(*gpa, size, RegionKind::Data, bytes)
            })
            .collect();
        let vmsa = self.vmsa.as_bytes();
        regions.push(region(0xffff_ffff_f000, PAGE_SIZE, RegionKind::Vmsa, vmsa));
        let memory = GuestMemory::new(regions, Vec::new()).unwrap();
        let mut file = Vec::new();
        write(&memory, GuestPolicy::try_from(0x3_0000).unwrap(), &mut file).unwrap();
        file
    }
}

fn region(gpa: u64, size: u64, kind: RegionKind, bytes: &[u8]) -> Region<'_> {
    Region::new(
        "test",
        Gpa::new(gpa),
        size,
        kind,
        bytes,
        Origin::layout("test"),
    )
    .unwrap()
}
