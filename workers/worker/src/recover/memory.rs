//! [`rebuild`]: watermarks and the memory of deduplication, by going through the rows of bronze once more.
//!
//! The rows come partition by partition in the order of their offsets, a range at a time, so neither a table nor a
//! partition must fit into memory. What was refused then left no trace, whatever the rules say now.

use std::collections::BTreeMap;

use sluice_contract::manifest::PartitionProgress;
use sluice_engine::Core;
use sluice_engine::state::{self, Retention};
use sluice_lake::Reader;
use snafu::ResultExt;

use super::accounts::Accounts;
use super::error::{ColumnsSnafu, LakeSnafu, RecoverError, StateSnafu};

/// Offsets of one range.
const RANGE: i64 = 100_000;

/// What the partitions remember.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// Where each partition stands.
    pub(super) partitions: BTreeMap<i32, PartitionProgress>,
    /// Their state, as one file; `None` where nothing is remembered.
    pub(super) state: Option<Vec<u8>>,
}

/// Goes through bronze.
pub(super) async fn rebuild(
    mut core: impl Core,
    reader: &Reader,
    accounts: &Accounts,
    retention: Retention,
) -> Result<Memory, RecoverError> {
    for (partition, progress) in accounts.progress() {
        core.restore(partition, &progress);
    }
    let mut memory = Memory { partitions: accounts.progress(), state: None };
    for (partition, account) in &accounts.0 {
        let Some((first, last)) = account.bronze else { continue };
        tracing::info!(partition, first, last, "reading the rows of a partition again");
        let mut from = first;
        while from <= last {
            let to = from.saturating_add(RANGE - 1).min(last);
            let sql = range(*partition, (from, to), reader.has("quarantine"));
            for rows in reader.rows(&sql).await.context(LakeSnafu)? {
                core.remember(&rows).context(ColumnsSnafu)?;
            }
            let closed = core.close_epoch();
            let files: Vec<Vec<u8>> = memory.state.take().into_iter().chain(closed.state_delta).collect();
            let merged = state::merge(&files, &closed.partitions, retention);
            memory.state = merged.context(StateSnafu { path: "what was read again" })?;
            memory.partitions = closed.partitions;
            from = to.saturating_add(1);
        }
    }
    Ok(memory)
}

/// The rows of a range of offsets that were not refused.
fn range(partition: i32, (from, to): (i64, i64), has_quarantine: bool) -> String {
    let within = |table: &str| {
        format!("{table}.\"partition\" = {partition} AND {table}.\"offset\" BETWEEN {from} AND {to}")
    };
    let refused = if has_quarantine {
        format!(
            "LEFT ANTI JOIN (SELECT q.\"partition\", q.\"offset\" FROM quarantine q \
             WHERE q.stage IN ('decode', 'silver') AND {}) r \
             ON b.\"partition\" = r.\"partition\" AND b.\"offset\" = r.\"offset\" ",
            within("q")
        )
    } else {
        String::new()
    };
    format!("SELECT b.* FROM bronze b {refused}WHERE {} ORDER BY b.\"offset\"", within("b"))
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn a_range_is_one_partition_in_order_without_what_was_refused() {
        let sql = range(3, (100, 199), true);
        assert!(
            sql.contains("b.\"partition\" = 3 AND b.\"offset\" BETWEEN 100 AND 199 ORDER BY b.\"offset\""),
            "{sql}"
        );
        assert!(sql.contains("q.stage IN ('decode', 'silver') AND q.\"partition\" = 3"), "{sql}");
        assert!(!range(3, (100, 199), false).contains("quarantine"));
    }
}
