//! Certificates in the form of AMD's, made by OpenSSL, and a report signed under them.

use std::path::Path;
use std::process::Command;

use guestmark_measure::certificate::{Certificate, CertificateError};
use guestmark_measure::ecdsa::Signature;
use guestmark_measure::report::{Chain, Report};
use zerocopy::IntoBytes;

use crate::{bad, findings, found};

const SETUP: &str = r#"
set -e
pss="-sha384 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:48"
ca="basicConstraints=critical,CA:TRUE"
for name in ark ask; do
  openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:4096 -out $name.key
done
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out vcek.key
openssl req -x509 -new -key ark.key $pss -subj /CN=ARK-Test -addext $ca -out ark.pem
openssl req -new -key ask.key -subj /CN=SEV-Test -out ask.csr
echo $ca > ask.ext
openssl x509 -req -in ask.csr -CA ark.pem -CAkey ark.key -CAcreateserial $pss -extfile ask.ext \
  -out ask.pem
oid=1.3.6.1.4.1.3704.1
cat > vcek.ext <<END
$oid.3.1=DER:02:01:03
$oid.3.2=DER:02:01:00
$oid.3.3=DER:02:01:08
$oid.3.8=DER:02:02:00:d1
$oid.4=DER:$(printf 'ab%.0s' $(seq 64))
END
openssl req -new -key vcek.key -subj /CN=SEV-VCEK -out vcek.csr
openssl x509 -req -in vcek.csr -CA ask.pem -CAkey ask.key -CAcreateserial $pss \
  -extfile vcek.ext -out vcek.pem
openssl x509 -req -in vcek.csr -CA ask.pem -CAkey ask.key -CAcreateserial -sha384 \
  -extfile vcek.ext -out pkcs1.pem
openssl dgst -sha384 -sign vcek.key -out report.sig report.bin
"#;

/// A report of version 5 that a chip of the certificate's made, without its signature.
fn report() -> Vec<u8> {
    let mut report = vec![0; Report::SIZE];
    report[0] = 5;
    report[0x8..0x10].copy_from_slice(&0x3_001F_u64.to_le_bytes());
    report[0x34] = 1;
    report[0x90..0xC0].fill(0x11);
    report[0x180..0x188].copy_from_slice(&[3, 0, 0, 0, 0, 0, 8, 0xD1]);
    report[0x188..0x18B].copy_from_slice(&[0x19, 0x11, 1]);
    report[0x1A0..0x1E0].fill(0xAB);
    report[0x1F8..0x208].fill(0xFF);
    report
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap()
}

fn certificate(folder: &Path, name: &str) -> Certificate {
    Certificate::read_one(&read(folder, name)).unwrap()
}

#[test]
fn every_link_is_verified_and_a_root_that_is_not_amds_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut bytes = report();
    std::fs::write(path.join("report.bin"), &bytes[..0x2A0]).unwrap();
    let output = Command::new("bash")
        .args(["-c", SETUP])
        .current_dir(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let signature = Signature::from_detached(&read(path, "report.sig")).unwrap();
    bytes[0x2A0..].copy_from_slice(signature.to_bytes().as_bytes());
    let report = Report::parse(&bytes).unwrap();

    let (vcek, ask, ark) = (
        certificate(path, "vcek.pem"),
        certificate(path, "ask.pem"),
        certificate(path, "ark.pem"),
    );
    let chain = || Chain::new(vec![ark.clone(), ask.clone()]).unwrap();
    let good = findings(&report, &vcek, chain());
    assert_eq!(bad(&good), ["Root"], "{good:#?}");
    let root = format!("unknown, SHA-256 {}", ark.fingerprint());
    assert_eq!(found(&good, "Root"), root);
    assert_eq!(found(&good, "ASK"), "signed by CN=ARK-Test");

    // Signed by the right key in the wrong way.
    let pkcs1 = findings(&report, &certificate(path, "pkcs1.pem"), chain());
    assert_eq!(bad(&pkcs1), ["Certificate of the key", "Root"]);
    assert_eq!(
        found(&pkcs1, "Certificate of the key"),
        "signed with RSASSA-PKCS1-v1_5 with SHA-384, expected RSASSA-PSS with SHA-384"
    );

    let mut of_another_chip = report.clone();
    of_another_chip.chip_id[0] = 0;
    of_another_chip.reported_tcb[0] = 4;
    assert_eq!(
        bad(&findings(&of_another_chip, &vcek, chain())),
        ["REPORTED_TCB and certificate", "CHIP_ID", "Root"]
    );

    let not_a_report_key = findings(&report, &ask, chain());
    assert_eq!(
        found(&not_a_report_key, "Signature"),
        "the key is RSA, expected an ECDSA key on P-384 (curve 2)"
    );
    assert_eq!(
        Chain::new(vec![ask.clone(), vcek.clone()]),
        Err(CertificateError::NoRoot)
    );
    assert_eq!(
        Certificate::read_one(&[read(path, "ask.pem"), read(path, "ark.pem")].concat())
            .unwrap_err()
            .to_string(),
        "expected one certificate, found 2 certificates"
    );
}
