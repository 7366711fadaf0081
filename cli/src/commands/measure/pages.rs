//! `measure --pages`: what one loader launches, in order.

use std::io::{self, Write};

use guestmark_measure::{LaunchDigest, LaunchPages, Loader, PageListing, PageRange};
use serde::Serialize;

use super::Request;
use crate::output::{Outcome, Output, say, wrap};
use crate::verdicts::NOTE;

/// What one loader launches of a file.
#[derive(Debug, Serialize)]
struct Report<'l> {
    schema: &'static str,
    file: &'l str,
    loader: Loader,
    ranges: PageListing<'l>,
    note: &'static str,
}

/// Digits shown of a digest; JSON has all.
const DIGITS: usize = 12;

impl Request<'_> {
    /// The page records of one loader.
    pub(super) fn pages(&self, output: &Output) -> anyhow::Result<Outcome> {
        let loader = self.one_loader();
        let pages = LaunchPages::of(self.file);
        let launch = match pages.launch(loader, self.vcpus) {
            Ok(launch) => launch,
            Err(refusal) => {
                let file = &self.name;
                say(&format!(
                    "guestmark: {file}: no pages under {loader}: {refusal}"
                ));
                return Ok(Outcome::Bad);
            }
        };
        let report = Report {
            schema: "guestmark/measure-pages/1",
            file: &self.name,
            loader,
            ranges: PageListing::new(pages.distinct(), &launch),
            note: NOTE,
        };
        output.stream(&report, text)?;
        Ok(Outcome::Good)
    }
}

fn text(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Report { file, loader, .. } = report;
    writeln!(
        out,
        "What {loader} launches of {file}\n\n{:<29} {:>7}  {:<10}  {:<DIGITS$}  Digest after",
        "GPA", "Pages", "Type", "Contents"
    )?;
    let mut digest = LaunchDigest::new([0; 48]);
    for range in report.ranges.ranges() {
        digest = range.launch_digest;
        writeln!(out, "{}", line(&range))?;
    }
    let note = format!("Digests are cut to {DIGITS} digits; --json has all. {NOTE}");
    write!(out, "\nLaunch digest\n  {digest}\n\n{}", wrap("", &note))
}

fn line(range: &PageRange) -> String {
    let gpa = format!("{}-{}", range.start, range.last);
    let mut contents = range
        .contents
        .map_or("-".to_owned(), |contents| contents.to_string());
    contents.truncate(DIGITS);
    let mut digest = range.launch_digest.to_string();
    digest.truncate(DIGITS);
    let (pages, page_type) = (range.pages, range.page_type);
    format!("{gpa:<29} {pages:>7}  {page_type:<10}  {contents:<DIGITS$}  {digest}")
}
