//! The options of `diff`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use guestmark_measure::Loader;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  guestmark diff debian-12-before debian-12
  guestmark diff old/guest.igvm new/guest.igvm -v
  guestmark diff old new --markdown > comment.md
  guestmark diff old new --html diff.html --quiet

In a folder, DISK.hash, its hash partition alone, can stand in place of DISK.
Exit status: 0 the launch digest is the same; 1 it differs; 2 the request or an
input is wrong.")]
pub(crate) struct Diff {
    /// A build's output folder, a manifest in it, an IGVM file or a disk image
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) old: PathBuf,
    /// What to compare it with
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) new: PathBuf,
    /// Only the digest under this loader counts [default: all]
    #[arg(long)]
    pub(crate) loader: Option<Loader>,
    /// Tell everything: digests, pages, regions, files, blocks, lock lines
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Print Markdown for a comment on a pull request
    #[arg(long, conflicts_with_all = ["json", "verbose"])]
    pub(crate) markdown: bool,
    /// Also write one page with pictures of guest memory and root file system
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) html: Option<PathBuf>,
}
