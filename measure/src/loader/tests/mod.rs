mod caveats;
mod differences;
mod qemu_batches;
mod refusals;
mod warnings;

use Loader::{CloudHypervisorKvm, CloudHypervisorMshv, OpenvmmMshv, QemuKvm, Spec};
use PageType::{Cpuid, Normal, Secrets, Unmeasured, Vmsa, Zero};

use super::*;
use crate::sample::{Sample, u32s, u64s};
use crate::{PageRecord, PageType};

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
    let launch = pages.launch(loader, vcpus)?;
    Ok(launch.records().map(|record| describe(&record)).collect())
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
