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
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sluice_contract::manifest::Writer;
use sluice_contract::report::Problem;
use sluice_decode::MessageBatch;
use sluice_engine::EpochPolicy;
use sluice_lake::TableSpec;
use snafu::{ResultExt, Snafu};

use super::Job;
use super::backfill::Backfiller;
use super::committer::{CommitError, Committer, CommitterEnd};
use super::compaction::Compaction;
use super::core::{Core, CoreEnd, CoreOptions};
use super::encoders::Encoder;
use super::event::Event;
use super::links::Links;
use super::restore::Restored;
use super::schemas::Resolver;
use super::source::kafka::KafkaSource;
use super::source::reader::{self, BATCH_BYTES, BATCH_MESSAGES, BATCHES, Channels, Command};
use super::source::watcher::{Stored, Watcher};
use super::state_history::StateHistory;
use super::work::{Pace, Processor};
use crate::kafka::trouble::SettingsSnafu;
use crate::kafka::{Credentials, TopicError};

/// After a request to stop, an epoch that storage does not take is given up: it will be read again.
const PATIENCE_AT_STOP: Duration = Duration::from_secs(10);
/// The broker may be away at the end.
const PATIENCE_WITH_READER: Duration = Duration::from_secs(2);

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

/// Where the threads of a tenure are talked to.
#[derive(Clone)]
struct Senders {
    events: Sender<Event>,
    commands: Sender<Command>,
}

/// Reads, processes and commits until something ends it.
pub(crate) async fn run(job: &Job, restored: Restored, writer: Writer) -> Result<Ended, TenureError> {
    let Restored { lake, chain, claim, first_offsets, is_first_start, tables, specs, processor, registry } =
        restored;
    let (credentials, source) = connect(job).context(SourceSnafu)?;
    let encoders = encoders(&specs)?;
    let (events, inbox) = mpsc::channel();
    let (commands, command_inbox) = mpsc::channel();
    let (recycled, recycled_inbox) = mpsc::channel();
    let (closed, closed_inbox) = tokio::sync::mpsc::channel(1);
    for _ in 0..BATCHES {
        // The reader's end of the channel is alive: it is in this function.
        let _ = recycled.send(MessageBatch::with_capacity(BATCH_MESSAGES, BATCH_BYTES / 2));
    }
    let senders = Senders { events, commands };
    let stored = Stored { positions: claim.partitions, first_offsets, is_first_start };
    let reader = start_reader(job, (credentials, source), stored, &senders, (command_inbox, recycled_inbox))?;
    let resolver = registry.map(|client| {
        let runtime = tokio::runtime::Handle::current();
        let (events, status) = (senders.events.clone(), Arc::clone(&job.status));
        Resolver::new(client, runtime, events, status, job.schema_not_found_after)
    });
    let backfiller = job.work.backfills().then(|| {
        let topic = job.work.pipeline().source.kafka.topic.clone();
        let told = (senders.events.clone(), Arc::clone(&job.status));
        Backfiller::new(lake.clone(), topic, told, job.until_caught_up)
    });
    let (commands, status) = (senders.commands.clone(), Arc::clone(&job.status));
    let links = Links { encoders, commands, recycled, closed, resolver, backfiller, status };
    let core = start_core(job, processor, links, inbox)?;
    let committer = Committer {
        lake,
        chain,
        writer,
        configuration: job.work.revision().to_owned(),
        retention: job.work.retention(),
        tables,
        state: StateHistory::new(claim.state),
        compaction: Compaction::default(),
        status: Arc::clone(&job.status),
        events: senders.events.clone(),
        commands: senders.commands.clone(),
    };
    let committed = tokio::select! {
        end = committer.run(closed_inbox) => Some(end),
        () = announce_stop(job, senders.events.clone()) => None,
    };
    // Whatever ended the committer, the core must not go on without it.
    let _ = senders.events.send(Event::Abandon);
    let end = core.join().unwrap_or_else(|_| CoreEnd::Broken("the core thread panicked".to_owned()));
    // The watcher ends with the reader, whose questions it answers.
    let _ = senders.commands.send(Command::End);
    wait_for(&reader).await;
    conclude(committed, end)
}

/// The consumer, and what it was made with.
fn connect(job: &Job) -> Result<(Credentials, KafkaSource), TopicError> {
    let kafka = &job.work.pipeline().source.kafka;
    let credentials = Credentials::read(&kafka.security).context(SettingsSnafu)?;
    let source = KafkaSource::new(kafka, &job.consumer(), &credentials)?;
    Ok((credentials, source))
}

/// Starts the watcher, which finds the partitions, and the reader.
fn start_reader(
    job: &Job,
    (credentials, source): (Credentials, KafkaSource),
    stored: Stored,
    senders: &Senders,
    (commands, recycled): (Receiver<Command>, Receiver<MessageBatch>),
) -> Result<JoinHandle<()>, TenureError> {
    let (inspections, inspection_inbox) = mpsc::channel();
    let watcher = Watcher {
        kafka: job.work.pipeline().source.kafka.clone(),
        start_from: job.work.start_from(),
        backfills: job.work.backfills(),
        consumer: job.consumer(),
        credentials,
        cut: job.cut(),
        stored,
        status: Arc::clone(&job.status),
        events: senders.events.clone(),
        commands: senders.commands.clone(),
    };
    spawn("watch", move || watcher.run(&inspection_inbox))?;
    let channels = Channels { commands, recycled, events: senders.events.clone(), inspections };
    let linger = match job.work.pace() {
        Pace::Full { linger } => linger,
        Pace::AtOnce => Duration::ZERO,
    };
    spawn("read", move || reader::run(Box::new(source), &channels, linger))
}

fn start_core(
    job: &Job,
    processor: Box<dyn Processor>,
    links: Links,
    inbox: Receiver<Event>,
) -> Result<JoinHandle<CoreEnd>, TenureError> {
    let options = CoreOptions {
        policy: EpochPolicy::new(&job.work.commit()),
        idle_after_ms: job.work.pipeline().source.event_time.idle_after_ms,
        until_caught_up: job.until_caught_up,
    };
    let core = Core::new(processor, links, options, job.work.pipeline().source.kafka.topic.clone());
    spawn("core", move || core.run(&inbox))
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
async fn wait_for(reader: &JoinHandle<()>) {
    let until = Instant::now() + PATIENCE_WITH_READER;
    while !reader.is_finished() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Passes a request to stop on to the core; returns when patience with its last epoch has run out.
async fn announce_stop(job: &Job, events: Sender<Event>) {
    job.stop.requested().await;
    let _ = events.send(Event::Stop);
    tokio::time::sleep(PATIENCE_AT_STOP).await;
}

fn encoders(specs: &[TableSpec]) -> Result<Vec<(String, Encoder)>, TenureError> {
    specs.iter().map(encoder).collect()
}

fn encoder(spec: &TableSpec) -> Result<(String, Encoder), TenureError> {
    Ok((spec.name.clone(), Encoder::start(spec).context(ThreadSnafu)?))
}

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, TenureError> {
    thread::Builder::new().name(name.to_owned()).spawn(work).context(ThreadSnafu)
}
