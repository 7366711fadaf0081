//! One-feature IGVM files with the digest that each loader gives, computed by independent
//! implementations; and the igvm crate's own measurement of the same files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use guestmark_measure::igvm::IgvmFile;
use guestmark_measure::{LaunchDigest, Loader, launch_digest, launch_digests};
use igvm::IgvmSerializer;
use igvm_defs::IgvmPlatformType;

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/launch-digest")
}

fn expected() -> BTreeMap<String, BTreeMap<String, LaunchDigest>> {
    let json = fs::read(vectors().join("expected.json")).expect("the vectors are in the tree");
    serde_json::from_slice(&json).expect("a digest for each loader of each case")
}

fn read(case: &str) -> Vec<u8> {
    fs::read(vectors().join(case).with_extension("igvm")).expect("a file for each case")
}

#[test]
fn every_loader_gives_the_digest_of_every_vector() {
    let expected = expected();
    assert_eq!(expected.len(), 9);
    for (case, digests) in expected {
        let bytes = read(&case);
        let file = IgvmFile::parse(&bytes).unwrap();
        assert_eq!(digests.len(), 4);
        for (loader, digest) in digests {
            let loader: Loader = loader.parse().unwrap();
            assert_eq!(
                launch_digest(&file, loader, None),
                Ok(digest),
                "{case} under {loader}"
            );
        }
    }
}

#[test]
fn all_loaders_at_once_give_what_each_gives_alone() {
    for case in expected().keys() {
        let bytes = read(case);
        let file = IgvmFile::parse(&bytes).unwrap();
        let alone = Loader::ALL.map(|loader| (loader, launch_digest(&file, loader, None)));
        assert_eq!(launch_digests(&file, None), alone, "{case}");
    }
}

#[test]
fn spec_is_what_the_igvm_crate_measures() {
    for case in expected().keys() {
        let bytes = read(case);
        let foreign = igvm::IgvmFile::new_from_binary(&bytes, None).unwrap();
        let serializer = IgvmSerializer::new(&foreign).unwrap();
        let measured = serializer
            .measurement_for(IgvmPlatformType::SEV_SNP)
            .unwrap();
        let file = IgvmFile::parse(&bytes).unwrap();
        let digest = launch_digest(&file, Loader::Spec, None).unwrap();
        assert_eq!(digest.as_bytes()[..], measured.digest, "{case}");
    }
}
