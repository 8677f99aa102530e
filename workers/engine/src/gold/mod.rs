//! Gold: windowed aggregates of silver.
//!
//! ```text
//!  ingest, each shard                                     merge, one for all shards
//!  silver rows ──► partial aggregates of one epoch ─file──► windows ──► rows of gold, buckets that replace others
//! ```
//! Whether a row is too late for a window is decided where the row is: by the watermark of its own partition before
//! it. So a row's *pane* (the time between two starts of windows) and the number of the pane's windows that had
//! closed say in which windows it is, whenever and in whatever company it is merged.
//!
//! | module | its job |
//! |---|---|
//! | `plan` | from a configuration to tables, or to everything that is wrong with them |
//! | `windows`, `cells` | the arithmetic of windows, panes and lateness |
//! | `numbering`, `pairs` | values and groups as small numbers |
//! | `partials` | what one epoch adds, and its file |
//! | `merge` | [`Merge`]: the windows, what is published of them, snapshots |
//! | `recomputation` | [`Recomputation`]: windows computed again from silver |
//! | `sections` | what the files are made of |
//!
//! **The law.** gold(window, key) is the aggregate over all silver rows that are not late for the window: cutting the
//! stream into batches, epochs and shards, the order in which chains are folded and the moments of publication
//! change nothing but revisions.

use arrow::buffer::BooleanBuffer;
use sluice_contract::reasons;
use sluice_decode::Refusal;

use crate::quarantine::Refused;

mod cells;
#[cfg(test)]
mod laws;
mod merge;
mod numbering;
mod pairs;
mod partials;
mod plan;
mod ranges;
mod recomputation;
mod sections;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod windows;

pub use merge::{
    Bucket, Folded, Leaving, Merge, MergeSize, Published, PublishedBefore, SpilledAt, SpilledBlock,
};
pub(crate) use partials::{LateRow, PartialAggregates};
pub(crate) use plan::GoldPlan;
pub use recomputation::{Recomputation, SENT_AT, Span, TIME_OF_ROW, Times};

/// The quarantine's account of late rows, which are places among the accepted ones.
pub(crate) fn late_refusals(
    late: Vec<LateRow>,
    accepted: &BooleanBuffer,
    messages: &[u32],
) -> impl Iterator<Item = Refused> {
    let mut rows = accepted.set_indices().enumerate();
    late.into_iter().map(move |LateRow { row, detail }| {
        let (_, row) =
            rows.find(|(place, _)| *place == row).expect("a late row is one of the accepted, in order");
        let refusal = Refusal { message: messages[row] as usize, reason: reasons::LATE_ROW.into(), detail };
        Refused::new(reasons::STAGE_LATE, refusal)
    })
}
