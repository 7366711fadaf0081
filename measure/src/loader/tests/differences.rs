//! Where loaders part, and the change that makes them agree: each case is a file that all
//! loaders launch alike but for one thing.

use proptest::prelude::*;

use super::*;
use crate::Warning;

/// The reasons given for the loaders that part from the first, with the changes proposed.
fn assessed(sample: &Sample, vcpus: Option<u32>) -> (Vec<(Loader, String)>, Vec<Change>) {
    let bytes = sample.bytes();
    let file = IgvmFile::parse(&bytes).unwrap();
    let vcpus = vcpus.map(|vcpus| NonZeroU32::new(vcpus).unwrap());
    let assessment = assess(&file, vcpus);
    let reasons: Vec<_> = assessment
        .loaders
        .iter()
        .filter_map(|it| Some((it.loader, it.differs?.to_string())))
        .collect();
    assert_eq!(assessment.portable, Some(reasons.is_empty()));
    let changes = assessment.warnings.iter().filter_map(|it| match it {
        Warning::NotPortable { change } => Some(*change),
        _ => None,
    });
    (reasons, changes.collect())
}

fn with_context(sample: &Sample) -> Sample {
    sample.clone().vp_context(1, 0, KVM_VMSA, &[0xEE; 4096])
}

/// Holds that `sample` parts `loaders` from the first for `reason`, that `change` is proposed,
/// and that all agree on the sample `changed` by it.
#[track_caller]
fn parts(sample: &Sample, loaders: &[Loader], reason: &str, change: Change, changed: &Sample) {
    let (reasons, changes) = assessed(sample, None);
    let expected: Vec<_> = loaders.iter().map(|it| (*it, reason.to_owned())).collect();
    assert_eq!(reasons, expected);
    assert_eq!(changes, [change]);
    assert_eq!(assessed(changed, None), (Vec::new(), Vec::new()));
}

#[test]
fn pages_not_in_the_order_of_their_addresses() {
    let pages = |first, second| {
        with_context(
            &Sample::snp()
                .page(first, 1, 0, NORMAL)
                .page(second, 2, 0, NORMAL),
        )
    };
    parts(
        &pages(0x2000, 0x1000),
        &[CloudHypervisorMshv],
        "0x1000: pages are launched in the order of their addresses",
        Change::OrderByGpa,
        &pages(0x1000, 0x2000),
    );
}

#[test]
fn a_parameter_area_after_a_page() {
    let page = Sample::snp().page(0x1000, 1, 0, NORMAL);
    let first = Sample::snp()
        .area(0, 0x1000)
        .insert(0, 0x0)
        .page(0x1000, 1, 0, NORMAL);
    parts(
        &with_context(&page.area(0, 0x1000).insert(0, 0x9000)),
        &[QemuKvm],
        "0x9000: a parameter page is launched before the pages just before it",
        Change::ParametersFirst,
        &with_context(&first),
    );
}

#[test]
fn a_page_without_data() {
    parts(
        &with_context(&Sample::snp().empty_page(0x9000, 0, NORMAL)),
        &[CloudHypervisorKvm, QemuKvm],
        "0x9000: page without data is ZERO",
        Change::GiveZerosData,
        &with_context(&Sample::snp().page(0x9000, 0, 0, NORMAL)),
    );
}

#[test]
fn a_shared_page() {
    parts(
        &with_context(&Sample::snp().page(0x1000, 1, SHARED, NORMAL)),
        &[CloudHypervisorMshv, CloudHypervisorKvm, QemuKvm],
        "0x1000: page with the SHARED flag is launched like any other",
        Change::DropSharedFlag,
        &with_context(&Sample::snp().page(0x1000, 1, 0, NORMAL)),
    );
}

#[test]
fn a_parameter_area_of_more_than_one_page() {
    let area = |size| with_context(&Sample::snp().area(0, size).insert(0, 0x1000));
    parts(
        &area(0x3000),
        &[CloudHypervisorMshv],
        "0x2000: only the first page of a parameter area is launched",
        Change::OnePageParameterAreas,
        &area(0x1000),
    );
}

#[test]
fn a_vmsa_before_a_page() {
    let sample = Sample::snp()
        .vp_context(1, 0, 0x1000, &[0xEE; 4096])
        .page(0x2000, 1, 0, NORMAL);
    parts(
        &sample,
        &[CloudHypervisorKvm, QemuKvm],
        "0x1000: VMSA is launched after all pages",
        Change::VpContextsLast,
        &with_context(&Sample::snp().page(0x2000, 1, 0, NORMAL)),
    );
}

#[test]
fn a_vmsa_at_an_address_of_its_own() {
    let page = Sample::snp().page(0x2000, 1, 0, NORMAL);
    parts(
        &page.clone().vp_context(1, 0, 0x3000, &[0xEE; 4096]),
        &[CloudHypervisorKvm, QemuKvm],
        "0xfffffffff000: VMSA is launched at this address",
        Change::VpContextsLast,
        &with_context(&page),
    );
}

#[test]
fn vmsas_not_in_the_order_of_processors() {
    let contexts = |first: u16, second: u16| {
        let [a, b] = [first, second].map(|vp| [0xB0 + u8::try_from(vp).unwrap(); 4096]);
        Sample::snp()
            .vp_context(1, first, KVM_VMSA, &a)
            .vp_context(1, second, KVM_VMSA, &b)
    };
    let at = |text: &str| format!("0xfffffffff000: {text}");
    let zeros = at("VMSA of a later VP is launched as zeros");
    let order = at("VMSAs are launched in another order");
    let (reasons, changes) = assessed(&contexts(1, 0), None);
    assert_eq!(
        reasons,
        [
            (CloudHypervisorMshv, zeros.clone()),
            (CloudHypervisorKvm, order.clone()),
            (QemuKvm, order)
        ]
    );
    assert_eq!(changes, [Change::VpContextsLast, Change::OneVpContext]);
    parts(
        &contexts(0, 1),
        &[CloudHypervisorMshv],
        &zeros,
        Change::OneVpContext,
        &with_context(&Sample::snp()),
    );
}

#[test]
fn fewer_processors_than_contexts_are_no_fault_of_the_file() {
    let sample = Sample::snp()
        .page(0x1000, 1, 0, NORMAL)
        .vp_context(1, 0, KVM_VMSA, &[0xB0; 4096])
        .vp_context(1, 1, KVM_VMSA, &[0; 4096]);
    assert_eq!(assessed(&sample, None), (Vec::new(), Vec::new()));
    let reason = "0xfffffffff000: one VMSA is launched for each vCPU".to_owned();
    let (reasons, changes) = assessed(&sample, Some(1));
    assert_eq!(
        reasons,
        [(CloudHypervisorKvm, reason.clone()), (QemuKvm, reason)]
    );
    assert_eq!(changes, []);
}

#[test]
fn a_2_mib_page() {
    let sample = Sample::snp().page(0x20_0000, 1, LARGE, NORMAL);
    parts(
        &with_context(&sample),
        &[QemuKvm],
        "0x201000: 2 MiB page is launched as 512 pages",
        Change::SmallPages,
        &with_context(&Sample::snp().page(0x20_0000, 1, 0, NORMAL)),
    );
}

#[test]
fn every_change_that_a_file_needs_is_told_and_the_first_record_explained() {
    let sample = Sample::snp()
        .page(0x1000, 1, 0, NORMAL)
        .empty_page(0x4000, 0, NORMAL)
        .page(0x3000, 3, 0, NORMAL)
        .area(0, 0x2000)
        .insert(0, 0x8000);
    let (reasons, changes) = assessed(&with_context(&sample), None);
    assert_eq!(
        reasons,
        [
            (
                CloudHypervisorMshv,
                "0x3000: pages are launched in the order of their addresses".to_owned()
            ),
            (
                CloudHypervisorKvm,
                "0x4000: page without data is ZERO".to_owned()
            ),
            (QemuKvm, "0x4000: page without data is ZERO".to_owned()),
        ]
    );
    assert_eq!(
        changes,
        [
            Change::OrderByGpa,
            Change::ParametersFirst,
            Change::GiveZerosData,
            Change::OnePageParameterAreas,
        ]
    );
}

#[test]
fn the_first_loader_that_loads_the_file_is_the_one_compared_with() {
    // Without a guest policy the igvm crate measures nothing.
    let sample = Sample::default()
        .platform(1, 2)
        .page(0x1000, 1, SHARED, NORMAL)
        .empty_page(0x2000, 0, NORMAL);
    let (reasons, _) = assessed(&with_context(&sample), None);
    let zero = "0x2000: page without data is ZERO".to_owned();
    let shared = "0x1000: page with the SHARED flag is not launched".to_owned();
    assert_eq!(
        reasons,
        [
            (CloudHypervisorKvm, zero.clone()),
            (QemuKvm, zero),
            (OpenvmmMshv, shared)
        ]
    );
}

#[test]
fn one_loader_alone_has_nobody_to_agree_with() {
    // An error range stops all but the igvm crate and OpenVMM, a VBS measurement OpenVMM too.
    let sample = Sample::snp()
        .header(0x30D, &[&u64s(&[0x1000]), &u32s(&[1, 0x1000])])
        .header(0x311, &[&u32s(&[1]), &[0; 860]]);
    let bytes = with_context(&sample).bytes();
    let file = IgvmFile::parse(&bytes).unwrap();
    assert_eq!(assess(&file, None).portable, None);
}

/// Adds a directive that loaders disagree on, or not.
fn with_directive(sample: Sample, (kind, place): (u8, u64)) -> Sample {
    let gpa = place * 0x1000;
    match kind {
        0 => sample.page(gpa, 1, 0, NORMAL),
        1 => sample.empty_page(gpa, 0, NORMAL),
        2 => sample.page(gpa, 2, SHARED, NORMAL),
        3 => sample.empty_page(gpa, 0, SECRETS),
        4 => sample.empty_page(place << 21, LARGE, NORMAL),
        5 => sample.vp_context(1, 0, gpa, &[0xB0; 4096]),
        6 => sample.vp_context(1, 1, KVM_VMSA, &[0xB1; 4096]),
        _ => {
            let area = u32::try_from(place).unwrap() + 1;
            let size = u64::from(area) * 0x1000;
            sample.area(area, size).insert(area, gpa)
        }
    }
}

proptest! {
    #[test]
    fn loaders_part_exactly_when_their_digests_do(
        directives in prop::collection::vec((0..8_u8, 0..6_u64), 0..8)
    ) {
        let sample = directives.into_iter().fold(Sample::snp(), with_directive);
        let bytes = sample.bytes();
        // An area declared twice is refused by the reader.
        let Ok(file) = IgvmFile::parse(&bytes) else { return Ok(()) };
        let assessment = assess(&file, None);
        let first = assessment.loaders.iter().find_map(|it| it.launch_digest);
        let mut changes = 0;
        for it in &assessment.loaders {
            let differs = it.launch_digest.is_some() && it.launch_digest != first;
            prop_assert_eq!(it.differs.is_some(), differs, "{}", it.loader);
            changes += usize::from(differs);
        }
        let proposed = assessment.warnings.iter();
        let proposed = proposed.filter(|it| matches!(it, Warning::NotPortable { .. })).count();
        prop_assert_eq!(proposed > 0, changes > 0);
    }
}
