//! Gold tables: what the example's look like, and bad ones, each refused with the field and the fix.

use arrow::datatypes::DataType;
use sluice_contract::config::{GoldTable, WorkerConfig};

use super::MergedColumn;
use crate::fixture::{self, column};
use crate::plan::Plan;
use crate::tables::timestamp_type;

fn compile(change: impl FnOnce(&mut WorkerConfig)) -> Result<Plan, Vec<String>> {
    let mut configuration = fixture::configuration_with_gold();
    change(&mut configuration);
    let compiled = Plan::compile(&configuration, &fixture::schema());
    compiled.map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// The problems of the example with a change, as text.
fn problems(change: impl FnOnce(&mut WorkerConfig)) -> Vec<String> {
    compile(change).err().unwrap_or_default()
}

/// The one problem of the example's merchant table (`gold[1]`, of 13 measures) with another measure.
fn measure_problem(expr: &str) -> String {
    let mut problems =
        problems(|configuration| configuration.gold[1].measures.push(column("extra", Some(expr))));
    assert_eq!(problems.len(), 1, "{expr}: {problems:?}");
    problems.remove(0)
}

/// The type of a measure of the merchant table.
fn measure_type(expr: &str) -> DataType {
    let compiled = compile(|configuration| configuration.gold[1].measures.push(column("extra", Some(expr))));
    let plan = compiled.unwrap_or_else(|problems| panic!("{expr}: {problems:?}"));
    let schema = &plan.gold.tables[1].table.schema;
    schema.field_with_name("extra").expect("the table has the measure").data_type().clone()
}

#[test]
fn the_example_has_five_tables_with_the_columns_of_the_specification() {
    let plan = compile(|_| {}).expect("the example compiles");
    let names: Vec<&str> = plan.gold.tables.iter().map(|table| table.table.name.as_str()).collect();
    assert_eq!(
        names,
        ["gold/transactions", "gold/merchant", "gold/user", "gold/country", "gold/hourly_summary"]
    );
    let columns: Vec<Vec<(&str, &DataType)>> = plan
        .gold
        .tables
        .iter()
        .map(|table| {
            let fields = table.table.schema.fields().iter();
            fields.map(|field| (field.name().as_str(), field.data_type())).collect()
        })
        .collect();
    let (text, long, double) = (DataType::Utf8, DataType::Int64, DataType::Float64);
    assert_eq!(
        columns[0],
        [
            ("window_start", &timestamp_type()),
            ("window_end", &timestamp_type()),
            ("merchant", &text),
            ("payment_method", &text),
            ("country", &text),
            ("transaction_count", &long),
            ("total_amount", &double),
            ("avg_amount", &double),
            ("max_amount", &double),
            ("min_amount", &double),
            ("fraud_count", &long),
            ("high_value_count", &long),
            ("unique_users", &long),
            ("unique_devices", &long),
            ("fraud_rate", &double),
            ("window_date", &DataType::Date32),
            ("revision", &DataType::Int32),
            ("is_final", &DataType::Boolean),
            ("updated_at", &timestamp_type()),
        ]
    );
    let doubles = |table: usize| -> Vec<&str> {
        let columns = columns[table].iter();
        columns.filter(|(_, data_type)| **data_type == double).map(|(name, _)| *name).collect()
    };
    assert_eq!(
        doubles(1),
        [
            "total_revenue",
            "avg_transaction_value",
            "max_transaction",
            "min_transaction",
            "amount_stddev",
            "fraud_rate",
            "high_value_rate",
            "avg_devices_per_user",
        ]
    );
    let user = ["total_spent", "avg_amount_per_transaction", "largest_transaction", "weekend_ratio"];
    assert_eq!(doubles(2), user);
    let suspicious = columns[2].iter().find(|(name, _)| *name == "is_suspicious");
    assert_eq!(suspicious, Some(&("is_suspicious", &DataType::Boolean)));
    assert_eq!(columns[2][2], ("user_id", &DataType::Int32));
    assert_eq!(columns[4].len(), 2 + 19 + 4);
    assert!(plan.gold.tables.iter().all(|table| table.table.partition_columns == ["window_date"]));
}

#[test]
fn what_measures_and_tables_share_is_computed_once() {
    let plan = compile(|configuration| {
        configuration.gold[0].measures.push(column("again", Some("count(*) + sum(amount)")));
        configuration.gold[0].measures.push(column("twice", Some("count(DISTINCT user_id) * 2")));
    });
    let plan = plan.expect("the tables compile").gold;
    // count, sum, avg, max, min and the two counts with conditions.
    assert_eq!((plan.tables[0].aggregates.len(), plan.tables[0].distinct_counts.len()), (7, 2));
    // merchant, payment_method, country, user_id, device_id, city.
    assert_eq!(plan.numbered.len(), 6);
    // These, amount, the constant of count(*), and is_fraud, is_high_value, is_weekend, enterprise, six methods.
    assert_eq!(plan.inputs.len(), 6 + 2 + 4 + 6);
}

#[test]
fn a_derived_measure_is_an_expression_over_the_merged_row() {
    let plan = compile(|_| {}).expect("the example compiles");
    let table = &plan.gold.tables[0];
    let last = *table.measures.last().expect("the table has measures");
    let MergedColumn::Measure(fraud_rate) = &table.columns[last - table.keys.len()] else {
        panic!("{:?}", table.columns)
    };
    let inputs: Vec<&str> = fraud_rate.inputs().map(|(name, _)| name).collect();
    assert_eq!(inputs, ["transaction_count", "fraud_count"]);
}

#[test]
fn aggregates_of_many_kinds_are_usable() {
    assert_eq!(measure_type("approx_distinct(user_id)"), DataType::Int64);
    assert_eq!(measure_type("var_pop(amount)"), DataType::Float64);
    assert_eq!(measure_type("bool_or(is_fraud)"), DataType::Boolean);
    assert_eq!(measure_type("min(country)"), DataType::Utf8);
    assert_eq!(measure_type("max(timestamp_parsed)"), timestamp_type());
    assert_eq!(measure_type("sum(user_id)"), DataType::Int64);
    assert_eq!(measure_type("sum(CAST(amount AS DECIMAL(10, 2)))"), DataType::Decimal128(20, 2));
    assert_eq!(measure_type("median(amount)"), DataType::Float64);
    assert_eq!(measure_type("count(country)"), DataType::Int64);
    assert_eq!(measure_type("count(DISTINCT upper(country)) FILTER (WHERE amount > 5)"), DataType::Int64);
    assert_eq!(
        measure_type("CASE WHEN payment_method = 'crypto' THEN sum(amount) ELSE 0 END"),
        DataType::Float64
    );
    assert_eq!(measure_type("total_transactions > 3 AND NOT bool_or(is_fraud)"), DataType::Boolean);
}

#[test]
fn all_problems_are_told_at_once() {
    let found = problems(|configuration| {
        configuration.silver.require[2].expr = "amout > 0".to_owned();
        configuration.gold[0].measures[1].expr = Some("sum(".to_owned());
        configuration.gold[2].slide_ms = 7 * 60_000;
        configuration.gold[2].measures[4].expr = Some("count(DISTINCT methods)".to_owned());
        configuration.gold[3].group_by[1] = "town".to_owned();
    });
    let fields: Vec<&str> =
        found.iter().map(|problem| problem.split(": ").next().unwrap_or_default()).collect();
    assert_eq!(
        fields,
        [
            "silver.require[2].expr",
            "gold[0].measures[1].expr",
            "gold[2].window.slide",
            "gold[2].measures[4].expr",
            "gold[3].groupBy[1]",
        ]
    );
}

#[test]
fn a_measure_that_does_not_parse_is_named() {
    let problem = measure_problem("sum(amount");
    assert!(problem.starts_with("gold[1].measures[13].expr: it does not parse: "), "{problem}");
    assert!(measure_problem("sum(amount) AS total").contains("it gives itself the name `total`"));
    assert!(measure_problem("").contains("it does not parse"));
    let found = problems(|configuration| configuration.gold[1].measures[0].expr = None);
    assert_eq!(found, ["gold[1].measures[0].expr: it is missing: write an aggregate, such as count(*)"]);
}

#[test]
fn an_unknown_column_comes_with_the_near_ones() {
    assert_eq!(
        measure_problem("sum(amout)"),
        "gold[1].measures[13].expr: there is no column `amout` (an expression sees the columns before it): \
         write `amount` (names are case-sensitive)"
    );
    assert!(
        measure_problem("100.0 * fraud_cont").ends_with("write `fraud_count` (names are case-sensitive)")
    );
    assert!(
        measure_problem("count(*) FILTER (WHERE payment_method = \"crypto\")")
            .contains("single quotes: 'crypto'")
    );
    assert!(
        measure_problem("sum(event_time)").contains("there is no column `event_time`"),
        "silver is all there is"
    );
}

#[test]
fn a_measure_does_not_see_those_behind_it() {
    let found = problems(|configuration| {
        configuration.gold[0].measures.insert(0, column("early", Some("fraud_count + 1")));
    });
    assert!(found[0].starts_with("gold[0].measures[0].expr: there is no column `fraud_count`"), "{found:?}");
}

#[test]
fn a_broken_measure_is_told_once_and_not_where_it_is_used() {
    let found = problems(|configuration| {
        configuration.gold[0].measures[0].expr = Some("count(nothing)".to_owned());
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("gold[0].measures[0].expr: there is no column `nothing`"), "{found:?}");
}

#[test]
fn wrong_types_are_refused() {
    let found = measure_problem("sum(merchant)");
    assert!(found.starts_with("gold[1].measures[13].expr: ") && found.contains("sum"), "{found}");
    let found = measure_problem("count(*) FILTER (WHERE amount)");
    assert!(found.contains("the condition of FILTER is of type Float64: write a comparison"), "{found}");
    let found = measure_problem("count(DISTINCT string_to_array(country, ' '))");
    assert!(found.contains("cannot be told apart by count(DISTINCT ...): CAST them"), "{found}");
    let found = measure_problem("CAST(count(*) AS BIGINT UNSIGNED)");
    assert!(found.contains("of type UInt64") && found.ends_with("CAST it to BIGINT"), "{found}");
}

#[test]
fn an_aggregate_within_an_aggregate_is_refused() {
    assert_eq!(
        measure_problem("sum(count(*))"),
        "gold[1].measures[13].expr: `sum` is an aggregate over an aggregate: aggregate columns of silver; make a \
         measure of the inner aggregate and write an expression over it"
    );
    let found = measure_problem("max(fraud_count)");
    assert!(
        found.contains("`max` aggregates the measure `fraud_count`: aggregate columns of silver"),
        "{found}"
    );
    let found = measure_problem("count(*) FILTER (WHERE fraud_count > 1)");
    assert!(found.contains("`count` aggregates the measure `fraud_count`"), "{found}");
}

#[test]
fn a_measure_needs_an_aggregate_or_a_measure() {
    for expr in ["1", "merchant", "upper(merchant)"] {
        assert_eq!(
            measure_problem(expr),
            "gold[1].measures[13].expr: it has no aggregate and names no measure before it: write an aggregate, such \
             as count(*), or an expression over earlier measures"
        );
    }
    assert_eq!(
        measure_problem("amount"),
        "gold[1].measures[13].expr: `amount` has many values in a group: aggregate it, as in max(amount), or add it to groupBy"
    );
    assert!(measure_problem("fraud_count + amount").contains("`amount` has many values in a group"));
}

#[test]
fn aggregates_that_depend_on_the_order_of_rows_are_refused() {
    for expr in [
        "first_value(amount)",
        "last_value(amount)",
        "nth_value(amount, 2)",
        "array_agg(merchant)",
        "string_agg(country, ',')",
        "any_value(country)",
        "array_agg(merchant ORDER BY amount)",
    ] {
        let found = measure_problem(expr);
        assert!(found.contains("depends on the order of the rows"), "{expr}: {found}");
        assert!(found.contains("use count, sum"), "{expr}: {found}");
    }
}

#[test]
fn aggregates_whose_partial_results_do_not_merge_are_refused() {
    let found = measure_problem("approx_median(amount)");
    assert!(found.contains("the partial results of `approx_median` do not merge: use count, sum"), "{found}");
    let found = measure_problem("sum(DISTINCT amount)");
    assert!(found.contains("DISTINCT is there for count, not for `sum`"), "{found}");
    let found = measure_problem("count(DISTINCT user_id, country)");
    assert!(found.contains("count(DISTINCT ...) has 2 expressions: give it one"), "{found}");
}

#[test]
fn clocks_other_rows_and_unknown_functions_are_refused() {
    assert!(
        measure_problem("count(*) FILTER (WHERE timestamp_parsed < now())").contains("depends on the clock")
    );
    assert!(measure_problem("sum(random())").contains("another value each time"));
    assert!(measure_problem("row_number() OVER ()").contains("is a window function"));
    assert!(measure_problem("(SELECT 1)").contains("it contains a subquery"));
    assert!(measure_problem("cont(*)").contains("there is no function `cont`: did you mean `co"));
}

#[test]
fn group_keys_must_be_columns_of_silver_that_group() {
    let found = problems(|configuration| {
        configuration.silver.columns.push(column("parts", Some("string_to_array(location, ', ')")));
        configuration.gold[0].group_by =
            ["merchnt", "parts", "country", "country"].map(str::to_owned).to_vec();
    });
    assert_eq!(
        found,
        [
            "gold[0].groupBy[0]: silver has no column `merchnt`: write `merchant` (names are case-sensitive)",
            "gold[0].groupBy[1]: `parts` is of type List(Utf8), by which rows are not grouped: name columns of text, bytes, \
             numbers, dates or timestamps",
            "gold[0].groupBy[3]: `country` is listed twice: list it once",
        ]
    );
}

#[test]
fn the_slide_must_divide_the_size() {
    let slide = |size_ms, slide_ms| {
        problems(|configuration| {
            configuration.gold[1].size_ms = size_ms;
            configuration.gold[1].slide_ms = slide_ms;
        })
    };
    assert_eq!(
        slide(900_000, 420_000),
        [
            "gold[1].window.slide: 420000 ms does not divide the window, 900000 ms: choose a slide that divides the size, such as 5m for 15m"
        ]
    );
    assert!(slide(1_000, 2_000)[0].contains("rows between windows would be lost"));
    assert!(slide(1_000, 0)[0].starts_with("gold[1].window.slide: it is zero"));
    assert!(slide(0, 0)[0].starts_with("gold[1].window.size: it is zero"));
    assert!(slide(1_001_000, 1_000)[0].contains("a row would belong to 1001 windows, more than 1000"));
    assert_eq!(slide(1_000_000, 1_000), [""; 0]);
}

#[test]
fn names_must_not_collide() {
    let found = problems(|configuration| {
        let measures = &mut configuration.gold[0].measures;
        for name in
            ["window_start", "window_end", "window_date", "revision", "Is_Final", "updated_at", "merchant"]
        {
            measures.push(column(name, Some("count(*)")));
        }
        measures.push(column("Fraud_Count", Some("count(*)")));
        measures.push(column("a b", Some("count(*)")));
        measures.push(column("", Some("count(*)")));
    });
    let of = |index: usize, text: &str| format!("gold[0].measures[{}].name: {text}", 10 + index);
    let collides = |name: &str, other: &str| {
        format!(
            "`{name}` and an earlier column `{other}` have the same name (case aside): rename or remove one of them"
        )
    };
    assert_eq!(
        found,
        [
            of(0, &collides("window_start", "window_start")),
            of(1, &collides("window_end", "window_end")),
            of(2, &collides("window_date", "window_date")),
            of(3, &collides("revision", "revision")),
            of(4, &collides("Is_Final", "is_final")),
            of(5, &collides("updated_at", "updated_at")),
            of(6, &collides("merchant", "merchant")),
            of(7, &collides("Fraud_Count", "fraud_count")),
            of(
                8,
                "`a b` contains ' ', which a Delta table cannot have in a name: use letters, digits and underscores"
            ),
            of(9, "it is empty: name the column"),
        ]
    );
    let found = problems(|configuration| {
        configuration.silver.columns.push(column("revision", Some("user_id")));
        configuration.gold[0].group_by.push("revision".to_owned());
    });
    assert_eq!(
        found,
        [
            "gold[0].groupBy[3]: `revision` is a column that every gold table has: give the column of silver another name"
        ]
    );
}

#[test]
fn a_measure_may_have_the_name_of_a_column_that_is_no_key() {
    let plan = compile(|configuration| {
        configuration.gold[0].measures = vec![
            column("amount", Some("count(*)")),
            column("next", Some("amount + 1")),
            column("mean", Some("avg(amount)")),
        ];
    });
    let plan = plan.expect("outside of aggregates the measure is meant, within them the column");
    let schema = &plan.gold.tables[0].table.schema;
    let data_type = |name: &str| schema.field_with_name(name).ok().map(|field| field.data_type().clone());
    assert_eq!(data_type("next"), Some(DataType::Int64));
    assert_eq!(data_type("mean"), Some(DataType::Float64));
}

#[test]
fn tables_need_names_of_their_own_and_measures() {
    let renamed = |name: &str| problems(|configuration| name.clone_into(&mut configuration.gold[1].name));
    assert_eq!(
        renamed("Transactions"),
        [
            "gold[1].name: `Transactions` and an earlier table `transactions` have the same name (case aside): rename or remove one of them"
        ]
    );
    assert_eq!(renamed(""), ["gold[1].name: it is empty: name the table"]);
    assert_eq!(
        renamed("a/b"),
        [
            "gold[1].name: `a/b` contains '/', which the folder of a table cannot have: use letters, digits, underscores and hyphens"
        ]
    );
    let found = problems(|configuration| configuration.gold[4].measures.clear());
    assert!(found[0].starts_with("gold[4].measures: there are no measures: list the measures"), "{found:?}");
}

#[test]
fn no_tables_are_no_plan() {
    let plan = compile(|configuration| configuration.gold = Vec::<GoldTable>::new()).expect("it compiles");
    assert!(plan.gold.tables.is_empty() && plan.gold.inputs.is_empty());
}
