//! What the workers say of the things that they depend on. Pure.
//!
//! A worker that does not answer says nothing: the condition is Unknown, with a hint, and never False.

use sluice_contract::report::Phase;
use sluice_crds::conditions::{reasons, types};

use crate::conditions::{Statement, Truth};
use crate::sharded_job::plan::{Plan, Stage};
use crate::sharded_job::workers::Workers;

/// Each part, and the problems of workers that are about it.
const PARTS: [(&str, &[&str]); 3] = [
    (types::KAFKA_REACHABLE, &["KafkaUnreachable", "KafkaRefused", "KafkaSettingsUnusable", "TopicMissing"]),
    (
        types::STORAGE_REACHABLE,
        &["StorageUnreachable", "StorageUnwritable", "StorageFull", "NoCreateIfAbsent", "InvalidStorageUri"],
    ),
    (
        types::SCHEMA_COMPATIBLE,
        &["SchemaIncompatible", "UnsupportedType", "SchemaSubjectMissing", "ConfigurationUnusable"],
    ),
];

/// The conditions of the parts; none while nothing runs.
pub(super) fn statements(plan: &Plan, workers: &Workers) -> Vec<Statement> {
    let mut statements = Vec::new();
    if !workers.shards.is_empty() && !matches!(plan.stage, Stage::Suspended(_)) {
        statements.extend(PARTS.iter().map(|(type_, about)| part(type_, about, workers)));
        statements.extend(key_mismatch(workers));
    }
    if plan.single_node {
        let message = "all pods share one node, because the claim cannot be mounted by several; \
                       use a claim that is ReadWriteMany, or an object store";
        statements.push(Statement::new(
            types::SINGLE_NODE_STORAGE,
            Truth::True,
            types::SINGLE_NODE_STORAGE,
            message,
        ));
    }
    statements
}

/// What the workers say of one part: the problems that are about it, or that there are none.
pub fn part(type_: &'static str, about: &[&str], workers: &Workers) -> Statement {
    let problem = workers
        .reports()
        .flat_map(|report| &report.problems)
        .find(|problem| about.contains(&problem.reason.as_str()));
    if let Some(problem) = problem {
        return Statement::new(type_, Truth::False, problem.reason.clone(), problem.message.clone());
    }
    if workers.reports().any(|report| matches!(report.phase, Phase::Running | Phase::Finished)) {
        return Statement::new(type_, Truth::True, reasons::AS_EXPECTED, "");
    }
    let silence = workers.shards.values().find_map(|shard| shard.silence.as_ref());
    let message = match silence {
        Some(silence) => format!("{silence}; check that a NetworkPolicy lets the operator reach the workers"),
        None => "no worker has said so yet".to_owned(),
    };
    Statement::new(type_, Truth::Unknown, reasons::NO_REPORT, message)
}

fn key_mismatch(workers: &Workers) -> Option<Statement> {
    let is_seen = workers.reports().any(|report| report.counts.key_mismatches > 0);
    is_seen.then(|| {
        let message = "rows were seen whose key column is not the message's key; \
                       correct the producers, or the pipeline's spec.source.kafka.keyColumn";
        Statement::new(types::KEY_MISMATCH, Truth::True, types::KEY_MISMATCH, message)
    })
}
