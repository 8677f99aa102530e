//! Every API in every version, asked with the client's side of the protocol library.

use std::{
    io::Read as _,
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use bytes::Buf as _;
use kafka_protocol::{
    error::ResponseError,
    messages::{
        AlterConfigsRequest, ApiVersionsRequest, CreatePartitionsRequest, CreateTopicsRequest,
        DeleteGroupsRequest, DeleteRecordsRequest, DeleteTopicsRequest, DescribeClusterRequest,
        DescribeConfigsRequest, DescribeGroupsRequest, FetchRequest, FindCoordinatorRequest, GroupId,
        HeartbeatRequest, IncrementalAlterConfigsRequest, InitProducerIdRequest, JoinGroupRequest,
        LeaveGroupRequest, ListGroupsRequest, ListOffsetsRequest, MetadataRequest, OffsetCommitRequest,
        OffsetFetchRequest, ProduceRequest, SyncGroupRequest, TopicName, alter_configs_request,
        create_partitions_request, create_topics_request, delete_records_request, delete_topics_request,
        describe_configs_request, fetch_request, incremental_alter_configs_request, join_group_request,
        leave_group_request, list_offsets_request, metadata_request, offset_commit_request,
        offset_fetch_request, produce_request,
    },
    protocol::StrBytes,
};
use uuid::Uuid;

use super::*;
use crate::{config::BrokerConfig, log::fixtures::BatchBuilder, topics::Topic};

const TOPIC: &str = "orders";

/// A node with one topic, asked as over a connection.
struct Scene {
    node: Node,
    caller: Caller,
    topic: Arc<Topic>,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = BrokerConfig {
            group_rebalance_delay: Duration::from_millis(1),
            ..BrokerConfig::new(folder.path())
        };
        let node = Node::open(config).unwrap();
        let topic = node.topics.create(TOPIC, 2, std::collections::BTreeMap::new()).unwrap();
        let caller = Caller {
            host: "127.0.0.1".to_owned(),
            reached_at: SocketAddr::from(([127, 0, 0, 1], 9_092)),
            signal: Arc::default(),
        };
        Self { node, caller, topic, _folder: folder }
    }

    fn encoded(api: ApiKey, version: i16, body: &RequestKind) -> Bytes {
        let mut request = BytesMut::new();
        RequestHeader::default()
            .with_request_api_key(api as i16)
            .with_request_api_version(version)
            .with_correlation_id(5)
            .with_client_id(Some(StrBytes::from_static_str("test")))
            .encode(&mut request, api.request_header_version(version))
            .unwrap();
        body.encode(&mut request, version).unwrap_or_else(|error| panic!("{api:?} v{version}: {error:#}"));
        request.freeze()
    }

    fn ask(&self, api: ApiKey, version: i16, body: &RequestKind) -> ResponseKind {
        let request = Self::encoded(api, version, body);
        let answered = answer(&self.node, &self.caller, request, Frame::new(BytesMut::new()));
        let Ok(Answered::Send(frame)) = answered else { panic!("{api:?} v{version}: {answered:?}") };
        let mut response = sent(frame);
        assert_eq!(response.get_i32() as usize, response.len());
        let header = ResponseHeader::decode(&mut response, api.response_header_version(version)).unwrap();
        assert_eq!(header.correlation_id, 5);
        let decoded = ResponseKind::decode(api, &mut response, version);
        let decoded = decoded.unwrap_or_else(|error| panic!("{api:?} v{version}: {error:#}"));
        assert!(response.is_empty(), "{api:?} v{version}: {} bytes are left", response.len());
        decoded
    }

    fn fetch(&self, version: i16, offset: i64) -> ResponseKind {
        let partition = fetch_request::FetchPartition::default()
            .with_fetch_offset(offset)
            .with_partition_max_bytes(1 << 20);
        let topic = fetch_request::FetchTopic::default().with_partitions(vec![partition]);
        let topic = if version >= 13 { topic.with_topic_id(self.topic.id) } else { topic.with_topic(name()) };
        let request = FetchRequest::default().with_max_bytes(1 << 20).with_topics(vec![topic]);
        self.ask(ApiKey::Fetch, version, &request.into())
    }
}

/// What a frame puts on the wire.
fn sent(frame: Frame) -> Bytes {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let sender = thread::spawn(move || frame.send(&stream).map(drop));
    let mut received = Vec::new();
    listener.accept().unwrap().0.read_to_end(&mut received).unwrap();
    sender.join().unwrap().unwrap();
    Bytes::from(received)
}

fn name() -> TopicName {
    TopicName(StrBytes::from_static_str(TOPIC))
}

fn group() -> GroupId {
    GroupId(StrBytes::from_static_str("readers"))
}

fn word(word: &'static str) -> StrBytes {
    StrBytes::from_static_str(word)
}

fn batch(bytes: usize) -> Bytes {
    BatchBuilder::new(&[(1_000, "x".repeat(bytes).as_str())]).build().into()
}

/// All error codes in a response, at any depth.
fn error_codes(response: &ResponseKind) -> Vec<i16> {
    let shown = format!("{response:?}");
    let codes = shown.split("error_code: ").skip(1);
    codes.map(|rest| rest.split([',', ' ', '}']).next().unwrap().parse().unwrap()).collect()
}

/// A request of this API that works, as far as one without a history can.
#[expect(clippy::too_many_lines, reason = "one arm for each API")]
fn sample(scene: &Scene, api: ApiKey, version: i16) -> RequestKind {
    let id = scene.topic.id;
    match api {
        ApiKey::Produce => {
            let data = produce_request::PartitionProduceData::default().with_records(Some(batch(10)));
            let topic = produce_request::TopicProduceData::default().with_partition_data(vec![data]);
            let topic = if version >= 13 { topic.with_topic_id(id) } else { topic.with_name(name()) };
            ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic]).into()
        }
        ApiKey::ListOffsets => {
            let part = list_offsets_request::ListOffsetsPartition::default().with_timestamp(-1);
            let topic = list_offsets_request::ListOffsetsTopic::default()
                .with_name(name())
                .with_partitions(vec![part]);
            ListOffsetsRequest::default().with_topics(vec![topic]).into()
        }
        ApiKey::Metadata => {
            let topic = metadata_request::MetadataRequestTopic::default().with_name(Some(name()));
            MetadataRequest::default()
                .with_topics(Some(vec![topic]))
                .with_allow_auto_topic_creation(true)
                .into()
        }
        ApiKey::OffsetCommit => {
            let part =
                offset_commit_request::OffsetCommitRequestPartition::default().with_committed_offset(3);
            let topic = offset_commit_request::OffsetCommitRequestTopic::default()
                .with_name(name())
                .with_partitions(vec![part]);
            OffsetCommitRequest::default().with_group_id(group()).with_topics(vec![topic]).into()
        }
        ApiKey::OffsetFetch if version >= 8 => {
            let topic = offset_fetch_request::OffsetFetchRequestTopics::default()
                .with_name(name())
                .with_partition_indexes(vec![0]);
            let group = offset_fetch_request::OffsetFetchRequestGroup::default()
                .with_group_id(group())
                .with_topics(Some(vec![topic]));
            OffsetFetchRequest::default().with_groups(vec![group]).into()
        }
        ApiKey::OffsetFetch => {
            let topic = offset_fetch_request::OffsetFetchRequestTopic::default()
                .with_name(name())
                .with_partition_indexes(vec![0]);
            OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![topic])).into()
        }
        ApiKey::FindCoordinator if version >= 4 => {
            FindCoordinatorRequest::default().with_coordinator_keys(vec![word("readers")]).into()
        }
        ApiKey::FindCoordinator => FindCoordinatorRequest::default().with_key(word("readers")).into(),
        ApiKey::JoinGroup => {
            let protocol = join_group_request::JoinGroupRequestProtocol::default().with_name(word("range"));
            let request = JoinGroupRequest::default()
                .with_group_id(GroupId(text(format!("group {version}"))))
                .with_session_timeout_ms(10_000)
                .with_protocol_type(word("consumer"))
                .with_protocols(vec![protocol]);
            if version >= 1 { request.with_rebalance_timeout_ms(10_000) } else { request }.into()
        }
        ApiKey::SyncGroup => SyncGroupRequest::default().with_group_id(group()).into(),
        ApiKey::Heartbeat => HeartbeatRequest::default().with_group_id(group()).into(),
        ApiKey::LeaveGroup if version >= 3 => {
            let member = leave_group_request::MemberIdentity::default().with_member_id(word("nobody"));
            LeaveGroupRequest::default().with_group_id(group()).with_members(vec![member]).into()
        }
        ApiKey::LeaveGroup => {
            LeaveGroupRequest::default().with_group_id(group()).with_member_id(word("nobody")).into()
        }
        ApiKey::DescribeGroups => DescribeGroupsRequest::default().with_groups(vec![group()]).into(),
        ApiKey::ListGroups => ListGroupsRequest::default().into(),
        ApiKey::DeleteGroups => DeleteGroupsRequest::default().with_groups_names(vec![group()]).into(),
        ApiKey::ApiVersions => ApiVersionsRequest::default().into(),
        ApiKey::CreateTopics => {
            let config = create_topics_request::CreatableTopicConfig::default()
                .with_name(word("retention.ms"))
                .with_value(Some(word("5000")));
            let topic = create_topics_request::CreatableTopic::default()
                .with_name(TopicName(text(format!("new-{version}"))))
                .with_num_partitions(1)
                .with_replication_factor(1)
                .with_configs(vec![config]);
            CreateTopicsRequest::default().with_topics(vec![topic]).into()
        }
        ApiKey::DeleteTopics if version >= 6 => {
            let topic = scene.node.topics.create("old-6", 1, std::collections::BTreeMap::new()).unwrap();
            let topic =
                delete_topics_request::DeleteTopicState::default().with_topic_id(topic.id).with_name(None);
            DeleteTopicsRequest::default().with_topics(vec![topic]).into()
        }
        ApiKey::DeleteTopics => {
            let old = format!("old-{version}");
            scene.node.topics.create(&old, 1, std::collections::BTreeMap::new()).unwrap();
            DeleteTopicsRequest::default().with_topic_names(vec![TopicName(text(old))]).into()
        }
        ApiKey::DeleteRecords => {
            let part = delete_records_request::DeleteRecordsPartition::default().with_offset(-1);
            let topic = delete_records_request::DeleteRecordsTopic::default()
                .with_name(name())
                .with_partitions(vec![part]);
            DeleteRecordsRequest::default().with_topics(vec![topic]).into()
        }
        ApiKey::InitProducerId => InitProducerIdRequest::default().with_transactional_id(None).into(),
        ApiKey::DescribeConfigs => {
            let resource = describe_configs_request::DescribeConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(word(TOPIC))
                .with_configuration_keys(Some(vec![word("retention.ms")]));
            DescribeConfigsRequest::default().with_resources(vec![resource]).into()
        }
        ApiKey::AlterConfigs => {
            let config = alter_configs_request::AlterableConfig::default()
                .with_name(word("retention.ms"))
                .with_value(Some(word("5000")));
            let resource = alter_configs_request::AlterConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(word(TOPIC))
                .with_configs(vec![config]);
            AlterConfigsRequest::default().with_resources(vec![resource]).into()
        }
        ApiKey::IncrementalAlterConfigs => {
            let config = incremental_alter_configs_request::AlterableConfig::default()
                .with_name(word("retention.ms"))
                .with_value(Some(word("5000")));
            let resource = incremental_alter_configs_request::AlterConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(word(TOPIC))
                .with_configs(vec![config]);
            IncrementalAlterConfigsRequest::default().with_resources(vec![resource]).into()
        }
        ApiKey::CreatePartitions => {
            let topic = create_partitions_request::CreatePartitionsTopic::default()
                .with_name(name())
                .with_count(3 + i32::from(version))
                .with_assignments(None);
            CreatePartitionsRequest::default().with_topics(vec![topic]).into()
        }
        ApiKey::DescribeCluster => DescribeClusterRequest::default().into(),
        other => panic!("{other:?} has no sample"),
    }
}

/// What the sample is answered with; groups have no members to speak for.
fn expected_error(api: ApiKey, version: i16) -> i16 {
    match api {
        ApiKey::SyncGroup | ApiKey::Heartbeat | ApiKey::LeaveGroup => ResponseError::UnknownMemberId.code(),
        ApiKey::JoinGroup if version >= 4 => ResponseError::MemberIdRequired.code(),
        ApiKey::DescribeGroups if version >= 6 => ResponseError::GroupIdNotFound.code(),
        ApiKey::DeleteGroups => ResponseError::GroupIdNotFound.code(),
        _ => 0,
    }
}

#[test]
fn every_api_is_answered_in_every_version() {
    for support in &versions::SUPPORTED {
        if support.api == ApiKey::Fetch {
            continue;
        }
        // Each API meets a fresh broker, so that the samples do not depend on their order.
        let scene = Scene::new();
        for version in support.versions() {
            let response = scene.ask(support.api, version, &sample(&scene, support.api, version));
            let codes = error_codes(&response);
            let expected = expected_error(support.api, version);
            let refused: Vec<i16> = codes.iter().copied().filter(|code| *code != 0).collect();
            let is_expected = if expected == 0 { refused.is_empty() } else { refused == [expected] };
            assert!(is_expected, "{:?} v{version}: {response:?}", support.api);
        }
    }
}

#[test]
fn records_are_fetched_unchanged_in_every_version_from_memory_and_from_the_file() {
    let scene = Scene::new();
    let settings = scene.topic.settings();
    let partition = scene.topic.partition(0).unwrap();
    let mut stored = Vec::new();
    for bytes in [10, 100_000] {
        let batch = batch(bytes);
        let header = crate::log::batch::BatchHeader::of_produced(&batch).unwrap();
        partition.append(&batch, &header, &settings, 1_000).unwrap();
        stored.push(batch);
    }
    let support = versions::support(ApiKey::Fetch).unwrap();
    for version in support.versions() {
        for offset in [0, 1, 2] {
            let ResponseKind::Fetch(response) = scene.fetch(version, offset) else {
                panic!("no fetch response")
            };
            let part = &response.responses[0].partitions[0];
            assert_eq!((part.error_code, part.high_watermark), (0, 2), "version {version}");
            let records = part.records.clone().unwrap_or_default();
            let expected: usize = stored[offset as usize..].iter().map(Bytes::len).sum();
            assert_eq!(records.len(), expected, "version {version}, offset {offset}");
            if expected > 0 {
                let last = &stored[1];
                assert_eq!(records[records.len() - 100_000..], last[last.len() - 100_000..]);
            }
        }
        let ResponseKind::Fetch(response) = scene.fetch(version, 3) else { panic!("no fetch response") };
        let code = response.responses[0].partitions[0].error_code;
        assert_eq!(code, ResponseError::OffsetOutOfRange.code());
    }
}

#[test]
fn a_topic_is_found_by_its_id_only_as_long_as_it_exists() {
    let scene = Scene::new();
    scene.node.topics.delete(&scene.topic).unwrap();
    scene.node.topics.create(TOPIC, 2, std::collections::BTreeMap::new()).unwrap();
    let ResponseKind::Fetch(response) = scene.fetch(13, 0) else { panic!("no fetch response") };
    assert_eq!(response.responses[0].partitions[0].error_code, ResponseError::UnknownTopicId.code());
    let produced = scene.ask(ApiKey::Produce, 13, &sample(&scene, ApiKey::Produce, 13));
    assert_eq!(error_codes(&produced), [ResponseError::UnknownTopicId.code()]);
    let asked =
        metadata_request::MetadataRequestTopic::default().with_topic_id(Uuid::new_v4()).with_name(None);
    let request = MetadataRequest::default().with_topics(Some(vec![asked]));
    let ResponseKind::Metadata(response) = scene.ask(ApiKey::Metadata, 12, &request.into()) else {
        panic!("no metadata response")
    };
    assert_eq!(response.topics[0].error_code, ResponseError::UnknownTopicId.code());
}

#[test]
fn a_request_cut_anywhere_is_refused_and_never_answered() {
    for support in &versions::SUPPORTED {
        let scene = Scene::new();
        for version in support.versions() {
            let body = if support.api == ApiKey::Fetch {
                FetchRequest::default().into()
            } else {
                sample(&scene, support.api, version)
            };
            let whole = Scene::encoded(support.api, version, &body);
            for length in 0..whole.len() {
                let answered =
                    answer(&scene.node, &scene.caller, whole.slice(..length), Frame::new(BytesMut::new()));
                assert!(answered.is_err(), "{:?} v{version} cut after {length} bytes", support.api);
            }
        }
    }
}

#[test]
fn a_producer_that_wants_no_answer_gets_none() {
    let scene = Scene::new();
    let RequestKind::Produce(request) = sample(&scene, ApiKey::Produce, 9) else {
        panic!("no produce request")
    };
    let request = Scene::encoded(ApiKey::Produce, 9, &request.with_acks(0).into());
    let answered = answer(&scene.node, &scene.caller, request, Frame::new(BytesMut::new()));
    assert!(matches!(answered, Ok(Answered::Silently(_))));
    assert_eq!(scene.topic.partition(0).unwrap().bounds().end, 1);
}

#[test]
fn transactional_requests_are_refused() {
    let scene = Scene::new();
    let refused = ResponseError::TransactionalIdAuthorizationFailed.code();
    let init = InitProducerIdRequest::default().with_transactional_id(Some(word("t").into()));
    assert_eq!(error_codes(&scene.ask(ApiKey::InitProducerId, 4, &init.into())), [refused]);
    let find = FindCoordinatorRequest::default().with_key_type(1).with_coordinator_keys(vec![word("t")]);
    assert!(error_codes(&scene.ask(ApiKey::FindCoordinator, 4, &find.into())).contains(&refused));
}
