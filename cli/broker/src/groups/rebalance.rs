//! How a group comes to its next generation: members join, a strategy that all of them know is
//! chosen, and the leader's assignment is waited for.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use bytes::Bytes;
use kafka_protocol::error::ResponseError;

use super::group::{Group, GroupState, JoinStep, Joined, Member, Membership};

/// A request to join a group.
#[derive(Debug, Clone)]
pub(crate) struct JoinRequest {
    /// The id the member had before, or empty.
    pub(crate) member_id: String,
    /// An id for a new member.
    pub(crate) new_id: String,
    /// Whether a new member is to come again with its id first.
    pub(crate) takes_id_first: bool,
    /// What the member says about itself.
    pub(crate) membership: Membership,
    /// How many members there may be.
    pub(crate) member_limit: usize,
    /// How long the first member of an empty group waits for others.
    pub(crate) delay: Duration,
}

impl Group {
    /// A client wants to be in the group's next generation.
    pub(crate) fn join(&mut self, request: JoinRequest, now: Instant) -> JoinStep {
        if let Some(error) = self.refuses(&request) {
            return JoinStep::Refused(error);
        }
        let JoinRequest { member_id, new_id, takes_id_first, membership, delay, .. } = request;
        if let Some(instance_id) = membership.instance_id.clone() {
            if member_id.is_empty() {
                return self.join_instance(instance_id, new_id, membership, delay, now);
            }
        } else if member_id.is_empty() {
            if takes_id_first {
                self.pending.insert(new_id.clone(), now + membership.session_timeout);
                return JoinStep::TakeId(new_id);
            }
            return self.join_as(new_id, membership, delay, now);
        }
        self.join_as(member_id, membership, delay, now)
    }

    /// How a member that waits for the next generation stands in it, once it is formed.
    pub(crate) fn joined(&self, member_id: &str) -> Option<Result<Joined, ResponseError>> {
        match self.members.get(member_id) {
            None => Some(Err(ResponseError::UnknownMemberId)),
            Some(member) if member.joining => None,
            Some(_) => Some(Ok(self.place_of(member_id))),
        }
    }

    /// When something is due even if no member does anything.
    pub(crate) fn next_due(&self, now: Instant) -> Instant {
        let step = match self.not_before {
            Some(not_before) if not_before > now => not_before,
            _ => self.deadline,
        };
        // Silent members are looked for at least this often.
        step.clamp(now + Duration::from_millis(1), now + Duration::from_millis(200))
    }

    /// Forms the next generation if all members have joined, or the others are too late.
    pub(super) fn complete_join(&mut self, now: Instant) {
        if self.state != GroupState::PreparingRebalance || self.not_before.is_some_and(|time| now < time) {
            return;
        }
        let is_late = now >= self.deadline;
        let all_joined = self.pending.is_empty() && self.members.values().all(|member| member.joining);
        if !all_joined && !is_late {
            return;
        }
        self.members.retain(|_, member| member.joining);
        self.instances.retain(|_, id| self.members.contains_key(id));
        self.not_before = None;
        self.generation = self.generation.wrapping_add(1).max(1);
        let Some(first) = self.members.keys().next() else {
            self.become_empty();
            return;
        };
        if !self.members.contains_key(&self.leader) {
            self.leader.clone_from(first);
        }
        self.protocol = self.common_protocol();
        self.state = GroupState::CompletingRebalance;
        let mut longest = Duration::ZERO;
        for member in self.members.values_mut() {
            member.joining = false;
            member.asked = false;
            member.last_seen = now;
            member.assignment = Bytes::new();
            longest = longest.max(member.membership.rebalance_timeout);
        }
        self.deadline = now + longest;
    }

    /// Starts over without the members that did not even ask for their assignment, if the leader
    /// has not sent it in time.
    pub(super) fn give_up_waiting_for_assignment(&mut self, now: Instant) {
        if self.state != GroupState::CompletingRebalance || now < self.deadline {
            return;
        }
        let late: Vec<String> =
            self.members.iter().filter(|(_, member)| !member.asked).map(|(id, _)| id.clone()).collect();
        for id in late {
            self.remove(&id, now);
        }
        if self.state == GroupState::CompletingRebalance {
            self.prepare(None, now);
        }
    }

    /// Removes a member; the others share what it had.
    pub(super) fn remove(&mut self, member_id: &str, now: Instant) {
        self.members.remove(member_id);
        self.instances.retain(|_, id| id != member_id);
        if self.members.is_empty() && self.pending.is_empty() {
            self.generation = self.generation.wrapping_add(1).max(1);
            self.become_empty();
        } else if self.state == GroupState::PreparingRebalance {
            self.complete_join(now);
        } else {
            self.prepare(None, now);
        }
    }

    fn become_empty(&mut self) {
        self.state = GroupState::Empty;
        self.leader.clear();
        self.protocol.clear();
        self.not_before = None;
    }

    fn refuses(&self, request: &JoinRequest) -> Option<ResponseError> {
        let membership = &request.membership;
        let is_known = self.members.contains_key(&request.member_id);
        if membership.protocols.is_empty() || membership.protocol_type.is_empty() {
            return Some(ResponseError::InconsistentGroupProtocol);
        }
        if let Some(holder) =
            membership.instance_id.as_ref().and_then(|instance_id| self.instances.get(instance_id))
            && !request.member_id.is_empty()
            && *holder != request.member_id
        {
            return Some(ResponseError::FencedInstanceId);
        }
        if !request.member_id.is_empty() && !is_known && !self.pending.contains_key(&request.member_id) {
            return Some(ResponseError::UnknownMemberId);
        }
        if !is_known && self.members.len() + self.pending.len() > request.member_limit {
            return Some(ResponseError::GroupMaxSizeReached);
        }
        let others_share_one = membership.protocols.iter().any(|(name, _)| {
            self.members
                .iter()
                .filter(|(id, _)| **id != request.member_id)
                .all(|(_, member)| member.membership.knows(name))
        });
        let fits =
            self.members.is_empty() || (self.protocol_type == membership.protocol_type && others_share_one);
        (!fits).then_some(ResponseError::InconsistentGroupProtocol)
    }

    /// A member with a name of its own comes, or comes back: it takes the place of the one that
    /// had the name, and if it wants the same as before nobody else is disturbed.
    fn join_instance(
        &mut self,
        instance_id: String,
        new_id: String,
        membership: Membership,
        delay: Duration,
        now: Instant,
    ) -> JoinStep {
        let Some(old_id) = self.instances.insert(instance_id, new_id.clone()) else {
            return self.join_as(new_id, membership, delay, now);
        };
        let Some(mut member) = self.members.remove(&old_id) else {
            return self.join_as(new_id, membership, delay, now);
        };
        let was_leader = self.leader == old_id;
        let unchanged = member.membership.protocols == membership.protocols;
        member.membership = membership.clone();
        member.last_seen = now;
        member.joining = false;
        self.members.insert(new_id.clone(), member);
        if was_leader {
            self.leader.clone_from(&new_id);
        }
        if self.state == GroupState::Stable && unchanged && !was_leader {
            return JoinStep::Joined(self.place_of(&new_id));
        }
        if self.state == GroupState::CompletingRebalance || self.state == GroupState::Stable {
            self.prepare(None, now);
        }
        self.join_as(new_id, membership, delay, now)
    }

    fn join_as(
        &mut self,
        member_id: String,
        membership: Membership,
        delay: Duration,
        now: Instant,
    ) -> JoinStep {
        self.pending.remove(&member_id);
        if self.members.is_empty() {
            self.protocol_type.clone_from(&membership.protocol_type);
        }
        if let Some(member) = self.members.get_mut(&member_id) {
            let unchanged = member.membership.protocols == membership.protocols;
            member.last_seen = now;
            member.membership = membership;
            // A repeated request, whose answer was lost; the leader of a stable group, though,
            // joins again when it wants another assignment.
            let stands = self.state == GroupState::CompletingRebalance
                || (self.state == GroupState::Stable && self.leader != member_id);
            if unchanged && stands {
                return JoinStep::Joined(self.place_of(&member_id));
            }
        } else {
            if let Some(instance_id) = &membership.instance_id {
                self.instances.insert(instance_id.clone(), member_id.clone());
            }
            let member =
                Member { membership, assignment: Bytes::new(), last_seen: now, joining: false, asked: false };
            self.members.insert(member_id.clone(), member);
        }
        match self.state {
            GroupState::Empty => self.prepare(Some(delay), now),
            GroupState::CompletingRebalance | GroupState::Stable => self.prepare(None, now),
            GroupState::PreparingRebalance => {}
        }
        if let Some(member) = self.members.get_mut(&member_id) {
            member.joining = true;
        }
        self.complete_join(now);
        match self.joined(&member_id) {
            None => JoinStep::Wait(member_id),
            Some(Ok(joined)) => JoinStep::Joined(joined),
            Some(Err(error)) => JoinStep::Refused(error),
        }
    }

    fn prepare(&mut self, delay: Option<Duration>, now: Instant) {
        self.state = GroupState::PreparingRebalance;
        let longest = self.members.values().map(|member| member.membership.rebalance_timeout).max();
        let delay = delay.unwrap_or_default();
        self.not_before = Some(now + delay);
        self.deadline = now + delay + longest.unwrap_or_default();
        for member in self.members.values_mut() {
            member.joining = false;
        }
    }

    /// The strategy that all members know and most prefer.
    fn common_protocol(&self) -> String {
        let known_to_all = |name: &str| self.members.values().all(|member| member.membership.knows(name));
        let votes: Vec<&str> = self
            .members
            .values()
            .filter_map(|member| {
                member
                    .membership
                    .protocols
                    .iter()
                    .map(|(name, _)| name.as_str())
                    .find(|name| known_to_all(name))
            })
            .collect();
        let names: HashSet<&str> = votes.iter().copied().collect();
        let count = |name: &str| votes.iter().filter(|vote| **vote == name).count();
        // Of equals the first in the alphabet, so that the choice does not depend on chance.
        let best =
            names.into_iter().max_by(|left, right| count(left).cmp(&count(right)).then(right.cmp(left)));
        best.unwrap_or_default().to_owned()
    }

    fn place_of(&self, member_id: &str) -> Joined {
        let members = if self.leader == member_id {
            self.members
                .iter()
                .map(|(id, member)| {
                    (
                        id.clone(),
                        member.membership.instance_id.clone(),
                        member.membership.subscription(&self.protocol),
                    )
                })
                .collect()
        } else {
            Vec::new()
        };
        Joined {
            member_id: member_id.to_owned(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            members,
        }
    }
}

impl Membership {
    fn knows(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }

    /// What the member tells the leader for this strategy.
    pub(crate) fn subscription(&self, protocol: &str) -> Bytes {
        self.protocols
            .iter()
            .find(|(name, _)| name == protocol)
            .map_or_else(Bytes::new, |(_, subscription)| subscription.clone())
    }
}
