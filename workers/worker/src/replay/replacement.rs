//! [`Replacement`]: what a table gains and loses by a replay, gathered portion by portion.

use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};
use sluice_contract::manifest::AddedFile;
use sluice_lake::{Dropped, Lake, Positions, TableSpec, TableWriter};
use snafu::ResultExt;

use super::difference::{Difference, Tally};
use super::error::{LakeSnafu, ReplayError};

/// Encoded rows beyond this are made durable, so that a replay needs no more memory than that for each table.
const BUFFERED_BYTES: usize = 64 * 1024 * 1024;

/// What a table gains and loses, while it is gathered.
#[derive(Debug)]
pub(super) struct Replacement {
    spec: TableSpec,
    writer: TableWriter,
    change: Change,
    tally: Tally,
}

/// What a table gains and loses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    /// The table.
    pub(super) table: String,
    /// Files with new rows: durable, and not visible yet.
    pub(super) added: Vec<AddedFile>,
    /// Rows that go.
    pub(super) dropped: Dropped,
    /// How many these are.
    pub(super) dropped_rows: u64,
}

impl Replacement {
    /// Nothing yet. With `only`, just rows that have one of these texts in a column go.
    pub(super) fn new(spec: &TableSpec, only: Option<(&str, &[&str])>) -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let only = only.map(|(column, chosen)| (column.to_owned(), texts(chosen)));
        Self {
            spec: spec.clone(),
            writer: TableWriter::new(spec),
            change: Change {
                table: spec.name.clone(),
                added: Vec::new(),
                dropped: Dropped { positions: Positions::default(), only },
                dropped_rows: 0,
            },
            tally: Tally::default(),
        }
    }

    /// The table.
    pub(super) fn spec(&self) -> &TableSpec {
        &self.spec
    }

    /// Takes what became of the rows of a portion.
    pub(super) async fn take(&mut self, lake: &Lake, difference: Difference) -> Result<(), ReplayError> {
        let Difference { written, dropped, tally, .. } = difference;
        self.replace(lake, written.as_ref(), (dropped, tally.dropped()), tally).await
    }

    /// Writes rows, in the place of as many others as go.
    pub(super) async fn replace(
        &mut self,
        lake: &Lake,
        written: Option<&RecordBatch>,
        (dropped, dropped_rows): (Positions, u64),
        tally: Tally,
    ) -> Result<(), ReplayError> {
        self.change.dropped.positions.append(dropped);
        self.change.dropped_rows += dropped_rows;
        self.tally.add(tally);
        if let Some(rows) = written {
            self.writer.write(rows).context(LakeSnafu)?;
        }
        if self.writer.buffered_bytes() >= BUFFERED_BYTES {
            self.persist(lake).await?;
        }
        Ok(())
    }

    /// All of it, durable; `None` if the table stays as it is.
    pub(super) async fn finish(mut self, lake: &Lake) -> Result<(Option<Change>, Tally), ReplayError> {
        self.persist(lake).await?;
        let Self { change, tally, .. } = self;
        let is_nothing = change.added.is_empty() && change.dropped_rows == 0;
        Ok(((!is_nothing).then_some(change), tally))
    }

    async fn persist(&mut self, lake: &Lake) -> Result<(), ReplayError> {
        let files = self.writer.finish().context(LakeSnafu)?;
        if !files.is_empty() {
            self.change.added.extend(lake.persist(&self.spec.name, files).await.context(LakeSnafu)?);
        }
        Ok(())
    }
}
