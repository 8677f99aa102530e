//! `sluice-worker check`: says what is wrong with a configuration, all of it, before anything runs on it.
//!
//! Nothing is created but the root of a local lake, and the probe file that proves what the storage can do.

use std::path::PathBuf;
use std::process::ExitCode;

use sluice_contract::config::{Format, WorkerConfig};
use sluice_engine::Ingest;

use crate::finding::Finding;
use crate::ingest::{compile, read_configuration};
use crate::stream::JobError;
use crate::stream::restore::RestoreError;

mod connections;
mod lake;
mod scorer;

/// Flags of `sluice-worker check`.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckArguments {
    /// The worker configuration, as JSON.
    #[arg(long, env = "SLUICE_CONFIG", value_name = "FILE", required_unless_present = "scorer")]
    pub config: Option<PathBuf>,
    /// The configuration of a scorer, as JSON: checks that in place of a pipeline's, with its rules.
    #[arg(long, env = "SLUICE_SCORER", value_name = "FILE", requires = "rules")]
    pub scorer: Option<PathBuf>,
    /// The rule set of a scorer, as JSON.
    #[arg(long, env = "SLUICE_RULES", value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// Print the findings as a JSON list of {field, message, fix} on standard output.
    #[arg(long)]
    pub json: bool,
    /// Leave out what needs a network: Kafka, the schema registry and the storage.
    #[arg(long)]
    pub offline: bool,
}

/// Checks a configuration and prints what was found. Succeeds if that is nothing.
pub async fn run(arguments: CheckArguments) -> ExitCode {
    let offline = arguments.offline;
    let findings = match (&arguments.scorer, &arguments.rules, &arguments.config) {
        (Some(scorer), Some(rules), _) => scorer::check(scorer, rules, offline).await,
        (_, _, Some(config)) => check_pipeline(config, offline).await,
        (_, _, None) => vec![nothing_to_check()],
    };
    print(&findings, arguments.json);
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn check_pipeline(config: &PathBuf, offline: bool) -> Vec<Finding> {
    match read_configuration(config) {
        Ok(config) if offline => check_text(&config, config.source.schema.as_deref()).findings,
        Ok(config) => check_all(&config).await,
        Err(error) => vec![unreadable(&error)],
    }
}

/// What a configuration's text told.
struct Text {
    findings: Vec<Finding>,
    /// What it compiles to, if nothing is in the way.
    compiled: Option<Ingest>,
}

/// What the text alone tells: the schema and everything that is compiled from it.
fn check_text(config: &WorkerConfig, schema: Option<&str>) -> Text {
    let mut text = Text { findings: Vec::new(), compiled: None };
    let has_registry = config.source.schema_registry.is_some();
    if config.source.format == Format::Avro && !has_registry {
        text.findings.push(Finding::new(
            "source.schemaRegistry",
            "Avro messages name their writer schema by an id, but there is no registry to ask",
            "set source.schemaRegistry.url",
        ));
    }
    match schema {
        Some(schema) => match compile(config, schema, [0; 16]) {
            Ok(ingest) => text.compiled = Some(ingest),
            Err(RestoreError::Unusable { findings }) => text.findings.extend(findings),
            Err(other) => text.findings.push(connections::from_problem("source.schema", &other.problem())),
        },
        None if has_registry && config.source.format == Format::Avro => {}
        None => text.findings.push(Finding::new(
            "source.schema",
            "there is no schema, and no registry to take it from",
            "set source.schema to the text of an Avro record schema",
        )),
    }
    text
}

async fn check_all(config: &WorkerConfig) -> Vec<Finding> {
    let (kafka, (registry, latest), storage) = tokio::join!(
        connections::check_kafka(config, config.shards),
        connections::check_registry(config),
        connections::open_lake(config),
    );
    let schema = config.source.schema.clone().or(latest);
    let Text { mut findings, compiled } = check_text(config, schema.as_deref());
    findings.extend(kafka.into_iter().chain(registry));
    match (storage, compiled) {
        (Ok(lake), Some(compiled)) => findings.extend(lake::check(config, &lake, &compiled).await),
        (Ok(_), None) => {}
        (Err(finding), _) => findings.push(finding),
    }
    findings
}

fn unreadable(error: &JobError) -> Finding {
    Finding::new("configuration", error.to_string(), "name a file that the operator or `sluice` has written")
}

/// The flags rule it out.
fn nothing_to_check() -> Finding {
    Finding::new(
        "configuration",
        "there is nothing to check",
        "name a file by --config, or two by --scorer and --rules",
    )
}

fn print(findings: &[Finding], as_json: bool) {
    if as_json {
        println!("{}", serde_json::to_string_pretty(findings).expect("findings have string keys only"));
        return;
    }
    for finding in findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => println!("nothing is wrong"),
        1 => println!("1 finding"),
        many => println!("{many} findings"),
    }
}

#[cfg(test)]
mod tests;
