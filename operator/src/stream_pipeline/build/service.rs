//! The headless Service that finds the workers by name.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::INGEST;
use super::metadata::build_metadata;
use crate::labels;
use crate::site::WORKER_PORT;
use crate::stream_pipeline::names;
use crate::stream_pipeline::validated::ValidatedPipeline;

pub(super) fn build_service(pipeline: &ValidatedPipeline) -> Service {
    Service {
        metadata: build_metadata(pipeline, names::ingest(&pipeline.name)),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            // A worker that restores its state is not ready, and has the report that says why.
            publish_not_ready_addresses: Some(true),
            selector: Some(labels::selector(&pipeline.name, INGEST)),
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
