//! `build`: a locked recipe becomes an output directory.

use guestmark_builder::archive::MirrorSettings;
use guestmark_builder::build::{self, Build, Online, Request};
use jiff::Timestamp;

use crate::args;
use crate::output::{Outcome, Output, human_bytes, table, wrap};
use crate::verdicts;

pub(crate) fn run(args: args::Build, output: &Output) -> anyhow::Result<Outcome> {
    let settings = MirrorSettings::of_this_machine();
    let online = Online {
        settings: &settings,
        now: Timestamp::now(),
    };
    let request = Request {
        recipe: &args.recipe,
        output: args.output.as_deref(),
        store: args.store.store.as_deref(),
        mirrors: &args.mirrors.mirrors,
        online: (!args.offline).then_some(online),
    };
    let progress = output.progress();
    let build = build::build(&request, &progress)?;
    drop(progress);
    output.print(&build, text)?;
    Ok(Outcome::Good)
}

fn text(build: &Build) -> String {
    let artifacts = build.artifacts.iter().map(|artifact| {
        [
            artifact.name.clone(),
            human_bytes(artifact.size),
            artifact.sha256.to_string(),
        ]
    });
    let mut text = table(["Artifact", "Size", "SHA-256"], artifacts);
    let measurement = &build.measurement;
    text.push_str(&format!(
        "\nVerity root hash  {}\n",
        measurement.verity.root_hash
    ));
    for variant in &measurement.variants {
        text.push_str(&format!(
            "\nLaunch digests of {} ({})\n\n",
            variant.file, variant.name
        ));
        text.push_str(&verdicts::text(&variant.loaders, None));
    }
    text.push_str(&format!(
        "\n{}\nEverything is in {}\n",
        wrap("", verdicts::NOTE),
        build.directory.display()
    ));
    text
}
