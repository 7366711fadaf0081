//! Chooses packages: at most one of each name, all requirements met, no conflicts. Knows no
//! package format: a format turns its relations into lists of packages that satisfy them.

mod explain;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use resolvo::utils::{Pool, VersionSet};
use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, Dependencies, DependencyProvider,
    HintDependenciesAvailable, Interner, KnownDependencies, NameId, Requirement as Clause,
    SolvableId, Solver, SolverCache, StringId, UnsolvableOrCancelled, VersionSetId,
    VersionSetUnionId,
};

/// What the names begin with that absences go by; no package's name holds a space.
const ABSENCE: &str = "no ";

/// A package of a [`Universe`], by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PackageId(pub(crate) u32);

/// Something that must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requirement {
    /// How the package states it.
    pub(crate) text: String,
    /// The packages that satisfy it, the preferred one first.
    pub(crate) choices: Vec<PackageId>,
    /// Sets of packages: without any package of one of them, nothing more is asked for.
    pub(crate) unless_absent: Vec<Vec<PackageId>>,
    /// If none does: packages of the name that was asked for, which do not fit.
    pub(crate) misfits: Vec<PackageId>,
    /// What else may be said if none does; may be empty.
    pub(crate) hint: String,
}

impl Requirement {
    fn is_conditional(&self) -> bool {
        !self.unless_absent.is_empty()
    }

    fn is_met_by(&self, chosen: &[PackageId]) -> bool {
        let there = |id: &PackageId| chosen.binary_search(id).is_ok();
        self.choices.iter().any(there)
            || self.unless_absent.iter().any(|set| !set.iter().any(there))
    }
}

/// Packages that must not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// How the package states it.
    pub(crate) text: String,
    /// The packages that it excludes.
    pub(crate) packages: Vec<PackageId>,
}

impl Conflict {
    /// The conflict with `packages`, each once and in order; `None` if there are none.
    pub(crate) fn with(
        packages: impl Iterator<Item = PackageId>,
        text: impl FnOnce() -> String,
    ) -> Option<Self> {
        let mut packages: Vec<_> = packages.collect();
        packages.sort();
        packages.dedup();
        (!packages.is_empty()).then(|| Self {
            text: text(),
            packages,
        })
    }
}

/// What a package says about others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Relations {
    pub(crate) requirements: Vec<Requirement>,
    pub(crate) conflicts: Vec<Conflict>,
}

/// The packages to choose from.
pub(crate) trait Universe {
    /// How many packages there are: their numbers are those below.
    fn size(&self) -> u32;

    /// The package's name; of one name, at most one package is chosen.
    fn name(&self, package: PackageId) -> &str;

    /// The package for people: name and version.
    fn label(&self, package: PackageId) -> String;

    /// The packages of a name, the preferred one first.
    fn candidates(&self, name: &str) -> Vec<PackageId>;

    /// What the package says about others, or why it cannot be used.
    fn relations(&self, package: PackageId) -> Result<Relations, String>;
}

/// Why no choice satisfies everything: one reason a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsatisfiable(Vec<String>);

impl fmt::Display for Unsatisfiable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for reason in &self.0 {
            writeln!(f, "  {reason}")?;
        }
        Ok(())
    }
}

/// Chooses packages so that everything in `wanted` is there, with all that this needs. The result
/// is sorted, and the same for the same input.
///
/// A requirement that a chosen package meets already brings nothing new. Otherwise its first
/// choice is taken, unless that leads to a contradiction. A requirement that depends on the absence
/// of packages comes into force when a choice made without it breaks it: it neither keeps those
/// packages out nor brings them in by itself.
pub(crate) fn solve<U: Universe>(
    universe: &U,
    wanted: &[Requirement],
) -> Result<Vec<PackageId>, Unsatisfiable> {
    let mut in_force = InForce::new();
    loop {
        let chosen = attempt(universe, wanted, &in_force)?;
        let mut all_met = true;
        for &package in &chosen {
            let relations = universe.relations(package).unwrap_or_default();
            let broken = relations.requirements.into_iter();
            let broken = broken.filter(|one| one.is_conditional() && !one.is_met_by(&chosen));
            for requirement in broken {
                in_force.entry(package).or_default().push(requirement);
                all_met = false;
            }
        }
        if all_met {
            return Ok(chosen);
        }
    }
}

/// Requirements of packages that depend on the absence of others, as far as they count already.
type InForce = BTreeMap<PackageId, Vec<Requirement>>;

fn attempt<U: Universe>(
    universe: &U,
    wanted: &[Requirement],
    in_force: &InForce,
) -> Result<Vec<PackageId>, Unsatisfiable> {
    let provider = Provider {
        universe,
        in_force,
        absences: in_force
            .values()
            .flatten()
            .flat_map(|requirement| &requirement.unless_absent)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        pool: Pool::new(),
        requirements: RefCell::default(),
    };
    let clauses = wanted
        .iter()
        .map(|requirement| provider.clause(requirement))
        .collect();
    let mut solver = Solver::new(provider);
    let problem = resolvo::Problem::new().requirements(clauses);
    match solver.solve(problem) {
        Ok(chosen) => {
            let mut chosen: Vec<_> = chosen.into_iter().map(PackageId::from).collect();
            chosen.retain(|id| id.0 < universe.size());
            chosen.sort();
            Ok(chosen)
        }
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
            let graph = conflict.graph(&solver);
            Err(Unsatisfiable(explain::reasons(&graph, solver.provider())))
        }
        Err(UnsolvableOrCancelled::Cancelled(_)) => {
            unreachable!("nothing cancels the solver")
        }
    }
}

impl From<SolvableId> for PackageId {
    fn from(id: SolvableId) -> Self {
        Self(id.into_raw())
    }
}

impl From<PackageId> for SolvableId {
    fn from(id: PackageId) -> Self {
        Self::from_raw(id.0)
    }
}

/// Packages of one name, listed: those that are in the set, or those that are not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Listed {
    packages: Vec<PackageId>,
    inverted: bool,
    text: String,
}

impl VersionSet for Listed {
    type V = String;
}

/// Presents a [`Universe`] to resolvo.
struct Provider<'u, U> {
    universe: &'u U,
    in_force: &'u InForce,
    /// Sets of packages that requirements in force ask about. resolvo knows no "unless": that none
    /// of a set is there is said by a package of its own, numbered after the universe's, which
    /// excludes them all.
    absences: Vec<&'u Vec<PackageId>>,
    pool: Pool<Listed, String>,
    /// What each clause says.
    requirements: RefCell<BTreeMap<Clause, Requirement>>,
}

impl<U: Universe> Provider<'_, U> {
    /// The set whose absence a package stands for, if it does.
    fn absence(&self, package: PackageId) -> Option<&Vec<PackageId>> {
        let number = package.0.checked_sub(self.universe.size())?;
        self.absences.get(number as usize).copied()
    }

    fn absence_of(&self, set: &Vec<PackageId>) -> Option<PackageId> {
        let number = self.absences.binary_search(&set).ok()?;
        let number = u32::try_from(number).ok()?;
        self.universe.size().checked_add(number).map(PackageId)
    }

    /// The name that `package` goes by. No package is called as absences are.
    fn name(&self, package: PackageId) -> Cow<'_, str> {
        match self.absence(package) {
            Some(_) => Cow::Owned(format!("{ABSENCE}{}", package.0)),
            None => Cow::Borrowed(self.universe.name(package)),
        }
    }

    fn label(&self, package: PackageId) -> String {
        match self.absence(package) {
            Some(set) => {
                let labels: Vec<_> = set.iter().map(|&id| self.universe.label(id)).collect();
                format!("no {}", labels.join(", no "))
            }
            None => self.universe.label(package),
        }
    }

    /// The packages of a name, the preferred one first.
    fn candidates(&self, name: &str) -> Vec<PackageId> {
        match name.strip_prefix(ABSENCE).map(str::parse) {
            Some(Ok(number)) => vec![PackageId(number)],
            _ => self.universe.candidates(name),
        }
    }

    fn relations(&self, package: PackageId) -> Result<Relations, String> {
        if let Some(set) = self.absence(package) {
            let excluded = Conflict {
                text: String::new(),
                packages: set.clone(),
            };
            return Ok(Relations {
                requirements: Vec::new(),
                conflicts: vec![excluded],
            });
        }
        let mut relations = self.universe.relations(package)?;
        relations.requirements.retain(|one| !one.is_conditional());
        let in_force = self.in_force.get(&package).into_iter().flatten();
        relations.requirements.extend(in_force.cloned());
        Ok(relations)
    }

    fn clause(&self, requirement: &Requirement) -> ConditionalRequirement {
        let text = &requirement.text;
        let absences = requirement.unless_absent.iter();
        let absences = absences.filter_map(|set| self.absence_of(set));
        let choices: Vec<_> = requirement
            .choices
            .iter()
            .copied()
            .chain(absences)
            .collect();
        let set = |packages: &[PackageId]| {
            let first = packages.first();
            let name = first.map_or(Cow::Borrowed(text.as_str()), |&first| self.name(first));
            self.pool.intern_version_set(
                self.pool.intern_package_name(&*name),
                Listed {
                    packages: packages.to_vec(),
                    inverted: false,
                    text: text.clone(),
                },
            )
        };
        // Choices of one name that stand together become one set; sets keep the preferred order.
        let same_name = |a: &PackageId, b: &PackageId| self.name(*a) == self.name(*b);
        let mut sets = choices.chunk_by(same_name).map(set);
        let clause = match (sets.next(), sets.next()) {
            (None, _) => Clause::Single(set(&[])),
            (Some(only), None) => Clause::Single(only),
            (Some(first), Some(second)) => {
                let others = std::iter::once(second).chain(sets);
                Clause::Union(self.pool.intern_version_set_union(first, others))
            }
        };
        let mut requirements = self.requirements.borrow_mut();
        requirements.insert(clause, requirement.clone());
        clause.into()
    }

    fn exclusions(&self, conflict: &Conflict) -> Vec<VersionSetId> {
        let mut by_name: BTreeMap<&str, Vec<PackageId>> = BTreeMap::new();
        for &package in &conflict.packages {
            by_name
                .entry(self.universe.name(package))
                .or_default()
                .push(package);
        }
        by_name
            .into_iter()
            .map(|(name, packages)| {
                self.pool.intern_version_set(
                    self.pool.intern_package_name(name),
                    Listed {
                        packages,
                        inverted: true,
                        text: conflict.text.clone(),
                    },
                )
            })
            .collect()
    }
}

impl<U: Universe> Interner for Provider<'_, U> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl fmt::Display + '_ {
        self.label(solvable.into())
    }

    fn display_name(&self, name: NameId) -> impl fmt::Display + '_ {
        self.pool.resolve_package_name(name)
    }

    fn display_version_set(&self, set: VersionSetId) -> impl fmt::Display + '_ {
        &self.pool.resolve_version_set(set).text
    }

    fn display_string(&self, string: StringId) -> impl fmt::Display + '_ {
        self.pool.resolve_string(string)
    }

    fn version_set_name(&self, set: VersionSetId) -> NameId {
        self.pool.resolve_version_set_package_name(set)
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        self.pool.intern_package_name(&*self.name(solvable.into()))
    }

    fn version_sets_in_union(
        &self,
        union: VersionSetUnionId,
    ) -> impl Iterator<Item = VersionSetId> {
        self.pool.resolve_version_set_union(union)
    }

    fn resolve_condition(&self, condition: ConditionId) -> Condition {
        self.pool.resolve_condition(condition).clone()
    }
}

impl<U: Universe> DependencyProvider for Provider<'_, U> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        let listed = self.pool.resolve_version_set(set);
        candidates
            .iter()
            .copied()
            .filter(|&id| (listed.packages.contains(&id.into()) != listed.inverted) != inverse)
            .collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates> {
        let packages = self.candidates(self.pool.resolve_package_name(name));
        Some(Candidates {
            candidates: packages.into_iter().map(SolvableId::from).collect(),
            hint_dependencies_available: HintDependenciesAvailable::None,
            ..Candidates::default()
        })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        let Some(&first) = solvables.first() else {
            return;
        };
        let order = self.candidates(&self.name(first.into()));
        solvables.sort_by_key(|&id| order.iter().position(|&one| one == id.into()));
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        match self.relations(solvable.into()) {
            Ok(relations) => Dependencies::Known(KnownDependencies {
                requirements: relations
                    .requirements
                    .iter()
                    .map(|requirement| self.clause(requirement))
                    .collect(),
                constrains: relations
                    .conflicts
                    .iter()
                    .flat_map(|conflict| self.exclusions(conflict))
                    .collect(),
            }),
            Err(problem) => Dependencies::Unknown(self.pool.intern_string(problem)),
        }
    }
}

#[cfg(test)]
mod tests;
