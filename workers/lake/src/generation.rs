//! [`Generation`]: how a job is cut into shards and configured, fixed once for all its processes.
//!
//! Generations are numbered from 0, without gaps but for those of a recovery. A process that wants another one begins the next; from
//! then on [`succession`](crate::succession) ends the chains of the one before.

use serde::{Deserialize, Serialize};
use sluice_contract::manifest::ChainId;
use snafu::ensure;
use uuid::Uuid;

use crate::chain::names;
use crate::error::{LakeError, LakeFileLostSnafu};
use crate::store::{Created, Store};
use crate::{document, failpoint};

/// The format of `generation.json` that this build writes.
const FORMAT_VERSION: u32 = 1;

/// How a job is cut into shards and configured: the content of `generation.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Generation {
    /// Number of shards.
    pub shards: u32,
    /// Revision of the configuration.
    pub configuration: String,
    /// Deployment revision of the process that began it: an older deployment may not end it.
    #[serde(default)]
    pub deployment_revision: u64,
    /// Avro schema text that messages are read with, where the configuration leaves it to the registry:
    /// fixed once, so that all shards and all restarts read alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader_schema: Option<String>,
    /// The key of the hashes in the job's state, handed down from generation to generation. `None`: the lake's id is
    /// the key, and whoever gives the lake another id rebuilds the job's state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_key: Option<Uuid>,
}

impl Generation {
    /// Whether a process of this configuration belongs to it.
    pub fn is_of(&self, shards: u32, configuration: &str) -> bool {
        self.shards == shards && self.configuration == configuration
    }
}

/// A generation and its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// From 0.
    pub number: u64,
    /// The generation.
    pub generation: Generation,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GenerationFile {
    format_version: u32,
    #[serde(flatten)]
    generation: Generation,
}

/// The newest generation of a job; `None` before its first.
pub(crate) async fn newest(store: &Store, job: &str) -> Result<Option<Numbered>, LakeError> {
    let directories = store.list_directories(&names::job(job)).await?;
    let mut numbers: Vec<u64> = directories.iter().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    for number in numbers.into_iter().rev() {
        // A crash may leave a directory whose file was never made: then it was not begun.
        if let Some(content) = store.read_if_exists(&names::generation(job, number)).await? {
            let generation = parse(store, &names::generation(job, number), &content)?;
            return Ok(Some(Numbered { number, generation }));
        }
    }
    Ok(None)
}

/// Reads a generation that must exist.
pub(crate) async fn read(store: &Store, job: &str, number: u64) -> Result<Generation, LakeError> {
    let path = names::generation(job, number);
    parse(store, &path, &store.read(&path).await?)
}

/// Begins a generation, unless another process has begun one of that number.
pub(crate) async fn begin(store: &Store, job: &str, wanted: &Numbered) -> Result<Created, LakeError> {
    failpoint::hit("before_generation");
    let file = GenerationFile { format_version: FORMAT_VERSION, generation: wanted.generation.clone() };
    let text = serde_json::to_vec_pretty(&file).expect("a generation has string keys only");
    let created = store.create(&names::generation(job, wanted.number), text.into()).await?;
    if created == Created::Created {
        failpoint::hit("after_generation");
    }
    Ok(created)
}

/// Fails where a chain has ended and no generation follows its own: whoever ended it had begun one.
pub(crate) async fn refuse_without_successor(store: &Store, chain: &ChainId) -> Result<(), LakeError> {
    let has_successor =
        newest(store, &chain.job).await?.is_some_and(|newest| newest.number > chain.generation);
    ensure!(
        has_successor,
        LakeFileLostSnafu {
            path: store.name(&names::generation(&chain.job, chain.generation + 1)),
            evidence: format!("chain '{chain}' has ended for it"),
        }
    );
    Ok(())
}

fn parse(store: &Store, path: &str, content: &[u8]) -> Result<Generation, LakeError> {
    let file: GenerationFile = document::parse(&store.name(path), content, FORMAT_VERSION)?;
    Ok(file.generation)
}

#[cfg(test)]
mod tests;
