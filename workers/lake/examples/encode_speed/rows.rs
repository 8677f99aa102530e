//! Rows in the shape of the e-commerce example's bronze and silver tables.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

const BATCH: usize = 8192;

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The columns of bronze.
pub(crate) fn bronze() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("kafka_key", DataType::Utf8, true),
        Field::new("transaction_id", DataType::Utf8, false),
        Field::new("user_id", DataType::Int32, false),
        Field::new("amount", DataType::Float64, false),
        Field::new("merchant", DataType::Utf8, false),
        Field::new("timestamp", DataType::Utf8, false),
        Field::new("is_fraud", DataType::Boolean, false),
        Field::new("payment_method", DataType::Utf8, false),
        Field::new("location", DataType::Utf8, false),
        Field::new("device_id", DataType::Utf8, false),
        Field::new("topic", DataType::Utf8, false),
        Field::new("partition", DataType::Int32, false),
        Field::new("offset", DataType::Int64, false),
        Field::new("kafka_timestamp", timestamp(), true),
        Field::new("processing_time", timestamp(), false),
        Field::new("processing_date", DataType::Date32, false),
    ]))
}

/// The columns of silver.
pub(crate) fn silver() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("transaction_id", DataType::Utf8, false),
        Field::new("user_id", DataType::Int32, false),
        Field::new("amount", DataType::Float64, false),
        Field::new("amount_category", DataType::Utf8, false),
        Field::new("is_high_value", DataType::Boolean, false),
        Field::new("merchant", DataType::Utf8, false),
        Field::new("payment_method", DataType::Utf8, false),
        Field::new("location", DataType::Utf8, false),
        Field::new("city", DataType::Utf8, false),
        Field::new("country", DataType::Utf8, true),
        Field::new("device_id", DataType::Utf8, false),
        Field::new("is_fraud", DataType::Boolean, false),
        Field::new("timestamp_parsed", timestamp(), false),
        Field::new("transaction_hour", DataType::Int32, false),
        Field::new("transaction_day_of_week", DataType::Int32, false),
        Field::new("is_weekend", DataType::Boolean, false),
        Field::new("processing_time", timestamp(), false),
        Field::new("processing_date", DataType::Date32, false),
        Field::new("topic", DataType::Utf8, false),
        Field::new("partition", DataType::Int32, false),
        Field::new("offset", DataType::Int64, false),
        Field::new("kafka_timestamp", timestamp(), true),
        Field::new("transaction_date", DataType::Date32, false),
    ]))
}

/// Messages of 8 partitions, a few hundred of each in turn, as a fetch brings them.
struct Events {
    random: SmallRng,
    first: usize,
    count: usize,
}

const START_US: i64 = 1_767_614_400_000_000;

impl Events {
    fn batches(rows: usize) -> impl Iterator<Item = Self> {
        (0..rows).step_by(BATCH).map(move |first| Self {
            random: SmallRng::seed_from_u64(first as u64),
            first,
            count: BATCH.min(rows - first),
        })
    }

    fn texts(&mut self, text: impl Fn(&mut SmallRng) -> String) -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..self.count).map(|_| text(&mut self.random))))
    }

    fn ids(&mut self) -> ArrayRef {
        self.texts(|random| Uuid::from_u128(random.random()).to_string())
    }

    fn users(&mut self) -> Int32Array {
        Int32Array::from_iter_values((0..self.count).map(|_| self.random.random_range(1..=50_000)))
    }

    fn amounts(&mut self) -> ArrayRef {
        let amount = |random: &mut SmallRng| (random.random_range(1.0_f64..4000.0) * 100.0).round() / 100.0;
        Arc::new(Float64Array::from_iter_values((0..self.count).map(|_| amount(&mut self.random))))
    }

    fn names(&mut self, prefix: &str, count: u32) -> ArrayRef {
        self.texts(|random| format!("{prefix} {}", random.random_range(0..count)))
    }

    fn flags(&mut self, ratio: f64) -> ArrayRef {
        let flags: BooleanArray = (0..self.count).map(|_| Some(self.random.random_bool(ratio))).collect();
        Arc::new(flags)
    }

    fn small(&mut self, count: i32) -> ArrayRef {
        Arc::new(Int32Array::from_iter_values((0..self.count).map(|_| self.random.random_range(0..count))))
    }

    fn partitions(&self) -> ArrayRef {
        Arc::new(Int32Array::from_iter_values((0..self.count).map(|row| (row / 500 % 8) as i32)))
    }

    fn offsets(&self) -> ArrayRef {
        let offset =
            |row: usize| ((self.first / 8 + row / 4000 * 500 + row % 500) + row / 500 % 8 * 1_000_000) as i64;
        Arc::new(Int64Array::from_iter_values((0..self.count).map(offset)))
    }

    fn instants(&mut self, jitter_us: i64, grain_us: i64) -> ArrayRef {
        let first = self.first as i64;
        let instant = |(row, random): (usize, i64)| {
            (START_US + (first + row as i64) * 100 + random) / grain_us * grain_us
        };
        let jitter: Vec<i64> = (0..self.count).map(|_| self.random.random_range(0..=jitter_us)).collect();
        Arc::new(
            TimestampMicrosecondArray::from_iter_values(jitter.into_iter().enumerate().map(instant))
                .with_timezone("UTC"),
        )
    }

    fn constant_instant(&self) -> ArrayRef {
        let instant = START_US + self.first as i64;
        Arc::new(TimestampMicrosecondArray::from(vec![instant; self.count]).with_timezone("UTC"))
    }

    fn day(&self) -> ArrayRef {
        Arc::new(Date32Array::from(vec![20_458; self.count]))
    }
}

const METHODS: [&str; 5] = ["credit_card", "debit_card", "paypal", "bank_transfer", "crypto"];
const CATEGORIES: [&str; 4] = ["micro", "small", "medium", "large"];

/// So many rows of bronze.
pub(crate) fn bronze_rows(rows: usize) -> Vec<RecordBatch> {
    let batch = |mut events: Events| {
        let users = events.users();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(users.values().iter().map(i32::to_string))),
            events.ids(),
            Arc::new(users),
            events.amounts(),
            events.names("merchant", 2000),
            events.texts(|random| {
                format!(
                    "2026-01-05T12:{:02}:{:02}.{:06}Z",
                    random.random_range(0..60),
                    random.random_range(0..60),
                    random.random_range(0..1_000_000)
                )
            }),
            events.flags(0.02),
            events.texts(|random| METHODS[random.random_range(0..METHODS.len())].to_owned()),
            events.texts(|random| {
                format!("City {}, Country {}", random.random_range(0..200), random.random_range(0..50))
            }),
            events.texts(|random| format!("device-{:08x}", random.random_range(0..2_000_000))),
            events.texts(|_| "ecommerce.transactions".to_owned()),
            events.partitions(),
            events.offsets(),
            events.instants(5_000, 1000),
            events.constant_instant(),
            events.day(),
        ];
        RecordBatch::try_new(bronze(), columns).expect("the columns fit")
    };
    Events::batches(rows).map(batch).collect()
}

/// So many rows of silver.
pub(crate) fn silver_rows(rows: usize) -> Vec<RecordBatch> {
    let batch = |mut events: Events| {
        let columns: Vec<ArrayRef> = vec![
            events.ids(),
            Arc::new(events.users()),
            events.amounts(),
            events.texts(|random| CATEGORIES[random.random_range(0..CATEGORIES.len())].to_owned()),
            events.flags(0.3),
            events.names("merchant", 2000),
            events.texts(|random| METHODS[random.random_range(0..METHODS.len())].to_owned()),
            events.texts(|random| {
                format!("City {}, Country {}", random.random_range(0..200), random.random_range(0..50))
            }),
            events.names("City", 200),
            events.names("Country", 50),
            events.texts(|random| format!("device-{:08x}", random.random_range(0..2_000_000))),
            events.flags(0.02),
            events.instants(30_000_000, 1),
            events.small(24),
            events.small(7),
            events.flags(0.3),
            events.constant_instant(),
            events.day(),
            events.texts(|_| "ecommerce.transactions".to_owned()),
            events.partitions(),
            events.offsets(),
            events.instants(5_000, 1000),
            events.day(),
        ];
        RecordBatch::try_new(silver(), columns).expect("the columns fit")
    };
    Events::batches(rows).map(batch).collect()
}
