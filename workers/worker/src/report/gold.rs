//! [`Gold`]: what the merge says of the tables of windows.

use std::time::Duration;

use sluice_contract::report::{GoldReport, GoldTableReport, TableReport};

use super::state::MOST_PARTITIONS;

/// What an epoch of the merge brought, once all tables have it.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The epoch.
    pub epoch: u64,
    /// When; `None` if it published nothing.
    pub published_at_ms: Option<i64>,
    /// Windows in memory.
    pub open_windows: u64,
    /// Groups in memory.
    pub groups: u64,
    /// Bytes that they take.
    pub memory_bytes: u64,
    /// Files of windows that left memory.
    pub spilled_files: u64,
    /// Partitions that windows do not wait for although they are not idle.
    pub stalled_partitions: Vec<i32>,
    /// Each table after it.
    pub tables: Vec<PublishedTable>,
}

/// What an epoch of the merge brought to a table.
#[derive(Clone, Debug)]
pub struct PublishedTable {
    /// Its size.
    pub report: TableReport,
    /// Rows in the buckets that were rewritten.
    pub rows: PublishedRows,
    /// How often it is published.
    pub interval: Duration,
    /// Whether that is less often than configured, since it costs too much.
    pub is_stretched: bool,
}

/// Rows that were published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublishedRows {
    /// In the buckets that were rewritten.
    pub rows: u64,
    /// Those that changed though they were final.
    pub corrected: u64,
}

/// What is known of the tables of windows.
#[derive(Clone, Debug)]
pub(super) struct Gold {
    /// For the report.
    pub(super) report: GoldReport,
    /// Their sizes.
    pub(super) tables: Vec<TableReport>,
}

impl Gold {
    /// After one more epoch of the merge.
    pub(super) fn after(before: Option<Self>, publication: Publication) -> Self {
        let Publication {
            epoch,
            published_at_ms,
            open_windows,
            groups,
            memory_bytes,
            spilled_files,
            mut stalled_partitions,
            tables,
        } = publication;
        stalled_partitions.truncate(MOST_PARTITIONS);
        let before = before.map(|gold| gold.report);
        let counted = |name: &str| {
            let tables = before.iter().flat_map(|report| &report.tables);
            tables
                .filter(|table| table.name == name)
                .map(|table| (table.published_rows, table.corrections))
                .next()
        };
        let report = |table: &PublishedTable| {
            let name = table.report.name.clone();
            let (rows, corrections) = counted(&name).unwrap_or_default();
            GoldTableReport {
                name,
                interval_ms: table.interval.as_millis() as u64,
                is_stretched: table.is_stretched,
                published_rows: rows + table.rows.rows,
                corrections: corrections + table.rows.corrected,
            }
        };
        let report = GoldReport {
            epoch,
            published_at_ms: published_at_ms.or(before.as_ref().and_then(|report| report.published_at_ms)),
            open_windows,
            groups,
            memory_bytes,
            spilled_files,
            stalled_partitions,
            tables: tables.iter().map(report).collect(),
        };
        Self { report, tables: tables.into_iter().map(|table| table.report).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publication(epoch: u64, published_at_ms: Option<i64>, rows: u64) -> Publication {
        Publication {
            epoch,
            published_at_ms,
            open_windows: 3,
            groups: 9,
            memory_bytes: 100,
            spilled_files: 7,
            stalled_partitions: Vec::new(),
            tables: vec![PublishedTable {
                report: TableReport {
                    name: "gold/hour".to_owned(),
                    version: epoch,
                    rows,
                    files: 1,
                    bytes: 10,
                },
                rows: PublishedRows { rows, corrected: rows / 2 },
                interval: Duration::from_secs(10),
                is_stretched: false,
            }],
        }
    }

    #[test]
    fn rows_add_up_and_an_epoch_that_publishes_nothing_changes_no_time() {
        let first = Gold::after(None, publication(1, Some(1_000), 4));
        let gold = Gold::after(Some(first), publication(2, None, 0));
        assert_eq!((gold.report.epoch, gold.report.published_at_ms), (2, Some(1_000)));
        let gold = Gold::after(Some(gold), publication(3, Some(9_000), 6));
        assert_eq!(gold.report.published_at_ms, Some(9_000));
        let table = &gold.report.tables[0];
        assert_eq!((table.published_rows, table.corrections, table.interval_ms), (10, 5, 10_000));
        assert_eq!(gold.tables[0].version, 3);
    }
}
