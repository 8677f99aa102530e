//! [`settle`]: which generation of the job this process belongs to, and whether it may begin the next.
//!
//! | the newest generation | this process | |
//! |---|---|---|
//! | none | – | begins the first |
//! | of its shards and configuration | – | belongs to it |
//! | another, of an older deployment | – | begins the next one |
//! | another, of the same deployment revision | has just started | begins the next one |
//! | another | else | has been superseded, and stands by |

use sluice_contract::config::{Format, WorkerConfig};
use sluice_contract::manifest::Writer;
use sluice_engine::Ingest;
use sluice_lake::{Generation, Lake, Numbered};
use snafu::{OptionExt, ResultExt};

use super::restore::{
    JOB, LakeSnafu, RegistrySnafu, RestoreError, SubjectMissingSnafu, TABLES, all_specs, compile,
};
use crate::registry_client::{Answer, RegistryClient};

/// How a process comes to want a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It has just started, or those who were in its way have fallen silent.
    Starting,
    /// It had a chain, or waited for one, and its generation has ended.
    Returning,
}

/// How [`settle`] ended.
pub(crate) enum Settled {
    /// The process belongs to this generation.
    In {
        /// The generation.
        generation: Numbered,
        /// The core, compiled with its reader schema.
        ingest: Box<Ingest>,
    },
    /// A newer deployment has begun this generation, of another cut or configuration.
    Superseded {
        /// The generation.
        by: Numbered,
    },
}

/// Finds the process's generation, or begins it.
pub(crate) async fn settle(
    config: &WorkerConfig,
    lake: &Lake,
    registry: Option<&RegistryClient>,
    key: [u8; 16],
    (writer, entry): (&Writer, Entry),
) -> Result<Settled, RestoreError> {
    loop {
        let newest = lake.generation(JOB).await.context(LakeSnafu)?;
        match newest {
            Some(generation) if generation.generation.is_of(config.shards, &config.revision) => {
                let ingest = Box::new(compile_for(config, &generation.generation, key)?);
                return Ok(Settled::In { generation, ingest });
            }
            Some(by) if !may_end(&by.generation, writer.deployment_revision, entry) => {
                return Ok(Settled::Superseded { by });
            }
            Some(_) | None => {}
        }
        let next = next(config, newest.as_ref(), registry, writer.deployment_revision).await?;
        if next.number > 0 {
            // What the tables would refuse must not stop those who write them now.
            let ingest = compile_for(config, &next.generation, key)?;
            lake.check_tables(&all_specs(config, &ingest)).await.context(LakeSnafu)?;
        }
        lake.refuse_lost_generations(JOB, next.number, &TABLES).await.context(LakeSnafu)?;
        // Whoever was faster: the next look tells whether it is ours.
        lake.begin_generation(JOB, &next).await.context(LakeSnafu)?;
    }
}

fn may_end(generation: &Generation, deployment_revision: u64, entry: Entry) -> bool {
    match entry {
        Entry::Starting => deployment_revision >= generation.deployment_revision,
        Entry::Returning => deployment_revision > generation.deployment_revision,
    }
}

/// The generation that follows the newest one.
pub(crate) async fn next(
    config: &WorkerConfig,
    newest: Option<&Numbered>,
    registry: Option<&RegistryClient>,
    deployment_revision: u64,
) -> Result<Numbered, RestoreError> {
    let reader_schema = match newest {
        // Only the cut changes: nobody has asked for other columns.
        Some(newest) if newest.generation.configuration == config.revision => {
            newest.generation.reader_schema.clone()
        }
        Some(_) | None => reader_schema(config, registry).await?,
    };
    let generation = Generation {
        shards: config.shards,
        configuration: config.revision.clone(),
        deployment_revision,
        reader_schema,
    };
    Ok(Numbered { number: newest.map_or(0, |newest| newest.number + 1), generation })
}

/// Compiles a configuration with the reader schema that its generation has pinned.
pub(crate) fn compile_for(
    config: &WorkerConfig,
    generation: &Generation,
    key: [u8; 16],
) -> Result<Ingest, RestoreError> {
    let text = config.source.schema.as_ref().or(generation.reader_schema.as_ref());
    compile(config, text.map_or("", String::as_str), key)
}

/// The reader schema to pin for a generation, where the configuration leaves it to the registry.
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

/// The client of the registry that gives writer schemas; `None` where there are none.
pub(crate) fn registry(config: &WorkerConfig) -> Result<Option<RegistryClient>, RestoreError> {
    match (&config.source.format, &config.source.schema_registry) {
        (Format::Avro, Some(registry)) => RegistryClient::new(registry).map(Some).context(RegistrySnafu),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_ended_by_newer_deployments_and_by_an_equal_one_that_starts() {
        let generation = |deployment_revision| Generation {
            shards: 1,
            configuration: "a".to_owned(),
            deployment_revision,
            reader_schema: None,
        };
        assert!(may_end(&generation(4), 5, Entry::Starting) && may_end(&generation(4), 5, Entry::Returning));
        assert!(may_end(&generation(4), 4, Entry::Starting) && !may_end(&generation(4), 4, Entry::Returning));
        assert!(
            !may_end(&generation(4), 3, Entry::Starting) && !may_end(&generation(4), 3, Entry::Returning)
        );
    }
}
