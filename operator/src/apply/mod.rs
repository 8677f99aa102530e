//! Apply: brings the children of a resource to what they should be. The same for every kind.
//!
//! | the child | what is done |
//! |---|---|
//! | is absent | it is created; if somebody was faster, it is read back and judged by its owner |
//! | is ours (by uid) and as the last apply left it | nothing |
//! | is ours and differs | server-side apply with force, and with its uid, so that no successor is touched |
//! | is somebody else's | nothing is written; the outcome says whose it is |
//! | is refused by the API server | the outcome says why; it is tried again with the next pass |
//! | is ours and not wanted any more | it is deleted, if it is still the one that was seen |

pub mod child;
mod fields;
pub mod memory;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy};
use kube::core::{DynamicObject, PartialObjectMeta};
use snafu::{ResultExt, Snafu};

use crate::metrics::{Metrics, Verb};
use child::{Child, Owned, Ownership, Policy, ownership};
use memory::AppliedMemory;

/// Why a child could not be brought to what it should be.
#[derive(Debug, Snafu)]
pub enum ApplyError {
    /// A request failed.
    #[snafu(display("failed to {action} {kind} '{name}': {source}"))]
    Request {
        /// What was attempted.
        action: &'static str,
        /// Kind of the child.
        kind: String,
        /// Name of the child.
        name: String,
        /// What the API server says.
        #[snafu(source(from(kube::Error, Box::new)))]
        source: Box<kube::Error>,
    },
}

/// Whose children they are.
#[derive(Clone, Debug)]
pub struct Owner {
    /// Kind of the resource.
    pub kind: &'static str,
    /// The namespace of the resource and of its children.
    pub namespace: String,
    /// Name of the resource.
    pub name: String,
    /// Uid of the resource.
    pub uid: String,
}

impl Owner {
    /// `kind/namespace/name`.
    pub fn key(&self) -> String {
        key(self.kind, &self.namespace, &self.name)
    }
}

/// What tells a resource from all others: `kind/namespace/name`.
pub fn key(kind: &str, namespace: &str, name: &str) -> String {
    format!("{kind}/{namespace}/{name}")
}

/// A child whose name belongs to somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTaken {
    /// Kind of the object.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Who controls it.
    pub owner: String,
}

/// A child that the API server does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Kind of the object.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What the API server says.
    pub message: String,
    /// Whether it is invalid, so that only another spec helps; a quota, a policy or a right may change.
    pub is_lasting: bool,
}

impl Refused {
    /// What the API server's answer says of a child, if it is a refusal.
    fn of(child: &Child, error: &kube::Error) -> Option<Self> {
        let kube::Error::Api(status) = error else { return None };
        let is_lasting = match status.code {
            422 => true,
            403 => false,
            _ => return None,
        };
        Some(Self {
            kind: child.resource.kind.clone(),
            name: child.name.clone(),
            message: status.message.clone(),
            is_lasting,
        })
    }
}

/// What became of one child.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Unchanged,
    Written,
    /// It is being deleted; when it is gone, the next pass makes it anew.
    Leaving,
    Taken(NameTaken),
    Refused(Refused),
}

/// What an apply did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Number of children that were created or changed.
    pub written: usize,
    /// Number of children that were deleted.
    pub deleted: usize,
    /// Children that are being deleted by somebody and must be made anew.
    pub leaving: usize,
    /// Children whose names belong to somebody else.
    pub taken: Vec<NameTaken>,
    /// Children that the API server does not take.
    pub refused: Vec<Refused>,
}

impl Applied {
    /// Whether every child is there, or on its way.
    pub fn is_complete(&self) -> bool {
        self.taken.is_empty() && self.refused.is_empty()
    }
}

/// Writes children.
#[derive(Clone, Copy)]
pub struct Applier<'a> {
    /// The API server.
    pub client: &'a Client,
    /// Who writes, in `managedFields`.
    pub field_manager: &'static str,
    /// What was applied last.
    pub memory: &'a AppliedMemory,
    /// Counts the writes.
    pub metrics: &'a Metrics,
}

impl Applier<'_> {
    /// Writes what differs, in the order of `wanted`; then deletes what `unwanted` holds. Nothing is deleted
    /// where a name is taken or a child refused: the new state is not complete.
    pub async fn apply(
        &self,
        owner: &Owner,
        wanted: &[Child],
        existing: &[Owned],
        unwanted: &[Owned],
    ) -> Result<Applied, ApplyError> {
        let mut applied = Applied::default();
        for child in wanted {
            let found = existing
                .iter()
                .find(|owned| owned.resource.kind == child.resource.kind && owned.name() == child.name);
            match self.apply_one(owner, child, found).await? {
                Outcome::Unchanged => {}
                Outcome::Written => applied.written += 1,
                Outcome::Leaving => applied.leaving += 1,
                Outcome::Taken(taken) => applied.taken.push(taken),
                Outcome::Refused(refused) => applied.refused.push(refused),
            }
        }
        if applied.is_complete() {
            for owned in unwanted {
                applied.deleted += usize::from(self.delete(owner, owned).await?);
            }
        }
        Ok(applied)
    }

    async fn apply_one(
        &self,
        owner: &Owner,
        child: &Child,
        found: Option<&Owned>,
    ) -> Result<Outcome, ApplyError> {
        let Some(found) = found else { return self.create(owner, child).await };
        if found.metadata.deletion_timestamp.is_some() {
            return Ok(Outcome::Leaving);
        }
        if child.policy == Policy::CreateOnly || self.memory.is_current(&owner.key(), child, &found.metadata)
        {
            return Ok(Outcome::Unchanged);
        }
        self.patch(owner, child, found.metadata.uid.clone()).await
    }

    /// The watch does not know the child. A look at the API server comes first: creating what exists would be
    /// a write, repeated for as long as somebody else has the name.
    async fn create(&self, owner: &Owner, child: &Child) -> Result<Outcome, ApplyError> {
        if let Some(outcome) = self.adopt(owner, child).await? {
            return Ok(outcome);
        }
        self.metrics.api_write(Verb::Create);
        let created = self.api(owner, child).create(&self.post_parameters(), &child.document).await;
        match created {
            Ok(made) => {
                tracing::info!(kind = child.resource.kind, child = child.name, "created a child");
                self.finish(owner, child, made.metadata).await
            }
            // Somebody was faster, or an earlier answer to this very request got lost.
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                Ok(self.adopt(owner, child).await?.unwrap_or(Outcome::Leaving))
            }
            Err(error) => refusal(child, "create", error),
        }
    }

    /// What to do about a child that exists though the watch does not know it; `None` if it does not exist.
    async fn adopt(&self, owner: &Owner, child: &Child) -> Result<Option<Outcome>, ApplyError> {
        let found: Option<PartialObjectMeta<DynamicObject>> =
            self.api(owner, child).get_metadata_opt(&child.name).await.context(RequestSnafu {
                action: "read",
                kind: child.resource.kind.clone(),
                name: child.name.clone(),
            })?;
        let Some(found) = found else { return Ok(None) };
        match ownership(&found.metadata, &owner.uid) {
            Ownership::Foreign { owner } => Ok(Some(Outcome::Taken(NameTaken {
                kind: child.resource.kind.clone(),
                name: child.name.clone(),
                owner,
            }))),
            Ownership::Ours if found.metadata.deletion_timestamp.is_some() => Ok(Some(Outcome::Leaving)),
            Ownership::Ours if child.policy == Policy::CreateOnly => Ok(Some(Outcome::Unchanged)),
            Ownership::Ours => self.patch(owner, child, found.metadata.uid).await.map(Some),
        }
    }

    async fn patch(&self, owner: &Owner, child: &Child, uid: Option<String>) -> Result<Outcome, ApplyError> {
        let mut document = child.document.clone();
        // With its uid, the request cannot hit an object of the same name that was made meanwhile.
        document.metadata.uid = uid;
        let mut applied = self.send(owner, child, &Patch::Apply(&document)).await;
        if applied.as_ref().is_err_and(is_invalid) {
            // Where somebody has edited the key of an item of a list, an apply takes that item for theirs and adds
            // ours beside it: two ports of one name, say. A merge replaces whole lists.
            applied = match self.send(owner, child, &Patch::Merge(&document)).await {
                Ok(_) => self.send(owner, child, &Patch::Apply(&document)).await,
                Err(error) => Err(error),
            };
        }
        match applied {
            Ok(made) => self.finish(owner, child, made.metadata).await,
            Err(error) => refusal(child, "apply", error),
        }
    }

    async fn send(
        &self,
        owner: &Owner,
        child: &Child,
        patch: &Patch<&DynamicObject>,
    ) -> Result<DynamicObject, kube::Error> {
        self.metrics.api_write(Verb::Patch);
        let parameters = PatchParams {
            field_manager: Some(self.field_manager.to_owned()),
            force: matches!(patch, Patch::Apply(_)),
            ..PatchParams::default()
        };
        self.api(owner, child).patch(&child.name, &parameters, patch).await
    }

    /// Ends a write: fields that the create set must be ours by apply, or no later apply could remove them.
    async fn finish(&self, owner: &Owner, child: &Child, made: ObjectMeta) -> Result<Outcome, ApplyError> {
        let Some(managed_fields) = fields::by_apply_alone(&made, self.field_manager) else {
            self.memory.remember(&owner.key(), child, &made);
            return Ok(Outcome::Written);
        };
        let changes = ObjectMeta {
            managed_fields: Some(managed_fields),
            resource_version: made.resource_version,
            ..ObjectMeta::default()
        };
        self.metrics.api_write(Verb::Patch);
        let patch = Patch::Merge(serde_json::json!({ "metadata": changes }));
        let api = self.api(owner, child);
        match api.patch_metadata(&child.name, &PatchParams::default(), &patch).await {
            Ok(made) => self.memory.remember(&owner.key(), child, &made.metadata),
            // Somebody wrote it meanwhile: the next pass applies it, and comes here again.
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
            Err(error) => Err(error).context(RequestSnafu {
                action: "take the fields of",
                kind: child.resource.kind.clone(),
                name: child.name.clone(),
            })?,
        }
        Ok(Outcome::Written)
    }

    /// Deletes a child, if it is still the one that was seen. Whether it was.
    async fn delete(&self, owner: &Owner, owned: &Owned) -> Result<bool, ApplyError> {
        if owned.metadata.deletion_timestamp.is_some() {
            return Ok(false);
        }
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &owner.namespace, &owned.resource);
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: owned.metadata.uid.clone(),
                resource_version: owned.metadata.resource_version.clone(),
            }),
            // Jobs would otherwise leave their pods behind.
            propagation_policy: Some(PropagationPolicy::Background),
            ..DeleteParams::default()
        };
        self.metrics.api_write(Verb::Delete);
        match api.delete(owned.name(), &parameters).await {
            Ok(_) => {
                tracing::info!(kind = owned.resource.kind, child = owned.name(), "deleted a child");
                Ok(true)
            }
            // It is gone, or not the one that was seen: the watch will tell.
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(false),
            Err(error) => Err(error).context(RequestSnafu {
                action: "delete",
                kind: owned.resource.kind.clone(),
                name: owned.name().to_owned(),
            }),
        }
    }

    fn api(&self, owner: &Owner, child: &Child) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &owner.namespace, &child.resource)
    }

    fn post_parameters(&self) -> PostParams {
        PostParams { field_manager: Some(self.field_manager.to_owned()), ..PostParams::default() }
    }
}

fn is_invalid(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 422)
}

/// A refusal is an outcome; what else goes wrong is a failure.
fn refusal(child: &Child, action: &'static str, error: kube::Error) -> Result<Outcome, ApplyError> {
    match Refused::of(child, &error) {
        Some(refused) => Ok(Outcome::Refused(refused)),
        None => Err(error).context(RequestSnafu {
            action,
            kind: child.resource.kind.clone(),
            name: child.name.clone(),
        }),
    }
}
