//! The options of `measure` that hold a report against the file.

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// An attestation report to hold against the file.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Check this raw SEV-SNP attestation report, 1184 bytes, against the file
    #[arg(long, value_name = "FILE", requires = "file", value_hint = ValueHint::FilePath)]
    pub(crate) report: Option<PathBuf>,
    /// The agent policy whose SHA-256 HOST_DATA should be
    #[arg(long, value_name = "FILE", requires = "report", value_hint = ValueHint::FilePath)]
    pub(crate) policy: Option<PathBuf>,
    /// The VMPL that should have asked for the report
    #[arg(long, value_name = "N", requires = "report", default_value_t = 0)]
    pub(crate) vmpl: u32,
    /// Certificate of the key that signed the report, PEM or DER
    #[arg(long, value_name = "FILE", requires = "report", value_hint = ValueHint::FilePath)]
    pub(crate) vcek: Option<PathBuf>,
    /// AMD's ASK and ARK, PEM or DER; can be repeated
    #[arg(long, value_name = "FILE", requires = "vcek", value_hint = ValueHint::FilePath)]
    pub(crate) chain: Vec<PathBuf>,
}
