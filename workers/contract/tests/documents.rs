//! The documents that cross a process boundary survive the crossing, and refuse what they cannot mean.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sluice_contract::config::{ConfigError, WorkerConfig};
use sluice_contract::manifest::{Counts, Manifest};
use sluice_contract::scorer::{RuleSet, ScorerConfig, ScorerError};

const SMALLEST: &str = r#"{
  "formatVersion": 1,
  "owner": {"cluster": "local", "namespace": "default", "name": "readings"},
  "revision": "0123456789abcdef",
  "shards": 1,
  "source": {
    "kafka": {"bootstrapServers": "localhost:9092", "topic": "readings", "startFrom": "Earliest"},
    "format": "Json",
    "schema": "{}",
    "eventTime": {"column": "at", "timeZone": "UTC", "maxOutOfOrdernessMs": 30000, "idleAfterMs": 60000}
  },
  "storage": {"uri": "file:///lake"},
  "commit": {"everyMs": 2000, "maxBytes": 67108864},
  "bronze": {"keepValue": false},
  "silver": {"columns": [{"name": "at"}]}
}"#;

#[test]
fn a_configuration_survives_being_written_and_read() {
    let config = WorkerConfig::from_json(SMALLEST).expect("the smallest configuration is valid");
    assert_eq!(WorkerConfig::from_json(&config.to_json()).expect("what we wrote we can read"), config);
}

#[test]
fn a_configuration_of_a_later_release_is_refused_before_its_fields_are_looked_at() {
    let later = r#"{"formatVersion": 2, "somethingNew": true}"#;
    let error = WorkerConfig::from_json(later).expect_err("version 2 does not exist yet");
    assert!(matches!(error, ConfigError::FormatVersion { found: 2 }), "{error}");
    assert!(error.to_string().contains("run a worker of the operator's release"));
}

#[test]
fn configurations_of_earlier_releases_are_read() {
    let older = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/older_versions");
    let lakes = fs::read_dir(older).expect("there are lakes of earlier releases");
    let files = lakes.map(|lake| lake.expect("an entry").path().join("config.json"));
    let files: Vec<_> = files.filter(|file| file.exists()).collect();
    assert!(!files.is_empty());
    for file in files {
        let text = fs::read_to_string(&file).expect("the file can be read");
        WorkerConfig::from_json(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

#[test]
fn a_configuration_that_does_not_tell_when_a_partition_is_stalled_means_after_an_hour() {
    let mut config = WorkerConfig::from_json(SMALLEST).expect("it is valid");
    assert_eq!(config.source.event_time.stalled_after_ms, 3_600_000);
    assert!(!config.to_json().contains("stalledAfterMs"), "a worker of an earlier release reads it too");
    config.source.event_time.stalled_after_ms = 1_000;
    assert_eq!(WorkerConfig::from_json(&config.to_json()).expect("it is valid"), config);
}

#[test]
fn a_manifest_of_an_earlier_release_tells_of_no_partition_that_it_is_read_to_its_end() {
    let chain = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/older_versions/format-1/lake/_sluice/ingest/1/0/00000000000000000003.json");
    let text = fs::read_to_string(chain).expect("the file can be read");
    let manifest: Manifest = serde_json::from_str(&text).expect("it is a manifest");
    assert_eq!(manifest.format_version, 1);
    assert!(!manifest.partitions.is_empty());
    assert!(manifest.partitions.values().all(|progress| !progress.caught_up));
}

#[test]
fn an_unknown_field_is_refused_by_name() {
    let misspelt = SMALLEST.replace("keepValue", "keepValues");
    let error = WorkerConfig::from_json(&misspelt).expect_err("keepValues is no field");
    assert!(error.to_string().contains("keepValues"), "{error}");
}

#[test]
fn counts_of_partitions_add_up_by_stage_and_reason() {
    let mut one = Counts { messages: 10, bronze: 8, silver: 6, duplicates: 1, ..Counts::default() };
    one.add_refused("decode", "EmptyValue", 2);
    one.add_refused("silver", "MissingId", 1);
    let mut other = Counts { messages: 5, bronze: 4, silver: 4, ..Counts::default() };
    other.add_refused("decode", "EmptyValue", 1);

    one.add(&other);

    assert_eq!((one.messages, one.bronze, one.silver, one.duplicates), (15, 12, 10, 1));
    assert_eq!(one.refused["decode"], BTreeMap::from([("EmptyValue".to_owned(), 3)]));
    assert_eq!((one.refused_at("decode"), one.refused_at("silver"), one.refused_at("late")), (3, 1, 0));
}

fn smallest_scorer() -> String {
    format!(
        r#"{{"formatVersion": 1, "name": "cards", "revision": "00", "shards": 1, "startFrom": "Earliest",
            "commit": {{"everyMs": 2000, "maxBytes": 67108864}},
            "table": {{"name": "scores", "columns": ["at"]}},
            "velocity": [{{"name": "often", "key": "card", "windowMs": 60000, "keepMs": 120000}}],
            "pipeline": {SMALLEST}}}"#
    )
}

const SMALLEST_RULE_SET: &str = r#"{
  "formatVersion": 1,
  "rules": [{"name": "large", "when": "amount > 5000", "points": 30}],
  "velocity": [{"name": "often", "moreThan": 5, "points": 25}],
  "levels": [{"name": "LOW", "minScore": 0}]
}"#;

#[test]
fn a_scorers_documents_survive_being_written_and_read() {
    let config = ScorerConfig::from_json(&smallest_scorer()).expect("the smallest scorer is valid");
    assert_eq!(ScorerConfig::from_json(&config.to_json()).expect("what we wrote we can read"), config);
    assert_eq!(config.job(), "score-cards");
    let rules = RuleSet::from_json(SMALLEST_RULE_SET).expect("the smallest rule set is valid");
    assert_eq!(RuleSet::from_json(&rules.to_json()).expect("what we wrote we can read"), rules);
}

#[test]
fn the_hash_of_a_rule_set_is_of_what_it_says_and_not_of_how_it_is_laid_out() {
    let rules = RuleSet::from_json(SMALLEST_RULE_SET).expect("it is valid");
    let on_one_line = SMALLEST_RULE_SET.replace('\n', "");
    assert_eq!(RuleSet::from_json(&on_one_line).expect("it is valid").hash(), rules.hash());
    assert_eq!(rules.hash().len(), 16);
    for (from, to) in [("5000", "5001"), (r#""points": 25"#, r#""points": 26"#), ("LOW", "SMALL")] {
        let changed = RuleSet::from_json(&SMALLEST_RULE_SET.replace(from, to)).expect("it is valid");
        assert_ne!(changed.hash(), rules.hash(), "{from} -> {to}");
    }
}

#[test]
fn a_scorers_documents_of_a_later_release_are_refused_before_their_fields_are_looked_at() {
    let later = r#"{"formatVersion": 2, "somethingNew": true}"#;
    let error = RuleSet::from_json(later).expect_err("version 2 does not exist yet");
    assert!(matches!(error, ScorerError::FormatVersion { found: 2, .. }), "{error}");
    let error = ScorerConfig::from_json(later).expect_err("version 2 does not exist yet");
    assert!(error.to_string().contains("run a worker of the operator's release"), "{error}");
    let inner = smallest_scorer().replace(&SMALLEST[..22], &SMALLEST[..22].replace('1', "2"));
    let error = ScorerConfig::from_json(&inner).expect_err("the pipeline inside is of a later release");
    assert!(matches!(error, ScorerError::FormatVersion { found: 2, .. }), "{error}");
}

#[test]
fn an_unknown_field_of_a_rule_is_refused_by_name() {
    let misspelt = SMALLEST_RULE_SET.replace("moreThan", "moreOften");
    let error = RuleSet::from_json(&misspelt).expect_err("moreOften is no field");
    assert!(error.to_string().contains("moreOften"), "{error}");
}
