use super::*;
use crate::caveats;

/// A VMSA whose registers are as KVM leaves them.
pub(super) fn kept_by_kvm() -> [u8; 4096] {
    let mut vmsa = [0; 4096];
    vmsa[0x148..0x150].copy_from_slice(&0x60_u64.to_le_bytes());
    vmsa[0x158..0x160].copy_from_slice(&0x8000_0011_u64.to_le_bytes());
    vmsa[0x160..0x168].copy_from_slice(&0x400_u64.to_le_bytes());
    vmsa[0x168..0x170].copy_from_slice(&0xFFFF_0FF0_u64.to_le_bytes());
    vmsa[0x170..0x178].copy_from_slice(&2_u64.to_le_bytes());
    vmsa[0x408..0x40C].copy_from_slice(&0x1F80_u32.to_le_bytes());
    vmsa[0x410..0x412].copy_from_slice(&0x37F_u16.to_le_bytes());
    vmsa
}

fn of(sample: &Sample, loader: Loader) -> Vec<String> {
    let bytes = sample.bytes();
    let file = IgvmFile::parse(&bytes).unwrap();
    let digest = launch_digest(&file, loader, None).unwrap();
    caveats(&file, loader, digest)
        .iter()
        .map(Caveat::to_string)
        .collect()
}

#[test]
fn a_vmsa_for_kvm_is_not_for_cloud_hypervisor_on_mshv() {
    let sample = Sample::snp().vp_context(1, 0, KVM_VMSA, &kept_by_kvm());
    for loader in [Spec, CloudHypervisorKvm, QemuKvm, OpenvmmMshv] {
        assert_eq!(of(&sample, loader), [""; 0], "{loader}");
    }
    assert_eq!(
        of(&sample, CloudHypervisorMshv),
        [
            "VP 0: the VMSA at 0xfffffffff000 lies outside guest memory, from where the loader \
          reads it"
        ]
    );
}

#[test]
fn registers_that_kvm_forces_are_named_with_both_values() {
    let mut vmsa = [0; 4096];
    vmsa[0x148..0x150].copy_from_slice(&0x30_u64.to_le_bytes());
    vmsa[0x158..0x160].copy_from_slice(&0x8000_0001_u64.to_le_bytes());
    vmsa[0x170..0x178].copy_from_slice(&2_u64.to_le_bytes());
    let sample = Sample::snp().vp_context(1, 0, 0x80_3000, &vmsa);
    let differ = |register: &str, found: &str, kept: &str| {
        format!(
            "VP 0: {register} is {found} in the file and {kept} once KVM has set it: the \
             launch digest will differ"
        )
    };
    let expected = [
        "VP 0: the VMSA is at 0x803000 in the file and launched at 0xfffffffff000; QEMU may \
         refuse the file"
            .to_owned(),
        differ("CR0.ET", "0x0", "0x10"),
        differ("CR4.MCE", "0x0", "0x40"),
        differ("DR6", "0x0", "0xffff0ff0"),
        differ("DR7", "0x0", "0x400"),
        differ("MXCSR", "0x0", "0x1f80"),
        differ("x87 FCW", "0x0", "0x37f"),
    ];
    for loader in [CloudHypervisorKvm, QemuKvm] {
        assert_eq!(of(&sample, loader), expected, "{loader}");
    }
    for loader in [Spec, CloudHypervisorMshv, OpenvmmMshv] {
        assert_eq!(of(&sample, loader), [""; 0], "{loader}");
    }
}
