//! `sluice replay`: makes tables of a pipeline that runs here, or ran last, again from bronze.

use std::path::Path;
use std::process::ExitCode;

use k8s_openapi::jiff::Timestamp;
use sluice_crds::replay::SCORES;
use snafu::OptionExt;

use crate::args::ReplayArguments;
use crate::commands::{CommandError, NoConfigurationSnafu, NoOneScorerSnafu, on_lake};
use crate::snapshot::{PipelineSnapshot, ScorerSnapshot, Snapshot};

pub(super) fn run(arguments: &ReplayArguments) -> Result<ExitCode, CommandError> {
    let snapshot = on_lake::read(&arguments.state)?;
    let pipeline = on_lake::choose_one(&snapshot.pipelines, arguments.pipeline.as_deref())?;
    let scorer = if arguments.tables.iter().any(|table| table == SCORES) {
        let scorer = choose_scorer(&snapshot, pipeline, arguments.scorer.as_deref())?;
        let rules = scorer.rules.as_deref();
        let rules = rules.context(NoConfigurationSnafu { name: scorer.full_name() })?;
        Some((on_lake::configuration(scorer)?, rules))
    } else {
        None
    };
    let configuration = on_lake::configuration(pipeline)?;
    let words = words(arguments, configuration, scorer, Timestamp::now());
    on_lake::run_worker(&arguments.worker, words)
}

/// The scorer of a name, or the only one of a pipeline.
fn choose_scorer<'a>(
    snapshot: &'a Snapshot,
    pipeline: &PipelineSnapshot,
    name: Option<&str>,
) -> Result<&'a ScorerSnapshot, CommandError> {
    let is_of_pipeline = |scorer: &&ScorerSnapshot| {
        scorer.namespace == pipeline.namespace && scorer.resource.spec.pipeline_ref.name == pipeline.name
    };
    let scorers: Vec<&ScorerSnapshot> = snapshot.scorers.iter().filter(is_of_pipeline).collect();
    let is_chosen = |scorer: &&&ScorerSnapshot| name.is_none_or(|name| scorer.is_called(name));
    let chosen: Vec<&&ScorerSnapshot> = scorers.iter().filter(is_chosen).collect();
    if let [scorer] = chosen[..] {
        return Ok(scorer);
    }
    let names = scorers.iter().map(|scorer| scorer.full_name()).collect::<Vec<_>>();
    NoOneScorerSnafu { pipeline: pipeline.full_name(), names }.fail()
}

/// The command line of the worker.
fn words(
    arguments: &ReplayArguments,
    configuration: &Path,
    scorer: Option<(&Path, &Path)>,
    now: Timestamp,
) -> Vec<String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let name = arguments.name.clone().unwrap_or_else(|| format!("by-hand-{}", now.as_millisecond()));
    let options = [
        ("config", Some(text(configuration))),
        ("scorer", scorer.map(|(configuration, _)| text(configuration))),
        ("rules", scorer.map(|(_, rules)| text(rules))),
        ("name", Some(name)),
        ("tables", Some(arguments.tables.join(","))),
        ("from", arguments.from.clone()),
        ("until", arguments.until.clone()),
    ];
    let options = options.into_iter().filter_map(|(name, value)| Some(format!("--{name}={}", value?)));
    ["replay".to_owned()].into_iter().chain(options).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;
    use k8s_openapi::jiff::Timestamp;

    use super::{choose_scorer, words};
    use crate::args::{Arguments, Command, ReplayArguments};
    use crate::progress::fixtures::{pipeline, scorer};
    use crate::snapshot::Snapshot;

    fn parsed(line: &[&str]) -> ReplayArguments {
        match Arguments::try_parse_from([&["sluice", "replay"][..], line].concat()) {
            Ok(Arguments { command: Command::Replay(arguments) }) => arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_worker_is_told_what_was_asked_for() {
        let now = Timestamp::from_millisecond(1_767_643_200_000).expect("in range");
        let arguments =
            parsed(&["shop", "--tables", "silver,gold/user", "--from", "0:15,1:0", "--name", "fix"]);
        let expected =
            ["replay", "--config=c.json", "--name=fix", "--tables=silver,gold/user", "--from=0:15,1:0"];
        assert_eq!(words(&arguments, Path::new("c.json"), None, now), expected);
        let arguments = parsed(&["--tables", "fraud", "--until", "2026-01-05T20:00:00Z"]);
        let scorer = Some((Path::new("s.json"), Path::new("r.json")));
        let expected = [
            "replay",
            "--config=c.json",
            "--scorer=s.json",
            "--rules=r.json",
            "--name=by-hand-1767643200000",
            "--tables=fraud",
            "--until=2026-01-05T20:00:00Z",
        ];
        assert_eq!(words(&arguments, Path::new("c.json"), scorer, now), expected);
    }

    #[test]
    fn only_tables_that_can_be_made_again_are_taken() {
        for tables in ["bronze", "silver,quarantine", "gold/", "gold/a/b"] {
            let line = ["sluice", "replay", "--tables", tables];
            let error = Arguments::try_parse_from(line).expect_err(tables).to_string();
            assert!(error.contains("name tables as silver, gold"), "{tables}: {error}");
        }
    }

    #[test]
    fn the_scorer_of_the_pipeline_is_found_and_one_of_several_must_be_named() {
        let mut snapshot = Snapshot {
            started_at_ms: 0,
            taken_at_ms: 0,
            services: Vec::new(),
            generators: Vec::new(),
            pipelines: vec![pipeline()],
            scorers: vec![scorer()],
        };
        let chosen = |snapshot: &Snapshot, name| {
            choose_scorer(snapshot, &pipeline(), name)
                .map(|scorer| scorer.name.clone())
                .map_err(|error| error.to_string())
        };
        assert_eq!(chosen(&snapshot, None).as_deref(), Ok("shop"));
        let mut other = scorer();
        other.name = "second".to_owned();
        snapshot.scorers.push(other);
        assert_eq!(chosen(&snapshot, Some("default/second")).as_deref(), Ok("second"));
        let error = chosen(&snapshot, None).expect_err("there are two");
        assert!(error.contains("default/shop, default/second; name one by --scorer"), "{error}");
        snapshot.scorers.clear();
        assert!(chosen(&snapshot, None).expect_err("there is none").contains("none that runs here"));
    }
}
