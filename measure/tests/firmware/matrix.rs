//! Guests of every kind: this crate's digest is that of the Python package.

use std::path::{Path, PathBuf};

use guestmark_measure::ovmf::VcpuType;
use tempfile::TempDir;

use crate::images::{Image, put};
use crate::oracle::{Boot, Case, Cpu, Mode, Svsm, VmmName, ask};

/// Debian's OVMF: it has SEV metadata, and checks no kernels.
const DEBIAN: &str = "/usr/share/ovmf/OVMF.fd";

/// Files for cases.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn image(&self, name: &str, image: &Image) -> PathBuf {
        self.write(name, &image.bytes())
    }

    /// Nothing; a kernel; a kernel with one or both of the others.
    fn boots(&self) -> Vec<Option<Boot>> {
        let kernel = self.write("kernel", &[0x5A; 70_001]);
        let initrd = self.write("initrd", &[0xA5; 4097]);
        let boot = |initrd: Option<&PathBuf>, append| {
            Some(Boot {
                kernel: kernel.clone(),
                initrd: initrd.cloned(),
                append,
            })
        };
        vec![
            None,
            boot(None, None),
            boot(Some(&initrd), None),
            boot(None, Some("console=ttyS0 quiet")),
            boot(Some(&initrd), Some("root=/dev/vda \u{fc}")),
        ]
    }
}

fn debian() -> &'static Path {
    let path = Path::new(DEBIAN);
    assert!(
        path.exists(),
        "this test needs {DEBIAN}; install the Debian package ovmf"
    );
    path
}

/// Holds that both give the same digest, or both none, in every case.
fn alike(cases: &[Case]) {
    let mut digests = 0;
    for (case, theirs) in cases.iter().zip(ask(cases)) {
        match (case.digest(), theirs) {
            (Ok(ours), Ok(theirs)) => {
                assert_eq!(ours, theirs, "{case:?}");
                digests += 1;
            }
            (Err(_), Err(_)) => {}
            (ours, theirs) => panic!("{case:?}: {ours:?} here, {theirs:?} there"),
        }
    }
    assert!(digests * 2 > cases.len(), "{digests} of {}", cases.len());
}

#[test]
fn every_mode_vmm_processor_count_and_kernel_over_images_of_every_kind() {
    let files = Files::new();
    let without_table = Image {
        hash_table: None,
        ..Image::without_hashes_section(0x3000)
    };
    let images = [
        files.image("4k", &Image::complete(0x1000)),
        files.image("64k", &Image::complete(0x1_0000)),
        files.image("no-section", &Image::without_hashes_section(0x2000)),
        files.image("no-table", &without_table),
    ];
    let mut cases = Vec::new();
    for ovmf in &images {
        for boot in files.boots() {
            for mode in [Mode::Sev, Mode::SevEs, Mode::Snp] {
                for vmm_type in [VmmName::Qemu, VmmName::Ec2, VmmName::Gce] {
                    for vcpus in [1, 2, 4, 64] {
                        for guest_features in [0x1, 0x21, u64::MAX] {
                            cases.push(Case {
                                vcpus,
                                vmm_type,
                                guest_features,
                                boot: boot.clone(),
                                ..Case::new(mode, ovmf)
                            });
                        }
                    }
                }
            }
        }
    }
    alike(&cases);
}

#[test]
fn every_processor_type_and_signature() {
    let files = Files::new();
    let ovmf = files.image("ovmf", &Image::complete(0x1000));
    let types = VcpuType::ALL.map(|known| Cpu::Type {
        vcpu_type: known.name(),
    });
    let signatures = [0, 0x0080_0F12, u32::MAX].map(|vcpu_sig| Cpu::Signature { vcpu_sig });
    let numbers = [1, 14, 15, 16, 23, 26, 270];
    let parts = numbers.into_iter().flat_map(|vcpu_family| {
        [0, 1, 15, 16, 49, 255].map(|vcpu_model| Cpu::Parts {
            vcpu_family,
            vcpu_model,
            vcpu_stepping: vcpu_model % 16,
        })
    });
    let cases: Vec<Case> = types
        .into_iter()
        .chain(signatures)
        .chain(parts)
        .flat_map(|cpu| [Mode::SevEs, Mode::Snp].map(|mode| (cpu, mode)))
        .map(|(cpu, mode)| Case {
            cpu,
            vcpus: 2,
            ..Case::new(mode, &ovmf)
        })
        .collect();
    alike(&cases);
}

#[test]
fn images_of_up_to_4_mib_and_debians() {
    let files = Files::new();
    let images = [
        files.image("1m", &Image::complete(1 << 20)),
        files.image("odd", &Image::complete((1 << 20) + 0x5000)),
        files.image("4m", &Image::complete(4 << 20)),
        debian().to_owned(),
    ];
    let mut cases = Vec::new();
    for ovmf in &images {
        for boot in [files.boots().swap_remove(4), None] {
            for vmm_type in [VmmName::Qemu, VmmName::Ec2, VmmName::Gce] {
                for mode in [Mode::Sev, Mode::SevEs, Mode::Snp] {
                    cases.push(Case {
                        vcpus: 4,
                        vmm_type,
                        boot: boot.clone(),
                        ..Case::new(mode, ovmf)
                    });
                }
            }
        }
    }
    alike(&cases);
}

#[test]
fn the_reset_address_decides_on_the_state_of_all_processors_but_the_first() {
    let files = Files::new();
    let mut cases = Vec::new();
    for address in [1, 0xFFFF, 0x0080_B004, 0xFFFF_FFF0, u32::MAX] {
        let image = Image {
            reset: Some(address),
            ..Image::complete(0x1000)
        };
        let ovmf = files.image(&address.to_string(), &image);
        for vmm_type in [VmmName::Qemu, VmmName::Ec2, VmmName::Gce] {
            for mode in [Mode::SevEs, Mode::Snp] {
                cases.push(Case {
                    vcpus: 2,
                    vmm_type,
                    ..Case::new(mode, &ovmf)
                });
            }
        }
    }
    alike(&cases);
}

#[test]
fn the_hash_of_an_image_stands_for_the_image() {
    let files = Files::new();
    let whole = files.image("whole", &Image::complete(0x1_0000));
    // The metadata alone, as somebody keeps them who has measured the image before.
    let end = files.image("end", &Image::complete(0x1000));
    let known = Case::new(Mode::Image, &whole).digest().unwrap();
    let cases: Vec<Case> = files
        .boots()
        .into_iter()
        .map(|boot| Case {
            boot,
            snp_ovmf_hash: Some(known.parse().unwrap()),
            ..Case::new(Mode::Snp, &end)
        })
        .chain([&whole, &end].map(|ovmf| Case::new(Mode::Image, ovmf)))
        .collect();
    alike(&cases);
    let measured = Case::new(Mode::Snp, &whole).digest();
    assert_eq!(cases[0].digest(), measured);
}

#[test]
fn guests_that_start_in_an_svsm() {
    let files = Files::new();
    let ovmf = files.image("ovmf", &Image::complete(0x1_0000));
    let plain = files.write("plain", &[0x90; 0x2000]);
    let svsm = files.image("svsm", &Image::svsm(0x8000));
    let no_svsm = files.image("no-svsm", &Image::complete(0x1000));
    let mut cases = Vec::new();
    for svsm in [&svsm, &no_svsm] {
        for ovmf in [&ovmf, &plain] {
            for vars_size in [0, 0x1000, 0x2_0000] {
                for vcpus in [1, 3] {
                    cases.push(Case {
                        vcpus,
                        svsm: Some(Svsm {
                            svsm: svsm.clone(),
                            vars_size,
                        }),
                        ..Case::new(Mode::Svsm, ovmf)
                    });
                }
            }
        }
    }
    // Half of the cases have an SVSM.
    cases.push(cases[0].clone());
    alike(&cases);
}

/// Firmware that the package gives a digest for all the same, one for each row of the table in
/// `docs/measuring-firmware.md`.
#[test]
fn agreed_differences_have_a_digest_there_and_none_here() {
    let files = Files::new();
    let complete = || Image::complete(0x2000);
    let section = |section| {
        let mut image = complete();
        image.sections.as_mut().unwrap()[0] = section;
        image.bytes()
    };
    let no_metadata = Image {
        sections: None,
        ..complete()
    };
    // The SVSM's entry gets the GUID of the reset block, which ends 50 bytes before the end.
    let with_svsm = Image {
        svsm_entry: Some(0),
        ..complete()
    };
    let mut twice = with_svsm.bytes();
    let reset_block = twice[0x2000 - 66..][..16].to_vec();
    put(&mut twice, 66 + 22, &reset_block);
    let elsewhere = Image {
        hash_table: Some([0x0080_0C00, 0x400]),
        ..complete()
    };
    let no_address = Image {
        reset: Some(0),
        ..complete()
    };
    let images = [
        no_metadata.bytes(),
        twice,
        section([0x0070_0000, 0x2000, 2]),
        section([0x0070_0000, 0x2000, 3]),
        section([0x0080_0000, 0xB000, 1]),
        elsewhere.bytes(),
        no_address.bytes(),
    ];
    let boot = files.boots().swap_remove(1);
    let cases = (0..).zip(images).map(|(number, image)| {
        let ovmf = files.write(&format!("ovmf-{number}"), &image);
        // Where a kernel plays no part there is none: without metadata the package wants none.
        Case {
            boot: boot.clone().filter(|_| number == 5),
            ..Case::new(Mode::Snp, &ovmf)
        }
    });
    let cases: Vec<Case> = cases.collect();
    let ours: Vec<String> = cases
        .iter()
        .map(|case| case.digest().unwrap_err().to_string())
        .collect();
    for (expected, ours) in [
        "the footer table has no SEV metadata",
        "offset 0x1fa2: the footer table has a second entry with GUID 00f771de",
        "offset 0x1c10: the section SNP_SECRETS has 0x2000 bytes",
        "offset 0x1c10: the section CPUID has 0x2000 bytes",
        "the sections SNP_SEC_MEM at 0x800000 and SNP_SEC_MEM at 0x80a000 overlap",
        "the section SNP_KERNEL_HASHES is at 0x810000, expected at 0x800000",
        "the SEV-ES reset block names no address",
    ]
    .into_iter()
    .zip(&ours)
    {
        assert!(ours.starts_with(expected), "{ours}");
    }
    for (case, theirs) in cases.iter().zip(ask(&cases)) {
        assert!(theirs.is_ok(), "{case:?}: {theirs:?}");
    }
}
