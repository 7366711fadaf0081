//! `guestmark`: arguments in, tables, progress and exit codes out.

mod args;
mod commands;
mod findings;
mod input;
mod output;
mod progress;
mod trust;
mod verdicts;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use output::{Outcome, Output};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.global.json, cli.global.quiet);
    let outcome = match cli.command {
        Command::Lock(args) => commands::lock::run(args, &output),
        Command::Build(args) => commands::build::run(args, &output),
        Command::Assemble(args) => commands::assemble::run(args, &output),
        Command::Pack(args) => commands::pack::run(args, &output),
        Command::Verity(args) => commands::verity::run(args, &output),
        Command::Measure(args) => commands::measure::run(&args, &output),
        Command::Idblock(command) => commands::idblock::run(command.command, &output),
        Command::Sign(args) => commands::sign::run(&args, &output),
        Command::Verify(command) => commands::verify::run(command.command, &output),
        Command::Inspect(args) => commands::inspect::run(args, &output),
        Command::Audit(args) => commands::audit::run(&args, &output),
        Command::Diff(args) => commands::diff::run(&args, &output),
        Command::Boot(args) => commands::boot::run(args, &output),
        Command::Completions(args) => commands::manual::completions(args, &output),
        Command::Man(args) => commands::manual::man(args, &output),
    };
    match outcome {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::Bad) => ExitCode::from(1),
        Err(error) => {
            if output::is_broken_pipe(&error) {
                return ExitCode::SUCCESS;
            }
            output::say(&format!("guestmark: {}", output::chain(&error)));
            ExitCode::from(2)
        }
    }
}
