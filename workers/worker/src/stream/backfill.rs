//! Backfill: rows of bronze stand in for messages that Kafka has no longer.
//!
//! ```text
//! core ── request: a partition, from its position to Kafka's first message ──► task of the request
//!   ▲                                                                             │ one range of offsets after the other
//!   └──────────────────────────── pages of rows, at most two on their way ◄───────┘
//! ```
//! A request is served once the pipeline has read all messages before Kafka's first, and bronze has their rows. Until
//! then it waits: nothing is ever skipped. Where the process ends, the next one goes on from its manifest.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::min;
use arrow::datatypes::TimestampMicrosecondType;
use sluice_contract::manifest::INGEST;
use sluice_contract::report::Problem;
use sluice_lake::{Lake, LakeError, Reader};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::committer::storage_problem;
use super::event::Event;
use super::source::assignment::Expired;
use crate::backoff::Backoff;
use crate::report::{Scope, Status};

/// The table that the rows are in.
const BRONZE: &str = "bronze";
/// Offsets of one page: so few that messages of other partitions wait for less than a second behind its rows.
const PAGE: i64 = 32_768;
/// Pages in memory.
const PAGES: usize = 2;
/// An epoch of the pipeline may be on its way into bronze for so long before rows count as missing.
const PATIENCE: Duration = Duration::from_secs(30);

/// Rows that stand in for messages.
#[derive(Debug)]
pub(crate) struct Page {
    /// The partition.
    pub(crate) partition: i32,
    /// All that bronze has from where the page before ended, in the order of their offsets.
    pub(crate) rows: Vec<RecordBatch>,
    /// The offset behind the page.
    pub(crate) next_offset: i64,
    /// Whether it is the last before what Kafka has.
    pub(crate) is_last: bool,
    /// Given back when the page is processed.
    _permit: OwnedSemaphorePermit,
}

#[cfg(test)]
impl Page {
    /// A page that nobody waits for: rows, and the offset behind them with whether it is what the broker has next.
    pub(crate) fn of(partition: i32, rows: Vec<RecordBatch>, (next_offset, is_last): (i64, bool)) -> Self {
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("the permit is free");
        Self { partition, rows, next_offset, is_last, _permit: permit }
    }
}

/// Who reads pages, in a task for each request. They end with this.
pub(crate) struct Backfiller {
    reading: Reading,
    runtime: Handle,
    tasks: JoinSet<()>,
}

impl fmt::Debug for Backfiller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Backfiller")
    }
}

/// What every task works with.
#[derive(Clone)]
struct Reading {
    lake: Lake,
    topic: String,
    events: Sender<Event>,
    status: Arc<Status>,
    permits: Arc<Semaphore>,
    /// Whether what does not come in time is given up.
    until_caught_up: bool,
}

impl Backfiller {
    /// Who reads from the bronze of a lake, which is filled from `topic`. Its tasks run on the runtime of the caller.
    pub(crate) fn new(
        lake: Lake,
        topic: String,
        (events, status): (Sender<Event>, Arc<Status>),
        until_caught_up: bool,
    ) -> Self {
        let permits = Arc::new(Semaphore::new(PAGES));
        let reading = Reading { lake, topic, events, status, permits, until_caught_up };
        Self { reading, runtime: Handle::current(), tasks: JoinSet::new() }
    }

    /// Has the rows of a partition read from the offset that it wants up to what the broker has.
    pub(crate) fn start(&mut self, partition: i32, expired: Expired) {
        let reading = self.reading.clone();
        self.tasks.spawn_on(async move { reading.serve(partition, expired).await }, &self.runtime);
    }
}

/// The core has been told that rows are missing: there is nothing left to do.
struct Over;

impl Reading {
    async fn serve(&self, partition: i32, expired: Expired) {
        let Expired { wanted, available } = expired;
        tracing::info!(partition, from = wanted, until = available.low, "reading rows of bronze");
        if self.await_rows(partition, expired).await.is_err() {
            return;
        }
        let mut reader = None;
        let mut from = wanted;
        while from < available.low {
            let to = available.low.min(from.saturating_add(PAGE));
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return };
            let rows = self.rows(&mut reader, partition, (from, to)).await;
            let (next_offset, is_last) = (to, to == available.low);
            let page = Page { partition, rows, next_offset, is_last, _permit: permit };
            if self.events.send(Event::Backfilled(page)).is_err() {
                return;
            }
            from = to;
        }
    }

    /// Waits until bronze has all rows from before what the broker has.
    async fn await_rows(&self, partition: i32, expired: Expired) -> Result<(), Over> {
        let started = Instant::now();
        let mut backoff = Backoff::default();
        loop {
            match self.lake.coverage(INGEST, BRONZE).await {
                Ok(covered) => {
                    let covered = covered.get(&partition).copied();
                    if covered.is_some_and(|covered| covered >= expired.available.low) {
                        self.status.clear(Scope::Partition(partition));
                        return Ok(());
                    }
                    if started.elapsed() >= PATIENCE {
                        let problem = expired.missing(&self.topic, partition, covered);
                        self.tell(partition, problem)?;
                    }
                }
                Err(error) => self.tell_of(partition, &error),
            }
            tokio::time::sleep(backoff.pause()).await;
        }
    }

    /// Shows that rows are missing; or gives up, where nobody waits for them.
    fn tell(&self, partition: i32, problem: Problem) -> Result<(), Over> {
        if self.until_caught_up {
            // A core that has ended needs no rows.
            let _ = self.events.send(Event::RowsMissing { partition, problem });
            return Err(Over);
        }
        self.status.raise(Scope::Partition(partition), problem);
        Ok(())
    }

    fn tell_of(&self, partition: i32, error: &LakeError) {
        self.status.raise(Scope::Partition(partition), storage_problem(error));
    }

    /// Reads a page, however often that takes. Files of the version that `reader` has opened may be gone after a day.
    async fn rows(
        &self,
        reader: &mut Option<Reader>,
        partition: i32,
        offsets: (i64, i64),
    ) -> Vec<RecordBatch> {
        let mut backoff = Backoff::default();
        loop {
            match self.try_rows(reader, partition, offsets).await {
                Ok(rows) => {
                    self.status.clear(Scope::Partition(partition));
                    return rows;
                }
                Err(error) => {
                    *reader = None;
                    self.tell_of(partition, &error);
                    tokio::time::sleep(backoff.pause()).await;
                }
            }
        }
    }

    async fn try_rows(
        &self,
        reader: &mut Option<Reader>,
        partition: i32,
        (from, to): (i64, i64),
    ) -> Result<Vec<RecordBatch>, LakeError> {
        let opened = match reader.take() {
            Some(opened) => opened,
            None if self.lake.has_table(BRONZE).await? => self.lake.reader(&[BRONZE]).await?,
            // Nothing that was read became a row.
            None => return Ok(Vec::new()),
        };
        let opened = reader.insert(opened);
        opened.rows(&page_of(partition, from, to)).await
    }
}

/// When the oldest message came into being that one of these rows was made of, by its Kafka timestamp.
pub(crate) fn oldest_ms(rows: &RecordBatch) -> Option<i64> {
    let timestamps = rows.column_by_name("kafka_timestamp")?;
    let timestamps = timestamps.as_primitive_opt::<TimestampMicrosecondType>()?;
    min(timestamps).map(|microseconds| microseconds / 1_000)
}

/// The rows of a partition from an offset to the one before another.
fn page_of(partition: i32, from: i64, to: i64) -> String {
    format!(
        "SELECT * FROM {BRONZE} WHERE \"partition\" = {partition} AND \"offset\" >= {from} AND \"offset\" < {to} \
         ORDER BY \"offset\""
    )
}

#[cfg(test)]
mod tests {
    use super::page_of;

    #[test]
    fn a_page_is_a_range_of_one_partition_in_order() {
        let expected = "SELECT * FROM bronze WHERE \"partition\" = 3 AND \"offset\" >= 10 AND \"offset\" < 20 \
                        ORDER BY \"offset\"";
        assert_eq!(page_of(3, 10, 20), expected);
    }
}
