//! The reports of workers, asked for over HTTP.
//!
//! They are untrusted: one second, 64 KiB, no redirects, no proxy, strings cut. A worker that does not answer
//! is not unhealthy for that; nobody knows.

mod trimmed;

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::redirect::Policy;
use sluice_contract::report::{MAX_REPORT_BYTES, REPORT_FORMAT_VERSION, Report};
use snafu::{ResultExt, Snafu, ensure};

const PATIENCE: Duration = Duration::from_secs(1);

/// Why there is no report.
#[derive(Debug, Snafu)]
pub enum ReportError {
    /// The client cannot be made.
    #[snafu(display("failed to make an HTTP client: {source}"))]
    Client {
        /// Why.
        source: reqwest::Error,
    },
    /// The worker does not answer in time.
    #[snafu(display("http://{address}/report does not answer: {source}"))]
    Silent {
        /// The worker.
        address: SocketAddr,
        /// Why.
        source: reqwest::Error,
    },
    /// The worker answers with an error, or with a redirect.
    #[snafu(display("http://{address}/report answers {status}"))]
    Status {
        /// The worker.
        address: SocketAddr,
        /// The status.
        status: reqwest::StatusCode,
    },
    /// The answer is too long.
    #[snafu(display("http://{address}/report answers more than {MAX_REPORT_BYTES} bytes"))]
    TooLong {
        /// The worker.
        address: SocketAddr,
    },
    /// The answer is no report.
    #[snafu(display("http://{address}/report answers no report: {source}"))]
    Unreadable {
        /// The worker.
        address: SocketAddr,
        /// Why.
        source: serde_json::Error,
    },
    /// The report is of a release that this operator does not know.
    #[snafu(display(
        "http://{address}/report answers in format {found}, this operator reads {REPORT_FORMAT_VERSION}"
    ))]
    Format {
        /// The worker.
        address: SocketAddr,
        /// Its format.
        found: u32,
    },
}

/// Asks workers for their reports.
#[derive(Clone, Debug)]
pub struct Reporters {
    client: reqwest::Client,
}

impl Reporters {
    /// A client of its own, which follows nothing and knows no proxy.
    pub fn new() -> Result<Self, ReportError> {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()
            .context(ClientSnafu)?;
        Ok(Self { client })
    }

    /// The report of a worker.
    pub async fn ask(&self, address: SocketAddr) -> Result<Report, ReportError> {
        let mut response = self
            .client
            .get(format!("http://{address}/report"))
            .send()
            .await
            .map_err(reqwest::Error::without_url)
            .context(SilentSnafu { address })?;
        let status = response.status();
        ensure!(status.is_success(), StatusSnafu { address, status });
        let mut bytes = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(reqwest::Error::without_url).context(SilentSnafu { address })?
        {
            ensure!(bytes.len() + chunk.len() <= MAX_REPORT_BYTES, TooLongSnafu { address });
            bytes.extend_from_slice(&chunk);
        }
        let report: Report = serde_json::from_slice(&bytes).context(UnreadableSnafu { address })?;
        ensure!(
            report.format_version == REPORT_FORMAT_VERSION,
            FormatSnafu { address, found: report.format_version }
        );
        Ok(trimmed::trimmed(report))
    }
}

#[cfg(test)]
mod tests;
