//! `verify endorsement`: a UVM endorsement held against what its reader trusts.

use crate::args::VerifyEndorsement;
use crate::output::{Outcome, Output};

pub(super) fn run(args: &VerifyEndorsement, _: &Output) -> anyhow::Result<Outcome> {
    anyhow::bail!("{}: endorsements cannot be read yet", args.file.display())
}
