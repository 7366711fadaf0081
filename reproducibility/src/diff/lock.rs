//! Lines of the lock that differ.

use std::collections::{BTreeMap, BTreeSet};

use guestmark_builder::lock::LockedPackage;

use super::explanation::{FieldChange, LockChange, Status};
use super::input::Input;

/// What names a line: one package can be locked for two architectures.
type Key<'a> = (&'a str, &'a str);

/// The pinned packages that differ, by name; nothing is known of them without `origins.json`.
pub(super) fn compare(old: &Input, new: &Input) -> Vec<LockChange> {
    let (before, after) = (packages(old), packages(new));
    let keys: BTreeSet<&Key<'_>> = before.keys().chain(after.keys()).collect();
    let mut changes = Vec::new();
    for key in keys {
        let (one, two) = (before.get(key), after.get(key));
        if one == two {
            continue;
        }
        let status = match (one, two) {
            (None, _) => Status::Added,
            (_, None) => Status::Removed,
            _ => Status::Changed,
        };
        changes.push(LockChange {
            package: key.0.to_owned(),
            status,
            details: details(one.copied(), two.copied()),
            measured: false,
        });
    }
    changes
}

/// The version of a package, if the lock has it.
pub(super) fn version<'a>(input: &'a Input, name: &str) -> Option<&'a str> {
    let packages = &input.origins.as_ref()?.packages;
    let found = packages.iter().find(|package| package.name == name);
    found.map(|package| &package.version[..])
}

fn packages(input: &Input) -> BTreeMap<Key<'_>, &LockedPackage> {
    let packages = input.origins.iter().flat_map(|origins| &origins.packages);
    packages
        .map(|package| ((&package.name[..], &package.architecture[..]), package))
        .collect()
}

fn details(old: Option<&LockedPackage>, new: Option<&LockedPackage>) -> Vec<FieldChange> {
    let field = |name: &str, value: fn(&LockedPackage) -> String| {
        let (one, two) = (old.map(value), new.map(value));
        (one != two).then(|| FieldChange::of(name, one, two))
    };
    let fields = [
        field("version", |package| package.version.clone()),
        field("archive", |package| package.archive.clone()),
        field("path", |package| package.path.as_str().to_owned()),
        field("size", |package| package.size.to_string()),
        field("sha256", |package| package.sha256.to_string()),
        field("sets", |package| package.sets.join(", ")),
    ];
    fields.into_iter().flatten().collect()
}
