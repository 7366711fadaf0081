//! RPM's rules for which package satisfies or excludes which.

use std::collections::BTreeSet;

use super::primary::{Index, Package};
use super::relation::{Capability, parse_alternatives};
use crate::archive::solver::{Conflict, PackageId, Relations, Requirement, Universe};
use crate::lock::LockedPackage;

/// The packages of a repository, from which those of one set are chosen.
pub(crate) struct Choice<'a> {
    index: &'a Index,
    provided: BTreeSet<&'a str>,
    kept: BTreeSet<PackageId>,
}

impl<'a> Choice<'a> {
    /// Takes the names in `provided` as present: package names, capabilities, file paths. Prefers
    /// packages that are `locked` over newer ones, as long as the same file is on offer.
    pub(crate) fn new(
        index: &'a Index,
        provided: &'a [String],
        locked: impl Iterator<Item = &'a LockedPackage>,
    ) -> Self {
        let kept = locked.filter_map(|locked| {
            index
                .named(&locked.name)
                .find(|&id| index.package(id).sha256 == locked.sha256)
        });
        Self {
            index,
            provided: provided.iter().map(String::as_str).collect(),
            kept: kept.collect(),
        }
    }

    /// The requirement that a package of this name is there, as the recipe states it.
    pub(crate) fn wanted(&self, name: &str) -> Requirement {
        let providers = self.index.providers(name);
        Requirement {
            text: name.to_owned(),
            choices: self.candidates(name),
            misfits: providers.iter().map(|(package, _)| *package).collect(),
        }
    }

    /// What one entry of `Requires` asks of `package`; nothing if it is met already.
    fn requirement(
        &self,
        package: PackageId,
        required: &Capability,
    ) -> Result<Option<Requirement>, String> {
        let text = required.to_string();
        let name = &*required.name;
        // Features of rpm are looked at when the package is opened: only its header lists them.
        if name.starts_with("rpmlib(") {
            return Ok(None);
        }
        if self.provided.contains(name) {
            return Ok(None);
        }
        let rich = name.starts_with('(');
        let alternatives = match rich {
            true => parse_alternatives(name)?,
            false => vec![required.clone()],
        };
        let mut choices: Vec<PackageId> = Vec::new();
        for alternative in &alternatives {
            if self.provided.contains(&*alternative.name) {
                return Ok(None);
            }
            for choice in self.satisfying(alternative) {
                if !choices.contains(&choice) {
                    choices.push(choice);
                }
            }
        }
        if choices.contains(&package) {
            return Ok(None);
        }
        if choices.is_empty() && name.starts_with('/') {
            return Err(format!(
                "it requires the file {name}, which no package provides and primary metadata do \
                 not list; file lists are not read: add {name:?} to provided and the package that \
                 holds it to names"
            ));
        }
        choices.sort_by_key(|choice| !self.kept.contains(choice));
        let mut misfits = Vec::new();
        if choices.is_empty() {
            misfits.extend(
                alternatives
                    .iter()
                    .flat_map(|one| self.index.named(&one.name)),
            );
        }
        Ok(Some(Requirement {
            text,
            choices,
            misfits,
        }))
    }

    /// The packages that satisfy a capability: those of its own name before others, which come by
    /// name; the newest version first.
    fn satisfying(&self, required: &Capability) -> Vec<PackageId> {
        let mut found: Vec<PackageId> = self.providing(required).collect();
        found.extend(self.index.holders(&required.name));
        found.retain(|&id| !self.provided.contains(self.name(id)));
        found.sort_by_key(|&id| (self.name(id) != &*required.name, id));
        found.dedup();
        found
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
        self.index.named(&entry.name).filter(|&id| {
            let bound = entry.bound.as_ref();
            let own = Capability {
                name: entry.name.clone(),
                bound: Some((
                    super::relation::Comparison::Equal,
                    self.package(id).evr.clone(),
                )),
            };
            own.overlaps(bound)
        })
    }

    fn package(&self, id: PackageId) -> &Package {
        self.index.package(id)
    }
}

impl Universe for Choice<'_> {
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
            let requirement = self
                .requirement(id, required)
                .map_err(|problem| format!("Requires: {problem}"))?;
            relations.requirements.extend(requirement);
        }
        for entry in &package.conflicts {
            if entry.name.starts_with('(') {
                return Err(format!(
                    "Conflicts: {entry}: rich conflicts are not supported"
                ));
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
