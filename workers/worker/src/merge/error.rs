//! [`MergeError`]: why the merge cannot go on as it stands. Ingest does not mind.

use sluice_contract::report::Problem;
use sluice_engine::StateError;
use sluice_lake::LakeError;
use snafu::Snafu;

use super::layout::Misplaced;
use crate::finding::Finding;
use crate::stream::committer::storage_problem;

/// Why the merge cannot go on as it stands.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(super)))]
pub(super) enum MergeError {
    /// The lake says no.
    #[snafu(display("{source}"))]
    Lake {
        /// What the lake says.
        source: LakeError,
    },
    /// A base, or a file of partial aggregates, cannot be read.
    #[snafu(display("failed to load \"{path}\": {source}"))]
    State {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: StateError,
    },
    /// Epochs of ingest that were not folded are gone.
    #[snafu(display("failed to fold chain '{chain}': its epoch {epoch} is gone, and later ones are there"))]
    EpochsLost {
        /// The chain.
        chain: String,
        /// The first epoch that is gone.
        epoch: u64,
    },
    /// The live files of a table are not those that the merge has published.
    #[snafu(display("table '{table}': {}", describe(misplaced)))]
    Rewritten {
        /// The table.
        table: String,
        /// What is wrong.
        misplaced: Misplaced,
    },
    /// The configuration cannot be used.
    #[snafu(display("{}", findings.iter().map(Finding::to_string).collect::<Vec<_>>().join("; ")))]
    Unusable {
        /// Everything that is wrong with it.
        findings: Vec<Finding>,
    },
    /// Something that should be impossible.
    #[snafu(display("failed to merge: {detail}"))]
    Broken {
        /// What it says.
        detail: String,
    },
}

impl MergeError {
    /// Whether waiting may mend it.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Lake { source } => source.is_transient(),
            // A panic may have had to do with the moment.
            Self::Broken { .. } => true,
            Self::State { .. } | Self::EpochsLost { .. } | Self::Rewritten { .. } | Self::Unusable { .. } => {
                false
            }
        }
    }

    /// Whether what it knew is lost, in files that are gone or damaged.
    pub(super) fn is_loss(&self) -> bool {
        match self {
            Self::Lake { source } => matches!(source, LakeError::FileMissing { .. }),
            Self::State { source, .. } => source.is_damage(),
            Self::EpochsLost { .. } => true,
            Self::Rewritten { .. } | Self::Unusable { .. } | Self::Broken { .. } => false,
        }
    }

    /// What the report says.
    pub(super) fn problem(&self) -> Problem {
        let problem = |reason: &str, fix: &str| Problem {
            reason: reason.to_owned(),
            message: format!("{self}; {fix}"),
        };
        let beside = "the tables below gold/ stay as they are; all others go on";
        match self {
            Self::Lake { source } => {
                let Problem { reason, message } = storage_problem(source);
                Problem { reason, message: format!("{message} ({beside})") }
            }
            Self::State { .. } | Self::EpochsLost { .. } => problem(
                "StateLost",
                "restore _sluice from a copy of the lake, or begin the tables below gold/ anew: suspend the \
                 pipeline, remove them and _sluice/merge, and go on with another number of shards",
            ),
            Self::Rewritten { .. } => problem(
                "ForeignWriter",
                "another tool has rewritten the table; restore the version before its first commit (RESTORE), and \
                 keep its OPTIMIZE, DELETE and MERGE away from tables below gold/",
            ),
            Self::Unusable { .. } => problem("ConfigurationUnusable", "correct spec.gold"),
            Self::Broken { .. } => problem("Internal", beside),
        }
    }
}

fn describe(misplaced: &Misplaced) -> String {
    match misplaced {
        Misplaced::Foreign { path } => format!("'{path}' is live, and the merge has not published it"),
        Misplaced::Twice { path } => format!("'{path}' is live beside another file of the same rows"),
        Misplaced::Missing { bucket } => format!(
            "no live file has bucket {} of {} of the window that starts at {} µs, which the merge has published",
            bucket.number, bucket.of, bucket.window_start_us
        ),
    }
}
