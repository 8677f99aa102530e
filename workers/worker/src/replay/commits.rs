//! [`Commits`]: the chain of replays, and the tables that get its epochs.

use std::collections::BTreeMap;

use sluice_contract::config::WorkerConfig;
use sluice_contract::manifest::{ChainId, Manifest, ManifestKind, Recompute, TableProgress, Writer};
use sluice_lake::{
    Appended, Beginning, Chain, Claim, Lake, Numbered, Rewritten, RolledForward, Table, TableSpec,
    TopicIdentity, failpoint,
};
use snafu::{OptionExt, ResultExt, ensure};
use uuid::Uuid;

use super::error::{LakeSnafu, LostSnafu, NeverStartedSnafu, OvertakenSnafu, ReplayError, RowsChangedSnafu};
use super::replacement::Change;

/// How often files may be rewritten between a look at them and the commit.
const ATTEMPTS: u32 = 20;

/// A replay that owns the chain.
pub(super) struct Commits {
    lake: Lake,
    chain: Chain,
    claim: Manifest,
    writer: Writer,
    configuration: String,
    tables: BTreeMap<String, Table>,
}

impl Commits {
    /// Claims the chain: whoever had it is stopped at its next epoch.
    pub(super) async fn claim(lake: Lake, config: &WorkerConfig, name: &str) -> Result<Self, ReplayError> {
        let topic = TopicIdentity { name: config.source.kafka.topic.clone(), id: None };
        lake.identify(&config.owner, &topic, config.storage.adopt.as_deref()).await.context(LakeSnafu)?;
        let writer = Writer { id: format!("replay-{name}-{}", Uuid::new_v4()), deployment_revision: 0 };
        let claim =
            lake.claim(ChainId::of_replays(), writer.clone(), &config.revision, &Beginning::default()).await;
        let (chain, claim) = match claim.context(LakeSnafu)? {
            Claim::Won { chain, manifest } => (chain, *manifest),
            Claim::HeldByNewer { writer: by } | Claim::Sealed { by } => {
                return LostSnafu { by: by.id }.fail();
            }
        };
        let configuration = config.revision.clone();
        Ok(Self { lake, chain, claim, writer, configuration, tables: BTreeMap::new() })
    }

    /// Opens tables, and gives them all epochs that a replay before this one, or the workers of the jobs, have decided.
    /// Tells where each partition then stands, by job: of what lies before, the tables have every row.
    ///
    /// A table is opened before the manifests are looked up: it cannot have an epoch then that they do not have.
    pub(super) async fn open(
        &mut self,
        specs: &[TableSpec],
        jobs: &[&str],
    ) -> Result<Vec<BTreeMap<i32, i64>>, ReplayError> {
        let mut tables = Vec::new();
        for spec in specs {
            tables.push(self.lake.open_table(spec).await.context(LakeSnafu)?);
        }
        let mut newest = vec![self.claim.clone()];
        let mut positions = Vec::new();
        for job in jobs {
            let manifests = self.newest(job).await?;
            let mut of_job = BTreeMap::new();
            for (partition, at) in manifests.iter().flat_map(|manifest| &manifest.partitions) {
                let position = of_job.entry(*partition).or_insert(at.next_offset);
                *position = at.next_offset.max(*position);
            }
            positions.push(of_job);
            newest.extend(manifests);
        }
        for mut table in tables {
            for recovered in self.lake.recover(&mut table, &newest).await.context(LakeSnafu)? {
                if !recovered.redone.is_empty() || recovered.rebuilt.is_some() {
                    tracing::info!(table = table.name(), ?recovered, "finished what was left undone");
                }
            }
            self.tables.insert(table.name().to_owned(), table);
        }
        failpoint::hit("after_recover");
        Ok(positions)
    }

    /// The newest manifests of a job's chains: of the newest generation, and of the one before while that is not begun
    /// on all shards.
    async fn newest(&self, job: &str) -> Result<Vec<Manifest>, ReplayError> {
        let lake = &self.lake;
        let generation = lake.generation(job).await.context(LakeSnafu)?;
        let Numbered { number, generation } =
            generation.with_context(|| NeverStartedSnafu { job, uri: lake.uri() })?;
        let mut manifests = Vec::new();
        for shard in 0..generation.shards {
            let chain = ChainId { job: job.to_owned(), generation: number, shard };
            manifests.extend(lake.newest_manifest(&chain).await.context(LakeSnafu)?);
        }
        if manifests.len() < generation.shards as usize {
            let chains = lake.chains(job).await.context(LakeSnafu)?;
            for chain in chains.iter().filter(|chain| chain.generation + 1 == number) {
                manifests.extend(lake.newest_manifest(chain).await.context(LakeSnafu)?);
            }
        }
        Ok(manifests)
    }

    /// Puts new rows in the place of others, one commit for each table, and has windows computed again.
    ///
    /// Where a compaction rewrites files meanwhile, the table gives the epoch up as a whole, and gets another one: the
    /// rows are the same, and only the files that have them are others.
    pub(super) async fn commit(
        &mut self,
        changes: Vec<Change>,
        recompute: Option<Recompute>,
    ) -> Result<(), ReplayError> {
        let mut left = changes;
        for attempt in 0..ATTEMPTS {
            let changed = self.rewrite(&left).await?;
            let changes_silver = left.iter().any(|change| change.table == "silver");
            let recompute = recompute.clone().filter(|_| attempt == 0 || changes_silver);
            let manifest = self.manifest(changed, recompute);
            if let Appended::Lost { by } = self.chain.append(&manifest).await.context(LakeSnafu)? {
                return LostSnafu { by: by.id }.fail();
            }
            let mut overtaken = Vec::new();
            for change in left {
                let table = self.tables.get_mut(&change.table).expect("rows are of tables that were opened");
                if let RolledForward::Overtaken { version } =
                    table.roll_forward(&manifest).await.context(LakeSnafu)?
                {
                    tracing::info!(
                        table = change.table,
                        version,
                        "a compaction was faster: replacing the rows again"
                    );
                    overtaken.push(change);
                }
            }
            failpoint::hit("after_all_commits");
            if overtaken.is_empty() {
                return Ok(());
            }
            left = overtaken;
        }
        let tables: Vec<String> = left.into_iter().map(|change| change.table).collect();
        OvertakenSnafu { tables, attempts: ATTEMPTS }.fail()
    }

    /// Writes the files anew that hold rows which go.
    async fn rewrite(&mut self, changes: &[Change]) -> Result<BTreeMap<String, TableProgress>, ReplayError> {
        let mut changed = Vec::new();
        for change in changes {
            let table = self.tables.get_mut(&change.table).expect("rows are of tables that were opened");
            let Rewritten { removes, mut adds, rows } =
                table.rewrite_without(&change.dropped).await.context(LakeSnafu)?;
            let expected = change.dropped_rows;
            ensure!(rows == expected, RowsChangedSnafu { table: &change.table, expected, found: rows });
            adds.extend(change.added.iter().cloned());
            changed.push((change.table.clone(), (adds, removes)));
        }
        Ok(self.chain.changes(changed))
    }

    fn manifest(&self, tables: BTreeMap<String, TableProgress>, recompute: Option<Recompute>) -> Manifest {
        let begun = self.chain.manifest(ManifestKind::Data, &self.writer, &self.configuration);
        Manifest { tables, recompute, ..begun }
    }
}
