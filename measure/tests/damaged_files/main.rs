//! Damaged IGVM files: nothing panics or hangs, no loader launches more than a file justifies,
//! and the igvm crate comes to the same verdict and digest, but for differences that are listed.

#![expect(
    clippy::unwrap_used,
    reason = "what fails fails the test, in its helpers too"
)]

mod difference;
mod headers;
mod igvm_crate;
mod mutation;
mod random;

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;

use difference::Difference;
use guestmark_measure::igvm::IgvmFile;
use guestmark_measure::{LaunchPages, Loader, PAGE_SIZE, launch_digest, launch_digests};
use headers::Parts;
use igvm_crate::{Measured, Panicked};
use random::Random;
use rayon::prelude::*;

const DAMAGED_FILES: u64 = 100_000;

/// Page records that are hashed for all loaders; of larger files they are counted.
const HASHED_RECORDS: usize = 2048;

/// What the two readers come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    MeasuredAlike,
    /// Both accept the file and neither gives a digest.
    NotMeasured,
    RefusedByBoth,
    Differs(Difference),
}

/// The vectors, and the files that the seeds of the fuzz corpus are: both layouts, and a file
/// with every kind of header.
fn bases() -> Vec<Parts> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let vectors = fs::read_dir(root.join("tests/vectors/launch-digest")).unwrap();
    let mut paths: Vec<_> = vectors.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "igvm")
    });
    let seeds = ["aks", "linux", "every-kind"];
    // Once for each feature that a vector shows.
    for seed in seeds.repeat(3) {
        paths.push(root.join("../fuzz/corpus/igvm").join(seed));
    }
    paths.sort();
    let files = paths.iter().map(|path| fs::read(path).unwrap());
    files.map(|file| Parts::of(&file)).collect()
}

/// Compares the verdicts over one file.
///
/// # Errors
/// They differ in a way that is not listed.
fn outcome(bytes: &[u8]) -> Result<Outcome, String> {
    let ours = IgvmFile::parse(bytes);
    if let Ok(file) = &ours {
        count_work(file, bytes.len());
    }
    let Ok(theirs) = igvm_crate::parse(bytes) else {
        return Ok(Outcome::Differs(Difference::CratePanics));
    };
    match (ours, theirs) {
        (Err(_), Err(_)) => Ok(Outcome::RefusedByBoth),
        (Err(refusal), Ok(_)) => Difference::refused_here(bytes, &refusal)
            .map(Outcome::Differs)
            .ok_or_else(|| format!("only refused here: {refusal}")),
        (Ok(file), Err(refusal)) => Difference::refused_there(&file, bytes, &refusal)
            .map(Outcome::Differs)
            .ok_or_else(|| format!("only refused there: {refusal:?}")),
        (Ok(file), Ok(theirs)) => match igvm_crate::measure(&theirs) {
            Err(Panicked) => Ok(Outcome::Differs(Difference::CratePanics)),
            Ok(Measured::TooLarge) => Ok(Outcome::Differs(Difference::TooLargeForTheCrate)),
            Ok(Measured::Digest(theirs)) => {
                match (launch_digest(&file, Loader::Spec, None).ok(), theirs) {
                    (None, None) => Ok(Outcome::NotMeasured),
                    (Some(ours), Some(theirs)) if ours == theirs => Ok(Outcome::MeasuredAlike),
                    (ours, theirs) => Err(format!("measured {ours:?} here, {theirs:?} there")),
                }
            }
        },
    }
}

/// Counts what every loader launches.
fn count_work(file: &IgvmFile<'_>, size: usize) {
    let declared = usize::try_from(IgvmFile::DECLARED_MEMORY_LIMIT / PAGE_SIZE).unwrap();
    // No header that makes a record is shorter than 32 bytes.
    let justified = size / 32 + declared;
    let vcpus = NonZeroU32::new(2);
    let pages = LaunchPages::of(file);
    let launched = Loader::ALL.map(|loader| {
        let records = pages.records(loader, vcpus);
        records.map_or(0, |records| records.len())
    });
    let most = launched.into_iter().max().unwrap();
    assert!(most <= justified, "{most} records of {size} bytes");
    if most <= HASHED_RECORDS {
        launch_digests(file, vcpus);
    }
}

#[test]
fn damaged_files_are_refused_or_measured_as_the_igvm_crate_does() {
    igvm_crate::silence_its_panics();
    let bases = bases();
    let outcomes: Vec<Result<Outcome, String>> = (0..DAMAGED_FILES)
        .into_par_iter()
        .map(|number| outcome(&mutation::damaged(&bases, &mut Random::new(number))))
        .collect();
    let mut counts = BTreeMap::new();
    let mut unlisted = Vec::new();
    for (number, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(outcome) => *counts.entry(outcome).or_insert(0_u32) += 1,
            Err(difference) => unlisted.push(format!("file {number}: {difference}")),
        }
    }
    for (outcome, count) in &counts {
        println!("{count:6} {outcome:?}");
    }
    let first = unlisted.get(..10).unwrap_or(&unlisted);
    assert!(
        unlisted.is_empty(),
        "{} not listed: {first:#?}",
        unlisted.len()
    );
    // Enough of each that the comparison means something.
    for outcome in [
        Outcome::MeasuredAlike,
        Outcome::NotMeasured,
        Outcome::RefusedByBoth,
    ] {
        assert!(counts[&outcome] > 100, "{outcome:?}: {counts:?}");
    }
    for difference in Difference::ALL {
        let listed = Outcome::Differs(difference);
        assert!(counts.contains_key(&listed), "{difference:?} never occurs");
    }
}
