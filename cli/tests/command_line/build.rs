//! `build` of a tiny recipe, whole, and of recipes and locks that do not fit.

use std::path::Path;

use serde_json::Value;

use crate::archive::{Tiny, sha256};
use crate::schema::conforms;
use crate::tools::verifier;
use crate::{guestmark, json, refused, stdout};

fn document(path: &Path) -> Value {
    serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap()
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(folder).unwrap();
    let name = |entry: std::io::Result<fs_err::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> = entries
        .map(|entry| name(entry).into_string().unwrap())
        .collect();
    names.sort();
    names
}

const ARTIFACTS: [&str; 11] = [
    "SHA256SUMS",
    "initrd.cpio.zst",
    "measurement.json",
    "origins.json",
    "recipe.tar",
    "sbom.spdx.json",
    "tiny-debug.idblock",
    "tiny-debug.igvm",
    "tiny.idblock",
    "tiny.igvm",
    "tiny.img",
];

#[test]
fn a_build_holds_every_artifact_and_its_documents_keep_their_schemas() {
    let tiny = Tiny::locked();
    let build = json(tiny.path(), &tiny.build(&["-o", "out"]));
    let out = tiny.path().join("out");
    assert_eq!(names(&out), ARTIFACTS);
    conforms(&build, "build");
    let measurement = document(&out.join("measurement.json"));
    conforms(&measurement, "measurement");
    conforms(&document(&out.join("origins.json")), "origins");
    assert_eq!(build["measurement"], measurement);

    for artifact in build["artifacts"].as_array().unwrap() {
        let bytes = fs_err::read(out.join(artifact["name"].as_str().unwrap())).unwrap();
        assert_eq!(artifact["size"], bytes.len());
        assert_eq!(artifact["sha256"], sha256(&bytes));
    }
    // What the program measures is what the build says.
    for variant in measurement["variants"].as_array().unwrap() {
        let file = out
            .join(variant["file"].as_str().unwrap())
            .display()
            .to_string();
        let measured = stdout(
            tiny.path(),
            &["measure", &file, "--loader", "qemu-kvm", "--bare"],
        );
        assert_eq!(measured.trim_end(), variant["launch_digest"]);
    }
}

#[test]
fn a_build_is_the_same_wherever_it_lies_and_needs_no_mirror_once_stored() {
    let (one, two) = (Tiny::locked(), Tiny::new());
    stdout(one.path(), &one.build(&["-o", "out"]));
    two.write("recipe.lock.json", &one.read("recipe.lock.json"));
    stdout(two.path(), &two.build(&["-o", "fetched"]));
    stdout(
        two.path(),
        &[
            "build",
            "tiny",
            "--store",
            "store",
            "--offline",
            "-o",
            "again",
        ],
    );
    let bytes = |tiny: &Tiny, folder: &str, name| fs_err::read(tiny.path().join(folder).join(name));
    for name in ARTIFACTS {
        let expected = bytes(&one, "out", name).unwrap();
        assert!(bytes(&two, "again", name).unwrap() == expected, "{name}");
    }
}

#[test]
fn a_build_can_be_repeated_from_the_recipe_that_it_holds() {
    let tiny = Tiny::locked();
    stdout(tiny.path(), &tiny.build(&["-o", "out"]));
    let unpacked = tiny.path().join("unpacked");
    fs_err::create_dir(&unpacked).unwrap();
    let mut tar = std::process::Command::new("tar");
    tar.args(["--extract", "--file", "../out/recipe.tar"]);
    assert!(tar.current_dir(&unpacked).status().unwrap().success());
    stdout(
        tiny.path(),
        &[
            "build",
            "unpacked",
            "--store",
            "store",
            "--offline",
            "-o",
            "again",
        ],
    );
    let sums = |folder: &str| fs_err::read(tiny.path().join(folder).join("SHA256SUMS")).unwrap();
    assert_eq!(sums("out"), sums("again"));
}

#[test]
fn the_list_of_packages_is_valid_spdx() {
    let tiny = Tiny::locked();
    stdout(tiny.path(), &tiny.build(&["-o", "out"]));
    let mut validate = std::process::Command::new(verifier("pyspdxtools"));
    let file = tiny.path().join("out/sbom.spdx.json");
    let said = validate.arg("--infile").arg(file).output().unwrap();
    assert!(said.status.success(), "{said:?}");
}

#[test]
fn the_table_names_artifacts_root_hash_digests_and_the_folder() {
    let tiny = Tiny::locked();
    let table = stdout(tiny.path(), &tiny.build(&["-o", "out"]));
    for name in ARTIFACTS.iter().filter(|name| **name != "SHA256SUMS") {
        assert!(
            table
                .lines()
                .any(|line| line.starts_with(&format!("{name} "))),
            "{table}"
        );
    }
    let measurement = document(&tiny.path().join("out/measurement.json"));
    let root_hash = measurement["verity"]["root_hash"].as_str().unwrap();
    assert!(
        table.contains(&format!("\nVerity root hash  {root_hash}\n")),
        "{table}"
    );
    assert!(
        table.contains("\nLaunch digests of tiny.igvm (production)\n"),
        "{table}"
    );
    assert!(
        table.contains("\nLaunch digests of tiny-debug.igvm (debug)\n"),
        "{table}"
    );
    assert!(table.ends_with("Everything is in out\n"), "{table}");
}

#[test]
fn a_recipe_without_a_lock_is_refused() {
    let tiny = Tiny::new();
    refused(
        tiny.path(),
        &tiny.build(&["-o", "out"]),
        "tiny/recipe.lock.json: no lock; run `guestmark lock tiny` first",
    );
    assert!(!tiny.path().join("out").exists());
}

#[test]
fn a_lock_of_another_version_is_refused() {
    let tiny = Tiny::locked();
    tiny.change("recipe.lock.json", "\"version\": 1", "\"version\": 2");
    let message = "tiny/recipe.lock.json: lock version 2, this guestmark reads version 1; use the \
                   guestmark that wrote it, or remove the file and make it anew with `guestmark \
                   lock`";
    refused(tiny.path(), &tiny.build(&["-o", "out"]), message);
    refused(tiny.path(), &tiny.lock(&[]), message);
}

#[test]
fn a_lock_that_is_older_than_its_recipe_is_refused() {
    let tiny = Tiny::locked();
    tiny.change(
        "recipe.toml",
        "names = [\"tiny-base\"]",
        "names = [\"tiny-base\", \"tiny-tool\"]",
    );
    refused(
        tiny.path(),
        &tiny.build(&["-o", "out"]),
        "tiny/recipe.lock.json: the recipe's rootfs.packages changed since; run `guestmark lock \
         tiny`",
    );
    stdout(tiny.path(), &tiny.lock(&[]));
    stdout(tiny.path(), &tiny.build(&["-o", "out"]));
}

#[test]
fn a_root_file_system_larger_than_its_disk_is_refused() {
    let tiny = Tiny::locked();
    tiny.change(
        "recipe.toml",
        "file = \"tiny.img\"",
        "file = \"tiny.img\"\nsize = \"1 MiB\"",
    );
    let assert = guestmark(tiny.path())
        .args(tiny.build(&["-o", "out"]))
        .assert()
        .code(2);
    let message = predicates::str::is_match(
        "^guestmark: the disk of 1 MiB is too small: a root file system of [0-9]+ bytes and its \
         hash tree of 4096 bytes need at least 3 MiB; raise disk.size, leave it out, or remove \
         files from the root file system\n$",
    );
    assert.stdout("").stderr(message.unwrap());
    assert_eq!(names(tiny.path()), ["store", "tiny"]);
}

#[test]
fn a_file_beside_the_recipe_that_is_missing_is_named() {
    let tiny = Tiny::locked();
    tiny.change("recipe.toml", "init = \"init\"", "init = \"../init\"");
    refused(
        tiny.path(),
        &tiny.build(&["-o", "out"]),
        "recipe file ../init: must be a relative path without \"..\"",
    );
}

#[test]
fn offline_with_an_empty_store_every_missing_package_is_named() {
    let tiny = Tiny::locked();
    refused(
        tiny.path(),
        &[
            "build",
            "tiny",
            "--store",
            "empty",
            "--offline",
            "-o",
            "out",
        ],
        "the store empty lacks 3 packages of the lock, and offline nothing may be downloaded:\n  \
         tiny-base 1.0\n  tiny-kernel 1.0\n  tiny-tool 1.0\nrun the same once without --offline",
    );
}

#[test]
fn an_output_that_is_somebody_elses_is_refused() {
    let tiny = Tiny::locked();
    fs_err::create_dir(tiny.path().join("out")).unwrap();
    fs_err::write(tiny.path().join("out/thesis.txt"), "years of work").unwrap();
    refused(
        tiny.path(),
        &tiny.build(&["-o", "out"]),
        "out is not an output of guestmark: it has no SHA256SUMS that lists measurement.json; \
         nothing was changed: remove it or choose another output",
    );
    assert_eq!(names(&tiny.path().join("out")), ["thesis.txt"]);
}
