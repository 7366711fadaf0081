//! RPM's rules for which package satisfies or excludes which.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::primary::{Index, Package};
use super::relation::{Capability, Comparison};
use super::rich::{Literal, Rich, Sets};
use crate::archive::solver::{Conflict, PackageId, Relations, Requirement, Universe};
use crate::lock::LockedPackage;
use crate::package::rpm::is_supported_feature;

/// The packages of a repository, from which those of one set are chosen.
pub(crate) struct Choice<'a> {
    index: &'a Index,
    provided: BTreeSet<&'a str>,
    kept: BTreeSet<PackageId>,
    needs_file_lists: Cell<bool>,
}

/// What satisfies a capability.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Satisfying {
    /// The preferred package first.
    packages: Vec<PackageId>,
    /// Something that is there anyway does.
    given: bool,
}

impl<'a> Choice<'a> {
    /// Takes the names in `provided` as present: package names, capabilities, file paths. Prefers
    /// packages that are `locked` over newer ones, as long as the same file is on offer.
    pub(crate) fn new(index: &'a Index, provided: &'a [String], locked: &[&LockedPackage]) -> Self {
        let kept = locked.iter().filter_map(|locked| {
            index
                .named(&locked.name)
                .find(|&id| index.package(id).sha256 == locked.sha256)
        });
        Self {
            index,
            provided: provided.iter().map(String::as_str).collect(),
            kept: kept.collect(),
            needs_file_lists: Cell::new(false),
        }
    }

    /// Whether a path was asked for that only file lists can tell of, and they are not read.
    pub(crate) fn needs_file_lists(&self) -> bool {
        self.needs_file_lists.get()
    }

    /// The requirement that a package of this name is there, or one that obsoletes it, as the
    /// recipe states it.
    pub(crate) fn wanted(&self, name: &str) -> Requirement {
        let providers = self.index.providers(name);
        let mut choices: Vec<PackageId> = self.index.named(name).collect();
        let heirs = self.index.obsoleters(name).iter();
        let heirs = heirs.filter(|&&heir| choices.iter().any(|&old| self.obsoletes(heir, old)));
        choices.extend(heirs.copied().collect::<Vec<_>>());
        choices.sort();
        self.put_obsolete_last(&mut choices);
        choices.sort_by_key(|choice| !self.kept.contains(choice));
        Requirement {
            text: name.to_owned(),
            hint: self.hint(&choices, [name]),
            choices,
            unless_absent: Vec::new(),
            misfits: providers.iter().map(|(package, _)| *package).collect(),
        }
    }

    /// Adds what an entry of `package` says to `relations`: that it holds, or that it does not.
    fn relate(
        &self,
        package: PackageId,
        entry: &Capability,
        holds: bool,
        relations: &mut Relations,
    ) -> Result<(), String> {
        let rich = match entry.name.starts_with('(') {
            true => Rich::parse(&entry.name)?,
            false => Rich::Capability(entry.clone()),
        };
        let features = rich.capabilities().into_iter().map(|one| &*one.name);
        if let Some(unknown) = features
            .filter(|name| name.starts_with("rpmlib("))
            .find(|name| !is_supported_feature(name))
        {
            return Err(format!(
                "{unknown} is a feature of rpm that guestmark does not have"
            ));
        }
        let clauses = rich
            .clauses(self, holds)
            .map_err(|problem| format!("{entry}: {problem}"))?;
        for clause in &clauses {
            let field = if holds { "Requires" } else { "Conflicts" };
            let text = match holds {
                true => entry.to_string(),
                false => format!("{field}: {entry}"),
            };
            let Some(mut requirement) = self.requirement(package, text, clause) else {
                continue;
            };
            match (&*requirement.choices, &mut *requirement.unless_absent) {
                ([], [excluded]) => {
                    let excluded = std::mem::take(excluded).into_iter();
                    let text = || format!("{field}: {entry}");
                    relations.conflicts.extend(Conflict::with(excluded, text));
                }
                ([], []) => {
                    let names = rich.capabilities().into_iter().map(|one| &*one.name);
                    requirement.hint = self.hint(&[], names.clone());
                    requirement.misfits = names.flat_map(|name| self.index.named(name)).collect();
                    relations.requirements.push(requirement);
                }
                _ => relations.requirements.push(requirement),
            }
        }
        Ok(())
    }

    /// What one clause asks of `package`; nothing if it is met already.
    fn requirement(
        &self,
        package: PackageId,
        text: String,
        clause: &[Literal<Satisfying>],
    ) -> Option<Requirement> {
        let mut choices: Vec<PackageId> = Vec::new();
        let mut unless_absent = Vec::new();
        for Literal { set, present } in clause {
            let there = set.given || set.packages.contains(&package);
            match (present, there, set.packages.as_slice()) {
                (true, true, _) | (false, false, []) => return None,
                (true, false, packages) => {
                    for choice in packages {
                        if !choices.contains(choice) {
                            choices.push(*choice);
                        }
                    }
                }
                (false, true, _) => {}
                (false, false, packages) => unless_absent.push(packages.to_vec()),
            }
        }
        choices.sort_by_key(|choice| !self.kept.contains(choice));
        Some(Requirement {
            text,
            choices,
            unless_absent,
            misfits: Vec::new(),
            hint: String::new(),
        })
    }

    /// What the repository got of these names only after the time of the snapshot.
    fn hint<'n>(&self, choices: &[PackageId], names: impl IntoIterator<Item = &'n str>) -> String {
        let (Some(snapshot), []) = (self.index.snapshot(), choices) else {
            return String::new();
        };
        let late: Vec<String> = names
            .into_iter()
            .flat_map(|name| self.index.late(name))
            .map(|(evr, time)| format!("{evr} at {time}"))
            .collect();
        match late.is_empty() {
            true => String::new(),
            false => format!(" until {snapshot}; it got {}", late.join(", ")),
        }
    }

    /// The packages that satisfy a capability: those that others of them obsolete last, those of
    /// its own name before others, which come by name; the newest version first.
    fn satisfying(&self, required: &Capability) -> Vec<PackageId> {
        let mut found: Vec<PackageId> = self.providing(required).collect();
        found.extend(self.index.holders(&required.name));
        found.retain(|&id| !self.provided.contains(self.name(id)));
        found.sort_by_key(|&id| (self.name(id) != &*required.name, id));
        found.dedup();
        self.put_obsolete_last(&mut found);
        found
    }

    fn put_obsolete_last(&self, packages: &mut [PackageId]) {
        let all = packages.to_vec();
        packages.sort_by_cached_key(|&old| all.iter().any(|&heir| self.obsoletes(heir, old)));
    }

    fn providing(&self, required: &Capability) -> impl Iterator<Item = PackageId> {
        let providers = self.index.providers(&required.name).iter();
        providers
            .filter(|(_, capability)| capability.overlaps(required.bound.as_ref()))
            .map(|(id, _)| *id)
    }

    /// What `package` excludes by one entry. A package never excludes itself, so that it can
    /// stand for a name and be the only one to.
    fn conflict(
        &self,
        package: PackageId,
        field: &str,
        entry: &Capability,
        excluded: impl Iterator<Item = PackageId>,
    ) -> Option<Conflict> {
        let own = self.name(package);
        let others = excluded.filter(|&id| self.name(id) != own);
        Conflict::with(others, || format!("{field}: {entry}"))
    }

    /// Packages of the entry's name, whose own versions it bounds: provides do not count here.
    fn obsoleted(&self, entry: &Capability) -> impl Iterator<Item = PackageId> {
        let packages = self.index.named(&entry.name);
        packages.filter(|&id| self.is_bounded(id, entry))
    }

    fn is_bounded(&self, id: PackageId, entry: &Capability) -> bool {
        let own = Capability {
            name: entry.name.clone(),
            bound: Some((Comparison::Equal, self.package(id).evr.clone())),
        };
        own.overlaps(entry.bound.as_ref())
    }

    /// Whether `heir` obsoletes `old`, a package of another name.
    fn obsoletes(&self, heir: PackageId, old: PackageId) -> bool {
        let name = self.name(old);
        let mut entries = self.package(heir).obsoletes.iter();
        self.name(heir) != name
            && entries.any(|entry| *entry.name == *name && self.is_bounded(old, entry))
    }

    fn package(&self, id: PackageId) -> &Package {
        self.index.package(id)
    }
}

impl Sets for Choice<'_> {
    type Set = Satisfying;

    fn of(&self, capability: &Capability) -> Satisfying {
        let name = &*capability.name;
        let given = self.provided.contains(name) || name.starts_with("rpmlib(");
        let packages = self.satisfying(capability);
        if packages.is_empty() && !given && self.index.is_unlisted(name) {
            self.needs_file_lists.set(true);
        }
        Satisfying { packages, given }
    }

    fn union(&self, mut a: Satisfying, b: Satisfying) -> Satisfying {
        a.given |= b.given;
        a.packages.extend(b.packages);
        a
    }

    fn with(&self, mut a: Satisfying, b: Satisfying) -> Satisfying {
        a.given &= b.given;
        a.packages.retain(|one| b.packages.contains(one));
        a
    }

    fn without(&self, mut a: Satisfying, b: Satisfying) -> Satisfying {
        a.given &= !b.given;
        a.packages.retain(|one| !b.packages.contains(one));
        a
    }
}

impl Universe for Choice<'_> {
    fn size(&self) -> u32 {
        self.index.size()
    }

    fn name(&self, package: PackageId) -> &str {
        &self.package(package).name
    }

    fn label(&self, package: PackageId) -> String {
        let Package { name, evr, .. } = self.package(package);
        format!("{name} {evr}")
    }

    fn candidates(&self, name: &str) -> Vec<PackageId> {
        let mut candidates: Vec<_> = self.index.named(name).collect();
        candidates.sort_by_key(|id| !self.kept.contains(id));
        candidates
    }

    fn relations(&self, id: PackageId) -> Result<Relations, String> {
        let package = self.package(id);
        let mut relations = Relations::default();
        for required in &package.requires {
            self.relate(id, required, true, &mut relations)
                .map_err(|problem| format!("Requires: {problem}"))?;
        }
        for entry in &package.conflicts {
            if entry.name.starts_with('(') {
                self.relate(id, entry, false, &mut relations)
                    .map_err(|problem| format!("Conflicts: {problem}"))?;
                continue;
            }
            let excluded = self.providing(entry);
            relations
                .conflicts
                .extend(self.conflict(id, "Conflicts", entry, excluded));
        }
        for entry in &package.obsoletes {
            let excluded = self.obsoleted(entry);
            relations
                .conflicts
                .extend(self.conflict(id, "Obsoletes", entry, excluded));
        }
        Ok(relations)
    }
}
