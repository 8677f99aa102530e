use std::collections::BTreeMap;

use arrow::array::{AsArray, Float64Array, Int32Array, Int64Array, ListBuilder, StringBuilder};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;

/// What a row says: an amount, reasons, and when it was processed.
type Values = (Option<f64>, Vec<&'static str>, i64);

fn batch(rows: &BTreeMap<Position, Values>) -> Option<RecordBatch> {
    let mut reasons = ListBuilder::new(StringBuilder::new());
    for (_, list, _) in rows.values() {
        for reason in list {
            reasons.values().append_value(reason);
        }
        reasons.append(true);
    }
    let reasons = reasons.finish();
    let fields = vec![
        Field::new("partition", DataType::Int32, true),
        Field::new("offset", DataType::Int64, true),
        Field::new("amount", DataType::Float64, true),
        Field::new("reasons", reasons.data_type().clone(), true),
        Field::new("processed", DataType::Int64, true),
        Field::new("lag", DataType::Int64, true),
    ];
    let processed = || Int64Array::from_iter_values(rows.values().map(|values| values.2));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(rows.keys().map(|position| position.0))),
        Arc::new(Int64Array::from_iter_values(rows.keys().map(|position| position.1))),
        Arc::new(rows.values().map(|values| values.0).collect::<Float64Array>()),
        Arc::new(reasons),
        Arc::new(processed()),
        Arc::new(processed()),
    ];
    let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    (rows.num_rows() > 0).then_some(rows)
}

fn comparison() -> Comparison {
    Comparison {
        ignored: ["processed", "lag"].map(str::to_owned).into(),
        kept: BTreeSet::from(["processed".to_owned()]),
    }
}

fn random_rows(random: &mut StdRng) -> BTreeMap<Position, Values> {
    (0..random.random_range(0..25))
        .map(|_| {
            let position = (random.random_range(0..3), random.random_range(0..12));
            let amount = [None, Some(0.0), Some(-0.0), Some(f64::NAN), Some(2.5)][random.random_range(0..5)];
            let reasons = [vec![], vec!["a"], vec!["a", "b"]][random.random_range(0..3)].clone();
            (position, (amount, reasons, random.random_range(0..100)))
        })
        .collect()
}

fn is_same(one: &Values, other: &Values) -> bool {
    one.0.map(f64::to_bits) == other.0.map(f64::to_bits) && one.1 == other.1
}

#[test]
fn what_stays_goes_and_comes_is_what_the_values_say() {
    for seed in 0..400 {
        let mut random = StdRng::seed_from_u64(seed);
        let old = random_rows(&mut random);
        // Half of the rows are as they were.
        let mut new = random_rows(&mut random);
        new.extend(old.clone().into_iter().filter(|_| random.random_bool(0.5)));
        let (old_rows, new_rows) = (batch(&old), batch(&new));
        let difference = comparison().difference(old_rows.as_ref(), new_rows.as_ref()).unwrap();

        let stays = |position: &Position| {
            old.get(position).zip(new.get(position)).is_some_and(|(old, new)| is_same(old, new))
        };
        for position in old.keys() {
            let goes = difference.dropped.contains(position.0, position.1);
            assert_eq!(goes, !stays(position), "seed {seed}: {position:?}");
        }
        let touched: BTreeSet<Position> =
            old.keys().chain(new.keys()).filter(|position| !stays(position)).copied().collect();
        assert_eq!(difference.touched, touched.into_iter().collect::<Vec<_>>(), "seed {seed}");
        let written: Vec<Position> = new.keys().filter(|position| !stays(position)).copied().collect();
        let found = difference.written.as_ref().map(|rows| positions(rows).unwrap()).unwrap_or_default();
        assert_eq!(found, written, "seed {seed}");
        if let Some(rows) = &difference.written {
            let numbers = |column: usize| rows.column(column).as_primitive::<Int64Type>().values().to_vec();
            let amounts: Vec<Option<u64>> = rows
                .column(2)
                .as_primitive::<Float64Type>()
                .iter()
                .map(|amount| amount.map(f64::to_bits))
                .collect();
            for (row, position) in written.iter().enumerate() {
                assert_eq!(amounts[row], new[position].0.map(f64::to_bits), "seed {seed}: {position:?}");
                let kept = old.get(position).unwrap_or(&new[position]).2;
                assert_eq!(numbers(4)[row], kept, "seed {seed}: it was processed when it was");
                assert_eq!(numbers(5)[row], new[position].2, "seed {seed}");
            }
        }
        let changed = written.iter().filter(|position| old.contains_key(position)).count() as u64;
        let expected = Tally {
            changed,
            added: written.len() as u64 - changed,
            removed: old.keys().filter(|position| !new.contains_key(position)).count() as u64,
        };
        assert_eq!(difference.tally, expected, "seed {seed}");
    }
}

#[test]
fn rows_that_all_go_are_one_range() {
    let old: BTreeMap<Position, Values> =
        (0..100).map(|offset| ((0, offset * 3), (None, vec![], 0))).collect();
    let difference = comparison().difference(batch(&old).as_ref(), None).unwrap();
    let mut one = Positions::default();
    one.push(0, 0..298);
    assert_eq!(difference.dropped, one);
}

#[test]
fn equal_rows_differ_in_nothing_however_often_they_were_processed() {
    let mut rows: BTreeMap<Position, Values> = BTreeMap::from([((0, 1), (Some(1.0), vec!["a"], 5))]);
    let old = batch(&rows);
    rows.get_mut(&(0, 1)).unwrap().2 = 6;
    assert_eq!(comparison().difference(old.as_ref(), batch(&rows).as_ref()).unwrap(), Difference::default());
}
