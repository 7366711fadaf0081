//! The report and the certificates of a Milan processor that the crate `sev` is tested with.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use guestmark_measure::certificate::Certificate;
use guestmark_measure::report::{Chain, Report, check};
use sev::certs::snp::{Certificate as SevCertificate, Chain as SevChain, Verifiable, builtin, ca};
use sev::firmware::guest::AttestationReport;
use sev::parser::ByteParser;

use crate::{bad, expected, findings, found};

/// A file that the source of the crate `sev` brings.
fn of_sev(name: &str) -> Vec<u8> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let sev = packages
        .iter()
        .find(|package| package["name"] == "sev")
        .unwrap();
    let manifest = PathBuf::from(sev["manifest_path"].as_str().unwrap());
    std::fs::read(manifest.with_file_name("tests/certs_data").join(name)).unwrap()
}

fn milan_report() -> Vec<u8> {
    hex::decode(of_sev("report_milan.hex").trim_ascii()).unwrap()
}

fn milan() -> (Certificate, Chain) {
    let vcek = Certificate::read_one(&of_sev("vcek_milan.der")).unwrap();
    let chain = Certificate::read(&of_sev("cert_chain_milan")).unwrap();
    (vcek, Chain::new(chain).unwrap())
}

/// Whether the crate `sev` takes the report, with the certificates it has itself.
fn sev_takes(report: &[u8]) -> bool {
    let ca = ca::Chain {
        ark: builtin::milan::ark().unwrap(),
        ask: builtin::milan::ask().unwrap(),
    };
    let vek = SevCertificate::from_der(&of_sev("vcek_milan.der")).unwrap();
    let report = AttestationReport::from_bytes(report).unwrap();
    (&SevChain { ca, vek }, &report).verify().is_ok()
}

#[test]
fn a_real_report_is_amds() {
    let bytes = milan_report();
    let report = Report::parse(&bytes).unwrap();
    let (vcek, chain) = milan();
    let findings = findings(&report, &vcek, chain);
    assert_eq!(bad(&findings), [""; 0], "{findings:#?}");
    assert_eq!(found(&findings, "Root"), "AMD's ARK-Milan");
    assert!(sev_takes(&bytes));
}

#[test]
fn the_crate_sev_reads_the_same() {
    let bytes = milan_report();
    let (ours, theirs) = (
        Report::parse(&bytes).unwrap(),
        AttestationReport::from_bytes(&bytes[..]).unwrap(),
    );
    assert_eq!(ours.version, theirs.version);
    assert_eq!(ours.guest_svn, theirs.guest_svn);
    assert_eq!(ours.policy, u64::from(theirs.policy));
    assert_eq!(ours.family_id, theirs.family_id);
    assert_eq!(ours.image_id, theirs.image_id);
    assert_eq!(ours.vmpl, theirs.vmpl);
    assert_eq!(ours.author_key_enabled, theirs.key_info.author_key_en());
    assert_eq!(*ours.measurement.as_bytes(), theirs.measurement);
    assert_eq!(*ours.host_data.as_bytes(), theirs.host_data);
    assert_eq!(*ours.id_key_digest.as_bytes(), theirs.id_key_digest);
    assert_eq!(*ours.author_key_digest.as_bytes(), theirs.author_key_digest);
    assert_eq!(ours.chip_id, theirs.chip_id);
    let tcb = theirs.reported_tcb;
    let [boot_loader, tee, .., snp, microcode] = ours.reported_tcb;
    assert_eq!(
        (boot_loader, tee, snp, microcode),
        (tcb.bootloader, tcb.tee, tcb.snp, tcb.microcode)
    );
}

#[test]
fn a_flipped_bit_under_the_signature_is_noticed_by_both() {
    let (vcek, chain) = milan();
    // REPORT_DATA, MEASUREMENT, REPORT_ID, CHIP_ID.
    for offset in [0x50, 0x90, 0x140, 0x1A0] {
        let mut bytes = milan_report();
        bytes[offset] ^= 1;
        let report = Report::parse(&bytes).unwrap();
        let findings = findings(&report, &vcek, chain.clone());
        assert!(bad(&findings).contains(&"Signature"), "{offset:#x}");
        assert!(!sev_takes(&bytes), "{offset:#x}");
    }
}

#[test]
fn the_roots_are_those_of_the_crate_sev() {
    for (name, ark) in [
        ("ARK-Milan", builtin::milan::ark()),
        ("ARK-Genoa", builtin::genoa::ark()),
        ("ARK-Turin", builtin::turin::ark()),
    ] {
        let der = ark.unwrap().to_der().unwrap();
        assert_eq!(Certificate::read_one(&der).unwrap().amd_root(), Some(name));
    }
}

#[test]
fn certificates_of_another_product_do_not_vouch() {
    let report = Report::parse(&milan_report()).unwrap();
    let (vcek, _) = milan();
    let turin = Certificate::read(&of_sev("cert_chain_turin")).unwrap();
    let findings = findings(&report, &vcek, Chain::new(turin).unwrap());
    assert_eq!(bad(&findings), ["Certificate of the key"]);
    let message = found(&findings, "Certificate of the key");
    assert!(
        message.contains("CN=SEV-Milan") && message.contains("CN=SEV-Turin"),
        "{message}"
    );
}

proptest::proptest! {
    #[test]
    fn damaged_reports_and_certificates_are_read_without_panic(
        changes in proptest::collection::vec((0_usize..1184, proptest::num::u8::ANY), 1..4),
    ) {
        static GOOD: LazyLock<(Vec<u8>, Vec<u8>)> =
            LazyLock::new(|| (milan_report(), of_sev("vcek_milan.der")));
        let (mut report, mut vcek) = GOOD.clone();
        for (offset, byte) in changes {
            report[offset] = byte;
            vcek[offset] = byte;
        }
        if let Ok(report) = Report::parse(&report)
            && let Ok(vcek) = Certificate::read_one(&vcek)
        {
            let _ = check(&report, &expected(&report, vcek, None));
        }
    }
}
