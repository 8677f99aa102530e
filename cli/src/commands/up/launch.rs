//! Starts everything, each after what it needs, and checks configurations before workers run on them.

use std::path::Path;
use std::time::{Duration, Instant};

use snafu::{OptionExt, ensure};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::checks::{Extent, check};
use crate::commands::up::greeting;
use crate::commands::up::session::Session;
use crate::commands::{CommandError, ProblemsSnafu, ProcessFailedSnafu, ServiceSilentSnafu};
use crate::state_directory::{create_directory, replace_file, replace_secret_file};
use crate::supervise::{EventKind, RestartPolicy};

/// How long a service may take to answer: it may have to read its logs.
const SERVICE_PATIENCE: Duration = Duration::from_secs(60);
/// How long traffic may take to make its topic or schema known.
const TRAFFIC_PATIENCE: Duration = Duration::from_secs(15);

/// Starts everything.
pub(super) async fn launch(session: &mut Session) -> Result<(), CommandError> {
    write_files(session)?;
    check_configurations(session, Extent::Offline, Duration::ZERO).await?;
    start_services(session).await?;
    let generators = session.prepared.generators.clone();
    let patience = if generators.is_empty() { Duration::ZERO } else { TRAFFIC_PATIENCE };
    for generator in generators {
        session.start(generator, RestartPolicy::Always);
    }
    check_configurations(session, Extent::All, patience).await?;
    greeting::print(session)?;
    let policy = if session.until_caught_up { RestartPolicy::UntilSuccess } else { RestartPolicy::Always };
    let workers: Vec<_> =
        session.prepared.workers().map(|worker| (worker.process.clone(), worker.address)).collect();
    for (process, address) in workers {
        session.prepared.ports.give_away(address.port());
        session.start(process, policy);
    }
    session.look().await;
    Ok(session.snapshot.write(&session.state)?)
}

fn write_files(session: &Session) -> Result<(), CommandError> {
    for worker in session.prepared.workers() {
        for directory in &worker.directories {
            create_directory(directory)?;
        }
        for file in &worker.files {
            let write = if file.is_secret { replace_secret_file } else { replace_file };
            write(&file.path, &file.bytes)?;
        }
    }
    Ok(())
}

/// Asks the worker about every configuration; what the check finds may still come within some time.
async fn check_configurations(
    session: &Session,
    extent: Extent,
    patience: Duration,
) -> Result<(), CommandError> {
    let began = Instant::now();
    loop {
        let mut lines = Vec::new();
        for (origin, documents) in session.prepared.documents() {
            let arguments = documents.check.clone();
            let worker = session.prepared.worker.clone();
            let checked = tokio::task::spawn_blocking(move || check(&worker, &arguments, extent)).await;
            let findings = checked.expect("the check does not panic")?;
            let problems = findings.into_iter().map(|finding| finding.into_problem(origin));
            lines.extend(problems.map(|problem| problem.to_string()));
        }
        if lines.is_empty() || began.elapsed() >= patience {
            ensure!(lines.is_empty(), ProblemsSnafu { lines });
            return Ok(());
        }
        sleep(Duration::from_millis(500)).await;
    }
}

async fn start_services(session: &mut Session) -> Result<(), CommandError> {
    let services: Vec<_> =
        session.prepared.services.iter().map(|service| (service.process.clone(), service.address)).collect();
    for (process, address) in &services {
        session.prepared.ports.give_away(address.port());
        session.start(process.clone(), RestartPolicy::Always);
    }
    for (process, address) in services {
        let began = Instant::now();
        let mut last_lines = Vec::new();
        let log = session.state.log(&process.name);
        while !is_listening(&log) || TcpStream::connect(address).await.is_err() {
            for event in session.supervisor.pending_events() {
                match event.kind {
                    EventKind::Failed { reason, last_lines } => {
                        return ProcessFailedSnafu { process: event.process, reason, last_lines }.fail();
                    }
                    EventKind::Crashed { last_lines: lines, .. } if event.process == process.name => {
                        last_lines = lines;
                    }
                    EventKind::Crashed { .. } | EventKind::Finished | EventKind::Killed => {}
                }
            }
            let in_time = (began.elapsed() < SERVICE_PATIENCE).then_some(());
            in_time.with_context(|| ServiceSilentSnafu {
                name: process.name.clone(),
                address: address.to_string(),
                seconds: SERVICE_PATIENCE.as_secs(),
                last_lines: last_lines.clone(),
            })?;
            sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

/// Whether our own service said so: somebody else may answer at the address that it failed to get.
fn is_listening(log: &Path) -> bool {
    std::fs::read_to_string(log).is_ok_and(|text| text.lines().any(|line| line.starts_with("listening on ")))
}
