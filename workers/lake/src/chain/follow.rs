//! [`Follow`]: the manifests that bring no rows of their own, claims and seals, which anybody may create
//! after the newest one of a chain.

use std::collections::BTreeMap;

use sluice_contract::manifest::{
    ChainId, MANIFEST_FORMAT_VERSION, Manifest, ManifestKind, StateFiles, TableProgress, Writer,
};
use uuid::Uuid;

use super::{names, read_manifest, text};
use crate::error::LakeError;
use crate::store::{Created, Store};

/// Who makes a manifest, and what it is.
pub(crate) struct Follow<'a> {
    pub(crate) kind: ManifestKind,
    pub(crate) writer: &'a Writer,
    pub(crate) configuration: &'a str,
}

impl Follow<'_> {
    /// The first manifest of a chain: nothing is known yet.
    pub(crate) fn first(&self, chain: ChainId) -> Manifest {
        self.at(chain, 0)
    }

    /// The manifest of an epoch, with nothing in it.
    pub(crate) fn at(&self, chain: ChainId, epoch: u64) -> Manifest {
        Manifest {
            format_version: MANIFEST_FORMAT_VERSION,
            id: Uuid::new_v4(),
            chain,
            epoch,
            kind: self.kind,
            writer: self.writer.clone(),
            created_at_ms: crate::now_ms(),
            configuration: self.configuration.to_owned(),
            rule_set: None,
            partitions: BTreeMap::new(),
            tables: BTreeMap::new(),
            state: StateFiles::default(),
            partial_aggregates: None,
            folded: BTreeMap::new(),
            recompute: None,
        }
    }

    /// The manifest after `newest`: the same standing, no data.
    pub(crate) fn after(&self, newest: Manifest) -> Manifest {
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
            recompute: None,
            ..self.first(newest.chain)
        }
    }
}

/// Creates a manifest; whether it was this one that got its place in the chain.
pub(crate) async fn follow(store: &Store, manifest: &Manifest) -> Result<bool, LakeError> {
    let path = names::manifest(&manifest.chain, manifest.epoch);
    match store.create(&path, text(manifest)).await? {
        Created::Created => Ok(true),
        // Another process was faster, or an earlier try landed and its answer was lost.
        Created::AlreadyExists => {
            Ok(read_manifest(store, &manifest.chain, manifest.epoch).await?.id == manifest.id)
        }
    }
}
