//! From the command line to a plan. Nothing is written and nothing is started here.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use k8s_openapi::jiff::Timestamp;
use sluice_crds::{FraudScorer, StreamPipeline};
use sluice_operator::sharded_job::plan::Suspension;
use sluice_operator::stream_pipeline::ResolvedPipeline;
use snafu::{ResultExt, ensure};
use url::Url;

use crate::args::{Broker, Lake, SchemaRegistry, UpArguments};
use crate::commands::{CommandError, NothingToGenerateSnafu, NothingToRunSnafu, ProblemsSnafu, RuntimeSnafu};
use crate::manifest::{self, Located, Manifests, Origin, Problem};
use crate::plan::{self, PlannedReplay, PlannedService, PlannedWorker};
use crate::ports::Ports;
use crate::secrets::SecretStore;
use crate::site::{Built, Documents, Machine, Resolution, Resolved, ResolvedScorer, resolve, resolve_scorer};
use crate::state_directory::StateDirectory;
use crate::supervise::ProcessSpec;
use crate::upkeep::Upkeep;
use crate::worker_program;

/// Where clients look for a broker and a registry by themselves.
const BROKER_PORT: u16 = 9092;
const SCHEMA_REGISTRY_PORT: u16 = 8081;

/// Everything that will run.
pub(super) struct Prepared {
    pub(super) remarks: Vec<String>,
    /// Absolute path of the worker.
    pub(super) worker: PathBuf,
    pub(super) services: Vec<PlannedService>,
    pub(super) generators: Vec<ProcessSpec>,
    pub(super) pipelines: Vec<PlannedJob<StreamPipeline>>,
    pub(super) scorers: Vec<PlannedJob<FraudScorer>>,
    /// Holds the ports of the processes until they start.
    pub(super) ports: Ports,
}

/// One resource that will run.
pub(super) struct PlannedJob<R> {
    pub(super) origin: Origin,
    pub(super) resource: R,
    pub(super) lake: String,
    pub(super) bootstrap_servers: String,
    /// What the workers read; `None` where nothing of it runs.
    pub(super) documents: Option<Documents>,
    pub(super) workers: Vec<PlannedWorker>,
    /// `None` where nothing of it runs, where it ends when it has caught up, and where there is none.
    pub(super) upkeep: Option<Upkeep>,
    /// `None` likewise.
    pub(super) replay: Option<PlannedReplay>,
}

impl Prepared {
    /// All workers, of pipelines and of scorers.
    pub(super) fn workers(&self) -> impl Iterator<Item = &PlannedWorker> {
        let of_pipelines = self.pipelines.iter().flat_map(|pipeline| &pipeline.workers);
        of_pipelines.chain(self.scorers.iter().flat_map(|scorer| &scorer.workers))
    }

    /// What all workers read, by resource.
    pub(super) fn documents(&self) -> impl Iterator<Item = (&Origin, &Documents)> {
        let of_pipelines = self.pipelines.iter().map(|job| (&job.origin, job.documents.as_ref()));
        let of_scorers = self.scorers.iter().map(|job| (&job.origin, job.documents.as_ref()));
        of_pipelines.chain(of_scorers).filter_map(|(origin, documents)| Some((origin, documents?)))
    }
}

/// Makes the plan, or says everything that is in its way.
pub(super) fn prepare(arguments: &UpArguments, state: &StateDirectory) -> Result<Prepared, CommandError> {
    let mut manifests = manifest::read(&arguments.files.filenames)?;
    refuse(&manifests.problems)?;
    ensure!(!manifests.pipelines.is_empty(), NothingToRunSnafu);
    let secrets = SecretStore::read(&manifests.secrets, arguments.secrets.as_deref())?;
    let worker = worker_program::find(arguments.worker.worker.as_deref())?;
    let mut ports = Ports::default();
    let broker = local_address(arguments.broker == Some(Broker::Embedded), BROKER_PORT, &mut ports);
    let registry_is_embedded = arguments.schema_registry == Some(SchemaRegistry::Embedded);
    let registry = local_address(registry_is_embedded, SCHEMA_REGISTRY_PORT, &mut ports);
    let machine = Machine {
        worker: worker.clone(),
        state: state.root().to_owned(),
        broker: match &arguments.broker {
            Some(Broker::Address(address)) => Some(address.clone()),
            _ => broker.map(|address| address.to_string()),
        },
        schema_registry: match &arguments.schema_registry {
            Some(SchemaRegistry::Url(url)) => Some(url.clone()),
            _ => registry.map(|address| format!("http://{address}")),
        },
        lake_root: lake_root(arguments.lake.as_ref(), state)?,
        secrets,
        variables: std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect(),
        revision: u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0),
    };
    let mut prepared = Prepared {
        remarks: std::mem::take(&mut manifests.remarks),
        worker,
        services: Vec::new(),
        generators: Vec::new(),
        pipelines: Vec::new(),
        scorers: Vec::new(),
        ports,
    };
    let (resolved, scorers) = resolve_all(&manifests, &machine, &mut prepared.ports, &mut prepared.remarks)?;
    if arguments.until_caught_up {
        prepared.remarks.extend(replays_that_wait(&manifests));
    }
    if let Some(rate) = arguments.generate {
        prepared.generators = generators(&resolved, &prepared.worker, rate)?;
    }
    prepared.services = services(broker, registry, &manifests, state)?;
    for (located, resolved) in resolved {
        let pipeline = plan_pipeline(located, resolved.as_deref(), &machine, arguments.until_caught_up)?;
        prepared.pipelines.push(pipeline);
    }
    for (located, resolved) in scorers {
        let scorer = plan_scorer(located, resolved.as_deref(), &machine, arguments.until_caught_up);
        prepared.scorers.push(scorer);
    }
    Ok(prepared)
}

fn refuse(problems: &[Problem]) -> Result<(), CommandError> {
    ensure!(
        problems.is_empty(),
        ProblemsSnafu { lines: problems.iter().map(ToString::to_string).collect::<Vec<_>>() }
    );
    Ok(())
}

fn local_address(is_embedded: bool, port: u16, ports: &mut Ports) -> Option<SocketAddr> {
    is_embedded.then(|| SocketAddr::from((Ipv4Addr::LOCALHOST, ports.take_preferred(port))))
}

/// URI of the folder that stands in for every lake, without a slash at its end.
fn lake_root(lake: Option<&Lake>, state: &StateDirectory) -> Result<Option<String>, CommandError> {
    let directory = match lake {
        None => return Ok(None),
        Some(Lake::Store(uri)) => return Ok(Some(uri.clone())),
        Some(Lake::Local) => state.lakes(),
        Some(Lake::Directory(directory)) => std::path::absolute(directory).context(RuntimeSnafu)?,
    };
    // Blanks and '#' of the path are escaped, or the URI would end at them.
    let uri = Url::from_file_path(directory).expect("the path is absolute");
    Ok(Some(String::from(uri)))
}

/// A resource with what it comes to; `None` where nothing of it runs.
type Outcome<'a, K, R> = (&'a Located<K>, Option<Box<R>>);
type Outcomes<'a> =
    (Vec<Outcome<'a, StreamPipeline, Resolved>>, Vec<Outcome<'a, FraudScorer, ResolvedScorer>>);

fn resolve_all<'a>(
    manifests: &'a Manifests,
    machine: &Machine,
    ports: &mut Ports,
    remarks: &mut Vec<String>,
) -> Result<Outcomes<'a>, CommandError> {
    let mut problems = Vec::new();
    let mut free_port = || ports.take_any();
    let mut suspended = |kind: &str, name: String, suspension: &Suspension| {
        remarks.push(format!("{kind} {name}: nothing of it runs: {suspension}"));
    };
    let mut pipelines = Vec::new();
    for located in &manifests.pipelines {
        match resolve(located, machine, &mut free_port) {
            Ok(Resolution::Run(resolved)) => pipelines.push((located, Some(resolved))),
            Ok(Resolution::Suspended(suspension)) => {
                suspended("StreamPipeline", manifest::name(&located.resource), &suspension);
                pipelines.push((located, None));
            }
            Err(found) => problems.extend(found),
        }
    }
    let mut scorers = Vec::new();
    for located in &manifests.scorers {
        match resolve_scorer(located, &manifests.pipelines, machine, &mut free_port) {
            Ok(Resolution::Run(resolved)) => scorers.push((located, Some(resolved))),
            Ok(Resolution::Suspended(suspension)) => {
                suspended("FraudScorer", manifest::name(&located.resource), &suspension);
                scorers.push((located, None));
            }
            Err(found) => problems.extend(found),
        }
    }
    refuse(&problems)?;
    Ok((pipelines, scorers))
}

/// A replay needs workers that stay.
fn replays_that_wait(manifests: &Manifests) -> impl Iterator<Item = String> {
    let of_pipelines = manifests.pipelines.iter().filter_map(|located| {
        let replay = located.resource.spec.replay.as_ref()?;
        Some(("StreamPipeline", manifest::name(&located.resource), &replay.name))
    });
    let of_scorers = manifests.scorers.iter().filter_map(|located| {
        let replay = located.resource.spec.replay.as_ref()?;
        Some(("FraudScorer", manifest::name(&located.resource), &replay.name))
    });
    of_pipelines.chain(of_scorers).map(|(kind, name, replay)| {
        format!("{kind} {name}: spec.replay '{replay}' waits for a run without --until-caught-up")
    })
}

/// One generator for each topic whose pipelines read e-commerce transactions.
fn generators(
    resolved: &[Outcome<'_, StreamPipeline, Resolved>],
    worker: &Path,
    rate: f64,
) -> Result<Vec<ProcessSpec>, CommandError> {
    let mut topics = BTreeSet::new();
    let running = resolved.iter().filter_map(|(_, resolved)| resolved.as_deref());
    let generators: Vec<ProcessSpec> = running
        .filter(|resolved| plan::takes_generated_messages(resolved))
        .filter(|resolved| topics.insert(resolved.pipeline.pipeline.topic.clone()))
        .map(|resolved| plan::plan_generator(resolved, worker.to_owned(), rate))
        .collect();
    ensure!(!generators.is_empty(), NothingToGenerateSnafu);
    Ok(generators)
}

fn services(
    broker: Option<SocketAddr>,
    registry: Option<SocketAddr>,
    manifests: &Manifests,
    state: &StateDirectory,
) -> Result<Vec<PlannedService>, CommandError> {
    let program = std::env::current_exe().context(RuntimeSnafu)?;
    let read = manifests.pipelines.iter().map(|located| &located.resource.spec.source.kafka.topic);
    let alerts = manifests.scorers.iter().filter_map(|located| located.resource.spec.alerts.as_ref());
    let topics: BTreeSet<&String> = read.chain(alerts.map(|alerts| &alerts.topic)).collect();
    let topics: Vec<String> = topics.into_iter().cloned().collect();
    let mut services = Vec::new();
    if let Some(address) = broker {
        services.push(plan::plan_broker(program.clone(), &state.service("broker"), address, &topics));
    }
    if let Some(address) = registry {
        services.push(plan::plan_schema_registry(program, &state.service("schema-registry"), address));
    }
    Ok(services)
}

fn plan_pipeline(
    located: &Located<StreamPipeline>,
    resolved: Option<&Resolved>,
    machine: &Machine,
    until_caught_up: bool,
) -> Result<PlannedJob<StreamPipeline>, CommandError> {
    let tended = resolved.filter(|_| !until_caught_up);
    let upkeep = tended.and_then(|resolved| plan::plan_upkeep(&resolved.built, &machine.secrets));
    let running = resolved.map(|resolved| (&resolved.pipeline, &resolved.built));
    let mut planned = plan_job(located, running, machine, until_caught_up);
    if resolved.is_none() {
        planned.lake.clone_from(&located.resource.spec.storage.uri);
    }
    planned.upkeep = upkeep.map(|upkeep| Upkeep::new(upkeep, Timestamp::now())).transpose()?;
    Ok(planned)
}

fn plan_scorer(
    located: &Located<FraudScorer>,
    resolved: Option<&ResolvedScorer>,
    machine: &Machine,
    until_caught_up: bool,
) -> PlannedJob<FraudScorer> {
    let running = resolved.map(|resolved| (&resolved.pipeline, &resolved.built));
    plan_job(located, running, machine, until_caught_up)
}

fn plan_job<R: Clone>(
    located: &Located<R>,
    running: Option<(&ResolvedPipeline, &Built)>,
    machine: &Machine,
    until_caught_up: bool,
) -> PlannedJob<R> {
    let workers = running.map(|(_, built)| plan::plan_workers(built, &machine.secrets, until_caught_up));
    let lasting = running.filter(|_| !until_caught_up);
    PlannedJob {
        origin: located.origin.clone(),
        resource: located.resource.clone(),
        lake: running.map(|(pipeline, _)| pipeline.storage.uri.clone()).unwrap_or_default(),
        bootstrap_servers: running
            .map(|(pipeline, _)| pipeline.bootstrap_servers.clone())
            .unwrap_or_default(),
        documents: running.map(|(_, built)| built.documents.clone()),
        workers: workers.unwrap_or_default(),
        upkeep: None,
        replay: lasting.and_then(|(_, built)| plan::plan_replay(built, &machine.secrets)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::lake_root;
    use crate::args::Lake;
    use crate::state_directory::StateDirectory;

    #[test]
    fn a_lake_of_this_machine_has_a_uri_that_leads_back_to_its_directory() {
        let state = StateDirectory::new(Path::new("/a b/50%/#1?")).expect("absolute");
        let of = |lake: Lake| lake_root(Some(&lake), &state).expect("there is a working directory");
        assert_eq!(of(Lake::Local).as_deref(), Some("file:///a%20b/50%25/%231%3F/lake"));
        assert_eq!(of(Lake::Directory(PathBuf::from("/lakes"))).as_deref(), Some("file:///lakes"));
        assert_eq!(of(Lake::Store("s3://bucket/lake".to_owned())).as_deref(), Some("s3://bucket/lake"));
        assert_eq!(lake_root(None, &state).expect("there is nothing to find"), None);
    }
}
