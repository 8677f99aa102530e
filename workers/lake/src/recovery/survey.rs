//! [`Survey`]: everything that a lake remembers of a job, compared with its tables. Reads only.

use std::collections::{BTreeMap, BTreeSet};

use sluice_contract::manifest::{ChainId, INGEST, Manifest, ManifestKind, REPLAY, StateFile};

use super::verdict::{Facts, Verdict, judge};
use super::{doubt, transactions};
use crate::chain::{self, names, numbers, read_manifest};
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
    /// Whether the tables have rows of a later generation: then it ended, and every table was given all of it.
    pub is_superseded: bool,
}

impl SurveyedChain {
    /// Whether it has ended.
    fn is_ended(&self) -> bool {
        self.newest.as_ref().is_some_and(|newest| newest.kind.is_end())
    }

    /// Whether a recovery has ended it.
    pub(super) fn is_abandoned(&self) -> bool {
        self.newest.as_ref().is_some_and(|newest| newest.kind == ManifestKind::Abandoned)
    }
}

/// What a lake remembers of a job.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Files that are torn or gone.
    pub damaged: Vec<Damage>,
    /// All chains of the job; with those of ingest that of replays, which fill the same tables.
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

    /// Whether a recovery before this one has ended every chain to which a worker could add.
    pub fn is_fenced(&self) -> bool {
        let open =
            |chain: &SurveyedChain| chain.id.job != REPLAY && !chain.is_superseded && !chain.is_abandoned();
        !self.chains.is_empty() && !self.chains.iter().any(open)
    }

    /// The chains of which an epoch may be in some tables only.
    pub fn doubtful(&self) -> impl Iterator<Item = (&SurveyedChain, u64, &[String])> {
        self.chains.iter().filter_map(|chain| match &chain.verdict {
            Verdict::Doubtful { epoch, tables } => Some((chain, *epoch, tables.as_slice())),
            Verdict::Sound | Verdict::Pending { .. } | Verdict::Lost { .. } => None,
        })
    }

    /// The offsets that the chains name as the next ones. In a mended lake the tables have all messages below them.
    pub fn positions(&self) -> BTreeMap<i32, i64> {
        let mut positions = BTreeMap::new();
        let manifests = self.chains.iter().filter_map(|chain| chain.newest.as_ref());
        for (partition, at) in manifests.flat_map(|manifest| &manifest.partitions) {
            let position = positions.entry(*partition).or_insert(at.next_offset);
            *position = (*position).max(at.next_offset);
        }
        positions
    }

    /// The state files that a worker would begin with.
    pub fn state_files(&self) -> impl Iterator<Item = &StateFile> {
        let manifests = self.heirs_and_bequeathers().filter_map(|chain| chain.newest.as_ref());
        manifests.flat_map(|manifest| manifest.state.base.iter().chain(&manifest.state.deltas))
    }

    /// The chains of the newest generation; those before them too, while one has yet to inherit from them.
    fn heirs_and_bequeathers(&self) -> impl Iterator<Item = &SurveyedChain> {
        let newest = self.newest_generation.as_ref().map(|newest| newest.number);
        let of = move |chain: &&SurveyedChain| chain.id.job != REPLAY && Some(chain.id.generation) == newest;
        let is_begun = self.chains.iter().filter(of).all(|chain| chain.newest.is_some());
        let before = newest.filter(|_| !is_begun).and_then(|newest| newest.checked_sub(1));
        self.chains.iter().filter(move |chain| {
            let generation = Some(chain.id.generation);
            chain.id.job != REPLAY && (generation == newest || (before.is_some() && generation == before))
        })
    }

    /// Who says that a generation must have been, or is yet to come, which is not there.
    fn missing_successor(&self) -> Option<Damage> {
        let newest = self.newest_generation.as_ref()?.number;
        let ended = self.heirs_and_bequeathers().find(|chain| {
            if chain.id.generation == newest { chain.is_ended() } else { chain.is_abandoned() }
        })?;
        let path = names::generation(&ended.id.job, ended.id.generation + 1);
        let problem = if ended.is_abandoned() {
            format!("a recovery that ended chain '{}' did not finish", ended.id)
        } else {
            format!("it does not exist, though chain '{}' has ended for it", ended.id)
        };
        Some(Damage { path, problem, exists: false })
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
    let with_chains: BTreeSet<u64> =
        known.keys().filter(|id| id.job == job).map(|id| id.generation).collect();
    let listed: BTreeSet<u64> = numbers(store, &names::job(job)).await?.into_iter().collect();
    let newest_generation = generations(store, job, (&listed, &with_chains), &mut damaged).await?;
    if let Some(Numbered { number, generation }) = &newest_generation {
        for shard in 0..generation.shards {
            known.entry(ChainId { job: job.to_owned(), generation: *number, shard }).or_default();
        }
    }
    let mut chains = Vec::new();
    for (id, known) in known {
        let is_superseded = id.job == job && id.generation < newest_known;
        chains.push(if is_superseded {
            superseded(store, id, known).await?
        } else {
            chain(store, id, known, &mut damaged).await?
        });
    }
    let next_generation = listed.union(&with_chains).last().map_or(0, |newest| newest + 1);
    let mut survey = Survey { damaged, chains, newest_generation, next_generation };
    // One that is known to be torn or gone says it all.
    if survey.damaged.is_empty() {
        survey.damaged.extend(survey.missing_successor());
    }
    Ok(survey)
}

/// The chains that have a directory.
async fn listed(store: &Store, job: &str) -> Result<Vec<ChainId>, LakeError> {
    let mut chains = chain::listed(store, job).await?;
    if job == INGEST {
        chains.extend(chain::listed(store, REPLAY).await?);
    }
    Ok(chains)
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
    (listed, with_chains): (&BTreeSet<u64>, &BTreeSet<u64>),
    damaged: &mut Vec<Damage>,
) -> Result<Option<Numbered>, LakeError> {
    let mut newest = None;
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

/// A chain that matters no more, but for the positions that its end names.
async fn superseded(
    store: &Store,
    id: ChainId,
    known: BTreeMap<String, u64>,
) -> Result<SurveyedChain, LakeError> {
    let epochs = epochs(store, &id).await?;
    let newest = newest_readable(store, &id, &epochs, &mut Vec::new()).await?;
    let highest = epochs.last().copied().unwrap_or_default();
    Ok(SurveyedChain { id, newest, highest, known, verdict: Verdict::Sound, is_superseded: true })
}

async fn epochs(store: &Store, id: &ChainId) -> Result<BTreeSet<u64>, LakeError> {
    let files = store.list_after(&names::chain_directory(id), None).await?;
    Ok(files.iter().filter_map(|file| names::epoch_of(file.location.filename()?)).collect())
}

/// The newest manifest that can be read. Takes note of the newer ones.
async fn newest_readable(
    store: &Store,
    id: &ChainId,
    epochs: &BTreeSet<u64>,
    damaged: &mut Vec<Damage>,
) -> Result<Option<Manifest>, LakeError> {
    for epoch in epochs.iter().rev() {
        match read_manifest(store, id, *epoch).await {
            Ok(manifest) => return Ok(Some(manifest)),
            Err(LakeError::Unreadable { source, .. }) => {
                let path = names::manifest(id, *epoch);
                damaged.push(Damage { path, problem: source.to_string(), exists: true });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

async fn chain(
    store: &Store,
    id: ChainId,
    known: BTreeMap<String, u64>,
    damaged: &mut Vec<Damage>,
) -> Result<SurveyedChain, LakeError> {
    let epochs = epochs(store, &id).await?;
    let damaged_before = damaged.len();
    let newest = newest_readable(store, &id, &epochs, damaged).await?;
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
        announced: if newest_known > newest_rows {
            doubt::announced(store, &id, newest_known, &known).await?
        } else {
            None
        },
        said,
        has_damage: damaged.len() > damaged_before,
    };
    let verdict = judge(&facts);
    let highest = epochs.last().copied().unwrap_or_default().max(newest_known);
    Ok(SurveyedChain { id, newest, highest, known, verdict, is_superseded: false })
}
