//! The launch digest of a guest that starts in firmware.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, bail};
use fs_err::File;
use guestmark_measure::LaunchDigest;
use guestmark_measure::ovmf::{
    self, KernelHashes, Machine, SnpGuest, SvsmGuest, VcpuCount, VcpuSignature, Vmm,
};
use serde::Serialize;

use crate::args::{Firmware, Measure, Mode, VmmType};
use crate::input;
use crate::output::{Outcome, Output, table, wrap};

/// Said beside the digest.
const NOTE: &str = "The digest is predicted from the published behaviour of the VMM; nothing was \
                    run on SEV hardware.";

/// A digest, and what it was made of.
#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    file: String,
    mode: &'static str,
    launch_digest: String,
    #[serde(flatten)]
    guest: Guest,
    note: &'static str,
}

/// What a guest is launched with beside its firmware, as far as the mode measures it.
#[derive(Debug, Default, Serialize)]
struct Guest {
    #[serde(skip_serializing_if = "Option::is_none")]
    vmm_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vcpus: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vcpu_signature: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guest_features: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel_hashes: Option<KernelHashes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_digest: Option<LaunchDigest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    svsm: Option<Svsm>,
}

#[derive(Debug, Serialize)]
struct Svsm {
    file: String,
    variables_size: u64,
}

/// Measures a guest that starts in the image at `path`.
pub(super) fn run(args: &Measure, path: &Path, output: &Output) -> anyhow::Result<Outcome> {
    refuse_what_changes_nothing(args)?;
    let bytes = input::bytes(path)?;
    let firmware = ovmf::Firmware::parse(&bytes).with_context(|| path.display().to_string())?;
    let (launch_digest, guest) = measure(args, path, &firmware)?;
    if args.bare {
        output.write(format!("{launch_digest}\n").as_bytes())?;
        return Ok(Outcome::Good);
    }
    let report = Report {
        schema: "guestmark/measure-firmware/1",
        file: path.display().to_string(),
        mode: args.firmware.mode.name(),
        launch_digest,
        guest,
        note: NOTE,
    };
    output.print(&report, text)?;
    Ok(Outcome::Good)
}

/// The digest in hexadecimal, and what it was made of.
fn measure(
    args: &Measure,
    path: &Path,
    firmware: &ovmf::Firmware<'_>,
) -> anyhow::Result<(String, Guest)> {
    let options = &args.firmware;
    let mut guest = Guest {
        kernel_hashes: kernel(options)?,
        ..Guest::default()
    };
    let kernel = guest.kernel_hashes;
    let digest = match options.mode {
        Mode::Sev => ovmf::sev_launch_digest(firmware, kernel.as_ref()).map(|d| d.to_string()),
        Mode::Image => Ok(ovmf::snp_image_digest(firmware).to_string()),
        Mode::SevEs => {
            let machine = machine(args, &mut guest)?;
            ovmf::sev_es_launch_digest(firmware, &machine, kernel.as_ref()).map(|d| d.to_string())
        }
        Mode::Snp => {
            let snp = SnpGuest {
                machine: machine(args, &mut guest)?,
                guest_features: options.guest_features.unwrap_or(1),
                kernel,
                image_digest: options.snp_ovmf_hash,
            };
            guest.guest_features = Some(format!("{:#x}", snp.guest_features));
            guest.image_digest = snp.image_digest;
            ovmf::snp_launch_digest(firmware, &snp).map(|d| d.to_string())
        }
        Mode::Svsm => return svsm(args, path, firmware, guest),
    };
    Ok((digest.with_context(|| path.display().to_string())?, guest))
}

fn svsm(
    args: &Measure,
    path: &Path,
    firmware: &ovmf::Firmware<'_>,
    mut guest: Guest,
) -> anyhow::Result<(String, Guest)> {
    let options = &args.firmware;
    let variables_size = match &options.vars_file {
        Some(file) => Some(fs_err::metadata(file)?.len()),
        None => options.vars_size,
    };
    let (Some(file), Some(variables_size)) = (&options.svsm, variables_size) else {
        bail!("--mode snp:svsm needs --svsm FILE, and --vars-size BYTES or --vars-file FILE");
    };
    let Machine { vcpus, vmm } = machine(args, &mut guest)?;
    let Vmm::Qemu { signature } = vmm else {
        bail!("--mode snp:svsm is known for --vmm-type qemu only");
    };
    let name = file.display().to_string();
    let bytes = input::bytes(file)?;
    let launched = SvsmGuest {
        svsm: ovmf::Firmware::parse(&bytes).context(name.clone())?,
        variables_size,
        vcpus,
        signature,
    };
    let digest = ovmf::svsm_launch_digest(firmware, &launched)
        .with_context(|| format!("{name} below {}", path.display()))?;
    guest.svsm = Some(Svsm {
        file: name,
        variables_size,
    });
    Ok((digest.to_string(), guest))
}

/// An option that the digest does not depend on is a mistake, and is never dropped silently.
fn refuse_what_changes_nothing(args: &Measure) -> anyhow::Result<()> {
    if args.loader.is_some() {
        bail!("--loader changes no digest with --ovmf: leave it out");
    }
    let options = &args.firmware;
    let mode = options.mode;
    let has_vcpus = matches!(mode, Mode::Snp | Mode::SevEs | Mode::Svsm);
    let has_kernel = matches!(mode, Mode::Snp | Mode::SevEs | Mode::Sev);
    let is_snp = mode == Mode::Snp;
    let signature = [
        ("--vcpu-type", options.vcpu_type.is_some()),
        ("--vcpu-sig", options.vcpu_sig.is_some()),
        ("--vcpu-family", options.vcpu_family.is_some()),
    ];
    let others = [
        ("--vcpus", args.vcpus.is_some(), has_vcpus),
        ("--vmm-type", options.vmm_type.is_some(), has_vcpus),
        ("--kernel", options.kernel.is_some(), has_kernel),
        ("--guest-features", options.guest_features.is_some(), is_snp),
        ("--snp-ovmf-hash", options.snp_ovmf_hash.is_some(), is_snp),
        ("--svsm", options.svsm.is_some(), mode == Mode::Svsm),
    ];
    let by_mode = signature.map(|(option, given)| (option, given, has_vcpus));
    for (option, given, matters) in by_mode.into_iter().chain(others) {
        if given && !matters {
            let mode = mode.name();
            bail!("{option} changes no digest with --mode {mode}: leave it out");
        }
    }
    let given = signature.into_iter().find(|(_, given)| *given);
    if let (Some((option, _)), Some(vmm @ (VmmType::Ec2 | VmmType::Gce))) =
        (given, options.vmm_type)
    {
        let vmm = vmm.name();
        bail!("{option} changes no digest with --vmm-type {vmm}: leave it out");
    }
    Ok(())
}

fn kernel(options: &Firmware) -> anyhow::Result<Option<KernelHashes>> {
    let Some(kernel) = &options.kernel else {
        return Ok(None);
    };
    let kernel = File::open(kernel)?;
    let cmdline = options.append.as_deref().unwrap_or_default().as_bytes();
    let hashes = match &options.initrd {
        Some(initrd) => KernelHashes::read(kernel, File::open(initrd)?, cmdline)?,
        None => KernelHashes::read(kernel, std::io::empty(), cmdline)?,
    };
    Ok(Some(hashes))
}

/// The VMM and its vCPUs, which `guest` then tells of.
fn machine(args: &Measure, guest: &mut Guest) -> anyhow::Result<Machine> {
    let options = &args.firmware;
    let mode = options.mode.name();
    let count = args.vcpus.with_context(|| {
        format!("--mode {mode} needs --vcpus N: the state of every vCPU is measured")
    })?;
    let vcpus = VcpuCount::new(count).with_context(|| format!("--vcpus {count}"))?;
    let vmm_type = options.vmm_type.unwrap_or(VmmType::Qemu);
    let vmm = match vmm_type {
        VmmType::Ec2 => Vmm::Ec2,
        VmmType::Gce => Vmm::Gce,
        VmmType::Qemu => {
            let signature = signature(options)?;
            guest.vcpu_signature = Some(signature.to_string());
            Vmm::Qemu { signature }
        }
    };
    guest.vmm_type = Some(vmm_type.name());
    guest.vcpus = Some(vcpus.get());
    Ok(Machine { vcpus, vmm })
}

fn signature(options: &Firmware) -> anyhow::Result<VcpuSignature> {
    let numbers = (
        options.vcpu_family,
        options.vcpu_model,
        options.vcpu_stepping,
    );
    Ok(match (options.vcpu_type, options.vcpu_sig, numbers) {
        (Some(known), ..) => known.signature(),
        (_, Some(value), _) => VcpuSignature::new(value),
        (_, _, (Some(family), Some(model), Some(stepping))) => {
            VcpuSignature::of(family, model, stepping).context("--vcpu-family")?
        }
        _ => bail!(
            "--vmm-type qemu needs --vcpu-type TYPE, --vcpu-sig VALUE or --vcpu-family N: vCPUs \
             start with their signature in RDX, which is measured"
        ),
    })
}

fn text(report: &Report) -> String {
    let guest = &report.guest;
    let hash = |choose: fn(&KernelHashes) -> String| guest.kernel_hashes.as_ref().map(choose);
    let rows = [
        ("VMM", guest.vmm_type.map(str::to_owned)),
        ("vCPUs", guest.vcpus.map(|count| count.to_string())),
        ("vCPU signature", guest.vcpu_signature.clone()),
        ("Guest features", guest.guest_features.clone()),
        ("Kernel SHA-256", hash(|hashes| hashes.kernel.to_string())),
        ("Initrd SHA-256", hash(|hashes| hashes.initrd.to_string())),
        (
            "Command line SHA-256",
            hash(|hashes| hashes.cmdline.to_string()),
        ),
        ("SVSM", guest.svsm.as_ref().map(|svsm| svsm.file.clone())),
    ];
    let rows = rows
        .into_iter()
        .filter_map(|(name, value)| Some([name.to_owned(), value?]));
    let mut text = format!(
        "Launch digest of {} (mode {})\n\n  {}\n\n",
        report.file, report.mode, report.launch_digest
    );
    if report.guest.vcpus.is_some() || report.guest.kernel_hashes.is_some() {
        text.push_str(&table(["", ""], rows));
        text.push('\n');
    }
    text.push_str(&wrap("", report.note));
    text
}
