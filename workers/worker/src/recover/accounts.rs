//! [`Accounts`]: where each partition stands, by the rows of bronze and quarantine.
//!
//! A replay adds rows of old messages: what it took up again stays in quarantine, and bronze has it besides. Those
//! rows are not the ingest's, so they are left out of its counts.

use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;
use sluice_contract::manifest::{Counts, PartitionProgress};
use sluice_contract::reasons::STAGE_DECODE;
use sluice_lake::Reader;
use snafu::ResultExt;

use super::error::{ColumnsSnafu, LakeSnafu, RecoverError};

const BRONZE: &str = "SELECT \"partition\" AS p, count(*) AS n, min(\"offset\") AS low, max(\"offset\") AS high \
     FROM bronze GROUP BY \"partition\"";

const REFUSED: &str = "SELECT \"partition\" AS p, count(*) AS n, max(\"offset\") AS high, stage, reason \
     FROM quarantine WHERE stage = 'decode' GROUP BY \"partition\", stage, reason \
     UNION ALL \
     SELECT q.\"partition\" AS p, count(*) AS n, max(q.\"offset\") AS high, q.stage, q.reason FROM quarantine q \
     LEFT ANTI JOIN (SELECT \"partition\", \"offset\" FROM quarantine WHERE stage = 'decode') d \
     ON q.\"partition\" = d.\"partition\" AND q.\"offset\" = d.\"offset\" \
     WHERE q.stage <> 'decode' GROUP BY q.\"partition\", q.stage, q.reason";

const REPLAYED: &str = "SELECT b.\"partition\" AS p, count(*) AS n FROM bronze b \
     LEFT SEMI JOIN (SELECT \"partition\", \"offset\" FROM quarantine WHERE stage = 'decode') d \
     ON b.\"partition\" = d.\"partition\" AND b.\"offset\" = d.\"offset\" GROUP BY b.\"partition\"";

/// What the tables tell of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    /// The offset behind the last message of which there is a row.
    pub(super) next_offset: i64,
    /// First and last offset in bronze.
    pub(super) bronze: Option<(i64, i64)>,
    /// Messages, bronze rows and refusals.
    pub(super) counts: Counts,
}

/// What the tables tell of each partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Accounts(pub(super) BTreeMap<i32, Account>);

impl Accounts {
    /// Reads both tables; one that is not there has no rows.
    pub(super) async fn read(reader: &Reader) -> Result<Self, RecoverError> {
        let mut accounts = Self::default();
        let has = |table| reader.has(table);
        if has("bronze") {
            accounts.add_bronze(&reader.rows(BRONZE).await.context(LakeSnafu)?).context(ColumnsSnafu)?;
        }
        if has("quarantine") {
            accounts.add_refused(&reader.rows(REFUSED).await.context(LakeSnafu)?).context(ColumnsSnafu)?;
        }
        if has("bronze") && has("quarantine") {
            accounts.leave_out(&reader.rows(REPLAYED).await.context(LakeSnafu)?).context(ColumnsSnafu)?;
        }
        Ok(accounts)
    }

    /// No partition goes on before these offsets.
    pub(super) fn at_least(&mut self, positions: &BTreeMap<i32, i64>) {
        for (partition, position) in positions {
            let account = self.0.entry(*partition).or_default();
            account.next_offset = account.next_offset.max(*position);
        }
    }

    /// Where each partition begins, before its rows are remembered.
    pub(super) fn progress(&self) -> BTreeMap<i32, PartitionProgress> {
        let progress = |account: &Account| PartitionProgress {
            counts: account.counts.clone(),
            ..PartitionProgress::starting_at(account.next_offset)
        };
        self.0.iter().map(|(partition, account)| (*partition, progress(account))).collect()
    }

    fn add_bronze(&mut self, batches: &[RecordBatch]) -> Result<(), ArrowError> {
        for batch in batches {
            let [partitions, rows, low, high] = integers(batch)?;
            for row in 0..batch.num_rows() {
                let account = self.at(partitions[row], high[row]);
                account.bronze = Some((low[row], high[row]));
                account.counts.bronze += rows[row].unsigned_abs();
                account.counts.messages += rows[row].unsigned_abs();
            }
        }
        Ok(())
    }

    fn add_refused(&mut self, batches: &[RecordBatch]) -> Result<(), ArrowError> {
        for batch in batches {
            let [partitions, rows, high] = integers(batch)?;
            for row in 0..batch.num_rows() {
                let stage = array_value_to_string(batch.column(3), row)?;
                let reason = array_value_to_string(batch.column(4), row)?;
                let counts = &mut self.at(partitions[row], high[row]).counts;
                counts.add_refused(&stage, &reason, rows[row].unsigned_abs());
                if stage == STAGE_DECODE {
                    counts.messages += rows[row].unsigned_abs();
                }
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, batches: &[RecordBatch]) -> Result<(), ArrowError> {
        for batch in batches {
            let [partitions, rows] = integers(batch)?;
            for row in 0..batch.num_rows() {
                let counts = &mut self.at(partitions[row], -1).counts;
                let replayed = rows[row].unsigned_abs();
                counts.bronze = counts.bronze.saturating_sub(replayed);
                counts.messages = counts.messages.saturating_sub(replayed);
            }
        }
        Ok(())
    }

    fn at(&mut self, partition: i64, last_offset: i64) -> &mut Account {
        let account = self.0.entry(partition as i32).or_default();
        account.next_offset = account.next_offset.max(last_offset.saturating_add(1));
        account
    }
}

/// The first columns of a batch, as integers, whatever physical types the reader chose.
pub(super) fn integers<const N: usize>(batch: &RecordBatch) -> Result<[Vec<i64>; N], ArrowError> {
    let mut columns = Vec::with_capacity(N);
    for column in batch.columns().iter().take(N) {
        let column = cast(column, &DataType::Int64)?;
        let column = column.as_primitive::<Int64Type>();
        columns.push(column.values().to_vec());
    }
    columns.try_into().map_err(|_| ArrowError::SchemaError(format!("a row has fewer than {N} columns")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, Int64Array, StringArray};

    use super::*;

    fn batch(partitions: &[i32], numbers: &[&[i64]], texts: &[&[&str]]) -> Vec<RecordBatch> {
        let mut columns: Vec<(String, ArrayRef)> =
            vec![("p".to_owned(), Arc::new(Int32Array::from(partitions.to_vec())))];
        for numbers in numbers {
            columns.push((format!("n{}", columns.len()), Arc::new(Int64Array::from(numbers.to_vec()))));
        }
        for texts in texts {
            columns.push((format!("t{}", columns.len()), Arc::new(StringArray::from(texts.to_vec()))));
        }
        vec![RecordBatch::try_from_iter(columns).unwrap()]
    }

    #[test]
    fn a_partition_goes_on_behind_its_last_row_in_either_table() {
        let mut accounts = Accounts::default();
        accounts.add_bronze(&batch(&[0, 1], &[&[10, 5], &[0, 3], &[11, 7]], &[])).unwrap();
        let refused = batch(&[0, 2], &[&[2, 1], &[12, 0]], &[&["decode", "silver"], &["Malformed", "Bad"]]);
        accounts.add_refused(&refused).unwrap();
        let positions: Vec<(i32, i64)> =
            accounts.0.iter().map(|(p, account)| (*p, account.next_offset)).collect();
        assert_eq!(positions, [(0, 13), (1, 8), (2, 1)]);
        assert_eq!(accounts.0[&0].counts.messages, 12, "a refusal by a rule is of a message that bronze has");
        assert_eq!(accounts.0[&2].counts.messages, 0);
        assert_eq!(accounts.0[&0].counts.refused_at("decode"), 2);
        accounts.at_least(&BTreeMap::from([(0, 5), (1, 9), (4, 100)]));
        assert_eq!(accounts.0[&0].next_offset, 13);
        assert_eq!(accounts.0[&1].next_offset, 9);
        assert_eq!(accounts.progress()[&4].next_offset, 100);
    }

    #[test]
    fn replayed_rows_are_not_counted_as_read() {
        let mut accounts = Accounts::default();
        accounts.add_bronze(&batch(&[0], &[&[10], &[0], &[10]], &[])).unwrap();
        accounts.add_refused(&batch(&[0], &[&[1], &[4]], &[&["decode"], &["Malformed"]])).unwrap();
        accounts.leave_out(&batch(&[0], &[&[1]], &[])).unwrap();
        assert_eq!((accounts.0[&0].counts.bronze, accounts.0[&0].counts.messages), (9, 10));
    }
}
