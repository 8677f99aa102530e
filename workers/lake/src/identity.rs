//! [`Identity`]: whose lake this is, and of which topic. Guards against two pipelines in one place.

use std::fmt;

use serde::{Deserialize, Serialize};
use sluice_contract::config::Owner;
use snafu::ensure;
use uuid::Uuid;

use crate::chain::names;
use crate::error::{LakeError, LakeFileLostSnafu, LakeOwnedSnafu, TopicRecreatedSnafu};
use crate::store::{Created, Store};
use crate::{document, recovery};

/// The format of `lake.json` that this build writes.
const FORMAT_VERSION: u32 = 1;

/// Names a Kafka topic across deletion and re-creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicIdentity {
    /// Name of the topic.
    pub name: String,
    /// Kafka's id of the topic; `None` where the broker tells none (older than 2.8).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl TopicIdentity {
    /// Whether two names may mean the same topic: an id that is not known is no evidence against it.
    fn may_be(&self, other: &Self) -> bool {
        let ids_agree = match (&self.id, &other.id) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        self.name == other.name && ids_agree
    }
}

impl fmt::Display for TopicIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(formatter, "'{}' with id {id}", self.name),
            None => write!(formatter, "'{}'", self.name),
        }
    }
}

/// Who a lake is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Unique id, given at the lake's creation; `storage.adopt` names it.
    pub lake_id: Uuid,
}

/// The content of `lake.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LakeFile {
    format_version: u32,
    lake_id: Uuid,
    owner: Owner,
    topic: TopicIdentity,
    created_at_ms: i64,
}

impl LakeFile {
    fn new(owner: &Owner, topic: &TopicIdentity) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            lake_id: Uuid::new_v4(),
            owner: owner.clone(),
            topic: topic.clone(),
            created_at_ms: crate::now_ms(),
        }
    }
}

/// Checks whose lake this is; the first caller's from then on.
pub(crate) async fn identify(
    store: &Store,
    owner: &Owner,
    topic: &TopicIdentity,
    adopt: Option<&str>,
) -> Result<Identity, LakeError> {
    let ours = LakeFile::new(owner, topic);
    refuse_lost(store).await?;
    if store.create(names::IDENTITY, text(&ours)).await? == Created::Created {
        return Ok(Identity { lake_id: ours.lake_id });
    }
    let content = store.read(names::IDENTITY).await?;
    let found = parse(store, &content)?;
    let lake_id = found.lake_id;
    if judge(&found, owner, topic, adopt)? == Standing::Adopted {
        let adopted = LakeFile { owner: owner.clone(), topic: topic.clone(), ..found.clone() };
        if adopted != found {
            store.put(names::IDENTITY, text(&adopted)).await?;
        }
    }
    Ok(Identity { lake_id })
}

/// Fails where the file is gone though the tables have rows: its id keys the state, so a new one would make every
/// copy of an earlier row a row.
async fn refuse_lost(store: &Store) -> Result<(), LakeError> {
    if store.read_if_exists(names::IDENTITY).await?.is_some() {
        return Ok(());
    }
    let Some(evidence) = recovery::evidence(store).await? else { return Ok(()) };
    // Another process that starts may have made both in between.
    let is_there = store.read_if_exists(names::IDENTITY).await?.is_some();
    ensure!(is_there, LakeFileLostSnafu { path: store.name(names::IDENTITY), evidence });
    Ok(())
}

/// Gives a lake that has lost its id a new one, and takes it for the caller's.
pub(crate) async fn renew(
    store: &Store,
    owner: &Owner,
    topic: &TopicIdentity,
) -> Result<Identity, LakeError> {
    let file = LakeFile::new(owner, topic);
    store.create(names::IDENTITY, text(&file)).await?;
    let lake_id = parse(store, &store.read(names::IDENTITY).await?)?.lake_id;
    Ok(Identity { lake_id })
}

/// Fails as [`identify`] would, and changes nothing.
pub(crate) async fn check(
    store: &Store,
    owner: &Owner,
    topic: &TopicIdentity,
    adopt: Option<&str>,
) -> Result<(), LakeError> {
    match store.read_if_exists(names::IDENTITY).await? {
        Some(content) => judge(&parse(store, &content)?, owner, topic, adopt).map(|_| ()),
        None => refuse_lost(store).await,
    }
}

/// The lake's id; `None` where nobody has given it one.
pub(crate) async fn find(store: &Store) -> Result<Option<Uuid>, LakeError> {
    match store.read_if_exists(names::IDENTITY).await? {
        Some(content) => Ok(Some(parse(store, &content)?.lake_id)),
        None => Ok(None),
    }
}

/// Why a lake is open to its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Owner and topic are the lake's.
    Owner,
    /// The caller names the lake's id, and so takes it over.
    Adopted,
}

fn judge(
    found: &LakeFile,
    owner: &Owner,
    topic: &TopicIdentity,
    adopt: Option<&str>,
) -> Result<Standing, LakeError> {
    let lake_id = found.lake_id.to_string();
    if adopt == Some(lake_id.as_str()) {
        return Ok(Standing::Adopted);
    }
    ensure!(
        found.owner == *owner,
        LakeOwnedSnafu {
            lake_id,
            owner: format!("{}/{}", found.owner.namespace, found.owner.name),
            cluster: &found.owner.cluster,
        }
    );
    ensure!(
        found.topic.may_be(topic),
        TopicRecreatedSnafu { lake_id, found: found.topic.to_string(), wanted: topic.to_string() }
    );
    Ok(Standing::Owner)
}

fn parse(store: &Store, content: &[u8]) -> Result<LakeFile, LakeError> {
    document::parse(&store.name(names::IDENTITY), content, FORMAT_VERSION)
}

fn text(file: &LakeFile) -> bytes::Bytes {
    serde_json::to_vec_pretty(file).expect("the file has string keys only").into()
}

#[cfg(test)]
mod tests;
