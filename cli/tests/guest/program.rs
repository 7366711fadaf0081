//! The program under test, and the tools around it.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program.
pub(crate) const GUESTMARK: &str = env!("CARGO_BIN_EXE_guestmark");

/// The recipe's folder.
pub(crate) fn recipe() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    workspace.join("recipes/debian-12")
}

/// A folder for what tests build, gone when dropped.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// `build` of the recipe into `output`, from the packages in `store` alone.
pub(crate) fn offline_build(store: &Path, output: &Path) -> Vec<PathBuf> {
    let mut arguments = vec![GUESTMARK.into(), "build".into(), recipe()];
    arguments.extend(["--offline".into(), "--store".into(), store.to_owned()]);
    arguments.extend(["--output".into(), output.to_owned()]);
    arguments
}

/// A command line as a command.
pub(crate) fn command(line: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]);
    command
}

/// Runs a command, which must succeed: what it printed. `package` is the Debian package of its
/// tools.
pub(crate) fn run(command: &mut Command, package: &str) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = match command.output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            panic!("{command:?} is missing: install the Debian package {package}")
        }
        output => output.unwrap(),
    };
    let said = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}: {status}\n{said}");
    String::from_utf8(stdout).unwrap()
}
