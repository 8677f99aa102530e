//! [`Gathered`]: what passes have found, which can be cut and put together. Pure.

use std::mem;

use serde::{Deserialize, Serialize};
use sluice_lake::{Dropped, Positions};

use super::difference::Tally;
use super::event_times::Span;
use super::replacement::Change;

/// What a pass has gathered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Gathered {
    /// Rows of bronze in the ranges.
    pub(super) rows: u64,
    /// What tables gain and lose.
    pub(super) changes: Vec<Change>,
    /// How many rows of which table differ.
    pub(super) tallies: Vec<(String, Tally)>,
    /// The event times of what changed in silver.
    pub(super) span: Span,
}

impl Gathered {
    /// Adds what was gathered of other partitions, or of rows behind these.
    pub(super) fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.span.unite(other.span);
        for (table, tally) in other.tallies {
            match self.tallies.iter_mut().find(|(known, _)| *known == table) {
                Some((_, sum)) => sum.add(tally),
                None => self.tallies.push((table, tally)),
            }
        }
        for change in other.changes {
            match self.changes.iter_mut().find(|known| known.table == change.table) {
                Some(known) => {
                    known.added.extend(change.added);
                    known.dropped.positions.append(change.dropped.positions);
                    known.dropped_rows += change.dropped_rows;
                }
                None => self.changes.push(change),
            }
        }
    }

    /// The same in portions with so many files, or ranges of rows that go, or fewer.
    pub(super) fn portions(mut self, most: usize) -> Vec<Self> {
        let mut portions = Vec::new();
        for change in mem::take(&mut self.changes) {
            let Change { table, mut added, mut dropped, dropped_rows } = change;
            let positions = mem::take(&mut dropped.positions);
            let part = |added, positions, dropped_rows| {
                let dropped = Dropped { positions, only: dropped.only.clone() };
                let change = Change { table: table.clone(), added, dropped, dropped_rows };
                Self { changes: vec![change], ..Self::default() }
            };
            while added.len() > most {
                let rest = added.split_off(most);
                portions.push(part(mem::replace(&mut added, rest), Positions::default(), 0));
            }
            portions.push(part(added, Positions::default(), dropped_rows));
            portions.extend(positions.portions(most).into_iter().map(|some| part(Vec::new(), some, 0)));
        }
        portions.push(self);
        portions
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sluice_contract::manifest::AddedFile;

    use super::*;

    fn file(path: &str) -> AddedFile {
        AddedFile {
            path: path.to_owned(),
            size: 1,
            rows: 1,
            partition_values: BTreeMap::new(),
            modification_time_ms: 0,
            stats: String::new(),
        }
    }

    fn change(table: &str, files: &[&str], offsets: &[i64]) -> Change {
        let mut positions = Positions::default();
        for offset in offsets {
            positions.push(0, *offset..offset + 1);
        }
        let only = (table == "quarantine").then(|| ("stage".to_owned(), vec!["silver".to_owned()]));
        let added = files.iter().map(|path| file(path)).collect();
        let dropped_rows = offsets.len() as u64;
        Change { table: table.to_owned(), added, dropped: Dropped { positions, only }, dropped_rows }
    }

    fn gathered() -> Gathered {
        let mut span = Span::default();
        span.include([3, 9]);
        let tally = Tally { changed: 1, added: 2, removed: 3 };
        Gathered {
            rows: 7,
            changes: vec![
                change("silver", &["a", "b", "c"], &[0, 2, 4, 6, 8]),
                change("quarantine", &[], &[1]),
            ],
            tallies: vec![("silver".to_owned(), tally), ("quarantine".to_owned(), Tally::default())],
            span,
        }
    }

    #[test]
    fn portions_are_small_and_together_the_same() {
        let portions = gathered().portions(2);
        for Gathered { changes, .. } in &portions {
            assert!(changes.iter().all(|change| change.added.len() <= 2));
        }
        let mut together = Gathered::default();
        for portion in portions {
            together.add(portion);
        }
        assert_eq!(together, gathered());
    }

    #[test]
    fn what_several_have_gathered_is_summed_by_table() {
        let mut all = gathered();
        all.add(Gathered { changes: vec![change("silver", &["d"], &[10])], ..gathered() });
        assert_eq!(all.rows, 14);
        assert_eq!(all.tallies[0].1, Tally { changed: 2, added: 4, removed: 6 });
        assert_eq!((all.changes[0].added.len(), all.changes[0].dropped_rows), (4, 6));
        assert_eq!(all.span, gathered().span);
    }
}
