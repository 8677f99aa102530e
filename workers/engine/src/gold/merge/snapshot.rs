//! Snapshots: all that the merge knows, in one file.
//!
//! ```text
//! section 1   how far event time has come: watermark i64 | (partition i32 | watermark i64 | flags u8)*
//! section 2   a table's spilled blocks: batch: number i64 | generation u64 | epoch u64
//! section 3   a block: batch of its groups: key hash, 16 bytes | keys...
//! section 4   values of a distinct count of the block before, in the order of the table: entries of 16 bytes
//! section 5   a window of the block before: batch of its rows: group | revision | updated at | touched | counts...
//! section 6   the buckets of the window before: (number u32 | of u32 | changed u32 | n u32 | (number u32 | of u32)*n)*
//! section 7   merged states of the window before: batch: row | states...
//! section 8   states of the window before that wait: the same
//! section 9   blocks of a table that are to be computed again: batch: from i64 | until i64
//! section 10  what ingest has given of the partitions that have told: (partition i32 | next offset i64)*
//! ```
//! Flags of a partition: 1, it is idle; 2, it is read to its end, which format 1 does not tell and thereby denies.
//!
//! What waits is kept as it is: when states are merged decides the last bits of some results, and a restart must
//! give the same.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int32Array, Int64Array, UInt32Array};

use super::block::Block;
use super::buckets::Bucket;
use super::columns::batch;
use super::window::Window;
use super::{Merge, absent};
use crate::gold::partials::hash_column;
use crate::gold::plan::GoldTable;
use crate::gold::sections::{self, Writer};
use crate::state::frame::{Frame, StateError};

mod restored;

pub(super) use restored::Restored;

/// The format that this build writes.
const MERGE_FORMAT_VERSION: u32 = 2;
pub(super) const FRAME: Frame = Frame { magic: "SLUICEMG", newest: MERGE_FORMAT_VERSION };

const KIND_PROGRESS: u16 = 1;
const KIND_SPILLED: u16 = 2;
const KIND_BLOCK: u16 = 3;
const KIND_VALUES: u16 = 4;
const KIND_WINDOW: u16 = 5;
const KIND_BUCKETS: u16 = 6;
const KIND_MERGED: u16 = 7;
const KIND_PENDING: u16 = 8;
const KIND_LOST: u16 = 9;
const KIND_POSITIONS: u16 = 10;

/// Flag of a partition: it is idle.
const IDLE: u8 = 1;
/// Flag of a partition: it is read to its end.
const CAUGHT_UP: u8 = 2;

/// Metadata: name of the table.
const TABLE: &str = "table";
/// Metadata: number of a window.
const WINDOW: &str = "window";
/// Metadata: whether a window was published as final.
const IS_FINAL: &str = "is_final";
/// Columns of a window's rows before the counts.
const ROW_COLUMNS: usize = 4;

impl Merge {
    /// The file that [`Self::restore`] reads, as a whole.
    pub fn snapshot(&self) -> Vec<u8> {
        sections::whole(|take| self.clone().write_snapshot(take))
    }

    /// Gives the file that [`Self::restore`] reads, in pieces that follow each other. Windows of which this is the last
    /// copy leave memory as they are written.
    pub fn write_snapshot(self, take: &mut dyn FnMut(Vec<u8>)) {
        let mut file = Writer::new(FRAME, take);
        file.push(KIND_PROGRESS, |bytes| {
            bytes.extend_from_slice(&self.finality.watermark_us().to_le_bytes());
            for (partition, standing) in self.finality.partitions() {
                bytes.extend_from_slice(&partition.to_le_bytes());
                bytes.extend_from_slice(&standing.watermark_us.to_le_bytes());
                let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
                bytes.push(flag(standing.idle, IDLE) | flag(standing.caught_up, CAUGHT_UP));
            }
        });
        let positions = self.positions();
        if !positions.is_empty() {
            file.push(KIND_POSITIONS, |bytes| absent::write_positions(&positions, bytes));
        }
        for (plan, table) in self.plan.tables.iter().zip(self.tables) {
            if !table.spilled.is_empty() {
                let spilled = absent::spilled_columns(&table.spilled);
                file.push_batch(KIND_SPILLED, &batch(spilled, [(TABLE, plan.table.name.clone())]));
            }
            if !table.lost.is_empty() {
                file.push_batch(
                    KIND_LOST,
                    &batch(absent::lost_columns(&table.lost), [(TABLE, plan.table.name.clone())]),
                );
            }
            for block in table.blocks.into_values() {
                write_block(&mut file, plan, &block);
            }
        }
        file.finish();
    }

    /// Checks a snapshot, or a file of spilled windows, as a whole.
    pub fn check(pieces: impl IntoIterator<Item: AsRef<[u8]>>) -> Result<(), StateError> {
        FRAME.check(pieces)
    }

    /// Takes the place of all state: the pieces of a snapshot that has been [checked](Self::check). On an error nothing
    /// changes.
    pub fn restore(&mut self, pieces: impl IntoIterator<Item: AsRef<[u8]>>) -> Result<(), StateError> {
        let (tables, finality) = Restored::of(&self.plan, pieces)?;
        self.tables = tables;
        if let Some((watermark_us, partitions)) = finality {
            self.finality.restore(watermark_us, partitions);
        }
        Ok(())
    }
}

/// Writes the sections of a block.
pub(super) fn write_block(file: &mut Writer<'_>, plan: &GoldTable, block: &Block) {
    let mut groups: Vec<ArrayRef> = vec![Arc::new(hash_column(&block.hashes))];
    groups.extend(block.all_keys());
    let metadata = [(TABLE, plan.table.name.clone()), (WINDOW, block.first.to_string())];
    file.push_batch(KIND_BLOCK, &batch(groups, metadata));
    for values in &block.values {
        file.push_hashes(KIND_VALUES, values.len(), values.entries());
    }
    for (number, window) in block.windows() {
        write_window(file, number, window);
    }
}

fn write_window(file: &mut Writer<'_>, number: i64, window: &Window) {
    let mut rows: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from(window.groups.clone())),
        Arc::new(Int32Array::from(window.revisions.clone())),
        Arc::new(Int64Array::from(window.updated_at_us.clone())),
        Arc::new(BooleanArray::from(window.is_touched.clone())),
    ];
    let counts = window.distinct_counts.iter();
    rows.extend(counts.map(|counts| Arc::new(Int64Array::from(counts.clone())) as ArrayRef));
    let metadata = [(WINDOW, number.to_string()), (IS_FINAL, window.is_final.to_string())];
    file.push_batch(KIND_WINDOW, &batch(rows, metadata));
    file.push(KIND_BUCKETS, |bytes| {
        for Bucket { part, is_changed, replaces, .. } in window.buckets.all() {
            let head = [part.number, part.of, u32::from(*is_changed), replaces.len() as u32];
            let words = head.into_iter().chain(replaces.iter().flat_map(|part| [part.number, part.of]));
            words.for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        }
    });
    let (merged, merged_rows, pending) = window.states.parts();
    let states = |rows: UInt32Array, states: &[ArrayRef]| {
        let rows: ArrayRef = Arc::new(rows);
        batch(std::iter::once(rows).chain(states.iter().cloned()).collect(), [])
    };
    if merged_rows > 0 {
        let rows = UInt32Array::from_iter_values(0..merged_rows as u32);
        file.push_batch(KIND_MERGED, &states(rows, merged));
    }
    for pending in pending {
        let rows = UInt32Array::from(pending.rows.clone());
        file.push_batch(KIND_PENDING, &states(rows, &pending.states));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::finality::Standing;
    use super::*;
    use crate::fixture;

    /// A file of a format version, which tells of partition 7 alone.
    fn file(version: u32, flags: u8) -> Vec<u8> {
        sections::whole(|take| {
            let mut file = Writer::new(Frame { newest: version, ..FRAME }, take);
            file.push(KIND_PROGRESS, |bytes| {
                bytes.extend_from_slice(&9_i64.to_le_bytes());
                bytes.extend_from_slice(&7_i32.to_le_bytes());
                bytes.extend_from_slice(&5_i64.to_le_bytes());
                bytes.push(flags);
            });
            file.finish();
        })
    }

    fn restored(file: &[u8]) -> Merge {
        let config = fixture::configuration_with_gold();
        let mut merge = Merge::new(&config, &fixture::schema()).expect("the example is valid");
        merge.restore([file]).expect("the file is whole");
        merge
    }

    #[test]
    fn a_snapshot_of_format_1_says_of_no_partition_that_it_is_read_to_its_end() {
        for idle in [false, true] {
            let merge = restored(&file(1, u8::from(idle)));
            let standing = Standing { watermark_us: 5, idle, caught_up: false, next_offset: None };
            assert_eq!(*merge.finality.partitions(), BTreeMap::from([(7, standing)]));
        }
    }

    #[test]
    fn a_snapshot_keeps_which_partitions_are_idle_and_which_are_read_to_their_ends() {
        for flags in 0..4 {
            assert_eq!(
                restored(&file(MERGE_FORMAT_VERSION, flags)).snapshot(),
                file(MERGE_FORMAT_VERSION, flags)
            );
        }
    }
}
