//! A topic's configuration: the keys that are known, their defaults, and what they mean here.

use std::{collections::BTreeMap, time::Duration};

use crate::log::retention::RetentionPolicy;

/// What `retention.ms` and the like are without a limit.
const UNLIMITED: i64 = -1;

/// The configuration of a topic in the form that the log uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicSettings {
    /// What expires when.
    pub(crate) retention: RetentionPolicy,
    /// A segment is finished before it grows beyond this.
    pub(crate) segment_bytes: u64,
    /// A segment is finished when it is this old.
    pub(crate) segment_ms: i64,
    /// The largest batch.
    pub(crate) max_message_bytes: usize,
    /// Whether records carry the time of the append instead of their producer's.
    pub(crate) append_time: bool,
    /// How far in the future a record's timestamp may lie.
    pub(crate) timestamp_after_max_ms: i64,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A whole number of at least this.
    Number(i64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`, or a fraction: kept, without effect here.
    Any,
}

/// A key of a topic's configuration.
#[derive(Debug, Clone, Copy)]
struct Key {
    name: &'static str,
    kind: Kind,
    default: &'static str,
}

const LARGEST: &str = "9223372036854775807";

/// All keys, sorted. Those marked "no effect" are accepted so that the same topics can be created
/// here and on a cluster.
const KEYS: [Key; 20] = [
    Key { name: "cleanup.policy", kind: Kind::Word(&["delete"]), default: "delete" },
    Key { name: "compression.type", kind: Kind::Word(&["producer"]), default: "producer" },
    // No effect: nothing is compacted.
    Key { name: "delete.retention.ms", kind: Kind::Number(0), default: "86400000" },
    // No effect: readers keep deleted files open.
    Key { name: "file.delete.delay.ms", kind: Kind::Number(0), default: "60000" },
    // No effect: the broker flushes all topics together.
    Key { name: "flush.messages", kind: Kind::Number(1), default: LARGEST },
    Key { name: "flush.ms", kind: Kind::Number(0), default: LARGEST },
    // No effect: the index's density is fixed.
    Key { name: "index.interval.bytes", kind: Kind::Number(0), default: "4096" },
    Key { name: "max.message.bytes", kind: Kind::Number(0), default: "1048588" },
    Key { name: "message.timestamp.after.max.ms", kind: Kind::Number(0), default: LARGEST },
    // The oldest timestamp of a compressed batch is not known, so that no bound can be promised.
    Key { name: "message.timestamp.before.max.ms", kind: Kind::Word(&[LARGEST]), default: LARGEST },
    Key {
        name: "message.timestamp.type",
        kind: Kind::Word(&["CreateTime", "LogAppendTime"]),
        default: "CreateTime",
    },
    // No effect: nothing is compacted.
    Key { name: "min.cleanable.dirty.ratio", kind: Kind::Any, default: "0.5" },
    // No effect: there is one broker.
    Key { name: "min.insync.replicas", kind: Kind::Number(1), default: "1" },
    Key { name: "preallocate", kind: Kind::Any, default: "false" },
    Key { name: "retention.bytes", kind: Kind::Number(UNLIMITED), default: "-1" },
    // Its default is the broker's configuration.
    Key { name: "retention.ms", kind: Kind::Number(UNLIMITED), default: "-1" },
    Key { name: "segment.bytes", kind: Kind::Number(1_024), default: "67108864" },
    // No effect: the index lies in memory.
    Key { name: "segment.index.bytes", kind: Kind::Number(4), default: "10485760" },
    Key { name: "segment.ms", kind: Kind::Number(1), default: "604800000" },
    Key { name: "unclean.leader.election.enable", kind: Kind::Any, default: "false" },
];

/// A key, its value, and whether the topic sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DescribedSetting {
    /// The key.
    pub(crate) name: &'static str,
    /// The value in force.
    pub(crate) value: String,
    /// Whether the topic sets it, so that it is not the default.
    pub(crate) is_set: bool,
}

/// Checks one key and value; the error is a sentence for the client.
pub(crate) fn check(name: &str, value: &str) -> Result<(), String> {
    let key = KEYS
        .iter()
        .find(|key| key.name == name)
        .ok_or_else(|| format!("the topic configuration \"{name}\" is not known to the embedded broker"))?;
    match key.kind {
        Kind::Number(least) => match value.parse::<i64>() {
            Ok(number) if number >= least => Ok(()),
            Ok(_) => Err(format!("{name} must be at least {least}, not \"{value}\"")),
            Err(_) => Err(format!("{name} must be a whole number, not \"{value}\"")),
        },
        Kind::Word(words) if !words.contains(&value) => {
            Err(format!("the embedded broker supports {name}={} only, not \"{value}\"", words.join(" and ")))
        }
        Kind::Word(_) | Kind::Any => Ok(()),
    }
}

/// The settings in force, of what a topic sets and the broker's default retention.
pub(crate) fn settings(set: &BTreeMap<String, String>, default_retention: Option<Duration>) -> TopicSettings {
    let number = |name: &str| -> i64 {
        value(set, key(name), default_retention)
            .parse()
            .expect("a topic's settings were checked when they were set")
    };
    let limited = |name: &str| Some(number(name)).filter(|limit| *limit >= 0);
    TopicSettings {
        retention: RetentionPolicy {
            age_ms: limited("retention.ms"),
            bytes: limited("retention.bytes").map(|bytes| bytes as u64),
        },
        segment_bytes: number("segment.bytes") as u64,
        segment_ms: number("segment.ms"),
        max_message_bytes: number("max.message.bytes") as usize,
        append_time: value(set, key("message.timestamp.type"), default_retention) == "LogAppendTime",
        timestamp_after_max_ms: number("message.timestamp.after.max.ms"),
    }
}

/// Every key with its value in force.
pub(crate) fn describe(
    set: &BTreeMap<String, String>,
    default_retention: Option<Duration>,
) -> impl Iterator<Item = DescribedSetting> {
    KEYS.iter().map(move |key| DescribedSetting {
        name: key.name,
        value: value(set, key, default_retention),
        is_set: set.contains_key(key.name),
    })
}

fn key(name: &str) -> &'static Key {
    KEYS.iter().find(|key| key.name == name).expect("the log's settings are all among the keys")
}

fn value(set: &BTreeMap<String, String>, key: &Key, default_retention: Option<Duration>) -> String {
    if let Some(value) = set.get(key.name) {
        return value.clone();
    }
    match default_retention {
        Some(retention) if key.name == "retention.ms" => retention.as_millis().to_string(),
        _ => key.default.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_passes_its_own_check_and_the_keys_are_sorted() {
        for key in &KEYS {
            assert_eq!(check(key.name, key.default), Ok(()));
        }
        assert!(KEYS.is_sorted_by_key(|key| key.name));
    }

    #[test]
    fn unknown_keys_and_bad_values_are_refused_with_their_name() {
        for (name, value) in [
            ("retention.ms", "soon"),
            ("retention.ms", "-2"),
            ("cleanup.policy", "compact"),
            ("message.timestamp.type", "createtime"),
            ("retention.hours", "1"),
        ] {
            assert!(check(name, value).unwrap_err().contains(name), "{name}={value}");
        }
    }

    #[test]
    fn what_a_topic_sets_wins_over_the_brokers_default() {
        let week = Some(Duration::from_hours(7 * 24));
        assert_eq!(settings(&BTreeMap::new(), week).retention.age_ms, Some(604_800_000));
        assert_eq!(settings(&BTreeMap::new(), None).retention.age_ms, None);
        let set = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
        assert_eq!(settings(&set, week).retention.age_ms, None);
        let described: Vec<_> = describe(&set, week).filter(|setting| setting.is_set).collect();
        assert_eq!(
            described,
            [DescribedSetting { name: "retention.ms", value: "-1".to_owned(), is_set: true }]
        );
    }
}
