//! The NetworkPolicy of the workers, made from the table of flows.

use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::INGEST;
use super::metadata::build_metadata;
use crate::site::Site;
use crate::stream_pipeline::names;
use crate::stream_pipeline::validated::ValidatedPipeline;
use crate::{labels, network};

pub(super) fn build_network_policy(pipeline: &ValidatedPipeline, site: &Site) -> NetworkPolicy {
    NetworkPolicy {
        metadata: build_metadata(pipeline, names::ingest(&pipeline.name)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector {
                match_labels: Some(labels::selector(&pipeline.name, INGEST)),
                ..LabelSelector::default()
            }),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(network::ingress_rules(INGEST, site)),
            ..NetworkPolicySpec::default()
        }),
    }
}
