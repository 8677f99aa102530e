//! `sluice get`: the columns that kubectl would show.

use std::process::ExitCode;

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use sluice_crds::FraudScorer;
use sluice_crds::definition::{self, Definition};
use snafu::ensure;

use crate::args::{GetArguments, Kind, Output};
use crate::commands::{CommandError, NoSuchPipelineSnafu, status};
use crate::local_status::{scorer_with_status, with_status};
use crate::printer_columns;
use crate::snapshot::Snapshot;

pub(super) async fn run(arguments: GetArguments) -> Result<ExitCode, CommandError> {
    let snapshot = status::current(&arguments.state).await?;
    let is_wanted = |kind| arguments.kind.is_none_or(|wanted| wanted == kind);
    let name = arguments.name.as_deref();
    let pipelines = is_wanted(Kind::StreamPipelines).then(|| pipelines(&snapshot, name));
    let scorers = is_wanted(Kind::FraudScorers).then(|| scorers(&snapshot, name));
    let (pipelines, scorers) = (pipelines.unwrap_or_default(), scorers.unwrap_or_default());
    let is_there = !pipelines.is_empty() || !scorers.is_empty();
    ensure!(
        name.is_none() || is_there,
        NoSuchPipelineSnafu { name: name.unwrap_or_default(), names: status::names(&snapshot) }
    );
    if arguments.output == Output::Json {
        let items: Vec<Value> = pipelines.into_iter().chain(scorers).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        println!("{list:#}");
        return Ok(ExitCode::SUCCESS);
    }
    let wide = arguments.output == Output::Wide;
    let tables = [
        table(&definition::stream_pipeline(), &pipelines, wide),
        table(&definition::of::<FraudScorer>(), &scorers, wide),
    ];
    let tables: Vec<String> = tables.into_iter().flatten().collect();
    println!("{}", tables.join("\n\n"));
    Ok(ExitCode::SUCCESS)
}

/// `None` for a kind of which there is nothing.
fn table(definition: &Definition, resources: &[Value], wide: bool) -> Option<String> {
    let lines = || printer_columns::render(&definition.resource, resources, wide, Timestamp::now());
    (!resources.is_empty()).then(|| lines().join("\n"))
}

fn pipelines(snapshot: &Snapshot, name: Option<&str>) -> Vec<Value> {
    let all = snapshot.pipelines.iter();
    let chosen = all.filter(|pipeline| name.is_none_or(|name| pipeline.is_called(name)));
    chosen.map(|pipeline| value(&with_status(snapshot, pipeline))).collect()
}

fn scorers(snapshot: &Snapshot, name: Option<&str>) -> Vec<Value> {
    let chosen = snapshot.scorers.iter().filter(|scorer| name.is_none_or(|name| scorer.is_called(name)));
    chosen.map(|scorer| value(&scorer_with_status(snapshot, scorer))).collect()
}

fn value(resource: &impl Serialize) -> Value {
    serde_json::to_value(resource).expect("a resource has string keys only")
}
