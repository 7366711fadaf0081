//! `measure`: the launch digest of an IGVM file, per loader; or of a guest that starts in
//! firmware.

mod firmware;
mod report;

use std::num::NonZeroU32;
use std::path::Path;

use anyhow::{Context, bail};
use guestmark_measure::igvm::IgvmFile;
use guestmark_measure::{Loader, LoaderVerdict};
use serde::Serialize;

use crate::args::Measure;
use crate::input;
use crate::output::{Outcome, Output, say, wrap};
use crate::verdicts;

/// What every loader makes of a file.
#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    file: String,
    loaders: Vec<LoaderVerdict>,
    note: &'static str,
}

pub(crate) fn run(args: &Measure, output: &Output) -> anyhow::Result<Outcome> {
    let path = match (&args.file, &args.firmware.ovmf) {
        (Some(path), None) => path,
        (None, Some(image)) => return firmware::run(args, image, output),
        (Some(_), Some(_)) | (None, None) => bail!("give an IGVM file or --ovmf FILE, one of them"),
    };
    let bytes = input::bytes(path)?;
    let file = IgvmFile::parse(&bytes).with_context(|| path.display().to_string())?;
    let vcpus = vcpus(args)?;
    if let Some(report) = &args.report.report {
        report::run(report, args, path, &file, vcpus, output)
    } else if args.bare {
        bare(args, path, &file, vcpus, output)
    } else {
        table(args, path, &file, vcpus, output)
    }
}

/// The processors asked for.
fn vcpus(args: &Measure) -> anyhow::Result<Option<NonZeroU32>> {
    let vcpus = args.vcpus.map(|count| {
        NonZeroU32::new(count).context("--vcpus 0: a guest has at least one processor")
    });
    vcpus.transpose()
}

/// One digest and nothing else.
fn bare(
    args: &Measure,
    path: &Path,
    file: &IgvmFile<'_>,
    vcpus: Option<NonZeroU32>,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let loader = args.loader.unwrap_or(Loader::CloudHypervisorMshv);
    match guestmark_measure::launch_digest(file, loader, vcpus) {
        Ok(digest) => {
            output.write(format!("{digest}\n").as_bytes())?;
            Ok(Outcome::Good)
        }
        Err(refusal) => {
            let file = path.display();
            say(&format!(
                "guestmark: {file}: no digest under {loader}: {refusal}"
            ));
            Ok(Outcome::Bad)
        }
    }
}

/// The verdicts of all loaders, or of the one asked about.
fn table(
    args: &Measure,
    path: &Path,
    file: &IgvmFile<'_>,
    vcpus: Option<NonZeroU32>,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let mut loaders = guestmark_measure::verdicts(file, vcpus);
    if let Some(only) = args.loader {
        loaders.retain(|verdict| verdict.loader == only);
    }
    let none_can_load = loaders
        .iter()
        .all(|verdict| verdict.launch_digest.is_none());
    let report = Report {
        schema: "guestmark/measure/1",
        file: path.display().to_string(),
        loaders,
        note: verdicts::NOTE,
    };
    output.print(&report, |report| {
        format!(
            "Launch digests of {}\n\n{}\n{}",
            report.file,
            verdicts::text(&report.loaders),
            wrap("", report.note)
        )
    })?;
    Ok(if none_can_load {
        Outcome::Bad
    } else {
        Outcome::Good
    })
}
