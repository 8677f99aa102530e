//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use sluice_crds::replay::SCORES;
use url::Url;

/// Kafka topics to lakehouses, on this machine.
///
/// Runs the same resources as a cluster does, as supervised local processes. For laptops, CI and demos.
#[derive(Debug, Parser)]
#[command(name = "sluice", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the resources of some files until Ctrl-C.
    Up(UpArguments),
    /// Show resources that run, with the columns that kubectl shows.
    Get(GetArguments),
    /// Show everything that the workers say of themselves.
    Status(StatusArguments),
    /// Look into refused messages, and replay them after a fix.
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Make tables again from bronze, with the present configuration.
    Replay(ReplayArguments),
    /// Rebuild what a lake remembers from its tables, after files below `_sluice` were lost.
    Recover(RecoverArguments),
    /// Check resources without running anything.
    Validate(ValidateArguments),
    /// Stop what `sluice up` runs.
    Down(StateArguments),
    /// Run the embedded Kafka-protocol broker alone.
    Broker(BrokerArguments),
    /// Run the embedded schema registry alone.
    SchemaRegistry(SchemaRegistryArguments),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct UpArguments {
    #[command(flatten)]
    pub(crate) files: FileArguments,
    /// Stands in for every Kafka cluster: `embedded`, or the address of one.
    #[arg(long, value_name = "embedded|HOST:PORT", value_parser = parse_broker)]
    pub(crate) broker: Option<Broker>,
    /// Stands in for every lake: `local` (below the state directory), a directory, or the URI of a folder.
    /// Each pipeline gets a folder <namespace>/<name> of it.
    #[arg(long, value_name = "local|DIR|URI", value_parser = parse_lake)]
    pub(crate) lake: Option<Lake>,
    /// Stands in for every schema registry: `embedded`, or the URL of one.
    #[arg(long, value_name = "embedded|URL", value_parser = parse_schema_registry)]
    pub(crate) schema_registry: Option<SchemaRegistry>,
    /// Directory with a folder for each Secret and a file for each of its keys.
    #[arg(long, value_name = "DIR")]
    pub(crate) secrets: Option<PathBuf>,
    /// Produce so many e-commerce messages a second to the pipelines' topics; 0 is as fast as possible.
    #[arg(long, value_name = "RATE", conflicts_with = "until_caught_up", value_parser = parse_rate)]
    pub(crate) generate: Option<f64>,
    #[command(flatten)]
    pub(crate) state: StateArguments,
    /// Stop when everything that is in the topics now is committed.
    #[arg(long)]
    pub(crate) until_caught_up: bool,
    #[command(flatten)]
    pub(crate) worker: WorkerArguments,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct FileArguments {
    /// File or directory with resources; may be given several times. `-` reads standard input.
    #[arg(short = 'f', long = "filename", value_name = "DIR_OR_FILE", required = true)]
    pub(crate) filenames: Vec<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct StateArguments {
    /// Directory of everything that local mode keeps.
    #[arg(long, value_name = "DIR", default_value = ".sluice")]
    pub(crate) state: PathBuf,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct WorkerArguments {
    /// The worker program. Default: `sluice-worker` beside this program, else in the PATH.
    #[arg(long, value_name = "PATH", env = "SLUICE_WORKER")]
    pub(crate) worker: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct GetArguments {
    /// The kind; all of them unless told.
    #[arg(value_enum)]
    pub(crate) kind: Option<Kind>,
    /// Name of one resource.
    pub(crate) name: Option<String>,
    /// Output: a table, a wide table, or the resources as JSON.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct StatusArguments {
    /// Name of one pipeline or scorer.
    pub(crate) name: Option<String>,
    /// Output: text, or everything as JSON.
    #[arg(short, long, value_enum, default_value_t = StatusOutput::Text)]
    pub(crate) output: StatusOutput,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

/// Credentials of a lake that is not on this machine come from the environment (`AWS_ACCESS_KEY_ID`, ...).
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    /// Count refused messages by stage and reason.
    List(QuarantineArguments),
    /// Show single messages with their original bytes.
    Show(ShowArguments),
    /// Take them through the present configuration again; those that pass become rows, exactly once.
    Replay(QuarantineArguments),
}

/// Rows that come out the same stay as they are, and nobody is alerted. Workers that run go on meanwhile. Credentials of a
/// lake that is not on this machine come from the environment (`AWS_ACCESS_KEY_ID`, ...).
#[derive(Args, Clone, Debug)]
pub(crate) struct ReplayArguments {
    /// Name of the pipeline; needed where there are several.
    pub(crate) pipeline: Option<String>,
    /// The tables, separated by commas: silver, gold (all windowed tables), gold/<name>, fraud.
    #[arg(long, value_name = "TABLE,...", value_delimiter = ',', required = true, value_parser = parse_table)]
    pub(crate) tables: Vec<String>,
    /// The first messages: a time of Kafka (2026-01-05T20:00:00Z), or offsets. The first row of bronze unless told.
    #[arg(long, value_name = "TIME|PARTITION:OFFSET,...")]
    pub(crate) from: Option<String>,
    /// Where it ends, likewise. Where the workers stand unless told.
    #[arg(long, value_name = "TIME|PARTITION:OFFSET,...")]
    pub(crate) until: Option<String>,
    /// Name of the scorer whose table `fraud` is; needed where the pipeline has several.
    #[arg(long, value_name = "NAME")]
    pub(crate) scorer: Option<String>,
    /// Name of the replay, by which one that was killed goes on. One with the time in it unless told.
    #[arg(long)]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) state: StateArguments,
    #[command(flatten)]
    pub(crate) worker: WorkerArguments,
}

/// Credentials of a lake that is not on this machine come from the environment (`AWS_ACCESS_KEY_ID`, ...).
#[derive(Args, Clone, Debug)]
pub(crate) struct RecoverArguments {
    /// Name of the pipeline, or of the scorer; needed where there are several.
    pub(crate) name: Option<String>,
    /// Rebuild what a scorer remembers, from its table and the bronze of its pipeline.
    #[arg(long)]
    pub(crate) scorer: bool,
    /// Do it. Without this flag the lake is only looked at.
    #[arg(long)]
    pub(crate) apply: bool,
    #[command(flatten)]
    pub(crate) state: StateArguments,
    #[command(flatten)]
    pub(crate) worker: WorkerArguments,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ShowArguments {
    #[command(flatten)]
    pub(crate) quarantine: QuarantineArguments,
    /// The most messages that are shown (20 unless told).
    #[arg(long, value_name = "NUMBER")]
    pub(crate) limit: Option<u32>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct QuarantineArguments {
    /// Name of the pipeline; needed where there are several.
    pub(crate) name: Option<String>,
    /// The stage that refused them.
    #[arg(long, value_parser = ["decode", "silver", "late"])]
    pub(crate) stage: Option<String>,
    /// The reason, as `list` shows it.
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// The partition.
    #[arg(long)]
    pub(crate) partition: Option<i32>,
    /// The offset in the partition.
    #[arg(long, requires = "partition")]
    pub(crate) offset: Option<i64>,
    /// Refused since this time (2026-01-05T20:00:00Z), or in the last 30m, 2h or 7d.
    #[arg(long, value_name = "TIME|AGE")]
    pub(crate) since: Option<String>,
    /// Output: text for people, or JSON.
    #[arg(short, long, value_enum, default_value_t = StatusOutput::Text)]
    pub(crate) output: StatusOutput,
    #[command(flatten)]
    pub(crate) state: StateArguments,
    #[command(flatten)]
    pub(crate) worker: WorkerArguments,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ValidateArguments {
    #[command(flatten)]
    pub(crate) files: FileArguments,
    #[command(flatten)]
    pub(crate) worker: WorkerArguments,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct BrokerArguments {
    /// Directory of the topics.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    pub(crate) listen: SocketAddr,
    /// Create a topic if it does not exist; may be given several times.
    #[arg(long = "create-topic", value_name = "NAME")]
    pub(crate) topics: Vec<String>,
    /// Partitions of a topic that is created.
    #[arg(long, value_name = "NUMBER", default_value_t = 8)]
    pub(crate) partitions: u32,
    #[command(flatten)]
    pub(crate) parent: ParentArguments,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct SchemaRegistryArguments {
    /// Directory of the registry's log.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8081")]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) parent: ParentArguments,
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct ParentArguments {
    /// Stop when standard input closes, so that the process ends with the one that started it.
    #[arg(long)]
    pub(crate) exit_with_parent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    #[value(name = "streampipelines", aliases = ["streampipeline", "stpl"])]
    StreamPipelines,
    #[value(name = "fraudscorers", aliases = ["fraudscorer", "fscr"])]
    FraudScorers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Wide,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatusOutput {
    Text,
    Json,
}

/// What stands in for every Kafka cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Broker {
    Embedded,
    Address(String),
}

/// What stands in for every schema registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SchemaRegistry {
    Embedded,
    Url(String),
}

/// What stands in for every lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lake {
    Local,
    Directory(PathBuf),
    Store(String),
}

fn parse_broker(text: &str) -> Result<Broker, String> {
    if text == "embedded" {
        return Ok(Broker::Embedded);
    }
    let is_address = |address: &str| {
        address
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
    };
    if text.split(',').all(is_address) {
        Ok(Broker::Address(text.to_owned()))
    } else {
        Err("give 'embedded' or the address of a broker as HOST:PORT".to_owned())
    }
}

fn parse_schema_registry(text: &str) -> Result<SchemaRegistry, String> {
    match text {
        "embedded" => Ok(SchemaRegistry::Embedded),
        url if url.starts_with("http://") || url.starts_with("https://") => {
            Ok(SchemaRegistry::Url(url.trim_end_matches('/').to_owned()))
        }
        _ => Err("give 'embedded' or the URL of a registry, like http://localhost:8081".to_owned()),
    }
}

fn parse_lake(text: &str) -> Result<Lake, String> {
    if text == "local" {
        return Ok(Lake::Local);
    }
    let lake = match text.split_once("://") {
        None if !text.is_empty() => Some(Lake::Directory(PathBuf::from(text))),
        Some(("file", _)) => file_path(text).map(Lake::Directory),
        Some(("s3" | "gs" | "az" | "abfs" | "abfss", path)) if is_folder(path) => {
            Some(Lake::Store(text.trim_end_matches('/').to_owned()))
        }
        _ => None,
    };
    lake.ok_or_else(|| {
        "give 'local', a directory, or the URI of a folder: file:///path, s3://bucket/path, gs://bucket/path, \
         az://container/path or abfss://container@account.dfs.core.windows.net/path, without blanks, '?', '#' \
         and '%'"
            .to_owned()
    })
}

fn file_path(uri: &str) -> Option<PathBuf> {
    Url::parse(uri).ok()?.to_file_path().ok()
}

/// Whether this can stand behind the scheme of an object store.
fn is_folder(path: &str) -> bool {
    let is_part = |part: &str| !["", ".", ".."].contains(&part);
    path.trim_end_matches('/').split('/').all(is_part) && !path.contains([' ', '?', '#', '%'])
}

fn parse_table(text: &str) -> Result<String, String> {
    let is_named = |name: &str| !name.is_empty() && !name.contains('/');
    match text {
        "silver" | "gold" | SCORES => Ok(text.to_owned()),
        _ if text.strip_prefix("gold/").is_some_and(is_named) => Ok(text.to_owned()),
        _ => Err("name tables as silver, gold (all windowed tables), gold/<name> or fraud".to_owned()),
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate >= 0.0 => Ok(rate),
        _ => Err("give a number of messages a second, or 0 for as fast as possible".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use clap::{CommandFactory, Parser};

    use super::{
        Arguments, Broker, Command, Lake, SchemaRegistry, parse_broker, parse_lake, parse_schema_registry,
    };

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_demo_command_parses() {
        let arguments = Arguments::try_parse_from([
            "sluice",
            "up",
            "-f",
            "examples",
            "--broker",
            "embedded",
            "--lake",
            "local",
            "--generate",
            "10000",
        ]);
        let Ok(Arguments { command: Command::Up(up) }) = arguments else { panic!("{arguments:?}") };
        assert_eq!(up.broker, Some(Broker::Embedded));
        assert_eq!(up.lake, Some(Lake::Local));
        assert_eq!(up.state.state, PathBuf::from(".sluice"));
    }

    #[test]
    fn generating_excludes_stopping_when_caught_up() {
        let both = ["sluice", "up", "-f", "x", "--generate", "1", "--until-caught-up"];
        assert!(Arguments::try_parse_from(both).is_err());
    }

    #[test]
    fn stand_ins_are_told_apart() {
        assert_eq!(parse_broker("a:9092,b:9092"), Ok(Broker::Address("a:9092,b:9092".to_owned())));
        assert!(parse_broker("localhost").is_err());
        assert!(parse_broker("localhost:0").is_err());
        assert_eq!(parse_lake("file:///data/lake"), Ok(Lake::Directory(PathBuf::from("/data/lake"))));
        assert_eq!(parse_lake("s3://bucket/lake/"), Ok(Lake::Store("s3://bucket/lake".to_owned())));
        assert_eq!(parse_lake("file:///a%20b"), Ok(Lake::Directory(PathBuf::from("/a b"))));
        for unusable in
            ["", "ftp://host", "file://host/lake", "s3://", "s3:///lake", "s3://b/../lake", "gs://b/a?b"]
        {
            assert!(
                parse_lake(unusable).is_err_and(|error| error.contains("s3://bucket/path")),
                "{unusable}"
            );
        }
        assert!(parse_schema_registry("localhost:8081").is_err());
        assert_eq!(parse_schema_registry("http://h:1/"), Ok(SchemaRegistry::Url("http://h:1".to_owned())));
    }
}
