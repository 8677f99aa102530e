//! What all connections share.

use std::{
    error::Error,
    sync::atomic::{AtomicBool, Ordering},
};

use snafu::ResultExt as _;

use crate::{
    config::BrokerConfig,
    error::{BrokerError, OffsetsSnafu},
    groups::coordinator::Coordinator,
    identity::Identity,
    offsets::Offsets,
    topics::Topics,
};

/// The broker's state, on disk and in memory.
#[derive(Debug)]
pub(crate) struct Node {
    /// What the broker was started with.
    pub(crate) config: BrokerConfig,
    /// Whose directory it is.
    pub(crate) identity: Identity,
    /// The topics with their records.
    pub(crate) topics: Topics,
    /// Where the groups are.
    pub(crate) offsets: Offsets,
    /// Who is in the groups.
    pub(crate) coordinator: Coordinator,
    stopping: AtomicBool,
}

impl Node {
    /// Opens the data directory.
    pub(crate) fn open(config: BrokerConfig) -> Result<Self, BrokerError> {
        let data = &config.data;
        let identity = Identity::open(data)?;
        let topics = Topics::open(data, config.default_retention, config.limits.partitions_per_topic)?;
        let offsets = Offsets::open(data).context(OffsetsSnafu)?;
        let coordinator = Coordinator::default();
        Ok(Self { config, identity, topics, offsets, coordinator, stopping: AtomicBool::new(false) })
    }

    /// Whether the broker is about to stop, so that nobody is to wait any longer.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Tells everybody who waits that the broker stops.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.coordinator.wake_all();
    }

    /// Forces to the disk what was written. What fails is logged and tried again the next time.
    pub(crate) fn flush(&self) {
        for topic in self.topics.all() {
            for partition in topic.partitions() {
                if let Err(error) = partition.flush() {
                    tracing::warn!(topic = topic.name, error = &error as &dyn Error, "failed to flush");
                }
            }
        }
        let journals = [self.topics.unflushed_catalogue(), self.offsets.unflushed_journal()];
        for file in journals.into_iter().flatten() {
            if let Err(error) = file.sync_data() {
                tracing::warn!(error = &error as &dyn Error, "failed to flush a journal");
            }
        }
    }

    /// Deletes what has expired.
    pub(crate) fn delete_expired(&self, now_ms: i64) {
        for topic in self.topics.all() {
            let retention = topic.settings().retention;
            for (number, partition) in topic.partitions().iter().enumerate() {
                match partition.delete_expired(retention, now_ms) {
                    Ok(0) => {}
                    Ok(segments) => {
                        tracing::info!(
                            topic = topic.name,
                            partition = number,
                            segments,
                            "deleted expired segments"
                        );
                    }
                    Err(error) => {
                        let error = &error as &dyn Error;
                        tracing::warn!(
                            topic = topic.name,
                            partition = number,
                            error,
                            "failed to delete segments"
                        );
                    }
                }
            }
        }
    }
}
