//! `diff` over seeded changes: each is called by its name, and nothing else is.

use std::path::Path;

use serde_json::Value;

use crate::diff_guests::{Guest, Package, Seed, base, blocks, kernel, tar};
use crate::guestmark;
use crate::schema::conforms;

#[path = "../../../builder/src/initrd/made_up_elf.rs"]
#[allow(dead_code, reason = "only modules are made here")]
mod made_up_elf;

/// What `diff` says: its exit status, and what it prints.
pub(crate) fn diff(old: &Path, new: &Path, options: &[&str]) -> (i32, String) {
    let mut command = guestmark(Path::new("."));
    let output = command
        .arg("diff")
        .arg(old)
        .arg(new)
        .args(options)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

/// The document of `diff`, which conforms to its schema.
pub(crate) fn document(old: &Path, new: &Path) -> Value {
    let (status, text) = diff(old, new, &["--json"]);
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status, i32::from(document["same"] == false));
    conforms(&document, "diff");
    document
}

/// The change of [`base`] to a guest, as text and as a document.
fn change(guest: &Guest) -> (String, Value) {
    let document = document(&base().out(), &guest.out());
    let (_, text) = diff(&base().out(), &guest.out(), &["-v"]);
    println!("{text}");
    (text, document)
}

/// The verdict of a changed guest, behind the colon; and the documents.
fn changed(seed: &Seed) -> (String, String, Value) {
    let (text, document) = change(&seed.build());
    assert_eq!(document["same"], false);
    assert_eq!(document["unexplained"], serde_json::json!([]), "{text}");
    let verdict = document["verdict"].as_str().unwrap();
    let (subject, causes) = verdict.split_once(": ").unwrap();
    assert_eq!(subject, "launch digest under qemu-kvm changed");
    assert!(text.starts_with(verdict), "{text}");
    (causes.to_owned(), text, document)
}

/// Paths and what became of them.
pub(crate) fn files(document: &Value) -> Vec<(&str, &str)> {
    let files = document["rootfs"]["files"].as_array().unwrap().iter();
    files
        .map(|file| {
            (
                file["path"].as_str().unwrap(),
                file["status"].as_str().unwrap(),
            )
        })
        .collect()
}

#[test]
fn one_file_in_one_package() {
    let mut seed = Seed::base();
    let package = seed.package("tiny-base");
    package.version = "1.1";
    package.files[2].1[5000] ^= 1;
    let (causes, text, document) = changed(&seed);
    assert_eq!(causes, "1 package: tiny-base 1.0 -> 1.1");
    assert_eq!(files(&document), [("/usr/lib/libbig.so", "changed")]);
    let file = &document["rootfs"]["files"][0];
    assert_eq!(file["details"][0]["name"], "content");
    // The second block of the file, and no other, is named.
    assert_eq!(file["blocks"][0][1], 1);
    assert_eq!(document["rootfs"]["blocks"]["different"], 1, "{text}");
    assert_eq!(document["rootfs"]["blocks"]["hash_blocks_read"], 2);
    assert_eq!(document["lock"][0]["package"], "tiny-base");
}

#[test]
fn a_package_upgraded_to_another_size() {
    let mut seed = Seed::base();
    let package = seed.package("tiny-base");
    package.version = "1.1";
    package.files[2].1.extend([7; 30_000]);
    let (causes, text, document) = changed(&seed);
    assert_eq!(causes, "1 package: tiny-base 1.0 -> 1.1");
    // What comes after it has moved, and is not called changed.
    assert_eq!(files(&document), [("/usr/lib/libbig.so", "changed")]);
    assert!(
        document["rootfs"]["moved_files"].as_u64().unwrap() > 0,
        "{text}"
    );
}

#[test]
fn a_package_added_and_removed() {
    let mut seed = Seed::base();
    let added = Package::new("tiny-new", "3", &[("usr/share/new", b"new\n")]);
    seed.packages.push(added);
    let seed = seed.with("\"tiny-data\"]", "\"tiny-data\", \"tiny-new\"]");
    let guest = seed.build();
    let (_, document) = change(&guest);
    let verdict = "launch digest under qemu-kvm changed: 1 package: tiny-new 3 added";
    assert_eq!(document["verdict"], verdict);
    assert_eq!(files(&document), [("/usr/share/new", "added")]);
    assert_eq!(document["lock"][0]["status"], "added");

    let back = crate::diff::document(&guest.out(), &base().out());
    let verdict = "launch digest under qemu-kvm changed: 1 package: tiny-new 3 removed";
    assert_eq!(back["verdict"], verdict);
    assert_eq!(files(&back), [("/usr/share/new", "removed")]);
    assert_eq!(back["unexplained"], serde_json::json!([]));
}

#[test]
fn two_packages_are_both_named() {
    let mut seed = Seed::base();
    for name in ["tiny-base", "tiny-data"] {
        let package = seed.package(name);
        package.version = "9";
        package.files.last_mut().unwrap().1[0] ^= 1;
    }
    let (causes, _, _) = changed(&seed);
    assert_eq!(
        causes,
        "2 packages: tiny-base 1.0 -> 9, tiny-data 2.0-1 -> 9"
    );
}

#[test]
fn words_of_the_command_line() {
    let seed = Seed::base().with("production = \"quiet ", "production = \"loglevel=7 ");
    let (causes, text, document) = changed(&seed);
    assert_eq!(
        causes,
        "command line with loglevel=7; command line without quiet"
    );
    assert_eq!(document["rootfs"]["changed"], false);
    assert_eq!(document["variants"][1]["changed"], false, "{text}");
    let place = &document["causes"][0]["places"];
    assert_eq!(*place, serde_json::json!(["command line (production)"]));
    assert!(text.contains("cmdline_size: "), "{text}");
}

#[test]
fn a_kernel_is_named_by_package_and_banner() {
    let mut seed = Seed::base();
    let package = seed.package("tiny-kernel");
    package.version = "1.1";
    package.files[0].1 = kernel("6.1.1");
    let (causes, text, _) = changed(&seed);
    assert_eq!(causes, "1 package: tiny-kernel 1.0 -> 1.1");
    assert!(
        text.contains("banner: Linux version 6.1.0 (nobody@nowhere) #1 SMP -> Linux version 6.1.1"),
        "{text}"
    );
}

#[test]
fn what_moves_with_a_kernel_is_no_cause() {
    let mut seed = Seed::base();
    let package = seed.package("tiny-kernel");
    package.version = "1.1";
    // init_size: a mebibyte more, so that all above the kernel moves.
    package.files[0].1[0x262] += 0x10;
    let (causes, text, document) = changed(&seed);
    assert_eq!(causes, "1 package: tiny-kernel 1.0 -> 1.1");
    let status = |name: &str| {
        let mut regions = document["variants"][0]["regions"]
            .as_array()
            .unwrap()
            .iter();
        let region = regions.find(|region| region["name"] == name).unwrap();
        region["status"].as_str().unwrap()
    };
    assert_eq!((status("initrd"), status("VMSA")), ("moved", "changed"));
    assert!(
        text.contains("follows from the place of boot parameters"),
        "{text}"
    );
}

#[test]
fn a_module_of_the_initrd() {
    let with_module = |version, more: &[u8]| {
        let mut seed = Seed::base().with("modules = []", "modules = [\"dummy\"]");
        let mut module = made_up_elf::module(&["license=GPL"]);
        module.extend(more);
        let package = seed.package("tiny-kernel");
        package.version = version;
        package
            .files
            .push(("lib/modules/6.1.0/dummy.ko", module, 0o644));
        seed.build()
    };
    let (old, new) = (with_module("1.0", b""), with_module("1.1", b"more"));
    let document = crate::diff::document(&old.out(), &new.out());
    let verdict = "launch digest under qemu-kvm changed: 1 package: tiny-kernel 1.0 -> 1.1";
    assert_eq!(document["verdict"], verdict);
    assert_eq!(document["unexplained"], serde_json::json!([]));
    let places = &document["causes"][0]["places"];
    assert_eq!(
        *places,
        serde_json::json!(["initrd (production)", "initrd (debug)"])
    );
    let parts = document["causes"][0]["parts"].to_string();
    assert!(parts.contains("dummy.ko"), "{parts}");
}

#[test]
fn the_script_of_the_initrd() {
    let mut seed = Seed::base();
    seed.init = "#!/bin/tool\n# more\n".to_owned();
    let (causes, _, _) = changed(&seed);
    assert_eq!(causes, "recipe file init (init)");
}

#[test]
fn acpi_tables_by_their_fields() {
    let seed = Seed::base();
    let platform = "\n[platform]\nphysical-address-bits = 43\npci-segments = 10\nvcpus = 2\n";
    let recipe = seed.recipe.clone() + platform;
    let (causes, text, document) = changed(&Seed { recipe, ..seed });
    assert!(
        causes.contains("ACPI MADT") || causes.contains("ACPI APIC"),
        "{causes}"
    );
    assert!(text.contains("Processor Local"), "{text}");
    assert_eq!(document["rootfs"]["changed"], false);
}

#[test]
fn a_processor_state_by_its_fields() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, efer: u8| {
        let mut bytes = fs_err::read(base().out().join("tiny.igvm")).unwrap();
        // EFER; the checksum of the file is over its headers and not over pages.
        let at = vmsa(&bytes) + 0xd0;
        bytes[at] = efer;
        let path = folder.path().join(name);
        fs_err::write(&path, bytes).unwrap();
        path
    };
    let document = document(&write("old.igvm", 0), &write("new.igvm", 1));
    let verdict = "launch digest under qemu-kvm changed: VMSA (EFER)";
    assert_eq!(document["verdict"], verdict);
    assert_eq!(document["unexplained"], serde_json::json!([]));
}

/// Where the page with the processor's state stands in a file: it has CR0 at 0x158.
fn vmsa(file: &[u8]) -> usize {
    let cr0 = 0x8000_0011_u64.to_le_bytes();
    let found = file.windows(8).position(|bytes| bytes == cr0).unwrap();
    found - 0x158
}

#[test]
fn policy_alone_is_no_change() {
    let guest = Seed::base()
        .with("policy = 0x30000", "policy = 0xb0000")
        .build();
    let (text, document) = change(&guest);
    assert_eq!(document["same"], true, "{text}");
    let policy = &document["unmeasured"][0];
    assert_eq!(policy["name"], "policy");
    assert_eq!(policy["new"], "0xb0000");
    assert!(
        text.starts_with("launch digest under qemu-kvm is the same, though not all else is\n"),
        "{text}"
    );
}

#[test]
fn svns_alone_are_no_change() {
    let guest = Seed::base()
        .with("guest-svn = 1", "guest-svn = 7")
        .with("uvm-svn = 2", "uvm-svn = 3")
        .build();
    let (text, document) = change(&guest);
    assert_eq!(document["same"], true);
    assert_eq!(document["causes"], serde_json::json!([]));
    assert!(
        text.contains("\n  guest-svn: 1 -> 7\n  uvm-svn: 2 -> 3\n"),
        "{text}"
    );
}

#[test]
fn order_and_times_of_a_packages_files_are_no_change() {
    let mut seed = Seed::base();
    let package = seed.package("tiny-base");
    package.files.reverse();
    package.tar.push("--mtime=@1000000000");
    let (text, document) = change(&seed.build());
    assert_eq!(document["same"], true, "{text}");
    assert_eq!(document["lock"][0]["package"], "tiny-base");
    assert_eq!(document["lock"][0]["measured"], false);
    assert!(text.contains("\n  package tiny-base, sha256: "), "{text}");
}

#[test]
fn the_time_of_the_file_system() {
    let seed = Seed::base().with(
        "[rootfs.packages]",
        "[rootfs]\ntimestamp = 7\n[rootfs.packages]",
    );
    let (causes, _, document) = changed(&seed);
    assert_eq!(
        causes,
        "file system timestamp 0 -> 7; times in the initrd 0 -> 7"
    );
    assert_eq!(files(&document), []);
}

#[test]
fn a_permission() {
    let mut seed = Seed::base();
    let package = seed.package("tiny-base");
    package.version = "1.1";
    package.files[1].2 = 0o600;
    let (causes, text, document) = changed(&seed);
    assert_eq!(causes, "1 package: tiny-base 1.0 -> 1.1");
    assert_eq!(files(&document), [("/etc/motd", "changed")]);
    assert!(text.contains("mode: 0644 -> 0600"), "{text}");
}

#[test]
fn an_extended_attribute() {
    // Debian packages carry none: two disks from tar archives do.
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("usr/share/data", blocks(2), 0o644),
        ("etc/motd", vec![b'x'; 9], 0o644),
    ];
    let pack = |name: &str, options: &[&str]| {
        let path = folder.path().join(name);
        fs_err::write(&path, tar(&files, options)).unwrap();
        let disk = format!("{name}.img");
        let pack = ["pack", name, "-o", &disk, "--verity", "--salt", "00"];
        crate::stdout(folder.path(), &pack);
        folder.path().join(disk)
    };
    let old = pack("old", &["--pax-option=SCHILY.xattr.user.note:=hello"]);
    let new = pack("new", &["--pax-option=SCHILY.xattr.user.note:=other"]);
    let document = document(&old, &new);
    assert_eq!(
        document["verdict"],
        "root hash changed: 2 files (/etc/motd, /usr/share/data)"
    );
    let detail = &document["rootfs"]["files"][0]["details"][0];
    assert_eq!(detail["name"], "xattr user.note");
    assert_eq!(
        (&detail["old"], &detail["new"]),
        (&"hello".into(), &"other".into())
    );
}

#[test]
fn a_rule_of_the_recipe() {
    let seed = Seed::base().with("content = \"tiny\\n\"", "content = \"other\\n\"");
    let (causes, _, document) = changed(&seed);
    assert_eq!(causes, "rule rootfs.file (/etc/hostname)");
    assert_eq!(files(&document), [("/etc/hostname", "changed")]);
}
