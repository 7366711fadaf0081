//! What the guest of AKS promises, and one of the same root file system that QEMU boots.

use std::collections::BTreeSet;

use guestmark_builder::boot::{AcpiTables, BootArtifacts, BootEnd, boot};
use guestmark_builder::lock::Lock;
use guestmark_measure::igvm::IgvmFile;
use guestmark_measure::{Loader, launch_digest};
use serde_json::Value;

use super::built::{Built, guest, guestmark};
use super::edits::{BOOTED, KEY, edited};
use crate::machine::{console, machine, options};
use crate::program::{command, folder, run};
use crate::reproducibility::expect_the_same_elsewhere;

#[test]
fn a_snapshot_takes_what_the_repository_had_and_nothing_for_build_machines() {
    let lock = Lock::read(&guest().recipe()).unwrap();
    let version = |lock: &Lock, name: &str| {
        let found = lock.packages.iter().find(|package| package.name == name);
        found.map(|package| package.version.clone())
    };
    assert_eq!(version(&lock, "tzdata").as_deref(), Some("1-1"));
    // The tools are taken, and what they require is not in the repository at all.
    assert_eq!(
        version(&lock, "kata-containers-cc-tools").as_deref(),
        Some("1-1")
    );

    let folder = folder();
    edited(folder.path(), &[KEY]);
    guestmark(folder.path(), &["lock"]);
    let newest = Lock::read(&folder.path().join("azurelinux-3-aks")).unwrap();
    assert_eq!(version(&newest, "tzdata").as_deref(), Some("2-1"));
    assert_eq!(newest.packages.len(), lock.packages.len());
}

#[test]
fn the_files_have_the_names_and_the_form_that_aks_has() {
    let guest = guest();
    let files: BTreeSet<String> = fs_err::read_dir(guest.directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected = [
        "SHA256SUMS",
        "igvm-debug-measurement.cose",
        "igvm-measurement.cose",
        "kata-containers-igvm-debug.idblock",
        "kata-containers-igvm-debug.img",
        "kata-containers-igvm.idblock",
        "kata-containers-igvm.img",
        "kata-containers.img",
        "measurement.json",
        "origins.json",
        "recipe.tar",
        "sbom.spdx.json",
    ];
    assert!(files.iter().eq(expected), "{files:?}");

    for (variant, file) in [
        ("production", "igvm-measurement.cose"),
        ("debug", "igvm-debug-measurement.cose"),
    ] {
        let dump = "import json, sys; sys.stdout.write(json.dumps({'x-ms-sevsnpvm-guestsvn': '0', \
                    'x-ms-sevsnpvm-launchmeasurement': sys.argv[1]}, indent=2))";
        let mut python = command(&["python3", "-c", dump]);
        python.arg(guest.variant(variant).launch_digest.to_string());
        assert_eq!(guest.file(file), run(&mut python, "python3").into_bytes());
    }
}

#[test]
fn the_igvm_files_hold_the_command_lines_of_the_disk_and_no_initrd() {
    let guest = guest();
    let verity = &guest.measurement.verity;
    let table = format!(
        "dm-mod.create=\"dm-verity,,,ro,0 {} verity 1 /dev/vda1 /dev/vda2 4096 4096 {} 0 sha256 {} \
         {}\" \troot=/dev/dm-0 ro rootfstype=erofs panic=1 ",
        verity.data_blocks * 8,
        verity.data_blocks,
        verity.root_hash,
        verity.salt
    );
    for (name, end) in [
        ("production", " quiet"),
        ("debug", " agent.debug_console_vport=1026"),
    ] {
        let variant = guest.variant(name);
        let bytes = guest.file(&variant.file);
        let line = &variant.command_line;
        assert!(line.starts_with(&table) && line.ends_with(end), "{line:?}");
        assert_eq!(line.matches('\t').count(), 2);
        let held = format!("{line}\0").into_bytes();
        assert!(bytes.windows(held.len()).any(|window| window == held));

        igvm::IgvmFile::new_from_binary(&bytes, None).unwrap();
        let file = IgvmFile::parse(&bytes).unwrap();
        let digest = launch_digest(&file, Loader::CloudHypervisorMshv, None);
        assert_eq!(digest, Ok(variant.launch_digest));
    }
    let origins = guest.origins();
    assert_eq!(origins["initrd"], Value::Array(Vec::new()));
    assert_disk_is_the_one_of_the_line(guest);
}

/// Asks veritysetup(8) whether the disk's second partition is the hash tree of its first.
fn assert_disk_is_the_one_of_the_line(guest: &Built) {
    let verity = &guest.measurement.verity;
    let disk = guest.directory().join("kata-containers.img");
    let table = run(command(&["sfdisk", "--json"]).arg(&disk), "fdisk");
    let table: Value = serde_json::from_str(&table).unwrap();
    let image = guest.file("kata-containers.img");
    let folder = folder();
    let mut check = command(&["veritysetup", "verify", "--no-superblock"]);
    check
        .arg(format!("--data-blocks={}", verity.data_blocks))
        .arg(format!("--salt={}", verity.salt));
    for (name, partition) in ["data", "hash"].iter().zip(0..) {
        let partition = &table["partitiontable"]["partitions"][partition];
        let sector = |key: &str| usize::try_from(partition[key].as_u64().unwrap()).unwrap() * 512;
        let start = sector("start");
        let file = folder.path().join(name);
        fs_err::write(&file, &image[start..start + sector("size")]).unwrap();
        check.arg(file);
    }
    run(check.arg(verity.root_hash.to_string()), "cryptsetup-bin");
}

#[test]
fn every_rule_is_named_where_it_made_something() {
    let origins = guest().origins();
    let rootfs = &origins["rootfs"];
    let listed = rootfs["origins"].as_array().unwrap();
    let origin = |path: &str| {
        let inodes = rootfs["inodes"].as_array().unwrap();
        let inode = inodes
            .iter()
            .find(|inode| inode["paths"].as_array().unwrap().contains(&path.into()));
        let inode = inode.unwrap_or_else(|| panic!("{path} is not there"));
        let index = usize::try_from(inode["origin"].as_u64().unwrap()).unwrap();
        let text = |key: &str| listed[index][key].as_str().unwrap_or_default();
        format!("{} {}{}", text("kind"), text("name"), text("path"))
    };
    for (path, expected) in [
        ("/proc", "rule rootfs.directory"),
        ("/etc/alternatives/iptables", "rule rootfs.alternative"),
        ("/usr/sbin/ebtables-save", "rule rootfs.alternative"),
        ("/etc/chrony.conf", "recipe-file files/chrony.conf"),
        ("/etc/group", "rule rootfs.group"),
        ("/etc/kata-opa/default-policy.rego", "rule rootfs.link"),
        ("/etc/machine-id", "rule rootfs.file"),
        ("/etc/passwd", "rule rootfs.user"),
        (
            "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
            "rule rootfs.ca-trust",
        ),
        ("/etc/shadow", "rule rootfs.shadow"),
        ("/etc/shells", "rule rootfs.shells"),
        (
            "/etc/systemd/system/tmp.mount",
            "recipe-file files/tmp.mount",
        ),
        ("/usr/lib/systemd/systemd", "package systemd"),
        ("/var/tmp", "rule rootfs.link"),
    ] {
        assert_eq!(origin(path), expected, "{path}");
    }
    // What moved is still the package's.
    for path in [
        "/etc/kata-opa/allow-set-policy.rego",
        "/usr/bin/kata-agent",
        "/usr/lib/systemd/system/kata-agent.service",
        "/usr/lib/systemd/system/kata-containers.target",
    ] {
        assert!(origin(path).contains("kata-containers-cc-tools"), "{path}");
    }
    let paths = rootfs["inodes"].as_array().unwrap().iter();
    let paths: BTreeSet<&str> = paths
        .flat_map(|inode| inode["paths"].as_array().unwrap())
        .map(|path| path.as_str().unwrap())
        .collect();
    for gone in [
        "/opt/confidential-containers",
        "/usr/bin/journalctl",
        "/usr/lib/systemd/system/systemd-journald.service",
        "/usr/lib/systemd/systemd-journald",
        "/usr/share/zoneinfo",
        "/var/lib",
    ] {
        assert!(!paths.contains(gone), "{gone}");
    }
}

#[test]
fn aks_files_built_elsewhere_by_somebody_else_have_the_same_bytes() {
    let guest = guest();
    expect_the_same_elsewhere(&guest.recipe(), &guest.store(), &guest.directory());
}

#[test]
fn with_an_initrd_for_debians_kernel_the_root_file_system_boots_until_the_agent_answers() {
    let edits: Vec<_> = [KEY].iter().chain(BOOTED).copied().collect();
    let guest = Built::new(&edits);
    let igvm = guest.directory().join(&guest.variant("production").file);
    let disk = guest.directory().join(&guest.measurement.disk);
    let artifacts = BootArtifacts {
        igvm: &igvm,
        disk: Some(&disk),
        agent_port: &guest.measurement.agent.port,
    };
    let _machine = machine();
    let outcome = boot(&artifacts, &options(AcpiTables::Machine), &mut |_| {}).unwrap();
    assert_eq!(outcome.end, BootEnd::AgentAnswered, "{}", console(&outcome));
}
