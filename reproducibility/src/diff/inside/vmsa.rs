//! The initial state of a processor, by its fields.
//!
//! Source: AMD64 Architecture Programmer's Manual, volume 2, appendix B, table B-4.

use igvm::snp_defs::SevVmsa;

use super::fields::{self, Field};
use crate::diff::explanation::FieldChange;

/// Segment registers, which have parts.
const SEGMENTS: [(&str, usize); 10] = [
    ("ES", std::mem::offset_of!(SevVmsa, es)),
    ("CS", std::mem::offset_of!(SevVmsa, cs)),
    ("SS", std::mem::offset_of!(SevVmsa, ss)),
    ("DS", std::mem::offset_of!(SevVmsa, ds)),
    ("FS", std::mem::offset_of!(SevVmsa, fs)),
    ("GS", std::mem::offset_of!(SevVmsa, gs)),
    ("GDTR", std::mem::offset_of!(SevVmsa, gdtr)),
    ("LDTR", std::mem::offset_of!(SevVmsa, ldtr)),
    ("IDTR", std::mem::offset_of!(SevVmsa, idtr)),
    ("TR", std::mem::offset_of!(SevVmsa, tr)),
];

macro_rules! registers {
    ($($name:literal $field:ident $size:literal,)*) => {
        [$(Field::new($name, std::mem::offset_of!(SevVmsa, $field), $size),)*]
    };
}

const REGISTERS: &[Field] = &registers![
    "VMPL" vmpl 1,
    "CPL" cpl 1,
    "EFER" efer 8,
    "XSS" xss 8,
    "CR4" cr4 8,
    "CR3" cr3 8,
    "CR0" cr0 8,
    "DR7" dr7 8,
    "DR6" dr6 8,
    "RFLAGS" rflags 8,
    "RIP" rip 8,
    "RSP" rsp 8,
    "S_CET" s_cet 8,
    "SSP" ssp 8,
    "RAX" rax 8,
    "STAR" star 8,
    "LSTAR" lstar 8,
    "CSTAR" cstar 8,
    "SFMASK" sfmask 8,
    "KERNEL_GS_BASE" kernel_gs_base 8,
    "SYSENTER_CS" sysenter_cs 8,
    "SYSENTER_ESP" sysenter_esp 8,
    "SYSENTER_EIP" sysenter_eip 8,
    "CR2" cr2 8,
    "G_PAT" pat 8,
    "DBGCTL" dbgctl 8,
    "SPEC_CTRL" spec_ctrl 8,
    "RCX" rcx 8,
    "RDX" rdx 8,
    "RBX" rbx 8,
    "RBP" rbp 8,
    "RSI" rsi 8,
    "RDI" rdi 8,
    "R8" r8 8,
    "R9" r9 8,
    "R10" r10 8,
    "R11" r11 8,
    "R12" r12 8,
    "R13" r13 8,
    "R14" r14 8,
    "R15" r15 8,
    "SEV_FEATURES" sev_features 8,
    "VIRTUAL_TOM" virtual_tom 8,
    "XCR0" xcr0 8,
    "MXCSR" mxcsr 4,
    "X87_FCW" x87_fcw 2,
];

/// The fields that differ; addresses among them with the number that they hold.
pub(super) fn compare(old: &[u8], new: &[u8]) -> Vec<FieldChange> {
    let parts = |(_, offset): &(&str, usize)| {
        [
            Field::new("selector", *offset, 2),
            Field::new("attributes", offset + 2, 2),
            Field::new("limit", offset + 4, 4),
            Field::new("base", offset + 8, 8),
        ]
    };
    let mut changes = Vec::new();
    let mut known = REGISTERS.to_vec();
    for segment in &SEGMENTS {
        let parts = parts(segment);
        changes.extend(fields::compare(&parts, old, new).into_iter().map(|change| {
            let name = format!("{}.{}", segment.0, change.name);
            FieldChange { name, ..change }
        }));
        known.extend(parts);
    }
    changes.extend(fields::compare(REGISTERS, old, new));
    changes.extend(fields::rest(&known, old, new));
    changes
}
