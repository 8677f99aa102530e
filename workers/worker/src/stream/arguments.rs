//! The flags of every job that follows the topic. Each has an environment variable, which is how Kubernetes sets them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Flags of a job that follows the topic: all that `sluice-worker ingest` has.
#[derive(Clone, Debug, clap::Args)]
pub struct StreamArguments {
    /// The worker configuration, as JSON.
    #[arg(long, env = "SLUICE_CONFIG", value_name = "FILE")]
    pub config: PathBuf,
    /// Number of the shard, from 0.
    #[arg(long, env = "SLUICE_SHARD", default_value_t = 0)]
    pub shard: u32,
    /// Where to serve /report, /metrics, /healthz and /readyz; port 0 takes a free one.
    #[arg(long, env = "SLUICE_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Name of the process, of its host or pod; shown in manifests and reports.
    #[arg(long, env = "SLUICE_WRITER", default_value = "worker")]
    pub writer: String,
    /// Revision of the Deployment that started the process: a newer one may take the chain over.
    #[arg(long, env = "SLUICE_DEPLOYMENT_REVISION", default_value_t = 0)]
    pub deployment_revision: u64,
    /// End when everything that is in the topic now is committed to all tables.
    #[arg(long, env = "SLUICE_UNTIL_CAUGHT_UP")]
    pub until_caught_up: bool,
    /// Stop cleanly when standard input ends.
    #[arg(long, env = "SLUICE_EXIT_WITH_PARENT")]
    pub exit_with_parent: bool,
    /// How long the schema registry must have said "not found" before messages of a schema id are refused.
    #[arg(
        long,
        env = "SLUICE_SCHEMA_NOT_FOUND_AFTER",
        value_name = "DURATION",
        default_value = "30s",
        value_parser = parse_duration
    )]
    pub schema_not_found_after: Duration,
}

/// A whole number and one unit: `500ms`, `30s`, `2m`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let explain = || format!("\"{text}\" is not a duration such as 500ms, 30s or 2m");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(explain)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| explain())?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        _ => None,
    };
    milliseconds.map(Duration::from_millis).ok_or_else(explain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_one_unit() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        for text in ["", "30", "s", "1.5s", "-1s", "30 s", "1h", "99999999999999999999s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
