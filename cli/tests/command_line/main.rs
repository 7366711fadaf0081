//! The program as people and scripts meet it: what it prints where, which exit status it ends
//! with, and what it says about input that is wrong.

#![expect(
    clippy::unwrap_used,
    reason = "clippy takes only functions marked #[test] for tests, not what they call"
)]

mod archive;
mod assemble;
mod audit;
mod boot;
mod build;
mod diff;
mod diff_forms;
mod diff_guests;
mod endorsement;
mod firmware;
mod help;
mod idblock;
#[path = "../../../measure/tests/firmware/images.rs"]
mod images;
mod inspect;
mod lock;
mod measure;
mod measured_disk;
mod measured_file;
mod pack;
mod release;
mod release_corim;
mod release_docs;
mod release_trust;
mod release_verifiers;
mod report;
mod rpm;
mod schema;
mod sign;
mod standard_streams;
mod tools;
mod verity;
mod workshop;

use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// The program in `folder`, untouched by the settings of whoever runs the tests.
fn guestmark(folder: &Path) -> Command {
    let mut command = Command::new(assert_cmd::cargo_bin!("guestmark"));
    command
        .current_dir(folder)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .env("COLUMNS", "80")
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("XDG_CONFIG_HOME", folder.join("config"));
    command
}

/// What the program prints on standard output when all goes well; it then says nothing else.
fn stdout(folder: &Path, arguments: &[&str]) -> String {
    let assert = guestmark(folder)
        .args(arguments)
        .assert()
        .code(0)
        .stderr("");
    String::from_utf8(assert.get_output().stdout.clone()).expect("output is UTF-8")
}

/// The one JSON document that the program prints with `--json`.
fn json(folder: &Path, arguments: &[&str]) -> serde_json::Value {
    let text = stdout(folder, &[arguments, &["--json"]].concat());
    assert!(text.ends_with("}\n"), "a document and a newline: {text}");
    serde_json::from_str(&text).expect("standard output is one JSON document")
}

/// Holds that a request is refused with exactly this message, and nothing on standard output.
fn refused(folder: &Path, arguments: &[&str], message: &str) {
    let mut command = guestmark(folder);
    let assert = command.args(arguments).assert().code(2).stdout("");
    assert.stderr(format!("guestmark: {message}\n"));
}

/// Holds that the arguments are refused before anything is done, with a message that begins so.
fn misused(folder: &Path, arguments: &[&str], message: &str) {
    let mut command = guestmark(folder);
    let assert = command.args(arguments).assert().code(2).stdout("");
    assert.stderr(predicates::str::starts_with(format!("error: {message}\n")));
}

/// The independent vectors of the crate `package`.
fn vectors(package: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.join(package).join("tests/vectors")
}
