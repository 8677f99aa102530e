//! Whether the lake, as it is, takes what this configuration writes.

use sluice_contract::config::WorkerConfig;
use sluice_engine::Ingest;
use sluice_lake::{Expected, Lake, LakeError, TopicIdentity};

use super::connections::from_problem;
use crate::finding::Finding;
use crate::ingest::all_specs;
use crate::stream::committer::storage_problem;
use crate::stream::restore::find_topic_id;

/// Finds what a start would refuse: another owner, another topic, other columns.
pub(super) async fn check(config: &WorkerConfig, lake: &Lake, compiled: &Ingest) -> Vec<Finding> {
    // A broker that does not answer is a finding of its own; the topic is known by its name then.
    let id = find_topic_id(config).await.unwrap_or_default();
    let topic = TopicIdentity { name: config.source.kafka.topic.clone(), id };
    let refusals = lake
        .check(&Expected {
            owner: &config.owner,
            topic: &topic,
            adopt: config.storage.adopt.as_deref(),
            tables: &all_specs(config, compiled),
        })
        .await;
    refusals.iter().map(|error| from_problem(&field(config, error), &storage_problem(error))).collect()
}

/// The field that a refusal speaks of.
fn field(config: &WorkerConfig, refusal: &LakeError) -> String {
    match refusal {
        LakeError::PartitioningChanged { table, .. } => format!("{table}.partitionBy"),
        LakeError::SchemaIncompatible { table, column, .. } if table == "silver" => {
            let index = config.silver.columns.iter().position(|declared| declared.name == *column);
            index.map_or("silver.columns".to_owned(), |index| format!("silver.columns[{index}]"))
        }
        LakeError::SchemaIncompatible { table, column, .. } if table.starts_with("gold/") => {
            let index = config.gold.iter().position(|declared| format!("gold/{}", declared.name) == *table);
            let measure = index.and_then(|index| {
                let measures = &config.gold[index].measures;
                let measure = measures.iter().position(|declared| declared.name == *column)?;
                Some(format!("gold[{index}].measures[{measure}]"))
            });
            measure
                .unwrap_or_else(|| index.map_or("gold".to_owned(), |index| format!("gold[{index}].groupBy")))
        }
        LakeError::SchemaIncompatible { .. } => "source.schema".to_owned(),
        _ => "storage.uri".to_owned(),
    }
}
