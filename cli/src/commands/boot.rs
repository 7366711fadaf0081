//! `boot`: a build booted in QEMU until its agent answers.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use guestmark_builder::boot::{self, BootArtifacts, BootEnd, BootOptions};
use guestmark_builder::build::{MEASUREMENT_NAME, Measurement};
use guestmark_builder::recipe::AgentKind;
use serde::Serialize;

use crate::args::Boot;
use crate::output::{Outcome, Output};

/// How a boot ended.
#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    file: String,
    agent_answered: bool,
    ended: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    corruption: Option<String>,
    note: &'static str,
}

const NOTE: &str = "The processor was emulated, without SEV-SNP.";

pub(crate) fn run(args: Boot, output: &Output) -> anyhow::Result<Outcome> {
    let path = args.directory.join(MEASUREMENT_NAME);
    if !path.exists() {
        anyhow::bail!(
            "{}: no build is here; give the folder that `guestmark build` wrote",
            path.display()
        );
    }
    let text = fs_err::read_to_string(&path)?;
    let measurement: Measurement = serde_json::from_str(&text)
        .with_context(|| format!("{} is not a build's measurement", path.display()))?;
    let wanted = if args.debug_variant {
        "debug"
    } else {
        "production"
    };
    if measurement.agent.kind != AgentKind::QemuGuestAgent {
        anyhow::bail!(
            "{}: its agent speaks ttRPC over vsock, and `boot` asks only the QEMU guest agent",
            path.display()
        );
    }
    let variant = measurement
        .variants
        .iter()
        .find(|variant| variant.name == wanted)
        .with_context(|| format!("{}: no variant {wanted:?}", path.display()))?;
    let igvm = args.directory.join(&variant.file);
    let disk = args.directory.join(&measurement.disk);
    let artifacts = BootArtifacts {
        igvm: &igvm,
        disk: Some(&disk),
        agent_port: &measurement.agent.port,
    };
    let options = BootOptions {
        time_limit: Duration::from_secs(args.timeout),
        ..BootOptions::default()
    };
    let shown = output.shows_console();
    let mut console = |bytes: &[u8]| {
        if shown {
            // Losing the console's text is no reason to end the guest.
            let _ = std::io::stderr().write_all(bytes);
        }
    };
    let outcome = boot::boot(&artifacts, &options, &mut console)?;
    let ended = match &outcome.end {
        BootEnd::AgentAnswered => "the agent answered".to_owned(),
        BootEnd::KernelPanic(line) => format!("the kernel panicked: {line}"),
        BootEnd::Stopped(said) if said.is_empty() => "the guest switched itself off".to_owned(),
        BootEnd::Stopped(said) => format!("QEMU stopped: {said}"),
        BootEnd::TimedOut => format!("no answer from the agent in {} s", args.timeout),
    };
    let report = Report {
        schema: "guestmark/boot/1",
        file: igvm.display().to_string(),
        agent_answered: outcome.end == BootEnd::AgentAnswered,
        ended,
        corruption: outcome.corruption.clone(),
        note: NOTE,
    };
    output.print(&report, |report| {
        let corruption = report
            .corruption
            .iter()
            .map(|line| format!("dm-verity: {line}\n"));
        let corruption: String = corruption.collect();
        format!(
            "{}: {}\n{corruption}{}\n",
            report.file, report.ended, report.note
        )
    })?;
    Ok(if outcome.is_success() {
        Outcome::Good
    } else {
        Outcome::Bad
    })
}
