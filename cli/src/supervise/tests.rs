//! Real processes: crashes, ends, and the ways to stop.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{ChildState, EventKind, ProcessSpec, RestartPolicy, Role, Supervisor};

fn shell(name: &str, script: &str) -> ProcessSpec {
    ProcessSpec {
        name: name.to_owned(),
        role: Role::Worker,
        program: PathBuf::from("sh"),
        arguments: vec!["-c".to_owned(), script.to_owned()],
        environment: BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]),
    }
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn is_alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}/stat")).exists()
        && !fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default().contains(") Z ")
}

#[tokio::test]
async fn a_crash_is_reported_with_its_last_lines_and_the_process_comes_back() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let log = directory.path().join("logs/worker.log");
    let marker = directory.path().join("second-life");
    let script = format!(
        "if [ -e {marker} ]; then exec sleep 60; fi; touch {marker}; echo $GREETING; echo broken >&2; exit 3",
        marker = marker.display()
    );
    let mut supervisor = Supervisor::new();
    supervisor.start(shell("worker", &script), RestartPolicy::Always, log.clone());
    let event = supervisor.next_event().await;
    let EventKind::Crashed { reason, restart_in, last_lines } = event.kind else { panic!("{event:?}") };
    assert_eq!(reason, "failed with exit code 3");
    assert_eq!(restart_in, Duration::from_millis(250));
    assert_eq!(last_lines, ["hello", "broken"]);
    until("it runs again", || {
        matches!(supervisor.state("worker"), Some(ChildState::Running { .. })) && marker.exists()
    })
    .await;
    supervisor.stop(Role::Worker).await;
}

#[tokio::test]
async fn success_finishes_what_is_expected_to_succeed() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let mut supervisor = Supervisor::new();
    supervisor.start(shell("worker", "exit 0"), RestartPolicy::UntilSuccess, directory.path().join("w.log"));
    assert_eq!(supervisor.next_event().await.kind, EventKind::Finished);
    assert_eq!(supervisor.states(Role::Worker), [("worker", ChildState::Finished)]);
}

#[tokio::test]
async fn an_unusable_configuration_fails_for_good_with_its_words() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let mut supervisor = Supervisor::new();
    let spec = shell("worker", "echo spec.silver is wrong; exit 2");
    supervisor.start(spec, RestartPolicy::Always, directory.path().join("w.log"));
    let event = supervisor.next_event().await;
    let EventKind::Failed { last_lines, .. } = event.kind else { panic!("{event:?}") };
    assert_eq!(last_lines, ["spec.silver is wrong"]);
    assert!(supervisor.state("worker").is_some_and(|state| state.is_final()));
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_named() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let mut supervisor = Supervisor::new();
    let spec = ProcessSpec { program: PathBuf::from("/no/such/program"), ..shell("worker", "") };
    supervisor.start(spec, RestartPolicy::Always, directory.path().join("w.log"));
    let event = supervisor.next_event().await;
    let EventKind::Crashed { reason, .. } = event.kind else { panic!("{event:?}") };
    assert!(reason.contains("/no/such/program"), "{reason}");
}

#[tokio::test]
async fn stopping_lets_a_process_end_in_its_own_way() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let log = directory.path().join("w.log");
    let mut supervisor = Supervisor::new();
    let script = "trap 'echo goodbye; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    supervisor.start(shell("worker", script), RestartPolicy::Always, log.clone());
    let text = || fs::read_to_string(&log).unwrap_or_default();
    until("it is ready", || text().contains("ready")).await;
    supervisor.stop(Role::Worker).await;
    assert!(text().contains("goodbye"), "{}", text());
    assert_eq!(supervisor.pending_events(), []);
}

#[tokio::test]
async fn killing_waits_for_nobody_and_takes_the_whole_group() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let children = directory.path().join("pids");
    let mut supervisor = Supervisor::new();
    let script = format!("trap '' TERM; sleep 60 & echo $! > {}; wait", children.display());
    supervisor.start(shell("worker", &script), RestartPolicy::Always, directory.path().join("w.log"));
    let grandchild = || fs::read_to_string(&children).ok().and_then(|text| text.trim().parse::<u32>().ok());
    until("its child runs", || grandchild().is_some()).await;
    let pid = grandchild().expect("seen above");
    supervisor.kill_all().await;
    until("its child is gone", || !is_alive(pid)).await;
}

#[tokio::test]
async fn the_standard_input_of_a_process_stays_open_while_it_runs() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let mut supervisor = Supervisor::new();
    supervisor.start(
        shell("worker", "cat; exit 0"),
        RestartPolicy::UntilSuccess,
        directory.path().join("w.log"),
    );
    until("it runs", || matches!(supervisor.state("worker"), Some(ChildState::Running { .. }))).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(matches!(supervisor.state("worker"), Some(ChildState::Running { .. })));
    supervisor.stop(Role::Worker).await;
}

#[tokio::test]
async fn the_log_of_the_run_before_is_kept_beside_the_new_one() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let log = directory.path().join("w.log");
    fs::write(&log, "before\n").expect("writes");
    let mut supervisor = Supervisor::new();
    supervisor.start(shell("worker", "echo now"), RestartPolicy::UntilSuccess, log.clone());
    assert_eq!(supervisor.next_event().await.kind, EventKind::Finished);
    assert_eq!(fs::read_to_string(&log).expect("reads"), "now\n");
    let previous = directory.path().join("w.previous.log");
    assert_eq!(fs::read_to_string(previous).expect("reads"), "before\n");
}
