//! [`Claim`]: a process takes a chain over, by creating its next manifest before it reads any state.

use std::collections::BTreeMap;

use sluice_contract::manifest::{
    ChainId, MANIFEST_FORMAT_VERSION, Manifest, ManifestKind, StateFiles, TableProgress, Writer,
};
use snafu::ensure;
use uuid::Uuid;

use super::{Chain, names, newest_epoch, read_manifest, text};
use crate::error::{ChainSealedSnafu, ContendedSnafu, LakeError};
use crate::failpoint;
use crate::store::{Created, Store};

/// So many others cannot be starting at once, unless something is very wrong.
const ATTEMPTS: u32 = 20;

/// How an attempt to take a chain over ended.
#[derive(Debug)]
pub enum Claim {
    /// The chain is ours until another process claims it.
    Won {
        /// The chain, for the epochs to come.
        chain: Chain,
        /// The claim just written: positions, state and the tables' last epochs of the newest manifest
        /// before it; empty for a fresh chain (epoch 0).
        manifest: Box<Manifest>,
    },
    /// A process of a newer deployment holds the chain.
    HeldByNewer {
        /// Who holds it.
        writer: Writer,
    },
}

/// Takes a chain over, unless a newer deployment holds it.
pub(crate) async fn claim(
    store: &Store,
    id: ChainId,
    writer: Writer,
    configuration: &str,
) -> Result<Claim, LakeError> {
    for _ in 0..ATTEMPTS {
        let newest = match newest_epoch(store, &id).await? {
            Some(newest) => Some(read_manifest(store, &id, newest.epoch).await?),
            None => None,
        };
        if let Some(newest) = &newest {
            ensure!(
                newest.kind != ManifestKind::Sealed,
                ChainSealedSnafu { chain: id.to_string(), epoch: newest.epoch }
            );
            if newest.writer.deployment_revision > writer.deployment_revision {
                return Ok(Claim::HeldByNewer { writer: newest.writer.clone() });
            }
        }
        let claim = claim_after(newest, id.clone(), writer.clone(), configuration);
        let path = names::manifest(&id, claim.epoch);
        let won = match store.create(&path, text(&claim)).await? {
            Created::Created => true,
            Created::AlreadyExists => read_manifest(store, &id, claim.epoch).await?.id == claim.id,
        };
        if won {
            failpoint::hit("after_claim");
            let chain = Chain::after(store.clone(), &claim);
            return Ok(Claim::Won { chain, manifest: Box::new(claim) });
        }
    }
    ContendedSnafu { action: "claim", path: store.name(&names::chain_directory(&id)), attempts: ATTEMPTS }
        .fail()
}

/// The claim that follows a manifest: the same standing, no data.
fn claim_after(newest: Option<Manifest>, chain: ChainId, writer: Writer, configuration: &str) -> Manifest {
    let claim = Manifest {
        format_version: MANIFEST_FORMAT_VERSION,
        id: Uuid::new_v4(),
        chain,
        epoch: 0,
        kind: ManifestKind::Claim,
        writer,
        created_at_ms: crate::now_ms(),
        configuration: configuration.to_owned(),
        rule_set: None,
        partitions: BTreeMap::new(),
        tables: BTreeMap::new(),
        state: StateFiles::default(),
        partial_aggregates: None,
        folded: BTreeMap::new(),
    };
    let Some(newest) = newest else { return claim };
    let tables = newest.tables.into_iter().map(|(table, progress)| {
        (table, TableProgress { last_epoch: progress.last_epoch, ..TableProgress::default() })
    });
    Manifest {
        epoch: newest.epoch + 1,
        rule_set: newest.rule_set,
        partitions: newest.partitions,
        tables: tables.collect(),
        state: newest.state,
        folded: newest.folded,
        ..claim
    }
}
