//! What a loader changes in the state of processors, so that its digest is another.

use std::fmt;

use super::profile::VpContexts;
use super::{KVM_VMSA_GPA, Loader};
use crate::Gpa;
use crate::igvm::{Directive, IgvmFile, PlatformType, VpState};
use crate::lanes::Page;

/// A reason why a guest may launch with another digest than predicted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Caveat {
    /// KVM builds VMSAs from registers and forces some of them.
    RegisterNotKept {
        /// The processor.
        vp_index: u16,
        /// The register or bit.
        register: &'static str,
        /// The value in the file.
        found: u64,
        /// The value KVM gives it.
        kept: u64,
    },
    /// KVM puts VMSAs at one address only.
    VmsaMoved {
        /// The processor.
        vp_index: u16,
        /// The address in the file.
        gpa: Gpa,
    },
    /// Cloud Hypervisor on the Microsoft hypervisor reads the VMSA from guest memory, of which
    /// there is none at the address that KVM uses.
    VmsaOutsideMemory {
        /// The processor.
        vp_index: u16,
        /// The address in the file.
        gpa: Gpa,
    },
}

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RegisterNotKept {
                vp_index,
                register,
                found,
                kept,
            } => write!(
                f,
                "VP {vp_index}: {register} is {found:#x} in the file and {kept:#x} once KVM has \
                 set it: the launch digest will differ"
            ),
            Self::VmsaMoved { vp_index, gpa } => write!(
                f,
                "VP {vp_index}: the VMSA is at {gpa} in the file and launched at {KVM_VMSA_GPA}; \
                 QEMU may refuse the file"
            ),
            Self::VmsaOutsideMemory { vp_index, gpa } => write!(
                f,
                "VP {vp_index}: the VMSA at {gpa} lies outside guest memory, from where the \
                 loader reads it"
            ),
        }
    }
}

/// What may make the digest of `file` under `loader` differ from [`super::launch_digest`].
pub fn caveats(file: &IgvmFile<'_>, loader: Loader) -> Vec<Caveat> {
    let Some(platform) = file.platform(PlatformType::SevSnp) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for directive in file
        .directives()
        .iter()
        .filter(|it| it.applies_to(platform.mask))
    {
        let Directive::VpContext(context) = directive else {
            continue;
        };
        let VpState::Vmsa(vmsa) = context.state else {
            continue;
        };
        let (vp_index, gpa) = (context.vp_index, context.gpa);
        match loader.profile().vp_context {
            VpContexts::LastAtKvmAddress => {
                if gpa != KVM_VMSA_GPA {
                    found.push(Caveat::VmsaMoved { vp_index, gpa });
                }
                found.extend(KVM_FORCES.iter().filter_map(|it| it.caveat(vp_index, vmsa)));
            }
            VpContexts::InPlaceFirstOnly if gpa == KVM_VMSA_GPA => {
                found.push(Caveat::VmsaOutsideMemory { vp_index, gpa });
            }
            VpContexts::InPlace | VpContexts::InPlaceFirstOnly => {}
        }
    }
    found
}

/// Bits of a VMSA that KVM sets whatever the file says.
struct Forced {
    register: &'static str,
    /// Bytes from the start of the VMSA (AMD64 Architecture Programmer's Manual, volume 2,
    /// appendix B).
    offset: usize,
    /// Bytes in the register.
    size: usize,
    mask: u64,
    value: u64,
}

static KVM_FORCES: [Forced; 7] = [
    Forced {
        register: "CR0.ET",
        offset: 0x158,
        size: 8,
        mask: 1 << 4,
        value: 1 << 4,
    },
    Forced {
        register: "CR4.MCE",
        offset: 0x148,
        size: 8,
        mask: 1 << 6,
        value: 1 << 6,
    },
    Forced {
        register: "DR6",
        offset: 0x168,
        size: 8,
        mask: u64::MAX,
        value: 0xFFFF_0FF0,
    },
    Forced {
        register: "DR7",
        offset: 0x160,
        size: 8,
        mask: u64::MAX,
        value: 0x400,
    },
    Forced {
        register: "RFLAGS bit 1",
        offset: 0x170,
        size: 8,
        mask: 1 << 1,
        value: 1 << 1,
    },
    Forced {
        register: "MXCSR",
        offset: 0x408,
        size: 4,
        mask: u64::MAX,
        value: 0x1F80,
    },
    Forced {
        register: "x87 FCW",
        offset: 0x410,
        size: 2,
        mask: u64::MAX,
        value: 0x37F,
    },
];

impl Forced {
    fn caveat(&self, vp_index: u16, vmsa: &Page) -> Option<Caveat> {
        let mut bytes = [0; 8];
        bytes[..self.size].copy_from_slice(&vmsa[self.offset..self.offset + self.size]);
        let found = u64::from_le_bytes(bytes) & self.mask;
        let (register, kept) = (self.register, self.value);
        (found != kept).then_some(Caveat::RegisterNotKept {
            vp_index,
            register,
            found,
            kept,
        })
    }
}
