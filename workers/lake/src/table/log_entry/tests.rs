use sluice_contract::manifest::AddedFile;

use super::*;
use crate::fixtures::{chain_id, events, manifest_at};
use crate::table::schema::delta_schema;

fn file(path: &str, day: Option<&str>, rows: u64) -> AddedFile {
    AddedFile {
        path: path.to_owned(),
        size: 100 * rows,
        rows,
        partition_values: BTreeMap::from([("day".to_owned(), day.map(str::to_owned))]),
        modification_time_ms: 11,
        stats: format!(r#"{{"numRecords":{rows}}}"#),
    }
}

fn manifest() -> Manifest {
    let adds = vec![file("day=2026-01-05/a.parquet", Some("2026-01-05"), 2), file("b.parquet", None, 3)];
    let progress = TableProgress { last_epoch: 5, adds, removes: vec!["old.parquet".to_owned()] };
    manifest_at(chain_id(1), 5, BTreeMap::from([("bronze".to_owned(), progress)]))
}

fn committed() -> String {
    let manifest = manifest();
    let partition_values = BTreeMap::from([("day".to_owned(), Some("2026-01-04".to_owned()))]);
    let file = LiveFile { bytes: 70, rows: 4, partition_values };
    let removed = [Removed { path: "old.parquet", file: &file }];
    commit(&events(), &manifest, &manifest.tables["bronze"], &removed, 99)
}

#[test]
fn a_commit_has_one_action_a_line_in_the_protocols_words() {
    let text = committed();
    let actions: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(actions.len(), 5);
    let info = &actions[0]["commitInfo"];
    assert_eq!(info["operation"], "STREAMING UPDATE");
    assert_eq!(info["sluiceManifest"], "00000000-0000-0000-0000-000000000007");
    assert_eq!(info["operationMetrics"]["numOutputRows"], "5");
    assert_eq!(info["isBlindAppend"], false);
    assert_eq!(actions[1], json!({"txn": {"appId": "ingest/0/1", "version": 5, "lastUpdated": 99}}));
    let add = json!({
        "path": "day=2026-01-05/a.parquet",
        "partitionValues": {"day": "2026-01-05"},
        "size": 200,
        "modificationTime": 11,
        "dataChange": true,
        "stats": "{\"numRecords\":2}",
    });
    assert_eq!(actions[2], json!({"add": add}));
    assert_eq!(actions[3]["add"]["partitionValues"], json!({"day": null}));
    let remove = json!({
        "path": "old.parquet",
        "deletionTimestamp": 99,
        "dataChange": true,
        "extendedFileMetadata": true,
        "partitionValues": {"day": "2026-01-04"},
        "size": 70,
        "stats": "{\"numRecords\":4}",
    });
    assert_eq!(actions[4], json!({"remove": remove}));
}

#[test]
fn a_commit_that_removes_nothing_is_an_append() {
    let manifest = manifest();
    let text = commit(&events(), &manifest, &manifest.tables["bronze"], &[], 99);
    let info: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(info["commitInfo"]["isBlindAppend"], true);
    assert_eq!(info["commitInfo"]["operationParameters"]["outputMode"], "Append");
}

#[test]
fn our_own_commit_reads_back() {
    let entry = LogEntry::parse(committed().as_bytes()).unwrap();
    assert_eq!(entry.manifest, Some(Uuid::from_u128(7)));
    assert_eq!(entry.transactions, BTreeMap::from([("ingest/0/1".to_owned(), 5)]));
    let added: Vec<&str> = entry.added.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(added, ["day=2026-01-05/a.parquet", "b.parquet"]);
    assert_eq!(
        entry.added[0].1,
        LiveFile {
            bytes: 200,
            rows: 2,
            partition_values: BTreeMap::from([("day".to_owned(), Some("2026-01-05".to_owned()))]),
        }
    );
    assert_eq!(entry.removed, ["old.parquet"]);
    assert_eq!((entry.metadata, entry.protocol), (None, None));
    assert_eq!(entry.change, SizeChange { rows: 1, files: 1, bytes: 430 });
}

#[test]
fn every_cut_of_our_commit_is_torn() {
    let text = committed();
    for length in 0..text.len() - 1 {
        let outcome = LogEntry::parse(&text.as_bytes()[..length]);
        assert!(matches!(outcome, Err(Defect::Torn)), "cut at {length}: {outcome:?}");
    }
    let zeros = vec![0; 4096];
    assert!(matches!(LogEntry::parse(&zeros), Err(Defect::Torn)));
    assert!(
        LogEntry::parse(&text.as_bytes()[..text.len() - 1]).is_ok(),
        "only the last line feed is missing"
    );
}

#[test]
fn an_entry_of_another_protocol_is_strange_not_torn() {
    let outcome = LogEntry::parse(br#"{"metaData":{"id":7}}"#);
    assert!(matches!(outcome, Err(Defect::Strange(_))), "{outcome:?}");
}

#[test]
fn a_compaction_changes_files_and_bytes_but_no_rows() {
    let text = concat!(
        r#"{"add":{"path":"new","size":90,"dataChange":false,"stats":"{\"numRecords\":5}"}}"#,
        "\n",
        r#"{"remove":{"path":"a","size":50,"dataChange":false}}"#,
        "\n\n",
        r#"{"remove":{"path":"b","size":60,"dataChange":false}}"#,
    );
    let entry = LogEntry::parse(text.as_bytes()).unwrap();
    assert_eq!(entry.change, SizeChange { rows: 0, files: -1, bytes: -20 });
}

#[test]
fn a_new_table_speaks_the_oldest_protocol_and_keeps_thirty_days() {
    let mut spec = events();
    spec.properties.insert("delta.deletedFileRetentionDuration".to_owned(), "interval 6 hours".to_owned());
    let text = create(&spec, &delta_schema(&spec).unwrap(), 99);
    let entry = LogEntry::parse(text.as_bytes()).unwrap();
    let protocol = entry.protocol.unwrap();
    assert_eq!((protocol.min_reader_version, protocol.min_writer_version), (1, 2));
    assert!(protocol.is_supported());
    let metadata = entry.metadata.unwrap();
    assert_eq!(metadata.partition_columns, ["day"]);
    let property = |name: &str| metadata.configuration[name].as_deref();
    assert_eq!(property("delta.logRetentionDuration"), Some("interval 30 days"));
    assert_eq!(property("delta.deletedFileRetentionDuration"), Some("interval 6 hours"));
    assert!(!metadata.configuration.contains_key("delta.setTransactionRetentionDuration"));
    let schema: Value = serde_json::from_str(&metadata.schema_string).unwrap();
    assert_eq!(schema["fields"][0]["name"], "offset");
    assert_eq!(schema["fields"][0]["type"], "long");
    assert_eq!(schema["fields"][0]["nullable"], false);
}

#[test]
fn tables_with_features_that_an_append_must_honour_are_not_supported() {
    for (protocol, supported) in [
        (r#"{"minReaderVersion":1,"minWriterVersion":1}"#, true),
        (r#"{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["appendOnly","invariants"]}"#, true),
        (r#"{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["changeDataFeed"]}"#, false),
        (r#"{"minReaderVersion":1,"minWriterVersion":3}"#, false),
        (r#"{"minReaderVersion":2,"minWriterVersion":5}"#, false),
        (
            r#"{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]}"#,
            false,
        ),
    ] {
        let action: ProtocolAction = serde_json::from_str(protocol).unwrap();
        assert_eq!(action.is_supported(), supported, "{protocol}");
    }
}
