//! The save area (VMSA) that a virtual processor starts from when a VMM launches firmware.
//!
//! Layout: AMD64 Architecture Programmer's Manual, volume 2, appendix B, table B-4 "VMSA Layout,
//! State Save Area for SEV-ES". Values: the processor's state at reset, as each VMM and KVM change
//! it before launch.

use super::VcpuSignature;
use crate::lanes::Page;

/// Where the first processor starts: the reset vector.
pub(super) const RESET_VECTOR: u32 = 0xFFFF_FFF0;

/// Offsets in the save area.
mod at {
    pub(super) const ES: usize = 0x00;
    pub(super) const CS: usize = 0x10;
    pub(super) const SS: usize = 0x20;
    pub(super) const DS: usize = 0x30;
    pub(super) const FS: usize = 0x40;
    pub(super) const GS: usize = 0x50;
    pub(super) const GDTR: usize = 0x60;
    pub(super) const LDTR: usize = 0x70;
    pub(super) const IDTR: usize = 0x80;
    pub(super) const TR: usize = 0x90;
    pub(super) const EFER: usize = 0xD0;
    pub(super) const CR4: usize = 0x148;
    pub(super) const CR0: usize = 0x158;
    pub(super) const DR7: usize = 0x160;
    pub(super) const DR6: usize = 0x168;
    pub(super) const RFLAGS: usize = 0x170;
    pub(super) const RIP: usize = 0x178;
    pub(super) const G_PAT: usize = 0x268;
    pub(super) const RDX: usize = 0x310;
    pub(super) const SEV_FEATURES: usize = 0x3B0;
    pub(super) const XCR0: usize = 0x3E8;
    pub(super) const MXCSR: usize = 0x408;
    pub(super) const X87_FCW: usize = 0x410;
}

/// A program that launches firmware. Each starts processors with registers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vmm {
    /// QEMU on KVM.
    Qemu {
        /// Signature of the processors.
        signature: VcpuSignature,
    },
    /// Amazon EC2, whose processors start with RDX 0x600, as the package `sev-snp-measure` has
    /// it; the crate `sev` has 0.
    Ec2,
    /// Google Compute Engine.
    Gce,
}

/// The registers in which VMMs differ.
struct Registers {
    ss_attributes: u16,
    tr_attributes: u16,
    g_pat: u64,
    rdx: u64,
    mxcsr: u32,
    x87_fcw: u16,
}

/// Write-back, write-through, uncached-, uncached, twice: the reset value.
const PAT: u64 = 0x0007_0406_0007_0406;

impl Vmm {
    fn registers(self) -> Registers {
        let reset = Registers {
            ss_attributes: 0x93,
            tr_attributes: 0x8B,
            g_pat: PAT,
            rdx: 0x600,
            mxcsr: 0,
            x87_fcw: 0,
        };
        match self {
            Self::Qemu { signature } => Registers {
                rdx: signature.get().into(),
                mxcsr: 0x1F80,
                x87_fcw: 0x37F,
                ..reset
            },
            Self::Ec2 => Registers {
                ss_attributes: 0x92,
                tr_attributes: 0x83,
                ..reset
            },
            Self::Gce => Registers {
                g_pat: 0x0007_0106,
                ..reset
            },
        }
    }

    /// The save area of a processor that starts at `start`: CS base in the upper half, IP in the
    /// lower.
    pub(super) fn save_area(self, start: u32, sev_features: u64) -> Page {
        // EC2 leaves the code segment's accessed bit clear at the reset vector only.
        let cs_attributes = match (self, start) {
            (Self::Ec2, RESET_VECTOR) => 0x9A,
            _ => 0x9B,
        };
        let registers = self.registers();
        let mut area = SaveArea::reset();
        area.segment(at::CS, 0xF000, cs_attributes, 0xFFFF, start & 0xFFFF_0000);
        for data in [at::ES, at::DS, at::FS, at::GS] {
            area.segment(data, 0, 0x93, 0xFFFF, 0);
        }
        area.segment(at::SS, 0, registers.ss_attributes, 0xFFFF, 0);
        area.segment(at::TR, 0, registers.tr_attributes, 0xFFFF, 0);
        area.number(at::CR0, 0x10);
        area.number(at::RIP, u64::from(start & 0xFFFF));
        area.number(at::G_PAT, registers.g_pat);
        area.number(at::RDX, registers.rdx);
        area.number(at::SEV_FEATURES, sev_features);
        area.bytes(at::MXCSR, &registers.mxcsr.to_le_bytes());
        area.bytes(at::X87_FCW, &registers.x87_fcw.to_le_bytes());
        area.0
    }
}

/// The save area of every processor that QEMU starts in an SVSM: flat 32-bit protected mode at
/// `start`. The x87 control word is 0, as the package `sev-snp-measure` has it.
pub(super) fn svsm_save_area(signature: VcpuSignature, start: u64) -> Page {
    const SNP_ACTIVE: u64 = 1;
    let mut area = SaveArea::reset();
    area.segment(at::CS, 0x8, 0xC9B, u32::MAX, 0);
    for data in [at::ES, at::SS, at::DS, at::FS] {
        area.segment(data, 0x10, 0xC93, u32::MAX, 0);
    }
    area.segment(at::GS, 0, 0x93, 0xFFFF, 0);
    area.segment(at::TR, 0, 0x8B, 0xFFFF, 0);
    area.number(at::CR0, 0x11);
    area.number(at::RIP, start);
    area.number(at::G_PAT, PAT);
    area.number(at::RDX, signature.get().into());
    area.number(at::SEV_FEATURES, SNP_ACTIVE);
    area.bytes(at::MXCSR, &0x1F80_u32.to_le_bytes());
    area.0
}

struct SaveArea(Page);

impl SaveArea {
    /// What all VMMs agree on: the state at reset, with EFER.SVME and CR4.MCE, which KVM sets.
    fn reset() -> Self {
        let mut area = Self([0; 4096]);
        area.segment(at::GDTR, 0, 0, 0xFFFF, 0);
        area.segment(at::LDTR, 0, 0x82, 0xFFFF, 0);
        area.segment(at::IDTR, 0, 0, 0xFFFF, 0);
        area.number(at::EFER, 0x1000);
        area.number(at::CR4, 0x40);
        area.number(at::DR7, 0x400);
        area.number(at::DR6, 0xFFFF_0FF0);
        area.number(at::RFLAGS, 0x2);
        area.number(at::XCR0, 0x1);
        area
    }

    fn segment(&mut self, offset: usize, selector: u16, attributes: u16, limit: u32, base: u32) {
        self.bytes(offset, &selector.to_le_bytes());
        self.bytes(offset + 2, &attributes.to_le_bytes());
        self.bytes(offset + 4, &limit.to_le_bytes());
        self.number(offset + 8, base.into());
    }

    fn number(&mut self, offset: usize, value: u64) {
        self.bytes(offset, &value.to_le_bytes());
    }

    fn bytes(&mut self, offset: usize, bytes: &[u8]) {
        self.0[offset..offset + bytes.len()].copy_from_slice(bytes);
    }
}
