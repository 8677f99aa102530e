//! [`Store`]: the catalogue and its log, shared by all requests.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use crate::catalogue::{Catalogue, Decision};
use crate::log::{Log, LogError};
use crate::refusal::Refusal;

/// The catalogue and its log. Writers take turns; readers never wait for a disk.
#[derive(Debug)]
pub(crate) struct Store {
    catalogue: RwLock<Catalogue>,
    log: Mutex<Log>,
}

impl Store {
    /// Replays the log of a directory.
    pub(crate) fn open(directory: &Path) -> Result<Self, LogError> {
        let (log, events) = Log::open(directory)?;
        let mut catalogue = Catalogue::default();
        for (index, event) in events.into_iter().enumerate() {
            catalogue.apply(event).map_err(|error| log.damaged(index + 1, error.to_string()))?;
        }
        Ok(Self { catalogue: RwLock::new(catalogue), log: Mutex::new(log) })
    }

    /// The catalogue, for reading.
    pub(crate) fn catalogue(&self) -> RwLockReadGuard<'_, Catalogue> {
        self.catalogue.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides, makes the event durable, applies it, and only then gives the answer. Blocks on the disk.
    pub(crate) fn change<T>(
        &self,
        decide: impl FnOnce(&Catalogue) -> Result<Decision<T>, Refusal>,
    ) -> Result<T, Refusal> {
        let mut log: MutexGuard<'_, Log> = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let Decision { event, answer } = decide(&self.catalogue())?;
        if let Some(event) = event {
            log.append(&event).map_err(|error| Refusal::Store { message: error.to_string() })?;
            let mut catalogue = self.catalogue.write().unwrap_or_else(PoisonError::into_inner);
            catalogue.apply(event).map_err(|error| Refusal::Store { message: error.to_string() })?;
        }
        Ok(answer)
    }
}
