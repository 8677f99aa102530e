//! [`Process`]: a process that follows the topic, from its flags to its first tenure.

use std::sync::Arc;

use sluice_contract::config::WorkerConfig;
use sluice_contract::manifest::Writer;
use snafu::{ResultExt, ensure};
use uuid::Uuid;

use super::arguments::StreamArguments;
use super::error::{HttpSnafu, JobError, NoSuchShardSnafu, SignalsSnafu};
use super::work::Work;
use super::{Job, serve_tenures, unusable};
use crate::report::{self, Status, Subject, refusals};
use crate::stop::Stop;

/// What a configuration says of its job.
pub(crate) struct Configured<'a> {
    /// The job's name in chains, paths and reports.
    pub(crate) job: String,
    /// Revision of the configuration.
    pub(crate) revision: &'a str,
    /// Number of the job's shards.
    pub(crate) shards: u32,
    /// The pipeline whose topic it follows.
    pub(crate) pipeline: &'a WorkerConfig,
}

/// A process that follows the topic, before its first tenure.
#[derive(Debug)]
pub(crate) struct Process {
    arguments: StreamArguments,
    writer: Writer,
    status: Arc<Status>,
}

impl Process {
    /// A process of one shard; `expecting` says what else its report shall tell from the start.
    pub(crate) fn new(
        arguments: StreamArguments,
        configured: Configured<'_>,
        expecting: impl FnOnce(Status) -> Status,
    ) -> Result<Self, JobError> {
        let Configured { job, revision, shards, pipeline } = configured;
        let shard = arguments.shard;
        ensure!(shard < shards, NoSuchShardSnafu { shard, shards });
        let writer = Writer {
            id: format!("{}-{:08x}", arguments.writer, Uuid::new_v4().as_fields().0),
            deployment_revision: arguments.deployment_revision,
        };
        let status = Status::new(Subject {
            job,
            shard,
            shards,
            writer: writer.id.clone(),
            configuration: revision.to_owned(),
            max_out_of_orderness_us: (pipeline.source.event_time.max_out_of_orderness_ms * 1_000) as i64,
        });
        let status = Arc::new(expecting(status.expecting(refusals::possible(pipeline))));
        Ok(Self { arguments, writer, status })
    }

    /// What it says of itself.
    pub(crate) fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// Does the work until it is stopped, or has caught up where that was asked for.
    pub(crate) async fn run(self, work: impl Work + 'static) -> Result<(), JobError> {
        let Self { arguments, writer, status } = self;
        if let Some(schema) = &work.pipeline().source.schema {
            // Whatever is wrong with the configuration itself is told before anything is touched.
            work.compile(schema, [0; 16]).map_err(unusable)?;
        }
        let stop = Stop::default();
        stop.on_signals().context(SignalsSnafu)?;
        if arguments.exit_with_parent {
            stop.on_end_of_input();
        }
        let shard = arguments.shard;
        let address = report::serve(arguments.listen, Arc::clone(&status)).context(HttpSnafu)?;
        tracing::info!(writer = writer.id, shard, %address, "serving /report, /metrics, /healthz and /readyz");
        let job = Job {
            work: Arc::new(work),
            shard,
            writer,
            until_caught_up: arguments.until_caught_up,
            schema_not_found_after: arguments.schema_not_found_after,
            status,
            stop,
        };
        serve_tenures(&job).await
    }
}
