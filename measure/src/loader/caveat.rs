//! Why a guest may launch with another digest or state than its file says, or not at all.

use std::fmt;

use serde::{Serialize, Serializer};

use super::profile::{Policy, VpContexts};
use super::{KVM_VMSA_GPA, Loader};
use crate::igvm::{Directive, IgvmFile, PlatformType, VpContext, VpState};
use crate::lanes::Page;
use crate::{Gpa, LaunchDigest};

/// A reason why a guest may launch with another digest or state than its file says, or not at
/// all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Caveat {
    /// KVM builds VMSAs from registers and forces some of them.
    RegisterNotKept {
        /// The processor.
        vp_index: u16,
        /// The register or bit.
        register: &'static str,
        /// The value in the file.
        #[serde(serialize_with = "as_hex")]
        found: u64,
        /// The value KVM gives it.
        #[serde(serialize_with = "as_hex")]
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
    /// Cloud Hypervisor on the Microsoft hypervisor copies the state of the first processor only.
    VmsaNotCopied {
        /// The processor.
        vp_index: u16,
    },
    /// The loader has a policy of its own.
    PolicyNotKept {
        /// The policy in the file.
        #[serde(serialize_with = "as_hex")]
        found: u64,
        /// The policy that the guest is launched with.
        #[serde(serialize_with = "as_hex")]
        kept: u64,
    },
    /// The firmware launches nothing but what the ID block names.
    IdBlockDigest {
        /// The launch digest in the ID block.
        expected: LaunchDigest,
    },
    /// The loader fills the ID block's policy with one of its own, which is not the file's.
    IdBlockPolicy {
        /// The policy in the file.
        #[serde(serialize_with = "as_hex")]
        found: u64,
        /// The policy that the ID block must be signed with.
        #[serde(serialize_with = "as_hex")]
        needed: u64,
    },
    /// The policy of the ID block is the file's, and the file has none.
    IdBlockWithoutPolicy,
}

/// As hexadecimal text: JSON numbers lose precision past 2^53.
pub(super) fn as_hex<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{number:#x}"))
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
            Self::VmsaNotCopied { vp_index } => write!(
                f,
                "VP {vp_index}: the VMSA is not copied, the processor is launched with zeros"
            ),
            Self::PolicyNotKept { found, kept } => write!(
                f,
                "the guest policy is {found:#x} in the file, and the loader launches with \
                 {kept:#x}: a report shows the latter"
            ),
            Self::IdBlockDigest { expected } => write!(
                f,
                "the firmware will refuse the guest: its ID block is for launch digest {expected}"
            ),
            Self::IdBlockPolicy { found, needed } => write!(
                f,
                "an ID block signed for the file's policy, {found:#x}, does not fit: the loader \
                 fills in {needed:#x}, sign it for that"
            ),
            Self::IdBlockWithoutPolicy => f.write_str(
                "the file has an ID block and no guest policy: the loader chooses the policy that \
                 the ID block must be signed for",
            ),
        }
    }
}

/// What may make a guest under `loader`, which leads to `digest`, differ from what `file` says.
pub fn caveats(file: &IgvmFile<'_>, loader: Loader, digest: LaunchDigest) -> Vec<Caveat> {
    let Some(platform) = file.platform(PlatformType::SevSnp) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut has_id_block = false;
    for directive in file.directives() {
        match directive {
            it if !it.applies_to(platform.mask) => {}
            Directive::VpContext(context) => found.extend(of_context(context, loader)),
            Directive::SnpIdBlock(block) => {
                has_id_block = true;
                let expected = block.launch_digest();
                if expected != digest {
                    found.push(Caveat::IdBlockDigest { expected });
                }
            }
            _ => {}
        }
    }
    found.extend(of_policy(
        file.guest_policy(platform.mask),
        loader.profile().policy,
        has_id_block,
    ));
    found
}

fn of_context(context: &VpContext<'_>, loader: Loader) -> Vec<Caveat> {
    let VpState::Vmsa(vmsa) = context.state else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let (vp_index, gpa) = (context.vp_index, context.gpa);
    match loader.profile().vp_context {
        VpContexts::LastAtKvmAddress => {
            if gpa != KVM_VMSA_GPA {
                found.push(Caveat::VmsaMoved { vp_index, gpa });
            }
            found.extend(KVM_FORCES.iter().filter_map(|it| it.caveat(vp_index, vmsa)));
        }
        VpContexts::InPlaceFirstOnly => {
            if gpa == KVM_VMSA_GPA {
                found.push(Caveat::VmsaOutsideMemory { vp_index, gpa });
            }
            if vp_index != 0 {
                found.push(Caveat::VmsaNotCopied { vp_index });
            }
        }
        VpContexts::InPlace => {}
    }
    found
}

fn of_policy(in_file: Option<u64>, policy: Policy, has_id_block: bool) -> Vec<Caveat> {
    match (in_file, policy) {
        (Some(found), Policy::Always(kept)) if found != kept => {
            let needed = kept;
            let id_block = has_id_block.then_some(Caveat::IdBlockPolicy { found, needed });
            let of_guest = Caveat::PolicyNotKept { found, kept };
            std::iter::once(of_guest).chain(id_block).collect()
        }
        (None, Policy::OfFile) if has_id_block => vec![Caveat::IdBlockWithoutPolicy],
        _ => Vec::new(),
    }
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
