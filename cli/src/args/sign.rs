//! The command line of `sign`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use guestmark_manifests::DidX509;
use jiff::Timestamp;

#[derive(Debug, Args)]
#[command(
    override_usage = "guestmark sign -o <OUTPUT> --key <FILE> [OPTIONS] <DIR>\n       \
                      guestmark sign -o <OUTPUT> --signer <COMMAND> --public-key <FILE> <DIR>\n       \
                      guestmark sign --to-be-signed <DIR> [OPTIONS] <DIR>\n       \
                      guestmark sign -o <OUTPUT> --signatures <DIR> --public-key <FILE> <DIR>"
)]
#[command(after_help = "\
Examples:
  guestmark sign debian-12 -o release-1 --key development.pem
  guestmark sign debian-12 -o release-2 --previous release-1/manifest.json \\
      --signer './sign-with-token' --public-key publisher.pub --timeout 120
  guestmark sign debian-12 -o release-1 --key development.pem --chain chain.pem \\
      --issuer did:x509:0:sha256:HASH::eku:1.3.6.1.4.1.99999.1.2 \\
      --signing-time 2026-05-01T00:00:00Z --feed Demo-AMD-UVM
  guestmark sign debian-12 --to-be-signed ceremony
  guestmark sign debian-12 -o release-1 --signatures ceremony \\
      --public-key publisher.pub
  guestmark sign debian-12 --role rebuilder -o rebuild-alice.dsse.json \\
      --signer './sign-with-token' --public-key alice.pub

A signer's command gets the bytes to sign on standard input and writes the
signature, ECDSA P-384 with SHA-384, in DER or as R and S in 96 bytes. The command
is split at spaces; single and double quotes keep words together; no shell takes
part. Whatever comes back is verified before anything is written.")]
pub(crate) struct Sign {
    /// Output folder of a build; a release, to add a signature; for a revoker, the list
    #[arg(value_name = "DIR", value_hint = ValueHint::AnyPath)]
    pub(crate) source: PathBuf,
    /// In which role to sign
    #[arg(long, value_enum, default_value_t = RoleArg::Publisher)]
    pub(crate) role: RoleArg,
    /// The release to write; for other roles than publisher, the file
    #[arg(
        long,
        short,
        value_name = "OUTPUT",
        required_unless_present = "to_be_signed",
        conflicts_with = "to_be_signed",
        value_hint = ValueHint::AnyPath
    )]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) signer: SignerArgs,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) minisign: MinisignArgs,
    #[command(flatten)]
    pub(crate) endorsement: EndorsementArgs,
    #[command(flatten)]
    pub(crate) corim: CorimArgs,
}

/// [`Sign::role`] as a word of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArg {
    /// Publishes a build
    Publisher,
    /// Built the same from recipe and lock
    Rebuilder,
    /// Takes keys and releases back
    Revoker,
}

/// Where signatures come from: one of these.
#[derive(Debug, Args)]
#[group(id = "source_of_signatures")]
pub(crate) struct SignerArgs {
    /// Sign with this private key (PEM, P-384): for development
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present_any = ["signer", "to_be_signed", "signatures"],
        conflicts_with_all = ["signer", "to_be_signed", "signatures", "public_key"],
        value_hint = ValueHint::FilePath
    )]
    pub(crate) key: Option<PathBuf>,
    /// Sign by running this command
    #[arg(
        long,
        value_name = "COMMAND",
        requires = "public_key",
        conflicts_with_all = ["to_be_signed", "signatures"],
        value_hint = ValueHint::CommandString
    )]
    pub(crate) signer: Option<String>,
    /// Seconds that the command may take for one signature
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) timeout: u64,
    /// Write what is to be signed into this folder, and nothing else
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with = "signatures",
        value_hint = ValueHint::DirPath
    )]
    pub(crate) to_be_signed: Option<PathBuf>,
    /// Take signatures from this folder: for each file to be signed, its name and .sig
    #[arg(long, value_name = "DIR", requires = "public_key", value_hint = ValueHint::DirPath)]
    pub(crate) signatures: Option<PathBuf>,
    /// The public key that signatures are verified with, PEM or DER
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) public_key: Option<PathBuf>,
}

/// Where the release stands among others.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// The line of releases it belongs to [default: the recipe's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) feed: Option<String>,
    /// manifest.json of the release before; without it, this is release 1
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) previous: Option<PathBuf>,
}

/// The signature for people with nothing but minisign.
#[derive(Debug, Args)]
pub(crate) struct MinisignArgs {
    /// Sign the manifest with this secret key of minisign too (made with `minisign -G -W`)
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "minisign_public_key",
        value_hint = ValueHint::FilePath
    )]
    pub(crate) minisign_key: Option<PathBuf>,
    /// Take manifest.json.minisig from --signatures; it must be of this key
    #[arg(
        long,
        value_name = "FILE",
        requires = "signatures",
        value_hint = ValueHint::FilePath
    )]
    pub(crate) minisign_public_key: Option<PathBuf>,
}

/// The endorsement that AKS verifiers read.
#[derive(Debug, Args)]
pub(crate) struct EndorsementArgs {
    /// Endorse the launch digest with these certificates of the signer, leaf to root (PEM)
    #[arg(
        long,
        value_name = "FILE",
        requires_all = ["issuer", "signing_time"],
        value_hint = ValueHint::FilePath
    )]
    pub(crate) chain: Option<PathBuf>,
    /// Who endorses: did:x509:0:sha256:HASH::eku:OID
    #[arg(long, value_name = "DID", requires = "chain")]
    pub(crate) issuer: Option<DidX509>,
    /// When it is said to be signed; no clock is asked
    #[arg(long, value_name = "TIME")]
    pub(crate) signing_time: Option<Timestamp>,
}

/// The detached signature over the CoRIM document.
#[derive(Debug, Args)]
pub(crate) struct CorimArgs {
    /// Sign the CoRIM document too, with these certificates of an RSA key, leaf to root (PEM)
    #[arg(
        long,
        value_name = "FILE",
        requires_all = ["corim_issuer", "signing_time"],
        value_hint = ValueHint::FilePath
    )]
    pub(crate) corim_chain: Option<PathBuf>,
    /// Who signs it: did:x509:0:sha256:HASH::eku:OID
    #[arg(long, value_name = "DID", requires = "corim_chain")]
    pub(crate) corim_issuer: Option<DidX509>,
    /// Sign it by running this command, which gives PS384: RSASSA-PSS with SHA-384
    #[arg(
        long,
        value_name = "COMMAND",
        requires = "corim_chain",
        conflicts_with_all = ["to_be_signed", "signatures"],
        value_hint = ValueHint::CommandString
    )]
    pub(crate) corim_signer: Option<String>,
}
