//! librdkafka settings of a pipeline's Kafka connection.

use rdkafka::ClientConfig;
use sluice_contract::config::{Kafka, Sasl};

use super::credentials::Credentials;

/// Settings that every client of the topic's cluster shares: addresses and security.
///
/// librdkafka gets the contents of files, never their paths: so every client of a tenure uses what was read
/// and proved together, whatever is written to the files meanwhile.
pub fn client_settings(kafka: &Kafka, credentials: &Credentials) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", &kafka.bootstrap_servers)
        .set("client.id", "sluice")
        .set("allow.auto.create.topics", "false")
        .set("reconnect.backoff.ms", "100")
        .set("reconnect.backoff.max.ms", "2000")
        .set("socket.keepalive.enable", "true");
    let protocol = match (&kafka.security.tls, &kafka.security.sasl) {
        (None, None) => "plaintext",
        (Some(_), None) => "ssl",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), Some(_)) => "sasl_ssl",
    };
    settings.set("security.protocol", protocol);
    let contents = [
        ("ssl.ca.pem", &credentials.authorities),
        ("ssl.certificate.pem", &credentials.certificate),
        ("ssl.key.pem", &credentials.key),
        ("sasl.username", &credentials.user_name),
        ("sasl.password", &credentials.password),
    ];
    for (setting, content) in contents {
        if let Some(content) = content {
            settings.set(setting, content);
        }
    }
    if let Some(Sasl { mechanism, .. }) = &kafka.security.sasl {
        settings.set("sasl.mechanisms", mechanism);
    }
    settings
}

/// What a consumer is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerTraits {
    /// Its group, which only carries the offsets that lag tools look at.
    pub group: String,
    /// Whether it wants messages as they come, whatever that costs.
    pub at_once: bool,
}

/// Settings of the consumer that reads the topic. Positions come from the lake.
pub fn consumer_settings(
    kafka: &Kafka,
    credentials: &Credentials,
    consumer: &ConsumerTraits,
) -> ClientConfig {
    let mut settings = client_settings(kafka, credentials);
    settings
        .set("group.id", &consumer.group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A position that the broker does not have is reported; the reader never jumps.
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("check.crcs", "true")
        // The worker has metrics of its own; these would be counted at every poll.
        .set("enable.metrics.push", "false")
        // Partitions are assigned by the shard's number, so nobody waits for this process to poll;
        // it stops polling for as long as storage is away.
        .set("max.poll.interval.ms", "86400000")
        .set("session.timeout.ms", "45000")
        // A full queue pauses fetching for this long: the default of a second starves the reader.
        .set("fetch.queue.backoff.ms", "2")
        .set("queued.min.messages", "100000")
        .set("queued.max.messages.kbytes", "131072")
        .set("fetch.message.max.bytes", "1048576")
        .set("fetch.wait.max.ms", "100")
        // At a modest rate, answering each fetch at once costs more than all else together; a tenth of
        // a second is nothing to an epoch.
        .set("fetch.min.bytes", if consumer.at_once { "1" } else { "524288" });
    settings
}

/// Settings of the producer of alerts: each is sent at once, and is there once in every copy of the log that counts.
/// What the broker does not take in time is not given up.
pub fn producer_settings(kafka: &Kafka, credentials: &Credentials) -> ClientConfig {
    let mut settings = client_settings(kafka, credentials);
    settings
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", "0")
        .set("message.timeout.ms", "0")
        // The broker's limit is the one that counts.
        .set("message.max.bytes", "100000000")
        .set("queue.buffering.max.messages", "100000")
        .set("queue.buffering.max.kbytes", "65536")
        .set("socket.nagle.disable", "true")
        .set("enable.metrics.push", "false");
    settings
}

#[cfg(test)]
mod tests {
    use sluice_contract::config::{Security, StartFrom, Tls};

    use super::*;

    fn kafka(security: Security) -> Kafka {
        Kafka {
            bootstrap_servers: "broker:9092".to_owned(),
            topic: "readings".to_owned(),
            key_column: None,
            start_from: StartFrom::Earliest,
            security,
        }
    }

    #[test]
    fn a_connection_without_security_is_plain_text_and_never_creates_topics() {
        let settings = client_settings(&kafka(Security::default()), &Credentials::default());
        assert_eq!(settings.get("security.protocol"), Some("plaintext"));
        assert_eq!(settings.get("allow.auto.create.topics"), Some("false"));
        assert_eq!(settings.get("sasl.password"), None);
    }

    #[test]
    fn clients_get_the_contents_of_the_files_and_never_their_paths() {
        let sasl = Sasl {
            mechanism: "SCRAM-SHA-512".to_owned(),
            username_path: "/user".to_owned(),
            password_path: "/password".to_owned(),
        };
        let tls = Tls { ca_path: Some("/ca.pem".to_owned()), ..Tls::default() };
        let content = |text: &str| Some(text.to_owned());
        let credentials = Credentials {
            authorities: content("an authority"),
            user_name: content("sluice"),
            password: content("open sesame"),
            ..Credentials::default()
        };
        let settings = client_settings(&kafka(Security { tls: Some(tls), sasl: Some(sasl) }), &credentials);
        assert_eq!(settings.get("security.protocol"), Some("sasl_ssl"));
        assert_eq!(settings.get("sasl.mechanisms"), Some("SCRAM-SHA-512"));
        assert_eq!(settings.get("ssl.ca.pem"), Some("an authority"));
        assert_eq!(settings.get("ssl.ca.location"), None);
        assert_eq!(settings.get("sasl.username"), Some("sluice"));
        assert_eq!(settings.get("sasl.password"), Some("open sesame"));
    }

    fn consumer(at_once: bool) -> ConsumerTraits {
        ConsumerTraits { group: "sluice-default-shop".to_owned(), at_once }
    }

    #[test]
    fn who_wants_messages_at_once_lets_the_broker_wait_for_no_more() {
        let fetch = |at_once| {
            let kafka = kafka(Security::default());
            let settings = consumer_settings(&kafka, &Credentials::default(), &consumer(at_once));
            settings.get("fetch.min.bytes").map(str::to_owned)
        };
        assert_eq!(fetch(true).as_deref(), Some("1"));
        assert_eq!(fetch(false).as_deref(), Some("524288"));
    }

    #[test]
    fn the_reader_never_jumps_and_never_commits_by_itself() {
        let kafka = kafka(Security::default());
        let settings = consumer_settings(&kafka, &Credentials::default(), &consumer(false));
        assert_eq!(settings.get("auto.offset.reset"), Some("error"));
        assert_eq!(settings.get("enable.auto.commit"), Some("false"));
        assert_eq!(settings.get("group.id"), Some("sluice-default-shop"));
    }
}
