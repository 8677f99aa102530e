//! When rule sets change.

use std::path::PathBuf;

use sluice_contract::manifest::Counts;
use sluice_contract::scorer::RuleSet;
use sluice_decode::{Message, RowSchema};

use super::*;
use crate::report::{Status, Subject};
use crate::stream::work::Work as _;
use crate::test_support::{SCHEMA, configuration, rule_set, scorer};

fn processor() -> ScoreProcessor {
    let config = scorer(configuration(|_| {}));
    let status = Status::new(Subject {
        job: config.job(),
        shard: 0,
        shards: 1,
        writer: "test".to_owned(),
        configuration: config.revision.clone(),
        max_out_of_orderness_us: 0,
    });
    let work = ScoreWork::new(config, PathBuf::from("/nowhere"), Arc::new(status.scoring()));
    let schema = RowSchema::parse(SCHEMA).expect("the schema parses");
    let scoring = Scoring::new(&work.config, &rule_set(), &schema, [0; 16]).expect("a valid configuration");
    assert_eq!((work.job(), work.tables()), ("score-heat", vec!["fraud/scores".to_owned()]));
    ScoreProcessor::new(scoring, work)
}

fn rules(hot_from: i32) -> RuleSet {
    let mut rules = rule_set();
    rules.rules[0].when = format!("celsius > {hot_from}");
    rules
}

impl ScoreProcessor {
    fn compiled(&self, hot_from: i32) -> Rules {
        self.scoring.compiler().compile(&rules(hot_from)).expect("a valid rule set")
    }

    /// A partition that begins at 0 and ends there.
    fn assign(&mut self, end: i64) {
        let counts = Counts::default();
        self.restore(0, &PartitionProgress { counts, ..PartitionProgress::starting_at(0) });
        self.assigned(0, end);
    }

    fn read(&mut self, offset: i64) {
        let value = r#"{"device":"d","at":"2026-01-05T20:00:00Z","celsius":41.5}"#;
        let mut batch = MessageBatch::default();
        let value = Some(value.as_bytes());
        batch.push(Message { partition: 0, offset, timestamp_ms: None, key: Some(b"d"), value });
        let rows = self.process(&batch, 0).expect("JSON needs no schema");
        assert_eq!(rows.len(), 1);
    }
}

#[test]
fn the_first_rules_are_in_a_manifest_before_anything_is_scored() {
    let mut processor = processor();
    processor.offer.make(processor.compiled(40));
    assert!(!processor.wants_boundary(), "positions are not known yet");
    processor.assign(100);
    assert!(processor.is_congested(), "there are no rules in force");
    assert!(processor.wants_boundary(), "nothing can have been alerted");
    let ended = processor.close_epoch();
    assert_eq!(ended.rule_set, Some(rules(40).hash()), "what comes after the manifest is scored by them");
    assert!(!processor.is_congested() && !processor.wants_boundary());
}

#[test]
fn new_rules_wait_until_what_may_have_been_alerted_is_scored_by_those_before() {
    let mut processor = processor();
    processor.take_up(processor.compiled(40));
    processor.assign(2);
    processor.offer.make(processor.compiled(50));
    for offset in 0..2 {
        assert!(!processor.wants_boundary(), "offset {offset}");
        processor.read(offset);
    }
    assert!(processor.wants_boundary());
    assert_eq!(processor.scoring.rule_set(), rules(40).hash());
    assert_eq!(processor.close_epoch().rule_set, Some(rules(50).hash()));
    assert_eq!(processor.scoring.rule_set(), rules(50).hash());
}

#[test]
fn an_epoch_that_ends_for_another_reason_keeps_its_rules() {
    let mut processor = processor();
    processor.take_up(processor.compiled(40));
    processor.assign(0);
    assert!(!processor.wants_boundary());
    // The rules come after the core has asked, and before it closes the epoch by its age.
    processor.offer.make(processor.compiled(50));
    assert_eq!(processor.close_epoch().rule_set, Some(rules(40).hash()));
    assert!(processor.wants_boundary());
    assert_eq!(processor.close_epoch().rule_set, Some(rules(50).hash()));
}

#[test]
fn the_rules_in_force_are_no_news() {
    let mut processor = processor();
    processor.take_up(processor.compiled(40));
    processor.assign(0);
    processor.offer.make(processor.compiled(50));
    processor.offer.make(processor.compiled(40));
    assert!(!processor.wants_boundary(), "the change was taken back");
}

#[test]
fn a_scorer_without_rules_is_blocked_and_one_with_others_is_not() {
    use crate::report::Scope;
    use sluice_contract::report::{Phase, Problem};
    let mut processor = processor();
    let status = Arc::clone(&processor.work.status);
    status.enter(Phase::Running);
    let refused = Problem { reason: "RulesRefused".to_owned(), message: "bad".to_owned() };
    status.raise(Scope::Rules, refused);
    assert_eq!(status.phase(), Phase::Blocked);
    processor.take_up(processor.compiled(40));
    assert_eq!(status.phase(), Phase::Running);
    let report = status.report();
    assert_eq!(report.scoring.expect("it scores").rule_set, Some(rules(40).hash()));
    assert_eq!((report.job.as_str(), report.problems.len()), ("score-heat", 1));
}
