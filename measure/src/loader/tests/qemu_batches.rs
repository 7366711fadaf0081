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
