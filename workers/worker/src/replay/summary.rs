//! What a replay found and did, for people and as JSON. Pure.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sluice_contract::manifest::Recompute;

use super::difference::Tally;
use super::range::{Extents, described};

/// What a replay found and did.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    /// Its name.
    pub(super) name: String,
    /// The parts, in order.
    pub(super) parts: Vec<Part>,
}

/// What was done for some tables.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// Rows were compared with what the configuration makes.
    Rows {
        /// The offsets.
        ranges: Extents,
        /// Rows of bronze in them.
        rows: u64,
        /// How many rows of which table differed.
        tallies: Vec<(String, Tally)>,
    },
    /// The merge is to compute windows again.
    Windows(Recompute),
    /// The range has no rows of windows.
    NoWindows,
}

impl Summary {
    /// A document.
    pub(super) fn as_json(&self) -> Value {
        let mut tables = serde_json::Map::new();
        let (mut read, mut recompute) = (Vec::new(), Vec::new());
        for part in &self.parts {
            match part {
                Part::Rows { ranges, rows, tallies } => {
                    let of_partition = ranges.iter().map(|(partition, range)| {
                        (partition.to_string(), json!({"from": range.start, "until": range.end}))
                    });
                    let ranges: serde_json::Map<String, Value> = of_partition.collect();
                    read.push(json!({"rows": rows, "ranges": ranges}));
                    for (table, Tally { changed, added, removed }) in tallies {
                        tables.insert(
                            table.clone(),
                            json!({"changed": changed, "added": added, "removed": removed}),
                        );
                    }
                }
                Part::Windows(windows) => recompute.push(json!(windows)),
                Part::NoWindows => {}
            }
        }
        json!({"name": self.name, "read": read, "tables": tables, "recompute": recompute})
    }

    /// Lines for people.
    pub(super) fn as_text(&self) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Rows { ranges, rows, tallies } => {
                    line(&mut text, &format!("read {rows} rows of bronze, offsets {}", described(ranges)));
                    for (table, tally) in tallies {
                        line(&mut text, &format!("  {table}: {}", in_words(*tally)));
                    }
                }
                Part::Windows(Recompute { tables, from_us, until_us }) => {
                    let tables = if tables.is_empty() {
                        "all tables of windows".to_owned()
                    } else {
                        tables.join(", ")
                    };
                    let (from, until) = (time(*from_us), time(*until_us));
                    line(
                        &mut text,
                        &format!("the merge computes {tables} again, event times from {from} to {until}"),
                    );
                }
                Part::NoWindows => {
                    line(&mut text, "silver has no rows in the range: no windows are computed again");
                }
            }
        }
        text
    }
}

fn in_words(tally: Tally) -> String {
    if tally == Tally::default() {
        return "nothing differs".to_owned();
    }
    let Tally { changed, added, removed } = tally;
    format!("{changed} rows changed, {added} added, {removed} removed")
}

/// A time as RFC 3339 has it.
fn time(us: i64) -> String {
    use arrow::array::TimestampMicrosecondArray;
    use arrow::util::display::array_value_to_string;
    let array = TimestampMicrosecondArray::from(vec![us]).with_timezone("UTC");
    array_value_to_string(&array, 0).unwrap_or_else(|_| format!("{us} us"))
}

fn line(text: &mut String, line: &str) {
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        let tally = Tally { changed: 1, added: 2, removed: 3 };
        let tallies = vec![("silver".to_owned(), tally), ("quarantine".to_owned(), Tally::default())];
        let windows = Recompute { tables: vec!["gold/user".to_owned()], from_us: 0, until_us: 1_500_000 };
        Summary {
            name: "fix".to_owned(),
            parts: vec![
                Part::Rows { ranges: Extents::from([(0, 5..10)]), rows: 4, tallies },
                Part::Windows(windows),
                Part::NoWindows,
            ],
        }
    }

    #[test]
    fn people_read_what_was_read_what_differed_and_what_follows() {
        let expected = "read 4 rows of bronze, offsets 0:5-9\n  silver: 1 rows changed, 2 added, 3 removed\n  \
                        quarantine: nothing differs\nthe merge computes gold/user again, event times from \
                        1970-01-01T00:00:00Z to 1970-01-01T00:00:01.500Z\nsilver has no rows in the range: no windows \
                        are computed again\n";
        assert_eq!(summary().as_text(), expected);
    }

    #[test]
    fn programs_read_the_same() {
        let expected = json!({
            "name": "fix",
            "read": [{"rows": 4, "ranges": {"0": {"from": 5, "until": 10}}}],
            "tables": {
                "silver": {"changed": 1, "added": 2, "removed": 3},
                "quarantine": {"changed": 0, "added": 0, "removed": 0},
            },
            "recompute": [{"tables": ["gold/user"], "fromUs": 0, "untilUs": 1_500_000}],
        });
        assert_eq!(summary().as_json(), expected);
    }
}
