//! The command line of `sluice-worker replay`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use clap::builder::TypedValueParser as _;
use clap::{Args, ValueEnum};
use url::Url;

/// Flags of `replay`.
#[derive(Clone, Debug, Args)]
pub struct ReplayArguments {
    /// The configuration of the pipeline's workers, as JSON. For `--tables fraud` alone that of the scorer will do.
    #[arg(long, env = "SLUICE_CONFIG", value_name = "FILE", required_unless_present = "scorer")]
    pub(super) config: Option<PathBuf>,
    /// The configuration of the scorer whose table is replayed, as JSON; for `--tables fraud`.
    #[arg(long, env = "SLUICE_SCORER", value_name = "FILE")]
    pub(super) scorer: Option<PathBuf>,
    /// The scorer's rule set, as JSON; for `--tables fraud`.
    #[arg(long, env = "SLUICE_RULES", value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,
    /// Name of the replay, for logs and manifests.
    #[arg(long, default_value = "by-hand", value_name = "NAME")]
    pub(super) name: String,
    /// What to replay: silver, gold (all tables of windows), gold/NAME (one of them), fraud (the scorer's table).
    #[arg(long, required = true, value_delimiter = ',', value_name = "TABLE,...", value_parser = parse_table)]
    pub(super) tables: Vec<Replayable>,
    /// The first message: a time (2026-01-05T20:00:00Z), or an offset of each partition (0:1500,1:1720). Default: the
    /// first row of bronze.
    #[arg(long, value_name = "TIME|PARTITION:OFFSET,...", value_parser = parse_bound)]
    pub(super) from: Option<Bound>,
    /// The first message behind the last one, likewise. Default: where the workers stand.
    #[arg(long, value_name = "TIME|PARTITION:OFFSET,...", value_parser = parse_bound)]
    pub(super) until: Option<Bound>,
    /// How many workers make silver or scores again, this process included. Without --peers all of them are in it.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256).map(usize::from), value_name = "COUNT")]
    pub(super) workers: usize,
    /// Other workers: `sluice-worker replay-peer` runs there. This process is one more.
    #[arg(long, value_delimiter = ',', value_name = "URL,...", value_parser = parse_peer)]
    pub(super) peers: Vec<Url>,
    /// Which one of the pods of a Job this is: all but the first wait for tasks, as `replay-peer` does.
    #[arg(long, env = "JOB_COMPLETION_INDEX", default_value_t = 0, hide = true)]
    pub(super) index: u32,
    /// Where they wait.
    #[arg(long, default_value = "127.0.0.1:8090", hide = true, value_name = "HOST:PORT")]
    pub(super) listen: SocketAddr,
    /// Text for people, or JSON.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(super) output: Output,
}

/// Flags of `replay-peer`.
#[derive(Clone, Debug, Args)]
pub struct PeerArguments {
    /// Where to wait for tasks. Whoever reaches this has the worker read and write lakes: keep it to the replay's own.
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "HOST:PORT")]
    pub(super) listen: SocketAddr,
}

impl ReplayArguments {
    /// Threads for the workers of this process.
    pub fn threads(&self) -> usize {
        self.workers
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    Table,
    Json,
}

/// A table, or some, that can be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Replayable {
    Silver,
    /// All tables of windows.
    Gold,
    /// One table of windows, by its name below `gold/`.
    GoldTable(String),
    /// The table of a scorer.
    Fraud,
}

/// An end of the range that is replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// A time by Kafka's timestamps, in microseconds since the Unix epoch.
    Time(i64),
    /// An offset of each partition that takes part.
    Offsets(BTreeMap<i32, i64>),
}

fn parse_table(text: &str) -> Result<Replayable, String> {
    if let Some(name) = text.strip_prefix("gold/").filter(|name| !name.is_empty()) {
        return Ok(Replayable::GoldTable(name.to_owned()));
    }
    match text {
        "silver" => Ok(Replayable::Silver),
        "gold" => Ok(Replayable::Gold),
        "fraud" => Ok(Replayable::Fraud),
        "bronze" | "quarantine" => Err(format!(
            "{text} cannot be replayed: it holds what came; name silver, gold, gold/NAME or fraud"
        )),
        _ => {
            Err(format!("\"{text}\" is no table that can be replayed; name silver, gold, gold/NAME or fraud"))
        }
    }
}

fn parse_peer(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| url.scheme() == "http" && url.has_host());
    url.ok_or_else(|| format!("\"{text}\" is no address of a worker; write http://HOST:PORT"))
}

fn parse_bound(text: &str) -> Result<Bound, String> {
    let explain = |what: &str| {
        format!(
            "\"{text}\" {what}; write a time with its zone such as 2026-01-05T20:00:00Z, or offsets such as 0:1500,1:1720"
        )
    };
    if let Ok(nanos) = string_to_timestamp_nanos(text) {
        if !has_zone(text) {
            return Err(explain("does not say in which zone the time is"));
        }
        return Ok(Bound::Time(nanos.div_euclid(1_000)));
    }
    let mut offsets = BTreeMap::new();
    for part in text.split(',') {
        let parsed = part.split_once(':').and_then(|(partition, offset)| {
            let partition: i32 = partition.trim().parse().ok().filter(|partition| *partition >= 0)?;
            let offset: i64 = offset.trim().parse().ok().filter(|offset| *offset >= 0)?;
            Some((partition, offset))
        });
        let (partition, offset) =
            parsed.ok_or_else(|| explain("is neither a time nor a list of offsets by partition"))?;
        if offsets.insert(partition, offset).is_some() {
            return Err(explain(&format!("names partition {partition} twice")));
        }
    }
    Ok(Bound::Offsets(offsets))
}

/// Whether a time says how far it is from UTC.
fn has_zone(time: &str) -> bool {
    let clock = time.split_once(['T', 't', ' ']).map_or("", |(_, clock)| clock);
    clock.ends_with(['Z', 'z']) || clock.contains(['+', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_a_time_with_its_zone_or_offsets_by_partition() {
        assert_eq!(parse_bound("1970-01-01T00:00:02Z"), Ok(Bound::Time(2_000_000)));
        assert_eq!(parse_bound("1970-01-01T01:00:02.5+01:00"), Ok(Bound::Time(2_500_000)));
        assert_eq!(parse_bound("1969-12-31T23:59:59.999999Z"), Ok(Bound::Time(-1)));
        assert_eq!(parse_bound("3:17"), Ok(Bound::Offsets(BTreeMap::from([(3, 17)]))));
        let two = Bound::Offsets(BTreeMap::from([(0, 1500), (1, 0)]));
        assert_eq!(parse_bound("0:1500,1:0"), Ok(two));
    }

    #[test]
    fn a_bound_that_is_neither_is_refused_with_the_fix() {
        for text in
            ["", "yesterday", "17", "0:", ":5", "0:-1", "-1:5", "0:1,0:2", "0:1,", "2026-01-05T20:00:00"]
        {
            let error = parse_bound(text).expect_err(text);
            assert!(error.contains("2026-01-05T20:00:00Z") && error.contains("0:1500,1:1720"), "{error}");
        }
        assert!(parse_bound("2026-01-05").expect_err("no zone").contains("zone"));
        assert!(parse_bound("0:1,0:2").expect_err("twice").contains("partition 0 twice"));
    }

    #[test]
    fn a_peer_is_reached_by_http() {
        for text in ["http://worker-1:8090", "http://10.0.0.7:8090", "http://[fd00::2]:8090"] {
            assert!(parse_peer(text).is_ok(), "{text}");
        }
        for text in ["worker-1:8090", "worker-1", "https://worker-1:8090", "http://", ""] {
            let error = parse_peer(text).expect_err(text);
            assert!(error.contains("http://HOST:PORT"), "{error}");
        }
    }

    #[test]
    fn tables_are_those_that_are_made_from_bronze() {
        assert_eq!(parse_table("silver"), Ok(Replayable::Silver));
        assert_eq!(parse_table("gold"), Ok(Replayable::Gold));
        assert_eq!(parse_table("gold/user"), Ok(Replayable::GoldTable("user".to_owned())));
        assert_eq!(parse_table("fraud"), Ok(Replayable::Fraud));
        for text in ["", "bronze", "quarantine", "gold/", "Silver", "fraud/transactions"] {
            let error = parse_table(text).expect_err(text);
            assert!(error.contains("silver, gold, gold/NAME or fraud"), "{error}");
        }
    }
}
