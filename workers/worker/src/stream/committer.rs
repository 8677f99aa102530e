//! [`Committer`]: makes each closed epoch durable and visible, in the order that exactly-once needs.
//!
//! Files and state are durable first, and what the core has pledged has happened; then the manifest is created, which decides the epoch and tells
//! whether the chain is still ours; then every table gets its commit. Storage that is away is waited
//! for at each step, with the step's work kept, so nothing is lost and nothing is done twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use futures::future::{try_join, try_join_all};
use sluice_contract::manifest::{AddedFile, Manifest, ManifestKind, PartitionProgress, Writer};
use sluice_contract::report::{Problem, TableReport};
use sluice_engine::state::Retention;
use sluice_lake::{Appended, Chain, FinishedFile, Lake, LakeError, Table, failpoint};
use snafu::{ResultExt, Snafu};
use tokio::sync::mpsc;

use super::compaction::{Compaction, Material};
use super::encoders::Files;
use super::event::Event;
use super::links::Closed;
use super::source::reader::Command;
use super::state_history::StateHistory;
use super::work::Pledge;
use crate::backoff::Backoff;
use crate::clock::now_ms;
use crate::report::{Commit, Scope, StateSize, Status, Step};

/// Why an epoch cannot be committed by this process as it stands.
#[derive(Debug, Snafu)]
pub(crate) enum CommitError {
    /// The lake says no, for a reason that waiting does not mend.
    #[snafu(display("{source}"))]
    Lake {
        /// What the lake says.
        source: LakeError,
    },
    /// What must come before the manifest cannot happen any more.
    #[snafu(display("failed to deliver all alerts of an epoch: {detail}"))]
    Pledge {
        /// Why.
        detail: String,
    },
    /// An encoder's thread has panicked.
    #[snafu(display("failed to encode rows of table '{table}': its encoder ended"))]
    EncoderGone {
        /// The table.
        table: String,
    },
}

impl CommitError {
    /// What the report says.
    pub(crate) fn problem(&self) -> Problem {
        match self {
            Self::Lake { source } => storage_problem(source),
            Self::Pledge { .. } => {
                Problem { reason: "AlertsUndelivered".to_owned(), message: self.to_string() }
            }
            Self::EncoderGone { .. } => Problem { reason: "Internal".to_owned(), message: self.to_string() },
        }
    }
}

/// How the committer ended without an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommitterEnd {
    /// The core has ended, and everything it closed is in the tables.
    Done,
    /// The chain belongs to another process now.
    Lost {
        /// Whose it is.
        by: Writer,
    },
}

/// Commits the epochs of one chain.
#[derive(Debug)]
pub(crate) struct Committer {
    /// The lake.
    pub(crate) lake: Lake,
    /// The chain, claimed.
    pub(crate) chain: Chain,
    /// Who we are in its manifests.
    pub(crate) writer: Writer,
    /// Revision of the configuration.
    pub(crate) configuration: String,
    /// What the state files forget.
    pub(crate) retention: Retention,
    /// The tables.
    pub(crate) tables: Vec<Table>,
    /// The state files.
    pub(crate) state: StateHistory,
    /// Their merge.
    pub(crate) compaction: Compaction,
    /// What the worker says of itself.
    pub(crate) status: Arc<Status>,
    /// The core's inbox.
    pub(crate) events: Sender<Event>,
    /// What the reader is told.
    pub(crate) commands: Sender<Command>,
}

impl Committer {
    /// Commits what the core closes until it closes no more.
    pub(crate) async fn run(
        mut self,
        mut closed: mpsc::Receiver<Closed>,
    ) -> Result<CommitterEnd, CommitError> {
        while let Some(closed) = closed.recv().await {
            if let Appended::Lost { by } = self.commit(closed).await? {
                return Ok(CommitterEnd::Lost { by });
            }
            // The core is gone after its last epoch; then there is nothing left to tell it.
            let _ = self.events.send(Event::Committed);
        }
        Ok(CommitterEnd::Done)
    }

    async fn commit(&mut self, closed: Closed) -> Result<Appended, CommitError> {
        let Closed { content, files, rule_set, pledge, oldest_message_ms, open_for, closed_at, memory } =
            closed;
        let status = Arc::clone(&self.status);
        let kind = if content.size.messages > 0 { ManifestKind::Data } else { ManifestKind::Idle };
        let partial_aggregates = self.keep_partial_aggregates(content.partial_aggregates);
        let stored = try_join(self.persist(files), partial_aggregates);
        let (added, partial_aggregates) = status.timed(Step::Files, stored).await?;
        status.timed(Step::State, self.keep_state(content.state_delta)).await?;
        if let Some(Pledge(pledge)) = pledge {
            let kept = status.timed(Step::Alerts, pledge).await;
            kept.map_err(|detail| CommitError::Pledge { detail })?;
            if kind == ManifestKind::Data {
                failpoint::hit("after_acknowledgement");
            }
        }
        let manifest =
            Manifest { rule_set, partial_aggregates, ..self.manifest(kind, content.partitions, added) };
        let append = persevere(&status, async || self.chain.append(&manifest).await);
        let appended = status.timed(Step::Manifest, append).await;
        if let Appended::Lost { by } = appended.context(LakeSnafu)? {
            return Ok(Appended::Lost { by });
        }
        let roll_forward =
            try_join_all(self.tables.iter_mut().map(|table| persevere_with(&status, table, &manifest)));
        status.timed(Step::Tables, roll_forward).await.context(LakeSnafu)?;
        if kind == ManifestKind::Data {
            failpoint::hit("after_all_commits");
        }
        self.acknowledge(&manifest.partitions);
        self.forget_superseded();
        self.tend_state(&manifest.partitions);
        self.tend_logs();
        status.count_written(&manifest.tables);
        status.note_state(StateSize::new(memory, self.state.files()));
        status.commit(Commit {
            epoch: manifest.epoch,
            oldest_message_ms,
            partitions: manifest.partitions,
            tables: self.tables.iter().map(table_report).collect(),
            open_for,
            commit_took: closed_at.elapsed(),
        });
        Ok(Appended::Created)
    }

    /// Waits for the encoders, and makes their files durable.
    async fn persist(
        &self,
        files: Vec<(String, Files)>,
    ) -> Result<BTreeMap<String, Vec<AddedFile>>, CommitError> {
        let mut encoded = Vec::new();
        for (table, files) in files {
            let Ok(files) = files.await else { return EncoderGoneSnafu { table }.fail() };
            encoded.push((table, files.context(LakeSnafu)?));
        }
        let (lake, status) = (&self.lake, &self.status);
        let persist = |(table, files): (String, Vec<FinishedFile>)| async move {
            let added = persevere(status, async || lake.persist(&table, files.clone()).await).await?;
            Ok((table, added))
        };
        let encoded = encoded.into_iter().filter(|(_, files)| !files.is_empty());
        let added = try_join_all(encoded.map(persist)).await.context(LakeSnafu)?;
        Ok(added.into_iter().collect())
    }

    async fn keep_state(&mut self, delta: Option<Vec<u8>>) -> Result<(), CommitError> {
        self.compaction.collect(&mut self.state).await;
        let Some(delta) = delta else { return Ok(()) };
        let (lake, chain) = (&self.lake, &self.chain);
        let put = async || lake.put_state(chain.id(), chain.next_epoch(), delta.clone()).await;
        self.state.push(persevere(&self.status, put).await.context(LakeSnafu)?);
        Ok(())
    }

    /// Makes durable what the epoch adds to the windows: the merge folds it once the manifest names it.
    async fn keep_partial_aggregates(
        &self,
        partial_aggregates: Option<Vec<u8>>,
    ) -> Result<Option<String>, CommitError> {
        let Some(bytes) = partial_aggregates else { return Ok(None) };
        let (lake, chain) = (&self.lake, &self.chain);
        let put = async || lake.put_partial_aggregates(chain.id(), chain.next_epoch(), bytes.clone()).await;
        persevere(&self.status, put).await.context(LakeSnafu).map(Some)
    }

    fn manifest(
        &self,
        kind: ManifestKind,
        partitions: BTreeMap<i32, PartitionProgress>,
        added: BTreeMap<String, Vec<AddedFile>>,
    ) -> Manifest {
        Manifest {
            partitions,
            tables: self.chain.progress(added),
            state: self.state.files().clone(),
            ..self.chain.manifest(kind, &self.writer, &self.configuration)
        }
    }

    fn acknowledge(&self, partitions: &BTreeMap<i32, PartitionProgress>) {
        let offsets =
            partitions.iter().map(|(partition, progress)| (*partition, progress.next_offset)).collect();
        // A reader that has ended cannot tell the broker; the positions that count are in the manifest.
        let _ = self.commands.send(Command::Acknowledge(offsets));
    }

    /// The manifest just appended does not name them, so no manifest ever will.
    fn forget_superseded(&mut self) {
        let superseded = self.state.take_superseded();
        if superseded.is_empty() {
            return;
        }
        let lake = self.lake.clone();
        tokio::spawn(async move {
            if let Err(error) = lake.forget_state(&superseded).await {
                tracing::warn!(%error, files = superseded.len(), "failed to delete old state files, they stay");
            }
        });
    }

    fn tend_state(&mut self, partitions: &BTreeMap<i32, PartitionProgress>) {
        if self.compaction.is_running() || !self.state.is_merge_due(now_ms()) {
            return;
        }
        self.compaction.start(Material {
            lake: self.lake.clone(),
            chain: self.chain.id().clone(),
            files: self.state.files().clone(),
            partitions: partitions.clone(),
            retention: self.retention,
        });
    }

    fn tend_logs(&mut self) {
        for table in &mut self.tables {
            let Some(checkpoint) = table.checkpoint_due() else { continue };
            tokio::spawn(async move {
                let (table, version) = (checkpoint.table().to_owned(), checkpoint.version());
                match checkpoint.write().await {
                    Ok(()) => tracing::debug!(table, version, "wrote a checkpoint"),
                    Err(error) => tracing::warn!(table, version, %error, "failed to write a checkpoint"),
                }
            });
        }
    }
}

/// What the report says of a table.
pub(crate) fn table_report(table: &Table) -> TableReport {
    let statistics = table.statistics();
    TableReport {
        name: table.name().to_owned(),
        version: statistics.version,
        rows: statistics.rows,
        files: statistics.files,
        bytes: statistics.bytes,
    }
}

/// What the report says of a failure of the lake. The lake's own text names the place, and the fix
/// where it knows one.
pub(crate) fn storage_problem(error: &LakeError) -> Problem {
    let mut message = error.to_string();
    if matches!(error, LakeError::Storage { .. }) {
        message.push_str("; make the storage reachable, or correct storage.uri or its credentials");
    }
    Problem { reason: error.reason().to_owned(), message }
}

async fn persevere_with(status: &Status, table: &mut Table, manifest: &Manifest) -> Result<(), LakeError> {
    persevere(status, async || table.roll_forward(manifest).await).await.map(|_| ())
}

/// Tries until it works, or fails for a reason that waiting does not mend.
async fn persevere<T>(
    status: &Status,
    mut attempt: impl AsyncFnMut() -> Result<T, LakeError>,
) -> Result<T, LakeError> {
    let mut backoff = Backoff::default();
    let mut has_failed = false;
    loop {
        match attempt().await {
            Ok(value) => {
                if has_failed {
                    status.clear(Scope::Storage);
                }
                return Ok(value);
            }
            Err(error) if error.is_transient() => {
                status.raise(Scope::Storage, storage_problem(&error));
                has_failed = true;
                tokio::time::sleep(backoff.pause()).await;
            }
            Err(error) => return Err(error),
        }
    }
}
