//! The flags of `recover`.

use std::path::PathBuf;

/// Flags of `sluice-worker recover`.
#[derive(Clone, Debug, clap::Args)]
pub struct RecoverArguments {
    /// The worker configuration, as JSON: of a pipeline, or with `--scorer` of a scorer.
    #[arg(long, env = "SLUICE_CONFIG", value_name = "FILE")]
    pub config: PathBuf,
    /// Rebuild what a scorer remembers, from its table and the bronze of its pipeline.
    #[arg(long)]
    pub scorer: bool,
    /// Do it. Without this flag the lake is only looked at.
    #[arg(long)]
    pub apply: bool,
}
