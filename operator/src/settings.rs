//! The command line of the operator. Every flag has an environment variable; defaults are only here.

use std::net::SocketAddr;

use clap::{Args, Parser, ValueEnum};

/// The operator of Sluice: StreamPipelines in, running pipelines out.
#[derive(Clone, Debug, Parser)]
#[command(name = "sluice-operator", version, about)]
pub struct Settings {
    /// Namespaces to look after, separated by commas. Default: all.
    #[arg(long, env = "SLUICE_WATCH_NAMESPACES", value_delimiter = ',', value_name = "NAMESPACE,...")]
    pub watch_namespaces: Vec<String>,
    /// Image of the workers.
    #[arg(long, env = "SLUICE_WORKER_IMAGE", default_value = concat!("ghcr.io/sluice/worker:", env!("CARGO_PKG_VERSION")))]
    pub worker_image: String,
    /// Namespace of the operator: its pods are let through to the workers, and its lease lives there.
    #[arg(long, env = "SLUICE_OPERATOR_NAMESPACE", default_value = "sluice-system")]
    pub operator_namespace: String,
    /// Namespaces whose pods may scrape the workers' metrics, separated by commas.
    #[arg(
        long,
        env = "SLUICE_MONITORING_NAMESPACES",
        value_delimiter = ',',
        default_value = "monitoring",
        value_name = "NAMESPACE,..."
    )]
    pub monitoring_namespaces: Vec<String>,
    /// As many pipelines may restart working workers at once.
    #[arg(long, env = "SLUICE_MAX_CONCURRENT_RESTARTS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_concurrent_restarts: u32,
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, env = "SLUICE_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Who of several operators acts.
    #[command(flatten)]
    pub election: Election,
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: Telemetry,
}

/// Who of several operators acts.
#[derive(Clone, Debug, Args)]
pub struct Election {
    /// Act only while holding a lease. Needed with more than one replica.
    #[arg(long, env = "SLUICE_LEADER_ELECTION", default_value_t = false)]
    pub leader_election: bool,
    /// Name of the lease.
    #[arg(long, env = "SLUICE_LEASE_NAME", default_value = "sluice-operator")]
    pub lease_name: String,
    /// Namespace of the lease. Default: the operator's.
    #[arg(long, env = "SLUICE_LEASE_NAMESPACE")]
    pub lease_namespace: Option<String>,
    /// For how many seconds a lease holds without a sign of life.
    #[arg(long, env = "SLUICE_LEASE_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(5..=600))]
    pub lease_seconds: u64,
}

/// Logs and traces.
#[derive(Clone, Debug, Args)]
pub struct Telemetry {
    /// The form of log lines, which go to standard error.
    #[arg(long, env = "SLUICE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
    /// What is logged: a level, or directives such as `info,sluice_operator=debug`.
    #[arg(long, env = "SLUICE_LOG", default_value = "warn,sluice_operator=info")]
    pub log: String,
    /// Where traces go, in OpenTelemetry's protocol over HTTP, for example
    /// `http://collector:4318/v1/traces`. Default: nowhere.
    #[arg(long, env = "SLUICE_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl Settings {
    /// The namespaces to look after; one `None` stands for all.
    pub fn scopes(&self) -> Vec<Option<String>> {
        let named: Vec<_> =
            self.watch_namespaces.iter().filter(|name| !name.is_empty()).cloned().map(Some).collect();
        if named.is_empty() { vec![None] } else { named }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Settings;

    #[test]
    fn the_command_line_is_sound() {
        Settings::command().debug_assert();
    }

    #[test]
    fn without_namespaces_all_are_looked_after() {
        let scopes = |arguments: &[&str]| Settings::try_parse_from(arguments).expect("valid").scopes();
        assert_eq!(scopes(&["sluice-operator"]), [None]);
        assert_eq!(scopes(&["sluice-operator", "--watch-namespaces", ""]), [None]);
        assert_eq!(
            scopes(&["sluice-operator", "--watch-namespaces", "shop,bank"]),
            [Some("shop".to_owned()), Some("bank".to_owned())]
        );
    }

    #[test]
    fn no_slot_for_restarts_would_stop_every_upgrade() {
        assert!(Settings::try_parse_from(["sluice-operator", "--max-concurrent-restarts", "0"]).is_err());
    }
}
