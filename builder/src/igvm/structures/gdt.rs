//! The global descriptor table, and segment registers loaded from it.
//!
//! Source: AMD64 Architecture Programmer's Manual, volume 2, section 4.7 "Legacy Segment
//! Descriptors" and section 4.8 "Long-Mode Segment Descriptors".

use guestmark_measure::Gpa;
use igvm::snp_defs::SevSelector;
use zerocopy::little_endian::U64;
use zerocopy::{Immutable, IntoBytes};

/// Bytes of a 64-bit task state segment without I/O permission map.
pub(in crate::igvm) const TSS_SIZE: u64 = 104;

/// 64-bit code, ring 0.
pub(in crate::igvm) const CODE: u64 = 0x00af_9b00_0000_ffff;
/// 64-bit code, ring 3.
pub(in crate::igvm) const USER_CODE: u64 = 0x00af_fb00_0000_ffff;
/// Data, ring 0.
pub(in crate::igvm) const DATA: u64 = 0x00cf_9300_0000_ffff;
/// Data, ring 3.
pub(in crate::igvm) const USER_DATA: u64 = 0x00cf_f300_0000_ffff;

/// Present, busy 64-bit TSS.
const BUSY_TSS: u64 = 0x8b << 40;
/// Of a descriptor's byte 6: the limit counts pages.
const GRANULARITY: u8 = 1 << 7;

/// A selector of ring 0: the byte offset of a descriptor in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::igvm) struct Selector(u16);

impl Selector {
    /// The selector of the descriptor `index` in the table.
    pub(in crate::igvm) const fn of(index: u16) -> Self {
        Self(index * 8)
    }

    const fn index(self) -> usize {
        self.0 as usize / 8
    }
}

/// The task state segment's selector; its descriptor comes last and is 16 bytes long.
pub(in crate::igvm) const TASK: Selector = Selector::of(5);

/// Five descriptors and the one of the task state segment.
#[derive(Debug, Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
pub(in crate::igvm) struct Gdt([U64; 7]);

const _: () = assert!(size_of::<Gdt>() as u64 == Gdt::SIZE);

impl Gdt {
    /// The limit of a GDTR that names the table.
    pub(in crate::igvm) const LIMIT: u32 = 55;
    /// Bytes that the table takes.
    pub(in crate::igvm) const SIZE: u64 = Self::LIMIT as u64 + 1;

    /// A table of these descriptors and that of a task state segment at `tss`.
    pub(in crate::igvm) fn new(descriptors: [u64; 5], tss: Gpa) -> Self {
        let base = tss.get();
        let low = (base & 0x00ff_ffff) << 16 | (base & 0xff00_0000) << 32;
        let task = [BUSY_TSS | low | (TSS_SIZE - 1), base >> 32];
        let mut table = [U64::ZERO; 7];
        for (slot, descriptor) in table.iter_mut().zip(descriptors.into_iter().chain(task)) {
            slot.set(descriptor);
        }
        Self(table)
    }

    /// A segment register that was loaded with `selector`, in the form of a VMSA (APM volume 2,
    /// appendix B): attributes packed to 12 bits, limit in bytes.
    pub(in crate::igvm) fn segment(&self, selector: Selector) -> SevSelector {
        let [l0, l1, b0, b1, b2, access, flags, b3] = self.0[selector.index()].to_bytes();
        let limit = u32::from_le_bytes([l0, l1, flags & 0xf, 0]);
        let high_base = match selector {
            TASK => self.0[TASK.index() + 1].get() << 32,
            _ => 0,
        };
        SevSelector {
            selector: selector.0,
            attrib: u16::from_le_bytes([access, flags >> 4]),
            limit: match flags & GRANULARITY {
                0 => limit,
                _ => limit << 12 | 0xfff,
            },
            base: high_base | u64::from(u32::from_le_bytes([b0, b1, b2, b3])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_what_loading_their_descriptors_gives() {
        let gdt = Gdt::new([0, CODE, USER_CODE, DATA, USER_DATA], Gpa::new(0x8765_4320));
        let code = gdt.segment(Selector::of(1));
        assert_eq!((code.selector, code.attrib), (0x8, 0xa9b));
        assert_eq!((code.base, code.limit), (0, 0xffff_ffff));
        let data = gdt.segment(Selector::of(3));
        assert_eq!((data.selector, data.attrib), (0x18, 0xc93));
        assert_eq!((data.base, data.limit), (0, 0xffff_ffff));
        let task = gdt.segment(TASK);
        assert_eq!((task.selector, task.attrib), (0x28, 0x08b));
        assert_eq!((task.base, task.limit), (0x8765_4320, 103));
    }

    #[test]
    fn the_task_descriptor_holds_its_base_in_pieces() {
        let gdt = Gdt::new([0; 5], Gpa::new(0x1_8765_4320));
        assert_eq!(gdt.0[5].get(), 0x8700_8b65_4320_0067);
        assert_eq!(gdt.0[6].get(), 1);
    }
}
