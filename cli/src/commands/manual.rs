//! `completions` and `man`: what a package of guestmark installs beside the program.

use clap::CommandFactory;

use crate::args::{Cli, Completions, Man};
use crate::output::{Outcome, Output};

pub(crate) fn completions(args: Completions, output: &Output) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "guestmark", &mut script);
    output.write(&script)?;
    Ok(Outcome::Good)
}

pub(crate) fn man(args: Man, output: &Output) -> anyhow::Result<Outcome> {
    fs_err::create_dir_all(&args.directory)?;
    clap_mangen::generate_to(Cli::command(), &args.directory)?;
    output.note(&format!(
        "Manual pages written to {}",
        args.directory.display()
    ));
    Ok(Outcome::Good)
}
