//! Replays the fuzz corpus through the functions that the fuzz targets call, where no fuzzer runs.

#![expect(
    clippy::unwrap_used,
    reason = "what fails fails the test, in its helpers too"
)]

use std::fs;
use std::path::{Path, PathBuf};

use guestmark_measure::id_block::{IdAuthPage, IdBlock};
use guestmark_measure::igvm::IgvmFile;
use guestmark_measure::ovmf::Firmware;
use guestmark_measure::report::Report;
use guestmark_measure::{Loader, launch_digest};

#[path = "../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "it is a library of its own")]
mod targets;

/// A target's name, and what it does with an input.
type Target = (&'static str, fn(&[u8]));

/// The targets of `fuzz/Cargo.toml` for files that are measured.
const TARGETS: [Target; 6] = [
    ("bzimage", targets::bzimage),
    ("firmware", targets::firmware),
    ("id_auth_page", targets::id_auth_page),
    ("id_block", targets::id_block),
    ("igvm", targets::igvm),
    ("report", targets::report),
];

fn corpus(target: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join("fuzz/corpus").join(target)
}

#[test]
fn every_target_takes_its_whole_corpus() {
    for (target, run) in TARGETS {
        let inputs = fs::read_dir(corpus(target)).unwrap();
        let inputs: Vec<_> = inputs.map(|entry| entry.unwrap().path()).collect();
        assert!(!inputs.is_empty(), "{target} has no corpus");
        for input in inputs {
            run(&fs::read(&input).unwrap());
        }
    }
}

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    let manifest = fs::read_to_string(corpus("").join("../Cargo.toml")).unwrap();
    let targets = manifest.split("[[bin]]\nname = \"").skip(1);
    let mut targets: Vec<_> = targets.filter_map(|rest| rest.split('"').next()).collect();
    targets.sort_unstable();
    let folders = fs::read_dir(corpus("")).unwrap();
    let mut folders: Vec<_> = folders.map(|entry| entry.unwrap().file_name()).collect();
    folders.sort_unstable();
    assert_eq!(folders, targets);
}

#[test]
fn seeds_are_what_their_targets_read() {
    for seed in ["aks", "linux", "every-kind"] {
        let bytes = fs::read(corpus("igvm").join(seed)).unwrap();
        let file = IgvmFile::parse(&bytes).unwrap();
        assert!(launch_digest(&file, Loader::Spec, None).is_ok(), "{seed}");
    }
    let block = fs::read(corpus("id_block").join("alone")).unwrap();
    assert!(IdBlock::from_bytes(&block).is_ok());
    let page = fs::read(corpus("id_auth_page").join("signed")).unwrap();
    assert!(IdAuthPage::from_bytes(&page).is_ok());
    let report = fs::read(corpus("report").join("version-2")).unwrap();
    assert!(Report::parse(&report).is_ok());
    let firmware = fs::read(corpus("firmware").join("complete")).unwrap();
    assert!(Firmware::parse(&firmware).unwrap().sections().is_ok());
}
