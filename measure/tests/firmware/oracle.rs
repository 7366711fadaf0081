//! The Python package `sev-snp-measure`, and what it and this crate make of the same guests.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use guestmark_measure::LaunchDigest;
use guestmark_measure::ovmf::{
    Firmware, KernelHashes, Machine, OvmfError, SnpGuest, SvsmGuest, VcpuCount, VcpuSignature,
    VcpuType, Vmm, sev_es_launch_digest, sev_launch_digest, snp_image_digest, snp_launch_digest,
    svsm_launch_digest,
};
use serde::Serialize;
use serde_json::Value;

/// How a guest is launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Mode {
    #[serde(rename = "sev")]
    Sev,
    #[serde(rename = "seves")]
    SevEs,
    #[serde(rename = "snp")]
    Snp,
    #[serde(rename = "snp:svsm")]
    Svsm,
    #[serde(rename = "snp:ovmf-hash")]
    Image,
}

/// A VMM, as the package calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum VmmName {
    #[serde(rename = "QEMU")]
    Qemu,
    #[serde(rename = "ec2")]
    Ec2,
    #[serde(rename = "gce")]
    Gce,
}

/// The model of a guest's processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Cpu {
    Type {
        vcpu_type: &'static str,
    },
    Signature {
        vcpu_sig: u32,
    },
    Parts {
        vcpu_family: u32,
        vcpu_model: u32,
        vcpu_stepping: u32,
    },
}

impl Cpu {
    fn signature(self) -> VcpuSignature {
        match self {
            Self::Type { vcpu_type } => vcpu_type.parse::<VcpuType>().unwrap().signature(),
            Self::Signature { vcpu_sig } => VcpuSignature::new(vcpu_sig),
            Self::Parts {
                vcpu_family,
                vcpu_model,
                vcpu_stepping,
            } => VcpuSignature::of(vcpu_family, vcpu_model, vcpu_stepping).unwrap(),
        }
    }
}

/// What is booted beside the firmware.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Boot {
    pub(crate) kernel: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) initrd: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) append: Option<&'static str>,
}

/// What an SVSM adds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Svsm {
    pub(crate) svsm: PathBuf,
    pub(crate) vars_size: u64,
}

/// A guest to measure.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Case {
    pub(crate) mode: Mode,
    pub(crate) ovmf: PathBuf,
    pub(crate) vcpus: u32,
    #[serde(flatten)]
    pub(crate) cpu: Cpu,
    pub(crate) vmm_type: VmmName,
    pub(crate) guest_features: u64,
    #[serde(flatten)]
    pub(crate) boot: Option<Boot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) snp_ovmf_hash: Option<LaunchDigest>,
    #[serde(flatten)]
    pub(crate) svsm: Option<Svsm>,
}

impl Case {
    /// A guest of QEMU with one processor and nothing beside the firmware.
    pub(crate) fn new(mode: Mode, ovmf: &Path) -> Self {
        Self {
            mode,
            ovmf: ovmf.to_owned(),
            vcpus: 1,
            cpu: Cpu::Type {
                vcpu_type: "EPYC-v4",
            },
            vmm_type: VmmName::Qemu,
            guest_features: 1,
            boot: None,
            snp_ovmf_hash: None,
            svsm: None,
        }
    }

    /// This crate's digest, in hexadecimal.
    pub(crate) fn digest(&self) -> Result<String, OvmfError> {
        let image = fs::read(&self.ovmf).unwrap();
        let firmware = Firmware::parse(&image)?;
        let signature = self.cpu.signature();
        let vcpus = VcpuCount::new(self.vcpus).unwrap();
        let vmm = match self.vmm_type {
            VmmName::Qemu => Vmm::Qemu { signature },
            VmmName::Ec2 => Vmm::Ec2,
            VmmName::Gce => Vmm::Gce,
        };
        let machine = Machine { vcpus, vmm };
        let kernel = self.boot.as_ref().map(|boot| {
            let initrd = boot.initrd.as_ref().map(|initrd| fs::read(initrd).unwrap());
            let kernel = fs::read(&boot.kernel).unwrap();
            let cmdline = boot.append.unwrap_or_default().as_bytes();
            KernelHashes::read(&kernel[..], &initrd.unwrap_or_default()[..], cmdline).unwrap()
        });
        Ok(match self.mode {
            Mode::Sev => sev_launch_digest(&firmware, kernel.as_ref())?.to_string(),
            Mode::SevEs => sev_es_launch_digest(&firmware, &machine, kernel.as_ref())?.to_string(),
            Mode::Image => snp_image_digest(&firmware).to_string(),
            Mode::Snp => {
                let guest = SnpGuest {
                    machine,
                    guest_features: self.guest_features,
                    kernel,
                    image_digest: self.snp_ovmf_hash,
                };
                snp_launch_digest(&firmware, &guest)?.to_string()
            }
            Mode::Svsm => {
                let svsm = self.svsm.as_ref().unwrap();
                let image = fs::read(&svsm.svsm).unwrap();
                let guest = SvsmGuest {
                    svsm: Firmware::parse(&image)?,
                    variables_size: svsm.vars_size,
                    vcpus,
                    signature,
                };
                svsm_launch_digest(&firmware, &guest)?.to_string()
            }
        })
    }
}

/// The package's answer to each case: a digest in hexadecimal, or an error.
pub(crate) fn ask<'c>(cases: impl IntoIterator<Item = &'c Case>) -> Vec<Result<String, String>> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let python = target.join("sev-snp-measure/bin/python");
    assert!(
        python.exists(),
        "this test needs the Python package sev-snp-measure in {}: run ./test, which installs it",
        python.display()
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/firmware/oracle.py");
    let mut process = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    let lines: Vec<String> = cases
        .into_iter()
        .map(|case| serde_json::to_string(case).unwrap() + "\n")
        .collect();
    let asked = lines.len();
    let writer = std::thread::spawn(move || stdin.write_all(lines.concat().as_bytes()));
    let output = process.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");

    let answers: Vec<_> = output
        .stdout
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| {
            let answer: Value = serde_json::from_slice(line).unwrap();
            match answer["digest"].as_str() {
                Some(digest) => Ok(digest.to_owned()),
                None => Err(answer["error"].as_str().unwrap().to_owned()),
            }
        })
        .collect();
    assert_eq!(answers.len(), asked);
    answers
}
