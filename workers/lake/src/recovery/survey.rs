//! [`Survey`]: everything that a lake remembers of a job, compared with its tables. Reads only.

use std::collections::{BTreeMap, BTreeSet};

use sluice_contract::manifest::{ChainId, Manifest, ManifestKind, PartitionProgress};

use super::verdict::{Facts, Verdict, judge};
use super::{REPLAY, doubt, transactions};
use crate::chain::{names, read_manifest};
use crate::error::LakeError;
use crate::generation::{self, Numbered};
use crate::identity;
use crate::store::Store;
use crate::table::query;

/// A file that is torn, or gone though others need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Path relative to the lake's root.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
    /// Whether there is something to set aside.
    pub exists: bool,
}

/// A chain, and how the tables stand to it.
#[derive(Clone, Debug)]
pub struct SurveyedChain {
    /// The chain.
    pub id: ChainId,
    /// The newest manifest that can be read.
    pub newest: Option<Manifest>,
    /// The largest epoch that any file of the chain, readable or not, or any table names.
    pub highest: u64,
    /// The newest epoch in each table.
    pub known: BTreeMap<String, u64>,
    /// What that means.
    pub verdict: Verdict,
}

impl SurveyedChain {
    /// Whether it ended in order.
    pub(super) fn is_sealed(&self) -> bool {
        self.newest.as_ref().is_some_and(|newest| newest.kind == ManifestKind::Sealed)
    }

    /// The positions that its newest manifest names, if the tables have all messages below them.
    fn trusted_positions(&self) -> impl Iterator<Item = (i32, &PartitionProgress)> {
        let trusted = self.newest.as_ref().filter(|newest| match &self.verdict {
            Verdict::Doubtful { epoch, .. } => newest.epoch < *epoch,
            Verdict::Sound | Verdict::Pending { .. } | Verdict::Lost { .. } => true,
        });
        trusted
            .into_iter()
            .flat_map(|newest| newest.partitions.iter().map(|(partition, at)| (*partition, at)))
    }
}

/// What a lake remembers of a job.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Files that are torn or gone.
    pub damaged: Vec<Damage>,
    /// All chains of the job, and that of replays.
    pub chains: Vec<SurveyedChain>,
    /// The newest generation whose file can be read.
    pub newest_generation: Option<Numbered>,
    /// A number that no generation has had.
    pub next_generation: u64,
}

impl Survey {
    /// Whether a worker can go on from what is there.
    pub fn is_sound(&self) -> bool {
        let is_sound =
            |chain: &SurveyedChain| matches!(chain.verdict, Verdict::Sound | Verdict::Pending { .. });
        self.damaged.is_empty() && self.chains.iter().all(is_sound)
    }

    /// The chains of which an epoch may be in some tables only.
    pub fn doubtful(&self) -> impl Iterator<Item = (&SurveyedChain, u64, &[String])> {
        self.chains.iter().filter_map(|chain| match &chain.verdict {
            Verdict::Doubtful { epoch, tables } => Some((chain, *epoch, tables.as_slice())),
            Verdict::Sound | Verdict::Pending { .. } | Verdict::Lost { .. } => None,
        })
    }

    /// Offsets that manifests which are left name as the next ones: no partition goes on before its own.
    pub fn least_positions(&self) -> BTreeMap<i32, i64> {
        let mut least = BTreeMap::new();
        for (partition, at) in self.chains.iter().flat_map(SurveyedChain::trusted_positions) {
            let position = least.entry(partition).or_insert(at.next_offset);
            *position = (*position).max(at.next_offset);
        }
        least
    }
}

/// How far chains and tables have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulse {
    files: BTreeSet<String>,
    versions: BTreeMap<String, Option<u64>>,
}

/// The chain that a Delta application id names; `None` for those of other writers.
pub(super) fn chain_of(application: &str) -> Option<ChainId> {
    let mut parts = application.rsplitn(3, '/');
    let shard = parts.next()?.parse().ok()?;
    let generation = parts.next()?.parse().ok()?;
    Some(ChainId { job: parts.next()?.to_owned(), generation, shard })
}

pub(super) async fn pulse(store: &Store, job: &str, tables: &[&str]) -> Result<Pulse, LakeError> {
    let mut pulse = Pulse { files: BTreeSet::new(), versions: BTreeMap::new() };
    for id in listed(store, job).await? {
        let files = store.list_after(&names::chain_directory(&id), None).await?;
        pulse.files.extend(files.into_iter().map(|file| file.location.to_string()));
    }
    for table in tables {
        pulse.versions.insert((*table).to_owned(), query::newest_version(store, table).await?);
    }
    Ok(pulse)
}

pub(super) async fn survey(store: &Store, job: &str, tables: &[&str]) -> Result<Survey, LakeError> {
    let mut known: BTreeMap<ChainId, BTreeMap<String, u64>> = BTreeMap::new();
    for table in tables {
        for (application, epoch) in transactions::all(store, table).await? {
            let Some(id) = chain_of(&application).filter(|id| id.job == job || id.job == REPLAY) else {
                continue;
            };
            known.entry(id).or_default().insert((*table).to_owned(), epoch.unsigned_abs());
        }
    }
    let newest_known =
        known.keys().filter(|id| id.job == job).map(|id| id.generation).max().unwrap_or_default();
    let mut damaged = Vec::new();
    damaged.extend(identity_damage(store, !known.is_empty()).await?);
    for id in listed(store, job).await? {
        known.entry(id).or_default();
    }
    let numbers: BTreeSet<u64> = known.keys().filter(|id| id.job == job).map(|id| id.generation).collect();
    let newest_generation = generations(store, job, &numbers, &mut damaged).await?;

    let mut chains = Vec::new();
    for (id, known) in known {
        let is_superseded = id.job == job && id.generation < newest_known;
        chains.push(chain(store, id, known, is_superseded, &mut damaged).await?);
    }
    let next_generation = numbers.last().map_or(0, |newest| newest + 1);
    let next_generation =
        next_generation.max(newest_generation.as_ref().map_or(0, |newest| newest.number + 1));
    Ok(Survey { damaged, chains, newest_generation, next_generation })
}

/// The chains that have a directory.
async fn listed(store: &Store, job: &str) -> Result<Vec<ChainId>, LakeError> {
    let mut chains = Vec::new();
    for job in [job, REPLAY] {
        for generation in numbers::<u64>(store, &names::job(job)).await? {
            for shard in numbers::<u32>(store, &format!("{}/{generation}", names::job(job))).await? {
                chains.push(ChainId { job: job.to_owned(), generation, shard });
            }
        }
    }
    Ok(chains)
}

async fn numbers<N: std::str::FromStr>(store: &Store, directory: &str) -> Result<Vec<N>, LakeError> {
    let names = store.list_directories(directory).await?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

async fn identity_damage(store: &Store, has_rows: bool) -> Result<Option<Damage>, LakeError> {
    let damage = |problem: String, exists| Damage { path: names::IDENTITY.to_owned(), problem, exists };
    match identity::find(store).await {
        Ok(Some(_)) => Ok(None),
        Ok(None) => Ok(has_rows.then(|| damage("it does not exist".to_owned(), false))),
        Err(LakeError::Unreadable { source, .. }) => Ok(Some(damage(source.to_string(), true))),
        Err(error) => Err(error),
    }
}

/// The newest generation that can be read. Takes note of those that cannot, and of one that must have been.
async fn generations(
    store: &Store,
    job: &str,
    with_chains: &BTreeSet<u64>,
    damaged: &mut Vec<Damage>,
) -> Result<Option<Numbered>, LakeError> {
    let mut newest = None;
    let listed: BTreeSet<u64> = numbers(store, &names::job(job)).await?.into_iter().collect();
    for number in listed.union(with_chains).copied() {
        let path = names::generation(job, number);
        match generation::read(store, job, number).await {
            Ok(generation) => newest = Some(Numbered { number, generation }),
            Err(LakeError::Unreadable { source, .. }) => {
                damaged.push(Damage { path, problem: source.to_string(), exists: true });
            }
            Err(LakeError::FileMissing { .. }) if Some(&number) == with_chains.last() => {
                damaged.push(Damage { path, problem: "it does not exist".to_owned(), exists: false });
            }
            Err(LakeError::FileMissing { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(newest)
}

async fn chain(
    store: &Store,
    id: ChainId,
    known: BTreeMap<String, u64>,
    is_superseded: bool,
    damaged: &mut Vec<Damage>,
) -> Result<SurveyedChain, LakeError> {
    let files = store.list_after(&names::chain_directory(&id), None).await?;
    let epochs = files.iter().filter_map(|file| names::epoch_of(file.location.filename()?));
    let epochs: BTreeSet<u64> = epochs.collect();
    let mut newest = None;
    let mut has_damage = false;
    for epoch in epochs.iter().rev() {
        match read_manifest(store, &id, *epoch).await {
            Ok(manifest) => {
                newest = Some(manifest);
                break;
            }
            Err(LakeError::Unreadable { source, .. }) => {
                has_damage = true;
                let path = names::manifest(&id, *epoch);
                damaged.push(Damage { path, problem: source.to_string(), exists: true });
            }
            Err(error) => return Err(error),
        }
    }
    let said: BTreeMap<String, u64> = newest
        .iter()
        .flat_map(|newest: &Manifest| &newest.tables)
        .map(|(table, progress)| (table.clone(), progress.last_epoch))
        .collect();
    let newest_rows = said.values().copied().max().unwrap_or_default();
    let newest_known = known.values().copied().max().unwrap_or_default();
    let facts = Facts {
        known: &known,
        has_newest_rows: epochs.contains(&newest_rows)
            && read_manifest(store, &id, newest_rows).await.is_ok(),
        announced: if newest_known > newest_rows && !is_superseded {
            doubt::announced(store, &id, newest_known, &known).await?
        } else {
            None
        },
        said,
        has_damage,
        is_superseded,
    };
    let verdict = judge(&facts);
    let highest = epochs.last().copied().unwrap_or_default().max(newest_known);
    Ok(SurveyedChain { id, newest, highest, known, verdict })
}
