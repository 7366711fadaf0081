//! `lock`: every input of a recipe, resolved and pinned.

use std::collections::BTreeSet;

use guestmark_builder::archive::{MirrorSettings, Mirrors, Versions, resolve};
use guestmark_builder::lock::{Lock, LockError, LockedPackage};
use guestmark_builder::recipe::Recipe;
use guestmark_builder::store::Store;
use jiff::Timestamp;
use serde::Serialize;

use crate::args;
use crate::output::{Outcome, Output, table};

/// What a lock pins, and how it differs from the one before.
#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    file: String,
    indexes: Vec<Index>,
    packages: usize,
    download_bytes: u64,
    changes: Vec<Change>,
}

#[derive(Debug, Serialize)]
struct Index {
    archive: String,
    suite: String,
    date: String,
    signed_by: Vec<String>,
    /// Absent where the whole index counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<Timestamp>,
}

/// A package whose version differs from the previous lock's; absent where it had or has none.
#[derive(Debug, Serialize)]
struct Change {
    package: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<String>,
}

pub(crate) fn run(args: args::Lock, output: &Output) -> anyhow::Result<Outcome> {
    let recipe = Recipe::read(&args.recipe)?;
    let previous = match Lock::read(&args.recipe) {
        Ok(lock) => Some(lock),
        Err(LockError::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let settings = MirrorSettings::of_this_machine();
    let mirrors = Mirrors::find(&recipe, &args.mirrors.mirrors, &settings)?;
    let store = Store::open(args.store.store.as_deref())?;
    let progress = output.progress();
    // The one clock of guestmark: whether keys and indexes have expired. Nothing of it is written.
    let now = Timestamp::now();
    let versions = match (args.snapshot, args.update) {
        (Some(time), _) => Versions::Until(time),
        (None, true) => Versions::Newest,
        (None, false) => Versions::Locked,
    };
    let lock = resolve(
        &recipe,
        &mirrors,
        &store,
        now,
        previous.as_ref(),
        versions,
        &progress,
    )?;
    let file = lock.write(&args.recipe)?;
    drop(progress);
    let old = previous.as_ref().map_or(&[][..], |lock| &lock.packages);
    let report = Report {
        schema: "guestmark/lock/1",
        file: file.display().to_string(),
        indexes: indexes(&lock),
        packages: lock.packages.len(),
        download_bytes: lock.packages.iter().map(|package| package.size).sum(),
        changes: changes(old, &lock.packages),
    };
    output.print(&report, text)?;
    Ok(Outcome::Good)
}

fn indexes(lock: &Lock) -> Vec<Index> {
    let indexes = lock.indexes.iter();
    indexes
        .map(|(archive, index)| Index {
            archive: archive.clone(),
            suite: index.suite.clone(),
            date: index.date.clone(),
            signed_by: index.signed_by.clone(),
            snapshot: index.snapshot,
        })
        .collect()
}

fn changes(old: &[LockedPackage], new: &[LockedPackage]) -> Vec<Change> {
    let versions = |packages: &[LockedPackage], name: &str| {
        let found = packages.iter().filter(|package| package.name == name);
        let versions: Vec<&str> = found.map(|package| package.version.as_str()).collect();
        (!versions.is_empty()).then(|| versions.join(", "))
    };
    let names: BTreeSet<&str> = old
        .iter()
        .chain(new)
        .map(|package| package.name.as_str())
        .collect();
    names
        .into_iter()
        .map(|name| Change {
            package: name.to_owned(),
            old: versions(old, name),
            new: versions(new, name),
        })
        .filter(|change| change.old != change.new)
        .collect()
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for index in &report.indexes {
        let snapshot = index.snapshot;
        let until = snapshot.map_or(String::new(), |time| format!(", files until {time}"));
        text.push_str(&format!(
            "{} {} of {}{until}, signed by\n",
            index.archive, index.suite, index.date
        ));
        for key in &index.signed_by {
            text.push_str(&format!("  {key}\n"));
        }
    }
    let shown = |version: &Option<String>| version.clone().unwrap_or_else(|| "-".to_owned());
    if report.changes.is_empty() {
        text.push_str("No package changed.\n");
    } else {
        let rows = report.changes.iter();
        text.push_str(&table(
            ["Package", "Before", "Now"],
            rows.map(|change| {
                [
                    change.package.clone(),
                    shown(&change.old),
                    shown(&change.new),
                ]
            }),
        ));
    }
    text.push_str(&format!(
        "{} packages, {} to download, pinned in {}\n",
        report.packages,
        crate::output::human_bytes(report.download_bytes),
        report.file
    ));
    text
}
