//! `assemble`: the layout of AKS guests against the independent vectors, and bad inputs.

use std::path::Path;

use tempfile::TempDir;

use crate::schema::conforms;
use crate::{json, misused, refused, stdout, vectors};

const ACPI: [&str; 3] = ["0xe0000", "0x100000", "0x101000"];

/// A folder that holds the files of a vector.
fn folder_with(case: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in fs_err::read_dir(vectors("builder").join("aks-layout").join(case)).unwrap() {
        let file = file.unwrap();
        fs_err::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    folder
}

/// Changes bytes of the kernel.
fn patch_kernel(folder: &TempDir, offset: usize, bytes: &[u8]) {
    let path = folder.path().join("kernel");
    let mut kernel = fs_err::read(&path).unwrap();
    kernel[offset..offset + bytes.len()].copy_from_slice(bytes);
    fs_err::write(path, kernel).unwrap();
}

fn assemble(layout: &'static str) -> Vec<&'static str> {
    let mut arguments = vec![
        "assemble",
        "--kernel",
        "kernel",
        "--cmdline-file",
        "cmdline",
    ];
    arguments.extend(["--layout", layout, "-o", "guest.igvm"]);
    arguments
}

fn nothing_was_written(folder: &Path) {
    let names = fs_err::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let new: Vec<_> = names
        .filter(|name| name.as_encoded_bytes().starts_with(b".guest") || name == "guest.igvm")
        .collect();
    assert!(new.is_empty(), "{new:?}");
}

#[test]
fn the_layout_of_aks_guests_gives_the_digest_of_both_vectors() {
    for case in ["kernel-cmdline", "kernel-initrd"] {
        let folder = folder_with(case);
        let expected = fs_err::read(folder.path().join("expected.json")).unwrap();
        let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
        let tables = ACPI.map(|gpa| format!("{gpa}=acpi-{gpa}.bin"));
        let mut arguments = assemble("aks");
        for table in &tables {
            arguments.extend(["--acpi", table]);
        }
        if folder.path().join("initrd").exists() {
            arguments.extend(["--initrd", "initrd"]);
        }
        assert_eq!(expected["pvalidate_on_demand"], true, "{case}");

        let document = json(folder.path(), &arguments);
        conforms(&document, "assemble");
        let verdicts = document["loaders"].as_array().unwrap();
        let of_aks = verdicts
            .iter()
            .find(|it| it["loader"] == "cloud-hypervisor-mshv");
        assert_eq!(
            of_aks.unwrap()["launch_digest"],
            expected["launch_digest"],
            "{case}"
        );

        let measure = [
            "measure",
            "guest.igvm",
            "--loader",
            "cloud-hypervisor-mshv",
            "--bare",
        ];
        let measured = stdout(folder.path(), &measure);
        assert_eq!(measured.trim_end(), expected["launch_digest"], "{case}");
    }
}

#[test]
fn without_tables_those_of_the_layouts_platform_are_made() {
    for layout in ["aks", "linux"] {
        let folder = folder_with("kernel-cmdline");
        let table = stdout(folder.path(), &assemble(layout));
        assert!(table.starts_with("guest.igvm  "), "{table}");
        for line in table.lines() {
            let digest = line.len() == 100 && line.trim().len() == 96;
            assert!(digest || line.chars().count() <= 80, "{line}");
        }
    }
}

#[test]
fn what_belongs_to_the_other_layout_is_refused() {
    let folder = folder_with("kernel-cmdline");
    refused(
        folder.path(),
        &[&assemble("linux")[..], &["--accept-all"]].concat(),
        "--accept-all is for --layout aks; linux launches all of its RAM",
    );
    refused(
        folder.path(),
        &[&assemble("aks")[..], &["--memory", "1 GiB"]].concat(),
        "--memory is for --layout linux; an AKS loader tells its guest",
    );
    nothing_was_written(folder.path());
}

#[test]
fn a_kernel_that_cannot_be_started_is_refused() {
    let folder = folder_with("kernel-cmdline");
    patch_kernel(&folder, 0x236, &[0x3e, 0]);
    refused(
        folder.path(),
        &assemble("aks"),
        "kernel: kernel: the kernel has no 64-bit entry: xloadflags at offset 0x236 is 0x003e, \
         bit 0 must be set; use a 64-bit kernel",
    );
    fs_err::write(folder.path().join("kernel"), "not a kernel").unwrap();
    refused(
        folder.path(),
        &assemble("linux"),
        "kernel: kernel: not a bzImage: the setup header ends at offset 0x26c, the file at 0xc",
    );
    nothing_was_written(folder.path());
}

#[test]
fn a_command_line_that_the_kernel_does_not_take_is_refused() {
    let folder = folder_with("kernel-cmdline");
    patch_kernel(&folder, 0x238, &255_u32.to_le_bytes());
    fs_err::write(folder.path().join("cmdline"), "x".repeat(300)).unwrap();
    refused(
        folder.path(),
        &assemble("linux"),
        "cmdline: command line: 300 bytes, the kernel takes at most 255 (cmdline_size, offset \
         0x238); shorten it by 45 bytes",
    );
    fs_err::write(folder.path().join("cmdline"), b"ro\0quiet").unwrap();
    refused(
        folder.path(),
        &assemble("linux"),
        "cmdline: command line: a NUL at offset 2; the kernel would not see what follows it, \
         remove it",
    );
    nothing_was_written(folder.path());
}

#[test]
fn ram_that_does_not_hold_the_guest_is_refused() {
    let folder = folder_with("kernel-cmdline");
    let assert = crate::guestmark(folder.path())
        .args(assemble("linux"))
        .args(["--memory", "1 MiB"])
        .assert();
    let message = predicates::str::is_match(
        "^guestmark: memory is 1 MiB, but kernel, initrd and their tables end at 0x[0-9a-f]+; \
         give at least [0-9]+ MiB\n$",
    );
    assert.code(2).stdout("").stderr(message.unwrap());
    nothing_was_written(folder.path());
}

#[test]
fn values_that_are_none_are_refused_with_an_example() {
    let folder = Path::new(".");
    let with = |more: [&'static str; 2]| [assemble("linux"), more.to_vec()].concat();
    misused(
        folder,
        &with(["--acpi", "rsdp.bin"]),
        "invalid value 'rsdp.bin' for '--acpi <GPA=FILE>': write GPA=FILE, for example \
         0xe0000=rsdp.bin",
    );
    misused(
        folder,
        &with(["--memory", "512"]),
        "invalid value '512' for '--memory <SIZE>': \"512\" is not an amount of memory; write for \
         example \"512 MiB\" or \"2GiB\"",
    );
    refused(
        folder,
        &with(["--policy", "0x7"]),
        "--policy: policy 0x7 has bit 17 clear; the firmware requires it set",
    );
}

#[test]
fn an_output_that_cannot_be_written_is_refused_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for (output, message) in [
        (
            "no/g.igvm",
            "cannot write beside no/g.igvm: failed to read directory `no`: No such file or \
             directory (os error 2)",
        ),
        (
            "/dev/null",
            "/dev/null is not a regular file; nothing was changed: remove it or choose another \
             output",
        ),
    ] {
        refused(
            folder.path(),
            &[
                "assemble",
                "--kernel",
                "k",
                "--cmdline-file",
                "c",
                "--layout",
                "aks",
                "-o",
                output,
            ],
            message,
        );
    }
}
