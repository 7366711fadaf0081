//! Replays the fuzz corpus through the functions that the fuzz targets call, where no fuzzer runs.

#![expect(
    clippy::unwrap_used,
    reason = "what fails fails the test, in its helpers too"
)]

use std::fs;
use std::path::{Path, PathBuf};

use guestmark_manifests::DidX509;
use guestmark_manifests::dsse::Envelope;
use guestmark_manifests::endorsement::Endorsement;
use guestmark_manifests::manifest::Manifest;
use guestmark_manifests::{revocation, statement};

#[path = "../../fuzz/src/published.rs"]
#[allow(unreachable_pub, reason = "the targets include it too")]
mod published;

/// A target's name, and what it does with an input.
type Target = (&'static str, fn(&[u8]));

/// The targets of `fuzz/Cargo.toml` for published files.
const TARGETS: [Target; 4] = [
    ("did_x509", published::did_x509),
    ("dsse", published::dsse),
    ("endorsement", published::endorsement),
    ("manifest", published::manifest),
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
fn seeds_are_what_their_targets_read() {
    for seed in ["v1", "v2"] {
        let bytes = fs::read(corpus("endorsement").join(seed)).unwrap();
        assert!(Endorsement::read(&bytes).is_ok(), "{seed}");
    }
    for seed in ["eku", "all"] {
        let text = fs::read_to_string(corpus("did_x509").join(seed)).unwrap();
        assert!(text.parse::<DidX509>().is_ok(), "{seed}");
    }
    let manifest = fs::read(corpus("manifest").join("release-2")).unwrap();
    assert!(Manifest::read(&manifest, "release-2").is_ok());
    for (seed, kind) in [
        ("provenance", statement::PAYLOAD_TYPE),
        ("revocations", revocation::PAYLOAD_TYPE),
    ] {
        let envelope = fs::read(corpus("dsse").join(seed)).unwrap();
        assert!(Envelope::read(&envelope, seed, kind).is_ok(), "{seed}");
    }
}
