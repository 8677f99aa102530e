//! Logs to standard error, and traces to a collector where one is named.

use std::io::IsTerminal;
use std::sync::Arc;

use futures::future::BoxFuture;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData};
use snafu::{ResultExt, Snafu};
use tokio::runtime::Handle;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::settings::{LogFormat, Telemetry};

/// Why logs or traces cannot be set up.
#[derive(Debug, Snafu)]
pub enum TelemetryError {
    /// `--log` is not a filter.
    #[snafu(display(
        "failed to read --log '{text}': {source}; give a level, or directives such as info,kube=debug"
    ))]
    Filter {
        /// The flag.
        text: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// `--otlp-endpoint` cannot be used.
    #[snafu(display("failed to send traces to '{endpoint}': {source}; correct --otlp-endpoint"))]
    Exporter {
        /// The flag.
        endpoint: String,
        /// What is wrong with it.
        source: opentelemetry_otlp::ExporterBuildError,
    },
}

/// What must be flushed before the process ends.
#[derive(Debug, Default)]
pub struct Traces {
    provider: Option<SdkTracerProvider>,
}

impl Traces {
    /// Sends what is left.
    pub fn flush(self) {
        if let Some(error) = self.provider.and_then(|provider| provider.shutdown().err()) {
            tracing::warn!(%error, "failed to send the last traces");
        }
    }
}

/// Sets up logs and traces for the process.
pub fn start(settings: &Telemetry) -> Result<Traces, TelemetryError> {
    let filter = EnvFilter::try_new(&settings.log).context(FilterSnafu { text: &settings.log })?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = match settings.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let provider = settings.otlp_endpoint.as_deref().map(provider).transpose()?;
    let traces = provider
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("sluice-operator")));
    tracing_subscriber::registry().with(filter).with(lines).with(traces).init();
    Ok(Traces { provider })
}

fn provider(endpoint: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint)
        .build()
        .context(ExporterSnafu { endpoint })?;
    let exporter = OnRuntime { exporter: Arc::new(exporter), runtime: Handle::current() };
    let resource = Resource::builder().with_service_name("sluice-operator").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

/// An exporter whose requests run on our runtime: the batches come from a thread that has none.
#[derive(Debug)]
struct OnRuntime {
    exporter: Arc<SpanExporter>,
    runtime: Handle,
}

impl opentelemetry_sdk::trace::SpanExporter for OnRuntime {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        let exporter = Arc::clone(&self.exporter);
        let sent: BoxFuture<'static, OTelSdkResult> = Box::pin(async move { exporter.export(batch).await });
        let sent = self.runtime.spawn(sent);
        async move { sent.await.unwrap_or_else(|error| Err(OTelSdkError::InternalFailure(error.to_string()))) }
    }
}
