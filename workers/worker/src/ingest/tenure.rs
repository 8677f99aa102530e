//! A tenure: from the claim of a chain to its end, with all threads that belong to it.
//!
//! ```text
//!            commands                       rows                  files
//! watcher ─┐    ┌──────► reader ─► core ───────────► encoders ────────────┐
//!          └────┤          ▲        │ ▲                                    ▼
//! registry ─────┴─► inbox ─┘        │ └─── committed ─────────────── committer ─► lake
//!                                   └──────── closed epochs ─────────────▲
//! ```

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use sluice_contract::manifest::Writer;
use sluice_contract::report::Problem;
use sluice_decode::MessageBatch;
use sluice_engine::EpochPolicy;
use sluice_lake::TableSpec;
use snafu::{ResultExt, Snafu};

use super::Job;
use super::committer::{CommitError, Committer, CommitterEnd};
use super::compaction::Compaction;
use super::core::{Core, CoreEnd, CoreOptions};
use super::encoders::Encoder;
use super::event::Event;
use super::links::{Encoders, Links};
use super::restore::Restored;
use super::schemas::Resolver;
use super::source::kafka::KafkaSource;
use super::source::reader::{self, BATCH_BYTES, BATCH_MESSAGES, BATCHES, Channels, Command};
use super::source::watcher::Watcher;
use super::state_history::StateHistory;
use crate::kafka::TopicError;

/// After a request to stop, an epoch that storage does not take is given up: it will be read again.
const PATIENCE_AT_STOP: Duration = Duration::from_secs(10);
/// The broker may be away at the end.
const PATIENCE_WITH_READER: Duration = Duration::from_secs(2);
/// The longest wait for a fuller batch; shorter where epochs are.
const LONGEST_LINGER: Duration = Duration::from_millis(50);

/// How a tenure ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Everything up to the goal is in the tables.
    CaughtUp,
    /// It was asked to stop, and everything that was read is in the tables.
    Stopped,
    /// It was asked to stop while storage was away: the open epoch was given up, and will be read again.
    GaveUp,
    /// The goal cannot be reached.
    Unreachable(Vec<Problem>),
    /// The chain belongs to another process.
    Lost {
        /// Whose it is.
        by: Writer,
    },
}

/// Why a tenure broke off. Nothing is lost: the next one begins at the last manifest.
#[derive(Debug, Snafu)]
pub(crate) enum TenureError {
    /// The consumer could not be made.
    #[snafu(display("{source}"))]
    Source {
        /// What librdkafka says.
        source: TopicError,
    },
    /// A thread could not be started.
    #[snafu(display("failed to start a thread: {source}"))]
    Thread {
        /// What the system says.
        source: std::io::Error,
    },
    /// An epoch cannot be committed.
    #[snafu(display("{source}"))]
    Commit {
        /// Why.
        source: CommitError,
    },
    /// The core broke.
    #[snafu(display("failed to process messages: {detail}"))]
    Broken {
        /// What it says.
        detail: String,
    },
}

impl TenureError {
    /// What the report says.
    pub(crate) fn problem(&self) -> Problem {
        match self {
            Self::Source { source } => source.problem(),
            Self::Commit { source } => source.problem(),
            Self::Thread { .. } | Self::Broken { .. } => {
                Problem { reason: "Internal".to_owned(), message: self.to_string() }
            }
        }
    }
}

/// Reads, processes and commits until something ends it.
pub(crate) async fn run(job: &Job, restored: Restored, writer: Writer) -> Result<Ended, TenureError> {
    let config = &job.config;
    let source = KafkaSource::new(&config.source.kafka, &config.owner).context(SourceSnafu)?;
    let (events, inbox) = mpsc::channel();
    let (commands, command_inbox) = mpsc::channel();
    let (recycled, recycled_inbox) = mpsc::channel();
    let (inspections, inspection_inbox) = mpsc::channel();
    let (closed, closed_inbox) = tokio::sync::mpsc::channel(1);
    for _ in 0..BATCHES {
        // The reader's end of the channel is alive: it is in this function.
        let _ = recycled.send(MessageBatch::with_capacity(BATCH_MESSAGES, BATCH_BYTES / 2));
    }

    let watcher = Watcher {
        kafka: config.source.kafka.clone(),
        shard: job.shard,
        shards: config.shards,
        stored: restored.claim.partitions.clone(),
        status: Arc::clone(&job.status),
        events: events.clone(),
        commands: commands.clone(),
    };
    spawn("watch", move || watcher.run(&inspection_inbox))?;
    let channels =
        Channels { commands: command_inbox, recycled: recycled_inbox, events: events.clone(), inspections };
    let linger = LONGEST_LINGER.min(Duration::from_millis(config.commit.every_ms / 10));
    let reader = spawn("read", move || reader::run(source, &channels, linger))?;

    let resolver = restored.registry.map(|client| {
        let runtime = tokio::runtime::Handle::current();
        Resolver::new(client, runtime, events.clone(), Arc::clone(&job.status), job.schema_not_found_after)
    });
    let links = Links {
        encoders: encoders(&restored.specs)?,
        commands: commands.clone(),
        recycled,
        closed,
        resolver,
        status: Arc::clone(&job.status),
    };
    let options = CoreOptions {
        policy: EpochPolicy::new(&config.commit),
        idle_after_ms: config.source.event_time.idle_after_ms,
        until_caught_up: job.until_caught_up,
    };
    let core = Core::new(restored.ingest, links, options, config.source.kafka.topic.clone());
    let core = spawn("core", move || core.run(&inbox))?;
    let committer = Committer {
        lake: restored.lake,
        chain: restored.chain,
        writer,
        configuration: config.revision.clone(),
        max_out_of_orderness_ms: config.source.event_time.max_out_of_orderness_ms,
        tables: restored.tables,
        state: StateHistory::new(restored.claim.state.clone()),
        compaction: Compaction::default(),
        status: Arc::clone(&job.status),
        events: events.clone(),
        commands: commands.clone(),
    };
    let committed = {
        let stop = announce_stop(job, events.clone());
        tokio::select! {
            end = committer.run(closed_inbox) => Some(end),
            () = stop => None,
        }
    };
    // Whatever ended the committer, the core must not go on without it.
    let _ = events.send(Event::Abandon);
    drop(events);
    let end = core.join().unwrap_or_else(|_| CoreEnd::Broken("the core thread panicked".to_owned()));
    // The watcher ends with the reader, whose questions it answers.
    let _ = commands.send(Command::End);
    wait_for(&reader).await;
    conclude(committed, end)
}

fn conclude(
    committed: Option<Result<CommitterEnd, CommitError>>,
    core: CoreEnd,
) -> Result<Ended, TenureError> {
    let Some(committed) = committed else { return Ok(Ended::GaveUp) };
    match (committed.context(CommitSnafu)?, core) {
        (CommitterEnd::Lost { by }, _) => Ok(Ended::Lost { by }),
        (CommitterEnd::Done, CoreEnd::CaughtUp) => Ok(Ended::CaughtUp),
        (CommitterEnd::Done, CoreEnd::Stopped) => Ok(Ended::Stopped),
        (CommitterEnd::Done, CoreEnd::Unreachable(problems)) => Ok(Ended::Unreachable(problems)),
        (CommitterEnd::Done, CoreEnd::Broken(detail)) => BrokenSnafu { detail }.fail(),
        (CommitterEnd::Done, CoreEnd::Abandoned) => {
            BrokenSnafu { detail: "the core ended before it was told to" }.fail()
        }
    }
}

/// Waits for the reader to tell the broker the last offsets; not long, since nothing depends on them.
async fn wait_for(reader: &thread::JoinHandle<()>) {
    let until = Instant::now() + PATIENCE_WITH_READER;
    while !reader.is_finished() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Passes a request to stop on to the core; returns when patience with its last epoch has run out.
async fn announce_stop(job: &Job, events: mpsc::Sender<Event>) {
    job.stop.requested().await;
    let _ = events.send(Event::Stop);
    tokio::time::sleep(PATIENCE_AT_STOP).await;
}

fn encoders(specs: &[TableSpec; 3]) -> Result<Encoders, TenureError> {
    let [bronze, silver, quarantine] = specs;
    Ok(Encoders { bronze: encoder(bronze)?, silver: encoder(silver)?, quarantine: encoder(quarantine)? })
}

fn encoder(spec: &TableSpec) -> Result<(String, Encoder), TenureError> {
    Ok((spec.name.clone(), Encoder::start(spec).context(ThreadSnafu)?))
}

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<thread::JoinHandle<T>, TenureError> {
    thread::Builder::new().name(name.to_owned()).spawn(work).context(ThreadSnafu)
}
