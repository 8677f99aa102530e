//! How soon a resource is looked at again. Pure.

use super::plan::{Plan, Stage};
use super::preflight::Check;
use crate::apply::Applied;
use crate::requeue::Pace;

/// How soon a resource is looked at again, should nothing wake the operator before.
///
/// | the job | why it is looked at |
/// |---|---|
/// | is invalid | only a change of it helps |
/// | waits | what it refers to is not watched |
/// | lacks an object | a name may come free, a quota may be raised |
/// | is being checked, or rolls | a slot may come free, a time may be over |
/// | runs, or cannot go on | its workers' reports, and its Secrets |
pub fn pace(plan: &Plan, applied: &Applied) -> Pace {
    if !applied.is_complete() {
        return Pace::Seconds(30);
    }
    if applied.leaving > 0 {
        return Pace::Seconds(5);
    }
    match &plan.stage {
        Stage::Refused(_) => Pace::OnChange,
        Stage::Suspended(_) => Pace::Seconds(300),
        Stage::Waiting(_) | Stage::Checking(Check::Passed | Check::Running | Check::Hindered(_)) => {
            Pace::Seconds(10)
        }
        Stage::Checking(Check::Failed { .. }) => Pace::Seconds(15),
        Stage::Running { rolling: true } => Pace::Seconds(5),
        Stage::Running { rolling: false } => Pace::Seconds(30),
    }
}

#[cfg(test)]
mod tests {
    use super::pace;
    use crate::apply::{Applied, NameTaken};
    use crate::requeue::Pace;
    use crate::sharded_job::plan::{Plan, Stage, Suspension};
    use crate::sharded_job::preflight::Check;

    fn plan(stage: Stage) -> Plan {
        Plan {
            stage,
            wanted: Vec::new(),
            restart: None,
            unwanted: Vec::new(),
            shards: None,
            single_node: false,
        }
    }

    #[test]
    fn each_stage_has_its_pace() {
        let failed = Check::Failed { findings: String::new(), is_lasting: true, ended: None };
        for (stage, expected) in [
            (Stage::Refused(Vec::new()), Pace::OnChange),
            (Stage::Waiting(Vec::new()), Pace::Seconds(10)),
            (Stage::Suspended(Suspension::Asked), Pace::Seconds(300)),
            (Stage::Checking(Check::Running), Pace::Seconds(10)),
            (Stage::Checking(failed), Pace::Seconds(15)),
            (Stage::Running { rolling: true }, Pace::Seconds(5)),
            (Stage::Running { rolling: false }, Pace::Seconds(30)),
        ] {
            assert_eq!(pace(&plan(stage.clone()), &Applied::default()), expected, "{stage:?}");
        }
    }

    #[test]
    fn a_taken_name_is_looked_at_again_whatever_the_stage() {
        let taken =
            NameTaken { kind: "Service".to_owned(), name: "x".to_owned(), owner: "nobody".to_owned() };
        let applied = Applied { taken: vec![taken], ..Applied::default() };
        assert_eq!(pace(&plan(Stage::Suspended(Suspension::Asked)), &applied), Pace::Seconds(30));
        let leaving = Applied { leaving: 1, ..Applied::default() };
        assert_eq!(pace(&plan(Stage::Suspended(Suspension::Asked)), &leaving), Pace::Seconds(5));
    }
}
