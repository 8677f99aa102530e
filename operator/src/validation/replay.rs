//! The part `spec.replay`.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::problem::Faults;
use crate::sharded_job::Replay;

/// An end of a range of messages.
enum Bound {
    /// By the time that Kafka gave them.
    Time(Timestamp),
    /// By offset, for some partitions.
    Offsets(BTreeMap<i32, i64>),
}

/// A replay of tables, whose names the caller has checked.
pub(crate) fn validate_replay(
    name: &str,
    tables: Vec<String>,
    (from, until): (Option<&str>, Option<&str>),
    workers: Option<i32>,
    faults: &mut Faults,
) -> Replay {
    let first = from.and_then(|text| validate_bound("spec.replay.from", text, faults));
    let end = until.and_then(|text| validate_bound("spec.replay.until", text, faults));
    if let (Some(first), Some(end)) = (&first, &end)
        && let Some(message) = emptiness(first, end)
    {
        faults.add("spec.replay.until", message, "end the range after spec.replay.from");
    }
    Replay {
        name: name.to_owned(),
        tables,
        from: from.map(str::to_owned),
        until: until.map(str::to_owned),
        workers: workers.and_then(|workers| u32::try_from(workers).ok()).unwrap_or(1),
    }
}

fn validate_bound(field: &str, text: &str, faults: &mut Faults) -> Option<Bound> {
    if text.contains('T') {
        let time = text.parse::<Timestamp>().inspect_err(|_| {
            faults.add(
                field,
                format!("there is no such time as {text}"),
                "write one like 2026-01-05T20:00:00Z",
            );
        });
        return time.ok().map(Bound::Time);
    }
    let mut offsets = BTreeMap::new();
    for pair in text.split(',') {
        let parsed = pair.split_once(':').and_then(|(partition, offset)| {
            Some((partition.parse::<i32>().ok()?, offset.parse::<i64>().ok()?))
        });
        let Some((partition, offset)) = parsed else {
            let fix = "write a partition and an offset that Kafka can have, like 0:1500";
            faults.add(field, format!("'{pair}' is out of range"), fix);
            return None;
        };
        if offsets.insert(partition, offset).is_some() {
            faults.add(field, format!("partition {partition} is there twice"), "give it one offset");
        }
    }
    Some(Bound::Offsets(offsets))
}

/// Why no message can lie between two bounds of one sort.
fn emptiness(first: &Bound, end: &Bound) -> Option<String> {
    match (first, end) {
        (Bound::Time(first), Bound::Time(end)) => {
            (first >= end).then(|| format!("{end} is not after {first}"))
        }
        (Bound::Offsets(first), Bound::Offsets(end)) => first.iter().find_map(|(partition, first)| {
            let end = end.get(partition)?;
            (first >= end).then(|| format!("on partition {partition}, {end} is not after {first}"))
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::validate_replay;
    use crate::problem::Faults;

    fn found(from: Option<&str>, until: Option<&str>) -> Vec<String> {
        let mut faults = Faults::default();
        let replay = validate_replay("a", vec!["silver".to_owned()], (from, until), None, &mut faults);
        assert_eq!((replay.from.as_deref(), replay.until.as_deref()), (from, until));
        faults.into_found().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_range_is_open_or_has_ends_of_either_sort() {
        for (from, until) in [
            (None, None),
            (Some("2026-01-05T20:00:00Z"), Some("2026-01-05T22:00:00+01:00")),
            (Some("0:0,7:1500"), Some("0:1,3:0,7:9223372036854775807")),
            (Some("2026-01-05T20:00:00.5Z"), Some("0:1500")),
        ] {
            assert_eq!(found(from, until), Vec::<String>::new(), "{from:?} {until:?}");
        }
    }

    #[test]
    fn each_fault_of_a_range_is_told_with_its_field() {
        for (from, until, expected) in [
            (
                "2026-02-30T20:00:00Z",
                "0:1",
                "spec.replay.from: there is no such time as 2026-02-30T20:00:00Z",
            ),
            ("0:1", "2026-01-05T25:00:00Z", "spec.replay.until: there is no such time"),
            ("0:1,0:2", "1:1", "spec.replay.from: partition 0 is there twice"),
            ("4294967296:1", "1:1", "spec.replay.from: '4294967296:1' is out of range"),
            ("0:9223372036854775808", "1:1", "spec.replay.from: '0:9223372036854775808' is out of range"),
            ("0:5,1:7", "1:7", "spec.replay.until: on partition 1, 7 is not after 7"),
            (
                "2026-01-05T20:00:00Z",
                "2026-01-05T20:00:00Z",
                "spec.replay.until: 2026-01-05T20:00:00Z is not after",
            ),
        ] {
            let found = found(Some(from), Some(until));
            assert!(found.len() == 1 && found[0].starts_with(expected), "{from} {until}: {found:?}");
        }
    }
}
