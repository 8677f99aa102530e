use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::error::ResponseError;

use super::{
    group::{Group, GroupState, JoinStep, Joined, Membership, SyncStep},
    rebalance::JoinRequest,
};

/// A group and a clock that only moves when told to.
struct Scene {
    group: Group,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        let now = Instant::now();
        Self { group: Group::new(now), now }
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
        self.group.tick(self.now);
    }

    fn join(&mut self, id: &str) -> JoinStep {
        self.join_with(id, |_| {})
    }

    /// Joins with an id; one that is not known yet was pending.
    fn join_with(&mut self, id: &str, change: impl FnOnce(&mut JoinRequest)) -> JoinStep {
        let mut request = JoinRequest {
            member_id: id.to_owned(),
            new_id: format!("new-{id}"),
            takes_id_first: true,
            membership: Membership {
                instance_id: None,
                client_id: "test".to_owned(),
                client_host: "127.0.0.1".to_owned(),
                session_timeout: Duration::from_secs(10),
                rebalance_timeout: Duration::from_secs(30),
                protocol_type: "consumer".to_owned(),
                protocols: vec![("range".to_owned(), Bytes::from(format!("{id} wants")))],
            },
            member_limit: 3,
            delay: Duration::from_millis(100),
        };
        change(&mut request);
        self.group.join(request, self.now)
    }

    /// A new member takes an id and joins with it.
    fn enter(&mut self) -> (String, JoinStep) {
        let unique = format!("{}", self.group.members().len());
        let JoinStep::TakeId(id) = self.join_with("", |request| request.new_id = format!("m{unique}")) else {
            panic!("a new member takes an id first")
        };
        let step = self.join(&id);
        (id, step)
    }

    fn joined(&self, id: &str) -> Joined {
        self.group.joined(id).expect("the generation is formed").expect("the member is in it")
    }

    fn sync(&mut self, id: &str, generation: i32, assignments: &[(&str, &str)]) -> SyncStep {
        let assignments = assignments
            .iter()
            .map(|(id, part)| ((*id).to_owned(), Bytes::copy_from_slice(part.as_bytes())))
            .collect();
        self.group.sync(id, None, generation, assignments, self.now)
    }

    /// Two members in a stable group, in generation 1; the first one leads.
    fn two_members() -> Self {
        let mut scene = Self::new();
        scene.enter();
        scene.enter();
        scene.pass(100);
        assert_eq!(scene.sync("m1", 1, &[]), SyncStep::Wait);
        scene.sync("m0", 1, &[("m0", "left"), ("m1", "right")]);
        assert_eq!(scene.group.state(), GroupState::Stable);
        scene
    }
}

fn assigned(part: &'static str) -> SyncStep {
    SyncStep::Assigned {
        protocol_type: "consumer".to_owned(),
        protocol: "range".to_owned(),
        assignment: Bytes::from_static(part.as_bytes()),
    }
}

#[test]
fn members_that_come_shortly_after_each_other_are_in_one_generation() {
    let mut scene = Scene::new();
    let (first, step) = scene.enter();
    assert_eq!(step, JoinStep::Wait(first.clone()));
    scene.pass(50);
    assert_eq!(scene.group.joined(&first), None);
    let (second, _) = scene.enter();
    scene.pass(50);
    let (leader, follower) = (scene.joined(&first), scene.joined(&second));
    assert_eq!((leader.generation, follower.generation), (1, 1));
    assert_eq!((leader.leader.as_str(), follower.leader.as_str()), ("m0", "m0"));
    assert_eq!(leader.members.len(), 2);
    assert_eq!(leader.members[1].2, "m1 wants");
    assert_eq!(follower.members, []);
}

#[test]
fn followers_wait_for_the_leaders_assignment() {
    let mut scene = Scene::two_members();
    assert_eq!(scene.sync("m1", 1, &[]), assigned("right"));
    assert_eq!(scene.sync("m0", 1, &[]), assigned("left"));
}

#[test]
fn a_third_member_makes_the_others_join_again() {
    let mut scene = Scene::two_members();
    let (third, step) = scene.enter();
    assert_eq!(step, JoinStep::Wait(third.clone()));
    let beat = scene.group.heartbeat("m0", None, 1, scene.now);
    assert_eq!(beat, Err(ResponseError::RebalanceInProgress));
    assert_eq!(scene.join("m0"), JoinStep::Wait("m0".to_owned()));
    let JoinStep::Joined(joined) = scene.join("m1") else { panic!("the last one completes the generation") };
    assert_eq!(joined.generation, 2);
    assert_eq!(scene.joined(&third).generation, 2);
    assert_eq!(scene.group.heartbeat("m0", None, 2, scene.now), Ok(()));
    assert_eq!(scene.group.heartbeat("m0", None, 1, scene.now), Err(ResponseError::IllegalGeneration));
}

#[test]
fn a_silent_member_is_removed_and_the_rest_goes_on() {
    let mut scene = Scene::two_members();
    scene.pass(9_000);
    scene.group.heartbeat("m0", None, 1, scene.now).unwrap();
    scene.pass(1_000);
    assert_eq!(scene.group.state(), GroupState::PreparingRebalance);
    assert_eq!(scene.group.heartbeat("m1", None, 1, scene.now), Err(ResponseError::UnknownMemberId));
    let JoinStep::Joined(joined) = scene.join("m0") else { panic!("nobody else is left") };
    assert_eq!((joined.generation, joined.members.len()), (2, 1));
}

#[test]
fn a_member_that_does_not_join_again_in_time_is_left_behind() {
    let mut scene = Scene::two_members();
    let (third, _) = scene.enter();
    for _ in 0..5 {
        scene.pass(6_000);
        let _ = scene.group.heartbeat("m0", None, 1, scene.now);
        let _ = scene.group.heartbeat("m1", None, 1, scene.now);
    }
    scene.pass(1);
    assert_eq!(scene.joined(&third).members.len(), 1);
    assert_eq!(scene.group.heartbeat("m0", None, 2, scene.now), Err(ResponseError::UnknownMemberId));
}

#[test]
fn a_leader_that_never_sends_an_assignment_is_replaced() {
    let mut scene = Scene::new();
    scene.enter();
    scene.enter();
    scene.pass(100);
    assert_eq!(scene.sync("m1", 1, &[]), SyncStep::Wait);
    for _ in 0..5 {
        scene.pass(6_000);
        let _ = scene.group.heartbeat("m0", None, 1, scene.now);
        let _ = scene.group.assignment("m1", 1, scene.now);
    }
    scene.pass(1);
    assert_eq!(scene.group.heartbeat("m0", None, 1, scene.now), Err(ResponseError::UnknownMemberId));
    assert_eq!(
        scene.group.assignment("m1", 1, scene.now),
        SyncStep::Refused(ResponseError::RebalanceInProgress)
    );
    let JoinStep::Joined(joined) = scene.join("m1") else { panic!("nobody else is left") };
    assert_eq!(joined.leader, "m1");
}

#[test]
fn the_last_member_to_leave_empties_the_group() {
    let mut scene = Scene::two_members();
    scene.group.leave("m0", None, scene.now).unwrap();
    assert_eq!(scene.group.leave("m0", None, scene.now), Err(ResponseError::UnknownMemberId));
    scene.group.leave("m1", None, scene.now).unwrap();
    assert_eq!(scene.group.state(), GroupState::Empty);
    assert!(scene.group.is_vacant());
}

#[test]
fn an_unknown_member_may_not_join_and_a_full_group_takes_nobody() {
    let mut scene = Scene::two_members();
    assert_eq!(scene.join("stranger"), JoinStep::Refused(ResponseError::UnknownMemberId));
    scene.enter();
    scene.enter();
    assert_eq!(scene.join(""), JoinStep::Refused(ResponseError::GroupMaxSizeReached));
}

#[test]
fn members_must_share_a_strategy_and_the_one_most_prefer_wins() {
    let strategies = |names: &'static [&'static str]| {
        move |request: &mut JoinRequest| {
            request.takes_id_first = false;
            request.membership.protocols =
                names.iter().map(|name| ((*name).to_owned(), Bytes::from_static(name.as_bytes()))).collect();
        }
    };
    let mut scene = Scene::new();
    for (id, names) in [("a", &["sticky", "range"][..]), ("b", &["range", "sticky"]), ("c", &["range"])] {
        scene.join_with("", |request| {
            strategies(names)(request);
            request.new_id = id.to_owned();
        });
    }
    let stranger = scene.join_with("", strategies(&["cooperative"]));
    assert_eq!(stranger, JoinStep::Refused(ResponseError::InconsistentGroupProtocol));
    scene.pass(100);
    assert_eq!(scene.joined("a").protocol, "range");
    assert_eq!(scene.joined("a").members[0].2, "range");
}

#[test]
fn a_repeated_request_gets_the_same_answer_and_disturbs_nobody() {
    let mut scene = Scene::two_members();
    let JoinStep::Joined(joined) = scene.join("m1") else { panic!("a follower that repeats itself stays") };
    assert_eq!(joined.generation, 1);
    assert_eq!(scene.group.state(), GroupState::Stable);
    assert_eq!(scene.join("m0"), JoinStep::Wait("m0".to_owned()));
    assert_eq!(scene.group.state(), GroupState::PreparingRebalance);
}

#[test]
fn a_member_with_a_name_comes_back_without_a_rebalance_and_fences_its_predecessor() {
    let named = |id: &'static str, name: &'static str| {
        move |request: &mut JoinRequest| {
            request.new_id = id.to_owned();
            request.membership.instance_id = Some(name.to_owned());
            request.membership.protocols = vec![("range".to_owned(), Bytes::from_static(b"same"))];
        }
    };
    let mut scene = Scene::new();
    scene.join_with("", named("a", "left"));
    scene.join_with("", named("b", "right"));
    scene.pass(100);
    let assignments = vec![("b".to_owned(), Bytes::from_static(b"part"))];
    scene.group.sync("a", Some("left"), 1, assignments, scene.now);
    let JoinStep::Joined(joined) = scene.join_with("", named("b2", "right")) else {
        panic!("the place is kept")
    };
    assert_eq!((joined.member_id.as_str(), joined.generation), ("b2", 1));
    assert_eq!(scene.group.sync("b2", Some("right"), 1, Vec::new(), scene.now), assigned("part"));
    let fenced = scene.group.heartbeat("b", Some("right"), 1, scene.now);
    assert_eq!(fenced, Err(ResponseError::FencedInstanceId));
    scene.group.leave("", Some("right"), scene.now).unwrap();
    assert_eq!(scene.group.members().len(), 1);
}

#[test]
fn only_members_commit_while_there_are_any() {
    let mut scene = Scene::two_members();
    assert_eq!(scene.group.check_commit("", None, -1, scene.now), Err(ResponseError::UnknownMemberId));
    assert_eq!(scene.group.check_commit("m0", None, 0, scene.now), Err(ResponseError::IllegalGeneration));
    assert_eq!(scene.group.check_commit("m0", None, 1, scene.now), Ok(()));
    let mut empty = Scene::new();
    assert_eq!(empty.group.check_commit("", None, -1, empty.now), Ok(()));
}
