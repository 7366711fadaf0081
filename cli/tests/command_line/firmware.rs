//! `measure --ovmf`: the digests of the program `sev-snp-measure`, and requests that are wrong.

use std::path::Path;
use std::process::Command;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::images::Image;
use crate::schema::conforms;
use crate::{json, misused, refused, stdout};

/// Debian's OVMF, of the package ovmf.
const DEBIAN: &str = "/usr/share/ovmf/OVMF.fd";

/// A guest that both programs understand, but for the firmware and what it boots.
const ONE_VCPU: [&str; 4] = ["--vcpus", "1", "--vcpu-type", "EPYC-v4"];

/// A folder with firmware, an SVSM, a kernel and an initrd.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs_err::write(folder.path().join(name), bytes).unwrap();
    write("OVMF.fd", &Image::complete(0x8000).bytes());
    write("svsm.bin", &Image::svsm(0x4000).bytes());
    write("vars.fd", &[0xFF; 0x2000]);
    write("kernel", b"a kernel");
    write("initrd", b"an initrd");
    folder
}

/// Standard output of the program `sev-snp-measure`.
fn sev_snp_measure(folder: &Path, arguments: &[&str]) -> String {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let program = target.join("sev-snp-measure/bin/sev-snp-measure");
    assert!(
        program.exists(),
        "this test needs {}: run ./test, which installs it",
        program.display()
    );
    let output = Command::new(program)
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn command_lines_of_sev_snp_measure_give_its_digests() {
    let folder = folder();
    let path = folder.path();
    assert!(
        Path::new(DEBIAN).exists(),
        "this test needs {DEBIAN}; install the Debian package ovmf"
    );
    let image = stdout(
        path,
        &[
            "measure",
            "--bare",
            "--mode",
            "snp:ovmf-hash",
            "--ovmf",
            "OVMF.fd",
        ],
    );
    let boot = "--kernel kernel --initrd initrd --append root=/dev/vda";
    for arguments in [
        "--mode snp --ovmf DEBIAN --vcpus 4 --vcpu-type EPYC-Milan",
        "--mode snp --ovmf OVMF.fd --vcpus 2 --vcpu-type EPYC-v4 BOOT",
        "--mode snp --ovmf OVMF.fd --vcpus 2 --vcpu-sig 0x800f12 --guest-features 0x21",
        "--mode snp --ovmf OVMF.fd --vcpus 1 --vcpu-sig 8392466 --kernel kernel",
        "--mode snp --ovmf OVMF.fd --vcpus 1 --vcpu-type EPYC --snp-ovmf-hash IMAGE BOOT",
        "--mode snp --ovmf OVMF.fd --vcpus 3 --vmm-type ec2 BOOT",
        "--mode snp --ovmf OVMF.fd --vcpus 3 --vmm-type gce",
        "--mode seves --ovmf DEBIAN --vcpus 2 --vcpu-type EPYC-Genoa --vmm-type QEMU",
        "--mode seves --ovmf OVMF.fd --vcpus 2 \
         --vcpu-family 25 --vcpu-model 17 --vcpu-stepping 1 BOOT",
        "--mode sev --ovmf DEBIAN",
        "--mode sev --ovmf OVMF.fd BOOT",
        "--mode snp:ovmf-hash --ovmf DEBIAN",
        "--mode snp:svsm --ovmf DEBIAN --svsm svsm.bin --vars-file vars.fd \
         --vcpus 2 --vcpu-type EPYC-v4",
        "--mode snp:svsm --ovmf OVMF.fd --svsm svsm.bin --vars-size 540672 \
         --vcpus 2 --vcpu-type EPYC-v4",
    ] {
        let filled = arguments
            .replace("DEBIAN", DEBIAN)
            .replace("BOOT", boot)
            .replace("IMAGE", image.trim_end());
        let arguments: Vec<&str> = filled.split_whitespace().collect();
        let ours = stdout(path, &[&["measure", "--bare"], &arguments[..]].concat());
        assert_eq!(ours, sev_snp_measure(path, &arguments), "{arguments:?}");
    }
}

#[test]
fn json_tells_what_the_digest_depends_on() {
    let folder = folder();
    let path = folder.path();
    let measure = |arguments: &[&str]| {
        let document = json(
            path,
            &[&["measure", "--ovmf", "OVMF.fd"], arguments].concat(),
        );
        conforms(&document, "measure-firmware");
        document
    };
    let boot = ["--kernel", "kernel", "--append", "quiet"];
    let snp = measure(&[&ONE_VCPU[..], &boot].concat());
    assert_eq!(snp["mode"], "snp");
    assert_eq!(snp["vmm_type"], "qemu");
    assert_eq!(snp["vcpus"], 1);
    assert_eq!(snp["vcpu_signature"], "0x800f12");
    assert_eq!(snp["guest_features"], "0x1");
    assert_eq!(
        snp["kernel_hashes"]["cmdline"],
        hex::encode(Sha256::digest(b"quiet\0"))
    );

    let sev = measure(&["--mode", "sev"]);
    assert_eq!(sev["launch_digest"].as_str().unwrap().len(), 64);
    assert_eq!(sev.get("vcpus"), None);
    measure(&["--mode", "snp:ovmf-hash"]);
    let svsm = [
        "--mode",
        "snp:svsm",
        "--svsm",
        "svsm.bin",
        "--vars-file",
        "vars.fd",
    ];
    let svsm = measure(&[&ONE_VCPU[..], &svsm].concat());
    assert_eq!(svsm["svsm"]["variables_size"], 0x2000);
    let ec2 = measure(&[
        "--vcpus",
        "2",
        "--vmm-type",
        "ec2",
        "--snp-ovmf-hash",
        &"0".repeat(96),
    ]);
    assert_eq!(ec2.get("vcpu_signature"), None);
    assert_eq!(ec2["image_digest"], "0".repeat(96));
}

#[test]
fn the_table_shows_the_digest_and_what_it_depends_on() {
    let folder = folder();
    let path = folder.path();
    let asked = [&["measure", "--ovmf", "OVMF.fd"], &ONE_VCPU[..]].concat();
    let digest = stdout(path, &[&asked[..], &["--bare"]].concat());
    assert_eq!(
        stdout(path, &asked),
        format!(
            "Launch digest of OVMF.fd (mode snp)\n\
             \n  {digest}\n\
             VMM             qemu\n\
             vCPUs           1\n\
             vCPU signature  0x800f12\n\
             Guest features  0x1\n\
             \nThe digest is predicted from the published behaviour of the VMM; nothing was run\n\
             on SEV hardware.\n"
        )
    );
}

#[test]
fn firmware_that_leads_to_no_digest_is_refused() {
    let folder = folder();
    let path = folder.path();
    let write = |name: &str, bytes: &[u8]| fs_err::write(path.join(name), bytes).unwrap();
    let measure = |file: &str, message: &str| {
        let asked = [&["measure", "--ovmf", file], &ONE_VCPU[..]].concat();
        refused(path, &asked, message);
    };
    write("cut.fd", &Image::complete(0x2000).bytes()[..0x1800]);
    measure(
        "cut.fd",
        "cut.fd: expected whole pages of 4096 bytes, found 6144 bytes: give the firmware image \
         that the VMM loads",
    );
    let plain = Image {
        sections: None,
        ..Image::complete(0x2000)
    };
    write("plain.fd", &plain.bytes());
    measure(
        "plain.fd",
        "plain.fd: the footer table has no SEV metadata (GUID \
         dc886566-984a-4798-a75e-5585a7bf67cc): give firmware built for SEV-SNP",
    );
    measure(
        "vars.fd",
        "vars.fd: offset 0x1fce: expected the footer table (GUID \
         96b582de-1fb2-45f7-baea-a366c55a082d): give an OVMF image, and of one in two files the \
         one with the code",
    );
    measure(
        "missing.fd",
        "failed to open file `missing.fd`: No such file or directory (os error 2)",
    );
    write(
        "unchecked.fd",
        &Image::without_hashes_section(0x2000).bytes(),
    );
    let asked = ["measure", "--ovmf", "unchecked.fd", "--kernel", "kernel"];
    refused(
        path,
        &[&asked[..], &ONE_VCPU].concat(),
        "unchecked.fd: the SEV metadata have no section SNP_KERNEL_HASHES (type 0x10): the kernel \
         would not be measured; give firmware that checks kernels, such as OVMF of platform \
         AmdSevX64, or leave the kernel out",
    );
    let asked = [
        "--mode",
        "snp:svsm",
        "--svsm",
        "OVMF.fd",
        "--vars-size",
        "0",
    ];
    refused(
        path,
        &[&["measure", "--ovmf", "OVMF.fd"], &asked[..], &ONE_VCPU].concat(),
        "OVMF.fd below OVMF.fd: the footer table has no SVSM information (GUID \
         a789a612-0597-4c4b-a49f-cbb1fe9d1ddd): give an SVSM built for QEMU",
    );
}

#[test]
fn requests_that_miss_something_are_refused() {
    let folder = folder();
    let path = folder.path();
    let measure = |arguments: &str, message: &str| {
        let asked: Vec<&str> = arguments.split_whitespace().collect();
        refused(
            path,
            &[&["measure", "--ovmf", "OVMF.fd"], &asked[..]].concat(),
            message,
        );
    };
    measure(
        "--vcpu-type EPYC",
        "--mode snp needs --vcpus N: the state of every vCPU is measured",
    );
    measure(
        "--vcpus 0 --vcpu-type EPYC",
        "--vcpus 0: the number of vCPUs is 0, expected 1 to 4096",
    );
    measure(
        "--vcpus 2",
        "--vmm-type qemu needs --vcpu-type TYPE, --vcpu-sig VALUE or --vcpu-family N: vCPUs start \
         with their signature in RDX, which is measured",
    );
    measure(
        "--vcpus 2 --vcpu-family 25 --vcpu-model 256 --vcpu-stepping 0",
        "--vcpu-family: the model is 256, expected at most 255",
    );
    measure(
        "--vcpus 2 --vcpu-type EPYC --mode snp:svsm",
        "--mode snp:svsm needs --svsm FILE, and --vars-size BYTES or --vars-file FILE",
    );
    measure(
        "--vcpus 2 --vmm-type gce --mode snp:svsm --svsm svsm.bin --vars-size 0",
        "--mode snp:svsm is known for --vmm-type qemu only",
    );
    measure(
        "--vcpus 2 --vcpu-type EPYC --kernel missing",
        "failed to open file `missing`: No such file or directory (os error 2)",
    );
}

#[test]
fn options_that_change_no_digest_are_refused() {
    let folder = folder();
    for (arguments, option, because) in [
        ("--mode sev --vcpus 1", "--vcpus", "--mode sev"),
        ("--mode sev --vmm-type ec2", "--vmm-type", "--mode sev"),
        ("--mode sev --vcpu-type EPYC", "--vcpu-type", "--mode sev"),
        (
            "--mode sev-es --guest-features 0x21",
            "--guest-features",
            "--mode sev-es",
        ),
        (
            "--mode snp:svsm --kernel kernel",
            "--kernel",
            "--mode snp:svsm",
        ),
        (
            "--mode snp:ovmf-hash --vcpu-sig 1",
            "--vcpu-sig",
            "--mode snp:ovmf-hash",
        ),
        ("--svsm svsm.bin", "--svsm", "--mode snp"),
        ("--loader spec", "--loader", "--ovmf"),
        (
            "--vcpus 1 --vmm-type ec2 --vcpu-type EPYC",
            "--vcpu-type",
            "--vmm-type ec2",
        ),
    ] {
        let asked: Vec<&str> = arguments.split_whitespace().collect();
        refused(
            folder.path(),
            &[&["measure", "--ovmf", "OVMF.fd"], &asked[..]].concat(),
            &format!("{option} changes no digest with {because}: leave it out"),
        );
    }
    let hash = ["--mode", "sev", "--snp-ovmf-hash", &"0".repeat(96)];
    refused(
        folder.path(),
        &[&["measure", "--ovmf", "OVMF.fd"], &hash[..]].concat(),
        "--snp-ovmf-hash changes no digest with --mode sev: leave it out",
    );
}

#[test]
fn an_igvm_file_and_firmware_are_two_requests() {
    refused(
        Path::new("."),
        &["measure", "guest.igvm", "--ovmf", "OVMF.fd"],
        "give an IGVM file or --ovmf FILE, one of them",
    );
}

#[test]
fn arguments_that_contradict_each_other_are_misuse() {
    let folder = folder();
    let measure = |arguments: &str, message: &str| {
        let asked: Vec<&str> = arguments.split_whitespace().collect();
        misused(folder.path(), &[&["measure"], &asked[..]].concat(), message);
    };
    let missing =
        |option: &str| format!("the following required arguments were not provided:\n  {option}");
    measure("", &missing("<FILE>"));
    for option in ["--vcpu-type EPYC", "--mode snp", "--kernel kernel"] {
        let asked = format!("guest.igvm --loader spec {option}");
        measure(&asked, &missing("--ovmf <FILE>"));
    }
    measure(
        "--ovmf OVMF.fd --initrd initrd",
        &missing("--kernel <FILE>"),
    );
    measure("--ovmf OVMF.fd --append quiet", &missing("--kernel <FILE>"));
    measure("--ovmf OVMF.fd --vars-size 0", &missing("--svsm <FILE>"));
    measure(
        "--ovmf OVMF.fd --vcpu-family 25",
        &missing("--vcpu-model <N>\n  --vcpu-stepping <N>"),
    );
    measure(
        "--ovmf OVMF.fd --vcpu-type EPYC --vcpu-sig 1",
        "the argument '--vcpu-type <TYPE>' cannot be used with '--vcpu-sig <VALUE>'",
    );
    measure(
        "--ovmf OVMF.fd --vcpu-type Xeon",
        "invalid value 'Xeon' for '--vcpu-type <TYPE>': no vCPU type is called \"Xeon\", expected \
         one of: EPYC, EPYC-v1, EPYC-v2, EPYC-IBPB, EPYC-v3, EPYC-v4, EPYC-Rome, EPYC-Rome-v1, \
         EPYC-Rome-v2, EPYC-Rome-v3, EPYC-Milan, EPYC-Milan-v1, EPYC-Milan-v2, EPYC-Genoa, \
         EPYC-Genoa-v1, EPYC-Turin; or give its signature",
    );
    measure(
        "--ovmf OVMF.fd --vcpu-sig 0x100000000",
        "invalid value '0x100000000' for '--vcpu-sig <VALUE>': expected at most 0xffffffff",
    );
    measure(
        "--ovmf OVMF.fd --snp-ovmf-hash 00",
        "invalid value '00' for '--snp-ovmf-hash <HEX>': expected 96 lower-case hexadecimal \
         digits, found \"00\"",
    );
    measure(
        "--ovmf OVMF.fd --vmm-type xen",
        "invalid value 'xen' for '--vmm-type <VMM_TYPE>'\n  [possible values: qemu, ec2, gce]",
    );
}
