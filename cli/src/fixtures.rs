//! Resources and a machine, as tests see them.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use sluice_crds::{FraudScorer, StreamPipeline};

use crate::manifest::{self, Located, Manifests};
use crate::secrets::SecretStore;
use crate::site::Machine;

/// A pipeline with SASL, an Avro registry with credentials, and a lake with a Secret, in a namespace.
pub(crate) const WITH_SECRETS: &str = r#"
apiVersion: sluice.dev/v1alpha1
kind: StreamPipeline
metadata: {name: sales, namespace: shop}
spec:
  source:
    kafka:
      bootstrapServers: kafka:9093
      topic: sales
      security: {tls: {}, sasl: {mechanism: ScramSha512, secretRef: {name: kafka}}}
    format: Json
    schema: '{"type":"record","name":"S","fields":[{"name":"transaction_id","type":"string"},{"name":"at","type":"string"}]}'
    eventTime: {column: at}
  storage: {uri: "s3://lake/sales", secretRef: {name: store}}
  shards: 2
  silver: {columns: [{name: at}, {name: topic}, {name: partition}, {name: offset}]}
---
apiVersion: v1
kind: Secret
metadata: {name: kafka, namespace: shop}
stringData: {username: alice, password: wonder, unused: x}
---
apiVersion: v1
kind: Secret
metadata: {name: store, namespace: shop}
stringData: {AWS_ACCESS_KEY_ID: "key", AWS_SECRET_ACCESS_KEY: "secret"}
"#;

/// A scorer of that pipeline.
pub(crate) const SCORER: &str = r#"
apiVersion: sluice.dev/v1alpha1
kind: FraudScorer
metadata: {name: fraud, namespace: shop}
spec:
  pipelineRef: {name: sales}
  table: {name: scores, columns: [at]}
  rules: [{name: old, when: "at < '2000'", points: 10}]
  levels: [{name: HIGH, minScore: 10}, {name: LOW, minScore: 0}]
  alerts: {topic: alerts, alertAt: HIGH}
"#;

/// Reads a scorer with the pipeline above.
pub(crate) fn read_scorer(scorer: &str) -> (Located<FraudScorer>, Located<StreamPipeline>, Machine) {
    let (mut manifests, machine) = read_all(&format!("{WITH_SECRETS}---{scorer}"));
    (manifests.scorers.remove(0), manifests.pipelines.remove(0), machine)
}

/// Reads documents that are known to be good, and a machine that has their Secrets and nothing else.
pub(crate) fn read(documents: &str) -> (Located<StreamPipeline>, Machine) {
    let (mut manifests, machine) = read_all(documents);
    (manifests.pipelines.remove(0), machine)
}

fn read_all(documents: &str) -> (Manifests, Machine) {
    let directory = tempfile::tempdir().expect("temporary directory");
    fs::write(directory.path().join("a.yaml"), documents).expect("writes");
    let manifests = manifest::read(&[directory.path().to_owned()]).expect("readable");
    assert_eq!(manifests.problems, []);
    let machine = Machine {
        worker: PathBuf::from("/bin/sluice-worker"),
        state: PathBuf::from("/state"),
        broker: None,
        schema_registry: None,
        lake_root: None,
        secrets: SecretStore::read(&manifests.secrets, None).expect("no directory"),
        variables: BTreeSet::new(),
        revision: 7,
    };
    (manifests, machine)
}
