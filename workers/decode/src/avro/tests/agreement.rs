//! What apache-avro writes is what the decoder reads, for arbitrary schemas and values.

use std::collections::HashMap;

use apache_avro::Decimal as AvroDecimal;
use proptest::prelude::*;

use super::*;
use crate::testing::record_of;

/// A type of a schema that rows can have.
#[derive(Clone, Debug)]
pub(super) enum Type {
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Text,
    Bytes,
    Fixed(usize),
    Enum(usize),
    Decimal,
    Date,
    Millis,
    Micros,
    Uuid,
    List(Box<Type>),
    Map(Box<Type>),
    Optional(Box<Type>),
    OptionalLast(Box<Type>),
    Record(Vec<Type>),
}

pub(super) fn field_type() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![
        Just(Type::Boolean),
        Just(Type::Int),
        Just(Type::Long),
        Just(Type::Float),
        Just(Type::Double),
        Just(Type::Text),
        Just(Type::Bytes),
        (0usize..20).prop_map(Type::Fixed),
        (1usize..4).prop_map(Type::Enum),
        Just(Type::Decimal),
        Just(Type::Date),
        Just(Type::Millis),
        Just(Type::Micros),
        Just(Type::Uuid),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let plain = inner.clone().prop_filter("a union holds no union", |inner| {
            !matches!(inner, Type::Optional(_) | Type::OptionalLast(_))
        });
        prop_oneof![
            inner.clone().prop_map(|item| Type::List(Box::new(item))),
            inner.clone().prop_map(|value| Type::Map(Box::new(value))),
            plain.clone().prop_map(|kind| Type::Optional(Box::new(kind))),
            plain.prop_map(|kind| Type::OptionalLast(Box::new(kind))),
            prop::collection::vec(inner, 1..4).prop_map(Type::Record),
        ]
    })
}

impl Type {
    /// The JSON of the type; names are numbered, because each may be defined only once.
    pub(super) fn schema(&self, names: &mut usize) -> String {
        *names += 1;
        let number = *names;
        match self {
            Self::Boolean => r#""boolean""#.to_owned(),
            Self::Int => r#""int""#.to_owned(),
            Self::Long => r#""long""#.to_owned(),
            Self::Float => r#""float""#.to_owned(),
            Self::Double => r#""double""#.to_owned(),
            Self::Text => r#""string""#.to_owned(),
            Self::Bytes => r#""bytes""#.to_owned(),
            Self::Fixed(size) => format!(r#"{{"type": "fixed", "name": "N{number}", "size": {size}}}"#),
            Self::Enum(count) => {
                let symbols =
                    (0..*count).map(|symbol| format!("\"S{symbol}\"")).collect::<Vec<_>>().join(",");
                format!(r#"{{"type": "enum", "name": "N{number}", "symbols": [{symbols}]}}"#)
            }
            Self::Decimal => {
                r#"{"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 4}"#.to_owned()
            }
            Self::Date => r#"{"type": "int", "logicalType": "date"}"#.to_owned(),
            Self::Millis => r#"{"type": "long", "logicalType": "timestamp-millis"}"#.to_owned(),
            Self::Micros => r#"{"type": "long", "logicalType": "timestamp-micros"}"#.to_owned(),
            Self::Uuid => r#"{"type": "string", "logicalType": "uuid"}"#.to_owned(),
            Self::List(item) => format!(r#"{{"type": "array", "items": {}}}"#, item.schema(names)),
            Self::Map(value) => format!(r#"{{"type": "map", "values": {}}}"#, value.schema(names)),
            Self::Optional(kind) => format!(r#"["null", {}]"#, kind.schema(names)),
            Self::OptionalLast(kind) => format!(r#"[{}, "null"]"#, kind.schema(names)),
            Self::Record(fields) => {
                let fields = fields_schema(fields, names);
                format!(r#"{{"type": "record", "name": "N{number}", "fields": [{fields}]}}"#)
            }
        }
    }

    /// A value as apache-avro writes it, and as it should be read.
    pub(super) fn value(&self) -> BoxedStrategy<(Value, Cell)> {
        match self {
            Self::Boolean => {
                any::<bool>().prop_map(|value| (Value::Boolean(value), Cell::Boolean(value))).boxed()
            }
            Self::Int => {
                any::<i32>().prop_map(|value| (Value::Int(value), Cell::Integer(value.into()))).boxed()
            }
            Self::Long => any::<i64>().prop_map(|value| (Value::Long(value), Cell::Integer(value))).boxed(),
            Self::Float => any::<u32>()
                .prop_map(|bits| (Value::Float(f32::from_bits(bits)), Cell::Float(bits.into())))
                .boxed(),
            Self::Double => {
                any::<u64>().prop_map(|bits| (Value::Double(f64::from_bits(bits)), Cell::Float(bits))).boxed()
            }
            Self::Text => ".{0,12}".prop_map(|text| (Value::String(text.clone()), Cell::Text(text))).boxed(),
            Self::Bytes => prop::collection::vec(any::<u8>(), 0..12)
                .prop_map(|bytes| (Value::Bytes(bytes.clone()), Cell::Binary(bytes)))
                .boxed(),
            Self::Fixed(size) => prop::collection::vec(any::<u8>(), *size)
                .prop_map(|bytes| (Value::Fixed(bytes.len(), bytes.clone()), Cell::Binary(bytes)))
                .boxed(),
            Self::Enum(count) => (0..*count)
                .prop_map(|symbol| {
                    let name = format!("S{symbol}");
                    (Value::Enum(symbol as u32, name.clone()), Cell::Text(name))
                })
                .boxed(),
            Self::Decimal => (1 - 10i128.pow(38)..10i128.pow(38))
                .prop_map(|value| {
                    (Value::Decimal(AvroDecimal::from(value.to_be_bytes())), Cell::Decimal(value))
                })
                .boxed(),
            Self::Date => {
                any::<i32>().prop_map(|days| (Value::Date(days), Cell::Integer(days.into()))).boxed()
            }
            Self::Millis => (i64::MIN / 1000..i64::MAX / 1000)
                .prop_map(|time| (Value::TimestampMillis(time), Cell::Integer(time * 1000)))
                .boxed(),
            Self::Micros => {
                any::<i64>().prop_map(|time| (Value::TimestampMicros(time), Cell::Integer(time))).boxed()
            }
            Self::Uuid => any::<u128>()
                .prop_map(|value| {
                    let uuid = apache_avro::Uuid::from_u128(value);
                    (Value::Uuid(uuid), Cell::Text(uuid.to_string()))
                })
                .boxed(),
            Self::List(item) => prop::collection::vec(item.value(), 0..4)
                .prop_map(|items| {
                    let (values, cells) = items.into_iter().unzip();
                    (Value::Array(values), Cell::List(cells))
                })
                .boxed(),
            Self::Map(value) => prop::collection::btree_map(".{0,4}", value.value(), 0..4)
                .prop_map(|entries| {
                    let values: HashMap<_, _> =
                        entries.iter().map(|(key, (value, _))| (key.clone(), value.clone())).collect();
                    let cells = entries.into_iter().map(|(key, (_, cell))| (key, cell)).collect();
                    (Value::Map(values), Cell::Map(cells))
                })
                .boxed(),
            Self::Optional(kind) => optional(kind, 0),
            Self::OptionalLast(kind) => optional(kind, 1),
            Self::Record(fields) => {
                record_value(fields).prop_map(|(value, cells)| (value, Cell::Record(cells))).boxed()
            }
        }
    }
}

fn optional(kind: &Type, null: u32) -> BoxedStrategy<(Value, Cell)> {
    prop::option::of(kind.value())
        .prop_map(move |value| match value {
            None => (Value::Union(null, Box::new(Value::Null)), Cell::Null),
            Some((value, cell)) => (Value::Union(1 - null, Box::new(value)), cell),
        })
        .boxed()
}

pub(super) fn fields_schema(fields: &[Type], names: &mut usize) -> String {
    let field =
        |(place, kind): (usize, &Type)| format!(r#"{{"name": "f{place}", "type": {}}}"#, kind.schema(names));
    fields.iter().enumerate().map(field).collect::<Vec<_>>().join(", ")
}

pub(super) fn record_value(fields: &[Type]) -> impl Strategy<Value = (Value, Vec<Cell>)> + use<> {
    fields.iter().map(Type::value).collect::<Vec<_>>().prop_map(|fields| {
        let (values, cells): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
        let values =
            values.into_iter().enumerate().map(|(place, value)| (format!("f{place}"), value)).collect();
        (Value::Record(values), cells)
    })
}

/// A record type and some values of it.
pub(super) fn records() -> impl Strategy<Value = (Vec<Type>, Vec<(Value, Vec<Cell>)>)> {
    prop::collection::vec(field_type(), 1..6).prop_flat_map(|fields| {
        let values = prop::collection::vec(record_value(&fields), 1..4);
        (Just(fields), values)
    })
}

/// The type that the reader may declare instead, and what a value becomes.
fn promoted(kind: &Type, choice: u8) -> (Type, fn(Cell) -> Cell) {
    let to_double: fn(Cell) -> Cell = |cell| match cell {
        Cell::Integer(value) => Cell::double(value as f64),
        Cell::Float(bits) => Cell::double(f32::from_bits(bits as u32).into()),
        other => other,
    };
    let to_float: fn(Cell) -> Cell = |cell| match cell {
        Cell::Integer(value) => Cell::Float((value as f32).to_bits().into()),
        other => other,
    };
    let to_bytes: fn(Cell) -> Cell = |cell| match cell {
        Cell::Text(text) => Cell::Binary(text.into_bytes()),
        other => other,
    };
    match (kind, choice % 4) {
        (Type::Int, 0) => (Type::Long, |cell| cell),
        (Type::Int | Type::Long | Type::Float, 1) => (Type::Double, to_double),
        (Type::Int | Type::Long, 2) => (Type::Float, to_float),
        (Type::Text, 0) => (Type::Bytes, to_bytes),
        (Type::Millis, 0) => (Type::Micros, |cell| cell),
        (Type::Optional(_) | Type::OptionalLast(_) | Type::Fixed(_), _) => (kind.clone(), |cell| cell),
        (_, 3) => (Type::Optional(Box::new(kind.clone())), |cell| cell),
        _ => (kind.clone(), |cell| cell),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn what_apache_avro_writes_is_read_back((fields, values) in records()) {
        let schema = record_of(&fields_schema(&fields, &mut 0));
        let messages: Vec<_> = values.iter().map(|(value, _)| encoded(&schema, value)).collect();
        let decoded = decode(&schema, &schema, messages);
        prop_assert_eq!(refusals(&decoded), vec![]);
        let expected: Vec<_> = values.into_iter().map(|(_, cells)| cells).collect();
        prop_assert_eq!(rows(&decoded), expected);
    }

    #[test]
    fn a_reader_with_other_fields_gets_those_it_asks_for(
        (fields, values) in records(),
        choices in prop::collection::vec(any::<u8>(), 6),
        kept in prop::collection::vec(any::<bool>(), 6),
        order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let writer = record_of(&fields_schema(&fields, &mut 0));
        let order: Vec<_> = order.into_iter().filter(|place| *place < fields.len() && kept[*place]).collect();
        let promotions: Vec<_> = order.iter().map(|place| promoted(&fields[*place], choices[*place])).collect();
        // The names of fixed types must be the writer's, so they are numbered as there.
        let mut reader = vec![r#"{"name": "new", "type": "int", "default": 5}"#.to_owned()];
        for (place, (kind, _)) in order.iter().zip(&promotions) {
            let mut names = 0;
            fields[..*place].iter().for_each(|kind| { kind.schema(&mut names); });
            reader.push(format!(r#"{{"name": "f{place}", "type": {}}}"#, kind.schema(&mut names)));
        }
        let fixed_in_optional = promotions.iter().any(|(kind, _)| format!("{kind:?}").contains("Fixed"));
        prop_assume!(!fixed_in_optional);
        let messages: Vec<_> = values.iter().map(|(value, _)| encoded(&writer, value)).collect();
        let text = record_of(&reader.join(","));
        prop_assume!(RowSchema::parse(&text).is_ok());
        let decoded = decode(&text, &writer, messages);
        prop_assert_eq!(refusals(&decoded), vec![]);
        let expected: Vec<Vec<_>> = values.into_iter().map(|(_, cells)| {
            let kept = order.iter().zip(&promotions).map(|(place, (_, promote))| promote(cells[*place].clone()));
            std::iter::once(Cell::Integer(5)).chain(kept).collect()
        }).collect();
        prop_assert_eq!(rows(&decoded), expected);
    }
}
