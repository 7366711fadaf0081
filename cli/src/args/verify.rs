//! The command line of `verify`.

use clap::{Args, Subcommand};

use super::{VerifyEndorsement, VerifyRelease};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  guestmark verify endorsement --help
  guestmark verify release --help

Everything is checked offline. Exit status 1: it does not verify.")]
pub(crate) struct Verify {
    #[command(subcommand)]
    pub(crate) command: VerifyCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VerifyCommand {
    /// Check a UVM endorsement, the signed launch measurement that AKS verifiers read
    Endorsement(VerifyEndorsement),
    /// Check a release against a policy
    Release(VerifyRelease),
}
