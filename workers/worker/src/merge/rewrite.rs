//! [`Work`]: the part of a step that makes files: buckets published and encoded. No I/O.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_engine::gold::{self, Merge, Published};
use sluice_lake::{Bucket, FinishedFile, TableSpec, TableWriter};
use snafu::ResultExt;

use super::error::{LakeSnafu, MergeError};

/// What a step is to do.
pub(super) struct Work {
    /// Windows and watermarks.
    pub(super) merge: Merge,
    /// The tables that may be published, by their places.
    pub(super) due: Vec<usize>,
    /// All tables.
    pub(super) specs: Arc<[TableSpec]>,
    /// When the rows change.
    pub(super) updated_at_us: i64,
}

/// What a step has done.
pub(super) struct Worked {
    /// Windows and watermarks, after it.
    pub(super) merge: Merge,
    /// The buckets that were published.
    pub(super) rewritten: Vec<Rewritten>,
    /// How long it took.
    pub(super) took: Duration,
}

/// A bucket in a file of its own.
#[derive(Debug)]
pub(super) struct Rewritten {
    /// The place of its table.
    pub(super) table: usize,
    /// The file, whose name says which bucket it holds; `None` for one without rows.
    pub(super) file: Option<FinishedFile>,
    /// The buckets whose files go.
    pub(super) replaces: Vec<Bucket>,
    /// Rows that are changed though they were final.
    pub(super) corrected: u64,
}

impl Work {
    /// Does it.
    pub(super) fn run(self) -> Result<Worked, MergeError> {
        let Self { mut merge, due, specs, updated_at_us } = self;
        let began = Instant::now();
        let mut changed = merge.changed();
        changed.retain(|table| due.contains(table));
        let mut rewritten = Vec::new();
        merge.publish(&changed, updated_at_us, |published| rewritten.push(encode(published, &specs)));
        let rewritten = rewritten.into_iter().collect::<Result<_, _>>()?;
        Ok(Worked { merge, rewritten, took: began.elapsed() })
    }
}

fn encode(published: Published, specs: &[TableSpec]) -> Result<Rewritten, MergeError> {
    let Published { table, bucket, rows, replaces, corrected } = published;
    let bucket = placed(bucket);
    let mut writer = TableWriter::new(&specs[table]);
    writer.write(&rows).context(LakeSnafu)?;
    // All rows are of one window, hence of one date: one file, or none without rows.
    let file = writer.finish().context(LakeSnafu)?.pop().map(|file| file.named(bucket));
    let replaces = replaces.into_iter().map(placed).collect();
    Ok(Rewritten { table, file, replaces, corrected })
}

/// A bucket of the engine in the words of the lake.
fn placed(bucket: gold::Bucket) -> Bucket {
    let gold::Bucket { window_start_us, number, of } = bucket;
    Bucket { window_start_us, number, of }
}
