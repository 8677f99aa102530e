//! Where the tables live, and when an epoch of them closes.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pod_template::LocalReference;
use crate::text;

/// Where the tables live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!self.uri.startsWith('file:///') || has(self.volume)")
        .message("a file:/// lake needs storage.volume.claimName: the claim whose files are the lake")
        .reason(Reason::FieldValueRequired)
        .field_path(".volume"),
    validation = Rule::new("!has(self.volume) || self.uri.startsWith('file:///')")
        .message("a volume goes with a file:/// lake; an object store needs none")
        .reason(Reason::FieldValueForbidden)
        .field_path(".volume"),
    validation = Rule::new("!has(self.secretRef) || !self.uri.startsWith('file:///')")
        .message("a file:/// lake has no credentials")
        .reason(Reason::FieldValueForbidden)
        .field_path(".secretRef")
)]
pub struct Storage {
    /// Root of the lake: `s3://bucket/path`, `gs://bucket/path`, `az://container/path`, or `file:///path` on
    /// a volume. The tables are the folders `bronze`, `silver`, `quarantine` and `gold/<name>` below it. It
    /// cannot be changed: another place is another pipeline.
    #[schemars(schema_with = "text::lake_uri")]
    pub uri: String,
    /// Secret whose keys become environment variables of the workers, under the names that the stores' own
    /// tools use: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`;
    /// `GOOGLE_SERVICE_ACCOUNT_KEY`; `AZURE_STORAGE_ACCOUNT_NAME`, `AZURE_STORAGE_ACCOUNT_KEY`. Default:
    /// none, for workload identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// The volume of a `file:///` lake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<Volume>,
    /// Id of a lake that belongs to another pipeline and that this one takes over on purpose. The condition
    /// `LakeOwned` prints the id. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub adopt: Option<String>,
}

/// The volume of a `file:///` lake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.mountPath) || self.mountPath.matches('^(/[A-Za-z0-9._-]+)+$')")
        .message("mountPath is an absolute path without a slash at the end, like /lake")
        .field_path(".mountPath")
)]
pub struct Volume {
    /// Name of a PersistentVolumeClaim in this namespace. The operator neither makes nor deletes it. Unless
    /// it is `ReadWriteMany` all pods that use it run on one node.
    #[schemars(schema_with = "text::object_name")]
    pub claim_name: String,
    /// Where the pods mount the claim. `storage.uri` must lie below it: with the default, the lake
    /// `file:///lake/ecommerce` is the folder `ecommerce` of the claim. Default: `/lake`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 255))]
    pub mount_path: Option<String>,
}

/// When an epoch closes and becomes visible: whichever comes first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Commit {
    /// Age of an epoch that has rows. Shorter is fresher and makes more and smaller files. Default: `2s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::duration")]
    pub every: Option<String>,
    /// Bytes of message values that an epoch of one shard reads. Default: `64Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "text::byte_size")]
    pub max_bytes: Option<String>,
}
