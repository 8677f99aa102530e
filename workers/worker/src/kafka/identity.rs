//! The topic's id, which tells a topic from its successor of the same name, and which librdkafka's
//! metadata does not show: two requests over a socket of our own.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, MetadataRequest, MetadataResponse, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use sluice_contract::config::Kafka;

use super::trouble::TopicError;

/// The first version of Metadata that tells topic ids (Kafka 2.8).
const METADATA_VERSION: i16 = 10;
/// Every broker knows this version of ApiVersions.
const API_VERSIONS_VERSION: i16 = 0;
/// No answer to a question about one topic is longer.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

const NO_ERROR: i16 = 0;
const UNKNOWN_TOPIC: i16 = 3;
const LEADER_NOT_AVAILABLE: i16 = 5;
const TOPIC_AUTHORIZATION_FAILED: i16 = 29;

/// Kafka's id of the topic. Blocks up to `timeout` for each address and answer.
///
/// `None` where it cannot be had: brokers before 2.8, and connections with TLS or SASL, which this
/// plain socket does not speak. The topic is then known by its name alone.
pub fn topic_id(kafka: &Kafka, timeout: Duration) -> Result<Option<String>, TopicError> {
    if kafka.security.tls.is_some() || kafka.security.sasl.is_some() {
        return Ok(None);
    }
    let mut last_error = io::Error::other("no address is configured");
    for server in kafka.bootstrap_servers.split(',') {
        match ask(server.trim(), &kafka.topic, timeout) {
            Ok(Found::Unsupported) => return Ok(None),
            Ok(Found::Topic { error: NO_ERROR | LEADER_NOT_AVAILABLE, id }) => return Ok(id),
            Ok(Found::Topic { error, .. }) => return Err(refused(kafka, error)),
            Err(error) => last_error = error,
        }
    }
    Err(TopicError::Unreachable {
        bootstrap: kafka.bootstrap_servers.clone(),
        detail: last_error.to_string(),
    })
}

fn refused(kafka: &Kafka, error: i16) -> TopicError {
    let code = match error {
        UNKNOWN_TOPIC => RDKafkaErrorCode::UnknownTopicOrPartition,
        TOPIC_AUTHORIZATION_FAILED => RDKafkaErrorCode::TopicAuthorizationFailed,
        _ => RDKafkaErrorCode::Unknown,
    };
    let error = KafkaError::MetadataFetch(code);
    TopicError::classify(&error, &kafka.topic, &kafka.bootstrap_servers, None)
}

/// What one broker says.
enum Found {
    /// It is too old to know ids.
    Unsupported,
    /// It answers; `id` is `None` if it knows none.
    Topic { error: i16, id: Option<String> },
}

fn ask(server: &str, topic: &str, timeout: Duration) -> io::Result<Found> {
    let mut broker = connect(server, timeout)?;
    let versions = exchange(&mut broker, &ApiVersionsRequest::default(), API_VERSIONS_VERSION)?;
    let knows_ids = versions
        .api_keys
        .iter()
        .any(|key| key.api_key == ApiKey::Metadata as i16 && key.max_version >= METADATA_VERSION);
    if !knows_ids {
        return Ok(Found::Unsupported);
    }
    let name = TopicName(StrBytes::from_string(topic.to_owned()));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(name))]))
        .with_allow_auto_topic_creation(false);
    let response: MetadataResponse = exchange(&mut broker, &request, METADATA_VERSION)?;
    let found = response.topics.first().ok_or_else(|| io::Error::other("the answer names no topic"))?;
    let id = (!found.topic_id.is_nil()).then(|| found.topic_id.to_string());
    Ok(Found::Topic { error: found.error_code, id })
}

fn connect(server: &str, timeout: Duration) -> io::Result<TcpStream> {
    let mut last_error = io::Error::other(format!("\"{server}\" has no address"));
    for address in server.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => {
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                return Ok(stream);
            }
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

/// Sends one request and reads its answer.
fn exchange<R: Request>(broker: &mut TcpStream, request: &R, version: i16) -> io::Result<R::Response> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_client_id(Some(StrBytes::from_static_str("sluice")));
    let mut message = vec![0; 4];
    header.encode(&mut message, R::header_version(version)).map_err(io::Error::other)?;
    request.encode(&mut message, version).map_err(io::Error::other)?;
    let length = (message.len() - 4) as u32;
    message[..4].copy_from_slice(&length.to_be_bytes());
    broker.write_all(&message)?;

    let mut length = [0; 4];
    broker.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > LONGEST_ANSWER {
        return Err(io::Error::other("what answers is no Kafka broker"));
    }
    let mut answer = vec![0; length];
    broker.read_exact(&mut answer)?;
    let mut answer = answer.as_slice();
    ResponseHeader::decode(&mut answer, R::Response::header_version(version)).map_err(io::Error::other)?;
    R::Response::decode(&mut answer, version).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use kafka_protocol::messages::ApiVersionsResponse;
    use kafka_protocol::messages::api_versions_response::ApiVersion;
    use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
    use sluice_contract::config::{Security, StartFrom};
    use uuid::Uuid;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);
    const ID: Uuid = Uuid::from_u128(7);

    fn kafka(bootstrap_servers: String) -> Kafka {
        let topic = "readings".to_owned();
        let start_from = StartFrom::Earliest;
        Kafka { bootstrap_servers, topic, key_column: None, start_from, security: Security::default() }
    }

    /// A broker that answers one client, with this version of Metadata and this error of the topic.
    fn broker(max_version: i16, error_code: i16) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket").to_string();
        let metadata =
            ApiVersion::default().with_api_key(ApiKey::Metadata as i16).with_max_version(max_version);
        let versions = ApiVersionsResponse::default().with_api_keys(vec![metadata]);
        let topic = MetadataResponseTopic::default()
            .with_name(Some(TopicName(StrBytes::from_static_str("readings"))))
            .with_topic_id(ID)
            .with_error_code(error_code);
        let metadata = MetadataResponse::default().with_topics(vec![topic]);
        thread::spawn(move || {
            let (mut client, _) = listener.accept().expect("a client");
            answer(&mut client, &versions, API_VERSIONS_VERSION);
            if max_version >= METADATA_VERSION {
                answer(&mut client, &metadata, METADATA_VERSION);
            }
        });
        address
    }

    fn answer<R: Encodable + HeaderVersion>(client: &mut TcpStream, response: &R, version: i16) {
        let mut length = [0; 4];
        client.read_exact(&mut length).expect("a request");
        let mut request = vec![0; u32::from_be_bytes(length) as usize];
        client.read_exact(&mut request).expect("a request");
        let mut message = Vec::new();
        ResponseHeader::default().encode(&mut message, R::header_version(version)).expect("a header");
        response.encode(&mut message, version).expect("a response");
        client.write_all(&(message.len() as u32).to_be_bytes()).expect("the client listens");
        client.write_all(&message).expect("the client listens");
    }

    #[test]
    fn the_broker_tells_the_topics_id_and_the_first_that_answers_counts() {
        let servers = format!("127.0.0.1:1, {}", broker(12, NO_ERROR));
        assert_eq!(topic_id(&kafka(servers), TIMEOUT).expect("an answer"), Some(ID.to_string()));
    }

    #[test]
    fn a_broker_without_topic_ids_tells_none() {
        assert_eq!(topic_id(&kafka(broker(9, NO_ERROR)), TIMEOUT).expect("an answer"), None);
    }

    #[test]
    fn a_topic_that_does_not_exist_is_missing_and_no_topic_without_id() {
        let error = topic_id(&kafka(broker(12, UNKNOWN_TOPIC)), TIMEOUT).expect_err("it does not exist");
        assert_eq!(error.problem().reason, "TopicMissing");
    }

    #[test]
    fn nobody_at_any_address_is_unreachable() {
        let error = topic_id(&kafka("127.0.0.1:1".to_owned()), TIMEOUT).expect_err("nobody listens");
        assert_eq!(error.problem().reason, "KafkaUnreachable");
    }
}
