//! `/etc/passwd` and `/etc/group` (passwd(5), group(5)), and their shadow files (shadow(5),
//! gshadow(5)).

use std::collections::BTreeMap;
use std::fmt::Write;

use super::RuleError;
use super::place::{parse_path, put};
use crate::recipe::{Group, Rootfs, User};
use crate::tree::{Content, Metadata, Node, NodeKind, Origin, Tree};

const USER: &str = "rootfs.user";
const GROUP: &str = "rootfs.group";
const SHADOW: &str = "rootfs.shadow";

/// Writes the files, sorted by id. A recipe without users and groups gets none.
///
/// With `shadow` the passwords are where pwconv(8) and grpconv(8) put them. The date of the last
/// change stays empty: there was none, and a date would be the build's.
pub(super) fn apply(tree: &mut Tree, rootfs: &Rootfs) -> Result<(), RuleError> {
    let Rootfs {
        user: users,
        group: groups,
        shadow,
        ..
    } = rootfs;
    if users.is_empty() && groups.is_empty() {
        return match shadow {
            true => Err(account(
                SHADOW,
                format!("there is no {USER} and no {GROUP} to write it for"),
            )),
            false => Ok(()),
        };
    }
    // "*" is no password's hash: nobody logs in with one. "x" says that it stands elsewhere.
    let password = if *shadow { 'x' } else { '*' };
    let groups = by_id(GROUP, groups, |group| (&group.name, group.gid))?;
    let users = by_id(USER, users, |user| (&user.name, user.uid))?;
    let mut passwd = String::new();
    for user in users.values() {
        if !groups.contains_key(&user.gid) {
            return Err(account(
                USER,
                format!("{:?}: its group {} is not in {GROUP}", user.name, user.gid),
            ));
        }
        let User {
            name,
            uid,
            gid,
            home,
            shell,
        } = user;
        for field in [home, shell] {
            if !field.starts_with('/') || field.contains([':', '\n']) {
                return Err(account(
                    USER,
                    format!("{name:?}: {field:?} is not an absolute path without \":\""),
                ));
            }
        }
        let _ = writeln!(
            passwd,
            "{name}:{password}:{uid}:{gid}:{name}:{home}:{shell}"
        );
    }
    let mut group_file = String::new();
    for group in groups.values() {
        for member in &group.members {
            if !users.values().any(|user| user.name == *member) {
                return Err(account(
                    GROUP,
                    format!("{:?}: its member {member:?} is not in {USER}", group.name),
                ));
            }
        }
        let Group { name, gid, members } = group;
        let _ = writeln!(group_file, "{name}:{password}:{gid}:{}", members.join(","));
    }
    let mut files = vec![
        (USER, "etc/passwd", passwd, 0o644),
        (GROUP, "etc/group", group_file, 0o644),
    ];
    if *shadow {
        let users = users
            .values()
            .map(|user| format!("{}:*:::::::\n", user.name));
        let groups = groups
            .values()
            .map(|group| format!("{}:*::{}\n", group.name, group.members.join(",")));
        files.push((SHADOW, "etc/shadow", users.collect(), 0));
        files.push((SHADOW, "etc/gshadow", groups.collect(), 0));
    }
    for (rule, path, text, mode) in files {
        let node = Node {
            kind: NodeKind::File(Content::bytes(text.as_bytes())),
            metadata: Metadata::root_owned(mode),
            origin: Origin::rule(rule),
        };
        put(tree, rule, parse_path(rule, path)?, node)?;
    }
    Ok(())
}

fn by_id<'a, T>(
    rule: &'static str,
    accounts: &'a [T],
    name_and_id: impl Fn(&T) -> (&String, u32),
) -> Result<BTreeMap<u32, &'a T>, RuleError> {
    let mut names = BTreeMap::new();
    let mut sorted = BTreeMap::new();
    for entry in accounts {
        let (name, id) = name_and_id(entry);
        check_name(rule, name)?;
        if names.insert(name.clone(), id).is_some() {
            return Err(account(rule, format!("two are named {name:?}")));
        }
        if let Some(other) = sorted.insert(id, entry) {
            let other = name_and_id(other).0;
            return Err(account(
                rule,
                format!("{other:?} and {name:?} have the same id {id}"),
            ));
        }
    }
    Ok(sorted)
}

/// The names that useradd(8) takes by default.
fn check_name(rule: &'static str, name: &str) -> Result<(), RuleError> {
    let first = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let later = |byte: u8| first(byte) || byte.is_ascii_digit() || byte == b'-';
    let fits =
        name.len() <= 32 && name.bytes().next().is_some_and(first) && name.bytes().all(later);
    match fits {
        true => Ok(()),
        false => Err(account(
            rule,
            format!("{name:?} is not a name of lower-case letters, digits, \"_\" and \"-\""),
        )),
    }
}

fn account(rule: &'static str, reason: String) -> RuleError {
    RuleError::Account { rule, reason }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;
    use crate::archive::testing::run;
    use crate::recipe::Recipe;
    use crate::rules::MADE_UP_RECIPE;

    fn user(name: &str, uid: u32) -> User {
        User {
            name: name.to_owned(),
            uid,
            gid: uid,
            home: "/".to_owned(),
            shell: "/usr/sbin/nologin".to_owned(),
        }
    }

    fn group(name: &str, gid: u32, members: &[&str]) -> Group {
        Group {
            name: name.to_owned(),
            gid,
            members: members.iter().map(|&member| member.to_owned()).collect(),
        }
    }

    fn apply_to_new(users: &[User], groups: &[Group], shadow: bool) -> Result<Tree, String> {
        let mut rootfs = Recipe::parse(MADE_UP_RECIPE, Path::new("recipe.toml"))
            .unwrap()
            .rootfs;
        rootfs.shadow = shadow;
        rootfs.user = users.to_vec();
        rootfs.group = groups.to_vec();
        let mut tree = Tree::new(Origin::rule("test"));
        apply(&mut tree, &rootfs).map_err(|error| error.to_string())?;
        Ok(tree)
    }

    fn read(tree: &Tree, path: &str) -> String {
        match &tree.get(&parse_path("test", path).unwrap()).unwrap().kind {
            NodeKind::File(content) => String::from_utf8(content.to_vec().unwrap()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn files(users: &[User], groups: &[Group]) -> Result<(String, String), String> {
        let tree = apply_to_new(users, groups, false)?;
        Ok((read(&tree, "/etc/passwd"), read(&tree, "/etc/group")))
    }

    /// pwck(8) and grpck(8) find nothing wrong with them.
    #[test]
    fn shadow_files_lock_every_account_and_hold_no_date() {
        let users = [user("nobody", 65534), user("root", 0)];
        let groups = [group("nogroup", 65534, &["root"]), group("root", 0, &[])];
        let tree = apply_to_new(&users, &groups, true).unwrap();
        let expected = [
            (
                "passwd",
                "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
                0o644,
            ),
            ("group", "root:x:0:\nnogroup:x:65534:root\n", 0o644),
            ("shadow", "root:*:::::::\nnobody:*:::::::\n", 0),
            ("gshadow", "root:*::\nnogroup:*::root\n", 0),
        ];
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        for (name, text, mode) in expected {
            let path = format!("/etc/{name}");
            let text = text.replace("/bin/sh", "/usr/sbin/nologin");
            assert_eq!(read(&tree, &path), text);
            let node = tree.get(&parse_path("test", &path).unwrap()).unwrap();
            assert_eq!(node.metadata.mode, mode, "{name}");
            fs_err::write(file(name), text).unwrap();
        }
        run(Command::new("/usr/sbin/pwck")
            .arg("-qr")
            .args([file("passwd"), file("shadow")]));
        run(Command::new("/usr/sbin/grpck")
            .arg("-r")
            .args([file("group"), file("gshadow")]));
        assert_eq!(
            apply_to_new(&[], &[], true).unwrap_err(),
            "rootfs.shadow: there is no rootfs.user and no rootfs.group to write it for"
        );
    }

    #[test]
    fn lines_are_sorted_by_id_and_nobody_has_a_password() {
        let (passwd, group) = files(
            &[user("nobody", 65534), user("root", 0)],
            &[
                group("nogroup", 65534, &[]),
                group("tty", 5, &["root", "nobody"]),
                group("root", 0, &[]),
            ],
        )
        .unwrap();
        assert_eq!(
            passwd,
            "root:*:0:0:root:/:/usr/sbin/nologin\nnobody:*:65534:65534:nobody:/:/usr/sbin/nologin\n"
        );
        assert_eq!(group, "root:*:0:\ntty:*:5:root,nobody\nnogroup:*:65534:\n");
    }

    #[test]
    fn accounts_that_contradict_each_other_are_refused() {
        let root = || group("root", 0, &[]);
        for (users, groups, message) in [
            (
                vec![],
                vec![root(), group("root", 1, &[])],
                "rootfs.group: two are named \"root\"",
            ),
            (
                vec![],
                vec![root(), group("wheel", 0, &[])],
                "rootfs.group: \"root\" and \"wheel\" have the same id 0",
            ),
            (
                vec![user("app", 7)],
                vec![root()],
                "rootfs.user: \"app\": its group 7 is not in rootfs.group",
            ),
            (
                vec![],
                vec![group("root", 0, &["app"])],
                "rootfs.group: \"root\": its member \"app\" is not in rootfs.user",
            ),
            (
                vec![user("a:b", 0)],
                vec![root()],
                "rootfs.user: \"a:b\" is not a name of lower-case letters, digits, \"_\" and \"-\"",
            ),
        ] {
            assert_eq!(files(&users, &groups).unwrap_err(), message);
        }
    }
}
