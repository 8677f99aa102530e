//! The flags of `maintain`. Each has an environment variable, which is how Kubernetes may set them.

use std::path::PathBuf;
use std::time::Duration;

/// Flags of `sluice-worker maintain`.
#[derive(Clone, Debug, clap::Args)]
pub struct MaintainArguments {
    /// The worker configuration, as JSON.
    #[arg(long, env = "SLUICE_CONFIG", value_name = "FILE")]
    pub config: PathBuf,
    /// How long old versions of the tables can be read.
    #[arg(
        long,
        env = "SLUICE_RETENTION",
        value_name = "DURATION",
        default_value = "30d",
        value_parser = parse_duration
    )]
    pub retention: Duration,
    /// Leave files alone that are younger than this: they get company in larger files later.
    #[arg(
        long,
        env = "SLUICE_SETTLED_AFTER",
        value_name = "DURATION",
        default_value = "5m",
        value_parser = parse_duration
    )]
    pub settled_after: Duration,
}

/// A whole number and one unit: `0s`, `5m`, `36h`, `30d`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let explain = || format!("\"{text}\" is not a duration such as 30s, 5m, 36h or 30d");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(explain)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| explain())?;
    let seconds = match unit {
        "s" => Some(number),
        "m" => number.checked_mul(60),
        "h" => number.checked_mul(3_600),
        "d" => number.checked_mul(86_400),
        _ => None,
    };
    seconds.map(Duration::from_secs).ok_or_else(explain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_one_unit() {
        assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
        assert_eq!(parse_duration("5m"), Ok(Duration::from_mins(5)));
        assert_eq!(parse_duration("36h"), Ok(Duration::from_hours(36)));
        assert_eq!(parse_duration("30d"), Ok(Duration::from_hours(720)));
        for text in ["", "30", "d", "1.5d", "-1d", "30 d", "1w", "99999999999999999999d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
