//! Answering one request: what each API of the protocol does.
//!
//! [`versions`] lists the APIs and versions that are spoken, [`shape`] checks a request before it
//! is decoded. The other modules answer one family of requests each; they translate between the
//! protocol and the rest of the crate, and keep nothing themselves.

mod configs;
mod fetch;
mod groups;
mod metadata;
mod offsets;
mod positions;
mod produce;
mod shape;
mod topics;
mod versions;

use std::{io, net::SocketAddr, sync::Arc};

use bytes::{Buf as _, Bytes, BytesMut};
use kafka_protocol::{
    messages::{ApiKey, RequestHeader, RequestKind, ResponseHeader, ResponseKind},
    protocol::{Decodable as _, Encodable as _, StrBytes},
};
use snafu::{OptionExt as _, ResultExt as _, Snafu};

use self::fetch::FetchReply;
use crate::{node::Node, server::frame::Frame, signal::Signal};

/// The id of the only broker.
const BROKER_ID: i32 = 1;

/// Who sent a request.
#[derive(Debug)]
pub(crate) struct Caller {
    /// The client's address.
    pub(crate) host: String,
    /// The address at which it reached the broker.
    pub(crate) reached_at: SocketAddr,
    /// Wakes the connection while it waits for records.
    pub(crate) signal: Arc<Signal>,
}

/// What comes of a request.
#[derive(Debug)]
pub(crate) enum Answered {
    /// This is to be sent.
    Send(Frame),
    /// The client wants no answer; here is the buffer back.
    Silently(BytesMut),
}

/// What an API answers.
enum Reply {
    Message(Box<ResponseKind>),
    Fetched(FetchReply),
    Nothing,
}

impl<R: Into<ResponseKind>> From<R> for Reply {
    fn from(response: R) -> Self {
        Self::Message(Box::new(response.into()))
    }
}

/// Why a request cannot be answered, so that its connection is closed.
#[derive(Debug, Snafu)]
pub(crate) enum RequestFault {
    #[snafu(display("the request has no header"))]
    NoHeader,
    #[snafu(display("the API {key} is not supported"))]
    UnsupportedApi { key: i16 },
    #[snafu(display("version {version} of the API {api:?} is not supported"))]
    UnsupportedVersion { api: ApiKey, version: i16 },
    #[snafu(display("the {api:?} request is malformed: {source}"))]
    Malformed { api: ApiKey, source: shape::ShapeFault },
    #[snafu(display("the {api:?} request cannot be decoded: {reason}"))]
    Undecodable { api: ApiKey, reason: String },
    #[snafu(display("the {api:?} response cannot be encoded in version {version}: {reason}"))]
    Unencodable { api: ApiKey, version: i16, reason: String },
    #[snafu(display("failed to read stored records"))]
    ReadRecords { source: io::Error },
}

/// Answers a request, which is everything behind its length.
pub(crate) fn answer(
    node: &Node,
    caller: &Caller,
    mut request: Bytes,
    mut frame: Frame,
) -> Result<Answered, RequestFault> {
    let mut start = request.get(..8).context(NoHeaderSnafu)?;
    let (key, version, correlation_id) = (start.get_i16(), start.get_i16(), start.get_i32());
    let api = ApiKey::try_from(key).ok().context(UnsupportedApiSnafu { key })?;
    let support = versions::support(api).context(UnsupportedApiSnafu { key })?;
    let (version, reply) = if support.speaks(version) {
        let undecodable =
            |error: &dyn std::fmt::Display| RequestFault::Undecodable { api, reason: error.to_string() };
        let header_version = api.request_header_version(version);
        let header =
            RequestHeader::decode(&mut request, header_version).map_err(|error| undecodable(&error))?;
        shape::check(support.shape, version, header_version >= 2, &request)
            .context(MalformedSnafu { api })?;
        let body = RequestKind::decode(api, &mut request, version)
            .map_err(|error| undecodable(&error.root_cause()))?;
        (version, dispatch(node, caller, &header, body, version))
    } else if api == ApiKey::ApiVersions {
        // The protocol's way of telling a newer client what is spoken here.
        (0, versions::unsupported().into())
    } else {
        return UnsupportedVersionSnafu { api, version }.fail();
    };
    let unencodable = |error: &dyn std::fmt::Display| {
        tracing::error!(?api, version, %error, "cannot encode a response");
        RequestFault::Unencodable { api, version, reason: error.to_string() }
    };
    ResponseHeader::default()
        .with_correlation_id(correlation_id)
        .encode(&mut frame.bytes, api.response_header_version(version))
        .map_err(|error| unencodable(&error))?;
    match reply {
        Reply::Message(message) => {
            message.encode(&mut frame.bytes, version).map_err(|error| unencodable(&error.root_cause()))?;
        }
        Reply::Fetched(fetched) => fetched.encode(&mut frame, version).context(ReadRecordsSnafu)?,
        Reply::Nothing => return Ok(Answered::Silently(frame.bytes)),
    }
    Ok(Answered::Send(frame))
}

fn dispatch(node: &Node, caller: &Caller, header: &RequestHeader, body: RequestKind, version: i16) -> Reply {
    match body {
        RequestKind::ApiVersions(_) => versions::supported().into(),
        RequestKind::Metadata(request) => metadata::metadata(node, caller, request, version).into(),
        RequestKind::DescribeCluster(request) => metadata::describe_cluster(node, caller, &request).into(),
        RequestKind::FindCoordinator(request) => {
            metadata::find_coordinator(node, caller, request, version).into()
        }
        RequestKind::InitProducerId(request) => produce::init_producer_id(node, &request).into(),
        RequestKind::Produce(request) => produce::produce(node, request).map_or(Reply::Nothing, Reply::from),
        RequestKind::Fetch(request) => Reply::Fetched(fetch::fetch(node, caller, &request, version)),
        RequestKind::ListOffsets(request) => positions::list_offsets(node, request, version).into(),
        RequestKind::DeleteRecords(request) => positions::delete_records(node, request).into(),
        RequestKind::OffsetCommit(request) => offsets::commit(node, request).into(),
        RequestKind::OffsetFetch(request) => offsets::fetch(node, request, version).into(),
        RequestKind::JoinGroup(request) => groups::join(node, caller, header, request, version).into(),
        RequestKind::SyncGroup(request) => groups::sync(node, &request).into(),
        RequestKind::Heartbeat(request) => groups::heartbeat(node, &request).into(),
        RequestKind::LeaveGroup(request) => groups::leave(node, &request, version).into(),
        RequestKind::DescribeGroups(request) => groups::describe(node, request, version).into(),
        RequestKind::ListGroups(request) => groups::list(node, &request).into(),
        RequestKind::DeleteGroups(request) => groups::delete(node, request).into(),
        RequestKind::CreateTopics(request) => topics::create(node, &request).into(),
        RequestKind::DeleteTopics(request) => topics::delete(node, request, version).into(),
        RequestKind::CreatePartitions(request) => topics::create_partitions(node, request).into(),
        RequestKind::DescribeConfigs(request) => configs::describe(node, request).into(),
        RequestKind::IncrementalAlterConfigs(request) => configs::alter_incrementally(node, request).into(),
        RequestKind::AlterConfigs(request) => configs::alter(node, request).into(),
        // Only the APIs in the table are decoded, and each of them is named above.
        _ => Reply::Nothing,
    }
}

/// A text of the protocol.
fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

#[cfg(test)]
mod tests;
