//! `verify release`: a release held against a policy.

use anyhow::Context;
use fs_err as fs;
use guestmark_manifests::folder::Folder;
use guestmark_manifests::release::{Check, Summary, Verdict, verify};
use guestmark_manifests::state::State;
use guestmark_manifests::{FileProblem, Problem};
use serde::Serialize;

use crate::args::VerifyRelease;
use crate::output::{Outcome, Output, wrap};
use crate::trust::Trust;

/// The verdict, as it is printed.
#[derive(Debug, Serialize)]
struct Document {
    schema: &'static str,
    directory: String,
    accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<Summary>,
    checks: Vec<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    not_checked: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Failure {
    file: String,
    #[serde(flatten)]
    problem: Problem,
}

impl From<FileProblem> for Failure {
    fn from(FileProblem { file, problem }: FileProblem) -> Self {
        Self { file, problem }
    }
}

pub(super) fn run(args: &VerifyRelease, output: &Output) -> anyhow::Result<Outcome> {
    let mut trust = Trust::read(&args.policy)?;
    trust.state = args.state.as_deref().map(State::read).transpose()?;
    trust.previous = args
        .previous
        .iter()
        .map(fs::read)
        .collect::<Result<_, _>>()?;
    let folder = Folder::open(&args.directory)?;
    let verdict =
        verify(&folder, &trust.request()).with_context(|| args.directory.display().to_string())?;
    let accepted = verdict.failure.is_none();
    if let (true, Some(path), Some(state)) = (accepted, &args.state, &trust.state) {
        verdict.seen(state).write(path)?;
    }
    let document = Document::new(&args.directory.display().to_string(), verdict);
    output.print(&document, Document::text)?;
    Ok(if accepted {
        Outcome::Good
    } else {
        Outcome::Bad
    })
}

impl Document {
    fn new(directory: &str, verdict: Verdict) -> Self {
        Self {
            schema: "guestmark/verify-release/1",
            directory: directory.to_owned(),
            accepted: verdict.failure.is_none(),
            release: verdict.release,
            checks: verdict.checks,
            failure: verdict.failure.map(Failure::from),
            not_checked: verdict.not_checked,
        }
    }

    fn text(&self) -> String {
        let mut text = wrap("", &self.directory);
        text.push('\n');
        for check in &self.checks {
            text.push_str(&wrap(
                "  good  ",
                &format!("{}: {}", check.name, check.proved),
            ));
        }
        if let Some(Failure { file, problem }) = &self.failure {
            let Problem {
                field,
                expected,
                found,
            } = problem;
            text.push_str(&wrap("  BAD   ", &format!("{file}: {field}")));
            text.push_str(&wrap("        expected ", expected));
            text.push_str(&wrap("        found ", found));
        }
        if !self.not_checked.is_empty() {
            text.push_str("\nNot checked\n\n");
            for left in &self.not_checked {
                text.push_str(&wrap("  - ", left));
            }
        }
        let verdict = match (&self.release, self.accepted) {
            (Some(release), true) => format!(
                "Accepted: release {} of {}, which launches to {}",
                release.sequence, release.feed, release.launch_digest
            ),
            _ => "Refused: after the first check that fails, nothing more was checked.".to_owned(),
        };
        text.push('\n');
        text.push_str(&wrap("", &verdict));
        text
    }
}
