//! [`SilverPass`]: goes through bronze once more, and compares silver and quarantine with what comes of it.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use sluice_engine::{Ingest, Replayed};
use sluice_lake::{Lake, Reader, TableSpec};
use snafu::ResultExt;

use super::difference::{Comparison, Tally};
use super::error::{ColumnsSnafu, ReplayError};
use super::event_times::{EventTimes, Span};
use super::gathered::Gathered;
use super::range::{Extents, Rounds, before};
use super::refusals::{NOTED, Refusals, STAGES, refusals};
use super::replacement::Replacement;
use super::rows::{Position, portions, positions, read, together};

/// The tables of a pipeline, as they are now.
pub(super) struct Tables<'a> {
    /// Where they are.
    pub(super) lake: &'a Lake,
    /// Reads all of them.
    pub(super) reader: &'a Reader,
    /// Bronze.
    pub(super) bronze: &'a TableSpec,
    /// Silver.
    pub(super) silver: &'a TableSpec,
    /// Quarantine.
    pub(super) quarantine: &'a TableSpec,
    /// The table of what `quarantine replay` took up again; `None` where there is none.
    pub(super) replayed: Option<&'a TableSpec>,
}

/// A pass through bronze.
pub(super) struct SilverPass<'a> {
    tables: &'a Tables<'a>,
    core: Ingest,
    comparison: Comparison,
    silver: Replacement,
    quarantine: Replacement,
    replayed: Option<Replacement>,
    /// The event times of what changed.
    span: Span,
    rows: u64,
}

impl<'a> SilverPass<'a> {
    pub(super) fn new(tables: &'a Tables<'a>, core: Ingest) -> Self {
        let comparison = Comparison { ignored: core.processing_columns(), ..Comparison::default() };
        Self {
            tables,
            core,
            comparison,
            silver: Replacement::new(tables.silver, None),
            quarantine: Replacement::new(tables.quarantine, Some(("stage", STAGES))),
            replayed: tables.replayed.map(|spec| Replacement::new(spec, Some(("stage", NOTED)))),
            span: Span::default(),
            rows: 0,
        }
    }

    /// Goes through all that comes before the ranges, and compares what is in them.
    pub(super) async fn run(mut self, extents: &Extents, ranges: &Extents) -> Result<Gathered, ReplayError> {
        for round in Rounds::of(&before(extents, ranges)) {
            for rows in portions(self.tables.reader, &self.tables.bronze.name, &round).await? {
                self.core.replay(&rows).context(ColumnsSnafu)?;
            }
        }
        for round in Rounds::of(ranges) {
            self.compare(&round).await?;
        }
        let lake = self.tables.lake;
        let mut gathered = Gathered { rows: self.rows, span: self.span, ..Gathered::default() };
        for replacement in [Some(self.silver), Some(self.quarantine), self.replayed].into_iter().flatten() {
            let table = replacement.spec().name.clone();
            let (change, tally) = replacement.finish(lake).await?;
            gathered.tallies.push((table, tally));
            gathered.changes.extend(change);
        }
        Ok(gathered)
    }

    async fn compare(&mut self, round: &Extents) -> Result<(), ReplayError> {
        let Tables { lake, reader, .. } = *self.tables;
        let (mut silver, mut quarantine, mut times) = (Vec::new(), Vec::new(), EventTimes::default());
        for rows in portions(self.tables.reader, &self.tables.bronze.name, round).await? {
            let replayed = self.core.replay(&rows).context(ColumnsSnafu)?;
            let Replayed { silver: clean, quarantine: refused, event_times } = replayed;
            times.add(positions(&rows).context(ColumnsSnafu)?, &event_times);
            self.rows += rows.num_rows() as u64;
            silver.extend(clean);
            quarantine.extend(refused);
        }
        let new = together(&silver, self.tables.silver).context(ColumnsSnafu)?;
        let old = read(reader, self.tables.silver, round).await?;
        let difference = self.comparison.difference(old.as_ref(), new.as_ref()).context(ColumnsSnafu)?;
        self.span.include(difference.touched.iter().filter_map(|position| times.of(*position)));
        if let (Some(old), false) = (&old, difference.touched.is_empty()) {
            self.include_times_before(old, &difference.touched)?;
        }
        self.silver.take(lake, difference).await?;

        let new = together(&quarantine, self.tables.quarantine).context(ColumnsSnafu)?;
        let old = read(reader, self.tables.quarantine, round).await?;
        let notes = match self.tables.replayed {
            Some(spec) => read(reader, spec, round).await?,
            None => None,
        };
        let refusals = refusals(self.tables.quarantine, old.as_ref(), notes.as_ref(), new.as_ref());
        let Refusals { written, dropped, dropped_rows, forgotten, forgotten_rows, lateness_changed, tally } =
            refusals.context(ColumnsSnafu)?;
        self.span.include(lateness_changed.iter().filter_map(|position| times.of(*position)));
        self.quarantine.replace(lake, written.as_ref(), (dropped, dropped_rows), tally).await?;
        if let Some(replayed) = &mut self.replayed {
            let tally = Tally { removed: forgotten_rows, ..Tally::default() };
            replayed.replace(lake, None, (forgotten, forgotten_rows), tally).await?;
        }
        Ok(())
    }

    /// Rows may have had another event time than the present configuration gives them: silver tells, if it has a column
    /// for it.
    fn include_times_before(&mut self, old: &RecordBatch, touched: &[Position]) -> Result<(), ReplayError> {
        let Some(column) = self.core.event_time_column().and_then(|name| old.column_by_name(name)) else {
            return Ok(());
        };
        let places = positions(old).context(ColumnsSnafu)?;
        let rows = (0..places.len()).filter(|row| touched.binary_search(&places[*row]).is_ok());
        self.span.include_rows(column.as_primitive::<TimestampMicrosecondType>(), rows);
        Ok(())
    }
}
