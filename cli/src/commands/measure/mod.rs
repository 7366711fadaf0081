//! `measure`: the launch digest of an IGVM file, per loader; or of a guest that starts in
//! firmware.

mod assessment;
mod firmware;
mod pages;
mod report;

use std::num::NonZeroU32;

use anyhow::{Context, bail};
use guestmark_measure::Loader;
use guestmark_measure::igvm::IgvmFile;

use crate::args::Measure;
use crate::input;
use crate::output::{Outcome, Output, say};

pub(crate) fn run(args: &Measure, output: &Output) -> anyhow::Result<Outcome> {
    let path = match (&args.file, &args.firmware.ovmf) {
        (Some(path), None) => path,
        (None, Some(image)) => return firmware::run(args, image, output),
        (Some(_), Some(_)) | (None, None) => bail!("give an IGVM file or --ovmf FILE, one of them"),
    };
    let bytes = input::bytes(path)?;
    let name = path.display().to_string();
    let request = Request {
        file: &IgvmFile::parse(&bytes).with_context(|| name.clone())?,
        name,
        bytes: &bytes,
        loader: args.loader,
        vcpus: vcpus(args.vcpus)?,
    };
    if let Some(report) = &args.report.report {
        request.hold_against(report, &args.report, output)
    } else if args.pages {
        request.pages(output)
    } else if args.bare {
        request.bare(output)
    } else {
        request.assessment(output)
    }
}

/// The processors asked for.
fn vcpus(count: Option<u32>) -> anyhow::Result<Option<NonZeroU32>> {
    let vcpus = count.map(|count| {
        NonZeroU32::new(count).context("--vcpus 0: a guest has at least one processor")
    });
    vcpus.transpose()
}

/// What to measure, and for whom.
struct Request<'f> {
    name: String,
    file: &'f IgvmFile<'f>,
    /// The bytes of `file`.
    bytes: &'f [u8],
    loader: Option<Loader>,
    vcpus: Option<NonZeroU32>,
}

impl Request<'_> {
    /// The loader, where only one can be meant.
    fn one_loader(&self) -> Loader {
        self.loader.unwrap_or(Loader::CloudHypervisorMshv)
    }

    /// One digest and nothing else.
    fn bare(&self, output: &Output) -> anyhow::Result<Outcome> {
        let loader = self.one_loader();
        match guestmark_measure::launch_digest(self.file, loader, self.vcpus) {
            Ok(digest) => {
                output.write(format!("{digest}\n").as_bytes())?;
                Ok(Outcome::Good)
            }
            Err(refusal) => {
                let file = &self.name;
                say(&format!(
                    "guestmark: {file}: no digest under {loader}: {refusal}"
                ));
                Ok(Outcome::Bad)
            }
        }
    }
}
