//! [`StateHistory`]: the state files that the next manifest names, and when to make one of them. Pure.

use sluice_contract::manifest::{StateFile, StateFiles};

/// Deltas older than this are merged into a new base...
const OLDEST_DELTA_MS: i64 = 60_000;
/// ... and so are deltas that are larger than this together: both bound the time of a restart.
const LARGEST_DELTAS: u64 = 64 * 1024 * 1024;
/// After a failed attempt.
const PAUSE_AFTER_FAILURE_MS: i64 = 30_000;

/// The state of a job as files: a base, and what each epoch since has added.
#[derive(Clone, Debug, Default)]
pub(crate) struct StateHistory {
    files: StateFiles,
    superseded: Vec<StateFile>,
    not_before_ms: i64,
}

/// A base made of older files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewBase {
    /// The file; `None` if nothing in the old ones is remembered any more.
    pub(crate) file: Option<StateFile>,
    /// The newest epoch whose changes it holds.
    pub(crate) epoch: u64,
}

impl StateHistory {
    /// The history that a manifest names.
    pub(crate) fn new(files: StateFiles) -> Self {
        Self { files, ..Self::default() }
    }

    /// The files, as the next manifest names them.
    pub(crate) fn files(&self) -> &StateFiles {
        &self.files
    }

    /// Adds what an epoch changed.
    pub(crate) fn push(&mut self, delta: StateFile) {
        self.files.deltas.push(delta);
    }

    /// Whether a new base should be made.
    pub(crate) fn is_merge_due(&self, now_ms: i64) -> bool {
        let Some(oldest) = self.files.deltas.first() else { return false };
        let bytes: u64 = self.files.deltas.iter().map(|delta| delta.bytes).sum();
        let is_late = now_ms - oldest.written_at_ms > OLDEST_DELTA_MS;
        now_ms >= self.not_before_ms && (is_late || bytes > LARGEST_DELTAS)
    }

    /// Replaces what the new base holds by it.
    pub(crate) fn adopt(&mut self, base: NewBase) {
        let old_base = std::mem::replace(&mut self.files.base, base.file);
        self.superseded.extend(old_base);
        self.superseded.extend(self.files.deltas.extract_if(.., |delta| delta.epoch <= base.epoch));
    }

    /// The files that [`Self::files`] names no longer, each told once.
    ///
    /// They may be deleted when a manifest that does not name them is in the chain: whoever takes the chain
    /// over follows the newest manifest.
    pub(crate) fn take_superseded(&mut self) -> Vec<StateFile> {
        std::mem::take(&mut self.superseded)
    }

    /// The merge failed: it is tried again later.
    pub(crate) fn postpone(&mut self, now_ms: i64) {
        self.not_before_ms = now_ms + PAUSE_AFTER_FAILURE_MS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, epoch: u64, bytes: u64, written_at_ms: i64) -> StateFile {
        StateFile { path: name.to_owned(), bytes, epoch, written_at_ms }
    }

    #[test]
    fn a_merge_is_due_when_deltas_are_old_or_large_and_not_without_deltas() {
        let mut history = StateHistory::default();
        assert!(!history.is_merge_due(i64::MAX));
        history.push(file("a", 1, 10, 1_000));
        assert!(!history.is_merge_due(61_000));
        assert!(history.is_merge_due(61_001));
        history.push(file("b", 2, LARGEST_DELTAS, 2_000));
        assert!(history.is_merge_due(2_000));
    }

    #[test]
    fn a_new_base_replaces_the_files_it_was_made_of_and_keeps_later_deltas() {
        let mut history =
            StateHistory::new(StateFiles { base: Some(file("base", 4, 9, 0)), deltas: Vec::new() });
        for epoch in 5..8 {
            history.push(file(&format!("delta-{epoch}"), epoch, 1, 0));
        }
        history.adopt(NewBase { file: Some(file("merged", 6, 3, 5)), epoch: 6 });
        assert_eq!(history.files().base.as_ref().map(|file| file.path.as_str()), Some("merged"));
        let deltas: Vec<&str> = history.files().deltas.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(deltas, ["delta-7"]);
        let superseded: Vec<String> = history.take_superseded().into_iter().map(|file| file.path).collect();
        assert_eq!(superseded, ["base", "delta-5", "delta-6"]);
        assert_eq!(history.take_superseded(), [], "a file is told once");
    }

    #[test]
    fn an_empty_base_forgets_the_old_one() {
        let mut history =
            StateHistory::new(StateFiles { base: Some(file("base", 4, 9, 0)), deltas: Vec::new() });
        history.push(file("delta", 5, 1, 0));
        history.adopt(NewBase { file: None, epoch: 5 });
        assert_eq!(*history.files(), StateFiles::default());
    }

    #[test]
    fn a_failed_merge_waits_before_it_is_tried_again() {
        let mut history = StateHistory::default();
        history.push(file("a", 1, 10, 0));
        history.postpone(100_000);
        assert!(!history.is_merge_due(129_999));
        assert!(history.is_merge_due(130_000));
    }
}
