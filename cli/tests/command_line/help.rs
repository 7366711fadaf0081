//! What a new user reads first: help, version, completions, manual pages.

use std::path::Path;

use crate::tools::Tool;
use crate::{guestmark, misused, stdout};

const BASH: Tool = Tool {
    command: "bash",
    package: "bash",
};

fn help(arguments: &[&str]) -> String {
    stdout(Path::new("."), arguments)
}

/// The commands that `guestmark --help` lists.
fn commands() -> Vec<String> {
    let help = help(&["--help"]);
    let (_, list) = help
        .split_once("Commands:\n")
        .expect("help lists the commands");
    let lines = list.lines().take_while(|line| line.starts_with("  "));
    let names = lines.filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn help_lists_every_command_that_there_is() {
    assert_eq!(
        commands(),
        [
            "lock",
            "build",
            "assemble",
            "pack",
            "verity",
            "measure",
            "idblock",
            "sign",
            "verify",
            "inspect",
            "audit",
            "diff",
            "boot",
            "completions",
            "man"
        ]
    );
}

#[test]
fn every_command_says_what_it_does_and_shows_examples_with_options_that_it_has() {
    for command in commands() {
        let help = help(&[&command, "--help"]);
        let (description, rest) = help.split_once("\n\n").unwrap();
        assert!(description.len() > 20, "{command}: {description}");
        assert!(
            rest.starts_with(&format!("Usage: guestmark {command} ")),
            "{help}"
        );
        let (options, examples) = rest
            .split_once("Examples:\n")
            .unwrap_or_else(|| panic!("{help}"));
        assert!(
            examples.starts_with(&format!("  guestmark {command} ")),
            "{help}"
        );
        for word in examples
            .split_whitespace()
            .filter(|word| word.starts_with("--"))
        {
            let option = word.trim_end_matches(|c: char| !c.is_ascii_alphabetic());
            assert!(
                options.contains(option),
                "{command} has no {option}:\n{help}"
            );
        }
    }
}

#[test]
fn help_fits_80_columns() {
    for command in commands() {
        for form in ["--help", "-h"] {
            let help = help(&[&command, form]);
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{command} {form}: {line}");
            }
        }
    }
}

#[test]
fn the_exit_statuses_are_told() {
    assert!(help(&["--help"]).ends_with(
        "Exit status: 0 done, or the verdict is good; 1 the verdict is bad; 2 the request\n\
         or an input is wrong.\n"
    ));
}

#[test]
fn the_version_is_that_of_the_package() {
    let expected = format!("guestmark {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(help(&["--version"]), expected);
    assert_eq!(help(&["-V"]), expected);
}

#[test]
fn a_request_that_is_none_exits_2() {
    let folder = Path::new(".");
    misused(
        folder,
        &["frobnicate"],
        "unrecognized subcommand 'frobnicate'",
    );
    misused(
        folder,
        &["measure", "--frob", "x"],
        "unexpected argument '--frob' found",
    );
    misused(
        folder,
        &["completions", "tcsh"],
        "invalid value 'tcsh' for '<SHELL>'\n  \
         [possible values: bash, elvish, fish, powershell, zsh]",
    );
    let mut nothing = guestmark(folder);
    let usage = predicates::str::contains("Usage: guestmark [OPTIONS] <COMMAND>");
    nothing.assert().code(2).stdout("").stderr(usage);
}

#[test]
fn completions_know_every_command() {
    for (shell, sign) in [
        ("bash", "complete -F _guestmark"),
        ("zsh", "#compdef guestmark"),
        ("fish", "complete -c guestmark"),
    ] {
        let script = help(&["completions", shell]);
        assert!(script.contains(sign), "{shell}: {script}");
        for command in commands() {
            assert!(script.contains(&command), "{shell}: no {command}");
        }
    }
}

#[test]
fn bash_parses_its_completions() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("guestmark");
    fs_err::write(&script, help(&["completions", "bash"])).unwrap();
    let said = BASH.output(&["-n".as_ref(), script.as_os_str()]);
    assert!(said.status.success() && said.stderr.is_empty(), "{said:?}");
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let note = "Manual pages written to share/man1\n";
    let mut command = guestmark(path);
    command
        .args(["man", "share/man1"])
        .assert()
        .code(0)
        .stdout("")
        .stderr(note);
    let page = |name: &str| fs_err::read_to_string(path.join("share/man1").join(name)).unwrap();
    assert!(page("guestmark.1").contains(".TH guestmark 1 "));
    for command in commands() {
        let page = page(&format!("guestmark-{command}.1"));
        for part in [
            ".SH NAME\n",
            ".SH SYNOPSIS\n",
            ".SH DESCRIPTION\n",
            "Examples:",
        ] {
            assert!(page.contains(part), "{command}: no {part:?}\n{page}");
        }
    }
}
