//! The first lines: where everything is, and how to read the tables.

use snafu::ResultExt;
use url::Url;

use crate::commands::up::session::Session;
use crate::commands::{CommandError, PrintSnafu};
use crate::manifest;

pub(super) fn print(session: &mut Session) -> Result<(), CommandError> {
    let lines = lines(session);
    lines.iter().try_for_each(|line| session.printer.say(line)).context(PrintSnafu)
}

fn lines(session: &Session) -> Vec<String> {
    let mut lines = Vec::new();
    for service in &session.prepared.services {
        lines.push(format!("{} at {}", service.process.name, service.address));
    }
    for pipeline in &session.prepared.pipelines {
        let topic = &pipeline.resource.spec.source.kafka.topic;
        let name =
            format!("{}/{}", manifest::namespace(&pipeline.resource), manifest::name(&pipeline.resource));
        let lake = &shown(&pipeline.lake);
        lines.push(format!(
            "{name}: topic {topic} at {} -> Delta tables in {lake}",
            pipeline.bootstrap_servers
        ));
        lines.push(format!("  read them: {}", reading(lake)));
    }
    for scorer in session.prepared.scorers.iter().filter(|scorer| scorer.documents.is_some()) {
        let name = format!("{}/{}", manifest::namespace(&scorer.resource), manifest::name(&scorer.resource));
        let spec = &scorer.resource.spec;
        let alerts = spec
            .alerts
            .as_ref()
            .map(|alerts| format!(", alerts to topic {}", alerts.topic))
            .unwrap_or_default();
        let table = format!("{}/fraud/{}", shown(&scorer.lake), spec.table.name);
        lines.push(format!("scorer {name}: scores in {table}{alerts}"));
    }
    lines.push(format!("  logs: {}", session.state.root().join("logs").display()));
    if session.until_caught_up {
        lines.push(
            "Stops when everything that is in the topics now is committed; Ctrl-C stops before.".to_owned(),
        );
    } else {
        lines.push("Runs until Ctrl-C. For laptops, CI and demos.".to_owned());
    }
    lines
}

/// A local lake as a path.
fn shown(lake: &str) -> String {
    let path =
        Url::parse(lake).ok().filter(|uri| uri.scheme() == "file").and_then(|uri| uri.to_file_path().ok());
    path.map_or_else(|| lake.to_owned(), |path| path.display().to_string())
}

/// What reads the first rows with the Python packages deltalake and pyarrow.
fn reading(lake: &str) -> String {
    format!(
        "python3 -c \"from deltalake import DeltaTable; \
         print(DeltaTable('{lake}/silver').to_pyarrow_table().slice(0, 5).to_pylist())\""
    )
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_local_lake_is_shown_as_a_path_and_any_other_as_it_is() {
        assert_eq!(shown("file:///a%20b/%231/shop/sales"), "/a b/#1/shop/sales");
        assert_eq!(shown("s3://bucket/lake"), "s3://bucket/lake");
    }
}
