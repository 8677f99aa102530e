//! The boundaries of the example: what each row becomes in silver, or why it is refused.

use sluice_contract::config::{Deduplicate, Format, Requirement, WorkerConfig};
use sluice_contract::manifest::Counts;

use crate::fixture::{self, Sent, Transaction, column, texts};
use crate::{Ingest, Processed};

const EVENING_MS: i64 = 1_767_643_200_000; // 2026-01-05T20:00:00Z
const HOUR_MS: i64 = 3_600_000;

fn ingest(configuration: &WorkerConfig) -> Ingest {
    Ingest::new(configuration, &fixture::schema(), [7; 16]).expect("the configuration is valid")
}

/// Each transaction alone on partition 0, with ids of their own unless they set one.
fn sent(transactions: &[Transaction]) -> Vec<Sent> {
    let own_id = |(index, transaction): (usize, &Transaction)| {
        let id = format!("t-{index}");
        Sent::json(0, index as i64, &Transaction { id, ..transaction.clone() })
    };
    transactions.iter().enumerate().map(own_id).collect()
}

fn process(configuration: &WorkerConfig, sent: &[Sent]) -> (Processed, Counts) {
    let mut ingest = ingest(configuration);
    let processed = ingest.process(&fixture::batch(sent), EVENING_MS * 1000).expect("JSON needs no schema");
    let counts = ingest.progress().remove(&0).expect("partition 0 has messages").counts;
    (processed, counts)
}

/// The values of a silver column for the given transactions, all of which must be accepted.
fn silver(transactions: &[Transaction], column: &str) -> Vec<String> {
    let (processed, counts) = process(&fixture::configuration(), &sent(transactions));
    assert_eq!(counts.silver, transactions.len() as u64, "{:?}", counts.refused);
    texts(&processed.silver.expect("there are silver rows"), column)
}

/// Reason and detail of each refused message.
fn refusals(configuration: &WorkerConfig, sent: &[Sent]) -> Vec<(String, String)> {
    let (processed, _) = process(configuration, sent);
    let Some(quarantine) = processed.quarantine else { return Vec::new() };
    std::iter::zip(texts(&quarantine, "reason"), texts(&quarantine, "detail")).collect()
}

fn reasons(sent: &[Sent]) -> Vec<String> {
    refusals(&fixture::configuration(), sent).into_iter().map(|(reason, _)| reason).collect()
}

fn amounts(amounts: &[f64]) -> Vec<Transaction> {
    amounts.iter().map(|&amount| Transaction { amount, ..Transaction::default() }).collect()
}

fn times(times: &[&str]) -> Vec<Transaction> {
    let at = |time: &&str| Transaction { timestamp: (*time).to_owned(), ..Transaction::default() };
    times.iter().map(at).collect()
}

fn locations(locations: &[&str]) -> Vec<Transaction> {
    let at = |location: &&str| Transaction { location: (*location).to_owned(), ..Transaction::default() };
    locations.iter().map(at).collect()
}

#[test]
fn amount_categories_begin_at_their_lower_bound() {
    let rows = amounts(&[0.01, 9.99, 10.0, 99.99, 100.0, 999.99, 1000.0, 9999.99, 10000.0]);
    let expected = ["micro", "micro", "small", "small", "medium", "medium", "large", "large", "enterprise"];
    assert_eq!(silver(&rows, "amount_category"), expected);
}

#[test]
fn a_high_value_is_more_than_a_thousand() {
    let rows = amounts(&[999.99, 1000.0, 1000.01, 5000.0, 5000.01]);
    assert_eq!(silver(&rows, "is_high_value"), ["false", "false", "true", "true", "true"]);
}

#[test]
fn hours_are_those_of_utc() {
    let rows = times(&[
        "2026-01-05T04:59:59Z",
        "2026-01-05T05:00:00Z",
        "2026-01-05T22:59:59.999999Z",
        "2026-01-05T23:00:00Z",
        "2026-01-05T23:30:00-02:00",
    ]);
    assert_eq!(silver(&rows, "transaction_hour"), ["4", "5", "22", "23", "1"]);
}

#[test]
fn the_weekend_is_saturday_and_sunday() {
    let rows = times(&[
        "2026-01-09T23:59:59.999999Z", // Friday
        "2026-01-10T00:00:00Z",        // Saturday
        "2026-01-11T00:00:00Z",        // Sunday
        "2026-01-11T23:59:59.999999Z", // Sunday
        "2026-01-12T00:00:00Z",        // Monday
    ]);
    assert_eq!(silver(&rows, "transaction_day_of_week"), ["6", "7", "1", "1", "2"]);
    assert_eq!(silver(&rows, "is_weekend"), ["false", "true", "true", "true", "false"]);
    assert_eq!(
        silver(&rows, "transaction_date"),
        ["2026-01-09", "2026-01-10", "2026-01-11", "2026-01-11", "2026-01-12"]
    );
}

#[test]
fn times_before_1970_have_the_date_and_hour_that_they_say() {
    let rows = times(&["1969-12-31T23:59:59.999999Z", "1960-02-29 03:00", "0001-01-01"]);
    assert_eq!(silver(&rows, "transaction_date"), ["1969-12-31", "1960-02-29", "0001-01-01"]);
    assert_eq!(silver(&rows, "transaction_hour"), ["23", "3", "0"]);
    assert_eq!(silver(&rows, "transaction_day_of_week"), ["4", "2", "2"]);
}

#[test]
fn a_location_is_split_at_every_comma_and_space() {
    let rows = locations(&[
        "Paris, France",
        "Paris",
        "Paris,France",
        "Washington, DC, USA",
        "Paris, ",
        "",
        " Paris , France ",
        ", France",
        "Zürich, Schweiz",
    ]);
    assert_eq!(
        silver(&rows, "city"),
        ["Paris", "Paris", "Paris,France", "Washington", "Paris", "", " Paris ", "", "Zürich"]
    );
    assert_eq!(
        silver(&rows, "country"),
        ["France", "NULL", "NULL", "DC", "", "NULL", "France ", "France", "Schweiz"]
    );
}

#[test]
fn silver_has_the_columns_of_the_example_in_order() {
    let (processed, _) = process(&fixture::configuration(), &sent(&[Transaction::default()]));
    let rows = processed.silver.expect("the transaction is clean");
    let columns: Vec<String> = rows
        .schema()
        .fields()
        .iter()
        .map(|field| format!("{}: {}", field.name(), field.data_type()))
        .collect();
    let expected = [
        "transaction_id: Utf8",
        "user_id: Int32",
        "amount: Float64",
        "amount_category: Utf8",
        "is_high_value: Boolean",
        "merchant: Utf8",
        "payment_method: Utf8",
        "location: Utf8",
        "city: Utf8",
        "country: Utf8",
        "device_id: Utf8",
        "is_fraud: Boolean",
        "timestamp_parsed: Timestamp(µs, \"UTC\")",
        "transaction_date: Date32",
        "transaction_hour: Int32",
        "transaction_day_of_week: Int32",
        "is_weekend: Boolean",
        "processing_time: Timestamp(µs, \"UTC\")",
        "processing_date: Date32",
        "topic: Utf8",
        "partition: Int32",
        "offset: Int64",
        "kafka_timestamp: Timestamp(µs, \"UTC\")",
    ];
    assert_eq!(columns, expected);
}

#[test]
fn bronze_has_the_key_the_fields_and_the_place_in_kafka() {
    let message = Sent::json(3, 17, &Transaction::default()).at(EVENING_MS + 5);
    let mut ingest = ingest(&fixture::configuration());
    let processed = ingest.process(&fixture::batch(&[message]), EVENING_MS * 1000 + 1).expect("JSON");
    let rows = processed.bronze.expect("the message decodes");
    let columns: Vec<String> = rows
        .schema()
        .fields()
        .iter()
        .map(|field| format!("{}={}", field.name(), texts(&rows, field.name())[0]))
        .collect();
    let expected = [
        "kafka_key=42",
        "transaction_id=t-1",
        "user_id=42",
        "amount=25.5",
        "merchant=Books & Co",
        "timestamp=2026-01-05T20:00:00Z",
        "is_fraud=false",
        "payment_method=credit_card",
        "location=Paris, France",
        "device_id=d-7",
        "topic=ecommerce.transactions",
        "partition=3",
        "offset=17",
        "kafka_timestamp=2026-01-05T20:00:00.005Z",
        "processing_time=2026-01-05T20:00:00.000001Z",
        "processing_date=2026-01-05",
    ];
    assert_eq!(columns, expected);
    assert_eq!(rows.schema(), ingest.table_schemas().bronze.schema);
    assert_eq!(ingest.table_schemas().bronze.partition_columns, ["processing_date"]);
}

#[test]
fn bronze_keeps_the_original_bytes_when_told_to() {
    let mut configuration = fixture::configuration();
    configuration.bronze.keep_value = true;
    let message = Sent::json(0, 0, &Transaction::default());
    let (processed, _) = process(&configuration, std::slice::from_ref(&message));
    let rows = processed.bronze.expect("the message decodes");
    let value =
        rows.column_by_name("value").expect("kept").as_any().downcast_ref::<arrow::array::BinaryArray>();
    assert_eq!(value.expect("binary").value(0), message.value.expect("it has a value"));
}

#[test]
fn a_key_that_is_not_utf8_is_replaced_and_a_null_key_stays_null() {
    let transaction = Transaction::default();
    let keys = [Some(b"4\xff2".to_vec()), None, Some(b"42".to_vec())];
    let sent: Vec<Sent> = keys
        .into_iter()
        .enumerate()
        .map(|(offset, key)| Sent { key, ..Sent::json(0, offset as i64, &transaction) })
        .collect();
    let (processed, counts) = process(&fixture::configuration(), &sent);
    assert_eq!(texts(&processed.bronze.expect("rows"), "kafka_key"), ["4\u{fffd}2", "NULL", "42"]);
    assert_eq!(counts.key_mismatches, 2);
}

#[test]
fn a_key_is_compared_as_text() {
    let transaction = Transaction { user_id: -7, ..Transaction::default() };
    let mut sent: Vec<Sent> = ["-7", "-07", " -7", "7"]
        .iter()
        .enumerate()
        .map(|(offset, key)| Sent {
            key: Some(key.as_bytes().to_vec()),
            ..Sent::json(0, offset as i64, &transaction)
        })
        .collect();
    let (_, counts) = process(&fixture::configuration(), &sent);
    assert_eq!(counts.key_mismatches, 3);

    let mut by_merchant = fixture::configuration();
    by_merchant.source.kafka.key_column = Some("merchant".to_owned());
    sent[0].key = Some(b"Books & Co".to_vec());
    let (_, counts) = process(&by_merchant, &sent);
    assert_eq!(counts.key_mismatches, 3);

    // The key's bytes are not UTF-8; their replacement happens to be the merchant's name.
    sent[0].key = Some(b"\xff".to_vec());
    sent[0].value = Some(Transaction { merchant: "\u{fffd}".to_owned(), ..transaction.clone() }.json());
    sent[1].key = Some("\u{fffd}".as_bytes().to_vec());
    sent[1].value = sent[0].value.clone();
    let (_, counts) = process(&by_merchant, &sent);
    assert_eq!(counts.key_mismatches, 3);

    let mut unchecked = fixture::configuration();
    unchecked.source.kafka.key_column = None;
    let (_, counts) = process(&unchecked, &sent);
    assert_eq!(counts.key_mismatches, 0);
}

#[test]
fn the_first_rule_that_is_not_true_gives_the_reason() {
    let bad = |id: &str, amount: f64, timestamp: &str| Transaction {
        id: id.to_owned(),
        amount,
        timestamp: timestamp.to_owned(),
        ..Transaction::default()
    };
    let rows = [
        bad("", -5.0, "never"),
        bad("a", -5.0, "never"),
        bad("b", 0.0, "2026-01-05"),
        bad("c", 5.0, "never"),
        bad("d", 5.0, "2026-01-05"),
    ];
    let sent: Vec<Sent> =
        rows.iter().enumerate().map(|(offset, row)| Sent::json(0, offset as i64, row)).collect();
    let (processed, counts) = process(&fixture::configuration(), &sent);
    let quarantine = processed.quarantine.expect("four rows are refused");
    assert_eq!(
        texts(&quarantine, "reason"),
        ["MissingId", "NonPositiveAmount", "NonPositiveAmount", "BadTimestamp"]
    );
    assert_eq!(texts(&quarantine, "stage"), ["silver"; 4]);
    assert_eq!(texts(&quarantine, "offset"), ["0", "1", "2", "3"]);
    assert_eq!(texts(&quarantine, "detail")[1], "not TRUE: amount > 0 with amount = -5.0");
    assert_eq!(texts(&quarantine, "detail")[3], "not TRUE: event_time IS NOT NULL with event_time = NULL");
    assert_eq!(texts(&processed.silver.expect("the last is clean"), "offset"), ["4"]);
    assert_eq!(texts(&processed.bronze.expect("all decode"), "offset"), ["0", "1", "2", "3", "4"]);
    assert_eq!((counts.messages, counts.bronze, counts.silver, counts.refused_at("silver")), (5, 5, 1, 4));
}

#[test]
fn an_amount_that_is_no_number_or_infinite_is_refused() {
    let mut configuration = fixture::configuration();
    configuration.source.format = Format::Avro;
    let mut ingest = ingest(&configuration);
    ingest.decoder().add_writer_schema(9, fixture::schema_text());
    let amounts = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MAX, f64::MIN_POSITIVE];
    let sent: Vec<Sent> = amounts
        .iter()
        .enumerate()
        .map(|(offset, &amount)| {
            let transaction = Transaction { id: format!("t-{offset}"), amount, ..Transaction::default() };
            Sent { value: Some(transaction.avro(9)), ..Sent::json(0, offset as i64, &transaction) }
        })
        .collect();
    let processed = ingest.process(&fixture::batch(&sent), 0).expect("the schema is added");
    assert_eq!(
        texts(&processed.quarantine.expect("four are refused"), "reason"),
        ["NonFiniteAmount", "NonFiniteAmount", "NonFiniteAmount", "NonPositiveAmount"]
    );
    assert_eq!(texts(&processed.silver.expect("two are clean"), "offset"), ["4", "5"]);
}

#[test]
fn an_unresolved_schema_changes_nothing() {
    let mut configuration = fixture::configuration();
    configuration.source.format = Format::Avro;
    let mut ingest = ingest(&configuration);
    let transaction = Transaction::default();
    let sent = [Sent { value: Some(transaction.avro(9)), ..Sent::json(0, 5, &transaction) }];
    let error = ingest.process(&fixture::batch(&sent), 0).expect_err("nobody told schema 9");
    assert_eq!((error.id, error.message), (9, 0));
    assert!(ingest.progress().is_empty());
    assert_eq!(ingest.open_epoch().messages, 0);
    ingest.decoder().add_writer_schema(9, fixture::schema_text());
    let processed = ingest.process(&fixture::batch(&sent), 0).expect("schema 9 is known now");
    assert!(processed.silver.is_some());
}

#[test]
fn a_message_that_does_not_decode_is_kept_with_its_bytes() {
    let sent = [
        Sent { value: None, ..Sent::json(0, 0, &Transaction::default()) },
        Sent { value: Some(b"{\"a\": ".to_vec()), ..Sent::json(0, 1, &Transaction::default()) },
        Sent::json(0, 2, &Transaction { amount: -1.0, ..Transaction::default() }),
        Sent { value: Some(b"{}".to_vec()), ..Sent::json(0, 3, &Transaction::default()) },
    ];
    let (processed, counts) = process(&fixture::configuration(), &sent);
    let quarantine = processed.quarantine.expect("all are refused");
    assert_eq!(
        texts(&quarantine, "reason"),
        ["EmptyValue", "MalformedJson", "NonPositiveAmount", "MissingField"]
    );
    assert_eq!(texts(&quarantine, "stage"), ["decode", "decode", "silver", "decode"]);
    let values = quarantine.column_by_name("value").expect("a column");
    let values = values.as_any().downcast_ref::<arrow::array::BinaryArray>().expect("binary");
    assert_eq!(
        values.iter().collect::<Vec<_>>(),
        sent.iter().map(|sent| sent.value.as_deref()).collect::<Vec<_>>()
    );
    assert_eq!((counts.messages, counts.bronze, counts.refused_at("decode")), (4, 1, 3));
    assert_eq!(processed.silver, None);
}

#[test]
fn a_row_is_refused_when_it_is_more_than_an_hour_ahead_of_its_kafka_timestamp() {
    let row = Transaction { timestamp: "2026-01-05T20:00:00Z".to_owned(), ..Transaction::default() };
    let ahead = |milliseconds| vec![Sent::json(0, 0, &row).at(EVENING_MS - milliseconds)];
    assert_eq!(reasons(&ahead(59 * 60_000)), [""; 0]);
    assert_eq!(reasons(&ahead(HOUR_MS)), [""; 0]);
    assert_eq!(reasons(&ahead(61 * 60_000)), ["FutureTimestamp"]);
    let next = Transaction { timestamp: "2026-01-05T20:00:00.000001Z".to_owned(), ..row.clone() };
    let sent = [Sent::json(0, 0, &next).at(EVENING_MS - HOUR_MS)];
    assert_eq!(
        refusals(&fixture::configuration(), &sent),
        [(
            "FutureTimestamp".to_owned(),
            "event time 2026-01-05T20:00:00.000001Z is more than 3600 s after the Kafka timestamp 2026-01-05T19:00:00Z"
                .to_owned()
        )]
    );
}

#[test]
fn the_future_check_needs_a_kafka_timestamp_and_can_be_switched_off() {
    let row = Transaction { timestamp: "2999-01-05T20:00:00Z".to_owned(), ..Transaction::default() };
    assert_eq!(reasons(&[Sent::json(0, 0, &row)]), [""; 0]);
    let mut off = fixture::configuration();
    off.source.event_time.refuse_future_beyond_ms = None;
    assert_eq!(refusals(&off, &[Sent::json(0, 0, &row).at(EVENING_MS)]), []);
}

#[test]
fn the_rules_come_before_the_future_check() {
    let row =
        Transaction { timestamp: "2999-01-05T20:00:00Z".to_owned(), amount: -1.0, ..Transaction::default() };
    assert_eq!(reasons(&[Sent::json(0, 0, &row).at(EVENING_MS)]), ["NonPositiveAmount"]);
}

#[test]
fn only_the_rows_on_which_a_column_fails_are_refused() {
    let mut configuration = fixture::configuration();
    configuration.silver.columns.push(column("share", Some("100 / (user_id - 7)")));
    let rows: Vec<Transaction> =
        (0..20).map(|user_id| Transaction { user_id, ..Transaction::default() }).collect();
    let (processed, counts) = process(&configuration, &sent(&rows));
    let silver = processed.silver.expect("nineteen rows work");
    assert_eq!(silver.num_rows(), 19);
    assert_eq!(texts(&silver, "share")[6..8], ["-100", "100"]);
    let quarantine = processed.quarantine.expect("one row fails");
    assert_eq!(texts(&quarantine, "offset"), ["7"]);
    assert_eq!(texts(&quarantine, "reason"), ["ExpressionFailed"]);
    assert_eq!(texts(&quarantine, "detail"), ["column `share`: 100 / (user_id - 7): Divide by zero error"]);
    assert_eq!((counts.bronze, counts.silver, counts.refused_at("silver")), (20, 19, 1));
}

#[test]
fn a_rule_that_fails_refuses_its_row_and_a_refused_row_cannot_fail() {
    let mut configuration = fixture::configuration();
    let rule = |reason: &str, expr: &str| Requirement { reason: reason.to_owned(), expr: expr.to_owned() };
    configuration.silver.require.push(rule("ZeroUser", "user_id <> 0"));
    configuration.silver.require.push(rule("Share", "100 / user_id > 3 AND 100 / (user_id - 5) <> 100"));
    let rows: Vec<Transaction> =
        (0..8).map(|user_id| Transaction { user_id, ..Transaction::default() }).collect();
    let found = refusals(&configuration, &sent(&rows));
    let reasons: Vec<&str> = found.iter().map(|(reason, _)| reason.as_str()).collect();
    assert_eq!(reasons, ["ZeroUser", "ExpressionFailed", "Share"]);
    assert!(found[1].1.starts_with("rule `Share`: 100 / user_id > 3"), "{}", found[1].1);
}

#[test]
fn an_overflow_of_whole_numbers_refuses_its_row() {
    let mut configuration = fixture::configuration();
    configuration.silver.columns.push(column("next", Some("user_id + CAST(1 AS INT)")));
    let rows = [
        Transaction { user_id: i32::MAX, ..Transaction::default() },
        Transaction { user_id: i32::MAX - 1, ..Transaction::default() },
    ];
    let (processed, _) = process(&configuration, &sent(&rows));
    assert_eq!(texts(&processed.silver.expect("one works"), "next"), [i32::MAX.to_string()]);
    assert_eq!(texts(&processed.quarantine.expect("one fails"), "reason"), ["ExpressionFailed"]);
}

#[test]
fn a_value_is_shortened_in_the_detail() {
    let mut configuration = fixture::configuration();
    configuration.silver.require =
        vec![Requirement { reason: "ShortName".to_owned(), expr: "length(merchant) < 5".to_owned() }];
    let row = Transaction { merchant: "ä".repeat(500), ..Transaction::default() };
    let found = refusals(&configuration, &sent(&[row]));
    assert_eq!(found[0].1, format!("not TRUE: length(merchant) < 5 with merchant = '{}…", "ä".repeat(63)));
}

#[test]
fn an_input_column_wins_over_an_earlier_silver_column_of_its_name() {
    let mut configuration = fixture::configuration();
    configuration.silver.columns[2] = column("amount", Some("amount * 2"));
    let (processed, _) = process(&configuration, &sent(&amounts(&[9.0])));
    let rows = processed.silver.expect("the row is clean");
    assert_eq!(texts(&rows, "amount"), ["18.0"]);
    assert_eq!(texts(&rows, "amount_category"), ["micro"]);
}

#[test]
fn a_column_that_only_renames_is_seen_by_those_behind_it() {
    let mut configuration = fixture::configuration();
    configuration.silver.columns.extend([
        column("price", Some("amount")),
        column("cost", Some("price")),
        column("sum", Some("price * 100 + cost * 10 + amount")),
    ]);
    configuration.silver.deduplicate = Some(Deduplicate { by: vec!["cost".to_owned()], within_ms: 1000 });
    let (processed, _) = process(&configuration, &sent(&amounts(&[3.0, 4.0, 3.0])));
    let rows = processed.silver.expect("the rows are clean");
    assert_eq!(texts(&rows, "cost"), ["3.0", "4.0"], "by what it renames");
    assert_eq!(texts(&rows, "sum"), ["333.0", "444.0"]);
}

#[test]
fn messages_that_were_processed_before_are_skipped() {
    let mut ingest = ingest(&fixture::configuration());
    let rows = amounts(&[1.0, 2.0, 3.0, 4.0]);
    let sent = sent(&rows);
    ingest.process(&fixture::batch(&sent[..2]), 0).expect("JSON");
    let processed = ingest.process(&fixture::batch(&sent), 0).expect("JSON");
    assert_eq!(texts(&processed.bronze.expect("two are new"), "offset"), ["2", "3"]);
    let again = ingest.process(&fixture::batch(&sent), 0).expect("JSON");
    assert_eq!(again, Processed { bronze: None, silver: None, quarantine: None });
    let progress = ingest.progress();
    assert_eq!((progress[&0].next_offset, progress[&0].counts.messages), (4, 4));
}

#[test]
fn columns_that_tell_of_the_processing_are_told_apart_however_they_are_made() {
    let mut configuration = fixture::configuration();
    configuration.silver.columns.extend([
        column("processed_on", Some("CAST(processing_date AS VARCHAR)")),
        column("processed_on_text", Some("upper(processed_on)")),
        column("price", Some("amount")),
    ]);
    let ingest = ingest(&configuration);
    let columns: Vec<String> = ingest.processing_columns().into_iter().collect();
    assert_eq!(columns, ["processed_on", "processed_on_text", "processing_date", "processing_time"]);
    assert_eq!(ingest.event_time_column(), Some("timestamp_parsed"));
}
