use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};

use super::{ShardState, is_ready, next};

const ABSENT: ShardState = ShardState::Absent;
const DONE: ShardState = ShardState::Current { ready: true };
const STARTING: ShardState = ShardState::Current { ready: false };
const OLD: ShardState = ShardState::Outdated { ready: true };
const BROKEN: ShardState = ShardState::Outdated { ready: false };

#[test]
fn one_working_shard_is_restarted_at_a_time_and_broken_ones_at_once() {
    type Case<'a> = (&'a str, &'a [ShardState], &'a [u32], Option<u32>, &'a [u32]);
    let cases: [Case<'_>; 9] = [
        ("a new pipeline starts all", &[ABSENT, ABSENT], &[0, 1], None, &[]),
        ("at rest nothing restarts", &[DONE, DONE], &[0, 1], None, &[]),
        ("the first goes first", &[OLD, OLD, OLD], &[], Some(0), &[1, 2]),
        ("the next waits for it", &[STARTING, OLD, OLD], &[0], None, &[1, 2]),
        ("then it follows", &[DONE, OLD, OLD], &[0], Some(1), &[2]),
        ("a bad change is reverted at once where it was made", &[BROKEN, DONE, DONE], &[0, 1, 2], None, &[]),
        ("what is down is mended at once", &[BROKEN, BROKEN], &[0, 1], None, &[]),
        ("and what works waits for it", &[OLD, BROKEN], &[1], None, &[0]),
        ("a new shard does not wait", &[OLD, ABSENT], &[1], Some(0), &[]),
    ];
    for (what, states, apply, restart, waiting) in cases {
        let shards = (0..).zip(states.iter().copied()).collect();
        let rollout = next(&shards);
        assert_eq!(rollout.apply, apply.iter().copied().collect(), "{what}");
        assert_eq!(rollout.restart, restart, "{what}");
        assert_eq!(rollout.waiting, waiting.iter().copied().collect(), "{what}");
    }
}

#[test]
fn a_deployment_is_ready_when_its_controller_has_seen_and_done_it() {
    let deployment = |generation: i64, status: Value| -> Deployment {
        serde_json::from_value(json!({"metadata": {"generation": generation}, "status": status}))
            .expect("a Deployment")
    };
    let done = json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1});
    assert!(is_ready(&deployment(2, done.clone())));
    assert!(!is_ready(&deployment(3, done)), "not seen yet");
    assert!(!is_ready(&deployment(1, json!({"observedGeneration": 1}))), "no pod");
    let old_pod = json!({"observedGeneration": 2, "replicas": 1, "readyReplicas": 1});
    assert!(!is_ready(&deployment(2, old_pod)), "the pod is an earlier one");
    assert!(!is_ready(&Deployment::default()));
}
