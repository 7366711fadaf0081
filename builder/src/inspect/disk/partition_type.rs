//! Names of partition types.

use uuid::{Uuid, uuid};

/// A type of partition and the name that systemd gives it (`systemd-id128 show`).
struct PartitionType {
    uuid: Uuid,
    name: &'static str,
}

const fn named(name: &'static str, uuid: Uuid) -> PartitionType {
    PartitionType { uuid, name }
}

/// Source: the Discoverable Partitions Specification (UAPI.2), table "Defined Partition Type
/// UUIDs", for x86-64, 64-bit Arm, and what no architecture divides.
const TYPES: [PartitionType; 21] = [
    named("root-x86-64", uuid!("4f68bce3-e8cd-4db1-96e7-fbcaf984b709")),
    named(
        "root-x86-64-verity",
        uuid!("2c7357ed-ebd2-46d9-aec1-23d437ec2bf5"),
    ),
    named(
        "root-x86-64-verity-sig",
        uuid!("41092b05-9fc8-4523-994f-2def0408b176"),
    ),
    named("usr-x86-64", uuid!("8484680c-9521-48c6-9c11-b0720656f69e")),
    named(
        "usr-x86-64-verity",
        uuid!("77ff5f63-e7b6-4633-acf4-1565b864c0e6"),
    ),
    named(
        "usr-x86-64-verity-sig",
        uuid!("e7bb33fb-06cf-4e81-8273-e543b413e2e2"),
    ),
    named("root-arm64", uuid!("b921b045-1df0-41c3-af44-4c6f280d3fae")),
    named(
        "root-arm64-verity",
        uuid!("df3300ce-d69f-4c92-978c-9bfb0f38d820"),
    ),
    named(
        "root-arm64-verity-sig",
        uuid!("6db69de6-29f4-4758-a7a5-962190f00ce3"),
    ),
    named("usr-arm64", uuid!("b0e01050-ee5f-4390-949a-9101b17104e9")),
    named(
        "usr-arm64-verity",
        uuid!("6e11a4e7-fbca-4ded-b9e9-e1a512bb664e"),
    ),
    named(
        "usr-arm64-verity-sig",
        uuid!("c23ce4ff-44bd-4b00-b2d4-b41b3419e02a"),
    ),
    named("esp", uuid!("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")),
    named("xbootldr", uuid!("bc13c2ff-59e6-4262-a352-b275fd6f7172")),
    named("swap", uuid!("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f")),
    named("home", uuid!("933ac7e1-2eb4-4f13-b844-0e14e2aef915")),
    named("srv", uuid!("3b8f8425-20e0-4f3b-907f-1a25a76f98e8")),
    named("var", uuid!("4d21b016-b534-45c2-a9fb-5c16e091fd2d")),
    named("tmp", uuid!("7ec6f557-3bc5-4aca-b293-16ef5df639d1")),
    named("user-home", uuid!("773f91ef-66d4-49b5-bd83-d683bf40ad16")),
    named(
        "linux-generic",
        uuid!("0fc63daf-8483-4772-8e79-3d69d8477de4"),
    ),
];

/// The name of a partition type, if it has one here.
pub fn name(uuid: Uuid) -> Option<&'static str> {
    let known = TYPES.iter().find(|known| known.uuid == uuid);
    known.map(|known| known.name)
}

/// The name of the type that holds the hash tree of partitions with the type `data`; `None` if
/// that is not a root or `/usr` file system.
pub fn hash_tree_of(data: &str) -> Option<&'static str> {
    let expected = format!("{data}-verity");
    let known = TYPES.iter().find(|known| known.name == expected);
    known.map(|known| known.name)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn sfdisk_knows_every_type_by_a_like_name() {
        let output = Command::new("sfdisk")
            .args(["--label", "gpt", "--list-types"])
            .env("LC_ALL", "C")
            .output()
            .expect("sfdisk runs (Debian package fdisk)");
        let list = String::from_utf8(output.stdout).unwrap();
        for known in TYPES {
            let uuid = known.uuid.to_string().to_uppercase();
            let line = list
                .lines()
                .find(|line| line.to_uppercase().starts_with(&uuid));
            let found = line.map(|line| line[uuid.len()..].trim());
            let expected = match known.name {
                "root-x86-64" => "Linux root (x86-64)",
                "root-x86-64-verity" => "Linux root verity (x86-64)",
                "root-x86-64-verity-sig" => "Linux root verity sign. (x86-64)",
                "usr-x86-64" => "Linux /usr (x86-64)",
                "usr-x86-64-verity" => "Linux /usr verity (x86-64)",
                "usr-x86-64-verity-sig" => "Linux /usr verity sign. (x86-64)",
                "root-arm64" => "Linux root (ARM-64)",
                "root-arm64-verity" => "Linux root verity (ARM-64)",
                "root-arm64-verity-sig" => "Linux root verity sign. (ARM-64)",
                "usr-arm64" => "Linux /usr (ARM-64)",
                "usr-arm64-verity" => "Linux /usr verity (ARM-64)",
                "usr-arm64-verity-sig" => "Linux /usr verity sign. (ARM-64)",
                "esp" => "EFI System",
                "xbootldr" => "Linux extended boot",
                "swap" => "Linux swap",
                "home" => "Linux home",
                "srv" => "Linux server data",
                "var" => "Linux variable data",
                "tmp" => "Linux temporary data",
                "user-home" => "Linux user's home",
                "linux-generic" => "Linux filesystem",
                other => panic!("{other} is not compared"),
            };
            assert_eq!(found, Some(expected), "{}", known.name);
        }
    }

    #[test]
    fn file_systems_find_their_hash_trees() {
        assert_eq!(hash_tree_of("root-x86-64"), Some("root-x86-64-verity"));
        assert_eq!(hash_tree_of("root-x86-64-verity"), None);
        assert_eq!(hash_tree_of("home"), None);
    }
}
