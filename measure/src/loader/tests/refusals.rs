use super::*;

/// The loaders that load `sample`.
fn loaders_of(sample: &Sample) -> Vec<Loader> {
    let sample = sample.clone().vp_context(1, 0, KVM_VMSA, &[0xEE; 4096]);
    Loader::ALL
        .into_iter()
        .filter(|it| with_vcpus(&sample, *it, None).is_ok())
        .collect()
}

#[test]
fn a_file_for_another_platform_has_no_snp_digest() {
    let sample = Sample::default().platform(1, 3);
    for loader in Loader::ALL {
        assert_eq!(
            with_vcpus(&sample, loader, None),
            Err(Refusal::NotForSevSnp)
        );
    }
}

#[test]
fn the_igvm_crate_wants_a_guest_policy() {
    let sample = Sample::default().platform(1, 2);
    assert_eq!(
        refusal(&sample, Spec),
        "the file has no guest policy header (type 0x101) for SEV-SNP: add one"
    );
    assert_eq!(loaders_of(&sample).len(), 4);
}

#[test]
fn parameters_are_refused_by_loaders_that_do_not_know_them() {
    let with = |kind| {
        Sample::snp()
            .area(0, 0x1000)
            .header(kind, &[&u32s(&[0, 0])])
    };
    let (vp_count, memory_map) = (0x307, 0x30C);
    for kind in [vp_count, memory_map] {
        assert_eq!(loaders_of(&with(kind)), Loader::ALL, "{kind:#x}");
    }
    let command_line = with(0x30E);
    assert_eq!(
        loaders_of(&command_line),
        [Spec, CloudHypervisorMshv, CloudHypervisorKvm, OpenvmmMshv]
    );
    let (madt, environment) = (0x309, 0x313);
    for kind in [madt, environment] {
        assert_eq!(
            loaders_of(&with(kind)),
            [Spec, QemuKvm, OpenvmmMshv],
            "{kind:#x}"
        );
    }
    let (srat, mmio, slit, pptt, device_tree) = (0x308, 0x30A, 0x30F, 0x310, 0x312);
    for kind in [srat, mmio, slit, pptt, device_tree] {
        assert_eq!(loaders_of(&with(kind)), [Spec, OpenvmmMshv], "{kind:#x}");
    }
    assert_eq!(
        refusal(&command_line, QemuKvm),
        "the loader stops at a command line parameter header: remove it"
    );
}

#[test]
fn error_ranges_are_refused_by_all_but_openvmm() {
    let sample = Sample::snp().header(0x30D, &[&u64s(&[0x1000]), &u32s(&[1, 0x1000])]);
    assert_eq!(loaders_of(&sample), [Spec, OpenvmmMshv]);
}

#[test]
fn qemu_knows_no_initialization_header_but_the_policy() {
    let sample = Sample::snp().header(0x107, &[b"1.2.3"]);
    assert_eq!(
        refusal(&sample, QemuKvm),
        "the loader stops at a version string header: remove it"
    );
}

#[test]
fn loaders_refuse_a_second_id_block() {
    let block = [u32s(&[1]), vec![0; 692]].concat();
    let one = Sample::snp().header(0x30B, &[&block]);
    assert_eq!(loaders_of(&one), Loader::ALL);
    let two = one.header(0x30B, &[&block]);
    assert_eq!(loaders_of(&two), [Spec]);
    assert_eq!(
        refusal(&two, CloudHypervisorMshv),
        "the loader refuses a second SNP ID block: strip one"
    );
}
