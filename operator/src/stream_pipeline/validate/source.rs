//! The part `spec.source`.

use sluice_contract::config;
use sluice_crds::stream_pipeline as crd;

use super::avro::{Fields, Shape, record_fields};
use super::columns::{BRONZE, EVENT_TIME, VALUE};
use crate::problem::Faults;
use crate::stream_pipeline::validated::{
    KafkaConnection, KafkaSecurity, SaslMaterial, SchemaRegistry, SecretKey, TlsMaterial, UserName,
};
use crate::validation::measure::{DAY, HOUR, MINUTE, SECOND, TEN_YEARS, milliseconds};
use crate::validation::names::refuse_repeated;

/// The fields of the schema; `None` where the registry has it, or where it cannot be read.
pub(super) fn validate_schema(source: &crd::Source, keep_value: bool, faults: &mut Faults) -> Option<Fields> {
    const FIELD: &str = "spec.source.schema";
    let fields = match record_fields(source.schema.as_ref()?) {
        Ok(fields) => fields,
        Err(message) => {
            faults.add(FIELD, message, "give the Avro schema of one message: a record in JSON");
            return None;
        }
    };
    let added = BRONZE.into_iter().chain(keep_value.then_some(VALUE)).chain([EVENT_TIME]);
    for name in fields.names() {
        if added.clone().any(|added| added.eq_ignore_ascii_case(name)) {
            faults.add(
                FIELD,
                format!("field '{name}' has the name of a column that Sluice adds"),
                "rename the field; an Avro schema can keep the old name as an alias",
            );
        }
    }
    let names = fields.names().iter().map(|name| (FIELD.to_owned(), name.as_str()));
    refuse_repeated(names, faults);
    Some(fields)
}

pub(super) fn validate_event_time(
    event_time: &crd::EventTime,
    fields: Option<&Fields>,
    faults: &mut Faults,
) -> config::EventTime {
    const COLUMN: &str = "spec.source.eventTime.column";
    let column = &event_time.column;
    if let Some(fields) = fields {
        match fields.shape(column) {
            Some(Shape::Text | Shape::Time) => {}
            Some(Shape::Scalar | Shape::Other) => faults.add(
                COLUMN,
                format!("'{column}' is neither text nor an Avro date or timestamp"),
                "choose a field of type string, or of logical type date, timestamp-millis or timestamp-micros",
            ),
            None => faults.add(
                COLUMN,
                format!("the schema has no field '{column}'"),
                format!("choose one of {}", fields.names().join(", ")),
            ),
        }
    }
    let time_zone = event_time.time_zone.clone().unwrap_or_else(|| "UTC".to_owned());
    if jiff::tz::TimeZone::get(&time_zone).is_err() {
        faults.add(
            "spec.source.eventTime.timeZone",
            format!("the time zone database has no '{time_zone}'"),
            "write a name such as UTC or Europe/Berlin",
        );
    }
    let duration = |name: &str, text: Option<&str>, default, limits, faults: &mut Faults| {
        milliseconds(&format!("spec.source.eventTime.{name}"), text, default, limits, faults)
    };
    let out_of_order = event_time.max_out_of_orderness.as_deref();
    config::EventTime {
        column: column.clone(),
        time_zone,
        max_out_of_orderness_ms: duration(
            "maxOutOfOrderness",
            out_of_order,
            30 * SECOND,
            0..=30 * DAY,
            faults,
        ),
        idle_after_ms: duration(
            "idleAfter",
            event_time.idle_after.as_deref(),
            MINUTE,
            SECOND..=24 * HOUR,
            faults,
        ),
        stalled_after_ms: duration(
            "stalledAfter",
            event_time.stalled_after.as_deref(),
            config::DEFAULT_STALLED_AFTER_MS,
            SECOND..=TEN_YEARS,
            faults,
        ),
        refuse_future_beyond_ms: event_time
            .refuse_future_beyond
            .as_deref()
            .map(|text| duration("refuseFutureBeyond", Some(text), 0, 0..=TEN_YEARS, faults)),
    }
}

pub(super) fn validate_key_column(kafka: &crd::Kafka, fields: Option<&Fields>, faults: &mut Faults) {
    const FIELD: &str = "spec.source.kafka.keyColumn";
    let (Some(column), Some(fields)) = (&kafka.key_column, fields) else { return };
    match fields.shape(column) {
        Some(Shape::Text | Shape::Scalar) => {}
        Some(Shape::Time | Shape::Other) => faults.add(
            FIELD,
            format!("'{column}' has no single text that could be a message key"),
            "choose a field of type string, int, long or enum",
        ),
        None => faults.add(
            FIELD,
            format!("the schema has no field '{column}'"),
            format!("choose one of {}", fields.names().join(", ")),
        ),
    }
}

pub(super) fn validate_connection(kafka: &crd::Kafka, faults: &mut Faults) -> KafkaConnection {
    if let Some(reference) = &kafka.strimzi_ref {
        return KafkaConnection::Strimzi {
            cluster: reference.name.clone(),
            listener: reference.listener.clone(),
            user: reference.user.clone(),
        };
    }
    let bootstrap_servers = kafka.bootstrap_servers.clone().unwrap_or_default();
    for server in bootstrap_servers.split(',') {
        let port = server.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        if port.is_none_or(|port| port == 0) {
            faults.add(
                "spec.source.kafka.bootstrapServers",
                format!("'{server}' has no port from 1 to 65535"),
                "list the brokers as host:port, separated by commas",
            );
        }
    }
    let security = kafka.security.as_ref().map(security).unwrap_or_default();
    KafkaConnection::Direct { bootstrap_servers, security }
}

fn security(security: &crd::Security) -> KafkaSecurity {
    let tls = security.tls.as_ref().map(|tls| TlsMaterial {
        authorities: tls
            .ca_secret_ref
            .as_ref()
            .map(|reference| secret_key(&reference.name, reference.key.as_deref(), "ca.crt")),
        client: security.mtls.as_ref().map(|mtls| {
            let secret = &mtls.secret_ref.name;
            (
                secret_key(secret, mtls.certificate_key.as_deref(), "tls.crt"),
                secret_key(secret, mtls.private_key_key.as_deref(), "tls.key"),
            )
        }),
    });
    let sasl = security.sasl.as_ref().map(|sasl| SaslMaterial {
        mechanism: match sasl.mechanism {
            crd::SaslMechanism::Plain => "PLAIN",
            crd::SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
            crd::SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
        },
        username: UserName::Secret(secret_key(
            &sasl.secret_ref.name,
            sasl.username_key.as_deref(),
            "username",
        )),
        password: secret_key(&sasl.secret_ref.name, sasl.password_key.as_deref(), "password"),
    });
    KafkaSecurity { tls, sasl }
}

pub(super) fn schema_registry(registry: Option<&crd::SchemaRegistry>) -> Option<SchemaRegistry> {
    let registry = registry?;
    Some(SchemaRegistry {
        url: registry.url.clone(),
        subject: registry.subject.clone(),
        credentials: registry.secret_ref.as_ref().map(|reference| {
            let key = |key| secret_key(&reference.name, None, key);
            (key("username"), key("password"))
        }),
    })
}

pub(crate) fn start_from(start_from: crd::StartFrom) -> config::StartFrom {
    match start_from {
        crd::StartFrom::Earliest => config::StartFrom::Earliest,
        crd::StartFrom::Latest => config::StartFrom::Latest,
    }
}

pub(super) fn format(format: crd::Format) -> config::Format {
    match format {
        crd::Format::Json => config::Format::Json,
        crd::Format::Avro => config::Format::Avro,
    }
}

fn secret_key(secret: &str, key: Option<&str>, default: &str) -> SecretKey {
    SecretKey { secret: secret.to_owned(), key: key.unwrap_or(default).to_owned() }
}
