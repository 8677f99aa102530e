//! State files: what a partition remembers, carried over a restart.
//!
//! A job's state is one base and the deltas since; both have the same format. A delta holds what one
//! epoch added; a base holds what several files hold together ([`merge`]). Integers are little-endian.
//!
//! ```text
//! file     magic "SLUICEST" | format version u32 | section* | CRC-32C of all before, u32
//! section  kind u16 | bytes of a record u16 | partition i32 | number of records u64 | record*
//! record   hash, high half u64 | hash, low half u64 | expiry i64         (kind 1: remembered rows)
//!          hash, high half u64 | hash, low half u64 | event time i64     (kind 2: rows counted by a key)
//! ```
//!
//! Of remembered rows a later record of a hash replaces an earlier one; of counted rows each record is one.
//! Watermarks and positions are in the manifest.

use std::collections::BTreeMap;

use sluice_contract::config::WorkerConfig;
use sluice_contract::manifest::PartitionProgress;
use snafu::OptionExt;

use crate::deduplication::{Entry, Key};
use crate::velocity::Counted;
use crate::watermark::{Watermark, micros};

/// The format that this build writes. It reads this one and the one before.
pub const STATE_FORMAT_VERSION: u32 = 1;

pub(crate) mod frame;
#[cfg(test)]
mod tests;

use frame::{Frame, SectionSnafu, array};

pub use frame::StateError;

const FRAME: Frame = Frame { magic: "SLUICEST", newest: STATE_FORMAT_VERSION };
const SECTION_HEADER_BYTES: usize = 16;
const RECORD_BYTES: usize = 24;

/// What a state file is trimmed by: what lies further back than this is forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// How far watermarks trail the largest event time.
    pub max_out_of_orderness_ms: u64,
    /// How far behind the watermark rows are counted by their keys; 0 where none are.
    pub keep_ms: u64,
}

impl Retention {
    /// What ingest forgets.
    pub fn of(config: &WorkerConfig) -> Self {
        Self { max_out_of_orderness_ms: config.source.event_time.max_out_of_orderness_ms, keep_ms: 0 }
    }
}

/// What the records of a section are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    RememberedRows = 1,
    CountedRows = 2,
}

impl Kind {
    fn of(code: u16) -> Option<Self> {
        [Self::RememberedRows, Self::CountedRows].into_iter().find(|kind| *kind as u16 == code)
    }
}

/// The records of one partition and kind in a state file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section<'a> {
    /// Number of the partition.
    pub(crate) partition: i32,
    kind: Kind,
    records: &'a [u8],
}

impl<'a> Section<'a> {
    /// The remembered rows, oldest first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> + use<'a> {
        self.records_of(Kind::RememberedRows).map(Entry::from)
    }

    /// The counted rows, oldest first.
    pub(crate) fn counted(&self) -> impl Iterator<Item = Counted> + use<'a> {
        self.records_of(Kind::CountedRows).map(Counted::from)
    }

    /// The records, if they are of that kind.
    fn records_of(&self, kind: Kind) -> impl Iterator<Item = Record> + use<'a> {
        let records = if self.kind == kind { self.records } else { &[] };
        records.chunks_exact(RECORD_BYTES).map(|record| Record {
            high: u64::from_le_bytes(array(record, 0)),
            low: u64::from_le_bytes(array(record, 8)),
            microseconds: i64::from_le_bytes(array(record, 16)),
        })
    }
}

/// What all kinds of records have: a hash and a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    high: u64,
    low: u64,
    microseconds: i64,
}

impl From<Record> for Entry {
    fn from(record: Record) -> Self {
        Self { high: record.high, low: record.low, expiry_us: record.microseconds }
    }
}

impl From<Entry> for Record {
    fn from(entry: Entry) -> Self {
        Self { high: entry.high, low: entry.low, microseconds: entry.expiry_us }
    }
}

impl From<Record> for Counted {
    fn from(record: Record) -> Self {
        let hash = u128::from(record.high) << 64 | u128::from(record.low);
        Self { key: Key::new(hash), event_time_us: record.microseconds }
    }
}

impl From<Counted> for Record {
    fn from(counted: Counted) -> Self {
        let Counted { key, event_time_us } = counted;
        Self { high: key.high(), low: key.low(), microseconds: event_time_us }
    }
}

/// Checks a file as a whole and gives its sections.
pub(crate) fn read(file: &[u8]) -> Result<Vec<Section<'_>>, StateError> {
    let body = FRAME.open(file)?;
    let mut sections = Vec::new();
    let mut position = frame::HEADER_BYTES;
    while position < body.len() {
        let section = read_section(body, position)?;
        position += SECTION_HEADER_BYTES + section.records.len();
        sections.push(section);
    }
    Ok(sections)
}

fn read_section(body: &[u8], position: usize) -> Result<Section<'_>, StateError> {
    let cut = SectionSnafu { position, problem: "ends beyond the file" };
    let header = body.get(position..position + SECTION_HEADER_BYTES).context(cut)?;
    let kind = u16::from_le_bytes(array(header, 0));
    let record_bytes = u16::from_le_bytes(array(header, 2)) as usize;
    let kind = Kind::of(kind)
        .filter(|_| record_bytes == RECORD_BYTES)
        .context(SectionSnafu { position, problem: "is of a kind that this worker does not know" })?;
    let records = u64::from_le_bytes(array(header, 8));
    let start = position + SECTION_HEADER_BYTES;
    let bytes =
        usize::try_from(records).ok().and_then(|records| records.checked_mul(record_bytes)).context(cut)?;
    let end = start.checked_add(bytes).context(cut)?;
    let records = body.get(start..end).context(cut)?;
    Ok(Section { partition: i32::from_le_bytes(array(header, 4)), kind, records })
}

/// What a partition adds to a state file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Additions<'a> {
    /// Rows that deduplication remembers.
    pub(crate) remembered: &'a [Entry],
    /// Rows that are counted by their keys.
    pub(crate) counted: &'a [Counted],
}

/// The file that holds the additions of each partition; `None` when there are none.
pub(crate) fn write<'a>(partitions: impl Iterator<Item = (i32, Additions<'a>)>) -> Option<Vec<u8>> {
    let mut file = StateFile::new();
    for (partition, Additions { remembered, counted }) in partitions {
        file.push_section(Kind::RememberedRows, partition, remembered.iter().copied().map(Record::from));
        file.push_section(Kind::CountedRows, partition, counted.iter().copied().map(Record::from));
    }
    file.finish()
}

/// Makes one base of several files, given in the order in which they would be loaded.
///
/// What the watermarks of `progress` have passed is left out, and so are partitions that it does not
/// name: they belong to other shards. `None` when nothing is left. It works on immutable files,
/// so a base can be made in the background without a frozen copy of the memory.
pub fn merge<F: AsRef<[u8]>>(
    files: &[F],
    progress: &BTreeMap<i32, PartitionProgress>,
    retention: Retention,
) -> Result<Option<Vec<u8>>, StateError> {
    let mut sections: BTreeMap<i32, Vec<Section<'_>>> = BTreeMap::new();
    for file in files {
        for section in read(file.as_ref())? {
            sections.entry(section.partition).or_default().push(section);
        }
    }
    // A base of millions of entries that grew as it came would be there twice for a moment.
    let mut base = StateFile::with_capacity(files.iter().map(|file| file.as_ref().len()).sum());
    for (partition, sections) in sections {
        let Some(progress) = progress.get(&partition) else { continue };
        let watermark = Watermark::new(progress.max_event_time_us, retention.max_out_of_orderness_ms);
        let watermark_us = watermark.value_us();
        // A hash is remembered anew only after its earlier entry expired, so what has not expired is unique.
        let entries = sections.iter().flat_map(Section::entries);
        let live = entries.filter(|entry| !entry.is_expired(watermark_us));
        base.push_section(Kind::RememberedRows, partition, live.map(Record::from));
        let horizon_us = watermark_us.saturating_sub(micros(retention.keep_ms));
        let counted = sections.iter().flat_map(Section::counted);
        let live = counted.filter(|counted| counted.event_time_us >= horizon_us);
        base.push_section(Kind::CountedRows, partition, live.map(Record::from));
    }
    Ok(base.finish())
}

/// A state file in the making.
struct StateFile {
    bytes: Vec<u8>,
}

impl StateFile {
    fn new() -> Self {
        Self { bytes: FRAME.begin() }
    }

    /// With room for so many bytes.
    fn with_capacity(bytes: usize) -> Self {
        let mut file = Self::new();
        file.bytes.reserve_exact(bytes);
        file
    }

    fn push_section(&mut self, kind: Kind, partition: i32, records: impl Iterator<Item = Record>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&(kind as u16).to_le_bytes());
        self.bytes.extend_from_slice(&(RECORD_BYTES as u16).to_le_bytes());
        self.bytes.extend_from_slice(&partition.to_le_bytes());
        let count_position = self.bytes.len();
        self.bytes.extend_from_slice(&0_u64.to_le_bytes());
        let mut count = 0_u64;
        for record in records {
            self.bytes.extend_from_slice(&record.high.to_le_bytes());
            self.bytes.extend_from_slice(&record.low.to_le_bytes());
            self.bytes.extend_from_slice(&record.microseconds.to_le_bytes());
            count += 1;
        }
        if count == 0 {
            self.bytes.truncate(start);
        } else {
            self.bytes[count_position..count_position + 8].copy_from_slice(&count.to_le_bytes());
        }
    }

    fn finish(self) -> Option<Vec<u8>> {
        (self.bytes.len() > frame::HEADER_BYTES).then(|| Frame::seal(self.bytes))
    }
}
