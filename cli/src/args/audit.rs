//! The command line of `audit`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{MirrorArgs, StoreArgs};

#[derive(Debug, Args)]
#[command(
    override_usage = "guestmark audit <RELEASE> --policy <FILE> [OPTIONS]\n       \
                      guestmark audit <RELEASE> --without-policy [OPTIONS]"
)]
#[command(after_help = "\
Examples:
  guestmark audit release-2 --policy trust.toml
  guestmark audit release-2 --policy trust.toml --rebuilt mine
  guestmark audit debian-12 --without-policy

Exit status: 0 the recipe and its lock give every published file; 1 they do not,
the policy refuses the release, or it cannot be rebuilt; 2 the request is wrong,
or this machine cannot fetch, build or write.")]
pub(crate) struct Audit {
    /// A signed release; with --without-policy, also the output folder of a build
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) release: PathBuf,
    /// Whom to trust for what, as for `verify release`
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "without_policy",
        conflicts_with = "without_policy",
        value_hint = ValueHint::FilePath
    )]
    pub(crate) policy: Option<PathBuf>,
    /// Rebuild and compare without checking who signed
    #[arg(long)]
    pub(crate) without_policy: bool,
    /// Keep what was rebuilt in this folder, for example to co-sign it
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) rebuilt: Option<PathBuf>,
    /// Tell all of a difference: digests, pages, regions, files, blocks, lock lines
    #[arg(long, short)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) mirrors: MirrorArgs,
    /// Download nothing; the store must hold every locked file
    #[arg(long)]
    pub(crate) offline: bool,
}
