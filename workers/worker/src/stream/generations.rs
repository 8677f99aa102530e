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
use sluice_lake::{Generation, Lake, Numbered};
use snafu::{OptionExt, ResultExt};
use uuid::Uuid;

use super::restore::{LakeSnafu, RegistrySnafu, RestoreError, SubjectMissingSnafu};
use super::work::{Processor, Work};
use crate::merge;
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
        processor: Box<dyn Processor>,
    },
    /// A newer deployment has begun this generation, of another cut or configuration.
    Superseded {
        /// The generation.
        by: Numbered,
    },
}

/// Finds the process's generation, or begins it.
pub(crate) async fn settle(
    work: &dyn Work,
    lake: &Lake,
    registry: Option<&RegistryClient>,
    key: [u8; 16],
    (writer, entry): (&Writer, Entry),
) -> Result<Settled, RestoreError> {
    loop {
        let newest = lake.generation(work.job()).await.context(LakeSnafu)?;
        match newest {
            Some(generation) if generation.generation.is_of(work.shards(), work.revision()) => {
                let processor = compile_for(work, &generation.generation, key)?;
                return Ok(Settled::In { generation, processor });
            }
            Some(by) if !may_end(&by.generation, writer.deployment_revision, entry) => {
                return Ok(Settled::Superseded { by });
            }
            Some(_) | None => {}
        }
        let next = next(work, newest.as_ref(), registry, writer.deployment_revision).await?;
        if next.number > 0 {
            // What the tables would refuse must not stop those who write them now.
            let processor = compile_for(work, &next.generation, key)?;
            let mut specs = processor.specs();
            specs.extend(merge::specs(&processor.published(), work.pipeline()));
            lake.check_tables(&specs).await.context(LakeSnafu)?;
        }
        let tables = work.tables();
        let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
        lake.refuse_lost_generations(work.job(), next.number, &tables).await.context(LakeSnafu)?;
        // Whoever was faster: the next look tells whether it is ours.
        lake.begin_generation(work.job(), &next).await.context(LakeSnafu)?;
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
    work: &dyn Work,
    newest: Option<&Numbered>,
    registry: Option<&RegistryClient>,
    deployment_revision: u64,
) -> Result<Numbered, RestoreError> {
    let reader_schema = match newest {
        // Only the cut changes: nobody has asked for other columns.
        Some(newest) if newest.generation.configuration == work.revision() => {
            newest.generation.reader_schema.clone()
        }
        Some(_) | None => reader_schema(work.pipeline(), registry).await?,
    };
    let hash_key = match newest {
        Some(newest) => newest.generation.hash_key,
        None => work.has_own_key().then(Uuid::new_v4),
    };
    let generation = Generation {
        shards: work.shards(),
        configuration: work.revision().to_owned(),
        deployment_revision,
        reader_schema,
        hash_key,
    };
    Ok(Numbered { number: newest.map_or(0, |newest| newest.number + 1), generation })
}

/// Compiles a configuration with the reader schema and the key that its generation has pinned.
pub(crate) fn compile_for(
    work: &dyn Work,
    generation: &Generation,
    lake_key: [u8; 16],
) -> Result<Box<dyn Processor>, RestoreError> {
    let key = generation.hash_key.map_or(lake_key, Uuid::into_bytes);
    work.compile(schema_of(work.pipeline(), generation), key)
}

/// The text of the reader schema: the configuration's, or the one that its generation has pinned.
pub(crate) fn schema_of<'a>(config: &'a WorkerConfig, generation: &'a Generation) -> &'a str {
    config.source.schema.as_ref().or(generation.reader_schema.as_ref()).map_or("", String::as_str)
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
            hash_key: None,
        };
        assert!(may_end(&generation(4), 5, Entry::Starting) && may_end(&generation(4), 5, Entry::Returning));
        assert!(may_end(&generation(4), 4, Entry::Starting) && !may_end(&generation(4), 4, Entry::Returning));
        assert!(
            !may_end(&generation(4), 3, Entry::Starting) && !may_end(&generation(4), 3, Entry::Returning)
        );
    }
}
