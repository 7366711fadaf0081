//! The command line of `verify release`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  guestmark verify release release-2 --policy trust.toml
  guestmark verify release release-2 --policy trust.toml --state seen.json
  guestmark verify release release-4 --policy trust.toml --state seen.json \\
      --previous release-3/manifest.json")]
pub(crate) struct VerifyRelease {
    /// The release
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) directory: PathBuf,
    /// Whom to trust for what
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) policy: PathBuf,
    /// Remember the newest release accepted here, and accept nothing older
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) state: Option<PathBuf>,
    /// manifest.json of a release between the newest one seen and this one; can be repeated
    #[arg(long, value_name = "FILE", requires = "state", value_hint = ValueHint::FilePath)]
    pub(crate) previous: Vec<PathBuf>,
}
