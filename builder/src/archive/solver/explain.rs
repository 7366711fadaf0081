//! A contradiction, told from what was asked for down to what does not fit.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use resolvo::conflict::{ConflictCause, ConflictEdge, ConflictGraph, ConflictNode};
use resolvo::{Interner, Requirement as Clause, SolvableId};

use super::{PackageId, Provider, Requirement, Universe};

/// Choices that are named before the rest is only counted.
const NAMED: usize = 4;

/// One line for each statement that takes part in the contradiction.
pub(super) fn reasons<U: Universe>(
    graph: &ConflictGraph<SolvableId>,
    provider: &Provider<'_, U>,
) -> Vec<String> {
    let mut statements: BTreeMap<usize, Statements> = BTreeMap::new();
    for edge in graph.graph.edge_indices() {
        let (Some((source, target)), Some(weight)) = (
            graph.graph.edge_endpoints(edge),
            graph.graph.edge_weight(edge),
        ) else {
            continue;
        };
        let source = statements.entry(source.index()).or_default();
        match weight {
            ConflictEdge::Requires(clause) => {
                source.requires(*clause).push(target.index());
            }
            ConflictEdge::Conflict(cause) => source.conflicts.push((*cause, target.index())),
        }
    }
    let node = |index: usize| {
        let found = graph
            .graph
            .node_indices()
            .find(|node| node.index() == index);
        found.map(|node| graph.graph[node])
    };
    let mut reasons = Vec::new();
    let mut seen = BTreeSet::new();
    let mut waiting = VecDeque::from([graph.root_node.index()]);
    while let Some(index) = waiting.pop_front() {
        let (Some(statements), true) = (statements.get(&index), seen.insert(index)) else {
            continue;
        };
        let subject = match node(index) {
            Some(ConflictNode::Root) => "the recipe asks for".to_owned(),
            Some(ConflictNode::Solvable(id)) => {
                format!("{} needs", provider.label(id.into()))
            }
            _ => continue,
        };
        for (clause, targets) in &statements.requires {
            let choices: Vec<PackageId> = targets
                .iter()
                .filter_map(|&target| match node(target) {
                    Some(ConflictNode::Solvable(id)) => Some(id.into()),
                    _ => None,
                })
                .collect();
            reasons.push(format!("{subject} {}", needed(*clause, &choices, provider)));
            waiting.extend(targets);
        }
        for (cause, target) in &statements.conflicts {
            reasons.extend(conflict(node(index), *cause, node(*target), provider));
        }
    }
    reasons
}

#[derive(Default)]
struct Statements {
    requires: Vec<(Clause, Vec<usize>)>,
    conflicts: Vec<(ConflictCause<SolvableId>, usize)>,
}

impl Statements {
    fn requires(&mut self, clause: Clause) -> &mut Vec<usize> {
        let found = self.requires.iter().position(|(known, _)| *known == clause);
        let index = found.unwrap_or_else(|| {
            self.requires.push((clause, Vec::new()));
            self.requires.len() - 1
        });
        &mut self.requires[index].1
    }
}

fn needed<U: Universe>(
    clause: Clause,
    choices: &[PackageId],
    provider: &Provider<'_, U>,
) -> String {
    let requirements = provider.requirements.borrow();
    let Some(requirement) = requirements.get(&clause) else {
        return String::new();
    };
    let Requirement {
        text,
        misfits,
        hint,
        ..
    } = requirement;
    let listed = |packages: &[PackageId]| {
        let mut labels: Vec<_> = packages
            .iter()
            .take(NAMED)
            .map(|&package| provider.label(package))
            .collect();
        if packages.len() > NAMED {
            labels.push(format!("{} more", packages.len() - NAMED));
        }
        labels.join(", ")
    };
    match (choices, misfits.as_slice()) {
        ([], []) => format!("{text}, and the archive offers no such package{hint}"),
        ([], misfits) => format!("{text}, and the archive only offers {}", listed(misfits)),
        (choices, _) => format!("{text}: {}", listed(choices)),
    }
}

fn conflict<U: Universe>(
    source: Option<ConflictNode<SolvableId>>,
    cause: ConflictCause<SolvableId>,
    target: Option<ConflictNode<SolvableId>>,
    provider: &Provider<'_, U>,
) -> Option<String> {
    let label = |node| match node {
        Some(ConflictNode::Solvable(id)) => Some(provider.label(PackageId::from(id))),
        _ => None,
    };
    if let Some(ConflictNode::Solvable(id)) = source
        && provider.absence(id.into()).is_some()
    {
        return None;
    }
    let subject = label(source)?;
    match (cause, target) {
        (ConflictCause::Constrains(set), target) => Some(format!(
            "{subject} excludes {} ({})",
            label(target)?,
            provider.display_version_set(set)
        )),
        (ConflictCause::ForbidMultipleInstances, target) => Some(format!(
            "{subject} and {} cannot both be installed",
            label(target)?
        )),
        (ConflictCause::Excluded, Some(ConflictNode::Excluded(reason))) => Some(format!(
            "{subject} cannot be used: {}",
            provider.display_string(reason)
        )),
        _ => None,
    }
}
