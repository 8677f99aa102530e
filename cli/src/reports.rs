//! Asks workers for their reports, over HTTP.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use reqwest::Client;
use reqwest::redirect::Policy;
use sluice_contract::report::{MAX_REPORT_BYTES, Report};

use crate::snapshot::{Snapshot, WorkerSnapshot};

const PATIENCE: Duration = Duration::from_secs(1);

/// Asks workers for their reports. A worker that does not answer, or not sensibly, has none.
#[derive(Debug)]
pub(crate) struct Reporters {
    client: Option<Client>,
}

impl Reporters {
    pub(crate) fn new() -> Self {
        let client = Client::builder().timeout(PATIENCE).redirect(Policy::none()).no_proxy().build();
        if let Err(error) = &client {
            tracing::warn!(%error, "failed to make an HTTP client: there will be no reports");
        }
        Self { client: client.ok() }
    }

    /// Replaces the reports of all workers that answer.
    pub(crate) async fn refresh(&self, snapshot: &mut Snapshot) {
        join_all(snapshot.workers_mut().map(|worker| self.refresh_worker(worker))).await;
    }

    async fn refresh_worker(&self, worker: &mut WorkerSnapshot) {
        if let Some(report) = self.ask(worker.address).await {
            worker.report = Some(report);
        }
    }

    async fn ask(&self, address: SocketAddr) -> Option<Report> {
        let mut response = self.client.as_ref()?.get(format!("http://{address}/report")).send().await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.ok()? {
            if bytes.len() + chunk.len() > MAX_REPORT_BYTES {
                return None;
            }
            bytes.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&bytes).ok()
    }
}

/// The report that a worker wrote as the last line of its log, if it did.
pub(crate) fn last_in_log(log: &Path) -> Option<Report> {
    let text = std::fs::read(log).ok()?;
    let start = text.len().saturating_sub(2 * MAX_REPORT_BYTES);
    let text = String::from_utf8_lossy(&text[start..]);
    text.lines().rev().find_map(|line| serde_json::from_str(line).ok())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::last_in_log;
    use crate::progress::fixtures::report;

    #[test]
    fn the_last_report_in_a_log_is_found_between_other_lines() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let log = directory.path().join("w.log");
        let json = |shard| serde_json::to_string(&report(shard)).expect("string keys");
        fs::write(&log, format!("start\n{}\nmore\n{}\nend\n", json(0), json(1))).expect("writes");
        assert_eq!(last_in_log(&log), Some(report(1)));
        fs::write(&log, "nothing\n").expect("writes");
        assert_eq!(last_in_log(&log), None);
    }
}
