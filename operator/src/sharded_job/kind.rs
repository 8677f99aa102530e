//! [`JobKind`]: what tells the jobs of one kind of resource from those of another.

use crate::labels;

/// What tells the jobs of one kind of resource from those of another.
#[derive(Debug, PartialEq, Eq)]
pub struct JobKind {
    /// The kind of the resource.
    pub kind: &'static str,
    /// Its short name, which is part of the name of everything that is made for it.
    pub short: &'static str,
    /// What people call it.
    pub noun: &'static str,
    /// The label that names the resource, on everything that is made for it.
    pub label: &'static str,
    /// What the workers do: their role, and the worker's command.
    pub role: &'static str,
    /// Who writes, in `managedFields`.
    pub field_manager: &'static str,
    /// The option by which a check and a replay learn the path of the configuration.
    pub document_option: &'static str,
}

/// The ingest of a StreamPipeline.
pub const INGEST: JobKind = JobKind {
    kind: "StreamPipeline",
    short: "stpl",
    noun: "pipeline",
    label: labels::PIPELINE,
    role: "ingest",
    field_manager: "sluice-operator/streampipeline",
    document_option: "--config",
};

/// The scoring of a FraudScorer.
pub const SCORE: JobKind = JobKind {
    kind: "FraudScorer",
    short: "fscr",
    noun: "scorer",
    label: labels::SCORER,
    role: "score",
    field_manager: "sluice-operator/fraudscorer",
    document_option: "--scorer",
};
