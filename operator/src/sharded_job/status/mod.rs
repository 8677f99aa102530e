//! What the status of every kind of job says: a function of what was read and what was done. Pure.
//!
//! | module | part |
//! |---|---|
//! | [`verdict`] | `Ready`, `Reconciling`, `Stalled`, `Degraded` |
//! | [`parts`] | what the workers say of Kafka, of storage, of the schema |
//!
//! The same inputs give the same status, so that an unchanged one writes nothing.

pub mod parts;
pub mod verdict;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Serialize;
use sluice_contract::report::Report;
use sluice_crds::conditions::{reasons, types};
use sluice_crds::replay::ReplayStatus;
use sluice_crds::{FraudScorerStatus, StreamPipelineStatus};

use super::kind::JobKind;
use super::plan::{Plan, Stage};
use super::preflight::Check;
use super::replay;
use super::workers::Workers;
use crate::apply::Applied;
use crate::conditions::{Statement, Truth, find, merge};
use crate::labels;

/// The status of a resource with a job.
pub trait JobStatus: Clone + Default + PartialEq + Serialize + Send + Sync {
    /// Its conditions.
    fn conditions(&self) -> &[Condition];

    /// The generation that it speaks of.
    fn observed_generation(&self) -> Option<i64>;

    /// Number of shards that shall run.
    fn shards(&self) -> Option<i32>;

    /// The same status with other conditions, of another generation.
    fn with(self, conditions: Vec<Condition>, observed_generation: Option<i64>) -> Self;

    /// What has become of the newest replay.
    fn replay(&self) -> Option<&ReplayStatus>;

    /// The same status with other worker pods, and another replay. A configuration that is not known leaves the one
    /// that it tells.
    fn with_pods(self, replicas: Replicas, replay: Option<ReplayStatus>) -> Self;
}

/// The fields have the same names in every status.
macro_rules! by_its_fields {
    ($status:ty) => {
        impl JobStatus for $status {
            fn conditions(&self) -> &[Condition] {
                &self.conditions
            }

            fn observed_generation(&self) -> Option<i64> {
                self.observed_generation
            }

            fn shards(&self) -> Option<i32> {
                self.shards
            }

            fn with(self, conditions: Vec<Condition>, observed_generation: Option<i64>) -> Self {
                Self { conditions, observed_generation, ..self }
            }

            fn replay(&self) -> Option<&ReplayStatus> {
                self.replay.as_ref()
            }

            fn with_pods(self, replicas: Replicas, replay: Option<ReplayStatus>) -> Self {
                Self {
                    replay,
                    shards: replicas.shards,
                    replicas: replicas.pods,
                    ready_replicas: replicas.ready,
                    replica_summary: replicas.summary,
                    selector: replicas.selector,
                    configuration: replicas.configuration.or(self.configuration),
                    ..self
                }
            }
        }
    };
}

by_its_fields!(StreamPipelineStatus);
by_its_fields!(FraudScorerStatus);

/// A status, and whether its fast numbers are new.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<S> {
    /// The status.
    pub status: S,
    /// Whether fast numbers changed.
    pub has_new_numbers: bool,
}

/// The status after a pass, from one that says what is the kind's own; so do the statements.
pub fn complete<S: JobStatus>(
    inputs: &Inputs<'_>,
    shards_before: Option<i32>,
    own: impl IntoIterator<Item = Statement>,
    status: S,
) -> S {
    let mut statements = statements(inputs);
    statements.extend(own);
    let conditions = merge(inputs.previous, &statements, inputs.generation, inputs.now);
    let replicas = replicas(inputs, shards_before);
    status.with(conditions, inputs.generation).with_pods(replicas, inputs.replay.cloned())
}

/// What a status is made of.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The kind of job.
    pub kind: &'static JobKind,
    /// Name of the resource.
    pub name: &'a str,
    /// The generation that was acted on.
    pub generation: Option<i64>,
    /// The conditions so far.
    pub previous: &'a [Condition],
    /// What was planned.
    pub plan: &'a Plan,
    /// What the apply did.
    pub applied: &'a Applied,
    /// What was seen of the workers.
    pub workers: &'a Workers,
    /// What is to be said of the newest replay.
    pub replay: Option<&'a ReplayStatus>,
    /// When fast numbers were last written.
    pub numbers_written: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}

impl Inputs<'_> {
    /// What each shard says; `None` where one says nothing: a sum over some shards only would jump.
    pub fn reports(&self) -> Option<Vec<&Report>> {
        let reports: Vec<&Report> = self.workers.reports().collect();
        let shards = self.plan.shards.unwrap_or(0) as usize;
        (!reports.is_empty() && reports.len() >= shards).then_some(reports)
    }

    /// Number of shards that shall run; as before where nobody knows.
    fn shards(&self, before: Option<i32>) -> Option<u32> {
        self.plan.shards.or_else(|| before.and_then(|shards| u32::try_from(shards).ok()))
    }
}

/// The conditions that hold, of those that every kind of job has.
fn statements(inputs: &Inputs<'_>) -> Vec<Statement> {
    let mut statements = verdict::statements(inputs);
    statements.extend(check_statement(inputs));
    statements.extend(parts::statements(inputs.plan, inputs.workers));
    statements.extend(inputs.replay.map(replay::statement));
    statements
}

/// The worker pods, as every kind's status tells them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replicas {
    /// Number of shards that shall run.
    pub shards: Option<i32>,
    /// Number of worker pods.
    pub pods: Option<i32>,
    /// Number of worker pods that are ready.
    pub ready: Option<i32>,
    /// Ready and wanted worker pods, for the eye.
    pub summary: Option<String>,
    /// Label selector of the worker pods.
    pub selector: Option<String>,
    /// Revision of the configuration that all shards run; `None` where they differ, or none runs.
    pub configuration: Option<String>,
}

/// The worker pods; `shards_before` is the number of shards that the status tells so far.
fn replicas(inputs: &Inputs<'_>, shards_before: Option<i32>) -> Replicas {
    let shards = inputs.shards(shards_before);
    let signed = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let ready = inputs.workers.ready(shards.unwrap_or(0));
    Replicas {
        shards: shards.map(signed),
        pods: Some(inputs.workers.pods()),
        ready: Some(signed(ready)),
        summary: shards.map(|shards| format!("{ready}/{shards}")),
        selector: Some(selector(inputs.kind, inputs.name)),
        configuration: configuration(inputs.workers),
    }
}

/// The conditions of a resource that the operator was told to leave alone: everything stays as it was, and one
/// condition says so, with the generation that was applied last.
pub fn paused(
    previous: &[Condition],
    observed_generation: Option<i64>,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let applied = observed_generation.filter(|generation| *generation > 0);
    let message = find(previous, types::RECONCILIATION_PAUSED).map_or_else(
        || match applied {
            Some(generation) => format!(
                "generation {generation} is applied; remove the annotation {} to go on",
                labels::PAUSED
            ),
            None => format!("nothing is applied yet; remove the annotation {} to go on", labels::PAUSED),
        },
        |condition| condition.message.clone(),
    );
    let pause = [Statement::new(types::RECONCILIATION_PAUSED, Truth::True, reasons::PAUSED, message)];
    let pause = merge(previous, &pause, generation, now);
    let mut conditions = previous.to_vec();
    conditions.retain(|condition| condition.type_ != types::RECONCILIATION_PAUSED);
    if conditions.is_empty() {
        let unknown = [Statement::new(types::READY, Truth::Unknown, reasons::PAUSED, "")];
        conditions = merge(&[], &unknown, generation, now);
    }
    conditions.extend(pause);
    conditions
}

/// The conditions of a resource that cannot be read at all.
pub fn unreadable(
    previous: &[Condition],
    error: &str,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let message = format!("{error}; correct the resource, or install the definition of this release");
    let ready = Statement::new(types::READY, Truth::False, reasons::INVALID_SPEC, message);
    let stalled = ready.also(types::STALLED, Truth::True);
    merge(previous, &[ready, stalled], generation, now)
}

/// A check that failed and is being repeated is not forgotten while it runs.
fn check_statement(inputs: &Inputs<'_>) -> Option<Statement> {
    let statement = |truth, reason: &str, message: &str| {
        Some(Statement::new(types::CONFIGURATION_CHECKED, truth, reason, message))
    };
    match &inputs.plan.stage {
        Stage::Running { .. } => statement(Truth::True, reasons::CHECK_PASSED, ""),
        Stage::Checking(Check::Passed | Check::Running) => match verdict::repeated_failure(inputs) {
            Some(failure) => statement(Truth::False, &failure.reason, &failure.message),
            None => statement(Truth::Unknown, reasons::CHECKING, ""),
        },
        Stage::Checking(Check::Hindered(trouble)) => {
            statement(Truth::Unknown, trouble.reason, &trouble.message)
        }
        Stage::Checking(Check::Failed { findings, is_lasting: true, .. }) => {
            statement(Truth::False, reasons::CONFIGURATION_REFUSED, findings)
        }
        Stage::Checking(Check::Failed { findings, .. }) => {
            statement(Truth::False, reasons::CHECK_FAILED, findings)
        }
        Stage::Refused(_) | Stage::Waiting(_) | Stage::Suspended(_) => None,
    }
}

/// The configuration of all shards, if they agree.
fn configuration(workers: &Workers) -> Option<String> {
    let mut all = workers.shards.values().map(|shard| shard.configuration.as_ref());
    let first = all.next()??;
    all.all(|other| other == Some(first)).then(|| first.clone())
}

fn selector(kind: &JobKind, name: &str) -> String {
    let pairs = labels::selector_of(kind, name, kind.role);
    pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}
