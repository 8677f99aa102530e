//! Bad configurations: each is refused with the field, the problem and the fix.

use sluice_contract::config::{Deduplicate, Requirement, WorkerConfig};
use sluice_decode::RowSchema;

use super::Plan;
use crate::fixture::{self, column};

/// The problems of the example with a change, as text.
fn problems(change: impl FnOnce(&mut WorkerConfig)) -> Vec<String> {
    problems_with_schema(fixture::schema_text(), change)
}

fn problems_with_schema(schema: &str, change: impl FnOnce(&mut WorkerConfig)) -> Vec<String> {
    let mut configuration = fixture::configuration();
    change(&mut configuration);
    let schema = RowSchema::parse(schema).expect("the schema parses");
    let problems = Plan::compile(&configuration, &schema).err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect()
}

/// The one problem of a column with that expression.
fn expression_problem(expr: &str) -> String {
    let mut problems =
        problems(|configuration| configuration.silver.columns.push(column("extra", Some(expr))));
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

#[test]
fn the_example_compiles() {
    assert_eq!(problems(|_| {}), [""; 0]);
}

#[test]
fn all_problems_are_told_at_once() {
    let found = problems(|configuration| {
        configuration.source.kafka.key_column = Some("user".to_owned());
        configuration.source.event_time.time_zone = "Mars/Olympus".to_owned();
        configuration.silver.require[2].expr = "amout > 0".to_owned();
        configuration.silver.columns[3].expr = Some("CASE WHEN".to_owned());
        configuration.silver.deduplicate = Some(Deduplicate { by: vec!["id".to_owned()], within_ms: 1 });
        configuration.silver.partition_by = vec!["date".to_owned()];
    });
    let fields: Vec<&str> =
        found.iter().map(|problem| problem.split(": ").next().unwrap_or_default()).collect();
    assert_eq!(
        fields,
        [
            "source.kafka.keyColumn",
            "source.eventTime.timeZone",
            "silver.require[2].expr",
            "silver.columns[3].expr",
            "silver.deduplicate.by[0]",
            "silver.partitionBy[0]",
        ]
    );
}

#[test]
fn an_expression_that_does_not_parse_is_named() {
    let problem = expression_problem("amount >");
    assert!(
        problem.starts_with("silver.columns[23].expr: it does not parse: Expected: an expression"),
        "{problem}"
    );
    assert!(expression_problem("amount > 0 AS positive").contains("it gives itself the name"));
    assert!(expression_problem("amount, merchant").contains("it does not parse"));
    assert!(expression_problem("").contains("it does not parse"));
}

#[test]
fn an_unknown_column_comes_with_the_near_ones() {
    assert_eq!(
        expression_problem("amout * 2"),
        "silver.columns[23].expr: there is no column `amout` (an expression sees the columns before it): \
         write `amount` (names are case-sensitive)"
    );
    assert!(expression_problem("Amount * 2").ends_with("write `amount` (names are case-sensitive)"));
    assert!(expression_problem("warehouse").contains(
        "the columns are `transaction_id`, `user_id`, `amount`, `merchant`, `timestamp`, `is_fraud`"
    ));
}

#[test]
fn text_in_double_quotes_is_explained() {
    let problem = expression_problem("payment_method = \"crypto\"");
    assert!(problem.contains("text is written in single quotes: 'crypto'"), "{problem}");
}

#[test]
fn an_expression_does_not_see_the_columns_behind_it() {
    let found =
        problems(|configuration| configuration.silver.columns[0] = column("early", Some("is_high_value")));
    assert!(found[0].starts_with("silver.columns[0].expr: there is no column `is_high_value`"), "{found:?}");
}

#[test]
fn a_broken_column_is_told_once_and_not_where_it_is_used() {
    let found = problems(|configuration| {
        configuration.silver.columns.push(column("first", Some("nonsense")));
        configuration.silver.columns.push(column("second", Some("first + 1")));
        configuration.silver.columns.push(column("third", Some("second + 1")));
        configuration.silver.partition_by.push("third".to_owned());
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("silver.columns[23].expr: there is no column `nonsense`"), "{found:?}");
}

#[test]
fn an_unknown_function_comes_with_a_near_one() {
    let problem = expression_problem("uper(merchant)");
    assert!(
        problem.starts_with("silver.columns[23].expr: there is no function `uper`: did you mean `upper`?"),
        "{problem}"
    );
}

#[test]
fn expressions_of_more_than_their_own_row_are_refused() {
    assert!(
        expression_problem("sum(amount)")
            .contains("`sum` is an aggregate: it needs many rows: aggregates belong into `gold`")
    );
    assert!(expression_problem("count(*)").contains("`count` is an aggregate"));
    assert!(expression_problem("row_number() OVER ()").contains("`row_number` is a window function"));
    assert!(expression_problem("(SELECT 1)").contains("it contains a subquery"));
    assert!(expression_problem("amount IN (SELECT 1.0)").contains("it contains a subquery"));
}

#[test]
fn clocks_and_random_numbers_are_refused() {
    assert!(expression_problem("now()").contains(
        "`now` depends on the clock: a restart would give other rows: use the column `processing_time`"
    ));
    assert!(expression_problem("current_date()").contains("depends on the clock"));
    assert!(expression_problem("CURRENT_TIMESTAMP").contains("depends on the clock"));
    assert!(expression_problem("CASE WHEN amount > 0 THEN random() END").contains("another value each time"));
    assert!(expression_problem("uuid()").contains("another value each time"));
}

#[test]
fn types_that_a_table_cannot_hold_are_refused_with_the_cast() {
    let found = expression_problem("NULL");
    assert!(found.contains("of type Null") && found.contains("CAST(NULL AS VARCHAR)"), "{found}");
    let found = expression_problem("CAST(user_id AS BIGINT UNSIGNED)");
    assert!(found.contains("of type UInt64") && found.ends_with("CAST it to BIGINT"), "{found}");
    let found = expression_problem("CAST(event_time AS TIME)");
    assert!(found.contains("Time64") && found.ends_with("CAST it to VARCHAR"), "{found}");
    let found = expression_problem("event_time - kafka_timestamp");
    assert!(found.contains("Duration"), "{found}");
}

#[test]
fn a_rule_must_be_boolean_and_have_a_reason_of_its_own() {
    let found = problems(|configuration| {
        configuration.silver.require = vec![
            Requirement { reason: "Numeric".to_owned(), expr: "amount + 1".to_owned() },
            Requirement { reason: String::new(), expr: "amount > 1".to_owned() },
            Requirement { reason: "FutureTimestamp".to_owned(), expr: "amount > 1".to_owned() },
        ];
    });
    assert_eq!(
        found,
        [
            "silver.require[0].expr: a rule is true or false; this one is of type Float64: write a comparison, such as amount > 0",
            "silver.require[1].reason: it is empty: name the reason in CamelCase",
            "silver.require[2].reason: `FutureTimestamp` is a reason that Sluice itself gives: choose another name",
        ]
    );
}

#[test]
fn rules_do_not_see_silver_columns() {
    let found = problems(|configuration| configuration.silver.require[0].expr = "is_high_value".to_owned());
    assert!(found[0].starts_with("silver.require[0].expr: there is no column `is_high_value`"), "{found:?}");
}

#[test]
fn a_column_that_is_not_there_cannot_be_passed_through() {
    let found = problems(|configuration| configuration.silver.columns.push(column("merchnt", None)));
    assert_eq!(
        found,
        ["silver.columns[23].name: there is no column `merchnt` to pass through: \
          write `merchant` (names are case-sensitive), or give it an expr"]
    );
}

#[test]
fn names_must_be_unique_and_legal() {
    let found = problems(|configuration| {
        configuration.silver.columns.push(column("Merchant", Some("upper(merchant)")));
        configuration.silver.columns.push(column("unit price", Some("amount")));
        configuration.silver.columns.push(column("", Some("amount")));
    });
    assert_eq!(
        found,
        [
            "silver.columns[23].name: `Merchant` and an earlier column `merchant` have the same name (case aside): rename or remove one of them",
            "silver.columns[24].name: `unit price` contains ' ', which a Delta table cannot have in a name: use letters, digits and underscores",
            "silver.columns[25].name: it is empty: name the column",
        ]
    );
}

#[test]
fn silver_keeps_its_key() {
    let without = |name: &str| {
        problems(|configuration| configuration.silver.columns.retain(|column| column.name != name))
    };
    for name in ["topic", "partition", "offset"] {
        assert_eq!(
            without(name),
            [format!(
                "silver.columns: `{name}` is missing or changed; (topic, partition, offset) is the key of silver: \
                 add {{name: {name}}} without an expr"
            )]
        );
    }
    let changed = problems(|configuration| {
        let offset = configuration.silver.columns.iter_mut().find(|column| column.name == "offset");
        offset.expect("it is there").expr = Some("\"offset\" + 1".to_owned());
    });
    assert!(changed[0].contains("`offset` is missing or changed"), "{changed:?}");
    let same = problems(|configuration| {
        let offset = configuration.silver.columns.iter_mut().find(|column| column.name == "offset");
        offset.expect("it is there").expr = Some("offset".to_owned());
    });
    assert_eq!(same, [""; 0]);
}

#[test]
fn no_columns_are_no_silver() {
    let found = problems(|configuration| configuration.silver.columns.clear());
    assert_eq!(found[0], "silver.columns: there are no columns: list the columns of silver, in order");
}

#[test]
fn partition_columns_must_exist_and_have_a_fitting_type() {
    let found = problems(|configuration| {
        configuration.silver.partition_by =
            ["transaction_date", "amount", "timestamp_parsed", "transaction_date", "timestamp"]
                .map(str::to_owned)
                .to_vec();
    });
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found[0].starts_with("silver.partitionBy[1]: `amount` is of type Float64"), "{found:?}");
    assert!(
        found[1].starts_with("silver.partitionBy[2]: `timestamp_parsed` is of type Timestamp"),
        "{found:?}"
    );
    assert_eq!(found[2], "silver.partitionBy[3]: `transaction_date` is listed twice: list it once");
    assert!(found[3].starts_with("silver.partitionBy[4]: silver has no column `timestamp`"), "{found:?}");
}

#[test]
fn a_table_needs_a_column_beside_its_partition_columns() {
    let found = problems(|configuration| {
        configuration.silver.columns =
            ["topic", "partition", "offset"].map(|name| column(name, None)).to_vec();
        configuration.silver.partition_by = ["topic", "partition", "offset"].map(str::to_owned).to_vec();
    });
    assert_eq!(found, ["silver.partitionBy: it names every column: leave at least one column for the files"]);
}

#[test]
fn deduplication_needs_columns_that_identify() {
    let found = problems(|configuration| {
        configuration.silver.columns.push(column("parts", Some("string_to_array(location, ', ')")));
        let by = ["transactionid", "parts"].map(str::to_owned).to_vec();
        configuration.silver.deduplicate = Some(Deduplicate { by, within_ms: 1 });
    });
    assert_eq!(
        found[0],
        "silver.deduplicate.by[0]: there is no column `transactionid`: write `transaction_id` (names are case-sensitive)"
    );
    assert!(
        found[1].contains("`parts` is of type List") && found[1].contains("cannot identify a row"),
        "{found:?}"
    );
    let found = problems(|configuration| {
        configuration.silver.deduplicate = Some(Deduplicate { by: Vec::new(), within_ms: 1 });
    });
    assert_eq!(found, ["silver.deduplicate.by: it is empty: name the columns that identify a row"]);
}

#[test]
fn the_event_time_must_be_text_a_date_or_a_timestamp() {
    let found = problems(|configuration| configuration.source.event_time.column = "amount".to_owned());
    assert_eq!(
        found,
        ["source.eventTime.column: `amount` is of type Float64, which is no event time: \
          declare it as string, date, timestamp-millis or timestamp-micros"]
    );
    let found = problems(|configuration| configuration.source.event_time.column = "timestmp".to_owned());
    assert_eq!(
        found,
        [
            "source.eventTime.column: the schema has no field `timestmp`: write `timestamp` (names are case-sensitive)"
        ]
    );
}

#[test]
fn the_key_column_must_be_text_or_a_whole_number() {
    let found = problems(|configuration| configuration.source.kafka.key_column = Some("amount".to_owned()));
    assert!(found[0].starts_with("source.kafka.keyColumn: `amount` is of type Float64"), "{found:?}");
}

#[test]
fn fields_may_not_take_the_names_of_built_in_columns() {
    let schema = r#"{"type": "record", "name": "R", "fields": [
        {"name": "Topic", "type": "string"},
        {"name": "event_time", "type": "string"},
        {"name": "value", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}}]}"#;
    let change = |keep_value: bool| {
        move |configuration: &mut WorkerConfig| {
            configuration.bronze.keep_value = keep_value;
            configuration.source.kafka.key_column = None;
            configuration.source.event_time.column = "at".to_owned();
            configuration.silver.require.clear();
            configuration.silver.deduplicate = None;
            configuration.silver.partition_by.clear();
            configuration.silver.columns =
                ["topic", "partition", "offset"].map(|name| column(name, None)).to_vec();
        }
    };
    let topic =
        "source.schema: field `Topic`: the name is taken by the built-in column `topic`: rename the field";
    let event_time = "source.schema: field `event_time`: the name is taken by the built-in column `event_time`: rename the field";
    let value = "source.schema: field `value`: the name is taken by the built-in column `value`: \
                 set bronze.keepValue to false, or rename the field";
    assert_eq!(problems_with_schema(schema, change(true)), [topic, event_time, value]);
    assert_eq!(problems_with_schema(schema, change(false)), [topic, event_time]);
}
