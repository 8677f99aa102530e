//! Sealing: ends a chain for good, whoever holds it.

use sluice_contract::manifest::{ChainId, Manifest, ManifestKind, Writer};

use super::claim::ATTEMPTS;
use super::follow::{Follow, follow};
use super::{names, newest_manifest};
use crate::error::{ContendedSnafu, LakeError};
use crate::failpoint;
use crate::store::Store;

/// Ends a chain, unless it has ended; gives its last manifest. Epoch 0: nobody has ever claimed it.
///
/// The holder learns of it at its next epoch, whose name is taken. An epoch that was faster is kept: the seal
/// comes after it.
pub(crate) async fn seal(
    store: &Store,
    id: &ChainId,
    writer: &Writer,
    configuration: &str,
) -> Result<Manifest, LakeError> {
    for _ in 0..ATTEMPTS {
        let next = Follow { kind: ManifestKind::Sealed, writer, configuration };
        let seal = match newest_manifest(store, id).await? {
            Some(newest) if newest.kind.is_end() => return Ok(newest),
            Some(newest) => next.after(newest),
            None => next.first(id.clone()),
        };
        failpoint::hit_of(&id.job, "before_seal");
        if follow(store, &seal).await? {
            failpoint::hit_of(&id.job, "after_seal");
            tracing::info!(chain = %id, epoch = seal.epoch, "sealed a chain of the generation before");
            return Ok(seal);
        }
    }
    ContendedSnafu { action: "seal", path: store.name(&names::chain_directory(id)), attempts: ATTEMPTS }
        .fail()
}
