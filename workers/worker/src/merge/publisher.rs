//! [`Publisher`]: one epoch of the merge after the other.
//!
//! A step folds what ingest has left since the last one, publishes the tables whose time has come, and decides both
//! with one manifest. The order is that of every chain: files durable, manifest, one commit for each table.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::try_join_all;
use sluice_contract::manifest::{AddedFile, MERGE, Manifest, ManifestKind, TableProgress};
use sluice_lake::{Appended, Bucket, Chain, FinishedFile, Table, TableSpec, failpoint};
use snafu::ResultExt;

use super::Merging;
use super::base::BaseMaker;
use super::epochs::{Batch, FirstEpochs, read_all};
use super::error::{LakeSnafu, MergeError, RewrittenSnafu};
use super::goal::Goal;
use super::layout::Layout;
use super::memory::{Memory, Recipe, blocking};
use super::pieces::written;
use super::recompute::{Attempt, recompute};
use super::rewrite::{Rewritten, Work, Worked};
use super::schedule::Schedule;
use super::spilled;
use crate::clock::now_ms;
use crate::report::{Publication, PublishedRows, PublishedTable};
use crate::stream::committer::table_report;

/// Silver gets an epoch within moments of its manifest.
const PAUSE_FOR_SILVER: Duration = Duration::from_millis(200);

/// A table that the merge publishes.
#[derive(Debug)]
pub(super) struct Target {
    /// The table.
    pub(super) table: Table,
    /// What it must look like.
    pub(super) spec: TableSpec,
    /// Where its rows lie.
    pub(super) layout: Layout,
}

/// Which tables a step publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// Those whose time has come.
    Due,
    /// All.
    All,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stepped {
    /// Everything that was there is folded.
    Folded {
        /// Epochs of ingest that it took.
        epochs: usize,
        /// Whether there may be more at once.
        is_behind: bool,
    },
    /// Shards have yet to begin.
    Waiting {
        /// Their numbers.
        shards: Vec<u32>,
    },
    /// The chain belongs to another process, or has ended.
    Lost,
}

/// Publishes the tables of windows.
pub(super) struct Publisher {
    merging: Merging,
    recipe: Recipe,
    chain: Chain,
    /// What the merge knows; taken out while a step works on it.
    memory: Memory,
    tables: Vec<Target>,
    specs: Arc<[TableSpec]>,
    schedule: Schedule,
    base: BaseMaker,
}

impl Publisher {
    /// A publisher that has claimed its chain and restored what it left.
    pub(super) fn new(
        merging: &Merging,
        recipe: Recipe,
        chain: Chain,
        memory: Memory,
        tables: Vec<Target>,
    ) -> Self {
        let every = merging.config.gold.iter().map(|table| Duration::from_millis(table.emit_every_ms));
        Self {
            schedule: Schedule::new(every, Instant::now()),
            specs: tables.iter().map(|table| table.spec.clone()).collect(),
            merging: merging.clone(),
            recipe,
            chain,
            memory,
            tables,
            base: BaseMaker::default(),
        }
    }

    /// When the next step is to be made.
    pub(super) fn next(&self) -> Instant {
        self.schedule.next()
    }

    /// Makes a step. What it has done counts once it returns; after an error a start begins at the last manifest.
    pub(super) async fn step(mut self: Box<Self>, which: Which) -> Result<(Box<Self>, Stepped), MergeError> {
        let began = Instant::now();
        let lake = &self.merging.lake;
        if self.chain_is_fresh() {
            match FirstEpochs::of(lake, &self.memory.progress).await? {
                FirstEpochs::Partitions(partitions) => self.memory.merge.expect(partitions),
                FirstEpochs::Missing(shards) => {
                    self.schedule.done(&self.schedule.due(began), began, Duration::ZERO);
                    return Ok((self, Stepped::Waiting { shards }));
                }
            }
        }
        let Batch { epochs, is_full } = read_all(lake, &self.memory.progress).await?;
        let due = match which {
            Which::Due => self.schedule.due(began),
            Which::All => (0..self.tables.len()).collect(),
        };
        if !epochs.is_empty() {
            self.base.settle().await;
        }
        let (count, at_ms) = (epochs.len(), now_ms());
        let folding = Instant::now();
        self.memory = self.memory.fold(lake, epochs, self.chain.next_epoch(), at_ms).await?;
        let folding = folding.elapsed();
        let mut is_recomputed = false;
        if self.memory.merge.has_lost() && !is_full {
            (self, is_recomputed) = self.recompute().await?;
        }
        let Memory { merge, progress, history } = self.memory;
        let specs = Arc::clone(&self.specs);
        let work = Work { merge, due: due.clone(), specs, updated_at_us: at_ms * 1_000 };
        let Worked { merge, rewritten, took: publishing } = blocking(move || work.run()).await??;
        self.memory = Memory { merge, progress, history };
        self.schedule.done(&due, began, publishing);
        let is_behind = is_full || self.memory.merge.has_lost();
        if count == 0 && rewritten.is_empty() && !is_recomputed {
            return Ok((self, Stepped::Folded { epochs: 0, is_behind }));
        }
        if !rewritten.is_empty() {
            self.merging.status.durations().published(folding + publishing);
        }
        if !self.commit(rewritten, is_recomputed, at_ms).await? {
            return Ok((self, Stepped::Lost));
        }
        self.tend().await;
        if is_recomputed {
            self = self.spill().await?;
        }
        if !self.base.is_running() && self.memory.history.is_due(now_ms()) {
            self = self.freeze().await?;
        }
        Ok((self, Stepped::Folded { epochs: count, is_behind }))
    }

    /// Computes windows again that are lost; whether that could be done.
    async fn recompute(mut self: Box<Self>) -> Result<(Box<Self>, bool), MergeError> {
        let again = recompute(&self.merging.lake, &self.recipe, self.memory, &self.tables);
        match again.boxed().await? {
            Attempt::Done(memory) => {
                self.memory = memory;
                Ok((self, true))
            }
            Attempt::SilverIsBehind(memory) => {
                self.memory = memory;
                tokio::time::sleep(PAUSE_FOR_SILVER).await;
                Ok((self, false))
            }
        }
    }

    /// Makes a base of what the merge knows now, for the next manifest. No restart could come to know the same.
    async fn rebase(&mut self) -> Result<(), MergeError> {
        self.base.abandon();
        let frozen = self.memory.merge.clone();
        let (chain, epoch) = (self.chain.id(), self.chain.next_epoch());
        let store = |pieces| self.merging.lake.put_state_in_pieces(chain, epoch, pieces);
        let base = written(move |take| frozen.write_snapshot(take), store).await?;
        self.memory.history.adopt(base);
        Ok(())
    }

    /// Has a base written of what the merge knows after the manifest that was just appended. What is over leaves
    /// memory with it.
    pub(super) async fn freeze(mut self: Box<Self>) -> Result<Box<Self>, MergeError> {
        self = self.spill().await?;
        let (frozen, epoch) = (self.memory.merge.clone(), self.chain.next_epoch() - 1);
        self.base.start(self.merging.lake.clone(), self.chain.id().clone(), frozen, epoch);
        Ok(self)
    }

    /// The partitions of which the goal wants more than has been folded.
    pub(super) fn missing(&self, goal: &Goal) -> Vec<i32> {
        goal.missing(&self.memory.merge.positions())
    }

    /// Lets what is over leave memory, after the manifest that was just appended.
    async fn spill(mut self: Box<Self>) -> Result<Box<Self>, MergeError> {
        let epoch = self.chain.next_epoch() - 1;
        let Memory { merge, progress, history } = self.memory;
        let merge = spilled::spill(&self.merging.lake, merge, self.chain.id(), epoch).await?;
        self.memory = Memory { merge, progress, history };
        Ok(self)
    }

    /// Whether nothing has been folded since tables of windows were first asked for.
    fn chain_is_fresh(&self) -> bool {
        self.memory.history.files().base.is_none() && self.memory.progress.is_fresh()
    }

    /// Decides a step, and gives every table its commit; `false` if another process has the chain.
    async fn commit(
        &mut self,
        rewritten: Vec<Rewritten>,
        is_recomputed: bool,
        at_ms: i64,
    ) -> Result<bool, MergeError> {
        self.base.collect(&mut self.memory.history).await;
        if is_recomputed {
            self.rebase().await?;
        }
        let rows = self.rows_of(&rewritten);
        let changes = self.persist(rewritten).await?;
        let manifest = self.manifest(changes, at_ms);
        let appended = self.chain.append(&manifest).await.context(LakeSnafu)?;
        if let Appended::Lost { by } = appended {
            tracing::info!(by = by.id, "another process has the chain of the merge");
            return Ok(false);
        }
        let roll_forward = self.tables.iter_mut().map(|table| table.table.roll_forward(&manifest));
        try_join_all(roll_forward).await.context(LakeSnafu)?;
        if manifest.kind == ManifestKind::Data {
            failpoint::hit_of(MERGE, "after_all_commits");
        }
        self.merging.status.count_written(&manifest.tables);
        self.report(&manifest, rows);
        Ok(true)
    }

    /// Makes the files durable, and says what each table gains and loses.
    async fn persist(
        &mut self,
        rewritten: Vec<Rewritten>,
    ) -> Result<BTreeMap<String, TableProgress>, MergeError> {
        let mut files: Vec<Vec<FinishedFile>> = self.tables.iter().map(|_| Vec::new()).collect();
        let mut removes: Vec<Vec<String>> = self.tables.iter().map(|_| Vec::new()).collect();
        for Rewritten { table: place, replaces, file, .. } in rewritten {
            let table = &mut self.tables[place];
            let paths = table
                .layout
                .take(&replaces)
                .map_err(|misplaced| RewrittenSnafu { table: &table.spec.name, misplaced }.build())?;
            removes[place].extend(paths);
            files[place].extend(file);
        }
        let lake = &self.merging.lake;
        let stored = self.tables.iter().zip(files).map(|(table, files)| async move {
            if files.is_empty() { Ok(Vec::new()) } else { lake.persist(&table.spec.name, files).await }
        });
        let stored: Vec<Vec<AddedFile>> = try_join_all(stored).await.context(LakeSnafu)?;
        let mut changes = Vec::new();
        for ((table, adds), removes) in self.tables.iter_mut().zip(stored).zip(removes) {
            for file in &adds {
                let bucket = Bucket::of_file(&file.path).expect("the file was named by its bucket");
                table.layout.put(bucket, file.path.clone());
            }
            changes.push((table.spec.name.clone(), (adds, removes)));
        }
        Ok(self.chain.changes(changes))
    }

    fn manifest(&self, tables: BTreeMap<String, TableProgress>, at_ms: i64) -> Manifest {
        let has_rows = tables.values().any(TableProgress::has_actions);
        let kind = if has_rows { ManifestKind::Data } else { ManifestKind::Idle };
        Manifest {
            created_at_ms: at_ms,
            tables,
            state: self.memory.history.files(),
            folded: self.memory.progress.epochs(),
            ..self.chain.manifest(kind, &self.merging.writer, &self.merging.config.revision)
        }
    }

    /// After a manifest: deletes what nobody reads any more, and condenses the tables' logs.
    async fn tend(&mut self) {
        let superseded = self.memory.history.take_superseded();
        if !superseded.is_empty() {
            failpoint::hit_of(MERGE, "before_forget");
            if let Err(error) = self.merging.lake.forget(&superseded).await {
                tracing::warn!(%error, "failed to delete what the base of the merge covers, maintenance will");
            }
            failpoint::hit_of(MERGE, "after_forget");
        }
        for table in &mut self.tables {
            let Some(checkpoint) = table.table.checkpoint_due() else { continue };
            tokio::spawn(async move {
                let (table, version) = (checkpoint.table().to_owned(), checkpoint.version());
                match checkpoint.write().await {
                    Ok(()) => tracing::debug!(table, version, "wrote a checkpoint"),
                    Err(error) => tracing::warn!(table, version, %error, "failed to write a checkpoint"),
                }
            });
        }
    }

    /// What each table gains, for the report.
    fn rows_of(&self, rewritten: &[Rewritten]) -> Vec<PublishedRows> {
        let mut tables = vec![PublishedRows::default(); self.tables.len()];
        for Rewritten { table, file, corrected, .. } in rewritten {
            tables[*table].rows += file.as_ref().map_or(0, |file| file.file.rows);
            tables[*table].corrected += corrected;
        }
        tables
    }

    fn report(&self, manifest: &Manifest, rows: Vec<PublishedRows>) {
        let tables = self.tables.iter().zip(rows).zip(self.schedule.intervals());
        let size = self.memory.merge.size();
        self.merging.status.publish(Publication {
            epoch: manifest.epoch,
            published_at_ms: (manifest.kind == ManifestKind::Data).then_some(manifest.created_at_ms),
            open_windows: size.open_windows,
            groups: size.groups,
            memory_bytes: size.bytes,
            spilled_files: size.spilled,
            stalled_partitions: self.memory.merge.stalled_partitions(),
            tables: tables
                .map(|((table, rows), (interval, is_stretched))| PublishedTable {
                    report: table_report(&table.table),
                    rows,
                    interval,
                    is_stretched,
                })
                .collect(),
        });
    }
}
