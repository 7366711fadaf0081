use Loader::{CloudHypervisorKvm, CloudHypervisorMshv, OpenvmmMshv, QemuKvm, Spec};
use PageType::{Cpuid, Normal, Secrets, Unmeasured, Vmsa, Zero};

use super::*;
use crate::PageType;
use crate::sample::{Sample, u32s, u64s};

const LARGE: u32 = 1;
const UNMEASURED: u32 = 2;
const SHARED: u32 = 4;

const NORMAL: u16 = 0;
const SECRETS: u16 = 1;
const CPUID_DATA: u16 = 2;
const CPUID_XF: u16 = 3;

const KVM_VMSA: u64 = 0xFFFF_FFFF_F000;

/// What a loader launches: address, type, and the byte that the measured contents are full of.
type Launched = Vec<(u64, PageType, Option<u8>)>;

fn with_vcpus(sample: &Sample, loader: Loader, vcpus: Option<u32>) -> Result<Launched, Refusal> {
    let bytes = sample.bytes();
    let file = IgvmFile::parse(&bytes).unwrap();
    let pages = LaunchPages::of(&file);
    let vcpus = vcpus.map(|vcpus| NonZeroU32::new(vcpus).unwrap());
    let describe = |record: &PageRecord| {
        let contents = record
            .contents()
            .map(|page| pages.distinct().pages()[page.index()][0]);
        (record.gpa().get(), record.page_type(), contents)
    };
    Ok(pages.records(loader, vcpus)?.iter().map(describe).collect())
}

/// What `loader` launches of `sample`, to which a VP context is added for those that need one;
/// without it.
#[track_caller]
fn launched(sample: &Sample, loader: Loader) -> Launched {
    let sample = sample.clone().vp_context(1, 0, KVM_VMSA, &[0xEE; 4096]);
    let mut records = with_vcpus(&sample, loader, None).unwrap();
    assert_eq!(records.pop(), Some((KVM_VMSA, Vmsa, Some(0xEE))));
    records
}

#[track_caller]
fn refusal(sample: &Sample, loader: Loader) -> String {
    let sample = sample.clone().vp_context(1, 0, KVM_VMSA, &[0xEE; 4096]);
    with_vcpus(&sample, loader, None).unwrap_err().to_string()
}

#[track_caller]
fn all_launch(sample: &Sample, expected: &Launched) {
    for loader in Loader::ALL {
        assert_eq!(launched(sample, loader), *expected, "{loader}");
    }
}

#[test]
fn loaders_are_named_as_they_are_parsed() {
    for loader in Loader::ALL {
        assert_eq!(loader.name().parse(), Ok(loader));
    }
    assert_eq!(
        "kvm".parse::<Loader>().unwrap_err().to_string(),
        "no loader is called \"kvm\", expected one of: spec, cloud-hypervisor-mshv, \
         cloud-hypervisor-kvm, qemu-kvm, openvmm-mshv"
    );
}

#[test]
fn only_cloud_hypervisor_on_mshv_sorts_by_address() {
    let sample = Sample::snp()
        .page(0x2000, 2, 0, NORMAL)
        .page(0x1000, 1, 0, NORMAL);
    let as_in_file = vec![(0x2000, Normal, Some(2)), (0x1000, Normal, Some(1))];
    for loader in [Spec, CloudHypervisorKvm, QemuKvm, OpenvmmMshv] {
        assert_eq!(launched(&sample, loader), as_in_file, "{loader}");
    }
    let sorted = vec![(0x1000, Normal, Some(1)), (0x2000, Normal, Some(2))];
    assert_eq!(launched(&sample, CloudHypervisorMshv), sorted);
}

#[test]
fn sorting_keeps_pages_at_one_address_in_file_order() {
    let sample = Sample::snp()
        .page(0x2000, 2, 0, NORMAL)
        .page(0x1000, 1, 0, NORMAL)
        .page(0x2000, 3, 0, NORMAL)
        .page(0x1000, 0, 0, SECRETS);
    let expected = vec![
        (0x1000, Normal, Some(1)),
        (0x1000, Secrets, None),
        (0x2000, Normal, Some(2)),
        (0x2000, Normal, Some(3)),
    ];
    assert_eq!(launched(&sample, CloudHypervisorMshv), expected);
}

#[test]
fn a_normal_page_without_data_is_zero_on_kvm() {
    let sample = Sample::snp().empty_page(0x1000, 0, NORMAL);
    for loader in [Spec, CloudHypervisorMshv, OpenvmmMshv] {
        assert_eq!(
            launched(&sample, loader),
            [(0x1000, Normal, Some(0))],
            "{loader}"
        );
    }
    for loader in [CloudHypervisorKvm, QemuKvm] {
        assert_eq!(
            launched(&sample, loader),
            [(0x1000, Zero, None)],
            "{loader}"
        );
    }
}

#[test]
fn the_unmeasured_flag_counts_on_normal_pages_only() {
    let sample = Sample::snp()
        .page(0x1000, 1, UNMEASURED, NORMAL)
        .empty_page(0x2000, UNMEASURED, NORMAL)
        .page(0x3000, 1, UNMEASURED, SECRETS)
        .page(0x4000, 1, UNMEASURED, CPUID_DATA);
    let expected = vec![
        (0x1000, Unmeasured, None),
        (0x2000, Unmeasured, None),
        (0x3000, Secrets, None),
        (0x4000, Cpuid, None),
    ];
    all_launch(&sample, &expected);
}

#[test]
fn shared_pages_are_skipped_or_the_flag_is_ignored() {
    let sample = Sample::snp()
        .page(0x1000, 1, SHARED, NORMAL)
        .page(0x2000, 2, SHARED | UNMEASURED, NORMAL)
        .page(0x3000, 3, 0, NORMAL);
    for loader in [Spec, OpenvmmMshv] {
        assert_eq!(
            launched(&sample, loader),
            [(0x3000, Normal, Some(3))],
            "{loader}"
        );
    }
    for loader in [CloudHypervisorMshv, CloudHypervisorKvm, QemuKvm] {
        let expected = [
            (0x1000, Normal, Some(1)),
            (0x2000, Unmeasured, None),
            (0x3000, Normal, Some(3)),
        ];
        assert_eq!(launched(&sample, loader), expected, "{loader}");
    }
}

#[test]
fn secrets_and_cpuid_pages_are_typed_with_data_and_without() {
    let sample = Sample::snp()
        .page(0x1000, 1, 0, SECRETS)
        .empty_page(0x2000, 0, SECRETS)
        .page(0x3000, 1, 0, CPUID_DATA)
        .empty_page(0x4000, 0, CPUID_DATA);
    let expected = vec![
        (0x1000, Secrets, None),
        (0x2000, Secrets, None),
        (0x3000, Cpuid, None),
        (0x4000, Cpuid, None),
    ];
    all_launch(&sample, &expected);
}

#[test]
fn cloud_hypervisor_refuses_cpuid_xf() {
    let sample = Sample::snp().page(0x1000, 1, 0, CPUID_XF);
    for loader in [Spec, QemuKvm, OpenvmmMshv] {
        assert_eq!(
            launched(&sample, loader),
            [(0x1000, Cpuid, None)],
            "{loader}"
        );
    }
    for loader in [CloudHypervisorMshv, CloudHypervisorKvm] {
        assert_eq!(
            refusal(&sample, loader),
            "0x1000: the loader stops at a page of type CPUID_XF: remove it"
        );
    }
}

#[test]
fn parameter_areas_are_unmeasured_page_by_page_except_on_cloud_hypervisor_mshv() {
    let sample = Sample::snp().area(4, 0x3000).insert(4, 0x1000);
    let first = (0x1000, Unmeasured, None);
    let every = [
        first,
        (0x2000, Unmeasured, None),
        (0x3000, Unmeasured, None),
    ];
    for loader in [Spec, CloudHypervisorKvm, QemuKvm, OpenvmmMshv] {
        assert_eq!(launched(&sample, loader), every, "{loader}");
    }
    assert_eq!(launched(&sample, CloudHypervisorMshv), [first]);
}

#[test]
fn vp_contexts_stay_in_place_or_come_last_on_kvm() {
    let sample = Sample::snp()
        .vp_context(1, 1, 0x5000, &[0xB1; 4096])
        .page(0x1000, 1, 0, NORMAL)
        .vp_context(1, 0, 0x4000, &[0xB0; 4096]);
    let page = (0x1000, Normal, Some(1));
    for loader in [Spec, OpenvmmMshv] {
        let expected = vec![(0x5000, Vmsa, Some(0xB1)), page, (0x4000, Vmsa, Some(0xB0))];
        assert_eq!(with_vcpus(&sample, loader, None), Ok(expected), "{loader}");
    }
    // Only processor 0's state is copied; the page of another is launched as it is: zeros.
    let expected = vec![page, (0x4000, Vmsa, Some(0xB0)), (0x5000, Vmsa, Some(0))];
    assert_eq!(with_vcpus(&sample, CloudHypervisorMshv, None), Ok(expected));
    for loader in [CloudHypervisorKvm, QemuKvm] {
        let expected = vec![
            page,
            (KVM_VMSA, Vmsa, Some(0xB0)),
            (KVM_VMSA, Vmsa, Some(0xB1)),
        ];
        assert_eq!(with_vcpus(&sample, loader, None), Ok(expected), "{loader}");
    }
}

#[test]
fn on_kvm_each_processor_created_needs_a_context() {
    let sample = Sample::snp()
        .vp_context(1, 0, KVM_VMSA, &[0xB0; 4096])
        .vp_context(1, 1, KVM_VMSA, &[0xB1; 4096]);
    for loader in [CloudHypervisorKvm, QemuKvm] {
        let one = vec![(KVM_VMSA, Vmsa, Some(0xB0))];
        assert_eq!(with_vcpus(&sample, loader, Some(1)), Ok(one), "{loader}");
        assert_eq!(
            with_vcpus(&sample, loader, Some(2)).unwrap().len(),
            2,
            "{loader}"
        );
        let three = with_vcpus(&sample, loader, Some(3));
        assert_eq!(
            three,
            Err(Refusal::NoVpContext {
                vp_index: 2,
                vcpus: 3
            }),
            "{loader}"
        );
        let as_many_as_can_be = with_vcpus(&sample, loader, Some(u32::MAX));
        assert!(as_many_as_can_be.is_err(), "{loader}");
    }
    assert_eq!(
        Refusal::NoVpContext {
            vp_index: 2,
            vcpus: 3
        }
        .to_string(),
        "the file has no VP context for processor 2 of 3: the loader makes up its VMSA, so the \
         digest cannot be told; add a context or ask for fewer processors"
    );
    for loader in [Spec, CloudHypervisorMshv, OpenvmmMshv] {
        let all = with_vcpus(&sample, loader, None);
        assert_eq!(with_vcpus(&sample, loader, Some(3)), all, "{loader}");
    }
}

#[test]
fn on_kvm_contexts_are_counted_from_processor_0_and_are_one_each() {
    let none = Sample::snp().page(0x1000, 1, 0, NORMAL);
    let gap = Sample::snp().vp_context(1, 1, KVM_VMSA, &[0xB1; 4096]);
    let twice = Sample::snp()
        .vp_context(1, 0, KVM_VMSA, &[0xB0; 4096])
        .vp_context(1, 0, KVM_VMSA, &[0xB1; 4096]);
    for loader in [CloudHypervisorKvm, QemuKvm] {
        let no_context = Err(Refusal::NoVpContext {
            vp_index: 0,
            vcpus: 1,
        });
        assert_eq!(with_vcpus(&none, loader, None), no_context, "{loader}");
        assert_eq!(with_vcpus(&gap, loader, None), no_context, "{loader}");
        let duplicate = Err(Refusal::DuplicateVpContext { vp_index: 0 });
        assert_eq!(with_vcpus(&twice, loader, None), duplicate, "{loader}");
    }
    assert_eq!(with_vcpus(&none, Spec, None).unwrap().len(), 1);
}

#[test]
fn headers_for_other_platforms_are_filtered() {
    let mut sample = Sample::default()
        .platform(1, 2)
        .platform(2, 5)
        .header(0x101, &[&u64s(&[0x3_001F]), &u32s(&[1, 0])])
        .area(0, 0x1000)
        .page(0x3000, 3, 0, NORMAL);
    let data = sample.data(&[7; 4096]);
    let foreign_page = [u64s(&[0x1000]), u32s(&[2, data, 0, 0])].concat();
    let foreign_insert = [u64s(&[0x8000]), u32s(&[2, 0])].concat();
    let sample = sample
        .header(0x302, &[&foreign_page])
        .header(0x303, &[&foreign_insert])
        .vp_context(2, 0, 0x9000, &[0xCC; 4096]);
    all_launch(&sample, &vec![(0x3000, Normal, Some(3))]);
}

#[test]
fn a_large_page_is_512_pages_on_qemu_and_one_elsewhere() {
    let sample = Sample::snp()
        .empty_page(0x20_0000, LARGE, NORMAL)
        .page(0x40_0000, 4, LARGE, NORMAL);
    for loader in [Spec, CloudHypervisorMshv, OpenvmmMshv] {
        let expected = [(0x20_0000, Normal, Some(0)), (0x40_0000, Normal, Some(4))];
        assert_eq!(launched(&sample, loader), expected, "{loader}");
    }
    let expected = [(0x20_0000, Zero, None), (0x40_0000, Normal, Some(4))];
    assert_eq!(launched(&sample, CloudHypervisorKvm), expected);

    let on_qemu = launched(&sample, QemuKvm);
    assert_eq!(on_qemu.len(), 1024);
    assert_eq!(on_qemu[1], (0x20_1000, Zero, None));
    assert_eq!(on_qemu[511], (0x3F_F000, Zero, None));
    assert_eq!(on_qemu[512], (0x40_0000, Normal, Some(4)));
    // The file carries 4 KiB of the page; the rest is zeros, measured like all of the batch.
    assert_eq!(on_qemu[513], (0x40_1000, Normal, Some(0)));
}

mod qemu_batches {
    use super::*;

    const PARAMETER: (u64, PageType, Option<u8>) = (0x9000, Unmeasured, None);

    fn overtaken(sample: Sample) -> Launched {
        launched(&sample.area(0, 0x1000).insert(0, 0x9000), QemuKvm)
    }

    #[test]
    fn a_parameter_page_overtakes_the_pending_batch() {
        let sample = Sample::snp()
            .page(0x1000, 1, 0, NORMAL)
            .page(0x2000, 2, 0, NORMAL);
        let expected = [
            PARAMETER,
            (0x1000, Normal, Some(1)),
            (0x2000, Normal, Some(2)),
        ];
        assert_eq!(overtaken(sample), expected);
    }

    #[test]
    fn a_gap_in_memory_ends_the_batch() {
        let sample = Sample::snp()
            .page(0x1000, 1, 0, NORMAL)
            .page(0x3000, 2, 0, NORMAL);
        let expected = [
            (0x1000, Normal, Some(1)),
            PARAMETER,
            (0x3000, Normal, Some(2)),
        ];
        assert_eq!(overtaken(sample), expected);
    }

    #[test]
    fn other_flags_another_type_and_data_or_none_end_the_batch() {
        let first = Sample::snp().page(0x1000, 1, 0, NORMAL);
        let cases = [
            (
                first.clone().page(0x2000, 2, UNMEASURED, NORMAL),
                (0x2000, Unmeasured, None),
            ),
            (
                first.clone().page(0x2000, 2, 0, SECRETS),
                (0x2000, Secrets, None),
            ),
            (first.empty_page(0x2000, 0, NORMAL), (0x2000, Zero, None)),
        ];
        for (sample, last) in cases {
            assert_eq!(
                overtaken(sample),
                [(0x1000, Normal, Some(1)), PARAMETER, last]
            );
        }
    }

    #[test]
    fn another_mask_ends_the_batch() {
        let mut sample = Sample::snp().page(0x1000, 1, 0, NORMAL);
        let data = sample.data(&[2; 4096]);
        let page = [u64s(&[0x2000]), u32s(&[3, data, 0, 0])].concat();
        let expected = [
            (0x1000, Normal, Some(1)),
            PARAMETER,
            (0x2000, Normal, Some(2)),
        ];
        assert_eq!(overtaken(sample.header(0x302, &[&page])), expected);
    }

    #[test]
    fn a_directive_between_two_pages_ends_the_batch_when_the_second_comes() {
        let required = [u64s(&[0]), u32s(&[1, 0x1000, 0, 0])].concat();
        let sample = Sample::snp()
            .page(0x1000, 1, 0, NORMAL)
            .header(0x305, &[&required])
            .page(0x2000, 2, 0, NORMAL);
        let expected = [
            (0x1000, Normal, Some(1)),
            PARAMETER,
            (0x2000, Normal, Some(2)),
        ];
        assert_eq!(overtaken(sample), expected);
    }

    #[test]
    fn a_directive_after_the_batch_does_not_end_it() {
        let sample = Sample::snp()
            .page(0x1000, 1, 0, NORMAL)
            .vp_context(1, 1, KVM_VMSA, &[0xB1; 4096])
            .vp_context(1, 0, KVM_VMSA, &[0xB0; 4096])
            .area(0, 0x1000)
            .insert(0, 0x9000);
        let expected = vec![
            PARAMETER,
            (0x1000, Normal, Some(1)),
            (KVM_VMSA, Vmsa, Some(0xB0)),
            (KVM_VMSA, Vmsa, Some(0xB1)),
        ];
        assert_eq!(with_vcpus(&sample, QemuKvm, None), Ok(expected));
    }

    #[test]
    fn pages_after_a_parameter_page_start_a_new_batch() {
        let sample = Sample::snp()
            .page(0x1000, 1, 0, NORMAL)
            .area(0, 0x1000)
            .insert(0, 0x9000)
            .page(0x2000, 2, 0, NORMAL)
            .area(1, 0x1000)
            .insert(1, 0xA000);
        let expected = [
            PARAMETER,
            (0x1000, Normal, Some(1)),
            (0xA000, Unmeasured, None),
            (0x2000, Normal, Some(2)),
        ];
        assert_eq!(launched(&sample, QemuKvm), expected);
    }
}

mod refusals {
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
}

mod caveats {
    use super::*;

    /// A VMSA whose registers are as KVM leaves them.
    fn kept_by_kvm() -> [u8; 4096] {
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
        super::super::caveats(&file, loader)
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
}

#[test]
fn pages_past_one_hashing_segment_are_all_measured() {
    // Two loaders with different orders over more pages than are hashed between two looks at
    // the chains, checked against the definition of the chain.
    use sha2::{Digest, Sha384};
    let pages: Vec<[u8; 4096]> = (0..5000_u32)
        .map(|number| {
            let mut page = [0; 4096];
            page[..4].copy_from_slice(&number.to_le_bytes());
            page
        })
        .collect();
    let carried: Vec<_> = pages.iter().map(Some).collect();
    let (distinct, ids) = DistinctPages::collect(&carried);
    let up: Vec<PageRecord> = (0..)
        .zip(&ids)
        .map(|(n, id)| PageRecord::normal(Gpa::new(n * 4096), *id))
        .collect();
    let down: Vec<PageRecord> = up.iter().rev().copied().collect();
    let by_definition = |records: &[PageRecord]| {
        records.iter().fold([0; 48], |digest, record| {
            let contents = Sha384::digest(distinct.pages()[record.contents().unwrap().index()]);
            Sha384::new()
                .chain_update(digest)
                .chain_update(contents)
                .chain_update([0x70, 0, 1, 0, 0, 0, 0, 0])
                .chain_update(record.gpa().get().to_le_bytes())
                .finalize()
                .into()
        })
    };
    let expected = [by_definition(&up), by_definition(&down)].map(LaunchDigest::new);
    assert_eq!(fold_page_records(&distinct, &[up, down]), expected);
}
