//! `verify`: what is published, checked offline.

mod endorsement;
mod release;

use crate::args::VerifyCommand;
use crate::output::{Outcome, Output};

pub(crate) fn run(command: VerifyCommand, output: &Output) -> anyhow::Result<Outcome> {
    match command {
        VerifyCommand::Endorsement(args) => endorsement::run(&args, output),
        VerifyCommand::Release(args) => release::run(&args, output),
    }
}
