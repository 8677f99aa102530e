//! Decide: from what the resource says and what is known of its pipeline, what shall exist. Pure.
//!
//! | the resource | its pipeline | decision |
//! |---|---|---|
//! | has faults | – | [`Decision::Refuse`]: what runs keeps running |
//! | is suspended | – | [`Decision::Suspend`] |
//! | is sound | is not there, or has faults | [`Decision::Wait`]: what runs keeps running |
//! | is sound | is suspended | [`Decision::Suspend`]: nothing writes to its lake |
//! | is sound | refers to something that is missing | [`Decision::Wait`] |
//! | is sound | can run | [`Decision::Run`] |

use sluice_crds::StreamPipeline;

use super::validate::validate;
use super::validated::ValidatedScorer;
use crate::problem::{Invalid, Missing};
use crate::sharded_job::plan::Suspension;
use crate::site::Site;
use crate::stream_pipeline::job::explain;
use crate::stream_pipeline::{Observed, ResolvedPipeline, ValidatedPipeline, resolve};

/// The field that refers to the pipeline.
const FIELD: &str = "spec.pipelineRef.name";

/// What shall exist.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// All shards run.
    Run(Box<ResolvedScorer>),
    /// Nothing runs; the table stays.
    Suspend(Box<ValidatedScorer>, Suspension),
    /// Nothing changes until what is missing appears.
    Wait(Box<ValidatedScorer>, Vec<Missing>),
    /// Nothing changes until the resource or its pipeline does.
    Refuse(Vec<Invalid>),
}

/// A scorer whose pipeline can run.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedScorer {
    /// The scorer.
    pub scorer: ValidatedScorer,
    /// Its pipeline, with all that it refers to.
    pub pipeline: ResolvedPipeline,
}

/// What is known of the pipeline whose rows are scored.
#[derive(Clone, Debug, PartialEq)]
pub enum PipelineFound {
    /// There is none of that name.
    Nothing,
    /// It cannot be read, for this reason.
    Unreadable(String),
    /// It has these faults.
    Faulty(Vec<Invalid>),
    /// It is sound.
    Sound(Box<ValidatedPipeline>),
}

impl PipelineFound {
    /// What a look for the pipeline has given.
    pub fn of(found: Option<Result<&StreamPipeline, String>>) -> Self {
        match found.map(|found| found.map(crate::stream_pipeline::validate)) {
            None => Self::Nothing,
            Some(Err(error)) => Self::Unreadable(error),
            Some(Ok(Err(faults))) => Self::Faulty(faults),
            Some(Ok(Ok(pipeline))) => Self::Sound(Box::new(pipeline)),
        }
    }

    /// The pipeline, if it is sound.
    pub fn sound(&self) -> Option<&ValidatedPipeline> {
        match self {
            Self::Sound(pipeline) => Some(pipeline),
            Self::Nothing | Self::Unreadable(_) | Self::Faulty(_) => None,
        }
    }
}

/// What was seen outside of the scorer.
#[derive(Clone, Debug, PartialEq)]
pub struct Surroundings {
    /// Its pipeline.
    pub pipeline: PipelineFound,
    /// What its pipeline refers to.
    pub observed: Observed,
    /// Why the pipeline's Strimzi listener or user cannot be used.
    pub strimzi_trouble: Option<Missing>,
}

/// Decides what shall exist.
pub fn decide(
    validated: Result<ValidatedScorer, Vec<Invalid>>,
    surroundings: Surroundings,
    site: &Site,
) -> Decision {
    let scorer = match validated {
        Err(faults) => return Decision::Refuse(faults),
        Ok(scorer) if scorer.suspended => return Decision::Suspend(Box::new(scorer), Suspension::Asked),
        Ok(scorer) => scorer,
    };
    let Surroundings { pipeline, observed, strimzi_trouble } = surroundings;
    let pipeline = match pipeline {
        PipelineFound::Sound(pipeline) => *pipeline,
        unusable => {
            let missing = missing_pipeline(&scorer, &unusable, site);
            return Decision::Wait(Box::new(scorer), vec![missing]);
        }
    };
    if pipeline.suspended {
        let suspension = Suspension::Pipeline(pipeline.name);
        return Decision::Suspend(Box::new(scorer), suspension);
    }
    match resolve(pipeline, &observed, site) {
        Ok(pipeline) => Decision::Run(Box::new(ResolvedScorer { scorer, pipeline })),
        Err((pipeline, missing)) => {
            let missing = explain(missing, strimzi_trouble.as_ref());
            let missing = missing.into_iter().map(|missing| through(&pipeline.name, missing)).collect();
            Decision::Wait(Box::new(scorer), missing)
        }
    }
}

/// Validates and decides.
pub fn judge(scorer: &sluice_crds::FraudScorer, surroundings: Surroundings, site: &Site) -> Decision {
    decide(validate(scorer, surroundings.pipeline.sound()), surroundings, site)
}

fn missing_pipeline(scorer: &ValidatedScorer, found: &PipelineFound, site: &Site) -> Missing {
    let name = &scorer.pipeline;
    let (message, fix) = match found {
        PipelineFound::Unreadable(error) => {
            (format!("StreamPipeline '{name}' cannot be read: {error}"), "correct it".to_owned())
        }
        PipelineFound::Faulty(faults) => {
            let first = faults.first().map(ToString::to_string).unwrap_or_default();
            (format!("StreamPipeline '{name}' has faults: {first}"), "correct them".to_owned())
        }
        PipelineFound::Nothing | PipelineFound::Sound(_) => {
            (format!("StreamPipeline '{name}' is not there"), site.pipeline_fix(&scorer.namespace, name))
        }
    };
    Missing { field: FIELD.to_owned(), message, fix }
}

/// What the pipeline misses, as its scorer sees it.
fn through(pipeline: &str, missing: Missing) -> Missing {
    let Missing { field, message, fix } = missing;
    let message = format!("StreamPipeline '{pipeline}' waits for {field}: {message}");
    Missing { field: FIELD.to_owned(), message, fix }
}
