//! `audit`: a release verified, rebuilt and compared.

use std::path::PathBuf;

use guestmark_builder::archive::MirrorSettings;
use guestmark_builder::build::Online;
use guestmark_measure::Sha256Digest;
use guestmark_reproducibility::audit::{self, Class, Request};
use guestmark_reproducibility::diff::render::{self, Detail};
use jiff::Timestamp;

use crate::args::Audit;
use crate::output::{Outcome, Output, table, wrap};
use crate::trust::Trust;
use crate::verdicts;

pub(crate) fn run(args: &Audit, output: &Output) -> anyhow::Result<Outcome> {
    let trust = args.policy.as_deref().map(Trust::read).transpose()?;
    let trust = trust.as_ref().map(Trust::request);
    let (rebuilt, _temporary) = match &args.rebuilt {
        Some(folder) => (folder.clone(), None),
        None => {
            let folder = tempfile::tempdir()?;
            (PathBuf::from(folder.path()).join("rebuilt"), Some(folder))
        }
    };
    let settings = MirrorSettings::of_this_machine();
    let online = Online {
        settings: &settings,
        now: Timestamp::now(),
    };
    let request = Request {
        release: &args.release,
        trust: trust.as_ref(),
        rebuilt: &rebuilt,
        store: args.store.store.as_deref(),
        mirrors: &args.mirrors.mirrors,
        online: (!args.offline).then_some(online),
    };
    let progress = output.progress();
    let audit = audit::audit(&request, &progress)?;
    drop(progress);
    let detail = match args.verbose {
        true => Detail::Full,
        false => Detail::Short,
    };
    output.print(&audit, |audit| text(audit, detail))?;
    if let (Class::Identical, Some(folder)) = (audit.class, &args.rebuilt) {
        output.note(&format!(
            "To say so with your key: guestmark sign {} --role rebuilder -o rebuild-NAME.dsse.json \
             --signer COMMAND --public-key FILE",
            folder.display()
        ));
    }
    Ok(match audit.class.is_good() {
        true => Outcome::Good,
        false => Outcome::Bad,
    })
}

fn text(audit: &audit::Audit, detail: Detail) -> String {
    let mut text = wrap("", &audit.release);
    text.push('\n');
    match audit.signatures.checked {
        true => {
            for check in &audit.signatures.checks {
                let check = format!("{}: {}", check.name, check.proved);
                text.push_str(&wrap("  good  ", &check));
            }
        }
        false => text.push_str(&wrap(
            "  ",
            "signatures were not checked: no policy was given",
        )),
    }
    for left in &audit.signatures.not_checked {
        text.push_str(&wrap("  not checked: ", left));
    }
    if !audit.files.is_empty() {
        text.push('\n');
        text.push_str(&files(audit));
    }
    if let Some(explanation) = &audit.explanation {
        text.push('\n');
        text.push_str(&render::text(explanation, detail));
    }
    text.push('\n');
    text.push_str(&wrap("", audit.class.sentence()));
    text.push_str(&wrap("  ", &audit.reason));
    text.push('\n');
    text.push_str(&wrap("", verdicts::NOTE));
    text
}

fn files(audit: &audit::Audit) -> String {
    let short = |digest: Option<Sha256Digest>| match digest {
        Some(digest) => format!("{}…", &digest.to_string()[..16]),
        None => "none".to_owned(),
    };
    let rows = audit.files.iter().map(|file| {
        [
            file.name.clone(),
            short(file.published),
            short(file.rebuilt),
            file.status.words().to_owned(),
        ]
    });
    table(["File", "Published SHA-256", "Rebuilt SHA-256", ""], rows)
}
