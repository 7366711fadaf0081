//! The command line of `verify endorsement`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use guestmark_manifests::DidX509;
use guestmark_measure::LaunchDigest;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  guestmark verify endorsement reference-info-base64 --feed Demo-AMD-UVM \\
      --issuer did:x509:0:sha256:HASH::eku:1.3.6.1.4.1.99999.1.2 \\
      --min-svn 100 --measurement $(guestmark measure guest.igvm --bare)

Trust comes from --issuer and --feed alone, never from the file. Revocation is not
checked, nor this machine's clock asked.")]
pub(crate) struct VerifyEndorsement {
    /// A COSE_Sign1 message, or its base64 as `reference-info-base64` holds it
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Who must have signed it: did:x509:0:sha256:HASH::eku:OID
    #[arg(long, value_name = "DID")]
    pub(crate) issuer: DidX509,
    /// What it must be for
    #[arg(long)]
    pub(crate) feed: String,
    /// The lowest security version number to accept
    #[arg(long, value_name = "N")]
    pub(crate) min_svn: u64,
    /// The launch digest it must endorse
    #[arg(long, value_name = "HEX")]
    pub(crate) measurement: Option<LaunchDigest>,
    /// A launch digest of a debug guest, which it must not endorse; can be repeated
    #[arg(long, value_name = "HEX")]
    pub(crate) debug_measurement: Vec<LaunchDigest>,
}
