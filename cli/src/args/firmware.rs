//! Options of `measure` for a guest that starts in firmware.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use guestmark_measure::LaunchDigest;
use guestmark_measure::ovmf::VcpuType;

use super::parse_u64;

/// A guest that starts in firmware.
#[derive(Debug, Args)]
#[command(next_help_heading = "Firmware boot")]
pub(crate) struct Firmware {
    /// Measure a guest that starts in this firmware image (OVMF), not in an IGVM file
    // No conflict is declared with the IGVM file: it would lift what requires this option.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ovmf: Option<PathBuf>,
    /// How the guest is protected
    #[arg(long, value_enum, default_value_t = Mode::Snp, requires = "ovmf")]
    pub(crate) mode: Mode,
    /// The kernel that the VMM hands to the firmware
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "ovmf")]
    pub(crate) kernel: Option<PathBuf>,
    /// The initrd, with --kernel
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "kernel")]
    pub(crate) initrd: Option<PathBuf>,
    /// The kernel command line, with --kernel
    #[arg(
        long,
        value_name = "TEXT",
        requires = "kernel",
        allow_hyphen_values = true
    )]
    pub(crate) append: Option<OsString>,
    /// The VMM [default: qemu]
    #[arg(long, value_enum, ignore_case = true, requires = "ovmf")]
    pub(crate) vmm_type: Option<VmmType>,
    /// Model of the vCPUs as QEMU calls it, for example EPYC-v4
    #[arg(long, value_name = "TYPE", group = "signature", requires = "ovmf")]
    pub(crate) vcpu_type: Option<VcpuType>,
    /// Signature of the vCPUs (CPUID function 1, EAX) instead of a type
    #[arg(long, value_name = "VALUE", value_parser = parse_u32, group = "signature")]
    #[arg(requires = "ovmf")]
    pub(crate) vcpu_sig: Option<u32>,
    /// Family of the vCPUs instead of a type, with model and stepping
    #[arg(long, value_name = "N", group = "signature")]
    #[arg(requires_all = ["ovmf", "vcpu_model", "vcpu_stepping"])]
    pub(crate) vcpu_family: Option<u32>,
    /// Model of the vCPUs, with --vcpu-family
    #[arg(long, value_name = "N", requires = "vcpu_family")]
    pub(crate) vcpu_model: Option<u32>,
    /// Stepping of the vCPUs, with --vcpu-family
    #[arg(long, value_name = "N", requires = "vcpu_family")]
    pub(crate) vcpu_stepping: Option<u32>,
    /// SEV_FEATURES of the vCPUs [default: 0x1]
    #[arg(long, value_name = "BITS", value_parser = parse_u64, requires = "ovmf")]
    pub(crate) guest_features: Option<u64>,
    /// Digest of the image by `snp:ovmf-hash`: of --ovmf, only the metadata are read
    #[arg(long, value_name = "HEX", requires = "ovmf")]
    pub(crate) snp_ovmf_hash: Option<LaunchDigest>,
    /// The SVSM, for `snp:svsm`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "ovmf")]
    pub(crate) svsm: Option<PathBuf>,
    /// Bytes of the store of variables, for `snp:svsm`
    #[arg(long, value_name = "BYTES", value_parser = parse_u64, requires = "svsm")]
    pub(crate) vars_size: Option<u64>,
    /// The store of variables (OVMF_VARS) instead of its size
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(requires = "svsm", conflicts_with = "vars_size")]
    pub(crate) vars_file: Option<PathBuf>,
}

/// How a guest is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// SEV-SNP
    Snp,
    /// SEV-ES
    #[value(alias = "seves")]
    SevEs,
    /// SEV
    Sev,
    /// SEV-SNP, starting in an SVSM
    #[value(name = "snp:svsm")]
    Svsm,
    /// The image alone, for --snp-ovmf-hash
    #[value(name = "snp:ovmf-hash")]
    Image,
}

impl Mode {
    /// The mode's word on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Snp => "snp",
            Self::SevEs => "sev-es",
            Self::Sev => "sev",
            Self::Svsm => "snp:svsm",
            Self::Image => "snp:ovmf-hash",
        }
    }
}

/// A VMM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VmmType {
    /// QEMU on KVM
    Qemu,
    /// Amazon EC2
    Ec2,
    /// Google Compute Engine
    Gce,
}

impl VmmType {
    /// The VMM's word on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Qemu => "qemu",
            Self::Ec2 => "ec2",
            Self::Gce => "gce",
        }
    }
}

fn parse_u32(text: &str) -> Result<u32, String> {
    let number = parse_u64(text)?;
    u32::try_from(number).map_err(|_| "expected at most 0xffffffff".to_owned())
}
