//! [`BaseHistory`]: what a restart of the merge reads, and when to make it less. Pure.
//!
//! A restart reads the base, and then the partial aggregates of every epoch folded since, and the files of spilled
//! windows that these correct. Once a manifest names a base, nobody reads what it covers, or the base before it.

use sluice_contract::manifest::{StateFile, StateFiles};

/// Partial aggregates that are older than this are worth a new base...
const OLDEST_MS: i64 = 60_000;
/// ... if they are a quarter of the size of the last one, or have come to this age: a base is all that is in the
/// open windows, and must not be written over and over for a few rows...
const OLDEST_FEW_MS: i64 = 600_000;
const WORTHWHILE: u64 = 4;
/// ... and so are those that are larger than this together.
const LARGEST: u64 = 64 * 1024 * 1024;
/// After a failed attempt.
const PAUSE_AFTER_FAILURE_MS: i64 = 30_000;

/// A file that the merge has read: partial aggregates that it folded, or spilled windows that it loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReadFile {
    /// Path relative to the lake's root.
    pub(super) path: String,
    /// Bytes.
    pub(super) bytes: u64,
}

/// The base, and the files folded since.
#[derive(Clone, Debug, Default)]
pub(super) struct BaseHistory {
    base: Option<StateFile>,
    /// Files with the epoch of the merge that read them, and when it did; oldest first.
    since: Vec<(ReadFile, u64, i64)>,
    superseded: Vec<String>,
    not_before_ms: i64,
}

impl BaseHistory {
    /// The history that begins with a base, or with nothing.
    pub(super) fn new(base: Option<StateFile>) -> Self {
        Self { base, ..Self::default() }
    }

    /// The files, as the next manifest names them.
    pub(super) fn files(&self) -> StateFiles {
        StateFiles { base: self.base.clone(), deltas: Vec::new() }
    }

    /// An epoch of the merge, written then, has read these.
    pub(super) fn read(&mut self, files: Vec<ReadFile>, epoch: u64, at_ms: i64) {
        self.since.extend(files.into_iter().map(|file| (file, epoch, at_ms)));
    }

    /// Whether a new base should be made.
    pub(super) fn is_due(&self, now_ms: i64) -> bool {
        let Some((_, _, oldest_ms)) = self.since.first() else { return false };
        let bytes: u64 = self.since.iter().map(|(file, ..)| file.bytes).sum();
        let base_bytes = self.base.as_ref().map_or(0, |base| base.bytes);
        let age_ms = now_ms - oldest_ms;
        let is_worthwhile = bytes.saturating_mul(WORTHWHILE) >= base_bytes;
        let is_due = (is_worthwhile && (age_ms > OLDEST_MS || bytes > LARGEST)) || age_ms > OLDEST_FEW_MS;
        is_due && now_ms >= self.not_before_ms
    }

    /// A new base is durable; the next manifest names it.
    pub(super) fn adopt(&mut self, base: StateFile) {
        let covered = self.since.extract_if(.., |(_, epoch, _)| *epoch <= base.epoch);
        self.superseded.extend(covered.map(|(file, ..)| file.path));
        self.superseded.extend(self.base.replace(base).map(|old| old.path));
    }

    /// All its files, for whoever has a base of another chain that covers them.
    pub(super) fn into_paths(self) -> Vec<String> {
        let folded = self.since.into_iter().map(|(file, ..)| file.path);
        folded.chain(self.base.map(|base| base.path)).chain(self.superseded).collect()
    }

    /// Making a base failed: it is tried again later.
    pub(super) fn postpone(&mut self, now_ms: i64) {
        self.not_before_ms = now_ms + PAUSE_AFTER_FAILURE_MS;
    }

    /// Files that nobody reads any more, each told once. They may be deleted when a manifest that names the newest
    /// base is in the chain: whoever takes it over follows the newest manifest.
    pub(super) fn take_superseded(&mut self) -> Vec<String> {
        std::mem::take(&mut self.superseded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, bytes: u64) -> ReadFile {
        ReadFile { path: path.to_owned(), bytes }
    }

    fn base(path: &str, epoch: u64, bytes: u64) -> StateFile {
        StateFile { path: path.to_owned(), bytes, epoch, written_at_ms: 0 }
    }

    #[test]
    fn a_base_is_due_when_what_was_folded_since_is_old_or_large() {
        let mut history = BaseHistory::new(None);
        assert!(!history.is_due(i64::MAX), "nothing was folded");
        history.read(vec![file("a", 10)], 1, 1_000);
        assert!(!history.is_due(61_000));
        assert!(history.is_due(61_001));
        history.read(vec![file("b", LARGEST)], 2, 2_000);
        assert!(history.is_due(2_000));
    }

    #[test]
    fn a_large_base_is_not_written_again_for_a_few_rows_but_every_ten_minutes() {
        let mut history = BaseHistory::new(Some(base("old", 4, 400)));
        history.read(vec![file("a", 99)], 5, 0);
        assert!(!history.is_due(600_000));
        assert!(history.is_due(600_001));
        history.read(vec![file("b", 1)], 6, 0);
        assert!(history.is_due(60_001), "a quarter of its size");
    }

    #[test]
    fn what_a_base_covers_is_superseded_once_and_what_came_later_stays() {
        let mut history = BaseHistory::new(Some(base("old", 4, 9)));
        history.read(vec![file("a", 1), file("b", 1)], 5, 0);
        history.read(vec![file("c", 1)], 6, 0);
        history.adopt(base("new", 5, 9));
        assert_eq!(history.files().base, Some(base("new", 5, 9)));
        assert_eq!(history.take_superseded(), ["a", "b", "old"]);
        assert_eq!(history.take_superseded(), Vec::<String>::new());
        history.adopt(base("newer", 6, 9));
        assert_eq!(history.take_superseded(), ["c", "new"]);
    }

    #[test]
    fn a_base_that_failed_waits_before_it_is_tried_again() {
        let mut history = BaseHistory::new(None);
        history.read(vec![file("a", 10)], 1, 0);
        history.postpone(100_000);
        assert!(!history.is_due(129_999));
        assert!(history.is_due(130_000));
    }
}
