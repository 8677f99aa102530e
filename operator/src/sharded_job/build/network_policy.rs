//! The NetworkPolicies of workers and of replays, made from the table of flows.

use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::metadata::build_metadata;
use crate::sharded_job::job::JobBase;
use crate::site::Site;
use crate::{labels, network};

/// Lets in what may come to the pods of one role.
pub(super) fn build_network_policy(base: &JobBase, name: String, role: &str, site: &Site) -> NetworkPolicy {
    NetworkPolicy {
        metadata: build_metadata(base, name),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector {
                match_labels: Some(labels::selector(base, role)),
                ..LabelSelector::default()
            }),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(network::ingress_rules(role, site)),
            ..NetworkPolicySpec::default()
        }),
    }
}
