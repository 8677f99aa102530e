//! What a resource refers to, looked up by name: Secrets, claims, Strimzi's clusters.
//!
//! Secrets are only ever read by `get`, one by one: never listed, never watched. What leaves here are digests.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::Client;
use kube::api::Api;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use snafu::{ResultExt, Snafu};

use crate::digest;
use crate::problem::Missing;
use crate::stream_pipeline::{Claim, StrimziListener};
use crate::strimzi::{self, ListenerState};

/// Why something could not be looked up.
#[derive(Debug, Snafu)]
pub enum ReferenceError {
    /// A request failed.
    #[snafu(display("failed to read {kind} '{name}': {source}"))]
    Read {
        /// Kind of the object.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What the API server says.
        #[snafu(source(from(kube::Error, Box::new)))]
        source: Box<kube::Error>,
    },
}

/// Looks things up in one namespace.
#[derive(Clone, Copy)]
pub struct References<'a> {
    /// The API server.
    pub client: &'a Client,
    /// The namespace of the resource, and of everything it may refer to.
    pub namespace: &'a str,
}

impl References<'_> {
    /// For each Secret that exists: a digest of each of its values.
    pub async fn secrets(
        &self,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, BTreeMap<String, String>>, ReferenceError> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), self.namespace);
        let mut found = BTreeMap::new();
        for name in names {
            let secret = api.get_opt(name).await.context(ReadSnafu { kind: "Secret", name })?;
            if let Some(secret) = secret {
                let values = secret.data.unwrap_or_default().into_iter();
                found.insert(
                    name.clone(),
                    values.map(|(key, value)| (key, digest::of_bytes(&value.0))).collect(),
                );
            }
        }
        Ok(found)
    }

    /// The claims that exist.
    pub async fn claims(&self, names: &BTreeSet<String>) -> Result<BTreeMap<String, Claim>, ReferenceError> {
        let api: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), self.namespace);
        let mut found = BTreeMap::new();
        for name in names {
            let claim = api.get_opt(name).await.context(ReadSnafu { kind: "PersistentVolumeClaim", name })?;
            if let Some(claim) = claim {
                let modes = claim.spec.and_then(|spec| spec.access_modes).unwrap_or_default();
                let read_write_many = modes.iter().any(|mode| mode == "ReadWriteMany");
                found.insert(name.clone(), Claim { read_write_many });
            }
        }
        Ok(found)
    }

    /// A listener of a Strimzi cluster, or what keeps it from being used.
    pub async fn listener(
        &self,
        cluster: &str,
        listener: &str,
    ) -> Result<Result<StrimziListener, Missing>, ReferenceError> {
        let kafka = self.strimzi("Kafka", cluster).await?;
        let state = match kafka {
            Lookup::NoSuchKind => ListenerState::NoSuchKind,
            Lookup::Absent => ListenerState::NoCluster,
            Lookup::Found(kafka) => strimzi::listener(&kafka.data, listener),
        };
        Ok(strimzi::judge(state, cluster, listener))
    }

    /// What is wrong with a KafkaUser, if something is.
    pub async fn user(&self, name: &str) -> Result<Option<Missing>, ReferenceError> {
        Ok(match self.strimzi("KafkaUser", name).await? {
            Lookup::NoSuchKind => Some(strimzi::no_such_kind("KafkaUser")),
            Lookup::Absent => Some(strimzi::no_user(name)),
            Lookup::Found(user) => strimzi::user_trouble(&user.data, name),
        })
    }

    async fn strimzi(&self, kind: &'static str, name: &str) -> Result<Lookup, ReferenceError> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(strimzi::GROUP, strimzi::VERSION, kind));
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), self.namespace, &resource);
        match api.get(name).await {
            Ok(object) => Ok(Lookup::Found(Box::new(object))),
            // Where it knows the kind, the API server names the object that it has not found.
            Err(kube::Error::Api(status)) if status.code == 404 => {
                let is_named = status.details.as_ref().is_some_and(|details| details.name == name);
                Ok(if is_named { Lookup::Absent } else { Lookup::NoSuchKind })
            }
            Err(error) => Err(error).context(ReadSnafu { kind, name }),
        }
    }
}

/// What a look-up of a kind that may not be installed gives.
enum Lookup {
    NoSuchKind,
    Absent,
    Found(Box<DynamicObject>),
}
