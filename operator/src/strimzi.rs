//! What Strimzi's objects say: listeners of a `Kafka`, and whether a `KafkaUser` is ready. Pure.

use serde_json::Value;

use crate::problem::Missing;
use crate::stream_pipeline::{StrimziAuthentication, StrimziListener};

/// Strimzi's API group.
pub const GROUP: &str = "kafka.strimzi.io";
/// The only version since Strimzi 1.0.
pub const VERSION: &str = "v1";

const FIELD: &str = "spec.source.kafka.strimziRef";

/// What is known of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenerState {
    /// Strimzi is not installed, or an older one.
    NoSuchKind,
    /// There is no such cluster.
    NoCluster,
    /// The cluster has other listeners: these.
    NoListener(Vec<String>),
    /// The listener is declared and has no address yet.
    NotReady,
    /// It asks for an authentication that workers do not have.
    UnknownAuthentication(String),
    /// It can be used.
    Ready(StrimziListener),
}

/// Finds a listener in a `Kafka` object.
pub fn listener(kafka: &Value, name: &str) -> ListenerState {
    let list = |pointer: &str| kafka.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    let is_named = |listener: &&Value| listener["name"] == name;
    let declared = list("/spec/kafka/listeners");
    let Some(spec) = declared.iter().find(is_named) else {
        let names = declared.iter().filter_map(|listener| listener["name"].as_str());
        return ListenerState::NoListener(names.map(str::to_owned).collect());
    };
    let listening = list("/status/listeners");
    let address = listening.iter().find(is_named).and_then(|listener| listener["bootstrapServers"].as_str());
    let authentication = match spec.pointer("/authentication/type").and_then(Value::as_str) {
        None => StrimziAuthentication::None,
        Some("tls") => StrimziAuthentication::Tls,
        Some("scram-sha-512") => StrimziAuthentication::ScramSha512,
        Some(other) => return ListenerState::UnknownAuthentication(other.to_owned()),
    };
    match address {
        None => ListenerState::NotReady,
        Some(address) => ListenerState::Ready(StrimziListener {
            bootstrap_servers: address.to_owned(),
            tls: spec["tls"] == true,
            authentication,
        }),
    }
}

/// The listener, or what a user does about its absence.
pub fn judge(state: ListenerState, cluster: &str, listener: &str) -> Result<StrimziListener, Missing> {
    let missing = |message: String, fix: String| Err(Missing { field: FIELD.to_owned(), message, fix });
    match state {
        ListenerState::Ready(listener) => Ok(listener),
        ListenerState::NoSuchKind => Err(no_such_kind("Kafka")),
        ListenerState::NoCluster => missing(
            format!("Kafka '{cluster}' is not there"),
            format!("create the Kafka '{cluster}' in this namespace"),
        ),
        ListenerState::NoListener(others) => missing(
            format!("Kafka '{cluster}' has no listener '{listener}'"),
            format!("name one of its listeners: {}", others.join(", ")),
        ),
        ListenerState::NotReady => missing(
            format!("listener '{listener}' of Kafka '{cluster}' has no address yet"),
            format!("wait for Strimzi, or see kubectl describe kafka {cluster}"),
        ),
        ListenerState::UnknownAuthentication(kind) => missing(
            format!("listener '{listener}' of Kafka '{cluster}' authenticates by '{kind}'"),
            "name a listener with authentication tls, scram-sha-512 or none".to_owned(),
        ),
    }
}

/// Strimzi's kinds are not known to the API server.
pub fn no_such_kind(kind: &str) -> Missing {
    Missing {
        field: FIELD.to_owned(),
        message: format!("the cluster does not know {GROUP}/{VERSION} {kind}"),
        fix: "install Strimzi 1.0 or later, or give bootstrapServers".to_owned(),
    }
}

/// There is no such user.
pub fn no_user(name: &str) -> Missing {
    Missing {
        field: format!("{FIELD}.user"),
        message: format!("KafkaUser '{name}' is not there"),
        fix: format!("create the KafkaUser '{name}' in this namespace"),
    }
}

/// What is wrong with a user that exists, if something is.
pub fn user_trouble(user: &Value, name: &str) -> Option<Missing> {
    let conditions =
        user.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    if conditions.iter().any(is_ready) {
        return None;
    }
    let said = conditions.iter().find_map(|condition| condition["message"].as_str());
    Some(Missing {
        field: format!("{FIELD}.user"),
        message: format!(
            "KafkaUser '{name}' is not ready: {}",
            said.unwrap_or("Strimzi has not made its Secret yet")
        ),
        fix: format!("wait for Strimzi, or see kubectl describe kafkauser {name}"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{ListenerState, judge, listener, user_trouble};
    use crate::stream_pipeline::{StrimziAuthentication, StrimziListener};

    fn kafka() -> Value {
        json!({
            "spec": {"kafka": {"listeners": [
                {"name": "plain", "port": 9092, "type": "internal", "tls": false},
                {"name": "tls", "port": 9093, "type": "internal", "tls": true, "authentication": {"type": "tls"}},
                {"name": "new", "port": 9094, "type": "internal", "tls": true,
                 "authentication": {"type": "scram-sha-512"}},
                {"name": "oauth", "port": 9095, "type": "internal", "tls": true, "authentication": {"type": "custom"}}
            ]}},
            "status": {"listeners": [
                {"name": "plain", "bootstrapServers": "demo-kafka-bootstrap.shop.svc:9092"},
                {"name": "tls", "bootstrapServers": "demo-kafka-bootstrap.shop.svc:9093"}
            ]}
        })
    }

    #[test]
    fn a_listener_is_found_with_its_address_and_authentication() {
        let ready = |port: u16, tls, authentication| {
            let bootstrap_servers = format!("demo-kafka-bootstrap.shop.svc:{port}");
            ListenerState::Ready(StrimziListener { bootstrap_servers, tls, authentication })
        };
        let names = ["plain", "tls", "new", "oauth"].map(str::to_owned).to_vec();
        for (name, expected) in [
            ("plain", ready(9092, false, StrimziAuthentication::None)),
            ("tls", ready(9093, true, StrimziAuthentication::Tls)),
            ("new", ListenerState::NotReady),
            ("oauth", ListenerState::UnknownAuthentication("custom".to_owned())),
            ("other", ListenerState::NoListener(names)),
        ] {
            assert_eq!(listener(&kafka(), name), expected);
        }
        assert_eq!(listener(&json!({}), "tls"), ListenerState::NoListener(Vec::new()));
    }

    #[test]
    fn every_absence_has_its_fix() {
        for (state, fix) in [
            (ListenerState::NoSuchKind, "install Strimzi"),
            (ListenerState::NoCluster, "create the Kafka 'demo'"),
            (ListenerState::NoListener(vec!["tls".to_owned()]), "tls"),
            (ListenerState::NotReady, "kubectl describe kafka demo"),
            (ListenerState::UnknownAuthentication("custom".to_owned()), "scram-sha-512"),
        ] {
            let missing = judge(state, "demo", "plain").expect_err("missing");
            assert!(missing.fix.contains(fix), "{missing}");
        }
    }

    #[test]
    fn a_user_is_used_when_strimzi_says_that_it_is_ready() {
        let user = |status: &str| json!({"status": {"conditions": [{"type": "Ready", "status": status, "message": "no such cluster"}]}});
        assert_eq!(user_trouble(&user("True"), "sluice"), None);
        let missing = user_trouble(&user("False"), "sluice").expect("missing");
        assert!(missing.message.contains("no such cluster"), "{missing}");
        assert!(user_trouble(&json!({}), "sluice").is_some());
    }
}
