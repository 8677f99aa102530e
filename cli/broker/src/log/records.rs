//! The timestamps of the records inside a batch, for looking up offsets by time.
//!
//! A batch is unpacked as a stream and only as far as needed, so that the memory this takes does
//! not depend on what the producer packed.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use super::batch::{BatchHeader, HEADER_LENGTH};

/// A record's place and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordTime {
    /// The record's offset.
    pub(crate) offset: i64,
    /// Milliseconds since 1970.
    pub(crate) timestamp: i64,
}

/// The first record of a stored batch with at least this timestamp and offset.
pub(crate) fn first_at(batch: &[u8], timestamp: i64, from_offset: i64) -> io::Result<Option<RecordTime>> {
    let header = BatchHeader::parse(batch).map_err(|_| malformed("the batch's header is damaged"))?;
    if header.has_append_time() {
        let offset = header.base_offset.max(from_offset);
        let reached = header.max_timestamp >= timestamp && offset <= header.last_offset();
        return Ok(reached.then_some(RecordTime { offset, timestamp: header.max_timestamp }));
    }
    let mut records = unpack(header.attributes, &batch[HEADER_LENGTH..])?;
    for _ in 0..header.record_count {
        let record = next_record(&header, &mut records)?;
        if record.timestamp >= timestamp && record.offset >= from_offset {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

fn next_record(header: &BatchHeader, records: &mut impl BufRead) -> io::Result<RecordTime> {
    let (length, _) = read_varint(records)?;
    let mut rest = u64::try_from(length).map_err(|_| malformed("a record has a negative length"))?;
    let mut attributes = [0];
    records.read_exact(&mut attributes)?;
    let (timestamp_delta, timestamp_length) = read_varint(records)?;
    let (offset_delta, offset_length) = read_varint(records)?;
    rest = rest
        .checked_sub(1 + timestamp_length + offset_length)
        .ok_or_else(|| malformed("a record is shorter than its fields"))?;
    let skipped = io::copy(&mut records.take(rest), &mut io::sink())?;
    if skipped < rest {
        return Err(malformed("a record reaches beyond its batch"));
    }
    Ok(RecordTime {
        offset: header.base_offset.wrapping_add(offset_delta),
        timestamp: header.base_timestamp.wrapping_add(timestamp_delta),
    })
}

/// Reads a zigzag-encoded number and tells how many bytes it took.
fn read_varint(bytes: &mut impl Read) -> io::Result<(i64, u64)> {
    let mut value = 0_u64;
    for length in 0..10 {
        let mut byte = [0];
        bytes.read_exact(&mut byte)?;
        value |= u64::from(byte[0] & 0x7f) << (7 * length);
        if byte[0] & 0x80 == 0 {
            return Ok(((value >> 1) as i64 ^ -((value & 1) as i64), length + 1));
        }
    }
    Err(malformed("a number is too long"))
}

fn unpack<'batch>(attributes: i16, records: &'batch [u8]) -> io::Result<Box<dyn BufRead + 'batch>> {
    Ok(match attributes & 7 {
        0 => Box::new(records),
        1 => Box::new(BufReader::new(flate2::read::MultiGzDecoder::new(records))),
        2 => Box::new(BufReader::new(SnappyBlocks::new(records))),
        3 => Box::new(BufReader::new(lz4::Decoder::new(records)?)),
        4 => Box::new(BufReader::new(zstd::stream::read::Decoder::new(records)?)),
        _ => return Err(malformed("the batch is compressed in an unknown way")),
    })
}

fn malformed(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// What Java's snappy streams start with, before two version numbers.
const SNAPPY_STREAM: &[u8] = b"\x82SNAPPY\0";
/// The length of a snappy stream's header.
const SNAPPY_STREAM_HEADER: usize = 16;
/// The largest block that is unpacked. A batch that is one bare block is as large as its
/// producer's batches get; Java's streams use blocks of 32 KiB.
const SNAPPY_BLOCK_LIMIT: usize = 64 << 20;

/// Snappy as Kafka's clients write it: a bare block, or a stream of blocks behind a header.
struct SnappyBlocks<'batch> {
    left: &'batch [u8],
    framed: bool,
    block: Cursor<Vec<u8>>,
}

impl<'batch> SnappyBlocks<'batch> {
    fn new(packed: &'batch [u8]) -> Self {
        let framed = packed.starts_with(SNAPPY_STREAM) && packed.len() >= SNAPPY_STREAM_HEADER;
        let left = if framed { &packed[SNAPPY_STREAM_HEADER..] } else { packed };
        Self { left, framed, block: Cursor::default() }
    }

    fn next_block(&mut self) -> io::Result<()> {
        let packed = if self.framed {
            let (length, rest) =
                self.left.split_first_chunk().ok_or_else(|| malformed("a snappy block is incomplete"))?;
            let (packed, rest) = rest
                .split_at_checked(u32::from_be_bytes(*length) as usize)
                .ok_or_else(|| malformed("a snappy block is incomplete"))?;
            self.left = rest;
            packed
        } else {
            std::mem::take(&mut self.left)
        };
        if snap::raw::decompress_len(packed)? > SNAPPY_BLOCK_LIMIT {
            return Err(malformed("a snappy block is too large"));
        }
        self.block = Cursor::new(snap::raw::Decoder::new().decompress_vec(packed)?);
        Ok(())
    }
}

impl Read for SnappyBlocks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.block.read(buffer)?;
            if read > 0 || self.left.is_empty() {
                return Ok(read);
            }
            self.next_block()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::log::fixtures::BatchBuilder;

    const RECORDS: [(i64, &str); 4] = [(100, "a"), (300, "b"), (200, "c"), (400, "d")];

    fn lookup(batch: &[u8], timestamp: i64) -> Option<(i64, i64)> {
        first_at(batch, timestamp, 0).unwrap().map(|found| (found.offset, found.timestamp))
    }

    fn assert_lookups(batch: &[u8]) {
        assert_eq!(lookup(batch, 0), Some((0, 100)));
        assert_eq!(lookup(batch, 101), Some((1, 300)));
        assert_eq!(lookup(batch, 400), Some((3, 400)));
        assert_eq!(lookup(batch, 401), None);
    }

    #[test]
    fn the_first_record_at_a_time_is_found_in_every_compression() {
        let gzip = |plain: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        };
        let lz4 = |plain: &[u8]| {
            let mut encoder = lz4::EncoderBuilder::new().build(Vec::new()).unwrap();
            encoder.write_all(plain).unwrap();
            encoder.finish().0
        };
        let snappy = |plain: &[u8]| snap::raw::Encoder::new().compress_vec(plain).unwrap();
        let framed_snappy = |plain: &[u8]| {
            let mut stream = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
            for block in plain.chunks(5) {
                let packed = snappy(block);
                stream.extend_from_slice(&(packed.len() as u32).to_be_bytes());
                stream.extend_from_slice(&packed);
            }
            stream
        };
        let zstd = |plain: &[u8]| zstd::encode_all(plain, 1).unwrap();
        let builder = || BatchBuilder::new(&RECORDS);
        assert_lookups(&builder().build());
        assert_lookups(&builder().packed(1, gzip).build());
        assert_lookups(&builder().packed(2, snappy).build());
        assert_lookups(&builder().packed(2, framed_snappy).build());
        assert_lookups(&builder().packed(3, lz4).build());
        assert_lookups(&builder().packed(4, zstd).build());
    }

    #[test]
    fn a_batch_with_append_time_answers_with_its_first_record() {
        let batch = BatchBuilder::new(&RECORDS).attributes(1 << 3).build();
        assert_eq!(lookup(&batch, 150), Some((0, 400)));
        assert_eq!(first_at(&batch, 150, 2).unwrap().unwrap().offset, 2);
        assert_eq!(lookup(&batch, 401), None);
    }

    #[test]
    fn records_below_the_first_offset_are_passed_over() {
        let batch = BatchBuilder::new(&RECORDS).build();
        assert_eq!(first_at(&batch, 0, 2).unwrap(), Some(RecordTime { offset: 2, timestamp: 200 }));
    }

    #[test]
    fn garbage_in_a_batch_is_an_error_and_never_a_panic() {
        for compression in 0..=7 {
            for filler in [0x00, 0x7f, 0x80, 0xff] {
                let batch = BatchBuilder::new(&RECORDS).packed(compression, |_| vec![filler; 40]).build();
                let _ = first_at(&batch, i64::MAX, 0);
            }
        }
        let cut = BatchBuilder::new(&RECORDS).packed(0, |plain| plain[..plain.len() - 1].to_vec()).build();
        assert!(first_at(&cut, 401, 0).is_err());
    }
}
