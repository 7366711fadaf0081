//! Damaged images: nothing panics, and no digest is one that the Python package does not give.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::images::{Image, METADATA_FROM_END, put};
use crate::oracle::{Boot, Case, Mode, VmmName, ask};

const DAMAGED_IMAGES: usize = 4000;

/// A number written over the footer table (which ends 32 bytes before the end) or the metadata.
fn damage() -> impl Strategy<Value = (usize, Vec<u8>)> {
    let metadata = METADATA_FROM_END - 0x80..=METADATA_FROM_END;
    let place = prop_oneof![40_usize..=180, metadata];
    let words = prop_oneof![
        Just(0),
        Just(1),
        Just(3),
        Just(0x10),
        Just(18),
        Just(0x1000),
        Just(0x0081_0000),
        Just(0x4000_0000),
        Just(0xFFFF_F000),
        Just(u32::MAX),
        any::<u32>(),
    ];
    let number = (words, 1_usize..=4).prop_map(|(word, size)| word.to_le_bytes()[..size].to_vec());
    (place, number)
}

#[test]
fn damaged_images_are_refused_or_measured_as_the_package_does() {
    let folder = tempfile::tempdir().unwrap();
    let kernel = folder.path().join("kernel");
    std::fs::write(&kernel, "a kernel").unwrap();
    let boot = Boot {
        kernel,
        initrd: None,
        append: Some("quiet"),
    };
    let mut runner = TestRunner::deterministic();
    let strategy = (
        vec(damage(), 1..3),
        prop_oneof![Just(Mode::Sev), Just(Mode::SevEs), Just(Mode::Snp)],
        prop_oneof![Just(VmmName::Qemu), Just(VmmName::Ec2), Just(VmmName::Gce)],
        any::<bool>(),
    );
    let intact = Image::complete(0x1000).bytes();
    let cases: Vec<Case> = (0..DAMAGED_IMAGES)
        .map(|number| {
            let value = strategy.new_tree(&mut runner).unwrap();
            let (damages, mode, vmm_type, with_kernel) = value.current();
            let mut image = intact.clone();
            for (from_end, bytes) in damages {
                put(&mut image, from_end, &bytes);
            }
            let ovmf = folder.path().join(number.to_string());
            std::fs::write(&ovmf, image).unwrap();
            Case {
                vcpus: 2,
                vmm_type,
                boot: with_kernel.then(|| boot.clone()),
                ..Case::new(mode, &ovmf)
            }
        })
        .collect();

    // Images that are refused are not asked about: the package takes minutes over gigabytes of
    // sections.
    let measured: Vec<(&Case, String)> = cases
        .iter()
        .filter_map(|case| Some((case, case.digest().ok()?)))
        .collect();
    for ((case, ours), theirs) in measured
        .iter()
        .zip(ask(measured.iter().map(|(case, _)| *case)))
    {
        assert_eq!(theirs.as_ref(), Ok(ours), "{case:?}");
    }
    // Enough of each that the comparison means something.
    let refused = DAMAGED_IMAGES - measured.len();
    assert!(
        measured.len() > 500 && refused > 500,
        "{} measured",
        measured.len()
    );
}
