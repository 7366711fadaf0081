use igvm::{
    IgvmDirectiveHeader, IgvmFile as CrateFile, IgvmInitializationHeader, IgvmPlatformHeader,
    IgvmRevision,
};
use igvm_defs::{
    IGVM_VHS_PARAMETER_INSERT, IGVM_VHS_SNP_ID_BLOCK_PUBLIC_KEY, IGVM_VHS_SNP_ID_BLOCK_SIGNATURE,
};
use serde_json::{Value, json};

use super::linux::MAGIC;
use super::*;
use crate::acpi::Table;
use crate::igvm::{Inputs, MemoryLayout, Part, Validated, assemble};
use crate::recipe::GuestPolicy;
use crate::tree::Origin;

macro_rules! vector {
    ($file:literal) => {
        include_bytes!(concat!(
            "../../../tests/vectors/aks-layout/kernel-initrd/",
            $file
        ))
    };
}

const AKS: MemoryLayout = MemoryLayout::Aks {
    validated: Validated::OnDemand,
};

/// An IGVM file of ours.
fn file_with(kernel: &[u8], command_line: &[u8], layout: MemoryLayout) -> Vec<u8> {
    let places = match layout {
        MemoryLayout::Aks { .. } => [0xe_0000, 0x10_0000, 0x10_1000],
        MemoryLayout::Linux { .. } => [0x10_0000, 0x10_1000, 0x10_2000],
    };
    let pages: [&[u8]; 3] = [
        vector!("acpi-0xe0000.bin"),
        vector!("acpi-0x100000.bin"),
        vector!("acpi-0x101000.bin"),
    ];
    let origin = || Origin::input("test");
    let acpi: Vec<_> = places
        .into_iter()
        .zip(pages)
        .map(|(gpa, page)| Table::given(Gpa::new(gpa), page.to_vec(), origin()))
        .collect();
    let inputs = Inputs {
        kernel: Part::new(kernel, origin()),
        command_line: Part::new(command_line, origin()),
        initrd: Some(Part::new(vector!("initrd"), origin())),
        acpi: &acpi,
        layout,
    };
    let policy = GuestPolicy::try_from(0x3_001f).unwrap();
    assemble(&inputs, policy).unwrap().1
}

fn aks_file() -> Vec<u8> {
    file_with(vector!("kernel"), vector!("cmdline"), AKS)
}

fn linux_file() -> Vec<u8> {
    let memory = "64 MiB".parse().unwrap();
    let layout = MemoryLayout::Linux { memory };
    file_with(vector!("kernel"), vector!("cmdline"), layout)
}

/// The directives of a file, changed and written again with the igvm crate.
fn with_directives(file: &[u8], change: impl FnOnce(&mut Vec<IgvmDirectiveHeader>)) -> Vec<u8> {
    let parsed = CrateFile::new_from_binary(file, None).unwrap();
    let mut directives = parsed.directives().to_vec();
    change(&mut directives);
    let IgvmPlatformHeader::SupportedPlatform(platform) = parsed.platforms()[0];
    let policy = IgvmInitializationHeader::GuestPolicy {
        policy: 0x3_001f,
        compatibility_mask: 1,
    };
    let changed = CrateFile::new(
        IgvmRevision::V1,
        vec![IgvmPlatformHeader::SupportedPlatform(platform)],
        vec![policy],
        directives,
    );
    let mut bytes = Vec::new();
    changed.unwrap().serialize(&mut bytes).unwrap();
    bytes
}

/// A file of these headers and no data.
fn handmade(headers: &[(u32, &[u8])]) -> Vec<u8> {
    let mut variable = Vec::new();
    for (kind, body) in headers {
        variable.extend(kind.to_le_bytes());
        variable.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
        variable.extend(*body);
        variable.resize(variable.len().next_multiple_of(8), 0);
    }
    let size = u32::try_from(variable.len()).unwrap();
    let mut file = b"IGVM".to_vec();
    for number in [1, 24, size, 24 + size, 0] {
        file.extend(u32::to_le_bytes(number));
    }
    file.extend(variable);
    seal(&mut file, usize::MAX);
    file
}

/// Writes the checksum of the headers, which end at `end` or with the file.
fn seal(file: &mut [u8], end: usize) {
    file[0x14..0x18].fill(0);
    let end = end.min(file.len());
    let checksum = crc32fast::hash(&file[..end]);
    file[0x14..0x18].copy_from_slice(&checksum.to_le_bytes());
}

/// Where the headers of a file end.
fn headers_end(file: &[u8]) -> usize {
    let size = u32::from_le_bytes(file[0x0c..0x10].try_into().unwrap());
    24 + size as usize
}

fn facts(file: &[u8]) -> IgvmFacts {
    IgvmFacts::read(file).unwrap()
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

fn range(start: u64, pages: u64, page_type: &str) -> (Gpa, u64, &str) {
    (Gpa::new(start), pages, page_type)
}

#[test]
fn an_aks_guest_is_read_from_its_platform_to_its_pages() {
    let file = aks_file();
    let facts = facts(&file);
    assert_eq!((facts.bytes, facts.revision), (file.len() as u64, 1));
    assert_eq!(facts.architecture, "x86-64");
    let [platform] = &facts.platforms[..] else {
        panic!("{:?}", facts.platforms);
    };
    assert_eq!((platform.platform, platform.highest_vtl), ("sev-snp", 0));
    assert_eq!(platform.guest_policy, Some(Policy::new(0x3_001f)));
    assert!(facts.id_blocks.is_empty() && facts.unknown_headers.is_empty());
    assert!(facts.other_headers.is_empty() && facts.version_string.is_none());

    let ranges = facts.pages.iter();
    let ranges: Vec<_> = ranges
        .map(|range| (range.start, range.pages, range.page_type))
        .collect();
    assert_eq!(
        ranges,
        [
            range(0xa_0000, 98, "normal"),
            range(0x80_0000, 1, "cpuid"),
            range(0x80_1000, 1, "secrets"),
            range(0x100_0000, 30, "normal"),
            range(0x102_e000, 4, "normal"),
            range(0x10f_9000, 16, "normal"),
        ]
    );
    // Three pages of ACPI tables, and zeros between; the scratch memory is all zeros.
    let acpi = &facts.pages[0];
    assert_eq!(
        (acpi.zero_pages, acpi.pages_without_data, acpi.bytes),
        (95, 0, 98 * 4096)
    );
    assert_eq!(facts.pages[4].zero_pages, 4);
    assert_eq!(facts.pages[2].pages_without_data, 1);
}

#[test]
fn the_parameter_area_and_the_processor_of_an_aks_guest_are_told() {
    let facts = facts(&aks_file());
    assert_eq!(
        json(&facts.parameter_areas),
        json!([{
            "index": 0,
            "bytes": 4096,
            "inserted_at": ["0x802000"],
            "parameters": [
                { "parameter": "VP count parameter", "offset": 0 },
                { "parameter": "memory map parameter", "offset": 24 },
            ],
        }])
    );
    assert_eq!(
        json(&facts.vp_contexts),
        json!([{
            "vp_index": 0,
            "gpa": "0x803000",
            "mask": "0x1",
            "registers": {
                "rip": "0x1000200",
                "rsp": "0x1107711",
                "rsi": "0x11020a0",
                "cr0": "0x80000001",
                "cr3": "0x8000001100000",
                "cr4": "0x30",
                "efer": "0x1d01",
                "xcr0": "0x1",
                "sev_features": {
                    "bits": "0x9",
                    "names": ["SNPActive", "RestrictedInjection"],
                },
                "vmpl": 0,
            },
        }])
    );
}

#[test]
fn the_kernel_command_line_the_initrd_and_the_memory_map_are_found_through_rsi() {
    let linux = facts(&aks_file()).linux.unwrap();
    assert_eq!(linux.boot_params, Gpa::new(0x110_20a0));
    assert_eq!(linux.boot_protocol, "2.15");
    assert_eq!(linux.acpi_rsdp, Gpa::new(0xe_0000));
    assert_eq!(linux.initrd.unwrap().bytes, vector!("initrd").len() as u64);
    let line = linux.command_line.unwrap();
    assert_eq!(line.text.as_bytes(), vector!("cmdline"));
    assert_eq!((line.bytes, line.complete), (86, true));
    assert_eq!(linux.e820[0].range_type, "ram");
    assert_eq!(linux.e820[2].range_type, "acpi");
    assert_eq!(linux.e820.len(), 7);
    // The kernel of the vectors is filler and has no banner.
    assert_eq!(linux.kernel_version, None);
}

#[test]
fn a_linux_guest_tells_its_required_memory_and_where_kvm_keeps_the_vmsa() {
    let facts = facts(&linux_file());
    assert_eq!(
        json(&facts.required_memory),
        json!([
            { "start": "0x0", "bytes": 0xa_0000, "mask": "0x1" },
            { "start": "0x100000", "bytes": 63 << 20, "mask": "0x1" },
        ])
    );
    assert_eq!(facts.vp_contexts[0].gpa, Gpa::new(0xffff_ffff_f000));
    assert_eq!(facts.linux.unwrap().command_line.unwrap().bytes, 86);
    assert!(facts.parameter_areas.is_empty());
}

#[test]
fn the_banner_is_read_out_of_the_compressed_kernel() {
    const BANNER: &str = "Linux version 6.6.57.mshv1-2.azl3 (builder@host) #1 SMP";
    let packed = zstd::encode_all(format!("\0\0{BANNER}\n").as_bytes(), 1).unwrap();
    let mut kernel = vector!("kernel").to_vec();
    let payload_offset = u32::from_le_bytes(kernel[0x248..0x24c].try_into().unwrap()) as usize;
    let place = 5 * 512 + payload_offset;
    kernel[place..place + packed.len()].copy_from_slice(&packed);
    let facts = facts(&file_with(&kernel, b"quiet", AKS));
    assert_eq!(facts.linux.unwrap().kernel_version.as_deref(), Some(BANNER));
}

#[test]
fn a_tab_and_an_escape_in_the_command_line_do_not_reach_a_terminal() {
    let facts = facts(&file_with(vector!("kernel"), b"a\tb\x1b[2J\\", AKS));
    let line = facts.linux.unwrap().command_line.unwrap();
    assert_eq!((line.text.as_str(), line.bytes), (r"a\x09b\x1b[2J\x5c", 8));
}

#[test]
fn a_signed_id_block_is_shown_with_the_digest_of_its_key() {
    let signature = |byte| {
        Box::new(IGVM_VHS_SNP_ID_BLOCK_SIGNATURE {
            r_comp: [byte; 72],
            s_comp: [byte; 72],
        })
    };
    let key = |byte| {
        Box::new(IGVM_VHS_SNP_ID_BLOCK_PUBLIC_KEY {
            curve: 2,
            reserved: 0,
            qx: [byte; 72],
            qy: [byte; 72],
        })
    };
    let file = with_directives(&aks_file(), |directives| {
        directives.push(IgvmDirectiveHeader::SnpIdBlock {
            compatibility_mask: 1,
            author_key_enabled: 0,
            reserved: [0; 3],
            ld: [0xaa; 48],
            family_id: [1; 16],
            image_id: [2; 16],
            version: 1,
            guest_svn: 7,
            id_key_algorithm: 1,
            author_key_algorithm: 0,
            id_key_signature: signature(3),
            id_public_key: key(5),
            author_key_signature: signature(0),
            author_public_key: key(0),
        });
    });
    // The key as the firmware hashes it, written out.
    let mut id_key = vec![2, 0, 0, 0];
    id_key.extend([5; 144]);
    id_key.resize(0x404, 0);
    let digest = hex::encode(<sha2::Sha384 as sha2::Digest>::digest(&id_key));
    assert_eq!(
        json(&facts(&file).id_blocks),
        json!([{
            "mask": "0x1",
            "launch_digest": "aa".repeat(48),
            "matching_loaders": [],
            "family_id": "01".repeat(16),
            "image_id": "02".repeat(16),
            "version": 1,
            "guest_svn": 7,
            "id_key": { "algorithm": 1, "curve": 2, "digest": digest, "has_signature": true },
        }])
    );
}

#[test]
fn headers_that_are_unknown_or_seldom_are_listed() {
    let platform = [1_u64 | 2 << 40 | 1 << 48, 0]
        .map(u64::to_le_bytes)
        .concat();
    let policy = [0xb_001f_u64, 1].map(u64::to_le_bytes).concat();
    let error_range = [0x1000_u64, 1 | 0x1000 << 32]
        .map(u64::to_le_bytes)
        .concat();
    let file = handmade(&[
        (0x1, &platform),
        (0x101, &policy),
        (0x107, b"guest 1.2\n"),
        (0x8000_0444, &[9; 5]),
        (0x30d, &error_range),
    ]);
    let facts = facts(&file);
    assert_eq!(facts.version_string.as_deref(), Some(r"guest 1.2\x0a"));
    assert!(facts.platforms[0].guest_policy.as_ref().unwrap().debug);
    assert_eq!(
        json(&facts.unknown_headers),
        json!([{ "type": "0x80000444", "offset": 0x60, "bytes": 5 }])
    );
    assert_eq!(
        json(&facts.other_headers),
        json!([{ "header": "error range", "mask": "0x1" }])
    );
    assert!(facts.linux.is_none());
}

#[test]
fn pages_fold_only_with_neighbours_of_their_kind() {
    let platform = [1_u64 | 2 << 40 | 1 << 48, 0]
        .map(u64::to_le_bytes)
        .concat();
    let page = |gpa: u64, flags: u32, data_type: u32| {
        let numbers = [1, 0, flags, data_type].map(u32::to_le_bytes).concat();
        [&gpa.to_le_bytes()[..], &numbers].concat()
    };
    let last = u64::MAX - 0xfff;
    let pages = [
        page(0x1000, 0, 0),
        page(0x2000, 0, 0),
        page(0x3000, 2, 0),
        page(0x4000, 4, 0),
        page(0x6000, 4, 0),
        page(last, 0, 0),
        page(0, 0, 0),
        page(0x20_0000, 1, 0),
        page(0x40_0000, 1, 0),
    ];
    let mut headers: Vec<(u32, &[u8])> = vec![(1, &platform)];
    headers.extend(pages.iter().map(|page| (0x302, &page[..])));
    let facts = facts(&handmade(&headers));
    let ranges = facts
        .pages
        .iter()
        .map(|range| (range.start.get(), range.pages, range.bytes));
    assert_eq!(
        ranges.collect::<Vec<_>>(),
        [
            (0x1000, 2, 0x2000),
            (0x3000, 1, 0x1000),
            (0x4000, 1, 0x1000),
            (0x6000, 1, 0x1000),
            (last, 1, 0x1000),
            (0, 1, 0x1000),
            (0x20_0000, 2, 4 << 20),
        ]
    );
    assert!(facts.pages[1].unmeasured && facts.pages[2].shared && facts.pages[6].large);
}

/// A file whose `boot_params` has another command line pointer.
fn with_command_line_at(address: u32) -> Vec<u8> {
    let mut file = linux_file();
    let magic = file.windows(4).position(|bytes| bytes == MAGIC).unwrap();
    // From offset 0x202 to 0x228 of the setup header.
    file[magic + 0x26..magic + 0x2a].copy_from_slice(&address.to_le_bytes());
    file
}

#[test]
fn a_command_line_that_is_not_in_the_file_is_said_to_be_incomplete() {
    let line = |address| {
        facts(&with_command_line_at(address))
            .linux
            .unwrap()
            .command_line
    };
    let missing = line(0xffff_f000).unwrap();
    assert_eq!(
        (missing.text.as_str(), missing.bytes, missing.complete),
        ("", 0, false)
    );
    // RAM ends at 64 MiB, and before it are zeros.
    assert!(line(0x3ff_ffff).unwrap().complete);
    assert_eq!(line(0), None);
}

#[test]
fn an_rsi_that_leads_nowhere_is_no_linux_guest() {
    let file = with_directives(&aks_file(), |directives| {
        for directive in directives {
            if let IgvmDirectiveHeader::SnpVpContext { vmsa, .. } = directive {
                vmsa.rsi = u64::MAX - 5;
                vmsa.rip = 0;
            }
        }
    });
    assert!(facts(&file).linux.is_none());
}

#[test]
fn parameter_areas_may_be_inserted_nowhere() {
    let file = with_directives(&aks_file(), |directives| {
        directives.retain(|directive| {
            !matches!(
                directive,
                IgvmDirectiveHeader::ParameterInsert(IGVM_VHS_PARAMETER_INSERT { .. })
            )
        });
    });
    assert!(facts(&file).parameter_areas[0].inserted_at.is_empty());
}

#[test]
fn a_file_cut_short_is_refused() {
    let file = aks_file();
    for length in [4, 24, 100, headers_end(&file), file.len() - 1] {
        assert!(IgvmFacts::read(&file[..length]).is_err(), "{length}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]

    /// Headers with a right checksum and wrong contents, and wrong memory behind them.
    #[test]
    fn no_bytes_make_it_panic(
        changes in proptest::collection::vec(
            (proptest::prelude::any::<proptest::sample::Index>(), proptest::num::u8::ANY),
            1..8,
        ),
        in_headers: bool,
    ) {
        let mut file = aks_file();
        let end = headers_end(&file);
        let changed = if in_headers { 24..end } else { end..file.len() };
        for (place, byte) in changes {
            file[changed.start + place.index(changed.len())] = byte;
        }
        seal(&mut file, end);
        let _ = IgvmFacts::read(&file);
    }
}
