//! `diff`: why a launch digest differs.

use std::io::Write;

use guestmark_builder::output::OutputFile;
use guestmark_reproducibility::diff::explain;
use guestmark_reproducibility::diff::render::{Detail, html, markdown, text};

use crate::args::Diff;
use crate::output::{Outcome, Output};

pub(crate) fn run(args: &Diff, output: &Output) -> anyhow::Result<Outcome> {
    let explanation = explain(&args.old, &args.new, args.loader)?;
    if let Some(path) = &args.html {
        let page = OutputFile::begin(path)?;
        page.file().write_all(html(&explanation).as_bytes())?;
        page.commit()?;
    }
    let detail = match args.verbose {
        true => Detail::Full,
        false => Detail::Short,
    };
    output.print(&explanation, |explanation| match args.markdown {
        true => markdown(explanation),
        false => text(explanation, detail),
    })?;
    Ok(match explanation.same {
        true => Outcome::Good,
        false => Outcome::Bad,
    })
}
