//! The save area that the first virtual CPU starts from.
//!
//! Source: AMD64 Architecture Programmer's Manual, volume 2, appendix B, table B-4 "VMSA Layout,
//! State Save Area for SEV-ES".

use guestmark_measure::Gpa;
use igvm::snp_defs::{SevFeatures, SevSelector, SevVmsa};
use zerocopy::FromZeros;

use super::gdt::{Gdt, Selector, TASK};
use super::page_tables::ENCRYPTED;

const _: () = assert!(size_of::<SevVmsa>() == 4096);

/// Write-back, write-through, uncached-, uncached, twice: the reset value.
const PAT: u64 = 0x0007_0406_0007_0406;
/// Bit 1 always reads as 1.
const RFLAGS: u64 = 2;
/// x87 state enabled, which no processor lets be disabled.
const XCR0: u64 = 1;

/// The registers that differ between layouts.
#[derive(Debug, Clone, Copy)]
pub(in crate::igvm) struct Processor {
    pub(in crate::igvm) sev_features: u64,
    pub(in crate::igvm) cr0: u64,
    pub(in crate::igvm) cr4: u64,
    pub(in crate::igvm) efer: u64,
    pub(in crate::igvm) dr6: u64,
    pub(in crate::igvm) dr7: u64,
    pub(in crate::igvm) mxcsr: u32,
    pub(in crate::igvm) x87_control: u16,
    /// The selector of ring-0 code.
    pub(in crate::igvm) code: Selector,
    /// The selector of ring-0 data.
    pub(in crate::igvm) data: Selector,
}

/// What the registers point at.
#[derive(Debug, Clone, Copy)]
pub(in crate::igvm) struct Entry {
    /// RIP.
    pub(in crate::igvm) instruction: Gpa,
    /// RSP.
    pub(in crate::igvm) stack_top: Gpa,
    /// RSI.
    pub(in crate::igvm) boot_params: Gpa,
    /// CR3.
    pub(in crate::igvm) page_tables: Gpa,
    /// GDTR.
    pub(in crate::igvm) gdt: Gpa,
}

impl Processor {
    /// The save area of this processor about to run `entry`, with segments loaded from `gdt`.
    pub(in crate::igvm) fn at(&self, entry: Entry, gdt: &Gdt) -> SevVmsa {
        let mut vmsa = SevVmsa::new_zeroed();
        let data = gdt.segment(self.data);
        vmsa.es = data;
        vmsa.ss = data;
        vmsa.ds = data;
        vmsa.cs = gdt.segment(self.code);
        vmsa.tr = gdt.segment(TASK);
        vmsa.gdtr = SevSelector {
            selector: 0,
            attrib: 0,
            limit: Gdt::LIMIT,
            base: entry.gdt.get(),
        };
        vmsa.sev_features = SevFeatures::from_bits(self.sev_features);
        vmsa.cr0 = self.cr0;
        vmsa.cr3 = entry.page_tables.get() | ENCRYPTED;
        vmsa.cr4 = self.cr4;
        vmsa.efer = self.efer;
        vmsa.dr6 = self.dr6;
        vmsa.dr7 = self.dr7;
        vmsa.mxcsr = self.mxcsr;
        vmsa.x87_fcw = self.x87_control;
        vmsa.pat = PAT;
        vmsa.rflags = RFLAGS;
        vmsa.xcr0 = XCR0;
        vmsa.rip = entry.instruction.get();
        vmsa.rsp = entry.stack_top.get();
        vmsa.rsi = entry.boot_params.get();
        vmsa
    }
}
