//! What shall exist, by the resource and by what was seen.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fixture::{changed, example, kubernetes, laptop, resolved, world};
use crate::problem::Missing;
use crate::site::{LocalSite, Site};
use crate::stream_pipeline::validated::{KafkaSecurity, SecretKey, UserName};
use crate::stream_pipeline::{Decision, Observed, StrimziAuthentication, StrimziListener, decide, validate};

fn missing(example_name: &str, observed: &Observed, site: &Site) -> Vec<Missing> {
    match decide(validate(&example(example_name)), observed, site) {
        Decision::Wait(_, missing) => missing,
        other => panic!("it does not wait: {other:?}"),
    }
}

fn fields(missing: &[Missing]) -> Vec<&str> {
    missing.iter().map(|missing| missing.field.as_str()).collect()
}

#[test]
fn a_sound_pipeline_whose_references_are_there_runs() {
    for name in ["ecommerce", "ecommerce-avro", "iot"] {
        let decision = decide(validate(&example(name)), &world(), &kubernetes());
        assert!(matches!(decision, Decision::Run(_)), "{name}: {decision:?}");
    }
}

#[test]
fn a_pipeline_with_faults_is_refused_even_if_it_is_suspended() {
    let pipeline =
        changed(&[("/spec/suspend", json!(true)), ("/spec/silver/partitionBy/0", json!("nowhere"))]);
    let decision = decide(validate(&pipeline), &world(), &kubernetes());
    assert!(matches!(decision, Decision::Refuse(ref faults) if faults.len() == 1), "{decision:?}");
}

#[test]
fn a_suspended_pipeline_waits_for_nothing() {
    let pipeline = changed(&[("/spec/suspend", json!(true))]);
    let decision = decide(validate(&pipeline), &Observed::default(), &kubernetes());
    assert!(matches!(decision, Decision::Suspend(_)), "{decision:?}");
}

#[test]
fn everything_that_is_missing_is_said_at_once_with_its_fix() {
    let missing = missing("ecommerce", &Observed::default(), &kubernetes());
    assert_eq!(fields(&missing), ["spec.source.kafka.strimziRef", "spec.storage.volume.claimName"]);
    assert_eq!(
        missing[1].to_string(),
        "spec.storage.volume.claimName: PersistentVolumeClaim 'lake' is not there; \
         create the PersistentVolumeClaim 'lake' in 'shop'"
    );
}

#[test]
fn a_secret_that_is_missing_is_told_from_one_that_lacks_a_key() {
    let mut observed = world();
    observed.secrets.remove("lake-s3");
    observed.secrets.get_mut("kafka").unwrap().remove("password");
    let missing = missing("ecommerce-avro", &observed, &kubernetes());
    let messages: Vec<&str> = missing.iter().map(|missing| missing.message.as_str()).collect();
    assert_eq!(messages, ["Secret 'kafka' has no key 'password'", "Secret 'lake-s3' is not there"]);
    assert_eq!(missing[0].fix, "kubectl -n shop create secret generic kafka --from-literal=password=...");
}

fn strimzi(tls: bool, authentication: StrimziAuthentication) -> (Observed, KafkaSecurity) {
    let mut observed = world();
    let bootstrap_servers = "demo:9094".to_owned();
    observed.listener = Some(StrimziListener { bootstrap_servers, tls, authentication });
    observed.secrets.get_mut("sluice").unwrap().insert("password".to_owned(), "digest".to_owned());
    let security = resolved(&example("ecommerce"), &observed, &kubernetes()).security;
    (observed, security)
}

fn key(secret: &str, key: &str) -> SecretKey {
    SecretKey { secret: secret.to_owned(), key: key.to_owned() }
}

#[test]
fn a_strimzi_listener_gives_the_security_that_it_asks_for() {
    let (_, plain) = strimzi(false, StrimziAuthentication::None);
    assert_eq!(plain, KafkaSecurity::default());

    let (_, mutual) = strimzi(true, StrimziAuthentication::Tls);
    let tls = mutual.tls.unwrap();
    assert_eq!(tls.authorities, Some(key("demo-cluster-ca-cert", "ca.crt")));
    assert_eq!(tls.client, Some((key("sluice", "user.crt"), key("sluice", "user.key"))));
    assert_eq!(mutual.sasl, None);

    let (_, scram) = strimzi(true, StrimziAuthentication::ScramSha512);
    let sasl = scram.sasl.unwrap();
    assert_eq!((sasl.mechanism, sasl.username), ("SCRAM-SHA-512", UserName::Known("sluice".to_owned())));
    assert_eq!(sasl.password, key("sluice", "password"));
    assert_eq!(scram.tls.unwrap().client, None);
}

#[test]
fn a_listener_that_asks_for_authentication_needs_a_user() {
    let pipeline = changed(&[("/spec/source/kafka/strimziRef/user", Value::Null)]);
    let Decision::Wait(_, missing) = decide(validate(&pipeline), &world(), &kubernetes()) else {
        panic!("it must wait");
    };
    assert_eq!(fields(&missing), ["spec.source.kafka.strimziRef.user"]);
}

#[test]
fn only_a_claim_of_one_node_binds_the_pods_to_one_node() {
    let mut observed = world();
    assert!(resolved(&example("iot"), &observed, &kubernetes()).single_node);
    observed.claims.get_mut("lake").unwrap().read_write_many = true;
    assert!(!resolved(&example("iot"), &observed, &kubernetes()).single_node);
}

#[test]
fn the_digest_of_secrets_follows_the_keys_that_are_used_and_no_others() {
    let digest =
        |observed: &Observed| resolved(&example("ecommerce-avro"), observed, &kubernetes()).secrets_digest;
    let before = digest(&world());
    assert!(before.is_some());

    let mut rotated = world();
    rotated.secrets.get_mut("kafka").unwrap().insert("password".to_owned(), "another".to_owned());
    assert_ne!(digest(&rotated), before);

    let mut extended = world();
    extended.secrets.get_mut("lake-s3").unwrap().insert("AWS_ENDPOINT_URL".to_owned(), "new".to_owned());
    assert_ne!(digest(&extended), before, "all keys of the lake's Secret become variables");

    let mut unrelated = world();
    unrelated.secrets.get_mut("kafka").unwrap().insert("note".to_owned(), "new".to_owned());
    unrelated.secrets.insert("other".to_owned(), BTreeMap::new());
    assert_eq!(digest(&unrelated), before);
}

#[test]
fn a_pipeline_without_secrets_has_no_digest_of_them() {
    assert_eq!(resolved(&example("iot"), &world(), &kubernetes()).secrets_digest, None);
}

#[test]
fn stand_ins_of_local_mode_take_the_place_of_everything_that_a_laptop_lacks() {
    for root in ["file:///home/me/lake", "s3://bucket/lake"] {
        stands_in_for_everything(root);
    }
}

fn stands_in_for_everything(root: &str) {
    let site = Site::Local(LocalSite {
        broker: Some("127.0.0.1:9092".to_owned()),
        schema_registry: Some("http://127.0.0.1:8081".to_owned()),
        lake_root: Some(root.to_owned()),
        ..laptop()
    });
    for name in ["ecommerce", "ecommerce-avro", "iot"] {
        let resolved = resolved(&example(name), &Observed::default(), &site);
        assert_eq!(resolved.bootstrap_servers, "127.0.0.1:9092");
        assert_eq!(resolved.security, KafkaSecurity::default());
        assert_eq!(resolved.storage.uri, format!("{root}/shop/{name}"));
        assert_eq!((resolved.storage.volume, resolved.storage.environment_secret), (None, None));
        assert_eq!(resolved.secrets_digest, None);
        let registry = resolved.schema_registry.map(|registry| registry.url);
        assert_eq!(registry.is_some(), name == "ecommerce-avro");
    }
}

#[test]
fn what_a_laptop_cannot_resolve_is_said_with_the_flag_that_stands_in() {
    let missing = missing("ecommerce", &Observed::default(), &Site::Local(laptop()));
    assert_eq!(fields(&missing), ["spec.source.kafka.strimziRef", "spec.storage.volume.claimName"]);
    assert!(missing[0].fix.contains("--broker embedded"), "{}", missing[0]);
    assert!(missing[1].fix.contains("--lake local"), "{}", missing[1]);
}

#[test]
fn addresses_of_the_resource_are_honoured_on_a_laptop() {
    let mut observed = world();
    observed.listener = None;
    let resolved = resolved(&example("iot"), &observed, &Site::Local(laptop()));
    assert_eq!(resolved.bootstrap_servers, "kafka:9092");
    assert_eq!(resolved.storage.uri, "file:///lake/iot");
}
