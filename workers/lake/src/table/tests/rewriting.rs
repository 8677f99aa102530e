//! Files written anew without some of their rows.

use std::collections::BTreeSet;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, StringArray};
use arrow::datatypes::Int32Type;
use arrow::record_batch::RecordBatch;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sluice_contract::manifest::ManifestKind;

use super::*;
use crate::data_file::TableWriter;

/// (partition, offset, stage)
type Row = (i32, i64, &'static str);

/// Places in a topic, with a stage and a number; by partition of the topic, or not.
fn places(partition_by: &[&str]) -> TableSpec {
    let schema = Schema::new(vec![
        Field::new("partition", DataType::Int32, true),
        Field::new("offset", DataType::Int64, true),
        Field::new("stage", DataType::Utf8, true),
        Field::new("amount", DataType::Float64, true),
    ]);
    TableSpec {
        name: "bronze".to_owned(),
        schema: Arc::new(schema),
        partition_by: partition_by.iter().map(|column| (*column).to_owned()).collect(),
        description: None,
        properties: BTreeMap::new(),
    }
}

fn batch(rows: &[Row]) -> RecordBatch {
    let amount = |(partition, offset, _): &Row| match offset % 4 {
        // Such a file has no bounds in the log.
        0 => Some(f64::NAN),
        1 => None,
        _ => Some(f64::from(*partition) + *offset as f64 / 8.0),
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.0))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.2))),
        Arc::new(rows.iter().map(amount).collect::<Float64Array>()),
    ];
    RecordBatch::try_new(Arc::clone(&places(&[]).schema), columns).unwrap()
}

/// A lake with one file for each of these lists of rows, and more where the table is partitioned.
async fn filled(directory: &TempDir, spec: &TableSpec, files: &[Vec<Row>]) -> Process {
    let lake = open(directory.path()).await;
    let table = lake.open_table(spec).await.unwrap();
    let (chain, claim) = won(lake.store(), 0, "a").await;
    let mut process = Process { lake, chain, claim, table };
    for rows in files.iter().filter(|rows| !rows.is_empty()) {
        let mut writer = TableWriter::new(spec);
        writer.write(&batch(rows)).unwrap();
        let adds = process.lake.persist("bronze", writer.finish().unwrap()).await.unwrap();
        let next = manifest(&process.chain, BTreeMap::from([("bronze".to_owned(), adds)]));
        assert_eq!(process.chain.append(&next).await.unwrap(), Appended::Created);
        process.table.roll_forward(&next).await.unwrap();
    }
    process
}

impl Process {
    /// Replaces what was rewritten, and gives the rows that are there then.
    async fn replace(&mut self, rewritten: Rewritten) -> Vec<(i32, i64, String, String)> {
        if !rewritten.removes.is_empty() {
            let changed = ("bronze".to_owned(), (rewritten.adds, rewritten.removes));
            let tables = self.chain.changes([changed]);
            let next =
                Manifest { kind: ManifestKind::Data, tables, ..manifest(&self.chain, BTreeMap::new()) };
            assert_eq!(self.chain.append(&next).await.unwrap(), Appended::Created);
            self.table.roll_forward(&next).await.unwrap();
        }
        read(&self.lake).await
    }
}

async fn read(lake: &Lake) -> Vec<(i32, i64, String, String)> {
    let sql = "SELECT \"partition\", \"offset\", CAST(stage AS VARCHAR), \
               CAST(arrow_cast(amount, 'Float64') AS VARCHAR) FROM bronze ORDER BY 1, 2, 3";
    let mut found = Vec::new();
    for rows in lake.query(&["bronze"], &[], sql).await.unwrap() {
        let partitions = arrow::compute::cast(rows.column(0), &DataType::Int32).unwrap();
        let text = |column: usize, row: usize| {
            arrow::util::display::array_value_to_string(rows.column(column), row).unwrap()
        };
        for row in 0..rows.num_rows() {
            let partition = partitions.as_primitive::<Int32Type>().value(row);
            let offset = rows.column(1).as_primitive::<Int64Type>().value(row);
            found.push((partition, offset, text(2, row), text(3, row)));
        }
    }
    found
}

#[tokio::test]
async fn files_lose_the_rows_that_go_and_nothing_else() {
    for seed in 0..12 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut next = [0_i64; 3];
        let files: Vec<Vec<Row>> = (0..random.random_range(1..5))
            .map(|_| {
                let rows = 0..random.random_range(0..30);
                rows.map(|_| {
                    let partition = random.random_range(0..3_usize);
                    next[partition] += random.random_range(1..3);
                    let stage = ["decode", "silver", "late"][random.random_range(0..3)];
                    (partition as i32, next[partition], stage)
                })
                .collect()
            })
            .collect();
        let mut dropped = Dropped::default();
        for partition in 0..3 {
            let start = random.random_range(0..20);
            dropped.positions.push(partition, start..start + random.random_range(0..6));
        }
        dropped.only = random
            .random_bool(0.5)
            .then_some(("stage".to_owned(), ["silver", "late"].map(str::to_owned).to_vec()));
        let goes = |(partition, offset, stage): &Row| {
            dropped.positions.contains(*partition, *offset)
                && dropped.only.as_ref().is_none_or(|(_, stages)| stages.iter().any(|one| one == stage))
        };
        let touched = files.iter().filter(|rows| rows.iter().any(goes)).count();

        let partition_by: &[&str] = if seed % 3 == 0 { &["partition"] } else { &[] };
        let directory = tempfile::tempdir().unwrap();
        let mut process = filled(&directory, &places(partition_by), &files).await;
        let before = read(&process.lake).await;
        let rewritten = process.table.rewrite_without(&dropped).await.unwrap();
        assert_eq!(read(&process.lake).await, before, "seed {seed}: nothing is visible yet");
        if partition_by.is_empty() {
            assert_eq!(rewritten.removes.len(), touched, "seed {seed}: other files are not touched");
        }
        let gone = files.iter().flatten().filter(|row| goes(row)).count();
        assert_eq!(rewritten.rows, gone as u64, "seed {seed}");
        let left: BTreeSet<(i32, i64)> =
            files.iter().flatten().filter(|row| !goes(row)).map(|row| (row.0, row.1)).collect();
        let wanted: Vec<_> = before.into_iter().filter(|row| left.contains(&(row.0, row.1))).collect();
        assert_eq!(process.replace(rewritten).await, wanted, "seed {seed}");
    }
}

#[tokio::test]
async fn a_file_whose_rows_all_go_has_nothing_in_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let rows = vec![(0, 1, "silver"), (0, 2, "silver")];
    let mut process = filled(&directory, &places(&[]), &[rows, vec![(1, 1, "silver")]]).await;
    let mut dropped = Dropped::default();
    dropped.positions.push(0, 0..10);
    let rewritten = process.table.rewrite_without(&dropped).await.unwrap();
    assert_eq!((rewritten.removes.len(), rewritten.adds.len(), rewritten.rows), (1, 0, 2));
    assert_eq!(process.replace(rewritten).await.len(), 1);
    let nothing = process.table.rewrite_without(&Dropped::default()).await.unwrap();
    assert_eq!(nothing, Rewritten::default());
}

#[tokio::test]
async fn columns_that_the_table_has_beside_ours_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = filled(&directory, &places(&[]), &[vec![(0, 1, "silver"), (0, 2, "silver")]]).await;
    // A configuration that knows fewer columns.
    let mut spec = places(&[]);
    spec.schema = Arc::new(spec.schema.project(&[0, 1, 2]).unwrap());
    process.table = process.lake.open_table(&spec).await.unwrap();
    let before = read(&process.lake).await;
    let mut dropped = Dropped::default();
    dropped.positions.push(0, 1..2);
    let rewritten = process.table.rewrite_without(&dropped).await.unwrap();
    assert_eq!(process.replace(rewritten).await, before[1..]);
}
