//! [`Transaction`]: one purchase, small and copyable; and [`PlannedMessage`]: how it goes to Kafka.

use super::calendar::TimestampForm;
use super::faults::Special;

/// One purchase. Texts are indices into the [`World`](super::world::World).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Transaction {
    pub(super) id: u128,
    pub(super) user_id: u32,
    pub(super) cents: u64,
    pub(super) merchant: u16,
    pub(super) event_time_us: i64,
    pub(super) timestamp_form: TimestampForm,
    pub(super) is_fraud: bool,
    pub(super) method: u8,
    pub(super) city: u8,
    pub(super) location_shape: LocationShape,
    pub(super) device: u64,
    pub(super) application: u8,
    pub(super) session: u64,
}

/// How a location is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LocationShape {
    CityCountry,
    City,
    CityRegionCountry,
}

/// A transaction on its way to Kafka.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PlannedMessage {
    /// Becomes the Kafka timestamp.
    pub(super) arrival_us: i64,
    pub(super) transaction: Transaction,
    pub(super) placement: Placement,
    /// What is out of the ordinary about it.
    pub(super) special: Option<&'static Special>,
    /// Why it is sent.
    pub(super) origin: Origin,
}

/// On which partition a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// The one that its key hashes to.
    ByKey,
    /// The next one: what a producer with another partitioner would do.
    Beside,
}

/// Why a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It happened.
    Fresh,
    /// It is sent once more, byte by byte.
    Redelivered,
    /// Its first version was refused; this is the repaired one, under the same id.
    Corrected,
}
