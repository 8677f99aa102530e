//! What is wrong with a scorer: its configuration, its rules, and the topic of its alerts.

use std::path::Path;

use sluice_contract::config::{Format, WorkerConfig};
use sluice_contract::scorer::{RuleSet, ScorerConfig};
use sluice_decode::RowSchema;
use sluice_engine::Scoring;
use sluice_lake::{Expected, Lake, TableSpec, TopicIdentity};
use tokio::task::spawn_blocking;

use super::connections::{self, KAFKA_TIMEOUT, from_problem};
use crate::finding::Finding;
use crate::kafka::Topic;
use crate::score::work::table_spec;
use crate::score::{AlertsError, read_configuration, read_rules};
use crate::stream::committer::storage_problem;
use crate::stream::restore::find_topic_id;

/// Everything that is wrong with the files of a scorer; without a network, what the texts tell.
pub(super) async fn check(config: &Path, rules: &Path, offline: bool) -> Vec<Finding> {
    let (config, rules) = match (read_configuration(config), read_rules(rules)) {
        (Ok(config), Ok(rules)) => (config, rules),
        (config, rules) => {
            let fix = "name a file that the operator or `sluice` has written";
            let config = config.err().map(|error| Finding::new("configuration", error.to_string(), fix));
            let rules = rules.err().map(|error| Finding::new("rules", error.to_string(), fix));
            return config.into_iter().chain(rules).collect();
        }
    };
    if offline {
        return check_text(&config, &rules, config.pipeline.source.schema.as_deref()).findings;
    }
    let pipeline = &config.pipeline;
    let (kafka, (registry, latest), alerts, storage) = tokio::join!(
        connections::check_kafka(pipeline, config.shards),
        connections::check_registry(pipeline),
        check_alerts(&config),
        connections::open_lake(pipeline),
    );
    let schema = pipeline.source.schema.clone().or(latest);
    let Text { mut findings, table } = check_text(&config, &rules, schema.as_deref());
    findings.extend(kafka.into_iter().chain(registry).chain(alerts));
    match (storage, table) {
        (Ok(lake), Some(table)) => findings.extend(check_lake(&config, &lake, table).await),
        (Ok(_), None) => {}
        (Err(finding), _) => findings.push(finding),
    }
    findings
}

/// What the texts told.
struct Text {
    findings: Vec<Finding>,
    /// The table that they make, if nothing is in the way.
    table: Option<TableSpec>,
}

fn check_text(config: &ScorerConfig, rules: &RuleSet, schema: Option<&str>) -> Text {
    let failed = |findings| Text { findings, table: None };
    let Some(schema) = schema else { return failed(missing_schema(&config.pipeline)) };
    let schema = match RowSchema::parse(schema) {
        Ok(schema) => schema,
        Err(error) => {
            let finding = Finding::new("pipeline.source.schema", error.to_string(), "correct the schema");
            return failed(vec![finding]);
        }
    };
    match Scoring::new(config, rules, &schema, [0; 16]) {
        Ok(scoring) => Text { findings: Vec::new(), table: Some(table_spec(&scoring)) },
        Err(errors) => failed(errors.into_iter().map(Finding::from).collect()),
    }
}

/// A registry gives the schema when it is asked; without one there must be a text.
fn missing_schema(pipeline: &WorkerConfig) -> Vec<Finding> {
    if pipeline.source.format == Format::Avro && pipeline.source.schema_registry.is_some() {
        return Vec::new();
    }
    let message = "there is no schema, and no registry to take it from";
    vec![Finding::new("pipeline.source.schema", message, "set source.schema of the pipeline")]
}

/// Whether the topic of alerts is there.
async fn check_alerts(config: &ScorerConfig) -> Option<Finding> {
    let topic = config.alerts.as_ref()?.topic.clone();
    let mut kafka = config.pipeline.source.kafka.clone();
    kafka.topic = topic;
    let ask = move || Topic::new(&kafka)?.partitions(KAFKA_TIMEOUT);
    let error = spawn_blocking(ask).await.ok()?.err()?;
    Some(from_problem("alerts.topic", &AlertsError::AlertsTopic { source: error }.problem()))
}

/// What a start would refuse: another owner, another topic, other columns.
async fn check_lake(config: &ScorerConfig, lake: &Lake, table: TableSpec) -> Vec<Finding> {
    let pipeline = &config.pipeline;
    // A broker that does not answer is a finding of its own; the topic is known by its name then.
    let id = find_topic_id(pipeline).await.unwrap_or_default();
    let topic = TopicIdentity { name: pipeline.source.kafka.topic.clone(), id };
    let expected = Expected {
        owner: &pipeline.owner,
        topic: &topic,
        adopt: pipeline.storage.adopt.as_deref(),
        tables: &[table],
    };
    let refusals = lake.check(&expected).await;
    refusals.iter().map(|error| from_problem("table", &storage_problem(error))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_support::{configuration, rule_set, scorer};

    fn fields(config: &ScorerConfig, rules: &RuleSet) -> Vec<String> {
        let Text { findings, .. } = check_text(config, rules, config.pipeline.source.schema.as_deref());
        findings.into_iter().map(|finding| finding.field).collect()
    }

    #[test]
    fn a_sound_scorer_gives_no_findings() {
        assert_eq!(fields(&scorer(configuration(|_| {})), &rule_set()), [""; 0]);
    }

    #[test]
    fn bad_rules_and_bad_columns_are_found_in_one_go() {
        let mut config = scorer(configuration(|_| {}));
        config.table.columns.push("fahrenheit".to_owned());
        let mut rules = rule_set();
        rules.rules[0].when = "celsius".to_owned();
        assert_eq!(fields(&config, &rules), ["table.columns[2]", "rules[0].when"]);
    }

    #[test]
    fn what_is_wrong_with_the_pipeline_is_told_as_its_own() {
        let broken = configuration(|document| {
            document["silver"]["columns"][0]["expr"] = json!("upper(devise)");
        });
        assert_eq!(fields(&scorer(broken), &rule_set()), ["pipeline.silver.columns[0].expr"]);
        let without = configuration(|document| {
            document["source"].as_object_mut().expect("an object").remove("schema");
        });
        assert_eq!(fields(&scorer(without), &rule_set()), ["pipeline.source.schema"]);
    }
}
