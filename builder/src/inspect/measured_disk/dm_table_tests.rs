use proptest::prelude::*;

use super::*;

const ROOT: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn aks() -> String {
    format!("dm-verity,,,ro,0 80 verity 1 /dev/vda1 /dev/vda2 4096 4096 10 0 sha256 {ROOT} a5a5")
}

#[test]
fn the_line_of_an_aks_guest_is_one_read_only_verity_device() {
    let devices = parse(&aks()).unwrap();
    let [device] = &devices[..] else {
        panic!("{devices:?}");
    };
    assert_eq!(
        (device.name.as_str(), device.read_only),
        ("dm-verity", true)
    );
    assert_eq!((device.uuid.as_str(), device.minor), ("", None));
    let [target] = &device.targets[..] else {
        panic!("{device:?}");
    };
    assert_eq!((target.start, target.sectors), (0, 80));
    assert_eq!(target.target_type, "verity");
    let table = VerityTable::parse(&target.arguments).unwrap();
    assert_eq!((table.data_blocks, table.hash_start), (10, 0));
    assert_eq!(table.root_hash.to_string(), ROOT);
    assert_eq!(table.salt.to_string(), "a5a5");
    assert!(table.options.is_empty());
}

#[test]
fn further_devices_lines_and_spaces_are_taken_as_the_kernel_takes_them() {
    let devices = parse("a, u ,0x10,rw, 0 010 linear  /dev/sda 0 , 8 1 zero x; b,,,ro,0 1 zero x");
    let devices = devices.unwrap();
    assert_eq!(devices.len(), 2);
    assert_eq!(
        (devices[0].uuid.as_str(), devices[0].minor),
        ("u", Some(16))
    );
    assert_eq!(devices[0].targets[0].sectors, 8);
    assert_eq!(devices[0].targets[0].arguments, "/dev/sda 0");
    assert_eq!(devices[0].targets[1].start, 8);
}

#[test]
fn what_the_kernel_refuses_is_refused_by_field() {
    for (text, message) in [
        (
            "",
            r#"a device is "", expected name,uuid,minor,flags,table"#,
        ),
        (
            "a,,,ro",
            r#"a device is "a,,,ro", expected name,uuid,minor,flags,table"#,
        ),
        ("a,,,RO,0 1 zero x", r#"flags is "RO", expected ro or rw"#),
        (
            "a,,x,ro,0 1 zero x",
            r#"minor is "x", expected a number below 2^64"#,
        ),
        (
            "a,,,ro,0 08 zero x",
            r#"the number of sectors is "08", expected a number below 2^64"#,
        ),
        (
            "a,,,ro,0 1 zero",
            r#"a line of the table is "0 1 zero", expected START SECTORS TYPE ARGUMENTS"#,
        ),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), message);
    }
}

#[test]
fn verity_targets_that_are_not_checked_are_refused_by_field() {
    let whole = parse(&aks()).unwrap()[0].targets[0].arguments.clone();
    for (old, new, message) in [
        ("1 /dev", "0 /dev", r#"the hash type is "0", expected 1"#),
        (
            "4096 4096",
            "1024 4096",
            r#"the data block size is "1024", expected 4096"#,
        ),
        (
            "sha256",
            "sha512",
            r#"the algorithm is "sha512", expected sha256"#,
        ),
        (
            " 10 ",
            " +10 ",
            r#"the number of data blocks is "+10", expected a decimal number below 2^64"#,
        ),
        ("eeff a5a5", "eef a5a5", ""),
        (
            "a5a5",
            "a5a",
            r#"the salt is "a5a", expected hexadecimal digits or -"#,
        ),
        (
            "a5a5",
            "a5a5 2 panic_on_corruption",
            r#"the number of optional parameters is "2", expected the number of words after it"#,
        ),
    ] {
        let changed = whole.replacen(old, new, 1);
        assert_ne!(changed, whole);
        let error = VerityTable::parse(&changed).unwrap_err().to_string();
        if message.is_empty() {
            assert!(error.ends_with("expected 64 hexadecimal digits"), "{error}");
        } else {
            assert_eq!(error, message);
        }
    }
}

#[test]
fn the_form_of_our_own_initrd_is_a_table_over_two_partitions() {
    let table = VerityTable::parse_guest_verity(&format!("10,{ROOT},-")).unwrap();
    assert_eq!(table.hash_device, "/dev/vda2");
    assert_eq!((table.data_blocks, table.salt), (10, Salt::default()));
    assert_eq!(
        VerityTable::parse_guest_verity("10,ab")
            .unwrap_err()
            .to_string(),
        r#"guest.verity is "10,ab", expected BLOCKS,ROOT,SALT"#
    );
}

fn word() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9/:=._-]{1,12}"
}

prop_compose! {
    fn targets()(start: u64, sectors: u64, target_type in word(), arguments in
        prop::collection::vec(word(), 1..5)) -> DmTarget {
        DmTarget { start, sectors, target_type, arguments: arguments.join(" ") }
    }
}

prop_compose! {
    fn devices()(name in word(), uuid in word(), minor: Option<u64>, read_only: bool, targets in
        prop::collection::vec(targets(), 1..4)) -> DmDevice {
        DmDevice { name, uuid, minor, read_only, targets }
    }
}

proptest! {
    #[test]
    fn devices_read_back(devices in prop::collection::vec(devices(), 1..4)) {
        let text: Vec<_> = devices.iter().map(ToString::to_string).collect();
        prop_assert_eq!(parse(&text.join(";")), Ok(devices));
    }

    #[test]
    fn verity_tables_read_back(
        devices in (word(), word()),
        numbers: (u64, u64),
        root: [u8; 32],
        salt in prop::collection::vec(any::<u8>(), 0..=256),
        options in prop::collection::vec(word(), 0..4),
    ) {
        let table = VerityTable {
            data_device: devices.0,
            hash_device: devices.1,
            data_blocks: numbers.0,
            hash_start: numbers.1,
            root_hash: Sha256Digest::new(root),
            salt: Salt::new(salt).unwrap(),
            options,
        };
        prop_assert_eq!(VerityTable::parse(&table.to_string()), Ok(table));
    }

    #[test]
    fn no_text_is_too_strange(text in "([ -~]|[,; \t0-9]|verity|ro|\\PC){0,80}") {
        for device in parse(&text).unwrap_or_default() {
            for target in device.targets {
                let _ = VerityTable::parse(&target.arguments);
            }
        }
        let _ = VerityTable::parse_guest_verity(&text);
    }
}
