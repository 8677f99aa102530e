use std::collections::BTreeMap;

use super::*;
use crate::fixtures::{chain_id, manifest_at};

fn manifest() -> Manifest {
    manifest_at(chain_id(1), 5, BTreeMap::new())
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
