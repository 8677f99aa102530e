//! [`Chain`]: the manifests of one shard, in order, each created once.

mod claim;
mod follow;
pub(crate) mod names;
mod seal;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sluice_contract::manifest::{
    AddedFile, ChainId, MANIFEST_FORMAT_VERSION, Manifest, ManifestKind, TableProgress, Writer,
};
use snafu::{OptionExt, ensure};

pub(crate) use claim::claim;
pub use claim::{Beginning, Claim};
pub(crate) use follow::{Follow, follow};
pub(crate) use seal::seal;

use crate::error::{FileMissingSnafu, InconsistentManifestSnafu, LakeError};
use crate::store::{Created, Store};
use crate::{document, failpoint};

/// A hint is left behind each time this many epochs have been appended.
const HINT_EVERY: u64 = 64;

/// After a longer silence, names may have been pruned, or a recovery may have ended the chain far ahead: look where
/// it ends before creating one. Even an idle writer is never silent for so long, and a recovery waits for longer.
const TRUSTED_SILENCE: Duration = Duration::from_secs(20);

/// How an attempt to append an epoch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The epoch is decided: roll it forward.
    Created,
    /// Another process has the epoch. This one must stop.
    Lost {
        /// Who has it.
        by: Writer,
    },
}

/// The newest manifest of a chain, as a sign that its writer lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignOfLife {
    /// Who wrote it.
    pub writer: Writer,
    /// Its epoch. One that grows between two looks proves life whatever the clocks say.
    pub epoch: u64,
    /// How long ago it was stored, by the storage's clock and ours.
    pub age: Duration,
    /// Whether it ends the chain.
    pub is_seal: bool,
}

/// A claimed chain.
#[derive(Debug)]
pub struct Chain {
    store: Store,
    id: ChainId,
    next_epoch: u64,
    last_epochs: BTreeMap<String, u64>,
    appended: Instant,
}

impl Chain {
    /// The chain as its newest manifest leaves it.
    fn after(store: Store, newest: &Manifest) -> Self {
        Self {
            store,
            id: newest.chain.clone(),
            next_epoch: newest.epoch + 1,
            last_epochs: last_epochs(newest),
            appended: Instant::now(),
        }
    }

    /// Which chain it is.
    pub fn id(&self) -> &ChainId {
        &self.id
    }

    /// The epoch that the next manifest must have.
    pub fn next_epoch(&self) -> u64 {
        self.next_epoch
    }

    /// The manifest of the next epoch, to be filled: of now, with nothing in it, not even where the chain stands.
    pub fn manifest(&self, kind: ManifestKind, writer: &Writer, configuration: &str) -> Manifest {
        Follow { kind, writer, configuration }.at(self.id.clone(), self.next_epoch)
    }

    /// The `tables` of the next manifest, if it adds these files: tables without files keep the epoch of
    /// their last ones.
    pub fn progress(&self, added: BTreeMap<String, Vec<AddedFile>>) -> BTreeMap<String, TableProgress> {
        self.changes(added.into_iter().map(|(table, adds)| (table, (adds, Vec::new()))))
    }

    /// The `tables` of the next manifest, if it adds these files, and removes those of these paths: tables without
    /// either keep the epoch of their last ones.
    pub fn changes(
        &self,
        changed: impl IntoIterator<Item = (String, (Vec<AddedFile>, Vec<String>))>,
    ) -> BTreeMap<String, TableProgress> {
        let mut tables: BTreeMap<String, TableProgress> = self
            .last_epochs
            .iter()
            .map(|(table, last_epoch)| {
                (table.clone(), TableProgress { last_epoch: *last_epoch, ..TableProgress::default() })
            })
            .collect();
        for (table, (adds, removes)) in changed {
            let progress = TableProgress { last_epoch: self.next_epoch, adds, removes };
            if progress.has_actions() {
                tables.insert(table, progress);
            }
        }
        tables
    }

    /// Creates the manifest of the next epoch: the commit point.
    ///
    /// After an error nothing is known to be decided: append the same manifest again, not another one.
    pub async fn append(&mut self, manifest: &Manifest) -> Result<Appended, LakeError> {
        self.check(manifest)?;
        if self.appended.elapsed() > TRUSTED_SILENCE
            && let Some(newest) = newest_epoch(&self.store, &self.id).await?
            && newest.epoch >= self.next_epoch
        {
            let landed = read_manifest(&self.store, &self.id, newest.epoch).await?;
            if landed.id != manifest.id {
                return Ok(Appended::Lost { by: landed.writer });
            }
        }
        let data = manifest.kind == ManifestKind::Data;
        if data {
            failpoint::hit_of(&self.id.job, "before_manifest");
        }
        let path = names::manifest(&self.id, manifest.epoch);
        if self.store.create(&path, text(manifest)).await? == Created::AlreadyExists {
            // Either another process was faster, or an earlier try landed and its answer was lost.
            let landed = read_manifest(&self.store, &self.id, manifest.epoch).await?;
            if landed.id != manifest.id {
                return Ok(Appended::Lost { by: landed.writer });
            }
        }
        if data {
            failpoint::hit_of(&self.id.job, "after_manifest");
        }
        self.advance(manifest).await;
        Ok(Appended::Created)
    }

    /// Who wrote the chain last, and when.
    pub async fn last_sign_of_life(&self) -> Result<SignOfLife, LakeError> {
        let sign = sign_of_life(&self.store, &self.id).await?;
        sign.context(FileMissingSnafu { path: self.store.name(&names::chain_directory(&self.id)) })
    }

    fn check(&self, manifest: &Manifest) -> Result<(), LakeError> {
        let inconsistent = |reason: String| InconsistentManifestSnafu { chain: self.id.to_string(), reason };
        ensure!(manifest.chain == self.id, inconsistent(format!("the manifest is of '{}'", manifest.chain)));
        ensure!(
            manifest.epoch == self.next_epoch,
            inconsistent(format!("its epoch is {}, the next one is {}", manifest.epoch, self.next_epoch))
        );
        for (table, last_epoch) in &self.last_epochs {
            ensure!(
                manifest.tables.get(table).is_some_and(|progress| progress.last_epoch >= *last_epoch),
                inconsistent(format!("table '{table}' fell behind its last epoch {last_epoch}"))
            );
        }
        for (table, progress) in &manifest.tables {
            let before = self.last_epochs.get(table).copied().unwrap_or_default();
            let expected = if progress.has_actions() { manifest.epoch } else { before };
            ensure!(
                progress.last_epoch == expected,
                inconsistent(format!(
                    "table '{table}' says its last epoch is {}, it is {expected}",
                    progress.last_epoch
                ))
            );
        }
        Ok(())
    }

    async fn advance(&mut self, manifest: &Manifest) {
        self.next_epoch = manifest.epoch + 1;
        self.last_epochs = last_epochs(manifest);
        self.appended = Instant::now();
        if manifest.epoch.is_multiple_of(HINT_EVERY) {
            let hint = manifest.epoch.to_string();
            if let Err(error) = self.store.put(&names::hint(&self.id), hint.into()).await {
                tracing::warn!(chain = %self.id, %error, "failed to write the hint of a chain; starts take longer");
            }
        }
    }
}

fn last_epochs(manifest: &Manifest) -> BTreeMap<String, u64> {
    manifest.tables.iter().map(|(table, progress)| (table.clone(), progress.last_epoch)).collect()
}

fn text(manifest: &Manifest) -> bytes::Bytes {
    serde_json::to_vec(manifest).expect("a manifest has string and integer keys only").into()
}

/// The newest manifest of a chain, as the storage lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Newest {
    pub(crate) epoch: u64,
    stored_at_ms: i64,
}

/// Finds the end of a chain; `None` for a chain without manifests.
///
/// The hint saves listing thousands of names. One that leads nowhere is ignored.
pub(crate) async fn newest_epoch(store: &Store, chain: &ChainId) -> Result<Option<Newest>, LakeError> {
    let hint = store.read_if_exists(&names::hint(chain)).await?;
    let hinted = hint.and_then(|text| std::str::from_utf8(&text).ok()?.trim().parse::<u64>().ok());
    if let Some(before) = hinted.and_then(|epoch| epoch.checked_sub(1))
        && let Some(newest) = newest_after(store, chain, Some(&names::manifest_file(before))).await?
    {
        return Ok(Some(newest));
    }
    newest_after(store, chain, None).await
}

async fn newest_after(
    store: &Store,
    chain: &ChainId,
    after: Option<&str>,
) -> Result<Option<Newest>, LakeError> {
    let files = store.list_after(&names::chain_directory(chain), after).await?;
    let manifests = files.iter().filter_map(|file| {
        let epoch = names::epoch_of(file.location.filename()?)?;
        Some(Newest { epoch, stored_at_ms: file.last_modified.timestamp_millis() })
    });
    Ok(manifests.max_by_key(|newest| newest.epoch))
}

/// Reads one manifest, of this format or the one before.
pub(crate) async fn read_manifest(store: &Store, chain: &ChainId, epoch: u64) -> Result<Manifest, LakeError> {
    let path = names::manifest(chain, epoch);
    let content = store.read(&path).await?;
    document::parse(&store.name(&path), &content, MANIFEST_FORMAT_VERSION)
}

/// The newest manifest of a chain; `None` for a chain without manifests.
pub(crate) async fn newest_manifest(store: &Store, chain: &ChainId) -> Result<Option<Manifest>, LakeError> {
    match newest_epoch(store, chain).await? {
        Some(newest) => read_manifest(store, chain, newest.epoch).await.map(Some),
        None => Ok(None),
    }
}

/// The chains of a job that have a directory, in the order of their numbers.
pub(crate) async fn listed(store: &Store, job: &str) -> Result<Vec<ChainId>, LakeError> {
    let mut chains = Vec::new();
    for generation in numbers::<u64>(store, &names::job(job)).await? {
        for shard in numbers::<u32>(store, &format!("{}/{generation}", names::job(job))).await? {
            chains.push(ChainId { job: job.to_owned(), generation, shard });
        }
    }
    chains.sort_unstable();
    Ok(chains)
}

/// The directories that are named by a number.
pub(crate) async fn numbers<N: std::str::FromStr>(
    store: &Store,
    directory: &str,
) -> Result<Vec<N>, LakeError> {
    let names = store.list_directories(directory).await?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// Who wrote a chain last, and when; `None` for a chain without manifests.
pub(crate) async fn sign_of_life(store: &Store, chain: &ChainId) -> Result<Option<SignOfLife>, LakeError> {
    let Some(newest) = newest_epoch(store, chain).await? else { return Ok(None) };
    let manifest = read_manifest(store, chain, newest.epoch).await?;
    let age_ms = (crate::now_ms() - newest.stored_at_ms).max(0);
    let age = Duration::from_millis(age_ms.unsigned_abs());
    let is_seal = manifest.kind.is_end();
    Ok(Some(SignOfLife { writer: manifest.writer, epoch: newest.epoch, age, is_seal }))
}

#[cfg(test)]
mod tests;
