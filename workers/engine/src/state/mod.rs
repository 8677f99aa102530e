//! State files: what a partition remembers, carried over a restart.
//!
//! A job's state is one base and the deltas since; both have the same format. A delta holds what one
//! epoch added; a base holds what several files hold together ([`merge`]). Integers are little-endian.
//!
//! ```text
//! file     magic "SLUICEST" | format version u32 | section* | CRC-32C of all before, u32
//! section  kind u16 | bytes of a record u16 | partition i32 | number of records u64 | record*
//! record   hash, high half u64 | hash, low half u64 | expiry i64         (kind 1: remembered rows)
//! ```
//!
//! A later record of a hash replaces an earlier one. Watermarks and positions are in the manifest.

use std::collections::BTreeMap;

use sluice_contract::manifest::PartitionProgress;
use snafu::{OptionExt, ensure};

use crate::deduplication::Entry;
use crate::watermark::Watermark;

/// The format that this build writes. It reads this one and the one before.
pub const STATE_FORMAT_VERSION: u32 = 1;

pub(crate) mod frame;
#[cfg(test)]
mod tests;

use frame::{Frame, SectionSnafu, array};

pub use frame::StateError;

const FRAME: Frame = Frame { magic: "SLUICEST", newest: STATE_FORMAT_VERSION };
const SECTION_HEADER_BYTES: usize = 16;
const KIND_REMEMBERED_ROWS: u16 = 1;
const ENTRY_BYTES: usize = 24;

/// The records of one partition in a state file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section<'a> {
    /// Number of the partition.
    pub(crate) partition: i32,
    records: &'a [u8],
}

impl<'a> Section<'a> {
    /// The remembered rows, oldest first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> + use<'a> {
        self.records.chunks_exact(ENTRY_BYTES).map(|record| Entry {
            high: u64::from_le_bytes(array(record, 0)),
            low: u64::from_le_bytes(array(record, 8)),
            expiry_us: i64::from_le_bytes(array(record, 16)),
        })
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
    ensure!(
        kind == KIND_REMEMBERED_ROWS && record_bytes == ENTRY_BYTES,
        SectionSnafu { position, problem: "is of a kind that this worker does not know" }
    );
    let records = u64::from_le_bytes(array(header, 8));
    let start = position + SECTION_HEADER_BYTES;
    let bytes =
        usize::try_from(records).ok().and_then(|records| records.checked_mul(record_bytes)).context(cut)?;
    let end = start.checked_add(bytes).context(cut)?;
    let records = body.get(start..end).context(cut)?;
    Ok(Section { partition: i32::from_le_bytes(array(header, 4)), records })
}

/// The file that holds the entries of each partition; `None` when there are none.
pub(crate) fn write<'a>(partitions: impl Iterator<Item = (i32, &'a [Entry])>) -> Option<Vec<u8>> {
    let mut file = StateFile::new();
    for (partition, entries) in partitions {
        file.push_section(partition, entries.iter().copied());
    }
    file.finish()
}

/// Makes one base of several files, given in the order in which they would be loaded.
///
/// Entries that the watermarks of `progress` have passed are left out, and so are partitions that it
/// does not name: they belong to other shards. `None` when nothing is left. It works on immutable files,
/// so a base can be made in the background without a frozen copy of the memory.
pub fn merge<F: AsRef<[u8]>>(
    files: &[F],
    progress: &BTreeMap<i32, PartitionProgress>,
    max_out_of_orderness_ms: u64,
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
        let watermark_us = Watermark::new(progress.max_event_time_us, max_out_of_orderness_ms).value_us();
        // A hash is remembered anew only after its earlier entry expired, so what has not expired is unique.
        let live = sections.iter().flat_map(Section::entries).filter(|entry| !entry.is_expired(watermark_us));
        base.push_section(partition, live);
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

    fn with_capacity(bytes: usize) -> Self {
        let mut file = Vec::with_capacity(bytes);
        file.extend_from_slice(&FRAME.begin());
        Self { bytes: file }
    }

    fn push_section(&mut self, partition: i32, entries: impl Iterator<Item = Entry>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&KIND_REMEMBERED_ROWS.to_le_bytes());
        self.bytes.extend_from_slice(&(ENTRY_BYTES as u16).to_le_bytes());
        self.bytes.extend_from_slice(&partition.to_le_bytes());
        let count_position = self.bytes.len();
        self.bytes.extend_from_slice(&0_u64.to_le_bytes());
        let mut count = 0_u64;
        for entry in entries {
            self.bytes.extend_from_slice(&entry.high.to_le_bytes());
            self.bytes.extend_from_slice(&entry.low.to_le_bytes());
            self.bytes.extend_from_slice(&entry.expiry_us.to_le_bytes());
            count += 1;
        }
        if count == 0 {
            self.bytes.truncate(start);
        } else {
            self.bytes[count_position..count_position + 8].copy_from_slice(&count.to_le_bytes());
        }
    }

    fn finish(self) -> Option<Vec<u8>> {
        (self.bytes.len() > frame::HEADER_BYTES).then(|| FRAME.seal(self.bytes))
    }
}
