//! `sluice get`: the columns that kubectl would show.

use std::process::ExitCode;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use sluice_crds::definition;

use crate::args::{GetArguments, Kind, Output};
use crate::commands::{CommandError, status};
use crate::local_status::with_status;
use crate::printer_columns;
use crate::snapshot::Snapshot;

pub(super) async fn run(arguments: GetArguments) -> Result<ExitCode, CommandError> {
    let snapshot = status::current(&arguments.state).await?;
    let chosen = status::choose(&snapshot, arguments.name.as_deref())?;
    let resources: Vec<Value> = chosen.into_iter().map(|pipeline| resource(&snapshot, pipeline)).collect();
    match (arguments.kind, arguments.output) {
        (Kind::StreamPipelines, Output::Json) => {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": resources});
            println!("{list:#}");
        }
        (Kind::StreamPipelines, output) => {
            let definition = definition::stream_pipeline().resource;
            let wide = output == Output::Wide;
            for line in printer_columns::render(&definition, &resources, wide, Timestamp::now()) {
                println!("{line}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn resource(snapshot: &Snapshot, pipeline: &crate::snapshot::PipelineSnapshot) -> Value {
    serde_json::to_value(with_status(snapshot, pipeline)).expect("a resource has string keys only")
}
