//! `assemble`: a kernel, a command line and an initrd become an IGVM file.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use fs_err as fs;
use guestmark_builder::acpi::{self, Table};
use guestmark_builder::igvm::{
    self, AssembleError, Inputs, LayoutError, MemoryLayout, Part, Validated,
};
use guestmark_builder::output::OutputFile;
use guestmark_builder::recipe::{GuestPolicy, Layout, Memory, Platform};
use guestmark_builder::tree::Origin;
use guestmark_measure::igvm::IgvmFile;
use guestmark_measure::{LoaderVerdict, verdicts};
use serde::Serialize;

use crate::args::{Assemble, LayoutArg};
use crate::output::{Outcome, Output, human_bytes, wrap};
use crate::verdicts as table;

/// The policy that the guests of AKS are launched with.
const DEFAULT_POLICY: u64 = 0x3_001f;
const DEFAULT_MEMORY: &str = "512 MiB";

/// What `assemble` made.
#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    file: String,
    bytes: usize,
    policy: GuestPolicy,
    loaders: Vec<LoaderVerdict>,
    note: &'static str,
}

pub(crate) fn run(args: Assemble, output: &Output) -> anyhow::Result<Outcome> {
    let layout = memory_layout(&args)?;
    let policy = GuestPolicy::try_from(args.policy.unwrap_or(DEFAULT_POLICY))
        .map_err(|message| anyhow::anyhow!("--policy: {message}"))?;
    let out = OutputFile::begin(&args.output)?;
    let kernel = fs::read(&args.kernel)?;
    let command_line = fs::read(&args.cmdline_file)?;
    let initrd = args.initrd.as_ref().map(fs::read).transpose()?;
    let tables = tables(&args)?;
    let inputs = Inputs {
        kernel: Part::new(&kernel, Origin::input("--kernel")),
        command_line: Part::new(&command_line, Origin::input("--cmdline-file")),
        initrd: initrd
            .as_deref()
            .map(|bytes| Part::new(bytes, Origin::input("--initrd"))),
        acpi: &tables,
        layout,
    };
    let (_, bytes) =
        igvm::assemble(&inputs, policy).map_err(|error| match at_fault(&args, &error) {
            Some(file) => anyhow::Error::new(error).context(file.display().to_string()),
            None => error.into(),
        })?;
    let report = Report {
        schema: "guestmark/assemble/1",
        file: args.output.display().to_string(),
        bytes: bytes.len(),
        policy,
        loaders: verdicts(&IgvmFile::parse(&bytes)?, None),
        note: table::NOTE,
    };
    out.file()
        .write_all(&bytes)
        .with_context(|| format!("cannot write {}", report.file))?;
    out.commit()?;
    output.print(&report, |report| {
        format!(
            "{}  {}\n\nLaunch digests\n\n{}\n{}",
            report.file,
            human_bytes(report.bytes as u64),
            table::text(&report.loaders, None),
            wrap("", report.note)
        )
    })?;
    Ok(Outcome::Good)
}

/// The file that an error speaks of.
fn at_fault<'a>(args: &'a Assemble, error: &AssembleError) -> Option<&'a Path> {
    match error {
        AssembleError::Layout(
            LayoutError::Kernel(_)
            | LayoutError::LoadAddress { .. }
            | LayoutError::InitSizeUnaligned { .. }
            | LayoutError::InitSizeTooSmall { .. },
        ) => Some(&args.kernel),
        AssembleError::Layout(
            LayoutError::CommandLineTooLong { .. } | LayoutError::CommandLineNul { .. },
        ) => Some(&args.cmdline_file),
        _ => None,
    }
}

fn memory_layout(args: &Assemble) -> anyhow::Result<MemoryLayout> {
    match args.layout {
        LayoutArg::Aks => {
            if args.memory.is_some() {
                anyhow::bail!("--memory is for --layout linux; an AKS loader tells its guest");
            }
            let validated = if args.accept_all {
                Validated::All
            } else {
                Validated::OnDemand
            };
            Ok(MemoryLayout::Aks { validated })
        }
        LayoutArg::Linux => {
            if args.accept_all {
                anyhow::bail!("--accept-all is for --layout aks; linux launches all of its RAM");
            }
            let memory: Memory = match args.memory {
                Some(memory) => memory,
                None => DEFAULT_MEMORY.parse()?,
            };
            Ok(MemoryLayout::Linux { memory })
        }
    }
}

/// The tables given, or those of the default platform.
fn tables(args: &Assemble) -> anyhow::Result<Vec<Table>> {
    if args.acpi.is_empty() {
        return Ok(acpi::tables(
            &Platform::default(),
            Layout::from(args.layout),
        )?);
    }
    let given = args.acpi.iter().map(|(gpa, path): &(_, _)| {
        let origin = Origin::input(&format!("--acpi {gpa}"));
        Ok(Table::given(*gpa, read(path)?, origin))
    });
    given.collect()
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    Ok(fs::read(path)?)
}
