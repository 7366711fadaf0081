//! Debian's rules for which package satisfies or excludes which (Debian Policy, chapter 7).

use std::collections::BTreeSet;

use super::packages::{Package, PackageIndex, Provider};
use super::relation::{
    Alternatives, Comparison, Qualifier, Relation, parse_dependencies, parse_list,
};
use crate::archive::solver::{Conflict, PackageId, Relations, Requirement, Universe};
use crate::lock::LockedPackage;

/// The packages of an archive, from which those of one set are chosen.
pub(crate) struct Choice<'a> {
    index: &'a PackageIndex,
    provided: BTreeSet<&'a str>,
    kept: BTreeSet<PackageId>,
}

impl<'a> Choice<'a> {
    /// Takes the names in `provided` as present. Prefers packages that are `locked` over newer
    /// ones, as long as the archive offers the same file.
    pub(crate) fn new(
        index: &'a PackageIndex,
        provided: &'a [String],
        locked: &[&LockedPackage],
    ) -> Self {
        let kept = locked.iter().filter_map(|locked| {
            index.named(&locked.name).find(|&id| {
                let package = index.package(id);
                package.version.as_str() == locked.version
                    && package.architecture == locked.architecture
                    && package.sha256 == locked.sha256
            })
        });
        Self {
            index,
            provided: provided.iter().map(String::as_str).collect(),
            kept: kept.collect(),
        }
    }

    /// The requirement that a package of this name is there, as the recipe states it.
    pub(crate) fn wanted(&self, name: &str) -> Requirement {
        Requirement {
            text: name.to_owned(),
            choices: self.candidates(name),
            unless_absent: Vec::new(),
            hint: String::new(),
            misfits: self
                .index
                .providers(name)
                .iter()
                .map(|provider| provider.package)
                .collect(),
        }
    }

    /// What one group of alternatives requires of `package`; nothing if it is met already.
    fn requirement(&self, package: PackageId, alternatives: &Alternatives) -> Option<Requirement> {
        let given = alternatives
            .iter()
            .any(|relation| self.provided.contains(relation.name.as_str()));
        let mut choices: Vec<PackageId> = Vec::new();
        for choice in alternatives
            .iter()
            .flat_map(|relation| self.satisfying(relation))
        {
            if !choices.contains(&choice) {
                choices.push(choice);
            }
        }
        if given || choices.contains(&package) {
            return None;
        }
        choices.sort_by_key(|choice| !self.kept.contains(choice));
        let mut misfits: Vec<PackageId> = Vec::new();
        if choices.is_empty() {
            misfits.extend(
                alternatives
                    .iter()
                    .flat_map(|relation| self.index.named(&relation.name)),
            );
            misfits.sort();
            misfits.dedup();
        }
        let texts: Vec<_> = alternatives.iter().map(Relation::to_string).collect();
        Some(Requirement {
            text: texts.join(" | "),
            choices,
            unless_absent: Vec::new(),
            misfits,
            hint: String::new(),
        })
    }

    /// The packages that satisfy a dependency: real ones before those that provide the name.
    fn satisfying(&self, relation: &Relation) -> Vec<PackageId> {
        let real = self.candidates(&relation.name).into_iter().filter(|&id| {
            let package = self.index.package(id);
            relation.admits(&package.version) && self.fits(relation, package.allows_any)
        });
        let virtual_ = self
            .index
            .providers(&relation.name)
            .iter()
            .filter(|provider| {
                let allows_any = self.index.package(provider.package).allows_any
                    || provider.provides.qualifier == Some(Qualifier::Any);
                provided_version_fits(relation, provider) && self.fits(relation, allows_any)
            });
        real.chain(virtual_.map(|provider| provider.package))
            .filter(|&id| !self.provided.contains(self.name(id)))
            .collect()
    }

    fn fits(&self, relation: &Relation, allows_any: bool) -> bool {
        match &relation.qualifier {
            None | Some(Qualifier::Native) => true,
            Some(Qualifier::Any) => allows_any,
            Some(Qualifier::Architecture(architecture)) => {
                architecture == self.index.architecture()
            }
        }
    }

    /// What a relation in `Conflicts` or `Breaks` of `package` excludes. A package never excludes
    /// itself, so that it can stand for a name and be the only one to.
    fn conflict(&self, package: PackageId, field: &str, relation: &Relation) -> Option<Conflict> {
        if let Some(Qualifier::Architecture(architecture)) = &relation.qualifier
            && architecture != self.index.architecture()
        {
            return None;
        }
        let real = self
            .index
            .named(&relation.name)
            .filter(|&id| relation.admits(&self.index.package(id).version));
        let virtual_ = self
            .index
            .providers(&relation.name)
            .iter()
            .filter(|provider| provided_version_fits(relation, provider))
            .map(|provider| provider.package);
        let own = self.name(package);
        let others = real.chain(virtual_).filter(|&id| self.name(id) != own);
        Conflict::with(others, || format!("{field}: {relation}"))
    }

    fn package(&self, id: PackageId) -> &Package {
        self.index.package(id)
    }
}

/// A name provided without a version satisfies only relations without one (Policy, section 7.5).
fn provided_version_fits(relation: &Relation, provider: &Provider) -> bool {
    match &provider.provides.version {
        Some((Comparison::Equal, version)) => relation.admits(version),
        _ => relation.version.is_none(),
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
        let Package { name, version, .. } = self.package(package);
        format!("{name} {version}")
    }

    fn candidates(&self, name: &str) -> Vec<PackageId> {
        let mut candidates: Vec<_> = self.index.named(name).collect();
        candidates.sort_by_key(|id| !self.kept.contains(id));
        candidates
    }

    fn relations(&self, id: PackageId) -> Result<Relations, String> {
        let package = self.package(id);
        let named = |field: &str, problem: String| format!("{field}: {problem}");
        let mut relations = Relations::default();
        for (field, text) in [
            ("Pre-Depends", &package.pre_depends),
            ("Depends", &package.depends),
        ] {
            let groups = parse_dependencies(text).map_err(|problem| named(field, problem))?;
            relations.requirements.extend(
                groups
                    .iter()
                    .filter_map(|group| self.requirement(id, group)),
            );
        }
        for (field, text) in [
            ("Conflicts", &package.conflicts),
            ("Breaks", &package.breaks),
        ] {
            let list = parse_list(text).map_err(|problem| named(field, problem))?;
            relations.conflicts.extend(
                list.iter()
                    .filter_map(|relation| self.conflict(id, field, relation)),
            );
        }
        Ok(relations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::solver::solve;

    /// An index of packages written as `name version: Field: value; Field: value`.
    fn index(packages: &[&str]) -> PackageIndex {
        let mut text = String::new();
        for package in packages {
            let (head, fields) = package.split_once(':').unwrap_or((package, ""));
            let (name, version) = head.split_once(' ').unwrap();
            let sha256 = "ab".repeat(32);
            text += &format!(
                "Package: {name}\nVersion: {version}\nArchitecture: amd64\nSize: 1\n\
                 Filename: pool/{name}_{version}.deb\nSHA256: {sha256}\n"
            );
            for field in fields
                .split(';')
                .map(str::trim)
                .filter(|field| !field.is_empty())
            {
                text += field;
                text += "\n";
            }
            text += "\n";
        }
        let mut index = PackageIndex::new("amd64");
        index.add(text.as_bytes()).unwrap();
        index.finish()
    }

    fn chosen(
        packages: &[&str],
        wanted: &[&str],
        provided: &[&str],
    ) -> Result<Vec<String>, String> {
        let index = index(packages);
        let provided: Vec<_> = provided.iter().map(|&name| name.to_owned()).collect();
        let choice = Choice::new(&index, &provided, &[]);
        let wanted: Vec<_> = wanted.iter().map(|name| choice.wanted(name)).collect();
        solve(&choice, &wanted)
            .map(|ids| ids.into_iter().map(|id| choice.label(id)).collect())
            .map_err(|reasons| reasons.to_string())
    }

    fn closure(packages: &[&str]) -> Vec<String> {
        chosen(packages, &["app"], &[]).unwrap()
    }

    #[test]
    fn depends_and_pre_depends_are_followed_and_nothing_else() {
        assert_eq!(
            closure(&[
                "app 1: Depends: a (>= 1), b; Recommends: c; Suggests: c",
                "a 1: Pre-Depends: d",
                "a 0",
                "b 2",
                "c 1",
                "d 1",
            ]),
            ["a 1", "app 1", "b 2", "d 1"]
        );
    }

    #[test]
    fn a_virtual_package_is_satisfied_by_what_provides_it() {
        let packages = [
            "app 1: Depends: awk",
            "gawk 1: Provides: awk",
            "mawk 1: Provides: awk; Priority: required",
        ];
        assert_eq!(closure(&packages), ["app 1", "mawk 1"]);
    }

    #[test]
    fn a_real_package_comes_before_one_that_provides_its_name() {
        let packages = [
            "app 1: Depends: tool",
            "tool 1",
            "busy 1: Provides: tool; Priority: required",
        ];
        assert_eq!(closure(&packages), ["app 1", "tool 1"]);
    }

    #[test]
    fn versions_of_virtual_packages_count_only_if_they_are_provided() {
        let packages = [
            "app 1: Depends: abi (>= 2)",
            "a 9: Provides: abi",
            "b 9: Provides: abi (= 1)",
            "c 1: Provides: abi (= 2)",
        ];
        assert_eq!(closure(&packages), ["app 1", "c 1"]);
        assert_eq!(
            chosen(&packages[..3], &["app"], &[]).unwrap_err(),
            "  the recipe asks for app: app 1\n  \
             app 1 needs abi (>= 2), and the archive offers no such package\n"
        );
    }

    #[test]
    fn alternatives_are_tried_in_order() {
        assert_eq!(
            closure(&["app 1: Depends: a (>= 2) | b | c", "a 1", "b 1", "c 1"]),
            ["app 1", "b 1"]
        );
        assert_eq!(
            closure(&["app 1: Depends: a | b", "a 1: Conflicts: app", "b 1"]),
            ["app 1", "b 1"]
        );
    }

    /// Shared with apt: a group is decided before later groups are looked at.
    #[test]
    fn the_first_alternative_stays_when_a_later_group_needs_another() {
        assert_eq!(
            closure(&["app 1: Depends: a | b, b", "a 1", "b 1"]),
            ["a 1", "app 1", "b 1"]
        );
    }

    #[test]
    fn architecture_qualifiers_are_respected() {
        let packages = |relation: &str, more: &str| -> Result<Vec<String>, String> {
            let app = format!("app 1: Depends: {relation}");
            let tool = format!("tool 1: {more}");
            chosen(&[&app, &tool], &["app"], &[])
        };
        assert!(packages("tool:any", "Multi-Arch: allowed").is_ok());
        assert!(packages("tool:any", "Multi-Arch: foreign").is_err());
        assert!(packages("tool:native", "Multi-Arch: same").is_ok());
        assert!(packages("tool:amd64", "Multi-Arch: no").is_ok());
        assert!(packages("tool:arm64", "Multi-Arch: same").is_err());
        assert!(packages("other:any", "Multi-Arch: allowed; Provides: other").is_ok());
    }

    #[test]
    fn conflicts_and_breaks_exclude_also_what_provides_the_name() {
        let packages = [
            "app 1: Conflicts: mta; Breaks: lib (<< 2); Provides: mta",
            "post 1: Provides: mta",
            "lib 1",
            "lib 2",
        ];
        assert_eq!(
            chosen(&packages, &["app", "lib"], &[]).unwrap(),
            ["app 1", "lib 2"]
        );
        assert_eq!(
            chosen(&packages, &["app", "post"], &[]).unwrap_err(),
            "  the recipe asks for app: app 1\n  \
             the recipe asks for post: post 1\n  \
             app 1 excludes post 1 (Conflicts: mta)\n"
        );
    }

    #[test]
    fn what_is_provided_by_the_recipe_is_neither_fetched_nor_missed() {
        let packages = [
            "app 1: Depends: kmod (>= 9), missing, a | b",
            "a 1",
            "b 1",
            "kmod 1",
        ];
        assert_eq!(
            chosen(&packages, &["app"], &["kmod", "missing", "b"]).unwrap(),
            ["app 1"]
        );
    }

    #[test]
    fn an_unsatisfiable_dependency_names_what_is_offered() {
        assert_eq!(
            chosen(
                &["app 1: Depends: lib (>= 2) | lib:any (= 3)", "lib 1"],
                &["app"],
                &[]
            )
            .unwrap_err(),
            "  the recipe asks for app: app 1\n  \
             app 1 needs lib (>= 2) | lib:any (= 3), and the archive only offers lib 1\n"
        );
        assert_eq!(
            chosen(&["mawk 1: Provides: awk"], &["awk"], &[]).unwrap_err(),
            "  the recipe asks for awk, and the archive only offers mawk 1\n"
        );
        assert_eq!(
            chosen(&["app 1: Depends: a b"], &["app"], &[]).unwrap_err(),
            "  the recipe asks for app: app 1\n  \
             app 1 cannot be used: Depends: \"a b\" is not a relation to a package\n"
        );
    }
}
