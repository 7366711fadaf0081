//! An IGVM file with a header of every kind that the igvm crate writes for x86-64.

use igvm::hv_defs::Vtl;
use igvm::registers::X86Register;
use igvm::snp_defs::SevVmsa;
use igvm::{
    IgvmDirectiveHeader, IgvmFile, IgvmInitializationHeader, IgvmPlatformHeader, IgvmRevision,
};
use igvm_defs::{
    IGVM_VHS_PARAMETER, IGVM_VHS_PARAMETER_INSERT, IGVM_VHS_SNP_ID_BLOCK_PUBLIC_KEY,
    IGVM_VHS_SNP_ID_BLOCK_SIGNATURE, IGVM_VHS_SUPPORTED_PLATFORM, IgvmPageDataFlags,
    IgvmPageDataType, IgvmPlatformType,
};
use zerocopy::FromZeros;

const SNP: u32 = 1;
const VSM: u32 = 2;
const TDX: u32 = 4;
const NATIVE: u32 = 8;

/// The file's bytes.
pub(crate) fn file() -> Vec<u8> {
    let platforms = [
        (SNP, IgvmPlatformType::SEV_SNP),
        (VSM, IgvmPlatformType::VSM_ISOLATION),
        (TDX, IgvmPlatformType::TDX),
        (NATIVE, IgvmPlatformType::NATIVE),
    ];
    let platforms = platforms.map(|(compatibility_mask, platform_type)| {
        IgvmPlatformHeader::SupportedPlatform(IGVM_VHS_SUPPORTED_PLATFORM {
            compatibility_mask,
            highest_vtl: 0,
            platform_type,
            platform_version: 1,
            shared_gpa_boundary: 0,
        })
    });
    let file = IgvmFile::new(
        IgvmRevision::V1,
        platforms.to_vec(),
        initializations(),
        directives(),
    );
    let mut bytes = Vec::new();
    file.unwrap().serialize(&mut bytes).unwrap();
    bytes
}

fn initializations() -> Vec<IgvmInitializationHeader> {
    vec![
        IgvmInitializationHeader::GuestPolicy {
            policy: 0x3_001F,
            compatibility_mask: SNP,
        },
        IgvmInitializationHeader::RelocatableRegion {
            compatibility_mask: VSM,
            relocation_alignment: 0x1000,
            relocation_region_gpa: 0x10_0000,
            relocation_region_size: 0x1000,
            minimum_relocation_gpa: 0,
            maximum_relocation_gpa: 0x100_0000,
            is_vtl2: false,
            apply_rip_offset: false,
            apply_gdtr_offset: false,
            vp_index: 0,
            vtl: Vtl::Vtl0,
        },
        IgvmInitializationHeader::PageTableRelocationRegion {
            compatibility_mask: VSM,
            gpa: 0x20_0000,
            size: 0x2000,
            used_size: 0x1000,
            vp_index: 0,
            vtl: Vtl::Vtl0,
        },
        IgvmInitializationHeader::CorimDocument {
            compatibility_mask: SNP,
            document: vec![0xA0],
        },
        IgvmInitializationHeader::CorimSignature {
            compatibility_mask: SNP,
            signature: vec![0x84],
        },
    ]
}

fn directives() -> Vec<IgvmDirectiveHeader> {
    let page = |gpa, data_type, flags, data| IgvmDirectiveHeader::PageData {
        gpa,
        compatibility_mask: SNP | VSM,
        flags,
        data_type,
        data,
    };
    let none = IgvmPageDataFlags::new();
    let parameter = |byte_offset| IGVM_VHS_PARAMETER {
        parameter_area_index: 0,
        byte_offset,
    };
    let insert = |gpa, parameter_area_index| {
        IgvmDirectiveHeader::ParameterInsert(IGVM_VHS_PARAMETER_INSERT {
            gpa,
            compatibility_mask: SNP | VSM,
            parameter_area_index,
        })
    };
    let area = |parameter_area_index, number_of_bytes| IgvmDirectiveHeader::ParameterArea {
        number_of_bytes,
        parameter_area_index,
        initial_data: Vec::new(),
    };
    vec![
        page(0x1000, IgvmPageDataType::NORMAL, none, vec![0xAA; 4096]),
        page(0x2000, IgvmPageDataType::NORMAL, none, Vec::new()),
        page(
            0x3000,
            IgvmPageDataType::NORMAL,
            none.with_unmeasured(true),
            vec![0xAA; 4096],
        ),
        page(
            0x4000,
            IgvmPageDataType::NORMAL,
            none.with_shared(true),
            vec![0xAA; 4096],
        ),
        page(
            0x20_0000,
            IgvmPageDataType::NORMAL,
            none.with_is_2mb_page(true),
            Vec::new(),
        ),
        page(0x5000, IgvmPageDataType::SECRETS, none, Vec::new()),
        page(0x6000, IgvmPageDataType::CPUID_DATA, none, vec![0xAA; 4096]),
        page(0x7000, IgvmPageDataType::CPUID_XF, none, Vec::new()),
        area(0, 0x3000),
        area(1, 0x1000),
        IgvmDirectiveHeader::VpCount(parameter(0)),
        IgvmDirectiveHeader::EnvironmentInfo(parameter(4)),
        IgvmDirectiveHeader::Srat(parameter(8)),
        IgvmDirectiveHeader::Madt(parameter(16)),
        IgvmDirectiveHeader::Slit(parameter(24)),
        IgvmDirectiveHeader::Pptt(parameter(32)),
        IgvmDirectiveHeader::MmioRanges(parameter(40)),
        IgvmDirectiveHeader::MemoryMap(parameter(0x1000)),
        IgvmDirectiveHeader::CommandLine(parameter(0x2000)),
        IgvmDirectiveHeader::DeviceTree(parameter(0x2800)),
        insert(0x8000, 0),
        insert(0xB000, 1),
        IgvmDirectiveHeader::RequiredMemory {
            gpa: 0x10_0000,
            compatibility_mask: SNP | VSM | TDX,
            number_of_bytes: 0x2000,
            vtl2_protectable: true,
        },
        IgvmDirectiveHeader::ErrorRange {
            gpa: 0xC000,
            compatibility_mask: SNP,
            size_bytes: 0x1000,
        },
        IgvmDirectiveHeader::SnpVpContext {
            gpa: 0xFFFF_FFFF_F000,
            compatibility_mask: SNP,
            vp_index: 0,
            vmsa: SevVmsa::new_box_zeroed().unwrap(),
        },
        IgvmDirectiveHeader::X64VbsVpContext {
            vtl: Vtl::Vtl0,
            registers: vec![X86Register::Rip(0x1000)],
            compatibility_mask: VSM,
        },
        IgvmDirectiveHeader::X64NativeVpContext {
            compatibility_mask: NATIVE,
            vp_index: 0,
            context: FromZeros::new_box_zeroed().unwrap(),
        },
        id_block(),
        IgvmDirectiveHeader::VbsMeasurement {
            compatibility_mask: VSM,
            version: 1,
            product_id: 0,
            module_id: 0,
            security_version: 0,
            policy_flags: 0,
            boot_digest_algo: 0,
            signing_algo: 0,
            boot_measurement_digest: Box::new([0; 64]),
            signature: Box::new([0; 256]),
            public_key: Box::new([0; 512]),
        },
    ]
}

fn id_block() -> IgvmDirectiveHeader {
    let signature = || IGVM_VHS_SNP_ID_BLOCK_SIGNATURE::new_box_zeroed().unwrap();
    let key = || IGVM_VHS_SNP_ID_BLOCK_PUBLIC_KEY::new_box_zeroed().unwrap();
    IgvmDirectiveHeader::SnpIdBlock {
        compatibility_mask: SNP,
        author_key_enabled: 0,
        reserved: [0; 3],
        ld: [0x11; 48],
        family_id: [0x22; 16],
        image_id: [0x33; 16],
        version: 1,
        guest_svn: 1,
        id_key_algorithm: 1,
        author_key_algorithm: 0,
        id_key_signature: signature(),
        id_public_key: key(),
        author_key_signature: signature(),
        author_public_key: key(),
    }
}
