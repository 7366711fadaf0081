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
use igvm_crate::Measured;
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
/// # Panics
/// They differ in a way that is not listed.
fn outcome(number: u64, bytes: &[u8]) -> Outcome {
    let ours = IgvmFile::parse(bytes);
    if let Ok(file) = &ours {
        count_work(file, bytes.len());
    }
    let Ok(theirs) = igvm_crate::parse(bytes) else {
        return Outcome::Differs(Difference::CratePanics);
    };
    match (ours, theirs) {
        (Err(_), Err(_)) => Outcome::RefusedByBoth,
        (Err(refusal), Ok(_)) => match Difference::refused_here(&refusal) {
            Some(difference) => Outcome::Differs(difference),
            None => panic!("file {number}: only refused here: {refusal}"),
        },
        (Ok(file), Err(refusal)) => match Difference::refused_there(&file, bytes, &refusal) {
            Some(difference) => Outcome::Differs(difference),
            None => panic!("file {number}: only refused there: {refusal:?}"),
        },
        (Ok(file), Ok(theirs)) => match igvm_crate::measure(&theirs) {
            Err(igvm_crate::Panicked) => Outcome::Differs(Difference::CratePanics),
            Ok(Measured::TooLarge) => Outcome::Differs(Difference::TooLargeForTheCrate),
            Ok(Measured::Digest(theirs)) => {
                let ours = launch_digest(&file, Loader::Spec, None).ok();
                assert_eq!(ours, theirs, "file {number}");
                match ours {
                    Some(_) => Outcome::MeasuredAlike,
                    None => Outcome::NotMeasured,
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
    let outcomes = (0..DAMAGED_FILES).into_par_iter().map(|number| {
        let mut random = Random::new(number);
        let file = mutation::damaged(&bases, &mut random);
        outcome(number, &file)
    });
    let outcomes = outcomes.fold(BTreeMap::new, |mut counts, outcome| {
        *counts.entry(outcome).or_insert(0_u32) += 1;
        counts
    });
    let counts = outcomes.reduce(BTreeMap::new, |mut all, some| {
        for (outcome, count) in some {
            *all.entry(outcome).or_insert(0) += count;
        }
        all
    });
    for (outcome, count) in &counts {
        println!("{count:6} {outcome:?}");
    }
    // Enough of each that the comparison means something.
    for outcome in [
        Outcome::MeasuredAlike,
        Outcome::NotMeasured,
        Outcome::RefusedByBoth,
    ] {
        assert!(counts[&outcome] > 1_000, "{outcome:?}: {counts:?}");
    }
    for difference in Difference::ALL {
        let listed = Outcome::Differs(difference);
        assert!(counts.contains_key(&listed), "{difference:?} never occurs");
    }
}
