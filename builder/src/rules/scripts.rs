//! Maintainer scripts: none runs, and the recipe says what stands in, of a package or, for the
//! scriptlets of RPM packages, of single commands.

use std::collections::BTreeMap;

use super::{RuleError, scriptlets};
use crate::package::{MaintainerScript, OpenedPackage};
use crate::recipe::ScriptletRule;

/// Checks that `acknowledged`, the recipe's `table`, names only packages with scripts, and that it
/// or `rules` answer for every script.
pub(super) fn check(
    table: &'static str,
    acknowledged: &BTreeMap<String, String>,
    rules: &[ScriptletRule],
    packages: &[OpenedPackage],
) -> Result<(), RuleError> {
    scriptlets::check_rules(rules)?;
    let open = || {
        let unnamed = |package: &&OpenedPackage| !acknowledged.contains_key(&package.name);
        packages.iter().filter(unnamed)
    };
    let scriptlet = |script: &_| matches!(script, MaintainerScript::Scriptlet { .. });
    let unknown: Vec<String> = open()
        .filter(|package| !package.scripts.iter().all(scriptlet))
        .map(|package| {
            let scripts: Vec<_> = package.scripts.iter().map(ToString::to_string).collect();
            format!(
                "{} {} ({})",
                package.name,
                package.version,
                scripts.join(", ")
            )
        })
        .collect();
    if !unknown.is_empty() {
        return Err(RuleError::UnknownScripts {
            table,
            packages: unknown.join(", "),
        });
    }
    let scriptlets: String = open()
        .map(|package| scriptlets::unanswered(rules, package))
        .collect();
    if !scriptlets.is_empty() {
        return Err(RuleError::UnknownScriptlets { table, scriptlets });
    }
    for (name, text) in acknowledged {
        let wrong = |reason| {
            Err(RuleError::Acknowledgement {
                table,
                package: name.clone(),
                reason,
            })
        };
        match packages.iter().find(|package| package.name == *name) {
            None => return wrong("is not among the packages; take the line out"),
            Some(package) if package.scripts.is_empty() => {
                return wrong("has no maintainer scripts; take the line out");
            }
            Some(_) if text.trim().is_empty() => {
                return wrong("has an empty line; say what stands in for its scripts");
            }
            Some(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::MaintainerScript::{Postinst, Preinst};

    fn check_lines(lines: &[(&str, &str)]) -> Result<(), String> {
        let package = |name: &str, scripts: &[_]| OpenedPackage {
            name: name.to_owned(),
            version: "1-2".to_owned(),
            architecture: "amd64".to_owned(),
            scripts: scripts.to_vec(),
            entries: Vec::new(),
            owners: Vec::new(),
            shares_equal_files: false,
        };
        let packages = [
            package("quiet", &[]),
            package("systemd", &[Preinst, Postinst]),
            package("udev", &[Postinst]),
        ];
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let lines = lines.iter().map(own).collect();
        check("rootfs.maintainer-scripts", &lines, &[], &packages)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_script_that_nothing_stands_in_for_is_an_error_that_names_it() {
        assert_eq!(
            check_lines(&[("udev", "groups are in rootfs.group")]).unwrap_err(),
            "rootfs.maintainer-scripts: maintainer scripts never run here, and nothing stands in \
             for those of systemd 1-2 (preinst, postinst); read them and add a line for each \
             package that says what does"
        );
    }

    #[test]
    fn lines_that_are_out_of_date_are_errors() {
        let good = [("systemd", "users are in rootfs.user"), ("udev", "no hwdb")];
        assert_eq!(check_lines(&good), Ok(()));
        for (line, message) in [
            (
                ("quiet", "x"),
                "quiet has no maintainer scripts; take the line out",
            ),
            (
                ("gone", "x"),
                "gone is not among the packages; take the line out",
            ),
            (
                ("udev", " "),
                "udev has an empty line; say what stands in for its scripts",
            ),
        ] {
            assert_eq!(
                check_lines(&[good[0], good[1], line]).unwrap_err(),
                format!("rootfs.maintainer-scripts: {message}")
            );
        }
    }
}
