//! Record batches for tests, written byte by byte.

use super::batch::HEADER_LENGTH;

/// A record batch as a producer would send it.
pub(crate) struct BatchBuilder {
    records: Vec<u8>,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    attributes: i16,
    producer: (i64, i16, i32),
}

impl BatchBuilder {
    /// Records of these timestamps and values.
    pub(crate) fn new(records: &[(i64, &str)]) -> Self {
        let base_timestamp = records.first().map_or(0, |record| record.0);
        let mut encoded = Vec::new();
        for (number, (timestamp, value)) in records.iter().enumerate() {
            let mut record = vec![0];
            put_varint(&mut record, timestamp - base_timestamp);
            put_varint(&mut record, number as i64);
            put_varint(&mut record, -1);
            put_varint(&mut record, value.len() as i64);
            record.extend_from_slice(value.as_bytes());
            put_varint(&mut record, 0);
            put_varint(&mut encoded, record.len() as i64);
            encoded.extend_from_slice(&record);
        }
        Self {
            records: encoded,
            count: records.len() as i32,
            base_timestamp,
            max_timestamp: records.iter().map(|record| record.0).max().unwrap_or(0),
            attributes: 0,
            producer: (-1, -1, -1),
        }
    }

    /// The idempotent producer's id, epoch and number of the first record.
    pub(crate) fn producer(mut self, id: i64, epoch: i16, sequence: i32) -> Self {
        self.producer = (id, epoch, sequence);
        self
    }

    /// Sets flags.
    pub(crate) fn attributes(mut self, attributes: i16) -> Self {
        self.attributes |= attributes;
        self
    }

    /// Packs the records.
    pub(crate) fn packed(mut self, compression: i16, pack: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        self.records = pack(&self.records);
        self.attributes |= compression;
        self
    }

    /// The batch's bytes.
    pub(crate) fn build(self) -> Vec<u8> {
        let mut checked = self.attributes.to_be_bytes().to_vec();
        checked.extend_from_slice(&(self.count - 1).to_be_bytes());
        checked.extend_from_slice(&self.base_timestamp.to_be_bytes());
        checked.extend_from_slice(&self.max_timestamp.to_be_bytes());
        checked.extend_from_slice(&self.producer.0.to_be_bytes());
        checked.extend_from_slice(&self.producer.1.to_be_bytes());
        checked.extend_from_slice(&self.producer.2.to_be_bytes());
        checked.extend_from_slice(&self.count.to_be_bytes());
        checked.extend_from_slice(&self.records);
        let mut batch = 0_i64.to_be_bytes().to_vec();
        batch.extend_from_slice(&(checked.len() as i32 + 9).to_be_bytes());
        batch.extend_from_slice(&(-1_i32).to_be_bytes());
        batch.push(2);
        batch.extend_from_slice(&crc32c::crc32c(&checked).to_be_bytes());
        batch.extend_from_slice(&checked);
        assert!(batch.len() >= HEADER_LENGTH);
        batch
    }
}

fn put_varint(bytes: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}
