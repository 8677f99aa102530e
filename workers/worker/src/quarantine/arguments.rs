//! The command line of `sluice-worker quarantine`.

use std::path::PathBuf;

use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use clap::{Args, Subcommand, ValueEnum};

use crate::clock::now_us;

/// What to do with refused messages.
#[derive(Clone, Debug, Subcommand)]
pub enum QuarantineCommand {
    /// Count them by stage and reason.
    List(ListArguments),
    /// Show single messages with their original bytes.
    Show(ShowArguments),
    /// Take them through the present configuration again; those that pass become rows, exactly once.
    Replay(ReplayArguments),
}

/// Flags of `list`.
#[derive(Clone, Debug, Args)]
pub struct ListArguments {
    #[command(flatten)]
    pub(super) lake: LakeArguments,
    #[command(flatten)]
    pub(super) filter: Filter,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

/// Flags of `show`.
#[derive(Clone, Debug, Args)]
pub struct ShowArguments {
    #[command(flatten)]
    pub(super) lake: LakeArguments,
    #[command(flatten)]
    pub(super) filter: Filter,
    /// The most messages that are shown.
    #[arg(long, default_value_t = 20)]
    pub(super) limit: u32,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

/// Flags of `replay`.
#[derive(Clone, Debug, Args)]
pub struct ReplayArguments {
    #[command(flatten)]
    pub(super) lake: LakeArguments,
    #[command(flatten)]
    pub(super) filter: Filter,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

/// Whose quarantine.
#[derive(Clone, Debug, Args)]
pub(super) struct LakeArguments {
    /// The configuration of the pipeline's workers, as JSON.
    #[arg(long, env = "SLUICE_CONFIG", value_name = "FILE")]
    pub(super) config: PathBuf,
}

/// Which messages. All of the flags that are given must fit.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Filter {
    /// The stage that refused them.
    #[arg(long, value_enum)]
    pub(super) stage: Option<Stage>,
    /// The reason, as `list` shows it.
    #[arg(long)]
    pub(super) reason: Option<String>,
    /// The partition.
    #[arg(long)]
    pub(super) partition: Option<i32>,
    /// The offset in the partition.
    #[arg(long, requires = "partition")]
    pub(super) offset: Option<i64>,
    /// Refused since this time (2026-01-05T20:00:00Z), or in the last 30m, 2h or 7d.
    #[arg(long, value_name = "TIME|AGE", value_parser = parse_since)]
    pub(super) since: Option<Since>,
}

/// A time, in microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Since(pub(super) i64);

/// The stages that refuse messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Stage {
    Decode,
    Silver,
    Late,
}

#[derive(Clone, Debug, Args)]
pub(super) struct OutputArguments {
    /// Text for people, or JSON.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(super) output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    Table,
    Json,
}

fn parse_since(text: &str) -> Result<Since, String> {
    if let Some(age_us) = parse_age(text) {
        return Ok(Since(now_us().saturating_sub(age_us)));
    }
    let nanos = string_to_timestamp_nanos(text).map_err(|_| {
        format!("\"{text}\" is neither a time such as 2026-01-05T20:00:00Z nor an age such as 2h")
    })?;
    Ok(Since(nanos.div_euclid(1_000)))
}

/// A whole number and one unit: `90s`, `30m`, `2h`, `7d`; in microseconds.
fn parse_age(text: &str) -> Option<i64> {
    let (number, seconds) = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)]
        .into_iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
    let number: i64 = number.parse().ok().filter(|number| *number >= 0)?;
    number.checked_mul(seconds * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_an_age() {
        assert_eq!(parse_since("1970-01-01T00:00:02Z"), Ok(Since(2_000_000)));
        let Since(at) = parse_since("2h").expect("an age");
        let age = now_us() - at;
        assert!((7_200_000_000..7_260_000_000).contains(&age), "{age}");
        for text in ["", "yesterday", "-2h", "2", "99999999999999999d"] {
            assert!(parse_since(text).is_err(), "{text}");
        }
    }
}
