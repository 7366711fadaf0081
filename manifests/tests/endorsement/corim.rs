//! CoRIM
use std::fs;
use std::path::Path;

use igvm::corim::launch_measurement::{LaunchMeasurement, MeasurementKind};
use igvm::{IgvmFile, IgvmSerializer};
use igvm_defs::IgvmPlatformType;

fn vector() -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read(root.join("measure/tests/vectors/launch-digest/base.igvm")).unwrap()
}

/// The document that the igvm crate makes of a file.
fn of_igvm(bytes: &[u8], svn: u64) -> Vec<u8> {
    let file = IgvmFile::new_from_binary(bytes, None).unwrap();
    let mut serializer = IgvmSerializer::new(&file).unwrap();
    let mut measurement = LaunchMeasurement::for_platform(IgvmPlatformType::SEV_SNP).unwrap();
    measurement
        .set_measurement(MeasurementKind::Launch)
        .unwrap();
    let series = measurement
        .endorse(svn)
        .with(MeasurementKind::Launch)
        .unwrap();
    series.finish().unwrap();
    let added = serializer.add_corim(IgvmPlatformType::SEV_SNP, measurement.build());
    added.unwrap().to_vec()
}

#[test]
fn dump() {
    fs::write("/tmp/endorsement/corim.cbor", of_igvm(&vector(), 1)).unwrap();
}
