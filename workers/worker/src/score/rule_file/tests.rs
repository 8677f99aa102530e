//! What becomes of a changed file.

use std::path::Path;

use sluice_contract::config::Storage;
use sluice_contract::report::Problem;
use sluice_decode::RowSchema;
use sluice_engine::Scoring;
use tokio::runtime::Runtime;

use super::*;
use crate::report::Subject;
use crate::test_support::{SCHEMA, configuration, rule_set, scorer};

fn follower(folder: &Path, runtime: &Runtime) -> Follower {
    let config = scorer(configuration(|_| {}));
    let subject = Subject {
        job: config.job(),
        shard: 0,
        shards: 1,
        writer: "test".to_owned(),
        configuration: config.revision.clone(),
        max_out_of_orderness_us: 0,
    };
    let storage = Storage { uri: format!("file://{}", folder.join("lake").display()), adopt: None };
    let lake = runtime.block_on(Lake::open(&storage)).expect("a lake can be made");
    let schema = RowSchema::parse(SCHEMA).expect("the schema parses");
    let scoring = Scoring::new(&config, &rule_set(), &schema, [0; 16]).expect("a valid configuration");
    Follower {
        path: folder.join("rules.json"),
        status: Arc::new(Status::new(subject).scoring()),
        compiler: scoring.compiler(),
        runtime: runtime.handle().clone(),
        keep: Keep { lake, job: config.job() },
        offer: Offer::default(),
    }
}

impl Follower {
    fn look(&self, content: Result<String, String>) {
        assert!(matches!(self.consider(&content), Considered::Done));
    }

    fn problems(&self) -> Vec<Problem> {
        self.status.report().problems
    }
}

#[test]
fn sound_rules_are_kept_in_the_lake_and_then_offered() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), Runtime::new().unwrap());
    let follower = follower(folder.path(), &runtime);
    follower.look(Ok(rule_set().to_json()));
    assert!(follower.problems().is_empty());
    let kept = runtime.block_on(follower.keep.lake.rule_set("score-heat", &rule_set().hash()));
    let kept = kept.expect("it can be read").expect("it is there");
    assert_eq!(RuleSet::from_json(&kept).expect("it is whole"), rule_set());
    assert!(follower.offer.is_open());
    assert_eq!(follower.offer.take().expect("it waits").hash(), rule_set().hash());
    assert!(!follower.offer.is_open() && follower.offer.take().is_none());
}

#[test]
fn bad_rules_are_refused_with_all_that_is_wrong_until_they_are_mended() {
    let (folder, runtime) = (tempfile::tempdir().unwrap(), Runtime::new().unwrap());
    let follower = follower(folder.path(), &runtime);
    let mut bad = rule_set();
    bad.rules[0].when = "fahrenheit > 100".to_owned();
    bad.levels[1].min_score = 1;
    for (content, expected) in [
        (Ok(bad.to_json()), "rules[0].when: silver has no column `fahrenheit`"),
        (Ok(bad.to_json()), "levels: no level has minScore 0"),
        (Ok("{".to_owned()), "failed to parse the rule set"),
        (Err("No such file or directory".to_owned()), "failed to read the rules"),
    ] {
        follower.look(content);
        let problems = follower.problems();
        assert_eq!((problems.len(), problems[0].reason.as_str()), (1, "RulesRefused"));
        assert!(problems[0].message.contains(expected), "{expected} is not in {}", problems[0].message);
        assert!(!follower.offer.is_open());
    }
    follower.look(Ok(rule_set().to_json()));
    assert!(follower.problems().is_empty() && follower.offer.is_open());
}
