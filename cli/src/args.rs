//! The command line, as data. What a command does stands in `commands`.

mod audit;
mod diff;
mod endorsement;
mod firmware;
mod id_block;
mod report;
mod sign;
mod verify;
mod verify_release;

pub(crate) use audit::Audit;
pub(crate) use diff::Diff;
pub(crate) use endorsement::VerifyEndorsement;
pub(crate) use firmware::{Firmware, Mode, VmmType};
pub(crate) use id_block::{
    IdBlock, IdBlockAttach, IdBlockCommand, IdBlockKey, IdBlockLoader, IdBlockNew, IdBlockStrip,
};
pub(crate) use report::ReportArgs;
pub(crate) use sign::{EndorsementArgs, MinisignArgs, RoleArg, Sign, SignerArgs};
pub(crate) use verify::{Verify, VerifyCommand};
pub(crate) use verify_release::VerifyRelease;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use guestmark_builder::archive::NamedMirror;
use guestmark_builder::recipe::{Layout, Memory};
use guestmark_builder::verity::Salt;
use guestmark_measure::{Gpa, Loader};
use jiff::Timestamp;

const EXIT_CODES: &str = "\
Exit status: 0 done, or the verdict is good; 1 the verdict is bad; 2 the request
or an input is wrong.";

/// Build confidential guests reproducibly, and predict the launch digest that SEV-SNP reports.
#[derive(Debug, Parser)]
#[command(name = "guestmark", version, after_help = EXIT_CODES, max_term_width = 80)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: Global,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Print one JSON document on standard output instead of tables
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// No progress and no notes on standard error; errors still appear
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Resolve and pin every input of a recipe
    Lock(Lock),
    /// Build a locked recipe: disk image, IGVM files, digests
    Build(Build),
    /// Make an IGVM file from a kernel, a command line and an initrd
    Assemble(Assemble),
    /// Make an EROFS image from a folder or a tar archive
    Pack(Pack),
    /// Make a dm-verity hash tree and print its root hash
    Verity(Verity),
    /// Predict the launch digest of an IGVM file or of a firmware boot
    Measure(Box<Measure>),
    /// Make, attach and strip the signed ID block of an IGVM file
    Idblock(IdBlock),
    /// Turn a build into a signed release
    Sign(Box<Sign>),
    /// Check what is published, offline
    Verify(Verify),
    /// Show what an artifact holds
    Inspect(Inspect),
    /// Rebuild a release and say whether it is what its recipe gives
    Audit(Audit),
    /// Explain why a launch digest differs
    Diff(Diff),
    /// Boot a build in QEMU until its agent answers
    Boot(Boot),
    /// Print a completion script for a shell
    Completions(Completions),
    /// Write the manual pages into a folder
    Man(Man),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  guestmark lock recipes/debian-12
  guestmark lock recipes/debian-12 --update
  guestmark lock recipes/debian-12 --mirror debian=https://snapshot.example/20260711
  guestmark lock my-rpm-recipe --snapshot 2026-05-01T00:00:00Z")]
pub(crate) struct Lock {
    /// Folder of the recipe
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) recipe: PathBuf,
    /// Take the newest versions on offer instead of keeping the locked ones
    #[arg(long)]
    pub(crate) update: bool,
    /// Take the newest versions that RPM repositories had at TIME
    #[arg(long, value_name = "TIME", conflicts_with = "update")]
    pub(crate) snapshot: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) mirrors: MirrorArgs,
}

/// Where an archive is fetched from.
#[derive(Debug, Args)]
pub(crate) struct MirrorArgs {
    /// Fetch archive NAME of the recipe from URL; can be repeated
    #[arg(long = "mirror", value_name = "NAME=URL")]
    pub(crate) mirrors: Vec<NamedMirror>,
}

/// Where locked files are kept.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// Keep downloaded files here instead of under the user's cache folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) store: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  guestmark build recipes/debian-12
  guestmark build recipes/debian-12 -o /srv/guests/debian-12 --offline
  guestmark build recipes/debian-12 --json | jq -r .verity.root_hash")]
pub(crate) struct Build {
    /// Folder of the recipe
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) recipe: PathBuf,
    /// Put the artifacts here instead of in ./NAME of the recipe
    #[arg(long, short, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Use nothing but the store: no network
    #[arg(long)]
    pub(crate) offline: bool,
    #[command(flatten)]
    pub(crate) mirrors: MirrorArgs,
}

#[derive(Debug, Args)]
#[command(
    override_usage = "guestmark assemble --kernel <FILE> --cmdline-file <FILE>\n                          \
                      --layout <LAYOUT> --output <FILE> [OPTIONS]"
)]
#[command(after_help = "\
Examples:
  guestmark assemble --layout aks --kernel bzImage --cmdline-file cmdline \\
      --acpi 0xe0000=rsdp.bin --acpi 0x100000=xsdt.bin \\
      --acpi 0x101000=tables.bin -o guest.igvm
  guestmark assemble --layout linux --kernel vmlinuz --cmdline-file cmdline \\
      --initrd initrd.cpio.zst --memory '512 MiB' -o guest.igvm")]
pub(crate) struct Assemble {
    /// The kernel, a bzImage
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) kernel: PathBuf,
    /// The kernel command line, byte for byte: a final newline is part of it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) cmdline_file: PathBuf,
    /// The initrd
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) initrd: Option<PathBuf>,
    /// ACPI pages for an address; can be repeated. Without any, tables for the layout's platform
    #[arg(long, value_name = "GPA=FILE", value_parser = parse_acpi)]
    pub(crate) acpi: Vec<(Gpa, PathBuf)>,
    /// How guest memory is laid out
    #[arg(long, value_enum)]
    pub(crate) layout: LayoutArg,
    /// RAM of a `linux` guest [default: 512 MiB]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<Memory>,
    /// Launch the memory an `aks` kernel would otherwise validate on demand
    #[arg(long)]
    pub(crate) accept_all: bool,
    /// Guest policy, 64 bits [default: 0x3001f]
    #[arg(long, value_name = "BITS", value_parser = parse_u64)]
    pub(crate) policy: Option<u64>,
    /// The IGVM file to write
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
}

/// [`Layout`] as a word of the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LayoutArg {
    /// The layout of AKS guests
    Aks,
    /// For unmodified kernels on KVM loaders and OpenVMM
    Linux,
}

impl From<LayoutArg> for Layout {
    fn from(layout: LayoutArg) -> Self {
        match layout {
            LayoutArg::Aks => Self::Aks,
            LayoutArg::Linux => Self::Linux,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  guestmark pack rootfs/ -o rootfs.img
  guestmark pack rootfs.tar -o disk.img --verity --salt 00ff

File times are not kept: every file carries --timestamp.")]
pub(crate) struct Pack {
    /// A folder, or a tar archive
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) source: PathBuf,
    /// The image to write
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
    /// Write a disk image with a hash tree: GPT, root partition, verity partition
    #[arg(long)]
    pub(crate) verity: bool,
    /// Salt of the hash tree in hexadecimal, with --verity [default: none]
    #[arg(long, value_name = "HEX", requires = "verity")]
    pub(crate) salt: Option<Salt>,
    /// File system UUID [default: derived from nothing but the format]
    #[arg(long)]
    pub(crate) uuid: Option<uuid::Uuid>,
    /// Time of every file, in seconds since 1970
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) timestamp: u64,
    /// Make root own every file
    #[arg(long)]
    pub(crate) root_owned: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  guestmark verity rootfs.img rootfs.hash --salt 00ff
  guestmark verity rootfs.img rootfs.hash --salt - \\
      --uuid 11111111-2222-3333-4444-555555555555
  guestmark verity disk.img disk.img --salt 00ff \\
      --data-blocks 1000 --hash-offset 4096000")]
pub(crate) struct Verity {
    /// The data to protect: whole blocks of 4096 bytes
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) data: PathBuf,
    /// The file the hash tree is written to
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) hash: PathBuf,
    /// Salt in hexadecimal, up to 256 bytes; `-` for none
    #[arg(long, value_name = "HEX")]
    pub(crate) salt: Salt,
    /// Write a superblock with this UUID before the tree
    #[arg(long)]
    pub(crate) uuid: Option<uuid::Uuid>,
    /// Protect only the first N blocks [default: all of them]
    #[arg(long, value_name = "N")]
    pub(crate) data_blocks: Option<u64>,
    /// Where in HASH the tree starts, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub(crate) hash_offset: u64,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  guestmark measure kata-containers-igvm.img
  guestmark measure kata-containers-igvm.img --loader cloud-hypervisor-mshv --bare
  guestmark measure kata-containers-igvm.img --pages
  guestmark measure guest.igvm --pages --loader qemu-kvm --json
  guestmark measure guest.igvm --vcpus 2 --json
  guestmark measure guest.igvm --report report.bin --policy policy.rego \\
      --vcek vcek.der --chain cert_chain.pem
  guestmark measure --ovmf OVMF.fd --vcpus 2 --vcpu-type EPYC-v4 \\
      --kernel vmlinuz --initrd initrd --append 'root=/dev/vda1'

Loaders disagree on what they launch: for each digest, the first page at which its
loaders part from the first loader that loads the file, and why.

A digest is what the published behaviour of loaders and VMMs leads to; nothing was
run on SEV hardware. Exit status 1: no loader that was asked about has a digest,
or the report is not as it should be.")]
pub(crate) struct Measure {
    /// The IGVM file
    #[arg(value_hint = ValueHint::FilePath, required_unless_present = "ovmf")]
    pub(crate) file: Option<PathBuf>,
    /// Only this loader [default: all; with --bare and --pages, cloud-hypervisor-mshv]
    #[arg(long)]
    pub(crate) loader: Option<Loader>,
    /// vCPUs the guest is started with [default: as many as the file has VP contexts]
    #[arg(long, value_name = "N")]
    pub(crate) vcpus: Option<u32>,
    /// Print the digest in hexadecimal and nothing else
    #[arg(long, conflicts_with_all = ["json", "report"])]
    pub(crate) bare: bool,
    /// List what one loader launches: ranges of like pages and the digest after each
    #[arg(long, conflicts_with_all = ["bare", "ovmf", "report"])]
    pub(crate) pages: bool,
    #[command(flatten)]
    pub(crate) firmware: Firmware,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  guestmark inspect kata-containers.img
  guestmark inspect kata-containers-igvm.img
  guestmark inspect kata-containers-igvm.img --disk kata-containers.img
  guestmark inspect rootfs.erofs --json")]
pub(crate) struct Inspect {
    /// An IGVM file, a disk image, an EROFS or ext4 image, an initrd, an ID block or a bzImage
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Check that this disk image is the one whose root hash the IGVM file measures
    #[arg(long, value_name = "DISK", value_hint = ValueHint::FilePath)]
    pub(crate) disk: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  guestmark boot debian-12
  guestmark boot debian-12 --debug-variant --timeout 300

The processor is emulated, without SEV-SNP: this shows that the guest works, not
that a host cannot read it. CPUID and secrets pages and the firmware's digest are
not exercised.")]
pub(crate) struct Boot {
    /// Output folder of a build
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) directory: PathBuf,
    /// Boot the debug IGVM file
    #[arg(long)]
    pub(crate) debug_variant: bool,
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    pub(crate) timeout: u64,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  guestmark completions bash > ~/.local/share/bash-completion/completions/guestmark
  guestmark completions zsh > ~/.zfunc/_guestmark
  guestmark completions fish > ~/.config/fish/completions/guestmark.fish")]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  guestmark man ~/.local/share/man/man1
  guestmark man pages && man -l pages/guestmark-build.1")]
pub(crate) struct Man {
    /// The folder, made if it is missing
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) directory: PathBuf,
}

fn parse_acpi(text: &str) -> Result<(Gpa, PathBuf), String> {
    let (gpa, file) = text
        .split_once('=')
        .ok_or("write GPA=FILE, for example 0xe0000=rsdp.bin")?;
    Ok((Gpa::new(parse_u64(gpa)?), PathBuf::from(file)))
}

fn parse_u64(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|error| format!("{error}; write a decimal number or 0x and hexadecimal digits"))
}
