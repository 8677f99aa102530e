//! [`Generation`]: how a job is cut into shards, fixed once for all its processes.

use serde::{Deserialize, Serialize};
use snafu::{ResultExt, ensure};

use crate::chain::names;
use crate::error::{FormatVersionSnafu, LakeError, ShardsChangedSnafu, UnreadableSnafu};
use crate::store::{Created, Store};

/// The format of `generation.json` that this build writes.
const FORMAT_VERSION: u32 = 1;

/// The only generation so far: re-cutting a running job is not offered yet.
const FIRST: u64 = 0;

/// How a job is cut into shards: the content of `generation.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Generation {
    /// Number of shards.
    pub shards: u32,
    /// Revision of the configuration at the generation's start. Later revisions are in the manifests.
    pub configuration: String,
    /// Avro schema text that messages are read with, where the configuration leaves it to the registry:
    /// fixed at the first start, so that all shards and all restarts read alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader_schema: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GenerationFile {
    format_version: u32,
    #[serde(flatten)]
    generation: Generation,
}

/// The current generation of a job; `wanted` if it has none yet.
pub(crate) async fn current(
    store: &Store,
    job: &str,
    wanted: &Generation,
) -> Result<(u64, Generation), LakeError> {
    let path = names::generation(job, FIRST);
    let file = GenerationFile { format_version: FORMAT_VERSION, generation: wanted.clone() };
    let text = serde_json::to_vec_pretty(&file).expect("a generation has string keys only");
    if store.create(&path, text.into()).await? == Created::Created {
        return Ok((FIRST, file.generation));
    }
    let content = store.read(&path).await?;
    let generation = parse(store, &path, &content)?;
    check_shards(job, &generation, wanted.shards)?;
    Ok((FIRST, generation))
}

/// Fails as [`current`] would for a job of so many shards, and changes nothing.
pub(crate) async fn check(store: &Store, job: &str, shards: u32) -> Result<(), LakeError> {
    let path = names::generation(job, FIRST);
    match store.read_if_exists(&path).await? {
        Some(content) => check_shards(job, &parse(store, &path, &content)?, shards),
        None => Ok(()),
    }
}

fn parse(store: &Store, path: &str, content: &[u8]) -> Result<Generation, LakeError> {
    let path = store.name(path);
    let GenerationFile { format_version: found, generation } =
        serde_json::from_slice(content).context(UnreadableSnafu { path: path.clone() })?;
    ensure!(
        (1..=FORMAT_VERSION).contains(&found),
        FormatVersionSnafu { path, found, newest: FORMAT_VERSION }
    );
    Ok(generation)
}

fn check_shards(job: &str, generation: &Generation, wanted: u32) -> Result<(), LakeError> {
    ensure!(generation.shards == wanted, ShardsChangedSnafu { job, found: generation.shards, wanted });
    Ok(())
}

#[cfg(test)]
mod tests;
