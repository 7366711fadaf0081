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
