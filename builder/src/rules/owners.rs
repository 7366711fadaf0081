//! Whose files are that belong to a user and a group by name: the numbers are those that the
//! guest's own `/etc/passwd` and `/etc/group` give.

use std::collections::BTreeMap;
use std::io::Read;

use super::RuleError;
use crate::package::{NamedOwner, OpenedPackage};
use crate::recipe::Rootfs;
use crate::tree::tarball::EntryKind;
use crate::tree::{Content, NodeKind};

/// An account file takes a few kilobytes; past this nothing is read.
const LONGEST: u64 = 1 << 20;

/// Gives each entry with a named owner its numbers. Root is 0. Other names stand in `rootfs.user`
/// and `rootfs.group`, which become the guest's files; without any, in those of the packages.
pub(super) fn resolve(rootfs: &Rootfs, packages: &mut [OpenedPackage]) -> Result<(), RuleError> {
    if packages.iter().all(|package| package.owners.is_empty()) {
        return Ok(());
    }
    let declared = !rootfs.user.is_empty() || !rootfs.group.is_empty();
    let [users, groups] = match declared {
        true => [
            rootfs
                .user
                .iter()
                .map(|user| (user.name.clone(), user.uid))
                .collect(),
            rootfs
                .group
                .iter()
                .map(|group| (group.name.clone(), group.gid))
                .collect(),
        ],
        false => [
            brought(packages, "/etc/passwd")?,
            brought(packages, "/etc/group")?,
        ],
    };
    for package in packages {
        let origin = package.origin().to_string();
        for owner in std::mem::take(&mut package.owners) {
            let NamedOwner { entry, user, group } = owner;
            let Some(entry) = package.entries.get_mut(entry) else {
                continue;
            };
            let path = &entry.path;
            let number = |what, name: String, accounts: &BTreeMap<String, u32>| match name.as_str()
            {
                "root" => Ok(0),
                _ => accounts
                    .get(&name)
                    .copied()
                    .ok_or_else(|| RuleError::Owner {
                        package: origin.clone(),
                        path: path.clone(),
                        what,
                        name,
                        accounts: match (declared, what) {
                            (true, "user") => "rootfs.user",
                            (true, _) => "rootfs.group",
                            (false, "user") => "/etc/passwd of the packages",
                            (false, _) => "/etc/group of the packages",
                        },
                    }),
            };
            let ids = (
                number("user", user, &users)?,
                number("group", group, &groups)?,
            );
            if let EntryKind::Inode { metadata, .. } = &mut entry.kind {
                (metadata.uid, metadata.gid) = ids;
            }
        }
    }
    Ok(())
}

/// Names and numbers of the file at `path` that a package brings: the first and the third field
/// of each line (passwd(5), group(5)).
fn brought(
    packages: &[OpenedPackage],
    path: &'static str,
) -> Result<BTreeMap<String, u32>, RuleError> {
    let mut accounts = BTreeMap::new();
    let entries = packages.iter().flat_map(|package| &package.entries);
    for entry in entries.filter(|entry| entry.path.to_string() == path) {
        if let EntryKind::Inode {
            kind: NodeKind::File(content),
            ..
        } = &entry.kind
        {
            let text = text(content).map_err(|reason| RuleError::AccountFile { path, reason })?;
            for line in text.lines() {
                let mut fields = line.split(':');
                if let (Some(name), _, Some(Ok(number))) =
                    (fields.next(), fields.next(), fields.next().map(str::parse))
                {
                    accounts.insert(name.to_owned(), number);
                }
            }
        }
    }
    Ok(accounts)
}

fn text(content: &Content) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    content.open()?.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;
    use crate::rules::MADE_UP_RECIPE;
    use crate::tree::tarball::Entry;
    use crate::tree::{Metadata, TreePath};

    fn package(group: &str) -> OpenedPackage {
        let entry = |path: &str, text: &str| Entry {
            path: TreePath::parse(path.as_bytes()).unwrap(),
            kind: EntryKind::Inode {
                kind: NodeKind::File(Content::bytes(text.as_bytes())),
                metadata: Metadata::root_owned(0o644),
            },
        };
        OpenedPackage {
            name: "chrony".to_owned(),
            version: "4-1".to_owned(),
            architecture: "x86_64".to_owned(),
            scripts: Vec::new(),
            entries: vec![
                entry(
                    "etc/passwd",
                    "root:x:0:0::/:/bin/sh\nchrony:x:12:13::/:/bin/false\n",
                ),
                entry("etc/group", "no line\nchrony:x:13:\n"),
                entry("var/lib/chrony", ""),
            ],
            owners: vec![NamedOwner {
                entry: 2,
                user: "chrony".to_owned(),
                group: group.to_owned(),
            }],
            shares_equal_files: true,
        }
    }

    fn owner_of(rules: &str, group: &str) -> Result<(u32, u32), String> {
        let text = MADE_UP_RECIPE.to_owned() + rules;
        let recipe = Recipe::parse(&text, std::path::Path::new("recipe.toml")).unwrap();
        let mut packages = [package(group)];
        resolve(&recipe.rootfs, &mut packages).map_err(|error| error.to_string())?;
        match &packages[0].entries[2].kind {
            EntryKind::Inode { metadata, .. } => Ok((metadata.uid, metadata.gid)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_get_the_numbers_of_the_guests_own_account_files() {
        assert_eq!(owner_of("", "chrony"), Ok((12, 13)));
        assert_eq!(owner_of("", "root"), Ok((12, 0)));
        assert_eq!(
            owner_of("", "wheel").unwrap_err(),
            "package chrony 4-1: /var/lib/chrony belongs to group \"wheel\", which /etc/group of \
             the packages does not have; add it to rootfs.group"
        );
        // Accounts of the recipe become the files: those of the packages count no more.
        let user = "\n[[rootfs.user]]\nname = \"chrony\"\nuid = 7\ngid = 8\nhome = \"/\"\n\
                    shell = \"/bin/false\"\n";
        assert_eq!(owner_of(user, "root"), Ok((7, 0)));
        assert_eq!(
            owner_of(user, "chrony").unwrap_err(),
            "package chrony 4-1: /var/lib/chrony belongs to group \"chrony\", which rootfs.group \
             does not have; add it to rootfs.group"
        );
    }
}
