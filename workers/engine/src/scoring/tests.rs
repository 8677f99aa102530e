//! The boundaries of scoring, and what is wrong with configurations and rule sets.

use serde_json::{Value, json};
use sluice_contract::scorer::{Level, RuleSet, ScorerConfig, ScoringRule, VelocityCount, VelocityRule};

use super::{Scored, Scoring};
use crate::fixture::{self, Sent, Transaction, column, texts};
use crate::{Ingest, PlanError};

const SECOND: i64 = 1_000_000;

fn scoring_with(change: impl FnOnce(&mut ScorerConfig, &mut RuleSet)) -> Result<Scoring, Vec<PlanError>> {
    let (mut config, mut rules) = (fixture::scorer(), fixture::rule_set());
    change(&mut config, &mut rules);
    Scoring::new(&config, &rules, &fixture::schema(), [3; 16])
}

fn score_with(change: impl FnOnce(&mut ScorerConfig, &mut RuleSet), sent: &[Sent]) -> Scored {
    let mut scoring = scoring_with(change).expect("a valid configuration");
    scoring.process(&fixture::batch(sent), 1_767_643_200_000_000).expect("JSON needs no schema")
}

/// The messages of one partition, with ids of their own.
fn sent(transactions: &[Transaction]) -> Vec<Sent> {
    let with_id = |(offset, transaction): (usize, &Transaction)| {
        let transaction = Transaction { id: format!("t-{offset}"), ..transaction.clone() };
        Sent::json(0, offset as i64, &transaction)
    };
    transactions.iter().enumerate().map(with_id).collect()
}

fn column_of(transactions: &[Transaction], name: &str) -> Vec<String> {
    texts(&score_with(|_, _| {}, &sent(transactions)).rows.expect("they are clean"), name)
}

/// A Monday evening, on which no rule of the example fires.
fn harmless() -> Transaction {
    Transaction::default()
}

/// Microseconds after 2026-01-05T20:00:00Z as text.
fn time(microseconds: i64) -> String {
    let evening = "2026-01-05T20:00:00Z".parse::<jiff::Timestamp>().expect("a timestamp");
    (evening + jiff::SignedDuration::from_micros(microseconds)).to_string()
}

fn at(microseconds: i64) -> Transaction {
    Transaction { timestamp: time(microseconds), ..harmless() }
}

fn reasons(transaction: Transaction) -> String {
    column_of(&[transaction], "reasons").remove(0)
}

#[test]
fn amounts_are_high_beyond_five_thousand() {
    let reasons_of = |amount| reasons(Transaction { amount, ..harmless() });
    assert_eq!(reasons_of(5_000.0), "[]");
    assert_eq!(reasons_of(5_000.01), "[high_amount]");
}

#[test]
fn night_is_from_23_00_to_4_59_59() {
    let reasons_at =
        |time: &str| reasons(Transaction { timestamp: format!("2026-01-06T{time}Z"), ..harmless() });
    for (time, expected) in
        [("04:59:59", "[late_night]"), ("05:00:00", "[]"), ("22:59:59", "[]"), ("23:00:00", "[late_night]")]
    {
        assert_eq!(reasons_at(time), expected, "{time}");
    }
}

#[test]
fn weekends_begin_and_end_at_midnight_utc() {
    let reasons_at = |timestamp: &str| reasons(Transaction { timestamp: timestamp.to_owned(), ..harmless() });
    assert_eq!(reasons_at("2026-01-09T22:59:59Z"), "[]", "Friday");
    assert_eq!(reasons_at("2026-01-09T23:59:59.999999Z"), "[late_night]", "Friday");
    assert_eq!(reasons_at("2026-01-10T00:00:00Z"), "[late_night, weekend]", "Saturday");
    assert_eq!(reasons_at("2026-01-11T22:59:59Z"), "[weekend]", "Sunday");
    assert_eq!(reasons_at("2026-01-12T00:00:00Z"), "[late_night]", "Monday");
    assert_eq!(reasons_at("1969-12-28T12:00:00Z"), "[weekend]", "a Sunday before 1970");
}

#[test]
fn the_sixth_within_half_an_hour_is_fast() {
    let transactions: Vec<Transaction> = (0..6).map(|number| at(number * 60 * SECOND)).collect();
    assert_eq!(column_of(&transactions, "velocity_count"), ["1", "2", "3", "4", "5", "6"]);
    let fast = column_of(&transactions, "is_high_velocity");
    assert_eq!(fast, ["false", "false", "false", "false", "false", "true"]);
    assert_eq!(column_of(&transactions, "reasons")[5], "[velocity]");
}

#[test]
fn exactly_half_an_hour_counts_and_a_microsecond_more_does_not() {
    assert_eq!(column_of(&[at(0), at(1_800 * SECOND)], "velocity_count"), ["1", "2"]);
    assert_eq!(column_of(&[at(0), at(1_800 * SECOND + 1)], "velocity_count"), ["1", "1"]);
    assert_eq!(column_of(&[at(0), at(0)], "velocity_count"), ["1", "2"], "the same microsecond");
}

#[test]
fn a_row_out_of_order_counts_what_was_before_it_in_time_and_known_when_it_came() {
    let transactions = [at(100 * SECOND), at(0), at(50 * SECOND), at(100 * SECOND)];
    assert_eq!(column_of(&transactions, "velocity_count"), ["1", "1", "2", "4"]);
}

#[test]
fn rows_are_forgotten_when_the_watermark_is_more_than_keep_beyond_them() {
    let hour = 3_600 * SECOND;
    // W before the last row is t - 30 s; a row at 0 is remembered as long as W - 1 h <= 0.
    let late = |latest: i64| [at(0), at(latest), at(0)];
    assert_eq!(column_of(&late(hour + 30 * SECOND), "velocity_count"), ["1", "1", "2"]);
    assert_eq!(column_of(&late(hour + 30 * SECOND + 1), "velocity_count"), ["1", "1", "1"]);
}

#[test]
fn users_and_partitions_are_counted_apart_and_refused_rows_and_copies_are_not_counted() {
    let other = Transaction { user_id: 43, ..at(0) };
    let negative = Transaction { amount: -1.0, ..at(0) };
    let mut sent = sent(&[at(0), other, negative, at(0)]);
    sent.push(Sent { offset: 4, ..sent[0].clone() });
    sent.push(Sent { partition: 1, offset: 0, ..sent[3].clone() });
    let rows = score_with(|_, _| {}, &sent).rows.expect("some are clean");
    assert_eq!(texts(&rows, "offset"), ["0", "1", "3", "0"]);
    assert_eq!(texts(&rows, "velocity_count"), ["1", "1", "2", "1"]);
}

#[test]
fn a_level_begins_at_its_least_score() {
    let scores = [0, 9, 10, 24, 25, 49, 50, 74, 75, 1_000];
    let change = |_: &mut ScorerConfig, rules: &mut RuleSet| {
        rules.rules = scores
            .iter()
            .filter(|score| **score > 0)
            .map(|score| ScoringRule {
                name: format!("gives_{score}"),
                when: format!("user_id = {score}"),
                points: *score,
            })
            .collect();
    };
    let transactions = scores.map(|score| Transaction { user_id: score as i32, ..harmless() });
    let rows = score_with(change, &sent(&transactions)).rows.expect("they are clean");
    assert_eq!(texts(&rows, "fraud_score"), scores.map(|score| score.to_string()));
    let levels =
        ["MINIMAL", "MINIMAL", "LOW", "LOW", "MEDIUM", "MEDIUM", "HIGH", "HIGH", "CRITICAL", "CRITICAL"];
    assert_eq!(texts(&rows, "risk_level"), levels);
    let review = levels.map(|level| (level == "HIGH" || level == "CRITICAL").to_string());
    assert_eq!(texts(&rows, "requires_review"), review);
}

#[test]
fn points_add_up_and_reasons_are_in_the_order_of_the_rules() {
    let worst = Transaction {
        amount: 9_000.0,
        payment_method: "crypto".to_owned(),
        location: "Lagos, Nigeria".to_owned(),
        timestamp: "2026-01-10T23:30:00Z".to_owned(),
        is_fraud: true,
        ..harmless()
    };
    let rows = score_with(|_, _| {}, &sent(&[worst])).rows.expect("it is clean");
    assert_eq!(
        texts(&rows, "reasons"),
        ["[known_fraud, high_amount, crypto_payment, high_risk_country, late_night, weekend]"]
    );
    assert_eq!(
        (texts(&rows, "fraud_score")[0].as_str(), texts(&rows, "risk_level")[0].as_str()),
        ("130", "CRITICAL")
    );
    assert_eq!(texts(&rows, "fraud_score_unlabelled"), ["80"]);
    assert_eq!(texts(&rows, "risk_level_unlabelled"), ["CRITICAL"]);
    assert_eq!(texts(&rows, "rule_set"), [fixture::rule_set().hash()]);
    for of_model in ["model_probability", "model_version", "model_variant"] {
        assert_eq!(texts(&rows, of_model), ["NULL"]);
    }
}

#[test]
fn what_reads_the_label_is_left_out_of_the_unlabelled_score_however_it_reads_it() {
    let rule =
        |name: &str, when: &str| ScoringRule { name: name.to_owned(), when: when.to_owned(), points: 1 };
    let change = |config: &mut ScorerConfig, rules: &mut RuleSet| {
        let silver = &mut config.pipeline.silver.columns;
        silver.push(column("another_name", Some("is_fraud")));
        silver.push(column("made_of_it", Some("CASE WHEN is_fraud THEN 1 ELSE 0 END")));
        silver.push(column("made_of_that", Some("made_of_it + 1")));
        silver.push(column("made_of_others", Some("amount + 1")));
        rules.rules = vec![
            rule("itself", "is_fraud"),
            rule("not_itself", "NOT is_fraud OR is_fraud"),
            rule("another", "another_name"),
            rule("made", "made_of_it = 1"),
            rule("made_twice", "made_of_that = 2 AND amount > 0"),
            rule("others", "made_of_others > 0"),
        ];
    };
    let scoring = scoring_with(change).expect("a valid configuration");
    let readers: Vec<&str> = scoring.rules.reading_label().collect();
    assert_eq!(readers, ["itself", "not_itself", "another", "made", "made_twice"]);
    let rows =
        score_with(change, &sent(&[Transaction { is_fraud: true, ..harmless() }])).rows.expect("clean");
    assert_eq!(texts(&rows, "fraud_score"), ["6"]);
    assert_eq!(texts(&rows, "fraud_score_unlabelled"), ["1"]);
}

#[test]
fn without_a_label_both_scores_are_one() {
    let change = |config: &mut ScorerConfig, _: &mut RuleSet| config.label = None;
    let rows =
        score_with(change, &sent(&[Transaction { is_fraud: true, ..harmless() }])).rows.expect("clean");
    assert_eq!(texts(&rows, "fraud_score"), texts(&rows, "fraud_score_unlabelled"));
}

#[test]
fn a_null_fires_no_rule_and_neither_does_a_failure_which_is_counted() {
    let rule =
        |name: &str, when: &str| ScoringRule { name: name.to_owned(), when: when.to_owned(), points: 1 };
    let change = |_: &mut ScorerConfig, rules: &mut RuleSet| {
        rules.rules = vec![
            rule("abroad", "country <> 'France'"),
            rule("at_home", "NOT (country <> 'France')"),
            rule("divides", "100 / (user_id - 42) > 0"),
            rule("always", "true"),
        ];
    };
    let nowhere = Transaction { location: "Paris".to_owned(), ..harmless() };
    let other = Transaction { user_id: 43, ..harmless() };
    let mut scoring = scoring_with(change).expect("a valid configuration");
    let scored = scoring.process(&fixture::batch(&sent(&[nowhere, other])), 0).expect("JSON");
    let rows = scored.rows.expect("they are clean");
    assert_eq!(texts(&rows, "reasons"), ["[always]", "[at_home, divides, always]"]);
    let counts = &scoring.progress()[&0].counts.scoring;
    let count = |counts: &std::collections::BTreeMap<String, u64>| {
        counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>()
    };
    assert_eq!(count(&counts.failed), ["divides 1"]);
    assert_eq!(count(&counts.rules), ["always 2", "at_home 1", "divides 1"]);
    assert_eq!(count(&counts.levels), ["MINIMAL 2"]);
}

#[test]
fn every_row_at_or_above_the_alert_level_is_an_alert_with_the_columns_of_the_table() {
    let fraud = Transaction { is_fraud: true, timestamp: time(123_456), ..harmless() };
    let scored = score_with(|_, _| {}, &sent(&[harmless(), fraud]));
    assert_eq!(scored.alerts.len(), 1);
    let alert = &scored.alerts[0];
    assert_eq!((alert.partition, alert.offset, alert.key.as_deref()), (0, 1, Some("42")));
    let body: Value = serde_json::from_slice(&alert.body).expect("an alert is JSON");
    assert_eq!(
        body,
        json!({
            "transaction_id": "t-1", "user_id": 42, "amount": 25.5, "merchant": "Books & Co",
            "payment_method": "credit_card", "location": "Paris, France", "country": "France",
            "device_id": "d-7", "timestamp_parsed": "2026-01-05T20:00:00.123456Z", "transaction_hour": 20,
            "is_weekend": false, "is_fraud": true, "fraud_score": 50, "fraud_score_unlabelled": 0,
            "risk_level": "HIGH", "risk_level_unlabelled": "MINIMAL", "requires_review": true,
            "is_high_velocity": false, "velocity_count": 2, "reasons": ["known_fraud"],
            "rule_set": fixture::rule_set().hash(), "model_probability": null, "model_version": null,
            "model_variant": null, "processing_time": "2026-01-05T20:00:00Z",
            "topic": "ecommerce.transactions", "partition": 0, "offset": 1,
            "transaction_date": "2026-01-05", "alert_id": "ecommerce.transactions/0/1"
        })
    );
}

#[test]
fn without_an_alert_level_there_are_no_alerts() {
    let change = |_: &mut ScorerConfig, rules: &mut RuleSet| rules.alert_at = None;
    let scored = score_with(change, &sent(&[Transaction { is_fraud: true, ..harmless() }]));
    assert!(scored.alerts.is_empty() && scored.rows.is_some());
}

#[test]
fn the_table_has_the_columns_of_the_specification_in_its_order() {
    let scoring = scoring_with(|_, _| {}).expect("a valid configuration");
    let table = scoring.table_schema();
    assert_eq!(table.name, "fraud/transactions");
    assert_eq!(table.partition_columns, ["transaction_date", "risk_level"]);
    let names: Vec<&str> = table.schema.fields().iter().map(|field| field.name().as_str()).collect();
    let expected = "transaction_id user_id amount merchant payment_method location country device_id \
        timestamp_parsed transaction_hour is_weekend is_fraud fraud_score fraud_score_unlabelled risk_level \
        risk_level_unlabelled requires_review is_high_velocity velocity_count reasons rule_set \
        model_probability model_version model_variant processing_time topic partition offset transaction_date";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn a_rule_set_takes_effect_with_the_next_row_and_keeps_the_counts() {
    let mut scoring = scoring_with(|_, _| {}).expect("a valid configuration");
    let batch = |offset: i64| fixture::batch(&[Sent { offset, ..sent(&[at(offset)]).remove(0) }]);
    scoring.process(&batch(0), 0).expect("JSON");
    scoring.close_epoch();
    let mut changed = fixture::rule_set();
    changed.velocity[0].more_than = 0;
    let rules = scoring.compiler().compile(&changed).expect("a valid rule set");
    scoring.use_rules(rules);
    assert_eq!(scoring.rule_set(), changed.hash());
    let again = Sent { offset: 1, ..sent(&[at(1), at(1)]).remove(1) };
    let rows = scoring.process(&fixture::batch(&[again]), 0).expect("JSON").rows.expect("it is clean");
    assert_eq!(texts(&rows, "velocity_count"), ["2"]);
    assert_eq!(texts(&rows, "reasons"), ["[velocity]"]);
    assert_eq!(texts(&rows, "rule_set"), [changed.hash()]);
}

#[test]
fn scoring_and_ingest_agree_on_what_becomes_of_every_message() {
    let negative = Transaction { amount: -1.0, ..harmless() };
    let mut sent = sent(&[harmless(), negative, at(5)]);
    sent.push(Sent { offset: 3, value: None, ..sent[0].clone() });
    sent.push(Sent { offset: 4, ..sent[0].clone() });
    let mut ingest = Ingest::new(&fixture::configuration(), &fixture::schema(), [3; 16]).expect("valid");
    ingest.process(&fixture::batch(&sent), 0).expect("JSON");
    let mut scoring = scoring_with(|_, _| {}).expect("a valid configuration");
    scoring.process(&fixture::batch(&sent), 0).expect("JSON");
    let mut scored = scoring.progress();
    for progress in scored.values_mut() {
        progress.counts.scoring = sluice_contract::manifest::ScoringCounts::default();
    }
    assert_eq!(scored, ingest.progress());
}

/// The problems of the example with a change, as text.
fn problems(change: impl FnOnce(&mut ScorerConfig, &mut RuleSet)) -> Vec<String> {
    scoring_with(change).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

fn count(name: &str, key: &str) -> VelocityCount {
    VelocityCount { name: name.to_owned(), key: key.to_owned(), window_ms: 1_000, keep_ms: 2_000 }
}

#[test]
fn a_bad_rule_is_named_with_the_problem_and_the_fix() {
    let problem = |when: &str| {
        let mut found = problems(|_, rules| rules.rules[3].when = when.to_owned());
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    };
    assert_eq!(
        problem("amout > 5000"),
        "rules[3].when: silver has no column `amout`: write `amount` (names are case-sensitive)"
    );
    assert_eq!(
        problem("amount"),
        "rules[3].when: a rule is true or false; this one is of type Float64: write a comparison, such as amount > 0"
    );
    assert!(problem("amount >").starts_with("rules[3].when: it does not parse"));
    assert!(problem("count(*) > 5").contains("is an aggregate"));
    assert!(problem("now() > timestamp_parsed").contains("depends on the clock"));
    assert!(problem("timestamp > '2026'").contains("silver has no column `timestamp`"));
    assert!(problem("payment_method = \"crypto\"").contains("text is written in single quotes"));
    assert!(problem("NULL").contains("of type Null"));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let found = problems(|config, rules| {
        config.label = Some("fraud".to_owned());
        config.velocity.push(count("merchants", "merchant"));
        config.table.columns[2] = "amout".to_owned();
        config.table.partition_by.push("amount".to_owned());
        rules.rules[0].when = "CASE".to_owned();
        rules.levels.retain(|level| level.min_score > 0);
        rules.review_at = Some("SEVERE".to_owned());
    });
    let fields: Vec<&str> =
        found.iter().map(|problem| problem.split(": ").next().unwrap_or_default()).collect();
    assert_eq!(
        fields,
        [
            "label.column",
            "velocity[1].key",
            "table.columns[2]",
            "table.partitionBy[2]",
            "rules[0].when",
            "levels",
            "reviewAt",
        ]
    );
}

#[test]
fn a_count_must_be_by_the_key_of_the_topic() {
    let found = problems(|config, _| config.velocity = vec![count("velocity", "merchant")]);
    assert_eq!(
        found,
        [
            "velocity[0].key: `merchant` is not the topic's key, `user_id`: its rows are on many partitions, and each \
          counts its own: count by `user_id`, or key the topic by `merchant` and say so in source.kafka.keyColumn of \
          the pipeline"
        ]
    );
    let found = problems(|config, _| config.pipeline.source.kafka.key_column = None);
    assert_eq!(
        found,
        [
            "velocity[0].key: the pipeline does not say what its topic is keyed by: key the topic by `user_id` and set \
          source.kafka.keyColumn of the pipeline to it"
        ]
    );
    let renamed = problems(|config, _| {
        config.pipeline.silver.columns.push(column("customer", Some("user_id")));
        config.velocity[0].key = "customer".to_owned();
    });
    assert_eq!(renamed, [""; 0], "another name for the key");
}

#[test]
fn a_count_must_be_kept_for_its_window() {
    let found = problems(|config, _| config.velocity[0].keep_ms = 1_799_999);
    assert!(found[0].starts_with("velocity[0].keep: it is 1799999 ms, less than the window"), "{found:?}");
}

#[test]
fn the_tables_columns_must_be_silvers_and_not_its_own() {
    let found = problems(|config, _| {
        config.table.columns = ["amount", "Offset", "amount", "velocity_count"].map(str::to_owned).to_vec();
    });
    assert_eq!(
        found,
        [
            "table.columns[1]: the table has a column `Offset` of its own: leave it out, or give the silver column another name",
            "table.columns[2]: `amount` is listed twice: list it once",
            "table.columns[3]: the table has a column `velocity_count` of its own: leave it out, or give the silver column another name",
        ]
    );
}

#[test]
fn the_label_must_be_true_or_false() {
    let found = problems(|config, _| config.label = Some("amount".to_owned()));
    assert!(found[0].starts_with("label.column: `amount` is of type Float64"), "{found:?}");
}

#[test]
fn names_of_rules_and_levels_must_be_their_own() {
    let found = problems(|_, rules| {
        rules.rules[1].name = "velocity".to_owned();
        rules.levels.push(Level { name: "WORST".to_owned(), min_score: 75 });
        rules.alert_at = Some("SEVERE".to_owned());
        rules.velocity.push(VelocityRule { name: "burst".to_owned(), more_than: 1, points: 1 });
    });
    assert_eq!(
        found,
        [
            "velocity[1].name: this worker does not count `burst`: wait until it runs the scorer's new configuration, or correct the name",
            "velocity[0].name: `velocity` is the name of another rule: give each a name of its own",
            "levels[5]: another level has its name or its minScore: give each level both of its own",
            "alerts.alertAt: there is no level `SEVERE`: the levels are `CRITICAL`, `HIGH`, `MEDIUM`, `LOW`, `MINIMAL`, `WORST`",
        ]
    );
}

#[test]
fn problems_of_the_pipeline_are_told_as_its_own() {
    let found = problems(|config, _| config.pipeline.silver.columns[1].name = String::new());
    assert!(found.iter().all(|problem| problem.starts_with("pipeline.silver.")), "{found:?}");
}
