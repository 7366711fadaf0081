//! `diff`: why a launch digest differs.

use guestmark_reproducibility::diff::explain;
use guestmark_reproducibility::diff::render::{Detail, markdown, text};

use crate::args::Diff;
use crate::output::{Outcome, Output};

pub(crate) fn run(args: &Diff, output: &Output) -> anyhow::Result<Outcome> {
    let explanation = explain(&args.old, &args.new, args.loader)?;
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
