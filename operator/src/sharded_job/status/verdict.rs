//! `Ready`, `Reconciling`, `Stalled` and `Degraded`. Pure.
//!
//! | the job | `Ready` | `Reconciling` | `Stalled` |
//! |---|---|---|---|
//! | is invalid | False | | True |
//! | needs a name that somebody else has | False | | True |
//! | needs an object that the API server calls invalid | False | | True |
//! | needs an object that a quota or a policy forbids | as its workers | True | |
//! | has a configuration that the check refused | False | | True |
//! | waits for a reference, or for a check to pass | as its workers | True | |
//! | is suspended | True | while pods stop | |
//! | has a worker with a problem that only people mend | False | | True |
//! | has a worker with another problem, or none that is ready | False | True | |
//! | rolls, and all workers are ready | True | True | |
//! | runs | True | | |
//!
//! `Degraded` is there where workers run, but not as the spec asks.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use sluice_contract::report::{Phase, Problem};
use sluice_crds::conditions::{reasons, types};

use super::Inputs;
use crate::apply::Refused;
use crate::conditions::{Statement, Truth, find};
use crate::pod_trouble;
use crate::sharded_job::plan::{Stage, Suspension};
use crate::sharded_job::preflight::Check;
use crate::sharded_job::workers::Workers;

/// Problems of workers that no waiting mends.
const LASTING: [&str; 13] = [
    "LakeOwned",
    "TopicRecreated",
    "OffsetsExpired",
    "StateLost",
    "SchemaIncompatible",
    "UnsupportedType",
    "ProtocolUnsupported",
    "FormatTooNew",
    "NoCreateIfAbsent",
    "InvalidStorageUri",
    "LakeCorrupt",
    "ForeignWriter",
    "ConfigurationUnusable",
];

/// Why something is as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Why {
    reason: String,
    message: String,
}

impl Why {
    fn new(reason: &str, message: impl Into<String>) -> Self {
        Self { reason: reason.to_owned(), message: message.into() }
    }
}

/// The four conditions, those that hold.
pub(super) fn statements(inputs: &Inputs<'_>) -> Vec<Statement> {
    let Inputs { plan, applied, workers, .. } = inputs;
    if !applied.taken.is_empty() {
        let names = applied
            .taken
            .iter()
            .map(|taken| format!("{} '{}' belongs to {}", taken.kind, taken.name, taken.owner));
        let names = names.collect::<Vec<_>>().join(", ");
        return stalled(&Why::new(
            reasons::NAME_TAKEN,
            format!("{names}; remove it, or give the {} another name", inputs.kind.noun),
        ));
    }
    if !applied.refused.is_empty() {
        return refused(&applied.refused, workers);
    }
    match &plan.stage {
        Stage::Refused(faults) => stalled(&Why::new(reasons::INVALID_SPEC, lines(faults))),
        Stage::Waiting(missing) => pending(workers, &Why::new(reasons::REFERENCE_MISSING, lines(missing))),
        Stage::Suspended(suspension) => suspended(workers, suspension),
        Stage::Checking(check) => checking(inputs, check),
        Stage::Running { rolling } => running(workers, plan.shards.unwrap_or(0), *rolling),
    }
}

fn refused(refused: &[Refused], workers: &Workers) -> Vec<Statement> {
    let said = |one: &Refused| format!("{} '{}': {}", one.kind, one.name, one.message);
    if let Some(invalid) = refused.iter().find(|one| one.is_lasting) {
        let message = format!("{}; correct what it names, most likely in spec.podTemplate", said(invalid));
        return stalled(&Why::new(reasons::OBJECT_REFUSED, message));
    }
    let trouble = pod_trouble::of_refusal(&refused.iter().map(said).collect::<Vec<_>>().join(", "));
    let reason =
        if trouble.reason == reasons::POD_REFUSED { reasons::OBJECT_REFUSED } else { trouble.reason };
    pending(workers, &Why::new(reason, trouble.message))
}

fn checking(inputs: &Inputs<'_>, check: &Check) -> Vec<Statement> {
    let workers = inputs.workers;
    match check {
        Check::Failed { findings, is_lasting: true, .. } => {
            let note = if workers.shards.is_empty() {
                ""
            } else {
                "; the workers keep the configuration that they have"
            };
            stalled(&Why::new(reasons::CONFIGURATION_REFUSED, format!("{findings}{note}")))
        }
        Check::Failed { findings, .. } => pending(workers, &Why::new(reasons::CHECK_FAILED, findings)),
        Check::Hindered(trouble) => pending(workers, &Why::new(trouble.reason, trouble.message.clone())),
        Check::Passed | Check::Running => {
            if let Some(failure) = repeated_failure(inputs) {
                return pending(workers, &Why::new(&failure.reason, failure.message.clone()));
            }
            let why = Why::new(reasons::CHECKING, "the configuration is being checked");
            vec![ready_as(workers, &why), statement(types::RECONCILING, Truth::True, &why)]
        }
    }
}

/// A check of this very generation that failed before, while it is being repeated.
pub(super) fn repeated_failure<'a>(inputs: &Inputs<'a>) -> Option<&'a Condition> {
    find(inputs.previous, types::CONFIGURATION_CHECKED).filter(|condition| {
        condition.status == "False"
            && condition.reason == reasons::CHECK_FAILED
            && condition.observed_generation == inputs.generation
    })
}

fn suspended(workers: &Workers, suspension: &Suspension) -> Vec<Statement> {
    let why = Why::new(reasons::SUSPENDED, suspension.to_string());
    let mut statements = vec![statement(types::READY, Truth::True, &why)];
    let pods = workers.pods();
    if pods > 0 || !workers.shards.is_empty() {
        let stopping = Why::new(reasons::STOPPING, format!("{pods} worker pods are stopping"));
        statements.push(statement(types::RECONCILING, Truth::True, &stopping));
    }
    statements
}

fn running(workers: &Workers, shards: u32, rolling: bool) -> Vec<Statement> {
    let ready = workers.ready(shards);
    if let Some(why) = first_blocking_problem(workers) {
        let is_lasting = LASTING.contains(&why.reason.as_str());
        let mut statements = if is_lasting { stalled(&why) } else { not_ready(&why) };
        statements.extend(partly(ready, shards, &why));
        return statements;
    }
    if let Some(trouble) = workers.trouble() {
        let why = Why::new(trouble.reason, trouble.message.clone());
        let mut statements = not_ready(&why);
        statements.extend(partly(ready, shards, &why));
        return statements;
    }
    let rolling_out = Why::new(
        reasons::ROLLING_OUT,
        "workers are replaced one after the other by those of the new configuration",
    );
    if ready < shards {
        let why = if rolling {
            rolling_out
        } else {
            Why::new(reasons::STARTING, format!("{ready} of {shards} workers are ready"))
        };
        return not_ready(&why);
    }
    let running = Why::new(reasons::RUNNING, format!("{ready} of {shards} workers are ready"));
    let mut statements = vec![statement(types::READY, Truth::True, &running)];
    if rolling {
        statements.push(statement(types::RECONCILING, Truth::True, &rolling_out));
    }
    if let Some(problem) = workers.reports().flat_map(|report| &report.problems).next() {
        statements.push(statement(types::DEGRADED, Truth::True, &why_of(problem)));
    }
    statements
}

/// What keeps a worker from its work. A worker that runs all the same is only degraded.
fn first_blocking_problem(workers: &Workers) -> Option<Why> {
    let blocked = workers
        .reports()
        .filter(|report| matches!(report.phase, Phase::Blocked | Phase::Starting | Phase::Standby));
    blocked.flat_map(|report| &report.problems).map(why_of).next()
}

fn why_of(problem: &Problem) -> Why {
    Why::new(&problem.reason, problem.message.clone())
}

/// A dead end: nothing changes until somebody changes something.
fn stalled(why: &Why) -> Vec<Statement> {
    vec![statement(types::READY, Truth::False, why), statement(types::STALLED, Truth::True, why)]
}

fn not_ready(why: &Why) -> Vec<Statement> {
    vec![statement(types::READY, Truth::False, why), statement(types::RECONCILING, Truth::True, why)]
}

/// Something must come before the spec can be acted on; workers that run go on meanwhile.
fn pending(workers: &Workers, why: &Why) -> Vec<Statement> {
    let mut statements = vec![ready_as(workers, why), statement(types::RECONCILING, Truth::True, why)];
    if !workers.shards.is_empty() {
        statements.push(statement(types::DEGRADED, Truth::True, why));
    }
    statements
}

fn ready_as(workers: &Workers, why: &Why) -> Statement {
    if workers.all_ready() && first_blocking_problem(workers).is_none() {
        let message = "the workers run the configuration that they have";
        Statement::new(types::READY, Truth::True, reasons::RUNNING, message)
    } else {
        statement(types::READY, Truth::False, why)
    }
}

/// Some shards work and some do not.
fn partly(ready: u32, shards: u32, why: &Why) -> Option<Statement> {
    (ready > 0 && ready < shards).then(|| {
        let message = format!("{ready} of {shards} workers are ready: {}", why.message);
        Statement::new(types::DEGRADED, Truth::True, reasons::WORKERS_UNAVAILABLE, message)
    })
}

fn statement(type_: &'static str, truth: Truth, why: &Why) -> Statement {
    Statement::new(type_, truth, why.reason.clone(), why.message.clone())
}

fn lines<T: std::fmt::Display>(problems: &[T]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
