//! The same bytes, whoever builds, and wherever.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use crate::artifacts::artifacts;
use crate::program::{GUESTMARK, command, recipe, run};

#[test]
fn a_build_elsewhere_by_somebody_else_gives_the_same_bytes() {
    let here = artifacts();
    expect_the_same_elsewhere(&recipe(), &here.store, &here.directory);
}

/// Builds a recipe again, from a store that holds its packages, under other circumstances than
/// those of the build in `here`, whose name is the recipe's.
pub(crate) fn expect_the_same_elsewhere(recipe: &Path, store: &Path, here: &Path) {
    let elsewhere = tempfile::tempdir().unwrap();
    let elsewhere = elsewhere.path();
    for (from, to) in [
        (Path::new(GUESTMARK), "program"),
        (recipe, "a recipe"),
        (store, "store"),
    ] {
        run(
            command(&["cp", "-r"]).arg(from).arg(elsewhere.join(to)),
            "coreutils",
        );
    }
    fs_err::create_dir(elsewhere.join("tmp")).unwrap();
    let user = another_user(elsewhere);

    // Secretive, on one core, without an output directory of its own choice.
    let mut build = command(&["sh", "-c", "umask 077 && exec \"$@\"", "sh"]);
    build
        .args(["taskset", "--cpu-list", &one_core()])
        .args(user)
        .args([
            "./program",
            "build",
            "a recipe",
            "--offline",
            "--store",
            "store",
        ])
        .current_dir(elsewhere)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", elsewhere.join("nowhere"))
        .env("TMPDIR", elsewhere.join("tmp"))
        .envs([
            ("TZ", "UTC-13"),
            ("LC_ALL", "tr_TR.UTF-8"),
            ("LANG", "ja_JP.UTF-8"),
        ]);
    run(&mut build, "util-linux");

    let there = elsewhere.join(here.file_name().unwrap());
    for directory in [here, &there] {
        let mut sums = Command::new("sha256sum");
        sums.args(["--strict", "--check", "SHA256SUMS"])
            .current_dir(directory);
        run(&mut sums, "coreutils");
        assert_eq!(mode(directory), 0o755);
    }
    let (ours, theirs) = (files(here), files(&there));
    assert!(
        ours.keys().eq(theirs.keys()),
        "{:?} {:?}",
        ours.keys(),
        theirs.keys()
    );
    for (name, bytes) in &ours {
        let differs = bytes
            .iter()
            .zip(&theirs[name])
            .position(|(one, other)| one != other);
        assert_eq!(differs, None, "the first byte of {name} that differs");
        assert_eq!(bytes.len(), theirs[name].len(), "{name}");
    }
}

/// What makes a command run as somebody else who can read and write `folder`.
fn another_user(folder: &Path) -> &'static [&'static str] {
    let root = fs_err::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        return &["unshare", "--user", "--map-root-user"];
    }
    run(
        command(&["chown", "-R", "65534:65534"]).arg(folder),
        "coreutils",
    );
    &[
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ]
}

/// A core that this process may run on.
fn one_core() -> String {
    let status = fs_err::read_to_string("/proc/self/status").unwrap();
    let cores = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .unwrap();
    let first = cores.trim_start().chars().take_while(char::is_ascii_digit);
    first.collect()
}

/// The files of an output directory, which must be plain ones that everybody may read.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs_err::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            assert!(entry.file_type().unwrap().is_file());
            assert_eq!(mode(&entry.path()), 0o644, "{}", entry.path().display());
            let name = entry.file_name().into_string().unwrap();
            (name, fs_err::read(entry.path()).unwrap())
        })
        .collect()
}

fn mode(path: &Path) -> u32 {
    fs_err::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}
