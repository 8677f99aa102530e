//! [`Lake`]: the root; opens chains and tables, and keeps files.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::future::try_join_all;
use futures::{Stream, stream};
use sluice_contract::config::{Owner, Storage};
use sluice_contract::manifest::{
    AddedFile, ChainId, INGEST, MERGE, Manifest, PartitionProgress, StateFile, Writer,
};
use uuid::Uuid;

use crate::chain::{self, Beginning, Claim, SignOfLife, names};
use crate::coverage;
use crate::data_file::FinishedFile;
use crate::error::LakeError;
use crate::failpoint;
use crate::generation::{self, Numbered};
use crate::identity::{self, Identity, TopicIdentity};
use crate::maintenance::ended;
use crate::recovery;
use crate::store::Store;
use crate::succession::{self, Heir, Inheritance};
use crate::table::{Reader, Recovered, Table, TableSpec, query};

/// Tables below this folder are rewritten by the merge alone.
pub(crate) const PUBLISHED: &str = "gold/";

/// Names windows of one table that the merge took out of memory together: see [`Lake::put_spilled`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpilledWindows<'a> {
    /// Name of the table.
    pub table: &'a str,
    /// The first moment of the first window, in microseconds.
    pub start_us: i64,
    /// The generation of the merge...
    pub generation: u64,
    /// ... and its epoch after which they were taken out.
    pub epoch: u64,
}

impl SpilledWindows<'_> {
    /// Path of their file, relative to the root.
    pub fn path(&self) -> String {
        let Self { table, start_us, generation, epoch } = *self;
        names::spilled(&ChainId { job: MERGE.to_owned(), generation, shard: 0 }, epoch, table, start_us)
    }
}

/// What [`Lake::check`] compares a lake with.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Who wants to write.
    pub owner: &'a Owner,
    /// What is read.
    pub topic: &'a TopicIdentity,
    /// The lake id that is to be taken over, if any.
    pub adopt: Option<&'a str>,
    /// The tables that are filled.
    pub tables: &'a [TableSpec],
}

/// A lake that has been opened. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lake {
    store: Store,
}

impl Lake {
    /// Opens the storage, and proves that a name can be created there only once.
    ///
    /// A `file://` directory that does not exist is created. Credentials of other storage come from the
    /// environment.
    pub async fn open(storage: &Storage) -> Result<Self, LakeError> {
        Ok(Self { store: Store::open(&storage.uri).await? })
    }

    /// A lake over a store of the tests' own.
    #[cfg(test)]
    pub(crate) fn with(store: Store) -> Self {
        Self { store }
    }

    /// The files.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The URI of the root, without trailing slash.
    pub fn uri(&self) -> &str {
        self.store.uri()
    }

    /// Checks whose lake this is; the first caller's from then on.
    ///
    /// Fails with [`LakeError::LakeOwned`] and [`LakeError::TopicRecreated`]; `adopt`, if it is the lake's
    /// id, gives the lake to this owner and topic instead.
    pub async fn identify(
        &self,
        owner: &Owner,
        topic: &TopicIdentity,
        adopt: Option<&str>,
    ) -> Result<Identity, LakeError> {
        identity::identify(&self.store, owner, topic, adopt).await
    }

    /// [`Self::identify`] for a recovery: a lake whose `lake.json` is lost gets a new one.
    pub async fn identify_again(
        &self,
        owner: &Owner,
        topic: &TopicIdentity,
        adopt: Option<&str>,
    ) -> Result<Identity, LakeError> {
        if identity::find(&self.store).await?.is_none() {
            return identity::renew(&self.store, owner, topic).await;
        }
        identity::identify(&self.store, owner, topic, adopt).await
    }

    /// The newest generation of a job; `None` before its first.
    pub async fn generation(&self, job: &str) -> Result<Option<Numbered>, LakeError> {
        generation::newest(&self.store, job).await
    }

    /// Begins a generation of a job, unless another process has begun one of that number: [`Self::generation`]
    /// tells.
    pub async fn begin_generation(&self, job: &str, wanted: &Numbered) -> Result<(), LakeError> {
        generation::begin(&self.store, job, wanted).await.map(|_| ())
    }

    /// Ends the generation before that of `chain`, one of `shards`, and tells what the chain goes on with.
    ///
    /// Call it before the first claim of a chain: later ones find everything in the chain itself.
    pub async fn inherit(
        &self,
        chain: &ChainId,
        shards: u32,
        writer: &Writer,
        configuration: &str,
    ) -> Result<Inheritance, LakeError> {
        succession::inherit(&self.store, &Heir { chain, shards, writer, configuration }).await
    }

    /// Takes a chain over, unless it has ended or a newer deployment holds it. A fresh chain gets `beginning`.
    ///
    /// Claiming is always possible, and always stops the present holder. Whether it is right (at start;
    /// after the holder's silence) is the caller's decision.
    pub async fn claim(
        &self,
        chain: ChainId,
        writer: Writer,
        configuration: &str,
        beginning: &Beginning,
    ) -> Result<Claim, LakeError> {
        chain::claim(&self.store, chain, writer, configuration, beginning).await
    }

    /// Who wrote a chain last, and when; `None` for a chain without manifests.
    pub async fn sign_of_life(&self, chain: &ChainId) -> Result<Option<SignOfLife>, LakeError> {
        chain::sign_of_life(&self.store, chain).await
    }

    /// Lets others see that a process is about to go on with a chain, whose start takes long.
    pub async fn give_sign_of_start(&self, chain: &ChainId) -> Result<(), LakeError> {
        let sign = Uuid::new_v4().to_string();
        self.store.put(&names::starting(chain), sign.into()).await
    }

    /// The last sign that a process is about to go on with a chain: one that changes between two looks proves
    /// life. `None` where no start took long.
    pub async fn sign_of_start(&self, chain: &ChainId) -> Result<Option<String>, LakeError> {
        let sign = self.store.read_if_exists(&names::starting(chain)).await?;
        Ok(sign.map(|text| String::from_utf8_lossy(&text).into_owned()))
    }

    /// Opens a table; creates it if it is absent, and adds missing nullable columns at its end.
    pub async fn open_table(&self, spec: &TableSpec) -> Result<Table, LakeError> {
        Table::open(&self.store, spec).await
    }

    /// Gives a table, just opened, all epochs that it lacks of chains of which these are the newest manifests:
    /// the one claimed, or those that it inherits from. Do it before the next epoch.
    ///
    /// A torn log entry may be of a chain that has ended. Nobody else would commit that epoch again, so it
    /// comes before whatever else is pending and would take its place.
    pub async fn recover(&self, table: &mut Table, newest: &[Manifest]) -> Result<Vec<Recovered>, LakeError> {
        let mut all = if table.is_torn() { ended(&self.store).await? } else { Vec::new() };
        all.retain(|ended| newest.iter().all(|manifest| manifest.chain != ended.chain));
        all.extend_from_slice(newest);
        table.recover_all(&all).await
    }

    /// Whether a table is there.
    pub async fn has_table(&self, table: &str) -> Result<bool, LakeError> {
        Ok(query::newest_version(&self.store, table).await?.is_some())
    }

    /// The rows that an SQL query gives over tables as they are now, and over `rows`, each under its name.
    pub async fn query(
        &self,
        tables: &[&str],
        rows: &[(&str, RecordBatch)],
        sql: &str,
    ) -> Result<Vec<RecordBatch>, LakeError> {
        Reader::open(&self.store, tables, rows).await?.rows(sql).await
    }

    /// Opens tables as they are now, for several queries. All must exist.
    pub async fn reader(&self, tables: &[&str]) -> Result<Reader, LakeError> {
        Reader::open(&self.store, tables, &[]).await
    }

    /// Fails where a table has epochs of a generation of the job, from `number` on, that is not there.
    pub async fn refuse_lost_generations(
        &self,
        job: &str,
        number: u64,
        tables: &[&str],
    ) -> Result<(), LakeError> {
        recovery::refuse_lost_generations(&self.store, job, number, tables).await
    }

    /// Fails where a generation has ended, and the one after it is not there.
    pub async fn refuse_without_successor(&self, chain: &ChainId) -> Result<(), LakeError> {
        generation::refuse_without_successor(&self.store, chain).await
    }

    /// Makes data files of a table durable, all at once. They are not visible before their epoch.
    pub async fn persist(&self, table: &str, files: Vec<FinishedFile>) -> Result<Vec<AddedFile>, LakeError> {
        let job = if table.starts_with(PUBLISHED) { MERGE } else { INGEST };
        failpoint::hit_of(job, "before_data_files");
        let stored = files.into_iter().map(|FinishedFile { bytes, file }| async move {
            // Our own paths need no escaping, so the path in the log is the name in the storage.
            self.store.put(&format!("{table}/{}", file.path), bytes).await?;
            Ok(file)
        });
        let files = try_join_all(stored).await?;
        failpoint::hit_of(job, "after_data_files");
        Ok(files)
    }

    /// Makes a state file durable, under a new name.
    pub async fn put_state(
        &self,
        chain: &ChainId,
        epoch: u64,
        bytes: Vec<u8>,
    ) -> Result<StateFile, LakeError> {
        self.put_state_in_pieces(chain, epoch, stream::iter([bytes])).await
    }

    /// The same for a file that comes in pieces, all but the last of at least 5 MiB, since it may be too large for main
    /// memory.
    pub async fn put_state_in_pieces(
        &self,
        chain: &ChainId,
        epoch: u64,
        pieces: impl Stream<Item = Vec<u8>> + Unpin,
    ) -> Result<StateFile, LakeError> {
        let path = names::state(chain, epoch, Uuid::new_v4());
        failpoint::hit_of(&chain.job, "before_state_file");
        let bytes = self.store.put_in_pieces(&path, pieces).await?;
        failpoint::hit_of(&chain.job, "after_state_file");
        Ok(StateFile { path, bytes, epoch, written_at_ms: crate::now_ms() })
    }

    /// Deletes state files that no manifest names any more, and none ever will.
    ///
    /// A file that is gone already counts as deleted.
    pub async fn forget_state(&self, files: &[StateFile]) -> Result<(), LakeError> {
        try_join_all(files.iter().map(|file| self.store.delete(&file.path))).await.map(|_| ())
    }

    /// Where the newest generation of a job stands on each partition; empty before its first epoch.
    pub async fn positions(&self, job: &str) -> Result<BTreeMap<i32, PartitionProgress>, LakeError> {
        let mut positions = BTreeMap::new();
        let Some(Numbered { number, generation }) = self.generation(job).await? else {
            return Ok(positions);
        };
        for shard in 0..generation.shards {
            let chain = ChainId { job: job.to_owned(), generation: number, shard };
            let newest = chain::newest_manifest(&self.store, &chain).await?;
            positions.extend(newest.into_iter().flat_map(|newest| newest.partitions));
        }
        Ok(positions)
    }

    /// Up to which offsets a table has the rows of all messages that a job has read, by partition.
    pub async fn coverage(&self, job: &str, table: &str) -> Result<BTreeMap<i32, i64>, LakeError> {
        coverage::coverage(&self.store, job, table).await
    }

    /// Keeps a rule set of a scoring job for restarts. Do it before a manifest names it.
    pub async fn put_rule_set(&self, job: &str, hash: &str, text: String) -> Result<(), LakeError> {
        self.store.put(&names::rule_set(job, hash), text.into()).await
    }

    /// The text of a rule set that was kept; `None` if there is none of that hash.
    pub async fn rule_set(&self, job: &str, hash: &str) -> Result<Option<String>, LakeError> {
        let kept = self.store.read_if_exists(&names::rule_set(job, hash)).await?;
        Ok(kept.map(|text| String::from_utf8_lossy(&text).into_owned()))
    }

    /// Makes the partial aggregates of an epoch durable, under a new name, which is returned.
    pub async fn put_partial_aggregates(
        &self,
        chain: &ChainId,
        epoch: u64,
        bytes: Vec<u8>,
    ) -> Result<String, LakeError> {
        let path = names::partial_aggregates(chain, epoch, Uuid::new_v4());
        failpoint::hit("before_partial_aggregates");
        self.store.put(&path, bytes.into()).await?;
        failpoint::hit("after_partial_aggregates");
        Ok(path)
    }

    /// Makes windows durable that the merge took out of memory after an epoch that it has appended; their file comes in
    /// pieces, as with [`Self::put_state_in_pieces`].
    pub async fn put_spilled(
        &self,
        windows: SpilledWindows<'_>,
        pieces: impl Stream<Item = Vec<u8>> + Unpin,
    ) -> Result<(), LakeError> {
        failpoint::hit_of(MERGE, "before_spill");
        self.store.put_in_pieces(&windows.path(), pieces).await?;
        failpoint::hit_of(MERGE, "after_spill");
        Ok(())
    }

    /// Deletes files, by their paths relative to the root, that no manifest above a base names. Ones that are gone
    /// already count as deleted.
    pub async fn forget(&self, paths: &[String]) -> Result<(), LakeError> {
        self.store.delete_all(paths).await
    }

    /// The chains of a job that have a directory, in the order of their numbers.
    pub async fn chains(&self, job: &str) -> Result<Vec<ChainId>, LakeError> {
        chain::listed(&self.store, job).await
    }

    /// One manifest of a chain; `None` if it is not there (yet, or any more).
    pub async fn manifest(&self, chain: &ChainId, epoch: u64) -> Result<Option<Manifest>, LakeError> {
        match chain::read_manifest(&self.store, chain, epoch).await {
            Ok(manifest) => Ok(Some(manifest)),
            Err(LakeError::FileMissing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The newest manifest of a chain; `None` for a chain without manifests.
    pub async fn newest_manifest(&self, chain: &ChainId) -> Result<Option<Manifest>, LakeError> {
        chain::newest_manifest(&self.store, chain).await
    }

    /// Ends a chain for good, whoever holds it, and gives its last manifest. One that has ended stays as it is.
    pub async fn seal(
        &self,
        chain: &ChainId,
        writer: &Writer,
        configuration: &str,
    ) -> Result<Manifest, LakeError> {
        chain::seal(&self.store, chain, writer, configuration).await
    }

    /// Says all that a start would refuse, and changes nothing.
    ///
    /// A lake of somebody else is one refusal: what is in it does not matter then.
    pub async fn check(&self, expected: &Expected<'_>) -> Vec<LakeError> {
        let Expected { owner, topic, adopt, tables } = expected;
        if let Err(error) = identity::check(&self.store, owner, topic, *adopt).await {
            return vec![error];
        }
        let mut refusals = Vec::new();
        for spec in *tables {
            refusals.extend(Table::check(&self.store, spec).await.err());
        }
        refusals
    }

    /// Fails where a table exists that cannot become what is wanted, and changes nothing.
    pub async fn check_tables(&self, specs: &[TableSpec]) -> Result<(), LakeError> {
        try_join_all(specs.iter().map(|spec| Table::check(&self.store, spec))).await.map(|_| ())
    }

    /// Reads a file by its path relative to the root, in pieces that follow each other.
    pub async fn read_in_pieces(
        &self,
        path: &str,
    ) -> Result<impl Stream<Item = Result<Bytes, LakeError>> + Send + use<>, LakeError> {
        self.store.read_in_pieces(path).await
    }

    /// Reads a file by its path relative to the root.
    pub async fn read(&self, path: &str) -> Result<Bytes, LakeError> {
        self.store.read(path).await
    }
}
