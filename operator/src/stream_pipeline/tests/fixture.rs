//! The example manifests as resources, and a world in which they run.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;
use sluice_crds::StreamPipeline;

use crate::sharded_job::Children;
use crate::site::{KubernetesSite, LocalSite, Site};
use crate::stream_pipeline::{
    Claim, Decision, Observed, ResolvedPipeline, StrimziAuthentication, StrimziListener, ValidatedPipeline,
    build, decide, validate,
};

pub(crate) fn repository_root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Names of all examples.
pub(crate) fn example_names() -> Vec<String> {
    let entries = fs::read_dir(repository_root().join("manifests/examples")).expect("the examples are there");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("the folder can be read").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The StreamPipeline of an example, as a document.
pub(crate) fn document(name: &str) -> Value {
    let path = repository_root().join("manifests/examples").join(name).join("pipeline.yaml");
    let text = fs::read_to_string(path).expect("an example has a pipeline.yaml");
    let first = serde_yaml::Deserializer::from_str(&text).next().expect("the file has a document");
    Value::deserialize(first).expect("an example is YAML")
}

/// The StreamPipeline of an example as an API server would store it.
pub(crate) fn example(name: &str) -> StreamPipeline {
    stored(document(name))
}

/// A document as an API server would store it.
pub(crate) fn stored(mut document: Value) -> StreamPipeline {
    document["metadata"]["namespace"] = "shop".into();
    document["metadata"]["uid"] = "5d1f1c1e-4f6e-4a53-9d4e-3c2f1b0a9e8d".into();
    sluice_crds::admit(&document).expect("the API server admits the document")
}

/// The ecommerce example with some parts replaced, each by its JSON pointer; `Null` removes a part.
pub(crate) fn changed(changes: &[(&str, Value)]) -> StreamPipeline {
    let mut document = document("ecommerce");
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer starts with a slash");
        match document.pointer_mut(parent).unwrap_or_else(|| panic!("{parent} is in the example")) {
            Value::Object(fields) if value.is_null() => {
                fields.remove(name);
            }
            Value::Object(fields) => {
                fields.insert(name.to_owned(), value.clone());
            }
            Value::Array(items) if name == "-" => items.push(value.clone()),
            Value::Array(items) => items[name.parse::<usize>().expect("an index")] = value.clone(),
            _ => panic!("{parent} has no parts"),
        }
    }
    stored(document)
}

/// A resource without faults.
pub(crate) fn validated(pipeline: &StreamPipeline) -> ValidatedPipeline {
    validate(pipeline).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// A cluster.
pub(crate) fn kubernetes() -> Site {
    Site::Kubernetes(KubernetesSite {
        cluster: "0f8c2c9e-6f0a-4b52-8d4c-2b1f6d7e8a90".to_owned(),
        worker_image: "ghcr.io/sluice/worker:0.1.0".to_owned(),
        operator_namespace: "sluice-system".to_owned(),
        monitoring_namespaces: vec!["monitoring".to_owned()],
    })
}

/// A laptop on which nothing stands in for anything.
pub(crate) fn laptop() -> LocalSite {
    LocalSite {
        worker_program: "/opt/sluice/sluice-worker".to_owned(),
        state_directory: "/home/me/.sluice".to_owned(),
        ports: BTreeMap::from([("ecommerce-stpl-ingest-0".to_owned(), vec![4100])]),
        ..LocalSite::default()
    }
}

/// A world in which everything is there that the examples refer to.
pub(crate) fn world() -> Observed {
    let secret = |name: &str, keys: &[&str]| {
        let digests = keys.iter().map(|key| ((*key).to_owned(), format!("digest of {name}/{key}")));
        (name.to_owned(), digests.collect())
    };
    Observed {
        secrets: BTreeMap::from([
            secret("demo-cluster-ca-cert", &["ca.crt", "ca.password"]),
            secret("sluice", &["ca.crt", "user.crt", "user.key", "user.p12", "user.password"]),
            secret("kafka", &["username", "password"]),
            secret("lake-s3", &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"]),
        ]),
        claims: BTreeMap::from([("lake".to_owned(), Claim { read_write_many: false })]),
        listener: Some(StrimziListener {
            bootstrap_servers: "demo-kafka-bootstrap.shop.svc:9093".to_owned(),
            tls: true,
            authentication: StrimziAuthentication::Tls,
        }),
        deployment_revision: 7,
    }
}

/// A resource in a world in which it can run.
pub(crate) fn resolved(pipeline: &StreamPipeline, observed: &Observed, site: &Site) -> ResolvedPipeline {
    match decide(validate(pipeline), observed, site) {
        Decision::Run(pipeline) => *pipeline,
        other => panic!("it does not run: {other:?}"),
    }
}

/// All children of an example in a cluster.
pub(crate) fn children(name: &str) -> Children {
    let site = kubernetes();
    build(&resolved(&example(name), &world(), &site), &site)
}
