//! At the start, brings a table up to the chain that was taken over, or to those that it goes on from.

use sluice_contract::manifest::{ChainId, Manifest};
use snafu::ensure;

use super::Table;
use super::head::{self, entry_path};
use super::roll_forward::RolledForward;
use crate::chain::{names, read_manifest};
use crate::error::{InconsistentManifestSnafu, LakeError, LogEntryTornSnafu, StateLostSnafu};

/// What [`Lake::recover`](crate::Lake::recover) did for one chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Epochs committed that a process before this one had left undone, oldest first.
    pub redone: Vec<u64>,
    /// Version whose log entry was torn, and has been written again from its manifest.
    pub rebuilt: Option<u64>,
}

impl Table {
    /// Redoes, in order, every epoch of a chain up to `up_to` that the table lacks.
    pub(crate) async fn recover(
        &mut self,
        chain: &ChainId,
        up_to: &Manifest,
    ) -> Result<Recovered, LakeError> {
        let rebuilt = self.rebuild_torn_entry(chain, up_to).await?;
        let mut redone = Vec::new();
        let pending = self.pending(chain, up_to).await?;
        if pending.is_empty() {
            self.verify_last(chain, up_to).await?;
        }
        for manifest in pending.iter().rev() {
            match self.roll_forward(manifest).await? {
                RolledForward::Committed { .. } => redone.push(manifest.epoch),
                RolledForward::Overtaken { version } => {
                    tracing::warn!(
                        table = self.spec.name,
                        version,
                        "a replay that died gave way to a compaction: run it again"
                    );
                }
                RolledForward::AlreadyThere { .. } | RolledForward::Nothing => {}
            }
        }
        Ok(Recovered { redone, rebuilt })
    }

    /// [`Self::recover`] for several chains. A torn entry is written again from whichever of them has one
    /// that is pending, before the others go on.
    pub(crate) async fn recover_all(&mut self, newest: &[Manifest]) -> Result<Vec<Recovered>, LakeError> {
        let mut recovered = Vec::new();
        let mut left: Vec<&Manifest> = newest.iter().collect();
        while !left.is_empty() {
            let mut held_up = Vec::new();
            let mut torn = None;
            for manifest in left.iter().copied() {
                match self.recover(&manifest.chain, manifest).await {
                    Ok(done) => recovered.push(done),
                    Err(error @ LakeError::LogEntryTorn { .. }) => {
                        held_up.push(manifest);
                        torn = Some(error);
                    }
                    Err(error) => return Err(error),
                }
            }
            if let Some(error) = torn
                && held_up.len() == left.len()
            {
                return Err(error);
            }
            left = held_up;
        }
        Ok(recovered)
    }

    /// The manifests with actions that the table lacks, newest first.
    ///
    /// Each manifest says which epoch before it had actions for the table, so idle ones are never read.
    async fn pending(&mut self, chain: &ChainId, up_to: &Manifest) -> Result<Vec<Manifest>, LakeError> {
        let name = self.spec.name.clone();
        let application = chain.to_string();
        let known = self.transaction(&application).await?;
        let mut epoch = last_epoch(up_to, &name);
        if let Some(found) = known {
            // An epoch that the manifests do not have, or say was empty.
            ensure!(
                found <= epoch as i64,
                StateLostSnafu { table: name, application, found, newest: up_to.epoch }
            );
        }
        let mut pending = Vec::new();
        // Epoch 0 is always a claim: it has no actions.
        while epoch > 0 && epoch as i64 > known.unwrap_or_default() {
            let manifest = read_manifest(&self.store, chain, epoch).await?;
            ensure!(
                manifest.commit_to(&name).is_some(),
                InconsistentManifestSnafu {
                    chain: &application,
                    reason: format!(
                        "epoch {epoch} has no actions for table '{name}', though later ones say so"
                    ),
                }
            );
            pending.push(manifest);
            epoch = last_epoch(&read_manifest(&self.store, chain, epoch - 1).await?, &name);
        }
        Ok(pending)
    }

    /// Makes sure that the newest epoch, which the table says it has, came from the chain's manifest.
    async fn verify_last(&mut self, chain: &ChainId, up_to: &Manifest) -> Result<(), LakeError> {
        let epoch = last_epoch(up_to, &self.spec.name);
        if epoch == 0 {
            return Ok(());
        }
        match read_manifest(&self.store, chain, epoch).await {
            Ok(manifest) => self.find_committed(&manifest, epoch as i64).await.map(drop),
            // Pruned: a table that seldom gets rows may have its last ones from long ago.
            Err(LakeError::FileMissing { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Replaces a torn entry at the end of the log by the epoch that comes next on this chain.
    ///
    /// Whichever chain the entry was of: an epoch that is replaced is still pending on its own chain, and
    /// finds a later version. The processes of a lake first agree on the new text (create-if-absent),
    /// then all write the same, so that none can overwrite what another has completed.
    async fn rebuild_torn_entry(
        &mut self,
        chain: &ChainId,
        up_to: &Manifest,
    ) -> Result<Option<u64>, LakeError> {
        let Some(version) = self.torn else { return Ok(None) };
        let table = self.spec.name.clone();
        let still_torn =
            head::find(&self.store, &table).await?.is_some_and(|head| head.torn && head.version == version);
        if !still_torn {
            self.reload().await?;
            return Ok(None);
        }
        let agreement = names::repair(&table, version);
        let path = entry_path(&table, version);
        if self.store.read_if_exists(&agreement).await?.is_none() {
            let pending = self.pending(chain, up_to).await?;
            let torn = LogEntryTornSnafu { table: &table, path: self.store.name(&path) };
            let next = pending.last().and_then(|manifest| Some((manifest, manifest.commit_to(&table)?)));
            let Some((manifest, progress)) = next else { return torn.fail() };
            let text = self.entry(manifest, progress).await?;
            self.store.create(&agreement, text.into()).await?;
        }
        let text = self.store.read(&agreement).await?;
        self.store.put(&path, text).await?;
        tracing::warn!(table, version, "wrote a torn log entry again");
        self.reload().await?;
        Ok(Some(version))
    }
}

/// The newest epoch up to a manifest that had actions for a table; 0 for none.
fn last_epoch(manifest: &Manifest, table: &str) -> u64 {
    manifest.tables.get(table).map(|progress| progress.last_epoch).unwrap_or_default()
}
