mod caveats;
mod differences;
mod qemu_batches;
mod refusals;
mod table;
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
