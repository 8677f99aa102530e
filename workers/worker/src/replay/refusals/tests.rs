use std::collections::BTreeMap;

use arrow::array::{BinaryArray, Int32Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use super::*;

/// Offset, stage, reason, bytes.
type Refused = (i64, &'static str, &'static str, Option<&'static str>);

fn spec() -> TableSpec {
    let field = |name: &str, data_type| Field::new(name, data_type, true);
    let schema = Schema::new(vec![
        field("partition", DataType::Int32),
        field("offset", DataType::Int64),
        field("value", DataType::Binary),
        field("stage", DataType::Utf8),
        field("reason", DataType::Utf8),
        field("detail", DataType::Utf8),
    ]);
    TableSpec {
        name: "quarantine".to_owned(),
        schema: Arc::new(schema),
        partition_by: Vec::new(),
        description: None,
        properties: BTreeMap::new(),
    }
}

fn batch(rows: &[Refused]) -> Option<RecordBatch> {
    let text = |of: fn(&Refused) -> &'static str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(of)))
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![0; rows.len()])),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))),
        Arc::new(rows.iter().map(|row| row.3.map(str::as_bytes)).collect::<BinaryArray>()),
        text(|row| row.1),
        text(|row| row.2),
        text(|row| row.2),
    ];
    let rows = RecordBatch::try_new(spec().schema, columns).unwrap();
    (rows.num_rows() > 0).then_some(rows)
}

fn decide(old: &[Refused], noted: &[i64], new: &[Refused]) -> Refusals {
    let notes: Vec<Refused> = noted.iter().map(|offset| (*offset, "silver", "", None)).collect();
    refusals(&spec(), batch(old).as_ref(), batch(&notes).as_ref(), batch(new).as_ref()).unwrap()
}

/// The rows of the table after what was decided, and the notes.
fn after(old: &[Refused], noted: &[i64], new: &[Refused]) -> (Vec<Refused>, Vec<i64>) {
    let decided = decide(old, noted, new);
    let goes = |row: &&Refused| STAGES.contains(&row.1) && decided.dropped.contains(0, row.0);
    assert_eq!(old.iter().filter(goes).count() as u64, decided.dropped_rows);
    let mut rows: Vec<Refused> = old.iter().filter(|row| !goes(row)).copied().collect();
    if let Some(written) = &decided.written {
        let texts = |column: &str| texts(written, column).unwrap();
        let (stages, reasons) = (texts("stage"), texts("reason"));
        let values = written.column(2).as_binary::<i32>();
        let known = |text: &str| -> &'static str {
            let all = old.iter().chain(new).flat_map(|row| [row.1, row.2].into_iter().chain(row.3));
            all.into_iter().find(|known| *known == text).expect("a text of one of the rows")
        };
        for (row, (_, offset)) in positions(written).unwrap().into_iter().enumerate() {
            let value = values.is_valid(row).then(|| known(std::str::from_utf8(values.value(row)).unwrap()));
            rows.push((offset, known(&stages[row]), known(&reasons[row]), value));
        }
    }
    rows.sort_unstable();
    let notes: Vec<i64> =
        noted.iter().filter(|offset| !decided.forgotten.contains(0, **offset)).copied().collect();
    assert_eq!((noted.len() - notes.len()) as u64, decided.forgotten_rows);
    (rows, notes)
}

#[test]
fn what_is_refused_as_before_stays_as_it_is() {
    let old = [
        (1, "silver", "Small", Some("a")),
        (2, "late", "LateRow", Some("b")),
        (3, "decode", "Bad", Some("c")),
    ];
    let new = [(1, "silver", "Small", None), (2, "late", "LateRow", None)];
    assert_eq!(decide(&old, &[], &new), Refusals::default());
}

#[test]
fn rows_come_go_and_change_by_the_configuration() {
    let old = [
        (1, "silver", "Small", Some("a")),
        (2, "silver", "Small", Some("b")),
        (3, "late", "LateRow", Some("c")),
    ];
    let new = [(2, "silver", "Large", None), (4, "silver", "Small", None)];
    let expected = vec![(2, "silver", "Large", Some("b")), (4, "silver", "Small", None)];
    assert_eq!(after(&old, &[], &new), (expected, vec![]));
    let decided = decide(&old, &[], &new);
    assert_eq!(decided.tally, Tally { changed: 1, added: 1, removed: 2 });
    assert_eq!(decided.lateness_changed, [(0, 3)]);
}

#[test]
fn a_row_that_is_late_for_other_windows_changes() {
    let (old, new) = ([(3, "late", "one", Some("c"))], [(3, "late", "two", None)]);
    assert_eq!(after(&old, &[], &new).0, [(3, "late", "two", Some("c"))]);
    assert_eq!(decide(&old, &[], &new).lateness_changed, [(0, 3)]);
}

#[test]
fn a_row_that_was_taken_up_stays_beside_its_note_as_long_as_it_is_taken() {
    let taken_up = (1, "silver", "Small", Some("a"));
    assert_eq!(decide(&[taken_up], &[1], &[]), Refusals::default());
    let late = [(1, "late", "LateRow", None)];
    let expected = vec![(1, "late", "LateRow", Some("a")), taken_up];
    assert_eq!(after(&[taken_up], &[1], &late), (expected.clone(), vec![1]));
    assert_eq!(decide(&expected, &[1], &late), Refusals::default(), "twice is once");
    assert_eq!(after(&expected, &[1], &[]), (vec![taken_up], vec![1]));
}

#[test]
fn a_row_that_was_taken_up_and_is_refused_again_loses_its_note() {
    let old = [(1, "silver", "Small", Some("a"))];
    let same = [(1, "silver", "Small", None)];
    assert_eq!(after(&old, &[1], &same), (old.to_vec(), vec![]));
    let other = [(1, "silver", "Large", None)];
    assert_eq!(after(&old, &[1], &other), (vec![(1, "silver", "Large", Some("a"))], vec![]));
}

#[test]
fn the_bytes_of_a_message_are_those_that_quarantine_has_of_it_at_any_stage() {
    let old = [(1, "decode", "Bad", Some("a"))];
    let new = [(1, "silver", "Small", None)];
    assert_eq!(after(&old, &[], &new).0, [old[0], (1, "silver", "Small", Some("a"))]);
}
