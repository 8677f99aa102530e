//! Creates a topic in the embedded broker, by the one request of the Kafka protocol that does so.
//!
//! This program has no Kafka client: the request and its answer are a hundred bytes, laid out as version 4
//! of `CreateTopics` (key 19) and version 1 of the request header.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use snafu::{OptionExt, ResultExt, Snafu, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const CREATE_TOPICS: i16 = 19;
const VERSION: i16 = 4;
const CORRELATION: i32 = 1;
const CLIENT: &str = "sluice";
const TOPIC_ALREADY_EXISTS: i16 = 36;
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a topic could not be created.
#[derive(Debug, Snafu)]
pub(super) enum CreateTopicError {
    #[snafu(display("the broker closed the connection: {source}"))]
    Connection { source: io::Error },
    #[snafu(display("the broker did not answer within {} s", PATIENCE.as_secs()))]
    Silent,
    #[snafu(display("the broker's answer makes no sense"))]
    Garbled,
    #[snafu(display("the broker refused with error code {code}: {message}"))]
    Refused { code: i16, message: String },
}

/// Creates a topic, with messages that are kept for ever, unless it exists.
pub(super) async fn ensure(broker: SocketAddr, topic: &str, partitions: u32) -> Result<(), CreateTopicError> {
    let answer = timeout(PATIENCE, exchange(broker, &request(topic, partitions))).await;
    parse(&answer.ok().context(SilentSnafu)?.context(ConnectionSnafu)?)
}

async fn exchange(broker: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(broker).await?;
    stream.write_all(request).await?;
    let length = usize::try_from(stream.read_i32().await?).unwrap_or(0);
    let mut answer = vec![0; length.min(64 * 1024)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

fn request(topic: &str, partitions: u32) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(CREATE_TOPICS.to_be_bytes());
    body.extend(VERSION.to_be_bytes());
    body.extend(CORRELATION.to_be_bytes());
    put_text(&mut body, CLIENT);
    body.extend(1_i32.to_be_bytes());
    put_text(&mut body, topic);
    body.extend(partitions.to_be_bytes());
    let replication_factor = 1_i16;
    body.extend(replication_factor.to_be_bytes());
    let assignments = 0_i32;
    body.extend(assignments.to_be_bytes());
    body.extend(1_i32.to_be_bytes());
    put_text(&mut body, "retention.ms");
    put_text(&mut body, "-1");
    body.extend(i32::try_from(PATIENCE.as_millis()).unwrap_or(i32::MAX).to_be_bytes());
    let validate_only = 0_u8;
    body.push(validate_only);
    let mut request = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    request.append(&mut body);
    request
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend(text.as_bytes());
}

fn parse(answer: &[u8]) -> Result<(), CreateTopicError> {
    let mut answer = Answer(answer);
    let correlation = answer.take().map(i32::from_be_bytes);
    ensure!(correlation == Some(CORRELATION), GarbledSnafu);
    let _throttled = answer.take::<4>();
    let topics = answer.take().map(i32::from_be_bytes);
    ensure!(topics == Some(1), GarbledSnafu);
    answer.take_text().context(GarbledSnafu)?;
    let code = answer.take().map(i16::from_be_bytes).context(GarbledSnafu)?;
    match code {
        0 | TOPIC_ALREADY_EXISTS => Ok(()),
        code => RefusedSnafu { code, message: answer.take_text().unwrap_or_default() }.fail(),
    }
}

/// What is left of an answer.
struct Answer<'a>(&'a [u8]);

impl Answer<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    /// A null text is an empty one.
    fn take_text(&mut self) -> Option<String> {
        let length = usize::try_from(i16::from_be_bytes(self.take()?)).unwrap_or(0);
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(String::from_utf8_lossy(text).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use sluice_broker::{Broker, BrokerConfig};

    use super::{CreateTopicError, ensure, parse};

    #[tokio::test]
    async fn a_topic_is_created_once_and_found_the_second_time() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let broker = Broker::start(BrokerConfig::new(directory.path())).expect("starts");
        ensure(broker.address(), "sales", 3).await.expect("created");
        ensure(broker.address(), "sales", 3).await.expect("exists");
        let error = ensure(broker.address(), "no/such/name", 3).await.expect_err("not a topic's name");
        assert!(matches!(error, CreateTopicError::Refused { .. }), "{error}");
        broker.shutdown();
    }

    #[test]
    fn an_answer_that_is_cut_off_is_no_success() {
        assert!(matches!(parse(&[]), Err(CreateTopicError::Garbled)));
        assert!(matches!(parse(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]), Err(CreateTopicError::Garbled)));
    }
}
