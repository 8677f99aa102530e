use std::collections::BTreeMap;

use sluice_contract::manifest::{ChainId, MANIFEST_FORMAT_VERSION, ManifestKind, StateFiles, Writer};
use uuid::Uuid;

use super::*;

fn manifest() -> Manifest {
    Manifest {
        format_version: MANIFEST_FORMAT_VERSION,
        id: Uuid::from_u128(7),
        chain: ChainId { job: "ingest".to_owned(), generation: 0, shard: 1 },
        epoch: 5,
        kind: ManifestKind::Data,
        writer: Writer { id: "w".to_owned(), deployment_revision: 1 },
        created_at_ms: 0,
        configuration: "c".to_owned(),
        rule_set: None,
        partitions: BTreeMap::new(),
        tables: BTreeMap::new(),
        state: StateFiles::default(),
        partial_aggregates: None,
        folded: BTreeMap::new(),
    }
}

#[test]
fn what_landed_is_judged_by_manifest_then_chain_then_definition() {
    const OURS: &str = r#"{"commitInfo":{"sluiceManifest":"00000000-0000-0000-0000-000000000007"}}"#;
    const THEIRS: &str = r#"{"commitInfo":{"sluiceManifest":"00000000-0000-0000-0000-000000000008"}}"#;
    const OUR_CHAIN: &str = r#"{"txn":{"appId":"ingest/0/1","version":5}}"#;
    const OUR_CHAIN_EARLIER: &str = r#"{"txn":{"appId":"ingest/0/1","version":4}}"#;
    const OTHER_SHARD: &str = r#"{"txn":{"appId":"ingest/0/0","version":9}}"#;
    const DEFINITION: &str = r#"{"metaData":{"id":"i","format":{"provider":"parquet"},"schemaString":"{}","partitionColumns":[]}}"#;
    const PROTOCOL: &str = r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}"#;
    const COMPACTION: &str = r#"{"add":{"path":"p","dataChange":false}}"#;
    for (lines, expected) in [
        (vec![OURS, OUR_CHAIN], Landed::Ours),
        (vec![THEIRS, OUR_CHAIN], Landed::Rival { found: 5 }),
        (vec![OUR_CHAIN], Landed::Rival { found: 5 }),
        (vec![OUR_CHAIN_EARLIER], Landed::Rival { found: 4 }),
        (vec![THEIRS, OTHER_SHARD], Landed::Foreign),
        (vec![COMPACTION], Landed::Foreign),
        (vec![DEFINITION], Landed::Redefined),
        (vec![PROTOCOL], Landed::Redefined),
        (vec![DEFINITION, OUR_CHAIN], Landed::Rival { found: 5 }),
    ] {
        let entry = LogEntry::parse(lines.join("\n").as_bytes()).unwrap();
        assert_eq!(Landed::judge(&entry, &manifest()), expected, "{lines:?}");
    }
}
