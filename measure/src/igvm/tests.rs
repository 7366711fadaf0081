mod work;

use super::*;
use crate::Gpa;
use crate::sample::{Sample, seal, u32s, u64s};

#[track_caller]
fn refused(file: &[u8]) -> String {
    IgvmFile::parse(file).unwrap_err().to_string()
}

#[test]
fn headers_come_back_as_typed_values() {
    let file = Sample::snp()
        .header(0x107, &[b"1.2.3"])
        .page(0x1000, 0xAA, 2, 0)
        .area(7, 0x2000)
        .header(0x30E, &[&u32s(&[7, 16])])
        .insert(7, 0x5000)
        .header(0x305, &[&u64s(&[0x10_0000]), &u32s(&[1, 0x2000, 1, 0])])
        .vp_context(1, 0, 0xFFFF_FFFF_F000, &[3; 4096])
        .bytes();
    let file = IgvmFile::parse(&file).unwrap();

    let mask = CompatibilityMask::new(1);
    assert_eq!(file.revision(), Revision::V1);
    assert_eq!(file.platform(PlatformType::SevSnp).unwrap().mask, mask);
    assert_eq!(file.guest_policy(mask), Some(0x3_001F));
    assert_eq!(
        file.initializations()[1],
        Initialization::VersionString("1.2.3")
    );
    let [
        Directive::PageData(page),
        Directive::ParameterArea(area),
        Directive::Parameter(parameter),
        Directive::ParameterInsert(insert),
        Directive::RequiredMemory(memory),
        Directive::VpContext(context),
    ] = file.directives()
    else {
        panic!("{:?}", file.directives())
    };
    assert_eq!(
        (page.gpa, page.data),
        (Gpa::new(0x1000), Some(&[0xAA; 4096]))
    );
    assert!(page.flags.is_unmeasured() && !page.flags.is_shared() && !page.flags.is_large());
    assert_eq!(
        *area,
        ParameterArea {
            index: 7,
            size: 0x2000,
            initial: None
        }
    );
    assert_eq!(parameter.kind, ParameterKind::CommandLine);
    assert_eq!((insert.gpa, insert.size), (Gpa::new(0x5000), 0x2000));
    assert!(memory.vtl2_protectable);
    assert_eq!(context.gpa, Gpa::new(0xFFFF_FFFF_F000));
    assert!(matches!(context.state, VpState::Vmsa(state) if *state == [3; 4096]));
    assert_eq!(file.unknown_optional()[0].kind, 0x8000_0999);
}

#[test]
fn page_data_is_borrowed_from_the_file() {
    let bytes = Sample::snp().page(0x1000, 0xAA, 0, 0).bytes();
    let file = IgvmFile::parse(&bytes).unwrap();
    let [Directive::PageData(page)] = file.directives() else {
        panic!()
    };
    assert!(bytes.as_ptr_range().contains(&page.data.unwrap().as_ptr()));
}

#[test]
fn version_2_says_architecture_and_page_size() {
    let mut sample = Sample::snp();
    sample.version_2 = Some([0, 4096]);
    let bytes = sample.bytes();
    let revision = IgvmFile::parse(&bytes).unwrap().revision();
    assert_eq!(
        revision,
        Revision::V2 {
            architecture: Architecture::X64
        }
    );

    sample.version_2 = Some([0, 65536]);
    assert_eq!(
        refused(&sample.bytes()),
        "offset 0x1c: page_size is 0x10000, expected 4096"
    );
    sample.version_2 = Some([2, 4096]);
    assert_eq!(
        refused(&sample.bytes()),
        "offset 0x18: architecture is 0x2, expected 0 (x86-64) or 1 (AArch64)"
    );
    sample.version_2 = Some([1, 4096]);
    assert_eq!(
        refused(&sample.bytes()),
        "offset 0x20: platform_type is 0x2, expected a platform of the file's architecture: \
         0 to 5 on x86-64, 1 or 6 on Arm"
    );
}

#[test]
fn files_that_are_no_igvm_files_are_named_as_such() {
    assert_eq!(
        refused(b"IGVM"),
        "offset 0x0: the fixed header needs 24 bytes, found 4: this is no IGVM file, or a \
         truncated one"
    );
    assert_eq!(
        refused(&[0x7F; 64]),
        "offset 0x0: expected the magic \"IGVM\" (49 47 56 4d), found 7f 7f 7f 7f: give an IGVM \
         file"
    );
}

#[test]
fn a_truncated_file_is_refused() {
    let file = Sample::snp().page(0x1000, 1, 0, 0).bytes();
    assert_eq!(
        refused(&file[..file.len() - 1]),
        "offset 0x10: the fixed header says 20480 bytes, the file has 20479: fetch the whole \
         file again"
    );
    for length in 0..file.len() {
        assert!(IgvmFile::parse(&file[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn a_flipped_bit_in_any_header_fails_the_checksum() {
    let file = Sample::snp().page(0x1000, 1, 0, 0).bytes();
    for offset in 0x18..0x80 {
        let mut damaged = file.clone();
        damaged[offset] ^= 0x10;
        let error = IgvmFile::parse(&damaged).unwrap_err();
        assert!(
            matches!(error, IgvmError::Checksum { .. }),
            "offset {offset:#x}: {error}"
        );
    }
}

#[test]
fn a_header_section_outside_the_file_is_refused_whatever_the_sum() {
    for size in [0xFFFF_FFF0_u32, 0xFFFF_FFFF, 0x8000_0000, 0x4FE9] {
        let mut file = Sample::snp().page(0x1000, 1, 0, 0).bytes();
        file[0xC..0x10].copy_from_slice(&size.to_le_bytes());
        seal(&mut file);
        assert_eq!(
            refused(&file),
            format!(
                "offset 0xc: variable_header_size is {size:#x}, expected at most what the file \
                 has after the fixed header"
            )
        );
    }
}

#[test]
fn a_header_that_leaves_its_section_is_refused() {
    let mut file = Sample::snp().bytes();
    file[0x1C..0x20].copy_from_slice(&0xFFFF_FFF0_u32.to_le_bytes());
    seal(&mut file);
    assert_eq!(
        refused(&file),
        "offset 0x18: a variable header needs 4294967288 bytes, its section has 16360 left: the \
         section's size or the header's length is wrong"
    );
}

#[test]
fn padding_between_headers_is_zero() {
    let mut file = Sample::snp().vp_context(1, 0, 0, &[0; 4096]).bytes();
    let padding = 0x48 + 8 + 20;
    assert_eq!(file[padding..padding + 4], [0; 4]);
    file[padding] = 5;
    seal(&mut file);
    assert_eq!(
        refused(&file),
        "offset 0x48: padding is 0x5, expected zeros up to a multiple of 8 bytes"
    );
}

#[test]
fn unknown_headers_are_listed_if_optional_and_refused_if_not() {
    let optional = Sample::snp().header(0x8000_0444, &[&[9; 5]]).bytes();
    let optional = IgvmFile::parse(&optional).unwrap();
    let expected = UnknownHeader {
        offset: 0x48,
        kind: 0x8000_0444,
        length: 5,
    };
    assert_eq!(optional.unknown_optional()[0], expected);

    for kind in [0x2_u32, 0x108, 0x306, 0x314, 0x444] {
        let file = Sample::default()
            .platform(1, 2)
            .header(kind, &[&[0; 8]])
            .bytes();
        assert_eq!(
            refused(&file),
            format!(
                "offset 0x30: header type {kind:#x} is unknown and not marked optional (bit 31): \
                 a digest without it would be a guess, use a release of guestmark that knows it"
            )
        );
    }
}

#[test]
fn a_known_header_marked_optional_has_no_one_meaning() {
    let file = Sample::snp().header(0x8000_0302, &[&[0; 24]]).bytes();
    assert_eq!(
        refused(&file),
        "offset 0x48: header type 0x80000302 is known but marked optional (bit 31): loaders may \
         obey or skip it, so there is no one digest"
    );
}

#[test]
fn sections_come_in_order() {
    let file = Sample::snp().platform(2, 3).bytes();
    assert_eq!(
        refused(&file),
        "offset 0x48: found a platform header after a initialization header, expected platform, \
         then initialization, then directive headers"
    );
}

#[test]
fn platforms_are_declared_once_and_with_one_bit() {
    assert_eq!(
        refused(&Sample::default().platform(1, 2).platform(2, 2).bytes()),
        "offset 0x30: platform type 0x2 or its mask 0x2 is declared twice"
    );
    assert_eq!(
        refused(&Sample::default().platform(3, 2).bytes()),
        "offset 0x18: compatibility_mask is 0x3, expected one bit"
    );
    assert_eq!(
        refused(&Sample::default().bytes()),
        "no platform header: an IGVM file names at least one platform, before all else"
    );
}

#[test]
fn page_data_lies_behind_the_headers_and_inside_the_file() {
    for file_offset in [0x3FFF, 0x4001, 0xFFFF_FFFF] {
        let mut sample = Sample::snp();
        sample.data(&[0; 4096]);
        assert_eq!(
            refused(&sample.page_at(0x1000, file_offset, 0, 0).bytes()),
            format!(
                "offset 0x48: the header takes 4096 bytes at file offset {file_offset:#x}, \
                 expected them inside the file's data, 0x4000 to 0x5000"
            )
        );
    }
}

#[test]
fn fields_hold_what_the_format_allows() {
    let page =
        |gpa, flags, data_type| refused(&Sample::snp().page(gpa, 0, flags, data_type).bytes());
    assert_eq!(
        page(0x1001, 0, 0),
        "offset 0x48: gpa is 0x1001, expected a multiple of 4096"
    );
    assert_eq!(
        page(0x1000, 8, 0),
        "offset 0x48: flags is 0x8, expected bits 0 (2 MiB), 1 (unmeasured) and 2 (shared)"
    );
    assert_eq!(
        page(0x1000, 0, 4),
        "offset 0x48: data_type is 0x4, expected 0 to 3"
    );
    assert_eq!(
        page(0x1000, 1, 0),
        "offset 0x48: gpa is 0x1000, expected a multiple of 2 MiB"
    );
    assert_eq!(
        refused(&Sample::snp().header(0x302, &[&[0; 23]]).bytes()),
        "offset 0x48: a header of type 0x302 has 24 bytes, found 23"
    );
}

#[test]
fn a_vp_context_is_for_platforms_with_one_format() {
    let sample = Sample::default()
        .platform(1, 2)
        .platform(2, 1)
        .platform(4, 5);
    let mixed = sample.clone().vp_context(3, 0, 0, &[0; 4096]).bytes();
    assert_eq!(
        refused(&mixed),
        "offset 0x60: the mask 0x3 of a VP context names platforms with different context \
         formats, expected one format"
    );
    let same = sample
        .vp_context(5, 0, 0, &[0; 4096])
        .vp_context(2, 0, 0, &[0; 4096])
        .bytes();
    let same = IgvmFile::parse(&same).unwrap();
    let [Directive::VpContext(vmsa), Directive::VpContext(other)] = same.directives() else {
        panic!()
    };
    assert!(matches!(vmsa.state, VpState::Vmsa(_)));
    assert!(matches!(
        other.state,
        VpState::Other {
            file_offset: 0x5000
        }
    ));
}

#[test]
fn parameter_areas_are_declared_filled_and_inserted_in_this_order() {
    let vp_count = |sample: Sample| sample.header(0x307, &[&u32s(&[7, 0])]);
    let cases = [
        (
            Sample::snp().insert(7, 0),
            "is inserted but not declared before",
        ),
        (vp_count(Sample::snp()), "is filled but not declared before"),
        (
            Sample::snp().area(7, 0x1000).area(7, 0x1000),
            "is declared twice",
        ),
        (
            Sample::snp().area(7, 0x1000).insert(7, 0).insert(7, 0x1000),
            "is inserted twice on one platform",
        ),
        (
            vp_count(Sample::snp().area(7, 0x1000).insert(7, 0)),
            "is filled after it was inserted",
        ),
    ];
    for (sample, problem) in cases {
        let error = refused(&sample.bytes());
        assert!(
            error.ends_with(&format!("parameter area 7 {problem}")),
            "{error}"
        );
    }
}

#[test]
fn memory_that_the_file_does_not_carry_is_limited() {
    let sixteen_gib = Sample::snp().area(0, 16 << 30).bytes();
    assert_eq!(
        refused(&sixteen_gib),
        "offset 0x48: parameter areas and 2 MiB pages add up to 0x400000000 bytes of memory that \
         the file does not carry, expected at most 0x40000000"
    );
    let sum_past_64_bits = Sample::snp()
        .area(0, 1 << 30)
        .area(1, u64::MAX - 0xFFF)
        .bytes();
    assert!(matches!(
        IgvmFile::parse(&sum_past_64_bits),
        Err(IgvmError::DeclaredMemory {
            found: u64::MAX,
            ..
        })
    ));
    let at_the_limit = Sample::snp()
        .area(0, (1 << 30) - (2 << 20))
        .empty_page(0, 1, 0);
    assert!(IgvmFile::parse(&at_the_limit.bytes()).is_ok());
    let past_the_limit = at_the_limit.empty_page(2 << 20, 1, 0);
    assert!(IgvmFile::parse(&past_the_limit.bytes()).is_err());
}

#[test]
fn memory_ends_inside_the_address_space() {
    let last_page = u64::MAX - 0xFFF;
    assert!(IgvmFile::parse(&Sample::snp().empty_page(last_page, 0, 0).bytes()).is_ok());
    let over = Sample::snp().area(0, 0x2000).insert(0, last_page).bytes();
    assert_eq!(
        refused(&over),
        "offset 0x60: 0x2000 bytes at GPA 0xfffffffffffff000 end past the 64-bit address space"
    );
}

#[test]
fn a_vbs_measurement_is_read_as_such() {
    let measurement = |size: usize| Sample::snp().header(0x311, &[&[2, 0, 0, 0], &vec![0; size]]);
    let bytes = measurement(860).bytes();
    let file = IgvmFile::parse(&bytes).unwrap();
    let [Directive::VbsMeasurement { mask }] = file.directives() else {
        panic!()
    };
    assert_eq!(mask.bits(), 2);
    assert_eq!(
        refused(&measurement(856).bytes()),
        "offset 0x48: a header of type 0x311 has 864 bytes, found 860"
    );
}

#[test]
fn directives_for_platforms_that_the_file_does_not_declare_are_for_none() {
    let other = [&u64s(&[0x1000])[..], &u32s(&[0x8000_0002, 0, 0, 0])].concat();
    let bytes = Sample::snp().header(0x302, &[&other]).bytes();
    let file = IgvmFile::parse(&bytes).unwrap();
    let [directive] = file.directives() else {
        panic!()
    };
    let platforms = file.platforms().iter();
    assert!(
        !platforms
            .map(|it| it.mask)
            .any(|it| directive.applies_to(it))
    );
}

#[test]
fn structures_have_the_sizes_of_the_format_definitions() {
    use igvm_defs::*;

    macro_rules! same_size {
        ($($ours:ident: $theirs:ty,)+) => {
            $(assert_eq!(size_of::<wire::$ours>(), size_of::<$theirs>(), stringify!($ours));)+
        };
    }
    same_size! {
        FixedHeader: IGVM_FIXED_HEADER,
        VariableHeader: IGVM_VHS_VARIABLE_HEADER,
        SupportedPlatform: IGVM_VHS_SUPPORTED_PLATFORM,
        GuestPolicy: IGVM_VHS_GUEST_POLICY,
        RelocatableRegion: IGVM_VHS_RELOCATABLE_REGION,
        PageTableRelocation: IGVM_VHS_PAGE_TABLE_RELOCATION,
        CorimData: IGVM_VHS_CORIM_DATA,
        CcaPolicy: IGVM_VHS_CCA_POLICY,
        ParameterArea: IGVM_VHS_PARAMETER_AREA,
        PageData: IGVM_VHS_PAGE_DATA,
        ParameterInsert: IGVM_VHS_PARAMETER_INSERT,
        Parameter: IGVM_VHS_PARAMETER,
        VpContext: IGVM_VHS_VP_CONTEXT,
        RequiredMemory: IGVM_VHS_REQUIRED_MEMORY,
        ErrorRange: IGVM_VHS_ERROR_RANGE,
        VbsMeasurement: IGVM_VHS_VBS_MEASUREMENT,
    }
    assert_eq!(size_of::<SnpIdBlock>(), size_of::<IGVM_VHS_SNP_ID_BLOCK>());
}
