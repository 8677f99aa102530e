//! The flags of `recover`.

use std::path::PathBuf;

/// Flags of `sluice-worker recover`.
#[derive(Clone, Debug, clap::Args)]
pub struct RecoverArguments {
    /// The worker configuration, as JSON.
    #[arg(long, env = "SLUICE_CONFIG", value_name = "FILE")]
    pub config: PathBuf,
    /// Do it. Without this flag the lake is only looked at.
    #[arg(long)]
    pub apply: bool,
}
