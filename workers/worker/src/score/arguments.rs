//! The flags of `score`. Each has an environment variable, which is how Kubernetes sets them.

use std::path::PathBuf;

use crate::stream::StreamArguments;

/// Flags of `sluice-worker score`: those of `ingest`, with the configuration of a scorer, and its rules.
#[derive(Clone, Debug, clap::Args)]
pub struct ScoreArguments {
    /// The flags that all jobs have which follow the topic.
    #[command(flatten)]
    pub stream: StreamArguments,
    /// The rule set, as JSON. It is read again each second: a new one takes effect without a restart.
    #[arg(long, env = "SLUICE_RULES", value_name = "FILE")]
    pub rules: PathBuf,
}
