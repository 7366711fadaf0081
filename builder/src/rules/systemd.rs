//! The links that `systemctl enable`, `mask` and `set-default` make in `/etc/systemd/system`.

use std::collections::BTreeSet;

use super::RuleError;
use super::place::{parse_path, put_link};
use super::unit_file::Install;
use crate::recipe::Systemd;
use crate::tree::{NodeKind, Tree, TreePath};

const RULE: &str = "rootfs.systemd";
const LOCAL: &str = "etc/systemd/system";
/// Where units are looked for, first place first (systemd.unit(5), "Unit File Load Path").
const LOAD_PATH: [&str; 2] = [LOCAL, "usr/lib/systemd/system"];
/// Unit files take a few kilobytes.
const MAX_UNIT: u64 = 1 << 20;

pub(super) fn apply(tree: &mut Tree, systemd: &Systemd) -> Result<(), RuleError> {
    let mut enabled = BTreeSet::new();
    let mut waiting: Vec<&str> = systemd.enable.iter().map(String::as_str).rev().collect();
    let mut also = Vec::new();
    while let Some(unit) = waiting.pop().map(str::to_owned).or_else(|| also.pop()) {
        if enabled.insert(unit.clone()) {
            also.extend(enable(tree, &unit)?.into_iter().rev());
        }
    }
    for unit in &systemd.mask {
        if enabled.contains(unit) {
            return Err(fail(unit, "is both enabled and masked".to_owned()));
        }
        find(tree, unit)?;
        put_link(tree, RULE, local(unit)?, "/dev/null")?;
    }
    let target = &systemd.default_target;
    let file = find(tree, target)?;
    put_link(tree, RULE, local("default.target")?, &file.to_string())
}

/// Makes the links that the unit's `[Install]` section asks for, and gives the units of `Also=`.
fn enable(tree: &mut Tree, unit: &str) -> Result<Vec<String>, RuleError> {
    let file = find(tree, unit)?;
    let install = Install::parse(&read(tree, unit, &file)?);
    if install.is_empty() {
        return Err(fail(
            unit,
            "has nothing in its [Install] section, so enabling it would do nothing".to_owned(),
        ));
    }
    let target = file.to_string();
    let name = match (unit.split_once("@."), &install.default_instance) {
        (Some((template, suffix)), Some(instance)) => format!("{template}@{instance}.{suffix}"),
        (Some(_), None) if !install.wanted.is_empty() => {
            return Err(fail(
                unit,
                "is a template; name an instance of it".to_owned(),
            ));
        }
        _ => unit.to_owned(),
    };
    for (suffix, wanting) in &install.wanted {
        let link = local(&format!("{wanting}.{suffix}/{name}"))?;
        check_plain(unit, wanting)?;
        put_link(tree, RULE, link, &target)?;
    }
    for alias in &install.aliases {
        check_plain(unit, alias)?;
        put_link(tree, RULE, local(alias)?, &target)?;
    }
    Ok(install.also)
}

/// The unit's file, links between units followed.
fn find(tree: &Tree, unit: &str) -> Result<TreePath, RuleError> {
    check_plain(unit, unit)?;
    let mut name = unit.to_owned();
    // A chain of aliases is short; one that is not goes in a circle.
    for _ in 0..8 {
        let Some((path, kind)) = look_up(tree, &name)? else {
            let places = LOAD_PATH.map(|folder| format!("/{folder}")).join(" or ");
            return Err(fail(unit, format!("there is no unit {name:?} in {places}")));
        };
        match kind {
            NodeKind::File(_) => return Ok(path),
            NodeKind::Symlink(target) if target == b"/dev/null" => {
                return Err(fail(unit, format!("{path} is masked")));
            }
            NodeKind::Symlink(target) => {
                let start = target.iter().rposition(|&byte| byte == b'/');
                let last = &target[start.map_or(0, |slash| slash + 1)..];
                name = String::from_utf8_lossy(last).into_owned();
            }
            other => return Err(fail(unit, format!("{path} is {}", other.noun()))),
        }
    }
    Err(fail(unit, "its links go in a circle".to_owned()))
}

/// The first entry of the load path for this name, or for its template if it is an instance.
fn look_up<'a>(tree: &'a Tree, name: &str) -> Result<Option<(TreePath, &'a NodeKind)>, RuleError> {
    let template = name.split_once('@').and_then(|(prefix, rest)| {
        let (_, suffix) = rest.rsplit_once('.')?;
        Some(format!("{prefix}@.{suffix}"))
    });
    for name in [Some(name.to_owned()), template].into_iter().flatten() {
        for folder in LOAD_PATH {
            let path = parse_path(RULE, &format!("{folder}/{name}"))?;
            if let Some(node) = tree.get(&path) {
                return Ok(Some((path, &node.kind)));
            }
        }
    }
    Ok(None)
}

fn read(tree: &Tree, unit: &str, file: &TreePath) -> Result<String, RuleError> {
    let content = match tree.get(file).map(|node| &node.kind) {
        Some(NodeKind::File(content)) if content.len() <= MAX_UNIT => content,
        _ => return Err(fail(unit, format!("{file} is too large for a unit"))),
    };
    let bytes = content
        .to_vec()
        .map_err(|error| fail(unit, error.to_string()))?;
    String::from_utf8(bytes).map_err(|_| fail(unit, format!("{file} is not UTF-8")))
}

/// Unit names are one path component; specifiers (`%i`) would need what only a booted system
/// knows.
fn check_plain(unit: &str, name: &str) -> Result<(), RuleError> {
    match name.contains(['/', '%']) || !name.contains('.') {
        true => Err(fail(
            unit,
            format!("{name:?} is not the plain name of a unit"),
        )),
        false => Ok(()),
    }
}

fn local(name: &str) -> Result<TreePath, RuleError> {
    parse_path(RULE, &format!("{LOCAL}/{name}"))
}

fn fail(unit: &str, reason: String) -> RuleError {
    RuleError::Unit {
        unit: unit.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::place;
    use crate::tree::{Content, Metadata, Node, Origin};

    fn tree(units: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::new(Origin::rule("test"));
        for (name, text) in units {
            let kind = match text.strip_prefix("-> ") {
                Some(target) => NodeKind::Symlink(target.into()),
                None => NodeKind::File(Content::bytes(text.as_bytes())),
            };
            let node = Node {
                kind,
                metadata: Metadata::root_owned(0o644),
                origin: Origin::package("systemd", "1"),
            };
            let path = parse_path("test", &format!("usr/lib/systemd/system/{name}")).unwrap();
            place::put(&mut tree, "test", path, node).unwrap();
        }
        tree
    }

    fn links(
        units: &[(&str, &str)],
        enable: &[&str],
        mask: &[&str],
    ) -> Result<Vec<String>, String> {
        let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let systemd = Systemd {
            default_target: "multi-user.target".to_owned(),
            enable: own(enable),
            mask: own(mask),
        };
        let mut tree = tree(&[units, &[("multi-user.target", "")]].concat());
        apply(&mut tree, &systemd).map_err(|error| error.to_string())?;
        let etc = parse_path("test", LOCAL).unwrap();
        let links = tree.iter().filter_map(|(path, _, node)| match &node.kind {
            NodeKind::Symlink(target) if path.starts_with(&etc) => Some(format!(
                "{} -> {}",
                &path.to_string()[LOCAL.len() + 2..],
                String::from_utf8_lossy(target)
            )),
            _ => None,
        });
        Ok(links.collect())
    }

    #[test]
    fn units_are_linked_as_systemctl_enable_does() {
        let units = [
            (
                "a.service",
                "[Install]\nWantedBy=multi-user.target\nAlias=b.service\nAlso=c.socket\n",
            ),
            (
                "c.socket",
                "[Install]\nRequiredBy=sockets.target\nAlso=a.service\n",
            ),
            ("other.service", "-> a.service"),
            (
                "t@.service",
                "[Install]\nWantedBy=x.target\nDefaultInstance=tty1\n",
            ),
        ];
        let etc = "/usr/lib/systemd/system";
        assert_eq!(
            links(&units, &["a.service", "t@.service", "t@2.service"], &[]).unwrap(),
            [
                format!("b.service -> {etc}/a.service"),
                format!("default.target -> {etc}/multi-user.target"),
                format!("multi-user.target.wants/a.service -> {etc}/a.service"),
                format!("sockets.target.requires/c.socket -> {etc}/c.socket"),
                format!("x.target.wants/t@2.service -> {etc}/t@.service"),
                format!("x.target.wants/t@tty1.service -> {etc}/t@.service"),
            ]
        );
    }

    #[test]
    fn masked_units_lead_to_dev_null() {
        assert_eq!(
            links(&[("a.service", "")], &[], &["a.service"]).unwrap(),
            [
                "a.service -> /dev/null",
                "default.target -> /usr/lib/systemd/system/multi-user.target"
            ]
        );
    }

    #[test]
    fn units_that_cannot_be_started_as_asked_are_errors() {
        let units = [
            ("static.service", "[Service]\n"),
            ("bad.service", "[Install]\nWantedBy=%i.target\n"),
            ("t@.service", "[Install]\nWantedBy=x.target\n"),
            ("off.service", "-> /dev/null"),
            ("also.service", "[Install]\nAlso=gone.socket\n"),
            ("circle.service", "-> circle.service"),
        ];
        for (enable, mask, message) in [
            (
                "gone.service",
                None,
                "gone.service: there is no unit \"gone.service\" in /etc/systemd/system or \
                 /usr/lib/systemd/system",
            ),
            (
                "also.service",
                None,
                "gone.socket: there is no unit \"gone.socket\" in /etc/systemd/system or \
                 /usr/lib/systemd/system",
            ),
            (
                "static.service",
                None,
                "static.service: has nothing in its [Install] section, so enabling it would do \
                 nothing",
            ),
            (
                "bad.service",
                None,
                "bad.service: \"%i.target\" is not the plain name of a unit",
            ),
            (
                "t@.service",
                None,
                "t@.service: is a template; name an instance of it",
            ),
            (
                "off.service",
                None,
                "off.service: /usr/lib/systemd/system/off.service is masked",
            ),
            (
                "circle.service",
                None,
                "circle.service: its links go in a circle",
            ),
            (
                "t@1.service",
                Some("t@1.service"),
                "t@1.service: is both enabled and masked",
            ),
        ] {
            let error = links(&units, &[enable], mask.as_slice()).unwrap_err();
            assert_eq!(error, format!("rootfs.systemd: {message}"));
        }
    }
}
