//! Other tools, whose word counts more than ours.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A tool and the Debian package that brings it.
pub(crate) struct Tool {
    pub(crate) command: &'static str,
    pub(crate) package: &'static str,
}

impl Tool {
    /// Runs the tool with these arguments.
    ///
    /// # Panics
    /// The tool is missing.
    pub(crate) fn output<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Output {
        self.run(Command::new(self.command).args(arguments))
    }

    /// Runs a command line that begins with the tool.
    ///
    /// # Panics
    /// The tool is missing.
    pub(crate) fn run(&self, command: &mut Command) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        match command
            .env("PATH", format!("{path}:/usr/sbin:/sbin"))
            .output()
        {
            Ok(output) => output,
            Err(error) if error.kind() == ErrorKind::NotFound => panic!(
                "this test needs {}; install the Debian package {}",
                self.command, self.package
            ),
            Err(error) => panic!("{}: {error}", self.command),
        }
    }

    /// Standard output of the tool, which must succeed.
    pub(crate) fn stdout<S: AsRef<OsStr>>(&self, arguments: &[S]) -> String {
        self.succeeded(self.output(arguments))
    }

    /// Standard output of a run that must have succeeded.
    pub(crate) fn succeeded(&self, output: Output) -> String {
        let said = String::from_utf8_lossy(&output.stderr);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{} failed: {text}{said}",
            self.command
        );
        text.into_owned()
    }
}

/// A program of the Python environment that `./test` makes.
///
/// # Panics
/// It is not there.
pub(crate) fn verifier(program: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let path = target.join("verifiers/bin").join(program);
    assert!(
        path.exists(),
        "this test needs {}: run ./test, which installs it",
        path.display()
    );
    path
}
