//! The command line of `generate`.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};

use super::GenerateError;
use super::calendar::parse_start_time;

/// Produces realistic e-commerce traffic to a Kafka topic.
#[derive(Args, Clone, Debug)]
pub struct GenerateArguments {
    /// Comma-separated host:port list of the Kafka brokers.
    #[arg(long, env = "SLUICE_BOOTSTRAP_SERVERS", value_name = "HOST:PORT")]
    pub bootstrap_servers: String,
    /// The topic; it is created if it does not exist.
    #[arg(long, default_value = "ecommerce.transactions")]
    pub topic: String,
    /// Partitions of the topic, if it is created.
    #[arg(long, default_value_t = 8)]
    pub partitions: u32,
    /// Encoding of the messages.
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub format: Format,
    /// Base URL of the schema registry, for Avro. The schema is registered as <topic>-value.
    #[arg(long, value_name = "URL")]
    pub schema_registry: Option<String>,
    /// Messages a second; 0 means as fast as possible.
    #[arg(long, default_value_t = 1000.0)]
    pub rate: f64,
    /// How many times the rate traffic reaches for 3 of every 30 seconds; the mean stays the rate.
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR")]
    pub bursts: f64,
    /// Stop after so many messages; without it, run until stopped.
    #[arg(long)]
    pub messages: Option<u64>,
    /// The same seed, start time and shares give the same messages. Default: 1 with a start time; without
    /// one the clock, so that a second run does not repeat the transaction ids of the first.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Event time of the first message, like 2026-01-05T20:00:00Z; without it, events happen now.
    ///
    /// With it, event times and Kafka timestamps advance by the event rate, whatever the rate is at
    /// which messages are sent.
    #[arg(long, value_name = "TIME", value_parser = parse_start_time)]
    pub start_time: Option<i64>,
    /// Messages for each second of event time, with a start time. Default: the rate, or 1000 where that is 0.
    #[arg(long)]
    pub event_rate: Option<f64>,
    /// Share of messages that are copies of earlier ones, sent seconds to half an hour later.
    #[arg(long, default_value_t = 0.005, value_name = "SHARE")]
    pub duplicates: f64,
    /// Share of messages that arrive half a minute to hours after their event.
    #[arg(long, default_value_t = 0.005, value_name = "SHARE")]
    pub late: f64,
    /// Share of messages that a pipeline must refuse, for every reason there is.
    #[arg(long, default_value_t = 0.002, value_name = "SHARE")]
    pub malformed: f64,
    /// Share of messages that are legal but odd: amounts at a boundary, unusual texts, null keys.
    #[arg(long, default_value_t = 0.001, value_name = "SHARE")]
    pub odd: f64,
    /// Stop when standard input closes, so that the generator ends with the process that started it.
    #[arg(long)]
    pub exit_with_parent: bool,
}

/// Encoding of the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object per message.
    Json,
    /// Avro in Confluent framing; needs a schema registry.
    Avro,
}

impl GenerateArguments {
    /// Checks what the command-line parser cannot.
    pub(super) fn check(&self) -> Result<(), GenerateError> {
        let refuse = |flag: &'static str, problem: String, fix: &'static str| {
            Err(GenerateError::InvalidArgument { flag, problem, fix })
        };
        let shares = [
            ("--duplicates", self.duplicates),
            ("--late", self.late),
            ("--malformed", self.malformed),
            ("--odd", self.odd),
        ];
        for (flag, share) in shares {
            if !(0.0..=0.5).contains(&share) {
                return refuse(flag, format!("{share} is no share"), "give a number from 0 to 0.5");
            }
        }
        if !self.rate.is_finite() || self.rate < 0.0 {
            return refuse("--rate", format!("{} is no rate", self.rate), "give 0 or a positive number");
        }
        if !(1.0..=9.0).contains(&self.bursts) {
            return refuse("--bursts", format!("{} is no factor", self.bursts), "give a number from 1 to 9");
        }
        if self.event_rate.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
            return refuse("--event-rate", "it must be positive".to_owned(), "give a positive number");
        }
        if self.event_rate.is_some() && self.start_time.is_none() {
            return refuse("--event-rate", "events happen now".to_owned(), "give --start-time, too");
        }
        if self.partitions == 0 {
            return refuse("--partitions", "a topic has at least one".to_owned(), "give 1 or more");
        }
        if self.format == Format::Avro && self.schema_registry.is_none() {
            return refuse(
                "--schema-registry",
                "Avro needs one".to_owned(),
                "give its URL, or --format json",
            );
        }
        Ok(())
    }

    /// The seed, as given or by default.
    pub(super) fn effective_seed(&self, clock: SystemTime) -> u64 {
        let by_clock = || clock.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
        self.seed.unwrap_or_else(|| if self.start_time.is_some() { 1 } else { by_clock() })
    }

    /// Messages for each second of event time: what sizes the crowd of users that shop at one time.
    pub(super) fn effective_event_rate(&self) -> f64 {
        match (self.event_rate, self.rate) {
            (Some(event_rate), _) => event_rate,
            (None, rate) if rate > 0.0 => rate,
            (None, _) => 1000.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        generate: GenerateArguments,
    }

    fn parsed(flags: &[&str]) -> GenerateArguments {
        let always = ["generate", "--bootstrap-servers", "localhost:9092"];
        CommandLine::parse_from(always.iter().chain(flags)).generate
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_flag_and_the_fix() {
        let cases: [(&[&str], &str); 7] = [
            (&["--late", "1.5"], "--late"),
            (&["--malformed", "-0.1"], "--malformed"),
            (&["--rate", "inf"], "--rate"),
            (&["--bursts", "10"], "--bursts"),
            (&["--event-rate", "10"], "--event-rate"),
            (&["--partitions", "0"], "--partitions"),
            (&["--format", "avro"], "--schema-registry"),
        ];
        for (flags, named) in cases {
            let flags: Vec<String> = flags.chunks(2).map(|pair| pair.join("=")).collect();
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            let message = parsed(&flags).check().unwrap_err().to_string();
            assert!(message.contains(named) && message.contains("give"), "{message}");
        }
        assert!(parsed(&[]).check().is_ok());
    }

    #[test]
    fn the_seed_follows_the_clock_only_where_events_happen_now() {
        let (first, second) = (UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(1));
        let now = parsed(&[]);
        assert_ne!(now.effective_seed(first), now.effective_seed(second));
        assert_eq!(parsed(&["--start-time", "2026-01-05"]).effective_seed(second), 1);
        assert_eq!(parsed(&["--seed", "7"]).effective_seed(second), 7);
    }

    #[test]
    fn events_advance_by_the_rate_unless_they_are_given_one() {
        assert!((parsed(&["--rate", "50"]).effective_event_rate() - 50.0).abs() < 1e-9);
        assert!((parsed(&["--rate", "0"]).effective_event_rate() - 1000.0).abs() < 1e-9);
        let given = ["--rate", "50", "--start-time", "2026-01-05", "--event-rate", "7"];
        assert!((parsed(&given).effective_event_rate() - 7.0).abs() < 1e-9);
    }
}
