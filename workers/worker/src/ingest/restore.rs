//! The start of a tenure: opens the lake, claims the chain, and only then restores what it left.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sluice_contract::config::{Format, WorkerConfig};
use sluice_contract::manifest::{ChainId, Manifest, Writer};
use sluice_contract::report::Problem;
use sluice_decode::RowSchema;
use sluice_engine::{Ingest, PlanError, StateError, TableSchema};
use sluice_lake::{Chain, Claim, Generation, Lake, LakeError, Table, TableSpec, TopicIdentity, failpoint};
use snafu::{OptionExt, ResultExt, Snafu};

use super::Job;
use super::committer::{storage_problem, table_report};
use crate::finding::Finding;
use crate::kafka::{TopicError, topic_id};
use crate::registry_client::{Answer, RegistryClient, RegistryError};
use crate::report::{Scope, Step};

/// The job's name in chains and paths.
pub(crate) const JOB: &str = "ingest";

/// How long Kafka may take to tell the topic's id.
const TOPIC_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the work cannot begin.
#[derive(Debug, Snafu)]
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
            Self::Registry { .. } | Self::SubjectMissing { .. } => Scope::Registry,
            Self::Lake { .. } | Self::State { .. } | Self::Unusable { .. } => Scope::Storage,
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
            Self::Registry { source } => source.problem(),
            Self::SubjectMissing { .. } => problem(
                "SchemaSubjectMissing",
                "register a schema, or set source.schema or source.schemaRegistry.subject",
            ),
            Self::State { .. } => problem("StateLost", "restore the file from a copy of the lake"),
            Self::Unusable { .. } => problem("ConfigurationUnusable", "see the log for each of them"),
        }
    }

    /// Whether waiting may mend it.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Lake { source } => source.is_transient(),
            Self::Topic { .. } | Self::Registry { .. } | Self::SubjectMissing { .. } => true,
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
    /// Bronze, silver and quarantine, all with every epoch of the chain.
    pub(crate) tables: Vec<Table>,
    /// Their specifications, in the same order.
    pub(crate) specs: [TableSpec; 3],
    /// The core, with positions and memory.
    pub(crate) ingest: Ingest,
    /// The schema registry; `None` for JSON.
    pub(crate) registry: Option<RegistryClient>,
}

/// How the start ended.
pub(crate) enum Start {
    /// The chain is ours and everything is restored.
    Ready(Box<Restored>),
    /// A process of a newer deployment holds the chain.
    Held {
        /// The lake.
        lake: Lake,
        /// The chain.
        chain: ChainId,
        /// Who holds it.
        by: Writer,
    },
}

/// Claims the shard's chain and restores it. `writer` is who we are in its manifests.
pub(crate) async fn start(job: &Job, writer: &Writer) -> Result<Start, RestoreError> {
    let config = &job.config;
    let lake = Lake::open(&config.storage).await.context(LakeSnafu)?;
    let topic = TopicIdentity { name: config.source.kafka.topic.clone(), id: find_topic_id(config).await? };
    let adopt = config.storage.adopt.as_deref();
    let identity = lake.identify(&config.owner, &topic, adopt).await.context(LakeSnafu)?;
    let registry = registry(config)?;
    let wanted = Generation {
        shards: config.shards,
        configuration: config.revision.clone(),
        reader_schema: reader_schema(config, registry.as_ref()).await?,
    };
    let (number, generation) = lake.generation(JOB, &wanted).await.context(LakeSnafu)?;
    let text = config.source.schema.as_ref().or(generation.reader_schema.as_ref());
    let ingest = compile(config, text.map_or("", String::as_str), *identity.lake_id.as_bytes())?;

    let chain = ChainId { job: JOB.to_owned(), generation: number, shard: job.shard };
    let claim = lake.claim(chain.clone(), writer.clone(), &config.revision);
    let claim = job.status.timed(Step::Claim, claim).await.context(LakeSnafu)?;
    let (chain, claim) = match claim {
        Claim::Won { chain, manifest } => (chain, manifest),
        Claim::HeldByNewer { writer: by } => return Ok(Start::Held { lake, chain, by }),
    };
    let specs = specs(&ingest);
    let tables = job.status.timed(Step::Recover, recover(&lake, &chain, &claim, &specs)).await?;
    let ingest = job.status.timed(Step::Load, load(ingest, &lake, &claim)).await?;
    tracing::info!(chain = %chain.id(), epoch = claim.epoch, partitions = claim.partitions.len(), "claimed the chain");
    let reports = tables.iter().map(table_report).collect();
    job.status.restore(claim.epoch, claim.partitions.clone(), reports);
    Ok(Start::Ready(Box::new(Restored { lake, chain, claim, tables, specs, ingest, registry })))
}

/// Compiles the schema and all expressions, or tells everything that is wrong with them.
pub(crate) fn compile(config: &WorkerConfig, schema: &str, key: [u8; 16]) -> Result<Ingest, RestoreError> {
    let unusable = |findings| RestoreError::Unusable { findings };
    let schema = RowSchema::parse(schema).map_err(|error| {
        unusable(vec![Finding::new("source.schema", error.to_string(), "correct the schema")])
    })?;
    Ingest::new(config, &schema, key)
        .map_err(|errors: Vec<PlanError>| unusable(errors.into_iter().map(Finding::from).collect()))
}

/// Whose offsets the lake's positions are: a topic that is created again has another id.
pub(crate) async fn find_topic_id(config: &WorkerConfig) -> Result<Option<String>, RestoreError> {
    let kafka = config.source.kafka.clone();
    let ask = tokio::task::spawn_blocking(move || topic_id(&kafka, TOPIC_TIMEOUT));
    // A task that panicked learned nothing; then the topic is known by its name alone.
    ask.await.unwrap_or(Ok(None)).context(TopicSnafu)
}

fn registry(config: &WorkerConfig) -> Result<Option<RegistryClient>, RestoreError> {
    match (&config.source.format, &config.source.schema_registry) {
        (Format::Avro, Some(registry)) => RegistryClient::new(registry).map(Some).context(RegistrySnafu),
        _ => Ok(None),
    }
}

/// The reader schema to pin at the first start, where the configuration leaves it to the registry.
async fn reader_schema(
    config: &WorkerConfig,
    client: Option<&RegistryClient>,
) -> Result<Option<String>, RestoreError> {
    let (None, Some(registry), Some(client)) =
        (&config.source.schema, &config.source.schema_registry, client)
    else {
        return Ok(None);
    };
    let subject = registry.subject.clone().unwrap_or_else(|| format!("{}-value", config.source.kafka.topic));
    let found = match client.latest(&subject).await.context(RegistrySnafu)? {
        Answer::Found(text) => Some(text),
        Answer::NotFound => None,
    };
    found.context(SubjectMissingSnafu { subject, url: &registry.url }).map(Some)
}

/// What the lake must know of the tables that the core fills, in the order in which they are written.
pub(crate) fn specs(ingest: &Ingest) -> [TableSpec; 3] {
    let tables = ingest.table_schemas();
    [
        spec(&tables.bronze, "Every message that decodes, as it came."),
        spec(&tables.silver, "Clean, deduplicated and enriched rows."),
        spec(&tables.quarantine, "Refused messages, each with its original bytes and the reason."),
    ]
}

fn spec(table: &TableSchema, description: &str) -> TableSpec {
    TableSpec {
        name: table.name.clone(),
        schema: Arc::clone(&table.schema),
        partition_by: table.partition_columns.clone(),
        description: Some(description.to_owned()),
        properties: BTreeMap::new(),
    }
}

/// Opens the tables, and gives each the epochs that the process before us left undone.
async fn recover(
    lake: &Lake,
    chain: &Chain,
    claim: &Manifest,
    specs: &[TableSpec],
) -> Result<Vec<Table>, RestoreError> {
    let mut tables = Vec::new();
    for spec in specs {
        let mut table = lake.open_table(spec).await.context(LakeSnafu)?;
        let recovered = table.recover(chain.id(), claim).await.context(LakeSnafu)?;
        if !recovered.redone.is_empty() || recovered.rebuilt.is_some() {
            tracing::info!(table = spec.name, ?recovered, "finished what the process before left undone");
        }
        tables.push(table);
    }
    failpoint::hit("after_recover");
    Ok(tables)
}

async fn load(mut ingest: Ingest, lake: &Lake, claim: &Manifest) -> Result<Ingest, RestoreError> {
    for (partition, progress) in &claim.partitions {
        ingest.restore(*partition, progress);
    }
    for file in claim.state.base.iter().chain(&claim.state.deltas) {
        let bytes = lake.read(&file.path).await.context(LakeSnafu)?;
        ingest.load_state(&bytes).context(StateSnafu { path: &file.path })?;
    }
    Ok(ingest)
}
