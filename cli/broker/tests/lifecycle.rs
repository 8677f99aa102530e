//! Starting and stopping a broker in the process of its user.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use bytes::{BufMut as _, BytesMut};
use kafka_protocol::{
    messages::{
        ApiKey, CreateTopicsRequest, FetchRequest, RequestHeader, TopicName,
        create_topics_request::CreatableTopic,
        fetch_request::{FetchPartition, FetchTopic},
    },
    protocol::{Encodable, StrBytes},
};
use sluice_broker::{Broker, BrokerConfig, BrokerError};

/// Sends a request and leaves its answer to be read.
fn send(address: SocketAddr, api: ApiKey, version: i16, body: &impl Encodable) -> TcpStream {
    let mut request = BytesMut::new();
    RequestHeader::default()
        .with_request_api_key(api as i16)
        .with_request_api_version(version)
        .encode(&mut request, api.request_header_version(version))
        .expect("the header fits the version");
    body.encode(&mut request, version).expect("the request fits the version");
    let mut framed = BytesMut::new();
    framed.put_i32(request.len() as i32);
    framed.extend_from_slice(&request);
    let mut stream = TcpStream::connect(address).expect("the broker listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout can be set");
    stream.write_all(&framed).expect("the broker receives");
    stream
}

fn create_topic(address: SocketAddr, name: &'static str) {
    let topic = CreatableTopic::default()
        .with_name(TopicName(StrBytes::from_static_str(name)))
        .with_num_partitions(1)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]);
    let mut stream = send(address, ApiKey::CreateTopics, 2, &request);
    stream.read_exact(&mut [0; 4]).expect("the broker answers");
}

/// Waits a minute for records that never come.
fn wait_for_records(address: SocketAddr, name: &'static str) -> TcpStream {
    let topic = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_static_str(name)))
        .with_partitions(vec![FetchPartition::default().with_partition_max_bytes(1_000)]);
    let request = FetchRequest::default()
        .with_max_wait_ms(60_000)
        .with_min_bytes(1)
        .with_max_bytes(1_000)
        .with_topics(vec![topic]);
    send(address, ApiKey::Fetch, 4, &request)
}

#[test]
fn a_broker_stops_at_once_whatever_its_clients_wait_for() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerConfig::new(folder.path())).unwrap();
    let address = broker.address();
    create_topic(address, "quiet");
    let idle = TcpStream::connect(address).unwrap();
    let mut half = TcpStream::connect(address).unwrap();
    half.write_all(&[0, 0, 1, 0, 7]).unwrap();
    let waiting = wait_for_records(address, "quiet");
    std::thread::sleep(Duration::from_millis(200));
    let started = Instant::now();
    broker.shutdown();
    assert!(started.elapsed() < Duration::from_secs(5), "stopping took {:?}", started.elapsed());
    drop((idle, half, waiting));
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn a_stopped_broker_starts_again_on_its_directory_and_a_running_one_keeps_others_off() {
    let folder = tempfile::tempdir().unwrap();
    let first = Broker::start(BrokerConfig::new(folder.path())).unwrap();
    let refused = Broker::start(BrokerConfig::new(folder.path()));
    assert!(matches!(refused, Err(BrokerError::InUse { .. })));
    first.shutdown();
    // Dropping stops as well.
    drop(Broker::start(BrokerConfig::new(folder.path())).unwrap());
    Broker::start(BrokerConfig::new(folder.path())).unwrap().shutdown();
}

#[test]
fn an_address_in_use_is_refused_with_its_name() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = Broker::start(BrokerConfig::new(folders[0].path())).unwrap();
    let config = BrokerConfig { listen: first.address(), ..BrokerConfig::new(folders[1].path()) };
    let error = Broker::start(config).unwrap_err();
    assert_eq!(error.to_string(), format!("failed to listen on {}", first.address()));
}
