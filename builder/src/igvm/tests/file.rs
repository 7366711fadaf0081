//! The IGVM file, as the igvm crate reads it.

use igvm::{IgvmDirectiveHeader, IgvmFile, IgvmInitializationHeader, IgvmPlatformHeader};
use igvm_defs::{IGVM_VHS_PARAMETER, IgvmPageDataType, IgvmPlatformType};

use super::*;

fn assembled(layout: MemoryLayout) -> (Vec<u8>, IgvmFile) {
    let guest = Guest::with_initrd(layout);
    let (_, file) = assemble(&guest.inputs(layout), policy()).unwrap();
    let parsed = IgvmFile::new_from_binary(&file, None).unwrap();
    (file, parsed)
}

fn gpa(directive: &IgvmDirectiveHeader) -> Option<u64> {
    match directive {
        IgvmDirectiveHeader::PageData { gpa, .. }
        | IgvmDirectiveHeader::SnpVpContext { gpa, .. } => Some(*gpa),
        IgvmDirectiveHeader::ParameterInsert(insert) => Some(insert.gpa),
        _ => None,
    }
}

#[test]
fn it_is_for_sev_snp_with_the_policy_asked_for() {
    for layout in layouts() {
        let (_, file) = assembled(layout);
        let [IgvmPlatformHeader::SupportedPlatform(platform)] = file.platforms() else {
            panic!("one platform");
        };
        assert_eq!(platform.platform_type, IgvmPlatformType::SEV_SNP);
        assert_eq!((platform.platform_version, platform.highest_vtl), (1, 0));
        assert_eq!(
            (platform.compatibility_mask, platform.shared_gpa_boundary),
            (1, 0)
        );
        let policy = IgvmInitializationHeader::GuestPolicy {
            policy: 0x3_001f,
            compatibility_mask: 1,
        };
        assert_eq!(file.initializations(), [policy]);
    }
}

#[test]
fn directives_stand_in_ascending_order_and_hold_every_page() {
    for layout in layouts() {
        let guest = Guest::with_initrd(layout);
        let memory = lay_out(&guest.inputs(layout)).unwrap();
        let (_, file) = assembled(layout);
        let written: Vec<_> = file.directives().iter().filter_map(gpa).collect();
        assert!(written.is_sorted());
        assert_eq!(
            written,
            memory
                .pages()
                .map(|page| page.gpa.get())
                .collect::<Vec<_>>()
        );
        for (page, directive) in memory.pages().zip(
            file.directives()
                .iter()
                .filter(|header| gpa(header).is_some()),
        ) {
            if let IgvmDirectiveHeader::PageData {
                data_type, data, ..
            } = directive
            {
                let contents = page.data.as_deref().copied().unwrap_or([0; 4096]);
                match *data_type {
                    IgvmPageDataType::SECRETS => assert!(data.is_empty()),
                    _ => assert_eq!(*data, contents, "explicit, zeros too: {}", page.gpa),
                }
            }
        }
    }
}

#[test]
fn aks_asks_for_the_number_of_processors_and_the_memory_map() {
    let (_, file) = assembled(AKS);
    let parameter = |byte_offset| IGVM_VHS_PARAMETER {
        parameter_area_index: 0,
        byte_offset,
    };
    let place = file
        .directives()
        .iter()
        .position(|header| matches!(header, IgvmDirectiveHeader::ParameterArea { .. }))
        .unwrap();
    let [area, count, map, insert, context, ..] = &file.directives()[place..] else {
        panic!("directives of the parameter page");
    };
    assert!(matches!(
        area,
        IgvmDirectiveHeader::ParameterArea {
            number_of_bytes: 4096,
            ..
        }
    ));
    assert_eq!(*count, IgvmDirectiveHeader::VpCount(parameter(0)));
    assert_eq!(*map, IgvmDirectiveHeader::MemoryMap(parameter(24)));
    assert_eq!(gpa(insert), Some(0x80_2000));
    let IgvmDirectiveHeader::SnpVpContext { gpa, vp_index, .. } = context else {
        panic!("the save area follows");
    };
    assert_eq!((*gpa, *vp_index), (0x80_3000, 0));
}

#[test]
fn linux_requires_its_ram_and_ends_with_the_save_area() {
    let (_, file) = assembled(linux("64 MiB"));
    let required = |gpa, number_of_bytes| IgvmDirectiveHeader::RequiredMemory {
        gpa,
        compatibility_mask: 1,
        number_of_bytes,
        vtl2_protectable: false,
    };
    assert_eq!(
        file.directives()[..2],
        [required(0, 0xa_0000), required(0x10_0000, 0x3f0_0000)]
    );
    let last = file.directives().last().unwrap();
    assert!(matches!(
        last,
        IgvmDirectiveHeader::SnpVpContext {
            gpa: 0xffff_ffff_f000,
            vp_index: 0,
            ..
        }
    ));
    let parameters =
        |header: &IgvmDirectiveHeader| matches!(header, IgvmDirectiveHeader::ParameterArea { .. });
    assert!(!file.directives().iter().any(parameters));
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    for layout in layouts() {
        assert_eq!(assembled(layout).0, assembled(layout).0);
    }
}

#[test]
fn zeros_cost_a_record_a_page_and_nothing_else() {
    let small = assembled(linux("64 MiB")).0.len();
    let large = assembled(linux("512 MiB")).0.len();
    assert_eq!(large - small, (448 << 20) / 4096 * 32);
}

#[test]
fn a_file_past_4_gib_is_refused_before_anything_is_written() {
    let part = vec![1; 64 << 20];
    let size = part.len() as u64;
    let region = |index| {
        let (start, origin) = (Gpa::new(index * size), Origin::input("--initrd"));
        Region::new("initrd", start, size, RegionKind::Data, &part[..], origin).unwrap()
    };
    let memory = GuestMemory::new((0..64).map(region).collect(), Vec::new()).unwrap();
    let mut out = Vec::new();
    let refusal = write(&memory, policy(), &mut out).unwrap_err().to_string();
    assert_eq!(
        refusal,
        "the IGVM file would take 4294967296 bytes or more, the format holds less than 4 GiB; \
         use a smaller initrd"
    );
    assert!(out.is_empty());
}

#[test]
fn an_output_that_takes_nothing_is_an_error() {
    let guest = Guest::with_initrd(AKS);
    let memory = lay_out(&guest.inputs(AKS)).unwrap();
    let mut full = [0; 8192];
    let refusal = write(&memory, policy(), &mut &mut full[..]).unwrap_err();
    assert!(matches!(refusal, WriteError::Output(_)), "{refusal}");
}
