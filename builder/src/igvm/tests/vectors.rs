//! The two independent vectors of layout `aks`: what is present, a digest of every range, the
//! save area, and the launch digest.

use guestmark_measure::PAGE_SIZE;
use igvm::{IgvmFile, measurement::generate_snp_measurement};
use serde::Deserialize;
use sha2::{Digest, Sha256, Sha384};

use super::*;

#[derive(Deserialize)]
struct Expected {
    launch_digest: String,
    ranges: Vec<Range>,
    vmsa: String,
}

/// Neighbouring pages of one type; the digest is the SHA-256 of their SHA-384 digests, in
/// hexadecimal and one after the other.
#[derive(Debug, PartialEq, Deserialize)]
struct Range {
    start: String,
    end: String,
    r#type: String,
    pages: u64,
    sha256_of_page_sha384s: String,
}

fn ranges(memory: &GuestMemory<'_>) -> Vec<Range> {
    let mut ranges: Vec<(u64, RegionKind, Vec<String>)> = Vec::new();
    for page in memory.pages() {
        let gpa = page.gpa.get();
        let contents = page.data.as_deref().copied().unwrap_or([0; 4096]);
        let digest = match page.kind {
            RegionKind::ParameterArea => "unmeasured".to_owned(),
            _ => hex::encode(Sha384::digest(contents)),
        };
        match ranges.last_mut() {
            Some((start, kind, digests))
                if *kind == page.kind && *start + PAGE_SIZE * digests.len() as u64 == gpa =>
            {
                digests.push(digest);
            }
            _ => ranges.push((gpa, page.kind, vec![digest])),
        }
    }
    let name = |kind| match kind {
        RegionKind::Data => "normal",
        RegionKind::Cpuid => "cpuid",
        RegionKind::Secrets => "secrets",
        RegionKind::ParameterArea => "parameter",
        RegionKind::Vmsa => "vmsa",
    };
    ranges
        .into_iter()
        .map(|(start, kind, digests)| Range {
            start: format!("{start:#x}"),
            end: format!("{:#x}", start + PAGE_SIZE * digests.len() as u64),
            r#type: name(kind).to_owned(),
            pages: digests.len() as u64,
            sha256_of_page_sha384s: hex::encode(Sha256::digest(digests.concat())),
        })
        .collect()
}

fn assert_matches(guest: &Guest, expected: &str) {
    let expected: Expected = serde_json::from_str(expected).unwrap();
    let (memory, file) = assemble(&guest.inputs(AKS), policy()).unwrap();
    // The vectors call the CPUID range informative: it is not measured.
    let measured = |ranges: Vec<Range>| {
        let measured = ranges.into_iter().filter(|range| range.r#type != "cpuid");
        measured.collect::<Vec<_>>()
    };
    let found = ranges(&memory);
    assert_eq!(found.len(), expected.ranges.len());
    assert_eq!(measured(found), measured(expected.ranges));

    let vmsa = memory
        .regions()
        .iter()
        .find(|region| region.kind() == RegionKind::Vmsa);
    let found = hex::encode(vmsa.unwrap().contents());
    assert_eq!(
        found.trim_end_matches('0'),
        expected.vmsa.trim_end_matches('0')
    );

    let file = IgvmFile::new_from_binary(&file, None).unwrap();
    let digest = generate_snp_measurement(file.initializations(), file.directives(), 1).unwrap();
    assert_eq!(hex::encode(digest), expected.launch_digest);
}

#[test]
fn kernel_and_command_line_give_the_published_digest() {
    let guest = Guest {
        kernel: vector!("kernel-cmdline/kernel").to_vec(),
        command_line: vector!("kernel-cmdline/cmdline").to_vec(),
        initrd: None,
        acpi: [
            (0xe_0000, vector!("kernel-cmdline/acpi-0xe0000.bin")),
            (0x10_0000, vector!("kernel-cmdline/acpi-0x100000.bin")),
            (0x10_1000, vector!("kernel-cmdline/acpi-0x101000.bin")),
        ]
        .map(|(gpa, page)| Table::given(Gpa::new(gpa), page.to_vec(), Origin::input("--acpi")))
        .to_vec(),
    };
    assert_matches(
        &guest,
        include_str!("../../../tests/vectors/aks-layout/kernel-cmdline/expected.json"),
    );
}

#[test]
fn an_initrd_gives_the_published_digest() {
    assert_matches(
        &Guest::with_initrd(AKS),
        include_str!("../../../tests/vectors/aks-layout/kernel-initrd/expected.json"),
    );
}
