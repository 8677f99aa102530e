//! From the objects of a cluster to processes.

use std::path::{Path, PathBuf};

use super::{
    PlannedWorker, plan_broker, plan_generator, plan_replay, plan_upkeep, plan_workers,
    takes_generated_messages,
};
use crate::fixtures::{SCORER, WITH_SECRETS, read, read_scorer};
use crate::site::{Resolution, Resolved, resolve, resolve_scorer};
use crate::supervise::Role;

fn resolved(documents: &str) -> (Resolved, crate::site::Machine) {
    let (located, machine) = read(documents);
    let mut port = 30_000;
    let mut free_port = || {
        port += 1;
        port
    };
    match resolve(&located, &machine, &mut free_port) {
        Ok(Resolution::Run(resolved)) => (*resolved, machine),
        other => panic!("{other:?}"),
    }
}

fn workers(until_caught_up: bool) -> Vec<PlannedWorker> {
    let (resolved, machine) = resolved(WITH_SECRETS);
    plan_workers(&resolved.built, &machine.secrets, until_caught_up)
}

#[test]
fn a_deployment_becomes_a_process_with_its_arguments_as_they_stand() {
    let workers = workers(true);
    let worker = &workers[1];
    assert_eq!(worker.process.name, "shop.sales-stpl-ingest-1");
    assert_eq!(worker.process.role, Role::Worker);
    assert_eq!(worker.process.program, Path::new("/bin/sluice-worker"));
    assert_eq!(worker.shard, 1);
    assert_eq!(worker.address.port(), 30_002);
    assert_eq!(
        worker.process.arguments,
        [
            "ingest",
            "--config",
            "/state/shop/config/sales-stpl-ingest/config.json",
            "--shard",
            "1",
            "--listen",
            "127.0.0.1:30002",
            "--writer",
            "sales-stpl-ingest-1",
            "--deployment-revision",
            "7",
            "--exit-with-parent",
            "--until-caught-up",
        ]
    );
}

#[test]
fn a_long_run_is_not_told_to_stop() {
    assert!(!workers(false)[0].process.arguments.contains(&"--until-caught-up".to_owned()));
}

#[test]
fn the_keys_of_the_stores_secret_become_variables() {
    let environment = &workers(false)[0].process.environment;
    assert_eq!(environment["AWS_ACCESS_KEY_ID"], "key");
    assert_eq!(environment["TMPDIR"], "/state/shop/tmp/sales-stpl-ingest-0");
}

#[test]
fn configuration_and_secret_keys_become_files_where_the_worker_looks() {
    let worker = &workers(false)[0];
    let files: Vec<(&Path, bool)> =
        worker.files.iter().map(|file| (file.path.as_path(), file.is_secret)).collect();
    assert_eq!(
        files,
        [
            (Path::new("/state/shop/config/sales-stpl-ingest/config.json"), false),
            (Path::new("/state/shop/secrets/kafka/password"), true),
            (Path::new("/state/shop/secrets/kafka/username"), true),
        ]
    );
    let configuration = String::from_utf8(worker.files[0].bytes.clone()).expect("text");
    assert!(configuration.contains("/state/shop/secrets/kafka/password"), "{configuration}");
    assert_eq!(worker.files[1].bytes, b"wonder");
    assert_eq!(worker.directories, [PathBuf::from("/state/shop/tmp/sales-stpl-ingest-0")]);
}

#[test]
fn the_generator_is_for_pipelines_that_read_transactions() {
    let (transactions, _) = resolved(WITH_SECRETS);
    assert!(takes_generated_messages(&transactions));
    let (readings, _) = resolved(&WITH_SECRETS.replace("transaction_id", "reading_id"));
    assert!(!takes_generated_messages(&readings));
    let generator = plan_generator(&transactions, PathBuf::from("/bin/sluice-worker"), 250.0);
    assert_eq!(
        generator.arguments.join(" "),
        "generate --exit-with-parent --topic sales --bootstrap-servers kafka:9093 --rate 250 --format json"
    );
}

#[test]
fn the_embedded_broker_makes_the_topics() {
    let address = "127.0.0.1:9092".parse().expect("an address");
    let broker = plan_broker(
        PathBuf::from("/bin/sluice"),
        Path::new("/state/services/broker"),
        address,
        &["sales".to_owned()],
    );
    assert_eq!(
        broker.process.arguments.join(" "),
        "broker --exit-with-parent --data /state/services/broker --listen 127.0.0.1:9092 --create-topic sales"
    );
}

#[test]
fn an_upkeep_is_the_container_of_the_cron_job_with_its_schedule() {
    let (resolved, machine) = resolved(WITH_SECRETS);
    let upkeep = plan_upkeep(&resolved.built, &machine.secrets).expect("a running pipeline is maintained");
    assert_eq!((upkeep.schedule.as_str(), upkeep.time_zone.as_str()), ("17 * * * *", "Etc/UTC"));
    assert_eq!(upkeep.process.name, "shop.sales-stpl-upkeep");
    assert_eq!(upkeep.process.role, Role::Upkeep);
    assert_eq!(upkeep.process.program, Path::new("/bin/sluice-worker"));
    let words =
        ["maintain", "--config", "/state/shop/config/sales-stpl-ingest/config.json", "--retention", "30d"];
    assert_eq!(upkeep.process.arguments, words);
    let worker = plan_workers(&resolved.built, &machine.secrets, false).remove(0);
    for (name, value) in &upkeep.process.environment {
        assert_eq!(worker.process.environment.get(name), Some(value), "what the workers have: {name}");
    }
}

#[test]
fn a_scorer_becomes_processes_that_find_their_rules_beside_their_configuration() {
    let (scorer, pipeline, machine) = read_scorer(SCORER);
    let resolved = match resolve_scorer(&scorer, &[pipeline], &machine, &mut || 30_001) {
        Ok(Resolution::Run(resolved)) => resolved,
        other => panic!("{other:?}"),
    };
    let workers = plan_workers(&resolved.built, &machine.secrets, false);
    assert_eq!(workers.len(), 1);
    assert_eq!(workers[0].process.name, "shop.fraud-fscr-score-0");
    let words = &workers[0].process.arguments;
    assert_eq!(words[0], "score");
    let rules = "/state/shop/rules/fraud-fscr-score/rules.json";
    assert!(words.windows(2).any(|pair| pair == ["--rules", rules]), "{words:?}");
    let files: Vec<&Path> = workers[0].files.iter().map(|file| file.path.as_path()).collect();
    assert!(files.contains(&Path::new(rules)), "{files:?}");
    assert!(files.contains(&Path::new("/state/shop/config/fraud-fscr-score/config.json")), "{files:?}");
    assert!(files.contains(&Path::new("/state/shop/secrets/kafka/password")), "as its pipeline");
    assert!(plan_upkeep(&resolved.built, &machine.secrets).is_none());
}

#[test]
fn a_replay_is_the_container_of_its_job() {
    let asking = WITH_SECRETS
        .replace("  shards: 2\n", "  shards: 2\n  replay: {name: fix, tables: [silver], from: \"0:15\"}\n");
    let (resolved, machine) = resolved(&asking);
    let replay = plan_replay(&resolved.built, &machine.secrets).expect("it is asked for");
    assert_eq!((replay.name.as_str(), replay.process.role), ("fix", Role::Replay));
    assert!(replay.process.name.starts_with("shop.sales-stpl-replay-"), "{}", replay.process.name);
    let config = "/state/shop/config/sales-stpl-ingest/config.json";
    let words = ["replay", "--config", config, "--name", "fix", "--tables", "silver", "--from", "0:15"];
    assert_eq!(replay.process.arguments, words);
    let worker = plan_workers(&resolved.built, &machine.secrets, false).remove(0);
    for (name, value) in &replay.process.environment {
        assert_eq!(worker.process.environment.get(name), Some(value), "what the workers have: {name}");
    }
    let (resolved, machine) = self::resolved(WITH_SECRETS);
    assert!(plan_replay(&resolved.built, &machine.secrets).is_none());
}
