//! One PodDisruptionBudget over all shards: a drained node moves them one by one.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata::build_metadata;
use crate::labels;
use crate::sharded_job::job::JobBase;

pub(super) fn build_pod_disruption_budget(base: &JobBase) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: build_metadata(base, base.workers()),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(LabelSelector {
                match_labels: Some(labels::selector(base, base.kind.role)),
                ..LabelSelector::default()
            }),
            // A pod that does not get ready must not keep its node from being drained.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }
}
