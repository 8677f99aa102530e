//! [`Cells`]: the pane of each row, with the number of its windows that the row is too late for.

use arrow::array::{Array, TimestampMicrosecondArray};
use arrow::buffer::BooleanBuffer;

use super::windows::Windows;

/// A pane, and how many of its windows had closed when its rows came. Rows of one cell are in the same windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) pane: i64,
    pub(crate) closed: u32,
}

/// The cells of an open epoch, numbered.
#[derive(Debug)]
pub(crate) struct Cells {
    windows: Windows,
    list: Vec<Known>,
    last: usize,
}

/// A cell, with the event times and watermarks of its rows.
#[derive(Debug)]
struct Known {
    cell: Cell,
    start_us: i64,
    end_us: i64,
    /// The first watermark at which that many windows have closed.
    closed_at_us: i64,
    /// The first watermark at which one more has.
    closes_at_us: i64,
}

impl Known {
    fn contains(&self, time_us: i64, watermark_us: i64) -> bool {
        (self.start_us..self.end_us).contains(&time_us)
            && self.closed_at_us <= watermark_us
            && watermark_us < self.closes_at_us
    }
}

/// The cells of the rows of a batch.
#[derive(Debug)]
pub(crate) struct Assigned {
    /// The number of the cell of each row; 0 for rows that are left out.
    pub(crate) cells: Vec<usize>,
    /// The rows that are in some window; `None`: all are.
    pub(crate) included: Option<BooleanBuffer>,
    /// The rows that came too late for some window, with their cells.
    pub(crate) late: Vec<(usize, Cell)>,
}

impl Cells {
    pub(crate) fn new(windows: Windows) -> Self {
        Self { windows, list: Vec::new(), last: 0 }
    }

    /// The cell of a number.
    pub(crate) fn cell(&self, number: usize) -> Cell {
        self.list[number].cell
    }

    /// Forgets all cells.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
        self.last = 0;
    }

    /// Assigns rows to cells by their event times and the watermarks before them.
    ///
    /// A row without event time is in no window, and late for none.
    pub(crate) fn assign(&mut self, times: &TimestampMicrosecondArray, watermarks_us: &[i64]) -> Assigned {
        let mut assigned =
            Assigned { cells: Vec::with_capacity(times.len()), included: None, late: Vec::new() };
        let mut left_out = Vec::new();
        for (row, (&time_us, &watermark_us)) in times.values().iter().zip(watermarks_us).enumerate() {
            if times.is_null(row) {
                assigned.cells.push(0);
                left_out.push(row);
                continue;
            }
            let number = self.number(time_us, watermark_us);
            let cell = self.list[number].cell;
            if cell.closed == 0 {
                assigned.cells.push(number);
                continue;
            }
            assigned.late.push((row, cell));
            if cell.closed < self.windows.per_pane() {
                assigned.cells.push(number);
            } else {
                assigned.cells.push(0);
                left_out.push(row);
            }
        }
        if !left_out.is_empty() {
            let mut included = vec![true; times.len()];
            for row in left_out {
                included[row] = false;
            }
            assigned.included = Some(BooleanBuffer::from(included));
        }
        assigned
    }

    fn number(&mut self, time_us: i64, watermark_us: i64) -> usize {
        let is_it = |known: &Known| known.contains(time_us, watermark_us);
        if self.list.get(self.last).is_some_and(is_it) {
            return self.last;
        }
        self.last = self.list.iter().position(is_it).unwrap_or_else(|| {
            self.list.push(self.known(time_us, watermark_us));
            self.list.len() - 1
        });
        self.last
    }

    fn known(&self, time_us: i64, watermark_us: i64) -> Known {
        let windows = &self.windows;
        let pane = windows.pane(time_us);
        let closed = windows.closed(pane, watermark_us);
        let first = windows.first_of(pane);
        let closing_us = |closed: u32| windows.closing_us(first + i64::from(closed) - 1);
        Known {
            cell: Cell { pane, closed },
            start_us: windows.start_us(pane),
            end_us: windows.start_us(pane + 1),
            closed_at_us: if closed == 0 { i64::MIN } else { closing_us(closed) },
            closes_at_us: if closed == windows.per_pane() { i64::MAX } else { closing_us(closed + 1) },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_row_has_the_cell_of_its_event_time_and_watermark(
            slide_ms in 1..20_u64, panes in 1..5_u64, lateness_ms in 0..30_u64,
            rows in prop::collection::vec((prop::option::weighted(0.9, -50_000..50_000_i64), -50_000..100_000_i64), 0..200),
        ) {
            let windows = Windows::new(slide_ms * panes, slide_ms, lateness_ms);
            let mut cells = Cells::new(windows);
            let times: TimestampMicrosecondArray = rows.iter().map(|(time, _)| *time).collect();
            let watermarks: Vec<i64> = rows.iter().map(|(_, watermark)| *watermark).collect();
            let assigned = cells.assign(&times, &watermarks);
            let mut late = Vec::new();
            for (row, &(time_us, watermark_us)) in rows.iter().enumerate() {
                let is_included = assigned.included.as_ref().is_none_or(|included| included.value(row));
                let Some(time_us) = time_us else {
                    prop_assert!(!is_included);
                    continue;
                };
                let pane = windows.pane(time_us);
                let expected = Cell { pane, closed: windows.closed(pane, watermark_us) };
                prop_assert_eq!(is_included, expected.closed < windows.per_pane());
                if is_included {
                    prop_assert_eq!(cells.cell(assigned.cells[row]), expected);
                }
                if expected.closed > 0 {
                    late.push((row, expected));
                }
            }
            prop_assert_eq!(assigned.late, late);
        }
    }
}
