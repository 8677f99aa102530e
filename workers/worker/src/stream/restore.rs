//! The start of a tenure: opens the lake, claims the chain, and only then restores what it left.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use sluice_contract::config::WorkerConfig;
use sluice_contract::manifest::{ChainId, Manifest, Writer};
use sluice_contract::report::Problem;
use sluice_engine::StateError;
use sluice_lake::{Chain, Claim, Lake, LakeError, Table, TableSpec, TopicIdentity, failpoint};
use snafu::{ResultExt, Snafu};

use super::Job;
use super::committer::{storage_problem, table_report};
use super::generations::{Entry, Settled, registry, settle};
use super::inheritance::{Inherited, inherit};
use super::standby::Held;
use super::work::{Claimed, Processor};
use crate::finding::Finding;
use crate::kafka::{TopicError, topic_id};
use crate::registry_client::{RegistryClient, RegistryError};
use crate::report::{Scope, Step};
use crate::score::AlertsError;

/// How often a start that takes long gives a sign of life.
const SIGN_EVERY: Duration = Duration::from_secs(10);

/// How long Kafka may take to tell the topic's id.
const TOPIC_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the work cannot begin.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub(crate) enum RestoreError {
    /// The lake says no.
    #[snafu(display("{source}"))]
    Lake {
        /// What the lake says.
        source: LakeError,
    },
    /// The topic cannot be found.
    #[snafu(display("{source}"))]
    Topic {
        /// What Kafka says.
        source: TopicError,
    },
    /// Alerts cannot be sent.
    #[snafu(display("{source}"))]
    Alerts {
        /// Why.
        source: AlertsError,
    },
    /// Where a scorer starts is not known before the pipeline has started.
    #[snafu(display("the pipeline has not started yet: it has no position on partition {partition}"))]
    PipelineNotStarted {
        /// The partition.
        partition: i32,
    },
    /// The schema registry gives no reader schema.
    #[snafu(display("{source}"))]
    Registry {
        /// What the registry says.
        source: RegistryError,
    },
    /// The registry does not have the subject of the reader schema.
    #[snafu(display("failed to find subject \"{subject}\" in the schema registry at \"{url}\""))]
    SubjectMissing {
        /// The subject.
        subject: String,
        /// The registry.
        url: String,
    },
    /// A state file cannot be read.
    #[snafu(display("failed to load \"{path}\": {source}"))]
    State {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: StateError,
    },
    /// The configuration cannot be used.
    #[snafu(display("the configuration cannot be used: {} findings", findings.len()))]
    Unusable {
        /// Everything that is wrong with it.
        findings: Vec<Finding>,
    },
}

impl RestoreError {
    /// Where the report shows it.
    pub(crate) fn scope(&self) -> Scope {
        match self {
            Self::Topic { .. } => Scope::Kafka,
            Self::Alerts { .. } => Scope::Alerts,
            Self::Registry { .. } | Self::SubjectMissing { .. } => Scope::Registry,
            Self::Lake { .. }
            | Self::State { .. }
            | Self::Unusable { .. }
            | Self::PipelineNotStarted { .. } => Scope::Storage,
        }
    }

    /// What the report says.
    pub(crate) fn problem(&self) -> Problem {
        let problem = |reason: &str, fix: &str| Problem {
            reason: reason.to_owned(),
            message: format!("{self}; {fix}"),
        };
        match self {
            Self::Lake { source } => storage_problem(source),
            Self::Topic { source } => source.problem(),
            Self::Alerts { source } => source.problem(),
            Self::PipelineNotStarted { .. } => {
                problem("PipelineNotStarted", "start it; the scorer follows by itself")
            }
            Self::Registry { source } => source.problem(),
            Self::SubjectMissing { .. } => problem(
                "SchemaSubjectMissing",
                "register a schema, or set source.schema or source.schemaRegistry.subject",
            ),
            Self::State { .. } => problem(
                "StateLost",
                "restore the file from a copy of the lake, or rebuild the state from the tables with `sluice recover`",
            ),
            Self::Unusable { .. } => problem("ConfigurationUnusable", "see the log for each of them"),
        }
    }

    /// Whether waiting may mend it.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Lake { source } => source.is_transient(),
            Self::Topic { .. }
            | Self::Alerts { .. }
            | Self::PipelineNotStarted { .. }
            | Self::Registry { .. }
            | Self::SubjectMissing { .. } => true,
            Self::State { .. } | Self::Unusable { .. } => false,
        }
    }
}

/// Everything that a tenure stands on.
pub(crate) struct Restored {
    /// The lake.
    pub(crate) lake: Lake,
    /// The chain, ours.
    pub(crate) chain: Chain,
    /// The claim: where the tenure begins.
    pub(crate) claim: Box<Manifest>,
    /// Whether the pipeline starts: no partition of the topic was ever read.
    pub(crate) is_first_start: bool,
    /// Where partitions start that were never read, as far as that is not the configuration's choice.
    pub(crate) first_offsets: BTreeMap<i32, i64>,
    /// The job's tables, all with every epoch of the chain.
    pub(crate) tables: Vec<Table>,
    /// Their specifications, in the same order.
    pub(crate) specs: Vec<TableSpec>,
    /// The core, with positions and memory.
    pub(crate) processor: Box<dyn Processor>,
    /// The schema registry; `None` for JSON.
    pub(crate) registry: Option<RegistryClient>,
}

/// How the start ended.
pub(crate) enum Start {
    /// The chain is ours and everything is restored.
    Ready(Box<Restored>),
    /// Others hold what this process wants.
    Held {
        /// The lake.
        lake: Lake,
        /// What they hold.
        held: Held,
    },
    /// The generation ended meanwhile.
    Ended,
}

/// Finds the process's generation, claims the shard's chain in it, and restores what it says. `writer` is who
/// we are in its manifests.
pub(crate) async fn start(job: &Job, writer: &Writer, entry: Entry) -> Result<Start, RestoreError> {
    let config = job.work.pipeline();
    let lake = Lake::open(&config.storage).await.context(LakeSnafu)?;
    let topic = TopicIdentity { name: config.source.kafka.topic.clone(), id: find_topic_id(config).await? };
    let adopt = config.storage.adopt.as_deref();
    let identity = lake.identify(&config.owner, &topic, adopt).await.context(LakeSnafu)?;
    let registry = registry(config)?;
    let key = *identity.lake_id.as_bytes();
    let work = job.work.as_ref();
    let (generation, processor) = match settle(work, &lake, registry.as_ref(), key, (writer, entry)).await? {
        Settled::In { generation, processor } => (generation, processor),
        Settled::Superseded { by } => return Ok(Start::Held { lake, held: Held::Job(by) }),
    };
    let chain = ChainId { job: job.work.job().to_owned(), generation: generation.number, shard: job.shard };
    let signs = give_signs(lake.clone(), chain.clone());
    let taken = take_over(job, writer, Found { lake, chain, processor, registry });
    tokio::select! {
        outcome = taken => outcome,
        never = signs => match never {},
    }
}

/// Lets those who stand by know that somebody is about to go on with a chain: much state, or slow storage, may
/// take longer than they wait for a silent one.
async fn give_signs(lake: Lake, chain: ChainId) -> Infallible {
    loop {
        tokio::time::sleep(SIGN_EVERY).await;
        if let Err(error) = lake.give_sign_of_start(&chain).await {
            tracing::debug!(%chain, %error, "failed to give a sign of the start");
        }
    }
}

/// What a start has found before it claims.
struct Found {
    lake: Lake,
    chain: ChainId,
    processor: Box<dyn Processor>,
    registry: Option<RegistryClient>,
}

/// Claims a chain, and restores what it says.
async fn take_over(job: &Job, writer: &Writer, found: Found) -> Result<Start, RestoreError> {
    let work = job.work.as_ref();
    let Found { lake, chain, mut processor, registry } = found;
    let specs = processor.specs();
    let inherited = inherit(work, &lake, &chain, writer, &specs);
    let Inherited { beginning, is_first_start } = job.status.timed(Step::Inherit, inherited).await?;
    let claim = lake.claim(chain.clone(), writer.clone(), work.revision(), &beginning);
    let (chain, claim) = match job.status.timed(Step::Claim, claim).await.context(LakeSnafu)? {
        Claim::Won { chain, manifest } => (chain, manifest),
        Claim::HeldByNewer { .. } => return Ok(Start::Held { lake, held: Held::Chain(chain) }),
        Claim::Sealed { .. } => {
            lake.refuse_without_successor(&chain).await.context(LakeSnafu)?;
            return Ok(Start::Ended);
        }
    };
    let tables = job.status.timed(Step::Recover, recover(&lake, &claim, &specs)).await?;
    let is_first_start = is_first_start && claim.partitions.is_empty();
    let claimed = Claimed { lake: &lake, claim: &claim, cut: job.cut(), is_first_start };
    let first_offsets = processor.begin(claimed).await?;
    job.status.timed(Step::Load, load(processor.as_mut(), &lake, &claim)).await?;
    tracing::info!(chain = %chain.id(), epoch = claim.epoch, partitions = claim.partitions.len(), "claimed the chain");
    let reports = tables.iter().map(table_report).collect();
    job.status.restore(claim.epoch, claim.partitions.clone(), reports);
    let restored =
        Restored { lake, chain, claim, is_first_start, first_offsets, tables, specs, processor, registry };
    Ok(Start::Ready(Box::new(restored)))
}

/// Whose offsets the lake's positions are: a topic that is created again has another id.
pub(crate) async fn find_topic_id(config: &WorkerConfig) -> Result<Option<String>, RestoreError> {
    let kafka = config.source.kafka.clone();
    let ask = tokio::task::spawn_blocking(move || topic_id(&kafka, TOPIC_TIMEOUT));
    // A task that panicked learned nothing; then the topic is known by its name alone.
    ask.await.unwrap_or(Ok(None)).context(TopicSnafu)
}

/// Opens the tables, and gives each the epochs that the process before us left undone.
async fn recover(lake: &Lake, claim: &Manifest, specs: &[TableSpec]) -> Result<Vec<Table>, RestoreError> {
    let mut tables = Vec::new();
    for spec in specs {
        let mut table = lake.open_table(spec).await.context(LakeSnafu)?;
        for recovered in lake.recover(&mut table, std::slice::from_ref(claim)).await.context(LakeSnafu)? {
            if !recovered.redone.is_empty() || recovered.rebuilt.is_some() {
                tracing::info!(table = spec.name, ?recovered, "finished what the process before left undone");
            }
        }
        tables.push(table);
    }
    failpoint::hit("after_recover");
    Ok(tables)
}

async fn load(processor: &mut dyn Processor, lake: &Lake, claim: &Manifest) -> Result<(), RestoreError> {
    for (partition, progress) in &claim.partitions {
        processor.restore(*partition, progress);
    }
    for file in claim.state.base.iter().chain(&claim.state.deltas) {
        let bytes = lake.read(&file.path).await.context(LakeSnafu)?;
        processor.load_state(&bytes).context(StateSnafu { path: &file.path })?;
    }
    Ok(())
}
