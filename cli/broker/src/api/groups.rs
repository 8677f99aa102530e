//! Consumer groups: joining, staying, leaving, and looking at them.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bytes::Bytes;
use kafka_protocol::{
    error::ResponseError,
    messages::{
        DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, GroupId,
        HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
        LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse, RequestHeader, SyncGroupRequest,
        SyncGroupResponse,
        delete_groups_response::DeletableGroupResult,
        describe_groups_response::{DescribedGroup, DescribedGroupMember},
        join_group_response::JoinGroupResponseMember,
        leave_group_response::MemberResponse,
        list_groups_response::ListedGroup,
    },
    protocol::StrBytes,
};
use uuid::Uuid;

use super::{Caller, text};
use crate::{
    groups::{
        coordinator::{JoinAnswer, MemberKey},
        group::{Group, GroupState, Joined, Membership, SyncStep},
        rebalance::JoinRequest,
    },
    node::Node,
    refusal::sentence,
};

/// The longest that a member may be silent.
const SESSION_TIMEOUT_LIMIT: Duration = Duration::from_mins(30);
/// A group that nobody has heard of.
const DEAD: &str = "Dead";
/// The kind of all groups here, as opposed to those of the new consumer protocol.
const CLASSIC: &str = "classic";

/// A member joins, and waits for the others.
pub(super) fn join(
    node: &Node,
    caller: &Caller,
    header: &RequestHeader,
    request: JoinGroupRequest,
    version: i16,
) -> JoinGroupResponse {
    let refused = |error: ResponseError, member_id: StrBytes| {
        JoinGroupResponse::default()
            .with_error_code(error.code())
            .with_generation_id(-1)
            .with_member_id(member_id)
    };
    if request.group_id.is_empty() {
        return refused(ResponseError::InvalidGroupId, request.member_id);
    }
    let session_timeout = Duration::from_millis(request.session_timeout_ms.max(0) as u64);
    if session_timeout.is_zero() || session_timeout > SESSION_TIMEOUT_LIMIT {
        return refused(ResponseError::InvalidSessionTimeout, request.member_id);
    }
    let client_id = header.client_id.as_deref().unwrap_or_default();
    let name = request.group_instance_id.as_deref().unwrap_or(client_id);
    let new_id = format!("{}-{}", if name.is_empty() { "member" } else { name }, Uuid::new_v4());
    let rebalance_timeout = match request.rebalance_timeout_ms {
        milliseconds if milliseconds > 0 => Duration::from_millis(milliseconds as u64),
        _ => session_timeout,
    };
    let join = JoinRequest {
        member_id: request.member_id.to_string(),
        new_id,
        takes_id_first: version >= 4,
        membership: Membership {
            instance_id: request.group_instance_id.map(|id| id.to_string()),
            client_id: client_id.to_owned(),
            client_host: caller.host.clone(),
            session_timeout,
            rebalance_timeout,
            protocol_type: request.protocol_type.to_string(),
            // Copied, so that the whole request does not stay in memory for them.
            protocols: request
                .protocols
                .iter()
                .map(|protocol| (protocol.name.to_string(), Bytes::copy_from_slice(&protocol.metadata)))
                .collect(),
        },
        member_limit: node.config.limits.members_per_group,
        delay: node.config.group_rebalance_delay,
    };
    let joined = match node.coordinator.join(&request.group_id, join, || node.is_stopping()) {
        JoinAnswer::Joined(joined) => joined,
        JoinAnswer::TakeId(id) => return refused(ResponseError::MemberIdRequired, text(id)),
        JoinAnswer::Refused(error) => return refused(error, request.member_id),
    };
    answered(joined)
}

fn answered(joined: Joined) -> JoinGroupResponse {
    let members = joined
        .members
        .into_iter()
        .map(|(id, instance_id, subscription)| {
            JoinGroupResponseMember::default()
                .with_member_id(text(id))
                .with_group_instance_id(instance_id.map(text))
                .with_metadata(subscription)
        })
        .collect();
    JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_type(Some(text(joined.protocol_type)))
        .with_protocol_name(Some(text(joined.protocol)))
        .with_leader(text(joined.leader))
        .with_member_id(text(joined.member_id))
        .with_members(members)
}

/// A member asks for its assignment, and waits for the leader.
pub(super) fn sync(node: &Node, request: &SyncGroupRequest) -> SyncGroupResponse {
    let member = MemberKey {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let assignments = request
        .assignments
        .iter()
        .map(|part| (part.member_id.to_string(), Bytes::copy_from_slice(&part.assignment)))
        .collect();
    match node.coordinator.sync(&request.group_id, &member, assignments, || node.is_stopping()) {
        SyncStep::Assigned { protocol_type, protocol, assignment } => SyncGroupResponse::default()
            .with_protocol_type(Some(text(protocol_type)))
            .with_protocol_name(Some(text(protocol)))
            .with_assignment(assignment),
        SyncStep::Wait => failed_sync(ResponseError::RebalanceInProgress),
        SyncStep::Refused(error) => failed_sync(error),
    }
}

fn failed_sync(error: ResponseError) -> SyncGroupResponse {
    SyncGroupResponse::default().with_error_code(error.code())
}

/// A member says that it lives.
pub(super) fn heartbeat(node: &Node, request: &HeartbeatRequest) -> HeartbeatResponse {
    let instance_id = request.group_instance_id.as_deref();
    let beat = node
        .coordinator
        .with(&request.group_id, |group| {
            group.heartbeat(&request.member_id, instance_id, request.generation_id, Instant::now())
        })
        .unwrap_or(Err(ResponseError::UnknownMemberId));
    HeartbeatResponse::default().with_error_code(code(beat))
}

/// Members leave.
pub(super) fn leave(node: &Node, request: &LeaveGroupRequest, version: i16) -> LeaveGroupResponse {
    let leave_one = |member_id: &str, instance_id: Option<&str>| {
        node.coordinator
            .with(&request.group_id, |group| group.leave(member_id, instance_id, Instant::now()))
            .unwrap_or(Err(ResponseError::UnknownMemberId))
    };
    if version < 3 {
        return LeaveGroupResponse::default().with_error_code(code(leave_one(&request.member_id, None)));
    }
    let members = request
        .members
        .iter()
        .map(|member| {
            let left = leave_one(&member.member_id, member.group_instance_id.as_deref());
            MemberResponse::default()
                .with_member_id(member.member_id.clone())
                .with_group_instance_id(member.group_instance_id.clone())
                .with_error_code(code(left))
        })
        .collect();
    LeaveGroupResponse::default().with_members(members)
}

/// Shows groups with their members.
pub(super) fn describe(node: &Node, request: DescribeGroupsRequest, version: i16) -> DescribeGroupsResponse {
    let groups = request
        .groups
        .into_iter()
        .map(|id| {
            if let Some(described) = node.coordinator.with(&id, |group| described(id.clone(), group)) {
                return described;
            }
            let group = DescribedGroup::default();
            if !node.offsets.of_group(&id).is_empty() {
                return group.with_group_id(id).with_group_state(text(GroupState::Empty.name()));
            }
            // Older clients know groups without a trace as dead ones only.
            let error_code = if version >= 6 { ResponseError::GroupIdNotFound.code() } else { 0 };
            group.with_group_id(id).with_group_state(text(DEAD)).with_error_code(error_code)
        })
        .collect();
    DescribeGroupsResponse::default().with_groups(groups)
}

fn described(id: GroupId, group: &Group) -> DescribedGroup {
    let members = group
        .members()
        .iter()
        .map(|(member_id, member)| {
            DescribedGroupMember::default()
                .with_member_id(text(member_id))
                .with_group_instance_id(member.membership.instance_id.clone().map(text))
                .with_client_id(text(&member.membership.client_id))
                .with_client_host(text(format!("/{}", member.membership.client_host)))
                .with_member_metadata(member.membership.subscription(group.protocol()))
                .with_member_assignment(member.assignment.clone())
        })
        .collect();
    DescribedGroup::default()
        .with_group_id(id)
        .with_group_state(text(group.state().name()))
        .with_protocol_type(text(group.protocol_type()))
        .with_protocol_data(text(group.protocol()))
        .with_members(members)
}

/// Lists the groups that have members or committed offsets.
pub(super) fn list(node: &Node, request: &ListGroupsRequest) -> ListGroupsResponse {
    let ids: BTreeSet<String> = node.coordinator.ids().into_iter().chain(node.offsets.groups()).collect();
    let matches = |filter: &[StrBytes], value: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let groups = ids
        .into_iter()
        .filter_map(|id| {
            let (state, protocol_type) = node
                .coordinator
                .with(&id, |group| (group.state().name(), group.protocol_type().to_owned()))
                .unwrap_or((GroupState::Empty.name(), String::new()));
            let listed = matches(&request.states_filter, state) && matches(&request.types_filter, CLASSIC);
            listed.then(|| {
                ListedGroup::default()
                    .with_group_id(GroupId(text(id)))
                    .with_protocol_type(text(protocol_type))
                    .with_group_state(text(state))
                    .with_group_type(text(CLASSIC))
            })
        })
        .collect();
    ListGroupsResponse::default().with_groups(groups)
}

/// Forgets groups without members, with their offsets.
pub(super) fn delete(node: &Node, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let results = request
        .groups_names
        .into_iter()
        .map(|id| {
            let error_code = code(delete_one(node, &id));
            DeletableGroupResult::default().with_group_id(id).with_error_code(error_code)
        })
        .collect();
    DeleteGroupsResponse::default().with_results(results)
}

fn delete_one(node: &Node, id: &str) -> Result<(), ResponseError> {
    let was_joined = node.coordinator.with(id, |_| ()).is_some();
    if !node.coordinator.forget(id) {
        return Err(ResponseError::NonEmptyGroup);
    }
    match node.offsets.delete_group(id) {
        Ok(true) => Ok(()),
        Ok(false) if was_joined => Ok(()),
        Ok(false) => Err(ResponseError::GroupIdNotFound),
        Err(error) => {
            tracing::error!(error = sentence(&error), "failed to delete a group");
            Err(ResponseError::CoordinatorNotAvailable)
        }
    }
}

fn code(outcome: Result<(), ResponseError>) -> i16 {
    outcome.err().map_or(0, |error| error.code())
}
