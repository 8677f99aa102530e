//! [`JobError`]: why a worker ended without having done its work.

use std::path::PathBuf;

use sluice_contract::config::ConfigError;
use sluice_contract::report::Problem;
use sluice_contract::scorer::ScorerError;
use snafu::Snafu;

use crate::finding::Finding;
use crate::report::http::ServeError;
use crate::stop::StopError;

/// Why the worker ended without having done its work.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub enum JobError {
    /// The configuration file cannot be read.
    #[snafu(display("failed to read the configuration \"{}\": {source}", path.display()))]
    ReadConfiguration {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The configuration file is not a configuration.
    #[snafu(display("\"{}\": {source}", path.display()))]
    ParseConfiguration {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ConfigError,
    },
    /// A file of a scorer is not what it should be.
    #[snafu(display("\"{}\": {source}", path.display()))]
    ParseScorer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ScorerError,
    },
    /// The flag `--shard` does not fit the configuration.
    #[snafu(display("there is no shard {shard}: the configuration has {shards}, counted from 0"))]
    NoSuchShard {
        /// The flag.
        shard: u32,
        /// Number of shards.
        shards: u32,
    },
    /// The configuration cannot be used.
    #[snafu(display("the configuration cannot be used"))]
    Unusable {
        /// Everything that is wrong with it.
        findings: Vec<Finding>,
    },
    /// Signals cannot be received.
    #[snafu(display("{source}"))]
    Signals {
        /// Why.
        source: StopError,
    },
    /// The HTTP server cannot be started.
    #[snafu(display("{source}"))]
    Http {
        /// Why.
        source: ServeError,
    },
    /// With `--until-caught-up`: something that waiting does not mend.
    #[snafu(display("cannot catch up: {}", problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; ")))]
    CannotCatchUp {
        /// What is wrong.
        problems: Vec<Problem>,
    },
    /// Storage did not take the last epoch before the process had to end.
    #[snafu(display(
        "stopped while storage was away: the open epoch was given up; the next start reads its messages again"
    ))]
    GaveUp,
}

impl JobError {
    /// Whether the caller must change the configuration.
    pub fn is_unusable_configuration(&self) -> bool {
        matches!(
            self,
            Self::ReadConfiguration { .. }
                | Self::ParseConfiguration { .. }
                | Self::ParseScorer { .. }
                | Self::NoSuchShard { .. }
                | Self::Unusable { .. }
        )
    }
}
