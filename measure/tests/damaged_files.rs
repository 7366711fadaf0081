//! Real files with damaged headers and a checksum that fits: nothing panics, and where the
//! igvm crate accepts a file too, both give one digest.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU32;
use std::panic::catch_unwind;
use std::path::Path;

use guestmark_measure::igvm::{IgvmError, IgvmFile};
use guestmark_measure::{LaunchDigest, Loader, launch_digest, launch_digests};
use igvm::{IgvmDirectiveHeader, IgvmSerializer};
use igvm_defs::IgvmPlatformType;

const DAMAGED_FILES: u64 = 20_000;

/// SplitMix64: the same damage in every run.
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.word() % bound as u64).expect("less than a usize")
    }
}

fn vectors() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/launch-digest");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the vectors are in the tree")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "igvm")
        })
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| fs::read(path).expect("a file"))
        .collect()
}

fn u32_at(file: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(*file[offset..].first_chunk().expect("a header"))
}

/// Changes up to three bytes or words of the headers, and makes the checksum fit.
fn damage(file: &mut [u8], random: &mut Random) {
    let (start, size) = (u32_at(file, 8) as usize, u32_at(file, 12) as usize);
    let headers = start + size;
    for _ in 0..=random.below(3) {
        let at = random.below(headers);
        if random.below(2) == 0 {
            [file[at], ..] = random.word().to_le_bytes();
        } else {
            let words = [
                0,
                1,
                2,
                0x1000,
                0x3FFF_F000,
                0x7FFF_FFFF,
                0xFFFF_F000,
                0xFFFF_FFF0,
                u32::MAX,
            ];
            let word = words[random.below(words.len())];
            file[at & !3..][..4].copy_from_slice(&word.to_le_bytes());
        }
    }
    let (start, size) = (u32_at(file, 8) as usize, u32_at(file, 12) as usize);
    let Some(headers) = start.checked_add(size).and_then(|end| file.get(start..end)) else {
        return;
    };
    let mut crc = crc32fast::Hasher::new();
    crc.update(&file[..20]);
    crc.update(&[0; 4]);
    crc.update(headers);
    let crc = crc.finalize();
    file[20..24].copy_from_slice(&crc.to_le_bytes());
}

/// The igvm crate's digest, `None` if it refuses the file or panics, or would take hours over
/// memory that the file only declares.
fn igvm_crate(file: &[u8]) -> Option<LaunchDigest> {
    catch_unwind(|| {
        let file = igvm::IgvmFile::new_from_binary(file, None).ok()?;
        if file.directives().iter().any(declares_too_much) {
            return None;
        }
        let serializer = IgvmSerializer::new(&file).ok()?;
        let measured = serializer.measurement_for(IgvmPlatformType::SEV_SNP)?;
        Some(LaunchDigest::new(
            measured.digest.as_slice().try_into().ok()?,
        ))
    })
    .ok()
    .flatten()
}

fn declares_too_much(directive: &IgvmDirectiveHeader) -> bool {
    match directive {
        IgvmDirectiveHeader::ParameterArea {
            number_of_bytes, ..
        } => *number_of_bytes > IgvmFile::DECLARED_MEMORY_LIMIT,
        _ => false,
    }
}

/// What of the format this reader holds files to and the igvm crate does not.
fn is_agreed(refusal: &IgvmError) -> bool {
    match refusal {
        IgvmError::Field { field, .. } => [
            "variable_header_offset",
            "padding",
            "flags",
            "reserved",
            "gpa",
        ]
        .contains(field),
        IgvmError::AddressOverflow { .. } => true,
        _ => false,
    }
}

#[test]
fn damaged_headers_are_refused_or_measured_as_the_igvm_crate_does() {
    std::panic::set_hook(Box::new(|_| {}));
    let vectors = vectors();
    let mut random = Random(0);
    let mut verdicts: BTreeMap<&str, u32> = BTreeMap::new();
    for number in 0..DAMAGED_FILES {
        let mut file = vectors[random.below(vectors.len())].clone();
        damage(&mut file, &mut random);
        let verdict = match IgvmFile::parse(&file) {
            Err(refusal) => match igvm_crate(&file) {
                None => "refused by both",
                Some(_) => {
                    assert!(
                        is_agreed(&refusal),
                        "file {number}: only refused here: {refusal}"
                    );
                    "refused here only"
                }
            },
            Ok(parsed) => {
                launch_digests(&parsed, NonZeroU32::new(2));
                match (
                    launch_digest(&parsed, Loader::Spec, None),
                    igvm_crate(&file),
                ) {
                    (Ok(ours), Some(theirs)) => {
                        assert_eq!(ours, theirs, "file {number}");
                        "measured alike"
                    }
                    (Err(refusal), Some(_)) => panic!("file {number}: {refusal}"),
                    (Err(_), None) => "no digest from either",
                    (Ok(_), None) => "refused there only",
                }
            }
        };
        *verdicts.entry(verdict).or_default() += 1;
    }
    // Enough of each that the comparison means something.
    assert!(verdicts["measured alike"] > 1_000, "{verdicts:?}");
    assert!(verdicts["refused by both"] > 1_000, "{verdicts:?}");
}
