//! Initial states of virtual processors.

use guestmark_measure::Gpa;
use guestmark_measure::igvm::{CompatibilityMask, Directive, IgvmFile, VpContext, VpState};
use igvm::snp_defs::SevVmsa;
use serde::Serialize;
use zerocopy::{FromBytes, IntoBytes};

use super::mask_hex;
use crate::inspect::text::Hex;

/// Names of the bits of SEV_FEATURES (AMD64 Architecture Programmer's Manual, volume 2, appendix
/// B, table B-4, offset 0x3B0); bits without a name are reserved.
const FEATURES: [(u32, &str); 15] = [
    (0, "SNPActive"),
    (1, "vTOM"),
    (2, "ReflectVC"),
    (3, "RestrictedInjection"),
    (4, "AlternateInjection"),
    (5, "DebugVirtualization"),
    (6, "PreventHostIBS"),
    (7, "BTBIsolation"),
    (8, "VmplSSS"),
    (9, "SecureTSC"),
    (10, "VmgexitParameter"),
    (12, "IbsVirtualization"),
    (14, "VmsaRegProt"),
    (15, "SmtProtection"),
    (16, "SecureAVIC"),
];

/// The initial state of a virtual processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VpContextFacts {
    /// The virtual processor, from 0.
    pub vp_index: u16,
    /// Where the state goes.
    pub gpa: Gpa,
    /// The platforms it is for.
    pub mask: Hex,
    /// The registers that matter most; `None` for platforms whose states are not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registers: Option<Registers>,
}

/// Registers of a VMSA (AMD64 Architecture Programmer's Manual, volume 2, appendix B, table B-4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Registers {
    /// The first instruction.
    pub rip: Hex,
    /// The stack.
    pub rsp: Hex,
    /// For Linux: the address of `boot_params`.
    pub rsi: Hex,
    /// Paging and protection.
    pub cr0: Hex,
    /// The page tables, with the encryption bit.
    pub cr3: Hex,
    /// Processor extensions.
    pub cr4: Hex,
    /// Long mode and others.
    pub efer: Hex,
    /// Enabled states.
    pub xcr0: Hex,
    /// What protects the guest.
    pub sev_features: SevFeatures,
    /// The privilege level it runs at, 0 being the highest.
    pub vmpl: u8,
}

/// SEV_FEATURES of a VMSA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SevFeatures {
    /// The field.
    pub bits: Hex,
    /// The names of the bits that are set.
    pub names: Vec<String>,
}

impl SevFeatures {
    fn new(bits: u64) -> Self {
        let is_set = |number: &u32| bits >> number & 1 != 0;
        let name = |number: u32| {
            let known = FEATURES.iter().find(|(bit, _)| *bit == number);
            known.map_or_else(
                || format!("reserved bit {number}"),
                |(_, name)| (*name).to_owned(),
            )
        };
        Self {
            bits: Hex(bits),
            names: (0..u64::BITS).filter(is_set).map(name).collect(),
        }
    }
}

impl Registers {
    fn new(vmsa: &SevVmsa) -> Self {
        Self {
            rip: Hex(vmsa.rip),
            rsp: Hex(vmsa.rsp),
            rsi: Hex(vmsa.rsi),
            cr0: Hex(vmsa.cr0),
            cr3: Hex(vmsa.cr3),
            cr4: Hex(vmsa.cr4),
            efer: Hex(vmsa.efer),
            xcr0: Hex(vmsa.xcr0),
            sev_features: SevFeatures::new(vmsa.sev_features.into_bits()),
            vmpl: vmsa.vmpl,
        }
    }
}

/// The VP contexts of a file, in its order.
pub(super) fn all(file: &IgvmFile<'_>) -> Vec<VpContextFacts> {
    let facts = contexts(file).map(|context| VpContextFacts {
        vp_index: context.vp_index,
        gpa: context.gpa,
        mask: mask_hex(context.mask),
        registers: registers(context),
    });
    facts.collect()
}

/// The registers that virtual processor 0 starts with on a platform.
pub(super) fn boot_registers(
    file: &IgvmFile<'_>,
    platform: CompatibilityMask,
) -> Option<Registers> {
    contexts(file)
        .find(|context| context.vp_index == 0 && context.mask.intersects(platform))
        .and_then(registers)
}

fn contexts<'a>(file: &'a IgvmFile<'a>) -> impl Iterator<Item = &'a VpContext<'a>> {
    file.directives()
        .iter()
        .filter_map(|directive| match directive {
            Directive::VpContext(context) => Some(context),
            _ => None,
        })
}

fn registers(context: &VpContext<'_>) -> Option<Registers> {
    match context.state {
        VpState::Vmsa(page) => {
            let vmsa = SevVmsa::read_from_bytes(page.as_bytes()).ok()?;
            Some(Registers::new(&vmsa))
        }
        VpState::Other { .. } => None,
    }
}
