//! [`Core`]: what [`Ingest`] and [`Scoring`] have in common: a memory of partitions that goes on after restarts.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use sluice_contract::manifest::PartitionProgress;

use crate::{ClosedEpoch, Ingest, Scoring, StateError};

/// A core of a stream.
pub trait Core {
    /// See [`Ingest::restore`].
    fn restore(&mut self, partition: i32, progress: &PartitionProgress);

    /// See [`Ingest::load_state`].
    ///
    /// # Errors
    /// As there.
    fn load_state(&mut self, file: &[u8]) -> Result<(), StateError>;

    /// See [`Ingest::remember`].
    ///
    /// # Errors
    /// As there.
    fn remember(&mut self, bronze: &RecordBatch) -> Result<(), ArrowError>;

    /// See [`Ingest::close_epoch`].
    fn close_epoch(&mut self) -> ClosedEpoch;
}

macro_rules! by_its_own_methods {
    ($core:ty) => {
        impl Core for $core {
            fn restore(&mut self, partition: i32, progress: &PartitionProgress) {
                Self::restore(self, partition, progress);
            }

            fn load_state(&mut self, file: &[u8]) -> Result<(), StateError> {
                Self::load_state(self, file)
            }

            fn remember(&mut self, bronze: &RecordBatch) -> Result<(), ArrowError> {
                Self::remember(self, bronze)
            }

            fn close_epoch(&mut self) -> ClosedEpoch {
                Self::close_epoch(self)
            }
        }
    };
}

by_its_own_methods!(Ingest);
by_its_own_methods!(Scoring);
