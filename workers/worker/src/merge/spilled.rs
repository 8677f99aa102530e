//! Windows that are final leave memory for files, and come back for a correction.
//!
//! They leave with a base, which says so: their files are durable before it. The file of a window that has come back
//! has had its day once the next base is in the chain: that base has the window, or knows a newer file.

use std::pin::pin;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use sluice_contract::manifest::ChainId;
use sluice_engine::gold::{Folded, Leaving, Merge, SpilledAt, SpilledBlock};
use sluice_lake::{Lake, LakeError, SpilledWindows};
use snafu::ResultExt;

use super::base_history::ReadFile;
use super::epochs::Epoch;
use super::error::{MergeError, StateSnafu};
use super::memory::blocking;
use super::pieces::{self, written};

/// Files that are written at a time where there may be many.
const WRITTEN_AT_ONCE: usize = 8;

/// A merge that has folded epochs.
#[derive(Debug)]
pub(super) struct AfterFold {
    /// Windows and watermarks.
    pub(super) merge: Merge,
    /// The epochs.
    pub(super) epochs: Vec<Epoch>,
    /// The files of the windows that came back for them.
    pub(super) loaded: Vec<ReadFile>,
}

/// Folds epochs, in their order, and loads the windows that they correct. Those whose file is gone or damaged are
/// lost: they are to be computed again.
pub(super) async fn fold(lake: &Lake, merge: Merge, epochs: Vec<Epoch>) -> Result<AfterFold, MergeError> {
    let mut after = AfterFold { merge, epochs, loaded: Vec::new() };
    let mut next = 0;
    loop {
        let missing;
        (after, next, missing) = blocking(move || fold_on(after, next)).await??;
        if missing.is_empty() {
            return Ok(after);
        }
        for block in missing {
            after = load(lake, after, &block).await?;
        }
    }
}

/// Brings windows back, or gives them up.
async fn load(lake: &Lake, after: AfterFold, block: &SpilledBlock) -> Result<AfterFold, MergeError> {
    let AfterFold { mut merge, epochs, mut loaded } = after;
    let path = windows_of(&merge, block).path();
    let checked = match pieces::check(lake, &path).await {
        Ok(checked) => checked,
        // As it is when they are older than corrections have to come.
        Err(MergeError::Lake { source: LakeError::FileMissing { .. } }) => {
            tracing::info!(path, "windows are corrected whose file is gone: they are computed again");
            merge.lose(block);
            return Ok(AfterFold { merge, epochs, loaded });
        }
        Err(error) => return Err(error),
    };
    let outcome = match checked {
        Ok(bytes) => {
            let load = |pieces: &mut dyn Iterator<Item = Bytes>| {
                let outcome = merge.load_spilled(pieces);
                (merge, outcome)
            };
            let outcome;
            (merge, outcome) = pieces::read(lake, &path, load).await?;
            outcome.map(|()| bytes)
        }
        Err(error) => Err(error),
    };
    match outcome {
        Ok(bytes) => loaded.push(ReadFile { path, bytes }),
        Err(error) if !error.is_damage() => return Err(error).context(StateSnafu { path }),
        Err(error) => {
            tracing::warn!(path, %error, "windows are corrected whose file is damaged: they are computed again");
            merge.lose(block);
        }
    }
    Ok(AfterFold { merge, epochs, loaded })
}

/// Folds epochs from one on, until windows are missing: gives the epoch that needs them, and which they are.
fn fold_on(mut after: AfterFold, first: usize) -> Result<(AfterFold, usize, Vec<SpilledBlock>), MergeError> {
    for next in first..after.epochs.len() {
        if let Folded::Missing(missing) = after.epochs[next].fold(&mut after.merge)? {
            return Ok((after, next, missing));
        }
    }
    let end = after.epochs.len();
    Ok((after, end, Vec::new()))
}

/// Takes the windows out of memory that are final and published, after an epoch of the chain that was appended.
pub(super) async fn spill(
    lake: &Lake,
    mut merge: Merge,
    chain: &ChainId,
    epoch: u64,
) -> Result<Merge, MergeError> {
    let at = SpilledAt { generation: chain.generation, epoch };
    let leaving = merge.spill(at);
    store_all(lake, &merge, leaving).await?;
    Ok(merge)
}

async fn store_all(
    lake: &Lake,
    merge: &Merge,
    leaving: Vec<(SpilledBlock, Leaving)>,
) -> Result<(), MergeError> {
    let stored = leaving.into_iter().map(|(block, leaving)| {
        let windows = windows_of(merge, &block);
        written(|take| leaving.write(take), move |pieces| lake.put_spilled(windows, pieces))
    });
    let mut stored = pin!(stream::iter(stored).buffer_unordered(WRITTEN_AT_ONCE));
    while stored.try_next().await?.is_some() {}
    Ok(())
}

/// The windows in the words of the lake.
fn windows_of<'a>(merge: &'a Merge, block: &SpilledBlock) -> SpilledWindows<'a> {
    let SpilledBlock { table, start_us, at: SpilledAt { generation, epoch }, .. } = *block;
    SpilledWindows { table: &merge.table_schemas()[table].name, start_us, generation, epoch }
}
