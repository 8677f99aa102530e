//! What makes this broker this broker: the cluster's id, the ids given to producers, and the lock
//! that keeps a second broker off the same directory.

use std::{
    fs::{self, File},
    path::Path,
    sync::Mutex,
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use snafu::ResultExt as _;
use uuid::Uuid;

use crate::{
    error::{BrokerError, DirectorySnafu, IdentitySnafu, InUseSnafu},
    journal::{Journal, JournalError},
    locks::lock,
};

/// How many producer ids are set aside at once, so that giving one rarely writes.
const PRODUCER_ID_BLOCK: i64 = 1_000;

#[derive(Debug, Serialize, Deserialize)]
enum Fact {
    ClusterId(String),
    ProducerIdsUsedBelow(i64),
}

/// The identity, and the directory's lock for as long as it lives.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The cluster's id, which stays the same for a data directory.
    pub(crate) cluster_id: String,
    producer_ids: Mutex<ProducerIds>,
    _lock: File,
}

#[derive(Debug)]
struct ProducerIds {
    journal: Journal,
    next: i64,
    reserved_below: i64,
}

impl Identity {
    /// Locks the data directory, creating it if need be, and reads who it belongs to.
    pub(crate) fn open(data: &Path) -> Result<Self, BrokerError> {
        fs::create_dir_all(data).context(DirectorySnafu { path: data })?;
        let lock = File::create(data.join("lock")).context(DirectorySnafu { path: data })?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return InUseSnafu { path: data }.fail();
        }
        let (mut journal, facts) = Journal::open(&data.join("identity.journal")).context(IdentitySnafu)?;
        let mut cluster_id = None;
        let mut reserved_below = 0;
        for fact in facts {
            match fact {
                Fact::ClusterId(id) => cluster_id = Some(id),
                Fact::ProducerIdsUsedBelow(id) => reserved_below = id,
            }
        }
        let cluster_id = if let Some(id) = cluster_id {
            id
        } else {
            let id = Uuid::new_v4().simple().to_string();
            journal.append(&[Fact::ClusterId(id.clone())]).context(IdentitySnafu)?;
            id
        };
        let producer_ids = Mutex::new(ProducerIds { journal, next: reserved_below, reserved_below });
        Ok(Self { cluster_id, producer_ids, _lock: lock })
    }

    /// A producer id that was never given before.
    pub(crate) fn new_producer_id(&self) -> Result<i64, JournalError> {
        let mut ids = lock(&self.producer_ids);
        if ids.next == ids.reserved_below {
            let reserved_below = ids.reserved_below + PRODUCER_ID_BLOCK;
            ids.journal.append(&[Fact::ProducerIdsUsedBelow(reserved_below)])?;
            // An id that was given twice would have new batches taken for repeated ones.
            ids.journal.flush()?;
            ids.reserved_below = reserved_below;
        }
        ids.next += 1;
        Ok(ids.next - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn producer_ids_are_never_given_twice_and_the_cluster_keeps_its_id() {
        let folder = tempfile::tempdir().unwrap();
        let mut given = Vec::new();
        let mut cluster_ids = Vec::new();
        for _ in 0..3 {
            let identity = Identity::open(folder.path()).unwrap();
            given.extend((0..1_500).map(|_| identity.new_producer_id().unwrap()));
            cluster_ids.push(identity.cluster_id.clone());
        }
        assert!(given.is_sorted_by(|left, right| left < right));
        assert!(cluster_ids.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn a_directory_in_use_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let _first = Identity::open(folder.path()).unwrap();
        let error = Identity::open(folder.path()).unwrap_err();
        assert!(matches!(error, BrokerError::InUse { .. }), "{error}");
    }
}
