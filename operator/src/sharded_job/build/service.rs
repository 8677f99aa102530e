//! The headless Services that find workers, and those of a replay, by name.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata::build_metadata;
use crate::labels;
use crate::sharded_job::job::JobBase;
use crate::site::WORKER_PORT;

/// Finds the pods of one role.
pub(super) fn build_service(base: &JobBase, name: String, role: &str) -> Service {
    Service {
        metadata: build_metadata(base, name),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            // A worker that restores its state is not ready, and has the report that says why.
            publish_not_ready_addresses: Some(true),
            selector: Some(labels::selector(base, role)),
            ports: Some(vec![ServicePort {
                name: Some("http".to_owned()),
                port: i32::from(WORKER_PORT),
                protocol: Some("TCP".to_owned()),
                target_port: Some(IntOrString::String("http".to_owned())),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
