//! The command line of `idblock`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use guestmark_builder::recipe::Id16;
use guestmark_measure::Loader;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  guestmark idblock new --help
  guestmark idblock attach --help
  guestmark idblock strip --help")]
pub(crate) struct IdBlock {
    #[command(subcommand)]
    pub(crate) command: IdBlockCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum IdBlockCommand {
    /// Write the 96 bytes to sign
    New(IdBlockNew),
    /// Write the 0x404 bytes of an ID key, for an author key to sign
    Key(IdBlockKey),
    /// Put a signed ID block into an IGVM file
    Attach(IdBlockAttach),
    /// Take the ID block out of an IGVM file
    Strip(IdBlockStrip),
}

/// Whose launch digest an ID block is for.
#[derive(Debug, Args)]
pub(crate) struct IdBlockLoader {
    /// The loader whose launch digest the block is for
    #[arg(long, default_value_t = Loader::CloudHypervisorMshv)]
    pub(crate) loader: Loader,
    /// vCPUs the guest is started with [default: as many as the file has VP contexts]
    #[arg(long, value_name = "N")]
    pub(crate) vcpus: Option<u32>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  guestmark idblock new guest.igvm --guest-svn 1 -o block.bin \\
      --family-id 000102030405060708090a0b0c0d0e0f \\
      --image-id 101112131415161718191a1b1c1d1e1f
  openssl dgst -sha384 -sign id.pem -out block.sig block.bin")]
pub(crate) struct IdBlockNew {
    /// The IGVM file
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// FAMILY_ID, 32 hexadecimal digits
    #[arg(long, value_name = "HEX")]
    pub(crate) family_id: Id16,
    /// IMAGE_ID, 32 hexadecimal digits
    #[arg(long, value_name = "HEX")]
    pub(crate) image_id: Id16,
    /// GUEST_SVN
    #[arg(long, value_name = "N")]
    pub(crate) guest_svn: u32,
    #[command(flatten)]
    pub(crate) loader: IdBlockLoader,
    /// The file for the 96 bytes
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  guestmark idblock key id.pub -o id-key.bin
  openssl dgst -sha384 -sign author.pem -out id-key.sig id-key.bin")]
pub(crate) struct IdBlockKey {
    /// The public ID key, PEM or DER
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) key: PathBuf,
    /// The file for the 0x404 bytes
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
#[command(
    override_usage = "guestmark idblock attach --block <FILE> --signature <FILE> --key <FILE>\n                                \
                      --output <FILE> [OPTIONS] <FILE>"
)]
#[command(after_help = "\
Examples:
  guestmark idblock attach guest.igvm --block block.bin \\
      --signature block.sig --key id.pub -o signed.igvm")]
pub(crate) struct IdBlockAttach {
    /// The IGVM file
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// The 96 bytes that were signed
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) block: PathBuf,
    /// Their signature, ECDSA P-384 with SHA-384: DER, or R and S as 96 bytes, big-endian
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) signature: PathBuf,
    /// The public ID key, PEM or DER
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) key: PathBuf,
    /// Signature of the author key over the ID key's 0x404 bytes
    #[arg(long, value_name = "FILE", requires = "author_key", value_hint = ValueHint::FilePath)]
    pub(crate) author_signature: Option<PathBuf>,
    /// The public author key, PEM or DER
    #[arg(
        long,
        value_name = "FILE",
        requires = "author_signature",
        value_hint = ValueHint::FilePath
    )]
    pub(crate) author_key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) loader: IdBlockLoader,
    /// The IGVM file to write
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  guestmark idblock strip signed.igvm -o guest.igvm
  guestmark idblock strip signed.igvm --parts parts -o guest.igvm")]
pub(crate) struct IdBlockStrip {
    /// The IGVM file
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Write block, page, keys and signatures into this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) parts: Option<PathBuf>,
    /// The IGVM file to write
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
}
