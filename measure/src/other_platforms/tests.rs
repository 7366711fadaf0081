use igvm::IgvmSerializer;
use igvm_defs::IgvmPlatformType;
use proptest::prelude::*;

use super::*;
use crate::sample::{Sample, seal, u32s, u64s};
use crate::{LaunchPages, Loader, PageListing, assess};

const SHARED: u32 = 4;
const UNMEASURED: u32 = 2;
const NORMAL: u16 = 0;
const SECRETS: u16 = 1;

const TDX: u8 = 3;
const VSM: u8 = 1;

const RIP: u32 = 0x0002_0010;
const CR3: u32 = 0x0004_0002;

/// A file with pages of all kinds that the platform measures, and one for SEV-SNP alone.
fn pages(platform: u8) -> Sample {
    // The igvm crate measures every platform or none, and SEV-SNP with a policy only.
    let policy = [u64s(&[0x3_001F]), u32s(&[2, 0])].concat();
    let mut sample = Sample::default()
        .platform(1, platform)
        .platform(2, 2)
        .header(0x101, &[&policy]);
    let foreign = sample.data(&[9; 4096]);
    let foreign = [u64s(&[0x8000]), u32s(&[2, foreign, 0, 0])].concat();
    sample
        .area(4, 0x3000)
        .page(0x1000, 1, 0, NORMAL)
        .empty_page(0x2000, 0, NORMAL)
        .page(0x3000, 3, UNMEASURED, NORMAL)
        .page(0x4000, 4, SHARED, NORMAL)
        .header(0x302, &[&foreign])
        .insert(4, 0x5000)
}

fn error_range(sample: Sample, size: u32) -> Sample {
    sample.header(0x30D, &[&u64s(&[0x9_0000]), &u32s(&[1, size])])
}

fn register(vtl: u8, name: u32, value: u64) -> Vec<u8> {
    let name = name.to_le_bytes();
    [&[vtl][..], &name, &[0; 11], &value.to_le_bytes(), &[0; 8]].concat()
}

/// Adds registers of processor `vp`, said to be `count`.
fn context(mut sample: Sample, vp: u16, count: u32, registers: &[Vec<u8>]) -> Sample {
    let data = [u32s(&[count]), registers.concat()].concat();
    let offset = sample.data(&data);
    let body = [u64s(&[0]), u32s(&[1, offset])].concat();
    sample.header(0x304, &[&body, &vp.to_le_bytes(), &[0, 0]])
}

fn measured(sample: &Sample) -> Vec<(&'static str, Result<PlatformDigest, PlatformRefusal>)> {
    let bytes = sample.bytes();
    let file = IgvmFile::parse(&bytes).unwrap();
    other_platforms(&file, &bytes)
}

fn refusal(sample: &Sample) -> String {
    let [(_, Err(refusal))] = &measured(sample)[..] else {
        panic!("not refused");
    };
    refusal.to_string()
}

/// What the igvm crate says when it reads the file itself.
fn by_igvm_crate(sample: &Sample, platform: IgvmPlatformType) -> Vec<u8> {
    let mut bytes = sample.bytes();
    // It refuses unknown headers, optional or not: the filler becomes data.
    let filler = 0x8000_0999_u32.to_le_bytes();
    let filler = bytes.windows(4).position(|it| it == filler).unwrap();
    bytes[0xC..0x10].copy_from_slice(&u32::try_from(filler - 24).unwrap().to_le_bytes());
    bytes[0x14..0x18].fill(0);
    let crc = crc32fast::hash(&bytes[..filler]);
    bytes[0x14..0x18].copy_from_slice(&crc.to_le_bytes());

    let file = igvm::IgvmFile::new_from_binary(&bytes, None).unwrap();
    let serializer = IgvmSerializer::new(&file).unwrap();
    let measurement = serializer.measurement_for(platform).unwrap();
    measurement.digest.clone()
}

#[test]
fn mrtd_is_what_the_igvm_crate_makes_of_the_whole_file() {
    let sample = pages(TDX);
    let expected = by_igvm_crate(&sample, IgvmPlatformType::TDX);
    let digest = Sha384Digest::new(expected.try_into().unwrap());
    assert_eq!(
        measured(&sample),
        [("tdx", Ok(PlatformDigest::Tdx(digest)))]
    );
}

#[test]
fn the_vbs_measurement_is_what_the_igvm_crate_makes_of_the_whole_file() {
    let registers = [register(2, RIP, 0x1000), register(2, CR3, 0x2000)];
    let sample = context(error_range(pages(VSM), 0x2800), 0, 2, &registers);
    let expected = by_igvm_crate(&sample, IgvmPlatformType::VSM_ISOLATION);
    let digest = Sha256Digest::new(expected.try_into().unwrap());
    assert_eq!(
        measured(&sample),
        [("vbs", Ok(PlatformDigest::Vbs(digest)))]
    );
    // The registers count.
    assert_ne!(measured(&pages(VSM)), measured(&sample));
}

#[test]
fn a_file_for_sev_snp_alone_has_no_other_measurement() {
    assert_eq!(measured(&Sample::snp()), []);
}

#[test]
fn what_would_stop_the_igvm_crate_is_refused() {
    let at_end = Sample::default().platform(1, TDX).area(0, 0x2000);
    let at_end = at_end.insert(0, 0xFFFF_FFFF_FFFF_E000);
    assert_eq!(
        refusal(&at_end),
        "0xffffffffffffe000: the parameter area ends with the address space, expected it below"
    );
    assert_eq!(
        refusal(&pages(VSM).page(0x6000, 1, 0, SECRETS)),
        "0x6000: the page is of a type that only SEV-SNP has, expected normal data"
    );
    let huge = error_range(error_range(pages(VSM), 1 << 30), 1);
    assert_eq!(
        refusal(&huge),
        "error ranges add up to 0x40000001 bytes, expected at most 0x40000000"
    );
}

#[test]
fn registers_that_the_igvm_crate_does_not_expect_are_refused() {
    let good = [register(0, RIP, 1)];
    let two_levels = [register(0, RIP, 1), register(2, CR3, 1)];
    let cases = [
        (context(pages(VSM), 1, 1, &good), "is not for processor 0"),
        (context(pages(VSM), 0, 2, &good), "lies outside the file"),
        (
            context(pages(VSM), 0, u32::MAX, &good),
            "has more than 64 registers",
        ),
        (context(pages(VSM), 0, 0, &good), "has no trust level"),
        (
            context(pages(VSM), 0, 1, &[register(3, RIP, 1)]),
            "has no trust level",
        ),
        (
            context(pages(VSM), 0, 2, &two_levels),
            "has registers of two trust levels",
        ),
        (
            context(context(pages(VSM), 0, 1, &good), 0, 1, &good),
            "is the second for its trust level",
        ),
        (
            context(pages(VSM), 0, 1, &[register(0, 0xFFFF, 1)]),
            "has a register that the igvm crate does not know",
        ),
    ];
    for (sample, problem) in cases {
        let said = refusal(&sample);
        assert!(said.ends_with(problem), "{said}");
    }
}

#[test]
fn a_context_outside_the_file_is_refused() {
    for offset in [0xFFFF_FFFF, 0x7FFF_0000] {
        let body = [u64s(&[0]), u32s(&[1, offset])].concat();
        let sample = pages(VSM).header(0x304, &[&body, &[0; 4]]);
        assert_eq!(
            refusal(&sample),
            format!("the VP context at file offset {offset:#x} lies outside the file")
        );
    }
}

/// Bytes of the headers in [`damaged`] files, and of the registers after them.
const DAMAGED: [std::ops::Range<usize>; 2] = [24..0x200, 0x8000..0x8044];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_files_are_refused_or_measured_without_a_panic(
        platform in prop::sample::select(vec![TDX, VSM]),
        damage in prop::collection::vec((0..2_usize, any::<u16>(), any::<u8>()), 1..4),
    ) {
        let registers = [register(2, RIP, 0x1000), register(2, CR3, 0x2000)];
        let sample = context(error_range(pages(platform), 0x2800), 0, 2, &registers);
        let mut bytes = sample.bytes();
        for (part, at, value) in damage {
            let part = &mut bytes[DAMAGED[part].clone()];
            let at = usize::from(at) % part.len();
            part[at] = value;
        }
        seal(&mut bytes);
        let Ok(file) = IgvmFile::parse(&bytes) else { return Ok(()) };
        other_platforms(&file, &bytes);
        assess(&file, None);
        let pages = LaunchPages::of(&file);
        for loader in Loader::ALL {
            let Ok(launch) = pages.launch(loader, None) else { continue };
            PageListing::new(pages.distinct(), &launch).ranges().count();
        }
    }
}
