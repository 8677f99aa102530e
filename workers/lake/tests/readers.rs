//! Other engines read what we write: delta-rs's Python package with its own query engine, and DuckDB over
//! Arrow datasets, both of which leave out files by the statistics in the log.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::record_batch::RecordBatch;
use sluice_contract::config::Storage;
use sluice_contract::manifest::{ChainId, Manifest, ManifestKind, Writer};
use sluice_lake::{Appended, Beginning, Claim, Lake, RolledForward, TableSpec, TableWriter};

const EPOCHS: i64 = 5;
const ROWS: i64 = 40;

/// Partition values that are hard on paths, URLs and parsers; two of them are null to a Delta reader.
const PARTS: [Option<&str>; 10] = [
    Some("plain"),
    Some("with space"),
    Some("sl/ash\\back"),
    Some("ümlaut 北京 🦀"),
    Some("100%25 #?&=+"),
    Some("quote'\"double"),
    Some(".."),
    Some("2026-01-05"),
    Some(""),
    None,
];

fn spec() -> TableSpec {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("flag", DataType::Boolean, true),
        Field::new("tiny", DataType::Int8, true),
        Field::new("small", DataType::Int16, true),
        Field::new("middle", DataType::Int32, true),
        Field::new("big", DataType::Int64, true),
        Field::new("single", DataType::Float32, true),
        Field::new("double", DataType::Float64, true),
        Field::new("money", DataType::Decimal128(12, 2), true),
        Field::new("text", DataType::Utf8, true),
        Field::new("bytes", DataType::Binary, true),
        Field::new("day", DataType::Date32, true),
        Field::new("instant", utc, true),
        Field::new("part", DataType::Utf8, true),
        Field::new("part_day", DataType::Date32, true),
    ]);
    TableSpec {
        name: "gold/all_types".to_owned(),
        schema: Arc::new(schema),
        partition_by: vec!["part".to_owned(), "part_day".to_owned()],
        description: None,
        properties: BTreeMap::new(),
    }
}

/// A value for each row, but null for every seventh.
fn some<T>(ids: &[i64], value: impl Fn(i64) -> T) -> Vec<Option<T>> {
    ids.iter().map(|id| (id % 7 != 3).then(|| value(*id))).collect()
}

/// Rows whose values rise from epoch to epoch, so that filters can leave out files.
fn rows(epoch: i64) -> RecordBatch {
    let ids: Vec<i64> = (epoch * ROWS..(epoch + 1) * ROWS).collect();
    let doubles = |id: i64| match (epoch, id % 11) {
        (1, 5) => f64::NAN,
        (2, 5) => f64::INFINITY,
        (3, 5) => -0.0,
        _ => id as f64 / 10.0,
    };
    let texts: Vec<Option<String>> =
        some(&ids, |id| format!("text {id:04} {}", "é".repeat(id as usize % 60)));
    let bytes: Vec<Option<Vec<u8>>> = some(&ids, |id| vec![id as u8, 0, 255]);
    let instants = some(&ids, |id| 1_767_614_400_000_000 + id * 3_600_000_001);
    let parts: StringArray =
        ids.iter().map(|id| if epoch == 0 { PARTS[(*id % 10) as usize] } else { PARTS[0] }).collect();
    let part_days: Date32Array =
        ids.iter().map(|id| (id % 3 != 0).then_some(20_458 + (id / 20) as i32)).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(ids.clone())),
        Arc::new(BooleanArray::from(some(&ids, |id| id % 2 == 0))),
        Arc::new(Int8Array::from(some(&ids, |id| (id / 2) as i8))),
        Arc::new(Int16Array::from(some(&ids, |id| (id * 100 - 5000) as i16))),
        Arc::new(Int32Array::from(some(&ids, |id| (id * 1_000_000 - 7) as i32))),
        Arc::new(Int64Array::from(some(&ids, |id| id * 1_000_000_000_000 - 3))),
        Arc::new(Float32Array::from(some(&ids, |id| id as f32 / 3.0))),
        Arc::new(Float64Array::from(some(&ids, doubles))),
        Arc::new(
            Decimal128Array::from(some(&ids, |id| i128::from(id * 333 - 5000)))
                .with_precision_and_scale(12, 2)
                .unwrap(),
        ),
        Arc::new(StringArray::from_iter(texts)),
        Arc::new(BinaryArray::from_iter(bytes)),
        Arc::new(Date32Array::from(some(&ids, |id| 20_400 + id as i32))),
        Arc::new(TimestampMicrosecondArray::from(instants).with_timezone("UTC")),
        Arc::new(parts),
        Arc::new(part_days),
    ];
    RecordBatch::try_new(spec().schema, columns).unwrap()
}

async fn write_table(lake: &Lake) {
    let spec = spec();
    let mut table = lake.open_table(&spec).await.unwrap();
    let id = ChainId { job: "ingest".to_owned(), generation: 0, shard: 0 };
    let process = Writer { id: "test".to_owned(), deployment_revision: 1 };
    let Claim::Won { mut chain, manifest } =
        lake.claim(id, process.clone(), "revision", &Beginning::default()).await.unwrap()
    else {
        panic!("nobody else is there");
    };
    let recovered = lake.recover(&mut table, std::slice::from_ref(manifest.as_ref())).await.unwrap();
    assert!(recovered.iter().all(|done| done.redone.is_empty()));
    let mut writer = TableWriter::new(&spec);
    for epoch in 0..EPOCHS {
        writer.write(&rows(epoch)).unwrap();
        let files = lake.persist(&spec.name, writer.finish().unwrap()).await.unwrap();
        let manifest = Manifest {
            created_at_ms: 1,
            tables: chain.progress(BTreeMap::from([(spec.name.clone(), files)])),
            ..chain.manifest(ManifestKind::Data, &process, "revision")
        };
        assert_eq!(chain.append(&manifest).await.unwrap(), Appended::Created);
        let outcome = table.roll_forward(&manifest).await.unwrap();
        assert_eq!(outcome, RolledForward::Committed { version: epoch as u64 + 1 });
    }
    assert_eq!(table.statistics().rows, (EPOCHS * ROWS) as u64);
}

fn python() -> PathBuf {
    let in_home =
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/sluice/venv/bin/python");
    let python = std::env::var_os("SLUICE_PYTHON").map_or_else(in_home, PathBuf::from);
    assert!(python.exists(), "there is no Python at '{}': run `make services`", python.display());
    python
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_engines_read_every_type_and_prune_rightly() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("a lake");
    let storage = Storage { uri: format!("file://{}", root.display()), adopt: None };
    let lake = Lake::open(&storage).await.unwrap();
    write_table(&lake).await;
    let output = Command::new(python())
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers.py"))
        .arg(root.join(&spec().name))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("all readers agree"), "{text}");
}
