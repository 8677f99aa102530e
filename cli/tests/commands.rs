//! The program as a user runs it. Workers are shell scripts here: what they do with a topic is tested with
//! real ones elsewhere; this is about what `sluice` makes of their exits, words and signals.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PIPELINE: &str = r#"
apiVersion: sluice.dev/v1alpha1
kind: StreamPipeline
metadata: {name: readings}
spec:
  source:
    kafka: {strimziRef: {name: demo, listener: tls}, topic: readings}
    format: Json
    schema: '{"type":"record","name":"R","fields":[{"name":"at","type":"string"}]}'
    eventTime: {column: at}
  storage: {uri: "file:///no/such/lake/readings", volume: {claimName: lake, mountPath: /no/such/lake}}
  silver: {columns: [{name: at}, {name: topic}, {name: partition}, {name: offset}]}
"#;

const SCORER: &str = r#"
apiVersion: sluice.dev/v1alpha1
kind: FraudScorer
metadata: {name: readings}
spec:
  pipelineRef: {name: readings}
  table: {name: scores, columns: [at]}
  rules: [{name: old, when: "at < '2000'", points: 10}]
  levels: [{name: HIGH, minScore: 10}, {name: LOW, minScore: 0}]
  alerts: {topic: alerts, alertAt: HIGH}
"#;

/// A directory with a manifest, and a worker that does as its script says.
struct Scene {
    directory: tempfile::TempDir,
}

impl Scene {
    /// `ingest` is what the worker does when it is to ingest; its check finds `findings`.
    fn new(findings: &str, ingest: &str) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        fs::write(directory.path().join("pipeline.yaml"), PIPELINE).expect("writes");
        let script =
            format!("#!/bin/sh\nif [ \"$1\" = check ]; then echo '{findings}'; exit 0; fi\n{ingest}\n");
        let worker = directory.path().join("worker");
        // Another process writes it: were the file open for writing here, a child that another test starts
        // at this moment would inherit it, and the kernel refuses to run what somebody may write.
        let written = Command::new("sh")
            .args(["-c", "printf '%s' \"$1\" > \"$0\" && chmod 755 \"$0\""])
            .arg(&worker)
            .arg(script)
            .status()
            .expect("runs a shell");
        assert!(written.success(), "the worker was not written");
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn up(&self, flags: &[&str]) -> Command {
        let mut command = sluice();
        command.arg("up").arg("-f").arg(self.path("pipeline.yaml")).arg("--state").arg(self.path("state"));
        command.arg("--worker").arg(self.path("worker")).args(flags);
        command
    }

    fn with_state(&self, command: &str) -> Command {
        let mut words = sluice();
        words.arg(command).arg("--state").arg(self.path("state"));
        words
    }

    fn log(&self) -> String {
        let log = self.path("state/logs/readings-stpl-ingest-0.log");
        fs::read_to_string(log).unwrap_or_default()
    }
}

fn sluice() -> Command {
    Command::new(env!("CARGO_BIN_EXE_sluice"))
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Kills a process that a failed test leaves behind.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_cannot_be_resolved_here_is_refused_before_anything_starts() {
    let scene = Scene::new("[]", "exit 0");
    let output = scene.up(&[]).output().expect("runs");
    let (_, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("document 1: spec.source.kafka.strimziRef"), "{errors}");
    assert!(errors.contains("--broker embedded") && errors.contains("--lake local"), "{errors}");
    assert!(!scene.path("state").exists());
}

#[test]
fn what_the_worker_finds_is_shown_with_its_field_and_nothing_starts() {
    let findings = r#"[{"field":"silver.columns[0].expr","message":"no such column","fix":"name one"}]"#;
    let scene = Scene::new(findings, "exit 0");
    let output = scene.up(&["--broker", "embedded", "--lake", "local"]).output().expect("runs");
    let (_, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("document 1: spec.silver.columns[0].expr: no such column; name one"), "{errors}");
    assert!(!scene.path("state/services").exists());
}

#[test]
fn catching_up_ends_with_success_when_every_worker_does() {
    let scene = Scene::new("[]", "echo \"$@\"; exit 0");
    let output =
        scene.up(&["--broker", "embedded", "--lake", "local", "--until-caught-up"]).output().expect("runs");
    let (lines, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{lines}{errors}");
    assert!(lines.contains("pipeline=default/readings state=Finished"), "{lines}");
    assert!(lines.contains("caught up after"), "{lines}");
    assert!(scene.log().contains("--until-caught-up"), "{}", scene.log());
}

#[test]
fn a_worker_that_fails_for_good_ends_catching_up_with_its_last_words() {
    let scene = Scene::new("[]", "echo the topic is gone >&2; exit 1");
    let output =
        scene.up(&["--broker", "embedded", "--lake", "local", "--until-caught-up"]).output().expect("runs");
    let (lines, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{lines}{errors}");
    assert!(lines.contains("it starts again in"), "{lines}");
    assert!(errors.contains("readings-stpl-ingest-0") && errors.contains("the topic is gone"), "{errors}");
}

#[test]
fn a_run_is_seen_by_get_and_status_refuses_a_second_one_and_ends_with_down() {
    let scene =
        Scene::new("[]", "trap 'echo stopped; exit 0' TERM; echo ready; while :; do sleep 0.05; done");
    let flags = ["--broker", "embedded", "--lake", "local"];
    let mut up = Guard(scene.up(&flags).stdout(Stdio::null()).spawn().expect("starts"));
    until("the worker is ready", || scene.log().contains("ready"));

    let (table, errors) = texts(&scene.with_state("get").output().expect("runs"));
    assert!(table.starts_with("NAMESPACE  NAME      READY"), "{table}{errors}");
    assert!(table.contains("default    readings  False  Starting  0/1"), "{table}");

    let (status, _) = texts(&scene.with_state("status").output().expect("runs"));
    assert!(status.contains("broker at 127.0.0.1:") && status.contains("running, process"), "{status}");
    let json = scene.with_state("status").args(["-o", "json"]).output().expect("runs").stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(json["services"][0]["process"]["state"], "running");

    let second = scene.up(&flags).output().expect("runs");
    assert_eq!(second.status.code(), Some(1));
    let (_, errors) = texts(&second);
    assert!(errors.contains(&format!("process {}", up.0.id())) && errors.contains("sluice down"), "{errors}");

    let down = scene.with_state("down").output().expect("runs");
    assert_eq!(down.status.code(), Some(0), "{:?}", texts(&down));
    assert_eq!(up.0.wait().expect("ends").code(), Some(0));
    assert!(scene.log().contains("stopped"), "{}", scene.log());
    let (table, _) = texts(&scene.with_state("get").output().expect("runs"));
    assert!(table.contains("Stopped"), "{table}");
}

#[test]
fn a_scorer_runs_beside_its_pipeline_on_rules_of_its_own() {
    let scene = Scene::new("[]", "echo \"$@\"; trap 'exit 0' TERM; while :; do sleep 0.05; done");
    let scorer = scene.path("scorer.yaml");
    fs::write(&scorer, SCORER).expect("writes");
    let scorer = scorer.to_string_lossy().into_owned();
    let flags = ["-f", &scorer, "--broker", "embedded", "--lake", "local"];
    let _up = Guard(scene.up(&flags).stdout(Stdio::null()).spawn().expect("starts"));
    let log = scene.path("state/logs/readings-fscr-score-0.log");
    until("the scorer's worker runs", || fs::read_to_string(&log).unwrap_or_default().contains("--rules"));
    let rules = fs::read_to_string(scene.path("state/default/rules/readings-fscr-score/rules.json"));
    assert!(rules.expect("written").contains("at < '2000'"));
    let (tables, errors) = texts(&scene.with_state("get").output().expect("runs"));
    let (pipelines, scorers) = tables.split_once("\n\n").unwrap_or_default();
    assert!(pipelines.contains("FRESHNESS") && scorers.contains("MODEL"), "{tables}{errors}");
    let (table, _) = texts(&scene.with_state("get").arg("fscr").output().expect("runs"));
    assert!(
        table.contains("default    readings  False  Starting  0/1") && !table.contains("FRESHNESS"),
        "{table}"
    );
    let (status, _) = texts(&scene.with_state("status").output().expect("runs"));
    assert!(
        status.contains("scorer default/readings") && status.contains("levels: HIGH 0, LOW 0"),
        "{status}"
    );
    assert!(status.contains("alerts of HIGH and above to topic alerts at 127.0.0.1:"), "{status}");
    assert!(scene.with_state("down").status().expect("runs").success());
}

#[test]
fn a_replay_by_hand_gives_the_worker_the_documents_of_what_ran_last() {
    let scene = Scene::new("[]", "echo \"$@\"; exit 0");
    let ended = scene.up(&["--broker", "embedded", "--lake", "local", "--until-caught-up"]).output();
    assert!(ended.expect("runs").status.success());
    let replay = |flags: &[&str]| {
        let mut command = scene.with_state("replay");
        command.args(flags).arg("--worker").arg(scene.path("worker"));
        let output = command.output().expect("runs");
        (output.status.code(), texts(&output))
    };
    let (code, (words, errors)) =
        replay(&["readings", "--tables", "silver", "--from", "0:15", "--name", "fix"]);
    assert_eq!(code, Some(0), "{errors}");
    let config = scene.path("state/default/config/readings-stpl-ingest/config.json");
    let expected = format!("replay --config={} --name=fix --tables=silver --from=0:15", config.display());
    assert_eq!(words.trim(), expected);
    let (code, (_, errors)) = replay(&["--tables", "fraud"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("'default/readings' has none that runs here"), "{errors}");
    let (code, (_, errors)) = replay(&["--tables", "bronze"]);
    assert_eq!(code, Some(2));
    assert!(errors.contains("name tables as silver, gold"), "{errors}");
}

#[test]
fn a_scorer_alone_is_refused_with_what_is_missing() {
    let scene = Scene::new("[]", "exit 0");
    fs::write(
        scene.path("pipeline.yaml"),
        format!(
            "{PIPELINE}---{}",
            SCORER.replace("pipelineRef: {name: readings}", "pipelineRef: {name: other}")
        ),
    )
    .expect("writes");
    let output = scene.up(&["--broker", "embedded", "--lake", "local"]).output().expect("runs");
    let (_, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(1));
    let expected = "document 2: spec.pipelineRef.name: StreamPipeline 'other' is not there; give -f the file";
    assert!(errors.contains(expected), "{errors}");
}

#[test]
fn a_worker_that_is_killed_comes_back() {
    let scene = Scene::new("[]", "echo life $$; exec sleep 60");
    let mut up = Guard(
        scene
            .up(&["--broker", "embedded", "--lake", "local"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts"),
    );
    let lives = || scene.log().lines().filter(|line| line.starts_with("life")).count();
    until("the worker lives", || lives() == 1);
    let log = scene.log();
    let process = log.lines().find_map(|line| line.strip_prefix("life ")).expect("its process id");
    assert!(Command::new("kill").args(["-9", process]).status().expect("runs").success());
    until("the worker lives again", || lives() == 2);
    assert!(scene.with_state("down").status().expect("runs").success());
    let mut lines = String::new();
    up.0.stdout.take().expect("piped").read_to_string(&mut lines).expect("text");
    assert!(lines.contains("was killed by signal 9; it starts again in"), "{lines}");
}

#[test]
fn embedded_services_stop_with_the_process_that_started_them() {
    for command in ["broker", "schema-registry"] {
        let directory = tempfile::tempdir().expect("temporary directory");
        let mut service = Guard(start_service(command, directory.path(), &["--exit-with-parent"]));
        let address = address_of(&mut service.0);
        TcpStream::connect(&address).expect("answers");
        drop(service.0.stdin.take());
        until("the service has ended", || service.0.try_wait().expect("waits").is_some());
        assert_eq!(service.0.wait().expect("ended").code(), Some(0), "{command}");
    }
}

#[test]
fn embedded_services_run_on_without_a_parent_until_they_are_asked_to_stop() {
    for command in ["broker", "schema-registry"] {
        let directory = tempfile::tempdir().expect("temporary directory");
        let mut service = Guard(start_service(command, directory.path(), &[]));
        let address = address_of(&mut service.0);
        drop(service.0.stdin.take());
        std::thread::sleep(Duration::from_millis(200));
        TcpStream::connect(&address).expect("still answers");
        let id = service.0.id().to_string();
        assert!(Command::new("kill").arg(&id).status().expect("runs").success());
        assert_eq!(service.0.wait().expect("ends").code(), Some(0), "{command}");
    }
}

#[test]
fn the_registry_answers_over_http() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let mut service = Guard(start_service("schema-registry", directory.path(), &[]));
    let mut stream = TcpStream::connect(address_of(&mut service.0)).expect("answers");
    stream.write_all(b"GET /subjects HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("reads");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("[]"), "{answer}");
}

fn start_service(command: &str, data: &Path, flags: &[&str]) -> Child {
    let mut service = sluice();
    service.arg(command).arg("--data").arg(data).args(["--listen", "127.0.0.1:0"]).args(flags);
    service.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts")
}

fn address_of(service: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(service.stdout.as_mut().expect("piped")).read_line(&mut line).expect("a line");
    let address = line.trim().rsplit([' ', '/']).next().expect("an address");
    address.to_owned()
}

#[test]
fn validate_says_what_is_wrong_and_what_is_well() {
    let scene = Scene::new("[]", "exit 0");
    let validate = || {
        let mut command = sluice();
        command
            .arg("validate")
            .arg("-f")
            .arg(scene.path("pipeline.yaml"))
            .arg("--worker")
            .arg(scene.path("worker"));
        command.output().expect("runs")
    };
    let output = validate();
    let (lines, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{lines}{errors}");
    assert!(lines.contains("StreamPipeline default/readings is valid"), "{lines}");
    fs::write(scene.path("pipeline.yaml"), PIPELINE.replace("columns:", "colums:")).expect("writes");
    let output = validate();
    let (lines, _) = texts(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(lines.contains("spec.silver.colums"), "{lines}");
}

#[test]
fn asking_where_nothing_has_run_says_how_to_start() {
    let scene = Scene::new("[]", "exit 0");
    let output = scene.with_state("get").output().expect("runs");
    let (_, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("sluice up -f"), "{errors}");
    let output = scene.with_state("down").output().expect("runs");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn the_log_of_an_embedded_service_that_goes_to_a_file_has_no_colours() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let serve = |service: &str, data: &str| {
        // Standard input is at its end, so the service stops as soon as it serves.
        let mut command = sluice();
        command.args([service, "--listen", "127.0.0.1:0", "--exit-with-parent", "--data"]);
        command.arg(directory.path().join(data)).stdin(Stdio::null());
        texts(&command.output().expect("runs"))
    };
    let (words, log) = serve("broker", "broker");
    assert!(words.contains("listening on 127.0.0.1:"), "{words}");
    assert!(log.contains(" INFO sluice_broker"), "{log}");
    let (words, registry_log) = serve("schema-registry", "registry");
    assert!(words.contains("listening on http://127.0.0.1:"), "{words}");
    for log in [log, registry_log] {
        assert!(!log.contains('\x1b'), "{log}");
        assert!(log.lines().all(|line| line.contains(" sluice_")), "{log}");
    }
}

#[test]
fn a_lake_that_cannot_be_is_refused_with_its_field_and_what_can_be() {
    let scene = Scene::new("[]", "exit 0");
    for uri in ["ftp://host/lake", "./lake", "/lake", "file://host/lake", "s3://", "abfss://c@host/lake"] {
        let manifest = PIPELINE.replace("file:///no/such/lake/readings", uri);
        let manifest = manifest.replace(", volume: {claimName: lake, mountPath: /no/such/lake}", "");
        fs::write(scene.path("pipeline.yaml"), manifest).expect("writes");
        let mut validate = sluice();
        validate.arg("validate").arg("-f").arg(scene.path("pipeline.yaml"));
        validate.arg("--worker").arg(scene.path("worker"));
        for mut command in [validate, scene.up(&["--broker", "embedded"])] {
            let output = command.output().expect("runs");
            let (words, errors) = texts(&output);
            assert_eq!(output.status.code(), Some(1), "{uri}");
            let said = format!("{words}{errors}");
            let expected = "document 1: spec.storage.uri: write the lake's root as s3://bucket/path";
            assert!(said.contains(expected), "{uri}: {said}");
        }
    }
}
