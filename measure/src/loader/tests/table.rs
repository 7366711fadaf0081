//! The table of loader profiles, row by row: what each loader launches of a file that has what the
//! row is about. Columns are in the order of [`Loader::ALL`]: spec, cloud-hypervisor-mshv,
//! cloud-hypervisor-kvm, qemu-kvm, openvmm-mshv.

use super::*;

/// Holds that the loaders launch this of `sample`, to which a VP context is added and without it.
#[track_caller]
fn row(sample: &Sample, columns: [&[(u64, PageType, Option<u8>)]; 5]) {
    for (loader, expected) in Loader::ALL.into_iter().zip(columns) {
        assert_eq!(launched(sample, loader), expected, "{loader}");
    }
}

/// The same for VP contexts, which are launched like all the rest.
#[track_caller]
fn row_of_contexts(sample: &Sample, columns: [&[(u64, PageType, Option<u8>)]; 5]) {
    for (loader, expected) in Loader::ALL.into_iter().zip(columns) {
        let launched = with_vcpus(sample, loader, None).unwrap();
        assert_eq!(launched, expected, "{loader}");
    }
}

#[test]
fn order() {
    let sample = Sample::snp()
        .page(0x2000, 2, 0, NORMAL)
        .page(0x1000, 1, 0, NORMAL);
    let (one, two) = ((0x1000, Normal, Some(1)), (0x2000, Normal, Some(2)));
    let (file, gpa) = (&[two, one], &[one, two]);
    row(&sample, [file, gpa, file, file, file]);
}

#[test]
fn order_of_a_parameter_after_pages() {
    let sample = Sample::snp()
        .page(0x1000, 1, 0, NORMAL)
        .page(0x2000, 2, 0, NORMAL)
        .area(0, 0x1000)
        .insert(0, 0x3000);
    let (one, two) = ((0x1000, Normal, Some(1)), (0x2000, Normal, Some(2)));
    let parameter = (0x3000, Unmeasured, None);
    let (file, batch) = (&[one, two, parameter], &[parameter, one, two]);
    row(&sample, [file, file, file, batch, file]);
}

#[test]
fn normal_page_with_data() {
    let sample = Sample::snp().page(0x1000, 1, 0, NORMAL);
    row(&sample, [&[(0x1000, Normal, Some(1))]; 5]);
}

#[test]
fn normal_page_without_data() {
    let sample = Sample::snp().empty_page(0x1000, 0, NORMAL);
    let (normal, zero) = (&[(0x1000, Normal, Some(0))], &[(0x1000, Zero, None)]);
    row(&sample, [normal, normal, zero, zero, normal]);
}

#[test]
fn normal_page_of_zeros_that_the_file_carries() {
    let sample = Sample::snp().page(0x1000, 0, 0, NORMAL);
    row(&sample, [&[(0x1000, Normal, Some(0))]; 5]);
}

#[test]
fn unmeasured_flag() {
    let sample = Sample::snp()
        .page(0x1000, 1, UNMEASURED, NORMAL)
        .empty_page(0x2000, UNMEASURED, NORMAL);
    let both = &[(0x1000, Unmeasured, None), (0x2000, Unmeasured, None)];
    row(&sample, [both; 5]);
}

#[test]
fn unmeasured_flag_on_pages_that_are_not_normal() {
    let sample = Sample::snp()
        .page(0x1000, 1, UNMEASURED, SECRETS)
        .page(0x2000, 1, UNMEASURED, CPUID_DATA);
    row(
        &sample,
        [&[(0x1000, Secrets, None), (0x2000, Cpuid, None)]; 5],
    );
}

#[test]
fn shared_flag() {
    let sample = Sample::snp().page(0x1000, 1, SHARED, NORMAL);
    let ignored = &[(0x1000, Normal, Some(1))];
    row(&sample, [&[], ignored, ignored, ignored, &[]]);
}

#[test]
fn shared_flag_on_a_page_without_data() {
    let sample = Sample::snp().empty_page(0x1000, SHARED, NORMAL);
    let (normal, zero) = (&[(0x1000, Normal, Some(0))], &[(0x1000, Zero, None)]);
    row(&sample, [&[], normal, zero, zero, &[]]);
}

#[test]
fn shared_flag_on_an_unmeasured_page() {
    let sample = Sample::snp().page(0x1000, 1, SHARED | UNMEASURED, NORMAL);
    let unmeasured = &[(0x1000, Unmeasured, None)];
    row(&sample, [&[], unmeasured, unmeasured, unmeasured, &[]]);
}

#[test]
fn secrets() {
    let sample = Sample::snp()
        .page(0x1000, 1, 0, SECRETS)
        .empty_page(0x2000, 0, SECRETS);
    row(
        &sample,
        [&[(0x1000, Secrets, None), (0x2000, Secrets, None)]; 5],
    );
}

#[test]
fn cpuid_data() {
    let sample = Sample::snp()
        .page(0x1000, 1, 0, CPUID_DATA)
        .empty_page(0x2000, 0, CPUID_DATA);
    row(
        &sample,
        [&[(0x1000, Cpuid, None), (0x2000, Cpuid, None)]; 5],
    );
}

#[test]
fn cpuid_xf() {
    let sample = Sample::snp().page(0x1000, 1, 0, CPUID_XF);
    for loader in [Spec, QemuKvm, OpenvmmMshv] {
        assert_eq!(
            launched(&sample, loader),
            [(0x1000, Cpuid, None)],
            "{loader}"
        );
    }
    for loader in [CloudHypervisorMshv, CloudHypervisorKvm] {
        let refused = "0x1000: the loader stops at a page of type CPUID_XF: remove it";
        assert_eq!(refusal(&sample, loader), refused, "{loader}");
    }
}

#[test]
fn parameter_insert() {
    let sample = Sample::snp().area(4, 0x3000).insert(4, 0x1000);
    let [one, two, three] = [0x1000, 0x2000, 0x3000].map(|gpa| (gpa, Unmeasured, None));
    let every = &[one, two, three];
    row(&sample, [every, &[one], every, every, every]);
}

#[test]
fn vp_contexts() {
    let sample = Sample::snp()
        .vp_context(1, 1, 0x5000, &[0xB1; 4096])
        .page(0x1000, 1, 0, NORMAL)
        .vp_context(1, 0, 0x4000, &[0xB0; 4096]);
    let page = (0x1000, Normal, Some(1));
    let (first, second) = ((0x4000, Vmsa, Some(0xB0)), (0x5000, Vmsa, Some(0xB1)));
    let in_place = &[second, page, first];
    // Only processor 0's state is copied; the page of another is launched as it is: zeros.
    let sorted = &[page, first, (0x5000, Vmsa, Some(0))];
    let last = &[
        page,
        (KVM_VMSA, Vmsa, Some(0xB0)),
        (KVM_VMSA, Vmsa, Some(0xB1)),
    ];
    row_of_contexts(&sample, [in_place, sorted, last, last, in_place]);
}

#[test]
fn vp_context_of_another_platform() {
    let sample = Sample::default()
        .platform(1, 2)
        .platform(2, 5)
        .header(0x101, &[&u64s(&[0x3_001F]), &u32s(&[1, 0])])
        .vp_context(2, 0, 0x9000, &[0xCC; 4096])
        .vp_context(1, 0, KVM_VMSA, &[0xB0; 4096]);
    row_of_contexts(&sample, [&[(KVM_VMSA, Vmsa, Some(0xB0))]; 5]);
}

#[test]
fn pages_and_parameters_of_another_platform() {
    let mut sample = Sample::default()
        .platform(1, 2)
        .platform(2, 5)
        .header(0x101, &[&u64s(&[0x3_001F]), &u32s(&[1, 0])])
        .area(0, 0x1000)
        .page(0x3000, 3, 0, NORMAL);
    let data = sample.data(&[7; 4096]);
    let page = [u64s(&[0x1000]), u32s(&[2, data, 0, 0])].concat();
    let insert = [u64s(&[0x8000]), u32s(&[2, 0])].concat();
    let sample = sample.header(0x302, &[&page]).header(0x303, &[&insert]);
    row(&sample, [&[(0x3000, Normal, Some(3))]; 5]);
}

#[test]
fn large_page_without_data() {
    let sample = Sample::snp().empty_page(0x20_0000, LARGE, NORMAL);
    let (normal, zero) = (&[(0x20_0000, Normal, Some(0))], &[(0x20_0000, Zero, None)]);
    let every: Vec<_> = (0..512)
        .map(|page| (0x20_0000 + page * 0x1000, Zero, None))
        .collect();
    row(&sample, [normal, normal, zero, &every, normal]);
}

#[test]
fn large_page_with_data() {
    let sample = Sample::snp().page(0x40_0000, 4, LARGE, NORMAL);
    let one = (0x40_0000, Normal, Some(4));
    // The file carries 4 KiB of the page; the rest is zeros, measured like all of the batch.
    let rest = (1..512).map(|page| (0x40_0000 + page * 0x1000, Normal, Some(0)));
    let every: Vec<_> = std::iter::once(one).chain(rest).collect();
    row(&sample, [&[one], &[one], &[one], &every, &[one]]);
}

#[test]
fn what_is_not_measured() {
    let id_block = [u32s(&[1]), vec![0; 692]].concat();
    let required = [u64s(&[0x5000]), u32s(&[1, 0x1000, 0, 0])].concat();
    let sample = Sample::snp()
        .page(0x1000, 1, 0, NORMAL)
        .header(0x30B, &[&id_block])
        .header(0x305, &[&required]);
    row(&sample, [&[(0x1000, Normal, Some(1))]; 5]);
}
