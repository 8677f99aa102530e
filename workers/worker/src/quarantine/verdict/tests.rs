use super::*;

const MINUTE: i64 = 60_000_000;

/// A row of the query: partition, offset, sent at, offset and time of a silver row with the key, the key.
type Row = (i64, i64, Option<i64>, Option<i64>, Option<i64>, &'static str);

fn copies_of(rows: &[Row]) -> Vec<Position> {
    let integers =
        |of: fn(&Row) -> Option<i64>| Arc::new(rows.iter().map(of).collect::<Int64Array>()) as ArrayRef;
    let columns = [
        ("p", integers(|row| Some(row.0))),
        ("o", integers(|row| Some(row.1))),
        ("t", integers(|row| row.2)),
        ("fo", integers(|row| row.3)),
        ("ft", integers(|row| row.4)),
        ("k0", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.5))) as ArrayRef),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("the columns are equally long");
    let mut copies: Vec<Position> =
        copies(&[batch], 10 * MINUTE).expect("the columns have their types").into_iter().collect();
    copies.sort_unstable();
    copies
}

#[test]
fn a_row_with_its_key_in_silver_is_a_copy_within_the_window_on_both_sides() {
    let at = |minutes: i64| Some(minutes * MINUTE);
    let copies = copies_of(&[
        (0, 1, at(100), Some(9), at(110), "near, after"),
        (0, 2, at(100), Some(9), at(90), "near, before"),
        (0, 3, at(100), Some(9), at(111), "far"),
        (0, 4, at(100), None, None, "alone"),
        (0, 5, at(100), Some(8), at(0), "one of two"),
        (0, 5, at(100), Some(9), at(101), "one of two"),
    ]);
    assert_eq!(copies, [(0, 1), (0, 2), (0, 5)]);
}

#[test]
fn without_both_timestamps_a_key_in_silver_is_enough() {
    assert_eq!(
        copies_of(&[(0, 1, None, Some(9), Some(5), "a"), (0, 2, Some(5), Some(9), None, "b")]).len(),
        2
    );
}

#[test]
fn of_candidates_with_one_key_the_first_is_accepted_and_copies_do_not_refresh_it() {
    let at = |minutes: i64| Some(minutes * MINUTE);
    let copies = copies_of(&[
        (0, 1, at(0), None, None, "a"),
        (0, 2, at(9), None, None, "a"),
        (0, 3, at(18), None, None, "a"),
        (1, 1, at(0), None, None, "a"),
    ]);
    assert_eq!(
        copies,
        [(0, 2)],
        "the third is beyond the window of the first, the fourth on another partition"
    );
}

fn message(offset: i64, stage: &str) -> RefusedMessage {
    RefusedMessage {
        topic: "t".to_owned(),
        partition: 0,
        offset,
        kafka_timestamp: None,
        kafka_key: None,
        value: None,
        stage: stage.to_owned(),
        reason: "First".to_owned(),
        detail: String::new(),
        processing_time: String::new(),
    }
}

fn rows(offsets: &[i64]) -> RecordBatch {
    let partitions = Arc::new(Int32Array::from_value(0, offsets.len())) as ArrayRef;
    let offsets = Arc::new(Int64Array::from(offsets.to_vec())) as ArrayRef;
    RecordBatch::try_from_iter([("partition", partitions), ("offset", offsets)]).expect("equally long")
}

fn refused(offset: i64, stage: &str) -> RecordBatch {
    let text = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let rows = rows(&[offset]);
    let columns = [
        ("partition", Arc::clone(rows.column(0))),
        ("offset", Arc::clone(rows.column(1))),
        ("stage", text(stage)),
        ("reason", text("Now")),
    ];
    RecordBatch::try_from_iter(columns).expect("equally long")
}

#[test]
fn every_message_becomes_what_the_table_above_says() {
    let messages = vec![
        message(1, "decode"), // still does not decode
        message(2, "decode"), // decodes, refused by silver
        message(3, "decode"), // a silver row
        message(4, "silver"), // still refused
        message(5, "silver"), // a silver row
        message(6, "silver"), // a copy
    ];
    let both = concat_batches(&refused(1, "decode").schema(), [&refused(1, "decode"), &refused(2, "silver")]);
    let decode = Processed {
        bronze: Some(rows(&[2, 3])),
        silver: Some(rows(&[3])),
        quarantine: Some(both.expect("one schema")),
    };
    let silver = Processed {
        bronze: Some(rows(&[4, 5, 6])),
        silver: Some(rows(&[5, 6])),
        quarantine: Some(refused(4, "silver")),
    };
    let looked = Looked::new(messages, decode, silver).expect("the columns are there");
    let (candidates, bronze) = looked.candidates().expect("one schema").expect("there are some");
    assert_eq!((candidates.num_rows(), bronze.num_rows()), (3, 5));

    let verdict = looked.decide(&HashSet::from([(0, 6)]), 0).expect("the columns are there");
    let offsets = |table: &str| -> Vec<i64> {
        let rows = verdict.rows.get(table).map(|rows| positions(rows).expect("they have positions"));
        rows.into_iter().flatten().map(|(_, offset)| offset).collect()
    };
    assert_eq!(offsets("bronze"), [2, 3], "the others have their bronze rows");
    assert_eq!(offsets("silver"), [3, 5]);
    assert_eq!(offsets("quarantine"), [2], "only at a new stage");
    assert_eq!(offsets("replayed"), [2, 3, 5, 6]);
    let still = |stage: &str| ((stage.to_owned(), "Now".to_owned()), 1);
    let expected = Tally {
        silver: 2,
        duplicates: 1,
        refused_by_silver: 1,
        still_refused: BTreeMap::from([still("decode"), still("silver")]),
    };
    assert_eq!(verdict.tally, expected);
}

#[test]
fn a_page_of_which_nothing_passes_adds_nothing() {
    let nothing = Processed { bronze: None, silver: None, quarantine: None };
    let decode = Processed { bronze: None, silver: None, quarantine: Some(refused(1, "decode")) };
    let looked = Looked::new(vec![message(1, "decode")], decode, nothing).expect("the columns are there");
    assert!(looked.candidates().expect("nothing to put together").is_none());
    assert!(looked.decide(&HashSet::new(), 0).expect("the columns are there").rows.is_empty());
}
