//! Standard output is for results, standard error for people at a terminal and for errors.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::tools::Tool;
use crate::{guestmark, json, refused, vectors};

/// A terminal for programs that are not at one.
const SCRIPT: Tool = Tool {
    command: "script",
    package: "bsdutils",
};

fn base() -> String {
    vectors("measure").join("launch-digest/base.igvm").display().to_string()
}

fn program() -> Command {
    Command::new(assert_cmd::cargo_bin!("guestmark"))
}

/// Runs the program with a standard output whose reader is gone.
fn without_reader(arguments: &[&str]) -> Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = program();
    command.args(arguments).stdout(writer).stderr(Stdio::piped());
    command.spawn().unwrap().wait_with_output().unwrap()
}

/// All that the program sends to a terminal of 80 columns.
fn at_a_terminal(folder: &Path, arguments: &str, environment: &[(&str, &str)]) -> String {
    let program = assert_cmd::cargo_bin!("guestmark").display().to_string();
    let line = format!("stty cols 80 && '{program}' {arguments}");
    let mut command = Command::new(SCRIPT.command);
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    command.current_dir(folder).stdin(Stdio::null()).env("TERM", "xterm");
    command.env_remove("NO_COLOR").envs(environment.iter().copied());
    SCRIPT.succeeded(SCRIPT.run(&mut command))
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let base = base();
    for arguments in [&["measure", &base][..], &["completions", "zsh"], &["--help"]] {
        let output = without_reader(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        assert_eq!(output.stderr, b"", "{arguments:?}");
    }
}

#[test]
fn a_full_standard_output_is_an_error() {
    let mut command = program();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = command.args(["measure", &base()]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "guestmark: cannot write to standard output: No space left on device (os error 28)\n"
    );
}

#[test]
fn a_standard_error_that_takes_nothing_changes_no_exit_status() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, status) in [(["measure", "missing"], 2), (["man", "pages"], 0)] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = program();
        command.current_dir(&folder).args(arguments).stderr(full);
        assert_eq!(command.output().unwrap().status.code(), Some(status), "{arguments:?}");
    }
}

#[test]
fn an_error_leaves_standard_output_empty_with_json_as_well() {
    let message = "failed to open file `missing`: No such file or directory (os error 2)";
    refused(Path::new("."), &["measure", "missing", "--json"], message);
    refused(Path::new("."), &["measure", "missing", "--json", "--quiet"], message);
}

#[test]
fn nothing_but_json_is_on_standard_output_and_nothing_on_standard_error() {
    assert_eq!(json(Path::new("."), &["measure", &base()])["schema"], "guestmark/measure/1");
}

#[test]
fn quiet_keeps_notes_away_but_not_errors() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = guestmark(folder.path());
    command.args(["man", "pages", "--quiet"]).assert().code(0).stdout("").stderr("");
    let message = "failed to open file `missing`: No such file or directory (os error 2)";
    refused(folder.path(), &["--quiet", "measure", "missing"], message);
}

#[test]
fn where_there_is_no_terminal_there_is_neither_progress_nor_colour() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("tree")).unwrap();
    for arguments in [&["pack", "tree", "-o", "image"][..], &["--help"], &["frobnicate"]] {
        let output = guestmark(folder.path()).args(arguments).output().unwrap();
        for stream in [&output.stdout, &output.stderr] {
            assert!(!stream.contains(&0x1b) && !stream.contains(&b'\r'), "{output:?}");
        }
        if output.status.success() {
            assert_eq!(output.stderr, b"", "{arguments:?}");
        }
    }
}

#[test]
fn no_color_is_obeyed_at_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let coloured = at_a_terminal(folder.path(), "--help", &[]);
    assert!(coloured.contains("\x1b[1m"), "{coloured:?}");
    let plain = at_a_terminal(folder.path(), "--help", &[("NO_COLOR", "1")]);
    assert!(!plain.contains('\x1b'), "{plain:?}");
}

#[test]
fn progress_shows_at_a_terminal_but_not_when_quiet() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("tree")).unwrap();
    let shown = at_a_terminal(folder.path(), "pack tree -o image", &[]);
    assert!(shown.contains("Reading the tree"), "{shown:?}");
    let quiet = at_a_terminal(folder.path(), "pack tree -o image --quiet", &[]);
    assert!(quiet.starts_with("Image") && !quiet.contains('\x1b'), "{quiet:?}");
}
