//! The header of a record batch (format 2): reading, checking and stamping it.
//!
//! Everything the broker has to know about a batch is in its first 61 bytes. The records behind
//! them, compressed or not, are stored and served untouched.

use kafka_protocol::error::ResponseError;

/// The length of a batch's header.
pub(crate) const HEADER_LENGTH: usize = 61;

/// What precedes the part of a batch that its length field counts.
const LENGTH_PREFIX: usize = 12;
/// Where the part that the checksum covers starts.
const CHECKED_FROM: usize = 21;

const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

/// The fields of a batch's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    /// The offset of the first record.
    pub(crate) base_offset: i64,
    /// The bytes of the whole batch, header included.
    pub(crate) length: usize,
    /// CRC-32C of everything from the attributes on.
    pub(crate) checksum: u32,
    /// Compression, kind of timestamps, transaction flags.
    pub(crate) attributes: i16,
    /// The offset of the last record, less the base offset.
    pub(crate) last_offset_delta: i32,
    /// The timestamp to which the records' deltas refer.
    pub(crate) base_timestamp: i64,
    /// The newest timestamp in the batch, or the time of the append.
    pub(crate) max_timestamp: i64,
    /// The idempotent producer, or -1.
    pub(crate) producer_id: i64,
    /// The idempotent producer's epoch.
    pub(crate) producer_epoch: i16,
    /// The idempotent producer's number of the first record.
    pub(crate) base_sequence: i32,
    /// How many records there are.
    pub(crate) record_count: i32,
}

impl BatchHeader {
    /// Reads a header; the caller checks the body.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, BatchFault> {
        let header: &[u8; HEADER_LENGTH] = bytes.first_chunk().ok_or(BatchFault::Incomplete)?;
        if header[16] != 2 {
            return Err(BatchFault::OldFormat { magic: header[16] });
        }
        let counted = usize::try_from(i32::from_be_bytes(field(header, 8))).unwrap_or(0);
        if counted < HEADER_LENGTH - LENGTH_PREFIX {
            return Err(BatchFault::Incomplete);
        }
        Ok(Self {
            base_offset: i64::from_be_bytes(field(header, 0)),
            length: counted + LENGTH_PREFIX,
            checksum: u32::from_be_bytes(field(header, 17)),
            attributes: i16::from_be_bytes(field(header, 21)),
            last_offset_delta: i32::from_be_bytes(field(header, 23)),
            base_timestamp: i64::from_be_bytes(field(header, 27)),
            max_timestamp: i64::from_be_bytes(field(header, 35)),
            producer_id: i64::from_be_bytes(field(header, 43)),
            producer_epoch: i16::from_be_bytes(field(header, 51)),
            base_sequence: i32::from_be_bytes(field(header, 53)),
            record_count: i32::from_be_bytes(field(header, 57)),
        })
    }

    /// Reads and checks the one batch of which `bytes` consists, as a producer sent it.
    pub(crate) fn of_produced(bytes: &[u8]) -> Result<Self, BatchFault> {
        let header = Self::parse(bytes)?;
        if header.length > bytes.len() {
            return Err(BatchFault::Incomplete);
        }
        if header.length < bytes.len() {
            return Err(BatchFault::SeveralBatches);
        }
        if !header.matches(bytes) {
            return Err(BatchFault::Checksum);
        }
        if header.record_count < 1 || header.record_count - 1 != header.last_offset_delta {
            return Err(BatchFault::Count);
        }
        if header.attributes & (TRANSACTIONAL | CONTROL) != 0 {
            return Err(BatchFault::Transactional);
        }
        Ok(header)
    }

    /// Whether the checksum fits the batch's bytes.
    pub(crate) fn matches(&self, batch: &[u8]) -> bool {
        batch.get(CHECKED_FROM..self.length).is_some_and(|bytes| crc32c::crc32c(bytes) == self.checksum)
    }

    /// The offset of the last record.
    pub(crate) fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    /// Whether all records carry the time of the append instead of their own.
    pub(crate) fn has_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    /// Whether an idempotent producer numbered the records.
    pub(crate) fn is_idempotent(&self) -> bool {
        self.producer_id >= 0
    }
}

/// The header of `batch` as it is to be stored: with its offset, and for topics with append time
/// with that. The rest of the batch is stored as it came.
pub(crate) fn stamp(batch: &[u8], base_offset: i64, append_time: Option<i64>) -> [u8; HEADER_LENGTH] {
    let mut header =
        *batch.first_chunk::<HEADER_LENGTH>().expect("the batch was parsed before it is stamped");
    header[0..8].copy_from_slice(&base_offset.to_be_bytes());
    // The epoch of the partition's leader: with one broker there is never a second.
    header[12..16].copy_from_slice(&0_i32.to_be_bytes());
    let attributes = i16::from_be_bytes(field(&header, 21));
    let stamped =
        if append_time.is_some() { attributes | LOG_APPEND_TIME } else { attributes & !LOG_APPEND_TIME };
    if stamped != attributes || append_time.is_some() {
        header[21..23].copy_from_slice(&stamped.to_be_bytes());
        if let Some(time) = append_time {
            header[35..43].copy_from_slice(&time.to_be_bytes());
        }
        let checked = crc32c::crc32c(&header[CHECKED_FROM..]);
        let checksum = crc32c::crc32c_append(checked, &batch[HEADER_LENGTH..]);
        header[17..21].copy_from_slice(&checksum.to_be_bytes());
    }
    header
}

fn field<const LENGTH: usize>(header: &[u8; HEADER_LENGTH], at: usize) -> [u8; LENGTH] {
    *header[at..].first_chunk().expect("the header's fields lie within it")
}

/// Why a producer's batch is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchFault {
    /// Fewer bytes than the header says, or than a header has.
    Incomplete,
    /// A message set of the formats before Kafka 0.11.
    OldFormat {
        /// The format's number.
        magic: u8,
    },
    /// More than one batch for a partition, which the protocol forbids.
    SeveralBatches,
    /// The checksum does not fit.
    Checksum,
    /// The count of records and the last offset contradict each other.
    Count,
    /// Part of a transaction.
    Transactional,
}

impl BatchFault {
    /// The protocol's error and a sentence for the producer's log.
    pub(crate) fn answer(self) -> (ResponseError, &'static str) {
        match self {
            Self::Incomplete => (ResponseError::CorruptMessage, "the record batch is incomplete"),
            Self::OldFormat { .. } => (
                ResponseError::UnsupportedForMessageFormat,
                "only record batches of format 2 (Kafka 0.11 and later) are supported",
            ),
            Self::SeveralBatches => (
                ResponseError::InvalidRecord,
                "a produce request must hold one record batch for each partition",
            ),
            Self::Checksum => (ResponseError::CorruptMessage, "the record batch's checksum does not match"),
            Self::Count => (
                ResponseError::InvalidRecord,
                "the record batch's count and last offset contradict each other",
            ),
            Self::Transactional => {
                (ResponseError::InvalidTxnState, "transactions are not supported by the embedded broker")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::fixtures::BatchBuilder;

    #[test]
    fn a_producers_batch_is_read_and_its_checksum_checked() {
        let batch = BatchBuilder::new(&[(10, "a"), (30, "b"), (20, "c")]).producer(7, 1, 40).build();
        let header = BatchHeader::of_produced(&batch).unwrap();
        assert_eq!((header.record_count, header.last_offset()), (3, 2));
        assert_eq!((header.base_timestamp, header.max_timestamp), (10, 30));
        assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (7, 1, 40));
    }

    #[test]
    fn every_flipped_bit_behind_the_checksum_is_noticed() {
        let batch = BatchBuilder::new(&[(10, "abc")]).build();
        for at in CHECKED_FROM..batch.len() {
            let mut damaged = batch.clone();
            damaged[at] ^= 4;
            assert!(BatchHeader::of_produced(&damaged).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_batch_cut_anywhere_is_refused_as_incomplete() {
        let batch = BatchBuilder::new(&[(10, "abc")]).build();
        for length in 0..batch.len() {
            assert_eq!(
                BatchHeader::of_produced(&batch[..length]),
                Err(BatchFault::Incomplete),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn two_batches_at_once_old_formats_and_transactions_are_refused() {
        let batch = BatchBuilder::new(&[(10, "abc")]).build();
        assert_eq!(BatchHeader::of_produced(&batch.repeat(2)), Err(BatchFault::SeveralBatches));
        let mut old = batch;
        old[16] = 1;
        assert_eq!(BatchHeader::of_produced(&old), Err(BatchFault::OldFormat { magic: 1 }));
        let transactional = BatchBuilder::new(&[(10, "abc")]).attributes(TRANSACTIONAL).build();
        assert_eq!(BatchHeader::of_produced(&transactional), Err(BatchFault::Transactional));
    }

    #[test]
    fn a_stamped_batch_keeps_its_records_and_a_valid_checksum() {
        let batch = BatchBuilder::new(&[(10, "abc"), (11, "def")]).build();
        for append_time in [None, Some(99)] {
            let mut stored = stamp(&batch, 1_000, append_time).to_vec();
            stored.extend_from_slice(&batch[HEADER_LENGTH..]);
            let header = BatchHeader::of_produced(&stored).unwrap();
            assert_eq!((header.base_offset, header.last_offset()), (1_000, 1_001));
            assert_eq!(header.has_append_time(), append_time.is_some());
            assert_eq!(header.max_timestamp, append_time.unwrap_or(11));
        }
    }
}
