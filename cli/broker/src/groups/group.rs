//! The state machine of one consumer group. Pure: the time is an argument, and waiting is the
//! caller's.
//!
//! | state | meaning | leaves it when |
//! |---|---|---|
//! | `Empty` | no members; offsets may remain | a member joins |
//! | `PreparingRebalance` | members are asked to join again | all have, or the deadline passes |
//! | `CompletingRebalance` | the leader computes the assignment | the leader sends it |
//! | `Stable` | everybody has an assignment | a member joins, changes or goes |

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use bytes::Bytes;
use kafka_protocol::error::ResponseError;

/// Where a group is between two generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupState {
    /// Nobody is in it.
    Empty,
    /// Members join.
    PreparingRebalance,
    /// Members wait for the leader's assignment.
    CompletingRebalance,
    /// Members read.
    Stable,
}

impl GroupState {
    /// The protocol's name of the state.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// What a member says about itself when it joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Membership {
    /// A name that the member keeps over restarts (static membership).
    pub(crate) instance_id: Option<String>,
    /// The client's name.
    pub(crate) client_id: String,
    /// The client's address.
    pub(crate) client_host: String,
    /// How long it may be silent.
    pub(crate) session_timeout: Duration,
    /// How long it may take to join again.
    pub(crate) rebalance_timeout: Duration,
    /// What the group is for; "consumer" mostly.
    pub(crate) protocol_type: String,
    /// Its assignment strategies with what it tells the leader, the preferred one first.
    pub(crate) protocols: Vec<(String, Bytes)>,
}

/// A member of a group.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// What it said when it joined.
    pub(crate) membership: Membership,
    /// What it was assigned.
    pub(crate) assignment: Bytes,
    pub(super) last_seen: Instant,
    /// It has asked to be in the next generation and waits for it.
    pub(super) joining: bool,
    /// It has asked for its assignment in this generation.
    pub(super) asked: bool,
}

/// How a member stands in a generation that was formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    /// The member's id.
    pub(crate) member_id: String,
    /// The generation.
    pub(crate) generation: i32,
    /// What the group is for.
    pub(crate) protocol_type: String,
    /// The strategy that all members know.
    pub(crate) protocol: String,
    /// The member that computes the assignment.
    pub(crate) leader: String,
    /// For the leader: each member's id, instance id and subscription.
    pub(crate) members: Vec<(String, Option<String>, Bytes)>,
}

/// What comes of a request to join.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum JoinStep {
    /// The generation stands, and this is the member's place in it.
    Joined(Joined),
    /// The member of this id waits for the generation to be formed.
    Wait(String),
    /// The client is to join again with this id, so that no member is forgotten if the answer is lost.
    TakeId(String),
    /// It may not join.
    Refused(ResponseError),
}

/// What comes of a request for an assignment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SyncStep {
    /// The strategy and the member's assignment.
    Assigned {
        /// What the group is for.
        protocol_type: String,
        /// The strategy that was used.
        protocol: String,
        /// The member's part.
        assignment: Bytes,
    },
    /// The leader has not sent it yet.
    Wait,
    /// The member is to join again, or is not one.
    Refused(ResponseError),
}

/// A consumer group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(super) state: GroupState,
    pub(super) generation: i32,
    pub(super) protocol_type: String,
    pub(super) protocol: String,
    pub(super) leader: String,
    pub(super) members: BTreeMap<String, Member>,
    /// The member that has each instance id.
    pub(super) instances: HashMap<String, String>,
    /// Ids that were given to clients which have not joined with them yet, and until when.
    pub(super) pending: HashMap<String, Instant>,
    /// The first member of an empty group waits until then for others.
    pub(super) not_before: Option<Instant>,
    /// When a step of a rebalance goes on without the members that are late.
    pub(super) deadline: Instant,
}

impl Group {
    /// A group without members.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            state: GroupState::Empty,
            generation: 0,
            protocol_type: String::new(),
            protocol: String::new(),
            leader: String::new(),
            members: BTreeMap::new(),
            instances: HashMap::new(),
            pending: HashMap::new(),
            not_before: None,
            deadline: now,
        }
    }

    /// Where the group is.
    pub(crate) fn state(&self) -> GroupState {
        self.state
    }

    /// What the group is for.
    pub(crate) fn protocol_type(&self) -> &str {
        &self.protocol_type
    }

    /// The assignment strategy of the current generation.
    pub(crate) fn protocol(&self) -> &str {
        &self.protocol
    }

    /// The members by id.
    pub(crate) fn members(&self) -> &BTreeMap<String, Member> {
        &self.members
    }

    /// Whether the group can be forgotten: nobody is or will shortly be in it.
    pub(crate) fn is_vacant(&self) -> bool {
        self.members.is_empty() && self.pending.is_empty()
    }

    /// A member says that it lives.
    pub(crate) fn heartbeat(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
        now: Instant,
    ) -> Result<(), ResponseError> {
        self.check(member_id, instance_id, generation, now)?;
        match self.state {
            GroupState::PreparingRebalance => Err(ResponseError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// Whether a client may commit offsets for the group: a member of the current generation, or
    /// anybody (who then has no id and no generation) while there are no members.
    pub(crate) fn check_commit(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
        now: Instant,
    ) -> Result<(), ResponseError> {
        if generation < 0 && member_id.is_empty() {
            return if self.members.is_empty() { Ok(()) } else { Err(ResponseError::UnknownMemberId) };
        }
        self.check(member_id, instance_id, generation, now)?;
        match self.state {
            GroupState::CompletingRebalance => Err(ResponseError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// A member asks for its assignment; the leader brings those of all members.
    pub(crate) fn sync(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
        assignments: Vec<(String, Bytes)>,
        now: Instant,
    ) -> SyncStep {
        if let Err(error) = self.check(member_id, instance_id, generation, now) {
            return SyncStep::Refused(error);
        }
        if self.state == GroupState::CompletingRebalance {
            if let Some(member) = self.members.get_mut(member_id) {
                member.asked = true;
            }
            if self.leader == member_id {
                for (id, assignment) in assignments {
                    if let Some(member) = self.members.get_mut(&id) {
                        member.assignment = assignment;
                    }
                }
                self.state = GroupState::Stable;
            }
        }
        self.assignment(member_id, generation, now)
    }

    /// What a member that asked for its assignment is told by now.
    pub(crate) fn assignment(&mut self, member_id: &str, generation: i32, now: Instant) -> SyncStep {
        let member = match self.members.get_mut(member_id) {
            None => return SyncStep::Refused(ResponseError::UnknownMemberId),
            Some(_) if generation != self.generation => {
                return SyncStep::Refused(ResponseError::RebalanceInProgress);
            }
            Some(member) => member,
        };
        member.last_seen = now;
        match self.state {
            GroupState::Stable => SyncStep::Assigned {
                protocol_type: self.protocol_type.clone(),
                protocol: self.protocol.clone(),
                assignment: member.assignment.clone(),
            },
            GroupState::CompletingRebalance => SyncStep::Wait,
            GroupState::Empty | GroupState::PreparingRebalance => {
                SyncStep::Refused(ResponseError::RebalanceInProgress)
            }
        }
    }

    /// A member leaves, by its id or by its instance id alone.
    pub(crate) fn leave(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        now: Instant,
    ) -> Result<(), ResponseError> {
        let id = match instance_id {
            Some(instance_id) => {
                let holder = self.instances.get(instance_id).ok_or(ResponseError::UnknownMemberId)?;
                if !member_id.is_empty() && holder != member_id {
                    return Err(ResponseError::FencedInstanceId);
                }
                holder.clone()
            }
            None => member_id.to_owned(),
        };
        if self.pending.remove(&id).is_some() {
            self.complete_join(now);
            return Ok(());
        }
        if !self.members.contains_key(&id) {
            return Err(ResponseError::UnknownMemberId);
        }
        self.remove(&id, now);
        Ok(())
    }

    /// Lets time pass: members that were silent for too long go, and a rebalance goes on without
    /// those who are late.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.pending.retain(|_, until| *until > now);
        let silent: Vec<String> = self
            .members
            .iter()
            .filter(|(_, member)| {
                !member.joining && now >= member.last_seen + member.membership.session_timeout
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in silent {
            tracing::info!(member = id, "removed a silent member from its group");
            self.remove(&id, now);
        }
        self.complete_join(now);
        self.give_up_waiting_for_assignment(now);
    }

    /// Checks that a member is who it says, in the current generation, and notes that it lives.
    fn check(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
        now: Instant,
    ) -> Result<(), ResponseError> {
        if let Some(holder) = instance_id.and_then(|instance_id| self.instances.get(instance_id))
            && holder != member_id
        {
            return Err(ResponseError::FencedInstanceId);
        }
        let member = self.members.get_mut(member_id).ok_or(ResponseError::UnknownMemberId)?;
        member.last_seen = now;
        if generation == self.generation { Ok(()) } else { Err(ResponseError::IllegalGeneration) }
    }
}
