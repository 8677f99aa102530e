//! Keeps the groups, and lets the connections of members wait for the others.

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, PoisonError, RwLock},
    time::Instant,
};

use bytes::Bytes;
use kafka_protocol::error::ResponseError;

use super::{
    group::{Group, JoinStep, Joined, SyncStep},
    rebalance::JoinRequest,
};
use crate::locks::{lock, read, write};

/// All groups that have, or recently had, members.
#[derive(Debug, Default)]
pub(crate) struct Coordinator {
    groups: RwLock<HashMap<String, Arc<SharedGroup>>>,
}

/// A group, and what its waiting members wait for.
#[derive(Debug)]
struct SharedGroup {
    group: Mutex<Group>,
    changed: Condvar,
}

/// What a request to join is answered with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum JoinAnswer {
    /// The member is in the new generation.
    Joined(Joined),
    /// The client is to join again with this id.
    TakeId(String),
    /// It may not join.
    Refused(ResponseError),
}

impl Coordinator {
    /// Joins a group, and waits until its next generation is formed. `is_stopping` ends the wait.
    pub(crate) fn join(
        &self,
        group_id: &str,
        request: JoinRequest,
        is_stopping: impl Fn() -> bool,
    ) -> JoinAnswer {
        let shared = self.group_or_new(group_id);
        let mut group = lock(&shared.group);
        let step = group.join(request, Instant::now());
        shared.changed.notify_all();
        let member_id = match step {
            JoinStep::Joined(joined) => return JoinAnswer::Joined(joined),
            JoinStep::TakeId(id) => return JoinAnswer::TakeId(id),
            JoinStep::Refused(error) => return JoinAnswer::Refused(error),
            JoinStep::Wait(member_id) => member_id,
        };
        loop {
            if is_stopping() {
                return JoinAnswer::Refused(ResponseError::CoordinatorNotAvailable);
            }
            let now = Instant::now();
            group.tick(now);
            match group.joined(&member_id) {
                Some(Ok(joined)) => {
                    shared.changed.notify_all();
                    return JoinAnswer::Joined(joined);
                }
                Some(Err(error)) => return JoinAnswer::Refused(error),
                None => {}
            }
            let pause = group.next_due(now) - now;
            (group, _) = shared.changed.wait_timeout(group, pause).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Asks for a member's assignment, and waits until the leader has sent it.
    pub(crate) fn sync(
        &self,
        group_id: &str,
        member: &MemberKey<'_>,
        assignments: Vec<(String, Bytes)>,
        is_stopping: impl Fn() -> bool,
    ) -> SyncStep {
        let Some(shared) = self.group(group_id) else {
            return SyncStep::Refused(ResponseError::UnknownMemberId);
        };
        let mut group = lock(&shared.group);
        let MemberKey { member_id, instance_id, generation } = *member;
        let mut step = group.sync(member_id, instance_id, generation, assignments, Instant::now());
        shared.changed.notify_all();
        while step == SyncStep::Wait {
            if is_stopping() {
                return SyncStep::Refused(ResponseError::CoordinatorNotAvailable);
            }
            let now = Instant::now();
            let pause = group.next_due(now) - now;
            (group, _) = shared.changed.wait_timeout(group, pause).unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            group.tick(now);
            step = group.assignment(member_id, generation, now);
        }
        step
    }

    /// Does something with a group, if there is one.
    pub(crate) fn with<R>(&self, group_id: &str, act: impl FnOnce(&mut Group) -> R) -> Option<R> {
        let shared = self.group(group_id)?;
        let result = act(&mut lock(&shared.group));
        shared.changed.notify_all();
        Some(result)
    }

    /// Forgets a group that nobody is in; false if somebody is, or is about to be.
    pub(crate) fn forget(&self, group_id: &str) -> bool {
        let mut groups = write(&self.groups);
        if groups
            .get(group_id)
            .is_some_and(|shared| Arc::strong_count(shared) > 1 || !lock(&shared.group).is_vacant())
        {
            return false;
        }
        groups.remove(group_id);
        true
    }

    /// The ids of all groups with members.
    pub(crate) fn ids(&self) -> Vec<String> {
        read(&self.groups).keys().cloned().collect()
    }

    /// Lets time pass for all groups, and forgets those that nobody is in.
    pub(crate) fn tick(&self, now: Instant) {
        let groups: Vec<Arc<SharedGroup>> = read(&self.groups).values().map(Arc::clone).collect();
        for shared in groups {
            lock(&shared.group).tick(now);
            shared.changed.notify_all();
        }
        // Only groups that no connection is about to join are dropped: nobody else holds them.
        write(&self.groups)
            .retain(|_, shared| Arc::strong_count(shared) > 1 || !lock(&shared.group).is_vacant());
    }

    /// Wakes all waiting members, so that they notice that the broker stops.
    pub(crate) fn wake_all(&self) {
        for shared in read(&self.groups).values() {
            shared.changed.notify_all();
        }
    }

    fn group(&self, group_id: &str) -> Option<Arc<SharedGroup>> {
        read(&self.groups).get(group_id).map(Arc::clone)
    }

    fn group_or_new(&self, group_id: &str) -> Arc<SharedGroup> {
        if let Some(shared) = self.group(group_id) {
            return shared;
        }
        let new = || SharedGroup { group: Mutex::new(Group::new(Instant::now())), changed: Condvar::new() };
        Arc::clone(write(&self.groups).entry(group_id.to_owned()).or_insert_with(|| Arc::new(new())))
    }
}

/// Who a member says it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MemberKey<'request> {
    /// Its id.
    pub(crate) member_id: &'request str,
    /// Its own name, if it has one.
    pub(crate) instance_id: Option<&'request str>,
    /// The generation it believes to be in.
    pub(crate) generation: i32,
}
