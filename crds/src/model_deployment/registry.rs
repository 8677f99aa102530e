//! Where the versions of a model are kept.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pod_template::LocalReference;
use crate::stream_pipeline::{CaSecretReference, Volume};
use crate::text;

/// Where the versions of a model are kept: exactly one of the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.mlflow) != has(self.directory)")
        .message("give exactly one of mlflow and directory")
)]
pub struct Registry {
    /// An MLflow server. Versions that are in use are copied to the lake, so that serving goes on while it
    /// is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mlflow: Option<MlflowRegistry>,
    /// Files in a storage; nothing else is needed. Write `{}` for the folder `_registry` of the lake of
    /// `training.pipelineRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<DirectoryRegistry>,
}

/// An MLflow server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MlflowRegistry {
    /// Address of the server as the pods reach it, for example `http://mlflow:5000`. The server must allow
    /// this host name.
    #[schemars(schema_with = "text::http_url")]
    pub url: String,
    /// Secret whose keys are the names of MLflow's own environment variables: `MLFLOW_TRACKING_USERNAME` and
    /// `MLFLOW_TRACKING_PASSWORD`, or `MLFLOW_TRACKING_TOKEN`. Default: none, an open server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// Secret with the authority that signed the server's certificate. Default: the system's authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<CaSecretReference>,
}

/// Files in a storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryRegistry {
    /// The storage. Default: the folder `_registry` of the lake of `training.pipelineRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<DirectoryStorage>,
}

/// A storage for versions of models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.uri.startsWith('file:///') == has(self.volume)")
        .message("a file:/// registry needs volume.claimName, and an object store takes no volume")
        .field_path(".volume"),
    validation = Rule::new("!has(self.secretRef) || !self.uri.startsWith('file:///')")
        .message("a file:/// registry has no credentials")
        .reason(Reason::FieldValueForbidden)
        .field_path(".secretRef")
)]
pub struct DirectoryStorage {
    /// Root of the registry: `s3://bucket/path`, `gs://bucket/path`, `az://container/path`, or
    /// `file:///path` on a volume.
    #[schemars(schema_with = "text::lake_uri")]
    pub uri: String,
    /// Secret with the credentials of the store, as in a StreamPipeline's `storage.secretRef`. Default:
    /// none, for workload identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// The volume of a `file:///` registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<Volume>,
}
