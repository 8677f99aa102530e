//! [`Generation`]: how a job is cut into shards, fixed once for all its processes.

use serde::{Deserialize, Serialize};

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
