//! [`ValidatedScorer`]: a FraudScorer without faults, in base units, with every default filled in.

use sluice_contract::config::{Commit, StartFrom};
use sluice_contract::scorer::{Alerts, RuleSet, ScoreTable, VelocityCount};

use crate::sharded_job::{Pods, Replay};

/// A FraudScorer without faults, in base units, with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedScorer {
    /// Namespace of the resource; `default` where a manifest leaves it open.
    pub namespace: String,
    /// Name of the resource.
    pub name: String,
    /// Uid of the resource; absent in local mode.
    pub uid: Option<String>,
    /// Name of the pipeline whose rows are scored.
    pub pipeline: String,
    /// The table of scores.
    pub table: ScoreTable,
    /// What is counted by key.
    pub velocity: Vec<VelocityCount>,
    /// What earns points, what their sum is called, and what follows from it.
    pub rules: RuleSet,
    /// The column that holds the truth.
    pub label: Option<String>,
    /// Where alerts go.
    pub alerts: Option<Alerts>,
    /// Name of the ModelDeployment whose versions score.
    pub model: Option<String>,
    /// Where a partition without a stored position starts.
    pub start_from: StartFrom,
    /// Number of shards.
    pub shards: u32,
    /// When an epoch closes.
    pub commit: Commit,
    /// The table to be made again, if it is.
    pub replay: Option<Replay>,
    /// What the user says about the pods.
    pub pods: Pods,
    /// Whether nothing shall run.
    pub suspended: bool,
}
