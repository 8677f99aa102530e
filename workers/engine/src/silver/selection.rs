//! [`Selection`]: the rows of a batch that are still in the running.

use arrow::buffer::BooleanBuffer;

/// The rows of a batch that are still in the running.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    selected: BooleanBuffer,
    count: usize,
}

impl Selection {
    /// All of `rows` rows.
    pub(crate) fn all(rows: usize) -> Self {
        Self { selected: BooleanBuffer::new_set(rows), count: rows }
    }

    /// Number of rows of the batch.
    pub(crate) fn rows(&self) -> usize {
        self.selected.len()
    }

    /// Whether a row is selected.
    pub(crate) fn contains(&self, row: usize) -> bool {
        self.selected.value(row)
    }

    /// The selected rows, ascending.
    pub(crate) fn indices(&self) -> Vec<u32> {
        self.selected.set_indices_u32().collect()
    }

    /// Keeps the selected rows that `pass`, and gives those that do not, ascending.
    pub(crate) fn keep(&mut self, pass: &BooleanBuffer) -> Vec<usize> {
        let kept = &self.selected & pass;
        let count = kept.count_set_bits();
        if count == self.count {
            return Vec::new();
        }
        let dropped = (&self.selected & &!pass).set_indices().collect();
        self.selected = kept;
        self.count = count;
        dropped
    }
}
