use proptest::prelude::*;

use super::*;

/// Packages by name and version, with what they need (alternatives) and exclude.
#[derive(Debug, Default, Clone)]
struct Small {
    packages: Vec<(String, u32)>,
    relations: Vec<Relations>,
    broken: Vec<PackageId>,
}

impl Small {
    fn add(&mut self, name: &str, version: u32) -> PackageId {
        self.packages.push((name.to_owned(), version));
        self.relations.push(Relations::default());
        PackageId(u32::try_from(self.packages.len() - 1).unwrap())
    }

    fn needs(&mut self, package: PackageId, text: &str, choices: &[PackageId]) {
        let index = package.0 as usize;
        self.relations[index]
            .requirements
            .push(wants(text, choices));
    }

    fn excludes(&mut self, package: PackageId, text: &str, packages: &[PackageId]) {
        let index = package.0 as usize;
        self.relations[index].conflicts.push(Conflict {
            text: text.to_owned(),
            packages: packages.to_vec(),
        });
    }

    fn message(&self, wanted: &[Requirement]) -> String {
        solve(self, wanted).unwrap_err().to_string()
    }
}

impl Universe for Small {
    fn size(&self) -> u32 {
        u32::try_from(self.packages.len()).unwrap()
    }

    fn name(&self, package: PackageId) -> &str {
        &self.packages[package.0 as usize].0
    }

    fn label(&self, package: PackageId) -> String {
        let (name, version) = &self.packages[package.0 as usize];
        format!("{name} {version}")
    }

    fn candidates(&self, name: &str) -> Vec<PackageId> {
        let mut found: Vec<_> = (0..).map(PackageId).take(self.packages.len()).collect();
        found.retain(|&id| self.name(id) == name);
        found.sort_by_key(|id| std::cmp::Reverse(self.packages[id.0 as usize].1));
        found
    }

    fn relations(&self, package: PackageId) -> Result<Relations, String> {
        if self.broken.contains(&package) {
            return Err("its relations make no sense".to_owned());
        }
        Ok(self.relations[package.0 as usize].clone())
    }
}

fn wants(text: &str, choices: &[PackageId]) -> Requirement {
    Requirement {
        text: text.to_owned(),
        choices: choices.to_vec(),
        unless_absent: Vec::new(),
        misfits: Vec::new(),
        hint: String::new(),
    }
}

#[test]
fn the_closure_holds_what_is_needed_and_nothing_else() {
    let mut small = Small::default();
    let [app, library, data, _other] =
        ["app", "library", "data", "other"].map(|name| small.add(name, 1));
    small.needs(app, "library", &[library]);
    small.needs(library, "data", &[data]);
    small.needs(data, "library", &[library]);
    assert_eq!(
        solve(&small, &[wants("app", &[app])]),
        Ok(vec![app, library, data])
    );
    assert_eq!(solve(&small, &[]), Ok(vec![]));
}

#[test]
fn the_first_choice_is_taken_unless_another_one_is_there_anyway() {
    let mut small = Small::default();
    let [app, first, second] = ["app", "first", "second"].map(|name| small.add(name, 1));
    small.needs(app, "first | second", &[first, second]);
    let app_wanted = wants("app", &[app]);
    assert_eq!(
        solve(&small, std::slice::from_ref(&app_wanted)),
        Ok(vec![app, first])
    );
    let both = [app_wanted, wants("second", &[second])];
    assert_eq!(solve(&small, &both), Ok(vec![app, second]));
}

#[test]
fn an_older_version_is_taken_where_the_newest_does_not_fit() {
    let mut small = Small::default();
    let (new, old, tool) = (
        small.add("app", 2),
        small.add("app", 1),
        small.add("tool", 1),
    );
    small.excludes(new, "Conflicts: tool", &[tool]);
    let app = wants("app", &[new, old]);
    assert_eq!(solve(&small, std::slice::from_ref(&app)), Ok(vec![new]));
    assert_eq!(
        solve(&small, &[app, wants("tool", &[tool])]),
        Ok(vec![old, tool])
    );
}

#[test]
fn what_nothing_offers_is_told_with_what_comes_close() {
    let mut small = Small::default();
    let (app, library) = (small.add("app", 1), small.add("library", 1));
    let wanted = [wants("app", &[app])];
    small.relations[0].requirements.push(Requirement {
        misfits: vec![library],
        ..wants("library (>= 2)", &[])
    });
    assert_eq!(
        small.message(&wanted),
        "  the recipe asks for app: app 1\n  \
         app 1 needs library (>= 2), and the archive only offers library 1\n"
    );
    small.relations[0].requirements[0].misfits.clear();
    assert_eq!(
        small.message(&wanted),
        "  the recipe asks for app: app 1\n  \
         app 1 needs library (>= 2), and the archive offers no such package\n"
    );
}

#[test]
fn conflicts_are_told_with_both_sides() {
    let mut small = Small::default();
    let [app, library, tool] = ["app", "library", "tool"].map(|name| small.add(name, 1));
    small.needs(app, "library", &[library]);
    small.excludes(tool, "Breaks: library (<< 2)", &[library]);
    assert_eq!(
        small.message(&[wants("app", &[app]), wants("tool", &[tool])]),
        "  the recipe asks for app: app 1\n  \
         the recipe asks for tool: tool 1\n  \
         app 1 needs library: library 1\n  \
         tool 1 excludes library 1 (Breaks: library (<< 2))\n"
    );
}

#[test]
fn two_versions_of_one_name_exclude_each_other() {
    let mut small = Small::default();
    let (new, old) = (small.add("app", 2), small.add("app", 1));
    assert_eq!(
        small.message(&[wants("app (= 2)", &[new]), wants("app (= 1)", &[old])]),
        "  the recipe asks for app (= 2): app 2\n  \
         the recipe asks for app (= 1): app 1\n  \
         app 2 and app 1 cannot both be installed\n"
    );
}

#[test]
fn a_package_that_makes_no_sense_is_not_chosen() {
    let mut small = Small::default();
    let (new, old) = (small.add("app", 2), small.add("app", 1));
    small.broken = vec![new];
    let wanted = [wants("app", &[new, old])];
    assert_eq!(solve(&small, &wanted), Ok(vec![old]));
    small.broken = vec![new, old];
    let message = small.message(&wanted);
    assert!(
        message.contains("  app 2 cannot be used: its relations make no sense\n"),
        "{message}"
    );
}

#[test]
fn what_depends_on_an_absence_is_needed_only_when_the_others_are_there() {
    let mut small = Small::default();
    let [app, then, when] = ["app", "then", "when"].map(|name| small.add(name, 1));
    let conditional = Requirement {
        unless_absent: vec![vec![when]],
        ..wants("(then if when)", &[then])
    };
    small.relations[0].requirements.push(conditional);
    let app_wanted = wants("app", &[app]);
    assert_eq!(
        solve(&small, std::slice::from_ref(&app_wanted)),
        Ok(vec![app])
    );
    let both = [app_wanted, wants("when", &[when])];
    assert_eq!(solve(&small, &both), Ok(vec![app, then, when]));
    small.excludes(when, "Conflicts: then", &[then]);
    assert_eq!(
        small.message(&both),
        "  the recipe asks for app: app 1\n  \
         the recipe asks for when: when 1\n  \
         app 1 needs (then if when): then 1, no when 1\n  \
         when 1 excludes then 1 (Conflicts: then)\n"
    );
}

/// Worlds of up to 4 names with up to 3 versions each, and relations at random.
fn worlds() -> impl Strategy<Value = (Small, Vec<Requirement>)> {
    let choices = || prop::collection::vec(0_usize..12, 0..4);
    // One package in three has a requirement that depends on what is absent.
    let absent = prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::collection::vec(prop::collection::vec(0_usize..12, 1..3), 1..3),
    ];
    let conditional = (choices(), absent);
    let relations = prop::collection::vec((choices(), choices(), conditional), 12);
    (relations, prop::collection::vec(choices(), 1..4)).prop_map(|(relations, wanted)| {
        let mut small = Small::default();
        let ids: Vec<_> = (0..12_u32)
            .map(|index| small.add(["a", "b", "c", "d"][index as usize / 3], index % 3))
            .collect();
        let pick = |indexes: &[usize]| {
            let mut picked: Vec<PackageId> = Vec::new();
            for &index in indexes {
                if !picked.contains(&ids[index]) {
                    picked.push(ids[index]);
                }
            }
            picked
        };
        for (index, (needs, excludes, (then, absent))) in relations.iter().enumerate() {
            if !needs.is_empty() && !needs.contains(&index) {
                small.needs(ids[index], "needs", &pick(needs));
            }
            if excludes.len() < 3 && !excludes.contains(&index) {
                small.excludes(ids[index], "excludes", &pick(excludes));
            }
            if !absent.is_empty() {
                small.relations[index].requirements.push(Requirement {
                    unless_absent: absent.iter().map(|set| pick(set)).collect(),
                    ..wants("conditional", &pick(then))
                });
            }
        }
        let wanted = wanted
            .iter()
            .map(|one| wants("wanted", &pick(one)))
            .collect();
        (small, wanted)
    })
}

fn holds(small: &Small, wanted: &[Requirement], chosen: &[PackageId]) -> bool {
    let any = |ids: &[PackageId]| ids.iter().any(|id| chosen.contains(id));
    let met = |requirement: &Requirement| {
        any(&requirement.choices) || requirement.unless_absent.iter().any(|set| !any(set))
    };
    let names: std::collections::BTreeSet<_> = chosen.iter().map(|&id| small.name(id)).collect();
    names.len() == chosen.len()
        && wanted.iter().all(met)
        && chosen.iter().all(|id| {
            let relations = &small.relations[id.0 as usize];
            relations.requirements.iter().all(met)
                && relations
                    .conflicts
                    .iter()
                    .all(|conflict| !conflict.packages.iter().any(|id| chosen.contains(id)))
        })
}

proptest! {
    /// Compared with trying all 2^12 choices.
    #[test]
    fn a_solution_is_found_if_there_is_one((small, wanted) in worlds()) {
        let possible = (0..1_u32 << 12).any(|bits| {
            let chosen: Vec<_> = (0..12).filter(|bit| bits >> bit & 1 == 1).map(PackageId).collect();
            holds(&small, &wanted, &chosen)
        });
        match solve(&small, &wanted) {
            Ok(chosen) => {
                prop_assert!(holds(&small, &wanted, &chosen));
                prop_assert_eq!(solve(&small, &wanted), Ok(chosen));
            }
            Err(unsatisfiable) => {
                prop_assert!(!possible, "{}", unsatisfiable);
                prop_assert!(!unsatisfiable.0.is_empty());
            }
        }
    }

    /// Nothing is chosen that nobody asked for.
    #[test]
    fn everything_chosen_is_needed((small, wanted) in worlds()) {
        if let Ok(chosen) = solve(&small, &wanted) {
            let mut reached: Vec<PackageId> = Vec::new();
            let mut waiting: Vec<&Requirement> = wanted.iter().collect();
            while let Some(requirement) = waiting.pop() {
                for &id in requirement.choices.iter().filter(|id| chosen.contains(id)) {
                    if !reached.contains(&id) {
                        reached.push(id);
                        waiting.extend(&small.relations[id.0 as usize].requirements);
                    }
                }
            }
            reached.sort();
            prop_assert_eq!(reached, chosen);
        }
    }
}
