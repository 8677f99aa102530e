//! Who may talk to whom: one table, from which the NetworkPolicies are made.
//!
//! What comes from a node itself (probes, port-forwarding) is allowed by Kubernetes. What leaves a worker (to
//! Kafka, to registries, to the lake's store) is not restricted: its addresses are the user's.

use k8s_openapi::api::networking::v1::{NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::labels;
use crate::sharded_job::REPLAY;
use crate::site::{KubernetesSite, Site};

/// Who starts a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The operator's pods.
    Operator,
    /// What scrapes metrics.
    Monitoring,
    /// The other pods of replays, in the same namespace.
    Replay,
}

/// One way on which traffic may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Who starts it.
    pub from: Peer,
    /// The role of the pods that it reaches.
    pub to: &'static str,
    /// What it is for.
    pub purpose: &'static str,
}

/// Every flow into a pod of ours.
pub const FLOWS: [Flow; 5] = [
    Flow { from: Peer::Operator, to: "ingest", purpose: "reads GET /report for the status" },
    Flow { from: Peer::Monitoring, to: "ingest", purpose: "scrapes GET /metrics" },
    Flow { from: Peer::Operator, to: "score", purpose: "reads GET /report for the status" },
    Flow { from: Peer::Monitoring, to: "score", purpose: "scrapes GET /metrics" },
    Flow { from: Peer::Replay, to: "replay", purpose: "gives out tasks, and gets what they gathered" },
];

/// The rules that let in what the table says, and nothing else, to the pods of one role.
pub(crate) fn ingress_rules(role: &str, site: &Site) -> Vec<NetworkPolicyIngressRule> {
    let Site::Kubernetes(site) = site else { return Vec::new() };
    FLOWS
        .iter()
        .filter(|flow| flow.to == role)
        .map(|flow| NetworkPolicyIngressRule {
            from: Some(vec![peer(flow.from, site)]),
            ports: Some(vec![NetworkPolicyPort {
                port: Some(IntOrString::String("http".to_owned())),
                protocol: Some("TCP".to_owned()),
                ..NetworkPolicyPort::default()
            }]),
        })
        .collect()
}

fn peer(peer: Peer, site: &KubernetesSite) -> NetworkPolicyPeer {
    let in_namespaces = |names: Vec<String>| {
        Some(LabelSelector {
            match_expressions: Some(vec![LabelSelectorRequirement {
                key: "kubernetes.io/metadata.name".to_owned(),
                operator: "In".to_owned(),
                values: Some(names),
            }]),
            ..LabelSelector::default()
        })
    };
    match peer {
        Peer::Operator => NetworkPolicyPeer {
            namespace_selector: in_namespaces(vec![site.operator_namespace.clone()]),
            pod_selector: Some(LabelSelector {
                match_labels: Some(labels::owned_map([(labels::NAME, "sluice-operator")])),
                ..LabelSelector::default()
            }),
            ..NetworkPolicyPeer::default()
        },
        Peer::Replay => NetworkPolicyPeer {
            pod_selector: Some(LabelSelector {
                match_labels: Some(labels::owned_map([(labels::ROLE, REPLAY)])),
                ..LabelSelector::default()
            }),
            ..NetworkPolicyPeer::default()
        },
        Peer::Monitoring => NetworkPolicyPeer {
            namespace_selector: in_namespaces(site.monitoring_namespaces.clone()),
            ..NetworkPolicyPeer::default()
        },
    }
}
