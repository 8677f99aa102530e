//! Why a question about the quarantine, or a replay, failed.

use arrow::error::ArrowError;
use sluice_lake::LakeError;
use snafu::Snafu;

use crate::finding::Finding;
use crate::registry_client::RegistryError;
use crate::stream::JobError;
use crate::stream::restore::RestoreError;

/// Why a question about the quarantine, or a replay, failed. A replay may be run again after any of them.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(super)))]
pub enum QuarantineError {
    /// The configuration cannot be read.
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
    /// The schema is the registry's, and no ingest has pinned one.
    #[snafu(display(
        "failed to replay: the configuration leaves the schema to the registry, and no ingest has chosen one; start the pipeline first"
    ))]
    NeverStarted,
    /// A column that identifies rows is in no table.
    #[snafu(display(
        "failed to replay: silver.deduplicate.by names '{column}', which neither silver nor bronze has; add it to silver.columns"
    ))]
    KeyColumn {
        /// The column.
        column: String,
    },
    /// The lake says no.
    #[snafu(display("{source}"))]
    Lake {
        /// What the lake says.
        source: LakeError,
    },
    /// The schema registry gives no answer.
    #[snafu(display("{source}"))]
    Registry {
        /// What the registry says.
        source: RegistryError,
    },
    /// A table's columns are not those that this release writes.
    #[snafu(display("failed to read the rows of the lake: {source}"))]
    Columns {
        /// What is wrong with them.
        source: ArrowError,
    },
    /// A message has no writer schema, though all were asked for.
    #[snafu(display("failed to process messages: {detail}"))]
    Unresolved {
        /// What the core says.
        detail: String,
    },
    /// Another replay has taken the chain.
    #[snafu(display(
        "another replay ('{by}') runs in this lake and has taken over; what this one had finished stays, the rest is left to it"
    ))]
    Lost {
        /// Who has it.
        by: String,
    },
}

impl From<RestoreError> for QuarantineError {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::Unusable { findings } => Self::Unusable { findings },
            RestoreError::Registry { source } => Self::Registry { source },
            other => Self::Unresolved { detail: other.to_string() },
        }
    }
}
