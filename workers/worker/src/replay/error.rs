//! Why a replay failed.

use std::io;
use std::net::SocketAddr;

use arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use sluice_lake::LakeError;
use snafu::Snafu;
use url::Url;

use super::range::RangeError;
use crate::finding::Finding;
use crate::stream::JobError;
use crate::stream::restore::RestoreError;

/// Why a replay failed. It may be run again after any of them.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(super)))]
pub enum ReplayError {
    /// A document cannot be read.
    #[snafu(transparent)]
    Configuration {
        /// Why.
        source: JobError,
    },
    /// The configuration cannot be used.
    #[snafu(display("the configuration cannot be used:{}", findings.iter().map(|finding| format!("\n  {finding}")).collect::<String>()))]
    Unusable {
        /// Everything that is wrong with it.
        findings: Vec<Finding>,
    },
    /// A table of windows is not in the configuration.
    #[snafu(display(
        "--tables: the pipeline has no table '{table}'; {}",
        if known.is_empty() { "it has no tables of windows".to_owned() } else { format!("name {}", known.join(", ")) }
    ))]
    UnknownTable {
        /// The table.
        table: String,
        /// The tables of windows that it has.
        known: Vec<String>,
    },
    /// The documents of the scorer are missing.
    #[snafu(display(
        "--tables: fraud needs the scorer's documents; name them with --scorer FILE and --rules FILE"
    ))]
    ScorerMissing,
    /// The document of the pipeline is missing.
    #[snafu(display("--tables: silver and gold need the pipeline's document; name it with --config FILE"))]
    PipelineMissing,
    /// The scorer is of another pipeline.
    #[snafu(display(
        "--scorer: the scorer '{scorer}' is of the pipeline that writes to '{found}', not of that of --config, which \
         writes to '{uri}'; name documents that belong together"
    ))]
    OtherPipeline {
        /// The scorer.
        scorer: String,
        /// Where its pipeline writes.
        found: String,
        /// Where the pipeline of the configuration writes.
        uri: String,
    },
    /// Nothing has ever been written.
    #[snafu(display("failed to replay: {job} has never started in the lake '{uri}'; start it first"))]
    NeverStarted {
        /// The job.
        job: String,
        /// The lake.
        uri: String,
    },
    /// The range cannot be replayed.
    #[snafu(display("{source}"))]
    Range {
        /// Why.
        source: RangeError,
    },
    /// The lake says no.
    #[snafu(display("{source}"))]
    Lake {
        /// What the lake says.
        source: LakeError,
    },
    /// A table's columns are not those that this release writes.
    #[snafu(display("failed to read the rows of the lake: {source}"))]
    Columns {
        /// What is wrong with them.
        source: ArrowError,
    },
    /// A task on another worker has failed, or the worker is gone.
    #[snafu(display("a worker of the replay failed, nothing has changed: {source}; run this again"))]
    Distributed {
        /// Why.
        #[snafu(source(from(DataFusionError, Box::new)))]
        source: Box<DataFusionError>,
    },
    /// A worker has not started.
    #[snafu(display("--peers: {peer} does not answer: {source}; start `sluice-worker replay-peer` there"))]
    PeerMissing {
        /// Where it should be.
        peer: Url,
        /// Why not.
        source: io::Error,
    },
    /// Nothing can be served there.
    #[snafu(display("--listen: failed to wait for tasks on {address}: {source}; choose another address"))]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The server of tasks has failed.
    #[snafu(display("failed to serve tasks: {source}"))]
    Serve {
        /// Why.
        source: tonic::transport::Error,
    },
    /// Another replay has taken the chain.
    #[snafu(display(
        "another replay ('{by}') runs in this lake and has taken over; what this one had finished stays, run it again for the rest"
    ))]
    Lost {
        /// Who has it.
        by: String,
    },
    /// Rows that are to be replaced are not there any more.
    #[snafu(display(
        "failed to replace rows of table '{table}': {expected} are to go, and it has {found} of them: another tool changes \
         the table meanwhile; stop it, and run this again"
    ))]
    RowsChanged {
        /// The table.
        table: String,
        /// Rows that are to go.
        expected: u64,
        /// Those that are there.
        found: u64,
    },
    /// Files were rewritten again and again.
    #[snafu(display(
        "failed to commit to {}: its files were rewritten {attempts} times meanwhile; run this again when no maintenance runs",
        tables.join(", ")
    ))]
    Overtaken {
        /// The tables.
        tables: Vec<String>,
        /// How often it was tried.
        attempts: u32,
    },
}

impl ReplayError {
    /// Whether the caller must change a flag or a document.
    pub fn is_unusable(&self) -> bool {
        match self {
            Self::Configuration { source } => source.is_unusable_configuration(),
            Self::Unusable { .. }
            | Self::UnknownTable { .. }
            | Self::ScorerMissing
            | Self::PipelineMissing
            | Self::OtherPipeline { .. }
            | Self::Range { .. } => true,
            Self::NeverStarted { .. }
            | Self::Distributed { .. }
            | Self::PeerMissing { .. }
            | Self::Listen { .. }
            | Self::Serve { .. }
            | Self::Lake { .. }
            | Self::Columns { .. }
            | Self::Lost { .. }
            | Self::RowsChanged { .. }
            | Self::Overtaken { .. } => false,
        }
    }
}

impl From<RestoreError> for ReplayError {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::Unusable { findings } => Self::Unusable { findings },
            other => {
                let problem = other.problem();
                Self::Unusable { findings: vec![Finding::new("--config", problem.message, "mend it")] }
            }
        }
    }
}
