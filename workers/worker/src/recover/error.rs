//! Why a recovery failed.

use arrow::error::ArrowError;
use sluice_engine::StateError;
use sluice_lake::LakeError;
use snafu::Snafu;

use crate::kafka::TopicError;
use crate::stream::JobError;
use crate::stream::committer::storage_problem;
use crate::stream::restore::RestoreError;

/// Why a recovery failed. It may be run again after any of them.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(super)))]
pub enum RecoverError {
    /// The configuration cannot be read.
    #[snafu(transparent)]
    Configuration {
        /// Why.
        source: JobError,
    },
    /// The configuration, the topic or the registry stand in the way.
    #[snafu(display("{problem}"))]
    Start {
        /// What is wrong.
        problem: String,
    },
    /// The lake says no.
    #[snafu(display("{}", storage_problem(source).message))]
    Lake {
        /// What the lake says.
        source: LakeError,
    },
    /// Kafka cannot be asked which messages it still has.
    #[snafu(display("{}", source.problem().message))]
    Topic {
        /// What Kafka says.
        source: TopicError,
    },
    /// The lake was filled from another topic.
    #[snafu(display(
        "failed to recover: table '{table}' has rows of the topic '{found}', whose offsets mean nothing \
         in source.kafka.topic '{topic}'; point storage.uri at the right lake, or read another topic into a lake of its own"
    ))]
    AnotherTopic {
        /// The table.
        table: String,
        /// The topic of its rows.
        found: String,
        /// The topic of the configuration.
        topic: String,
    },
    /// Somebody writes to the lake.
    #[snafu(display(
        "a worker is at work in the lake '{uri}': it writes; stop it (`sluice down`, or \
         `suspend: true` in the resource), and run this again"
    ))]
    WorkerRuns {
        /// The lake.
        uri: String,
    },
    /// Rows must be read again that Kafka does not have any more.
    #[snafu(display(
        "failed to recover: an epoch is in some of its tables only, so its messages must be read again from offset {wanted} of \
         partition {partition}, but the broker begins at {low}; restore the manifests or the messages from a copy"
    ))]
    Expired {
        /// The partition.
        partition: i32,
        /// The first offset that must be read again.
        wanted: i64,
        /// The first offset that the broker has.
        low: i64,
    },
    /// What a scorer remembers is found in what its pipeline has.
    #[snafu(display(
        "failed to recover: pipeline '{pipeline}' has lost files itself; recover it first, then its scorers"
    ))]
    PipelineLost {
        /// The pipeline.
        pipeline: String,
    },
    /// A scorer is ahead of its pipeline, whose rows tell what it remembers.
    #[snafu(display(
        "failed to recover: partition {partition} is scored up to offset {position}, but bronze has the rows up to \
         {covered} only; start the pipeline, let it catch up, and run this again"
    ))]
    PipelineBehind {
        /// The partition.
        partition: i32,
        /// Up to where it is scored.
        position: i64,
        /// Up to where bronze has the rows.
        covered: i64,
    },
    /// A table's columns are not those that this release writes.
    #[snafu(display("failed to read the rows of the lake: {source}"))]
    Columns {
        /// What is wrong with them.
        source: ArrowError,
    },
    /// A state file cannot be used, and is no damage.
    #[snafu(display("failed to load \"{path}\": {source}"))]
    State {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: StateError,
    },
}

fn explain(problem: &RestoreError) -> String {
    match problem {
        RestoreError::Unusable { findings } => {
            let lines: String = findings.iter().map(|finding| format!("\n  {finding}")).collect();
            format!("the configuration cannot be used:{lines}")
        }
        other => other.problem().message,
    }
}

impl From<RestoreError> for RecoverError {
    fn from(problem: RestoreError) -> Self {
        Self::Start { problem: explain(&problem) }
    }
}
