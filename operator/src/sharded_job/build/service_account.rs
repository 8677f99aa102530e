//! The ServiceAccount of the workers: it has no right and no token, and may carry a cloud identity.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::metadata::build_metadata;
use crate::sharded_job::job::JobBase;
use crate::sharded_job::names;

/// `None` where the user names a ServiceAccount that exists.
pub(super) fn build_service_account(base: &JobBase) -> Option<ServiceAccount> {
    if base.pods.service_account.is_some() {
        return None;
    }
    let mut metadata = build_metadata(base, names::service_account(base.kind, &base.name));
    if !base.pods.service_account_annotations.is_empty() {
        metadata.annotations = Some(base.pods.service_account_annotations.clone());
    }
    Some(ServiceAccount {
        metadata,
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    })
}
