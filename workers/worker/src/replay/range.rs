//! Which offsets of which partitions are replayed, and in which portions they are read. Pure.

use std::collections::BTreeMap;
use std::ops::Range;

use snafu::{OptionExt, Snafu, ensure};

/// Rows of bronze that are looked at together.
const ROUND: i64 = 100_000;

/// A partition's share of a round is no smaller than this.
const LEAST_SHARE: i64 = 1_000;

/// What there is of a partition: from the first row of bronze to where the workers stand.
pub(super) type Extents = BTreeMap<i32, Range<i64>>;

/// An end of the range, once times have become offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    /// Where each partition begins, or ends.
    Open,
    /// The first row of each partition at that time or after it; none for partitions that have no such row.
    Time(BTreeMap<i32, i64>),
    /// Offsets that somebody wrote down. Partitions without one take no part.
    Offsets(BTreeMap<i32, i64>),
}

/// Why a range cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq, Snafu)]
pub enum RangeError {
    /// A partition has no rows.
    #[snafu(display("{flag}: bronze has no rows of partition {partition}; it has {}", listed(known)))]
    UnknownPartition {
        /// The flag.
        flag: &'static str,
        /// The partition.
        partition: i32,
        /// Those that have rows.
        known: Vec<i32>,
    },
    /// The range begins where the workers have yet to come.
    #[snafu(display(
        "--from: offset {offset} of partition {partition} lies behind what the workers have committed, which ends before \
         offset {end}; name an offset below that, or leave the flag out"
    ))]
    Behind {
        /// The partition.
        partition: i32,
        /// The offset.
        offset: i64,
        /// Where the workers stand.
        end: i64,
    },
    /// The range ends before it begins.
    #[snafu(display(
        "--until: offset {until} of partition {partition} lies before offset {from}, where --from begins; name a larger one"
    ))]
    Backwards {
        /// The partition.
        partition: i32,
        /// Where it begins.
        from: i64,
        /// Where it ends.
        until: i64,
    },
    /// No row is in the range.
    #[snafu(display("--from, --until: bronze has no rows in this range; it has offsets {extents}"))]
    Empty {
        /// What bronze has.
        extents: String,
    },
}

/// The offsets to replay, where there are any: inside of what there is, and of both edges.
///
/// Without edges, an empty bronze is nothing to replay, and no error.
pub(super) fn ranges(extents: &Extents, from: &Edge, until: &Edge) -> Result<Extents, RangeError> {
    for (flag, edge) in [("--from", from), ("--until", until)] {
        let Edge::Offsets(offsets) = edge else { continue };
        for partition in offsets.keys() {
            extents.get(partition).with_context(|| UnknownPartitionSnafu {
                flag,
                partition: *partition,
                known: extents.keys().copied().collect::<Vec<_>>(),
            })?;
        }
    }
    let mut ranges = Extents::new();
    for (&partition, extent) in extents {
        let Some(start) = at(from, partition, extent.start, extent.end) else { continue };
        let Some(end) = at(until, partition, extent.end, extent.end) else { continue };
        if matches!(from, Edge::Offsets(_)) {
            ensure!(start <= extent.end, BehindSnafu { partition, offset: start, end: extent.end });
            if matches!(until, Edge::Offsets(_)) {
                ensure!(start <= end, BackwardsSnafu { partition, from: start, until: end });
            }
        }
        let range = start.max(extent.start)..end.min(extent.end);
        if !range.is_empty() {
            ranges.insert(partition, range);
        }
    }
    let is_everything = (from, until) == (&Edge::Open, &Edge::Open);
    ensure!(!ranges.is_empty() || is_everything, EmptySnafu { extents: described(extents) });
    Ok(ranges)
}

/// Where an edge is on a partition; `None` if that takes no part.
fn at(edge: &Edge, partition: i32, open: i64, end: i64) -> Option<i64> {
    match edge {
        Edge::Open => Some(open),
        Edge::Time(offsets) => Some(offsets.get(&partition).copied().unwrap_or(end)),
        Edge::Offsets(offsets) => offsets.get(&partition).copied(),
    }
}

/// What comes before ranges, and must be gone through for what it leaves in the memory.
pub(super) fn before(extents: &Extents, ranges: &Extents) -> Extents {
    let before = ranges.iter().map(|(partition, range)| {
        let first = extents.get(partition).map_or(range.start, |extent| extent.start);
        (*partition, first..range.start)
    });
    before.filter(|(_, range)| !range.is_empty()).collect()
}

fn listed(partitions: &[i32]) -> String {
    if partitions.is_empty() {
        return "none at all".to_owned();
    }
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Ranges for people: `0:0-1499, 1:20-1719`.
pub(super) fn described(ranges: &Extents) -> String {
    if ranges.is_empty() {
        return "none".to_owned();
    }
    let range =
        |(partition, range): (&i32, &Range<i64>)| format!("{partition}:{}-{}", range.start, range.end - 1);
    ranges.iter().map(range).collect::<Vec<_>>().join(", ")
}

/// Ranges, portion by portion: each partition in order, all of them side by side.
///
/// Files of bronze hold rows of all partitions that came at one time. Partitions that are read side by side need most
/// files once.
#[derive(Clone, Debug)]
pub(super) struct Rounds {
    left: Extents,
    share: i64,
}

impl Rounds {
    pub(super) fn of(ranges: &Extents) -> Self {
        let partitions = i64::try_from(ranges.len().max(1)).unwrap_or(i64::MAX);
        Self { left: ranges.clone(), share: (ROUND / partitions).max(LEAST_SHARE) }
    }
}

impl Iterator for Rounds {
    type Item = Extents;

    fn next(&mut self) -> Option<Extents> {
        let mut round = Extents::new();
        for (partition, range) in &mut self.left {
            let end = range.end.min(range.start.saturating_add(self.share));
            round.insert(*partition, range.start..end);
            range.start = end;
        }
        self.left.retain(|_, range| !range.is_empty());
        (!round.is_empty()).then_some(round)
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng as _, SeedableRng as _};

    use super::*;

    fn extents() -> Extents {
        Extents::from([(0, 0..100), (1, 40..90), (2, 7..8)])
    }

    fn offsets(offsets: &[(i32, i64)]) -> Edge {
        Edge::Offsets(offsets.iter().copied().collect())
    }

    fn time(offsets: &[(i32, i64)]) -> Edge {
        Edge::Time(offsets.iter().copied().collect())
    }

    #[test]
    fn without_edges_everything_is_replayed_that_is_there() {
        assert_eq!(ranges(&extents(), &Edge::Open, &Edge::Open), Ok(extents()));
        assert_eq!(ranges(&Extents::new(), &Edge::Open, &Edge::Open), Ok(Extents::new()));
    }

    #[test]
    fn edges_cut_and_what_is_not_there_is_cut_off() {
        let cut = ranges(&extents(), &offsets(&[(0, 20), (1, 3)]), &Edge::Open);
        assert_eq!(cut, Ok(Extents::from([(0, 20..100), (1, 40..90)])), "partition 2 is not named");
        let cut = ranges(&extents(), &Edge::Open, &offsets(&[(0, 1_000)]));
        assert_eq!(cut, Ok(Extents::from([(0, 0..100)])));
        let cut = ranges(&extents(), &offsets(&[(0, 20)]), &offsets(&[(0, 21), (1, 50)]));
        assert_eq!(cut, Ok(Extents::from([(0, 20..21)])));
    }

    #[test]
    fn a_time_is_the_first_row_at_it_or_after_it() {
        let (from, until) = (time(&[(0, 10), (1, 60)]), time(&[(0, 30)]));
        let cut = ranges(&extents(), &from, &until);
        assert_eq!(cut, Ok(Extents::from([(0, 10..30), (1, 60..90)])), "partition 2 has no such row");
        let cut = ranges(&extents(), &Edge::Open, &until);
        assert_eq!(cut, Ok(Extents::from([(0, 0..30), (1, 40..90), (2, 7..8)])));
    }

    #[test]
    fn a_range_that_cannot_be_is_refused_with_the_flag_and_the_fix() {
        let open = Edge::Open;
        for (from, until, expected) in [
            (offsets(&[(5, 1)]), open.clone(), "--from: bronze has no rows of partition 5; it has 0, 1, 2"),
            (open.clone(), offsets(&[(5, 1)]), "--until: bronze has no rows of partition 5"),
            (offsets(&[(0, 101)]), open.clone(), "--from: offset 101 of partition 0 lies behind"),
            (
                offsets(&[(0, 50)]),
                offsets(&[(0, 49)]),
                "--until: offset 49 of partition 0 lies before offset 50",
            ),
            (offsets(&[(0, 50)]), offsets(&[(0, 50)]), "--from, --until: bronze has no rows"),
            (
                time(&[]),
                open.clone(),
                "--from, --until: bronze has no rows in this range; it has offsets 0:0-99, 1:40",
            ),
            (open.clone(), offsets(&[(1, 40)]), "--from, --until: bronze has no rows"),
        ] {
            let error = ranges(&extents(), &from, &until).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn what_comes_before_a_range_is_remembered() {
        let ranges = Extents::from([(0, 20..30), (1, 40..50)]);
        assert_eq!(before(&extents(), &ranges), Extents::from([(0, 0..20)]));
    }

    #[test]
    fn rounds_are_the_ranges_in_order_and_in_portions() {
        for seed in 0..100 {
            let mut random = StdRng::seed_from_u64(seed);
            let ranges: Extents = (0..random.random_range(0..9))
                .map(|partition| {
                    let start = random.random_range(0..1_000);
                    (partition, start..start + random.random_range(1..300_000))
                })
                .collect();
            let mut next: BTreeMap<i32, i64> = ranges.iter().map(|(p, range)| (*p, range.start)).collect();
            for round in Rounds::of(&ranges) {
                let rows: i64 = round.values().map(|range| range.end - range.start).sum();
                assert!((1..=ROUND).contains(&rows), "seed {seed}: {rows}");
                for (partition, range) in round {
                    assert_eq!(range.start, next[&partition], "seed {seed}");
                    assert!(!range.is_empty(), "seed {seed}");
                    next.insert(partition, range.end);
                }
            }
            let ends: BTreeMap<i32, i64> = ranges.iter().map(|(p, range)| (*p, range.end)).collect();
            assert_eq!(next, ends, "seed {seed}");
        }
    }
}
