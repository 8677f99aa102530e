//! What tests of windows have in common.

use super::{Merge, Published, SpilledAt, SpilledBlock, sections};

/// What the merge publishes of tables.
pub(crate) fn published(merge: &mut Merge, tables: &[usize], updated_at_us: i64) -> Vec<Published> {
    let mut published = Vec::new();
    merge.publish(tables, updated_at_us, |bucket| published.push(bucket));
    published
}

/// What leaves the memory of the merge, with the bytes of its files.
pub(crate) fn spilled(merge: &mut Merge, at: SpilledAt) -> Vec<(SpilledBlock, Vec<u8>)> {
    let leaving = merge.spill(at).into_iter();
    leaving.map(|(block, leaving)| (block, sections::whole(|take| leaving.write(take)))).collect()
}
