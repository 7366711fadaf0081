//! `boot` of what is no build.

use crate::refused;

#[test]
fn a_folder_that_is_no_build_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    refused(
        path,
        &["boot", "."],
        "./measurement.json: no build is here; give the folder that `guestmark build` wrote",
    );
    fs_err::write(path.join("measurement.json"), "{}").unwrap();
    refused(
        path,
        &["boot", "."],
        "./measurement.json is not a build's measurement: missing field `schema` at line 1 column 2",
    );
}
