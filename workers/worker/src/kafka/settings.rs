//! librdkafka settings of a pipeline's Kafka connection.

use std::path::Path;

use rdkafka::ClientConfig;
use sluice_contract::config::{Kafka, Sasl, Tls};
use snafu::{ResultExt, Snafu};

/// Why the settings of a connection could not be made.
#[derive(Debug, Snafu)]
#[snafu(display("failed to read {what} of the Kafka connection from \"{path}\": {source}"))]
pub struct SettingsError {
    what: &'static str,
    path: String,
    source: std::io::Error,
}

/// Settings that every client of the topic's cluster shares: addresses and security.
pub fn client_settings(kafka: &Kafka) -> Result<ClientConfig, SettingsError> {
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
    if let Some(tls) = &kafka.security.tls {
        set_tls(&mut settings, tls);
    }
    if let Some(sasl) = &kafka.security.sasl {
        set_sasl(&mut settings, sasl)?;
    }
    Ok(settings)
}

/// Settings of the consumer that reads the topic. Positions come from the lake; the group only
/// carries the offsets that lag tools look at.
pub fn consumer_settings(kafka: &Kafka, group: &str) -> Result<ClientConfig, SettingsError> {
    let mut settings = client_settings(kafka)?;
    settings
        .set("group.id", group)
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
        // At a modest rate, answering each fetch at once costs more than all else together; a tenth of
        // a second is nothing to an epoch.
        .set("fetch.min.bytes", "524288")
        .set("fetch.wait.max.ms", "100");
    Ok(settings)
}

fn set_tls(settings: &mut ClientConfig, tls: &Tls) {
    let files = [
        ("ssl.ca.location", &tls.ca_path),
        ("ssl.certificate.location", &tls.certificate_path),
        ("ssl.key.location", &tls.key_path),
    ];
    for (setting, path) in files {
        if let Some(path) = path {
            settings.set(setting, path);
        }
    }
}

fn set_sasl(settings: &mut ClientConfig, sasl: &Sasl) -> Result<(), SettingsError> {
    settings
        .set("sasl.mechanisms", &sasl.mechanism)
        .set("sasl.username", read_secret("the user name", &sasl.username_path)?)
        .set("sasl.password", read_secret("the password", &sasl.password_path)?);
    Ok(())
}

/// Secrets in files often end in a newline that does not belong to them.
fn read_secret(what: &'static str, path: &str) -> Result<String, SettingsError> {
    let text = std::fs::read_to_string(Path::new(path)).context(SettingsSnafu { what, path })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use sluice_contract::config::{Security, StartFrom};

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
        let settings = client_settings(&kafka(Security::default())).expect("nothing is read");
        assert_eq!(settings.get("security.protocol"), Some("plaintext"));
        assert_eq!(settings.get("allow.auto.create.topics"), Some("false"));
    }

    #[test]
    fn credentials_are_read_from_files_without_their_final_newline() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("the folder is writable");
            path.display().to_string()
        };
        let sasl = Sasl {
            mechanism: "SCRAM-SHA-512".to_owned(),
            username_path: path("user", "sluice\n"),
            password_path: path("password", "open sesame\r\n"),
        };
        let tls = Tls { ca_path: Some("/ca.pem".to_owned()), ..Tls::default() };
        let security = Security { tls: Some(tls), sasl: Some(sasl) };
        let settings = client_settings(&kafka(security)).expect("both files exist");
        assert_eq!(settings.get("security.protocol"), Some("sasl_ssl"));
        assert_eq!(settings.get("ssl.ca.location"), Some("/ca.pem"));
        assert_eq!(settings.get("sasl.username"), Some("sluice"));
        assert_eq!(settings.get("sasl.password"), Some("open sesame"));
    }

    #[test]
    fn a_missing_password_file_is_named() {
        let sasl = Sasl {
            mechanism: "PLAIN".to_owned(),
            username_path: "/nowhere/user".to_owned(),
            password_path: "/nowhere/password".to_owned(),
        };
        let security = Security { tls: None, sasl: Some(sasl) };
        let error = client_settings(&kafka(security)).expect_err("there is no such file");
        assert!(error.to_string().contains("the user name of the Kafka connection from \"/nowhere/user\""));
    }

    #[test]
    fn the_reader_never_jumps_and_never_commits_by_itself() {
        let settings =
            consumer_settings(&kafka(Security::default()), "sluice-default-shop").expect("no files");
        assert_eq!(settings.get("auto.offset.reset"), Some("error"));
        assert_eq!(settings.get("enable.auto.commit"), Some("false"));
        assert_eq!(settings.get("group.id"), Some("sluice-default-shop"));
    }
}
