//! `measure --report`: a report made up for a vector, and one thing wrong at a time.

use std::path::Path;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::idblock::{ATTACH, FAMILY, IMAGE, ceremony};
use crate::schema::conforms;
use crate::{guestmark, json, refused, stdout, vectors};

const ASK: [&str; 4] = ["measure", "guest.igvm", "--report", "report.bin"];

/// A folder with a vector, and a report of a guest that was launched from it, signed by nobody.
fn launched() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let vector = vectors("measure").join("launch-digest/base.igvm");
    fs_err::copy(vector, path.join("guest.igvm")).unwrap();
    let digest = stdout(path, &["measure", "guest.igvm", "--bare"]);
    fs_err::write(path.join("policy.rego"), "package agent_policy\n").unwrap();
    let policy = Sha256::digest(b"package agent_policy\n");
    let mut report = vec![0; 1184];
    for (offset, bytes) in [
        (0x0, &[2][..]),
        (0x8, &[0x1F, 0, 3]),
        (0x34, &[1]),
        (0x90, &hex::decode(digest.trim_end()).unwrap()),
        (0xC0, &policy),
        (0x2A0, &[1]),
        (0x2E8, &[1]),
    ] {
        report[offset..offset + bytes.len()].copy_from_slice(bytes);
    }
    fs_err::write(path.join("report.bin"), report).unwrap();
    folder
}

fn set(folder: &Path, offset: usize, value: u8) {
    let path = folder.join("report.bin");
    let mut report = fs_err::read(&path).unwrap();
    report[offset] = value;
    fs_err::write(path, report).unwrap();
}

#[test]
fn a_report_that_fits_is_good_and_what_was_not_checked_is_said() {
    let folder = launched();
    let arguments = [&ASK[..], &["--policy", "policy.rego"]].concat();
    let document = json(folder.path(), &arguments);
    conforms(&document, "measure-report");
    assert_eq!(document["good"], true, "{document:#}");
    let text = stdout(folder.path(), &arguments);
    for line in [
        "report.bin against guest.igvm\n",
        "  good  MEASUREMENT: that of the file under spec, cloud-hypervisor-mshv",
        "  good  POLICY: 0x3001f\n",
        "  good  Debugging: not allowed\n",
        "  good  HOST_DATA:",
        "  - Signature: no certificate was given (--vcek, --chain): anybody may have\n    \
         written this report\n",
        "  - REPORT_DATA: ",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn one_thing_wrong_makes_the_verdict_bad() {
    for (offset, value, name) in [
        (0x90, 0, "MEASUREMENT"),
        (0x8, 0x1E, "POLICY"),
        (0xA, 0xB, "Debugging"),
        (0x30, 1, "VMPL"),
        (0xC0, 0, "HOST_DATA"),
    ] {
        let folder = launched();
        set(folder.path(), offset, value);
        let mut command = guestmark(folder.path());
        command
            .args(ASK)
            .args(["--policy", "policy.rego", "--json"]);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}");
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        conforms(&document, "measure-report");
        let checks = document["checks"].as_array().unwrap();
        let mut bad = checks.iter().filter(|check| check["good"] == false);
        assert!(bad.any(|check| check["name"] == name), "{document:#}");
    }
}

#[test]
fn what_the_id_block_says_the_report_repeats() {
    let signed = ceremony();
    let path = signed.path();
    let document = json(path, &ATTACH);
    let key = document["id_key_digest"].as_str().unwrap();
    fs_err::copy(
        launched().path().join("report.bin"),
        path.join("report.bin"),
    )
    .unwrap();
    let arguments = ["measure", "signed.igvm", "--report", "report.bin", "--json"];
    let bad = || {
        let output = guestmark(path).args(arguments).output().unwrap();
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        conforms(&document, "measure-report");
        let checks = document["checks"].as_array().unwrap().clone();
        let bad = checks.into_iter().filter(|check| check["good"] == false);
        let names: Vec<_> = bad
            .map(|check| check["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(output.status.code(), Some(i32::from(!names.is_empty())));
        names
    };
    assert_eq!(
        bad(),
        ["ID_KEY_DIGEST", "FAMILY_ID", "IMAGE_ID", "GUEST_SVN"]
    );
    for (offset, digits) in [(0x4, "07"), (0x10, FAMILY), (0x20, IMAGE), (0xE0, key)] {
        let bytes = hex::decode(digits).unwrap();
        let each = bytes.into_iter().enumerate();
        each.for_each(|(at, byte)| set(path, offset + at, byte));
    }
    assert_eq!(bad(), [""; 0]);
    set(path, 0x48, 1);
    assert_eq!(bad(), ["AUTHOR_KEY_DIGEST"]);
}

#[test]
fn bytes_that_are_no_report_are_refused() {
    let folder = launched();
    let path = folder.path();
    for (offset, value, message) in [
        (0x0, 6, "offset 0x0: VERSION is 6, expected 2 to 5"),
        (
            0x34,
            2,
            "offset 0x34: SIGNATURE_ALGO is 2, expected 1 (ECDSA P-384 with SHA-384)",
        ),
        (0x48, 8, "offset 0x48: SIGNING_KEY is 2, expected 0, 1 or 7"),
        (
            0x188,
            1,
            "offset 0x188: reserved bytes are not zero, which version 2 has there",
        ),
        (
            0x2A0,
            0,
            "offset 0x2a0: signature: R is zero, expected 1 to n - 1, where n is the order of \
             P-384",
        ),
    ] {
        let before = fs_err::read(path.join("report.bin")).unwrap();
        set(path, offset, value);
        refused(path, &ASK, &format!("report.bin: {message}"));
        fs_err::write(path.join("report.bin"), before).unwrap();
    }
    fs_err::write(path.join("report.bin"), [0; 1183]).unwrap();
    refused(
        path,
        &ASK,
        "report.bin: a raw SEV-SNP report has 1184 bytes, found 1183: give the report alone",
    );
}
