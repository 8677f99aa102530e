//! [`KeyHasher`]: a row's key columns to a 128-bit hash.
//!
//! SipHash-128 with a random key of the lake, so nobody can send colliding identities on purpose; by
//! accident two of a billion remembered rows collide with a probability below 2⁻⁶⁸. What is hashed is a
//! typed encoding in which no two different keys have the same bytes: a tag for each column, then its
//! value in a fixed width, or its length and its bytes.

use std::fmt;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array,
    Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use siphasher::sip128::SipHasher24;

use crate::silver::Candidates;

/// The 128-bit hash of a row's key columns. Never zero: that marks a free place in the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(u128);

impl Key {
    /// The key of a hash.
    pub(crate) fn new(hash: u128) -> Self {
        Self(hash.max(1))
    }

    pub(crate) fn high(self) -> u64 {
        (self.0 >> 64) as u64
    }

    pub(crate) fn low(self) -> u64 {
        self.0 as u64
    }
}

/// Hashes the key columns of rows.
#[derive(Clone)]
pub(crate) struct KeyHasher {
    hasher: SipHasher24,
}

impl fmt::Debug for KeyHasher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyHasher")
    }
}

impl KeyHasher {
    /// A hasher with the lake's key.
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self { hasher: SipHasher24::new_with_key(&key) }
    }

    /// The keys of all rows; those of rows that are not selected have no meaning.
    pub(crate) fn hash(&self, candidates: &Candidates, by: &[usize]) -> Vec<Key> {
        let columns: Vec<KeyColumn> =
            by.iter().map(|&slot| KeyColumn::new(candidates.column(slot))).collect();
        let selection = candidates.selection();
        let mut encoded = Vec::with_capacity(64);
        (0..candidates.rows())
            .map(|row| {
                if !selection.contains(row) {
                    return Key::new(0);
                }
                encoded.clear();
                for column in &columns {
                    column.encode(row, &mut encoded);
                }
                Key::new(self.hasher.hash(&encoded).as_u128())
            })
            .collect()
    }
}

impl KeyHasher {
    /// The hashes of values of a type that [`can_identify`] allows.
    pub(crate) fn hash_values(&self, values: &ArrayRef) -> Vec<u128> {
        let column = KeyColumn::new(values);
        let mut encoded = Vec::with_capacity(64);
        (0..values.len())
            .map(|row| {
                encoded.clear();
                column.encode(row, &mut encoded);
                self.hasher.hash(&encoded).as_u128()
            })
            .collect()
    }

    /// The keys of one column's values, which are not those of any other column's; `None` where it is null.
    ///
    /// Takes a column whose type [`can_identify`] allows.
    pub(crate) fn hash_column(&self, name: &str, column: &ArrayRef) -> Vec<Option<Key>> {
        let values = KeyColumn::new(column);
        let mut encoded = Vec::with_capacity(64);
        encode_bytes(&mut encoded, TEXT_TAG, name.as_bytes());
        let name_bytes = encoded.len();
        let mut key_of = |row| {
            encoded.truncate(name_bytes);
            values.encode(row, &mut encoded);
            Key::new(self.hasher.hash(&encoded).as_u128())
        };
        (0..column.len()).map(|row| (!values.is_null(row)).then(|| key_of(row))).collect()
    }
}

/// Whether columns of a type can identify a row.
pub(crate) fn can_identify(data_type: &DataType) -> bool {
    use DataType::{
        Binary, Boolean, Date32, Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, Timestamp, Utf8,
    };
    matches!(
        data_type,
        Boolean
            | Int8
            | Int16
            | Int32
            | Int64
            | Float32
            | Float64
            | Utf8
            | Binary
            | Date32
            | Decimal128(_, _)
            | Timestamp(TimeUnit::Microsecond, _)
    )
}

/// A key column, by the way its values are encoded. Integers of all widths share one, so that a column
/// may widen.
enum KeyColumn {
    Boolean(BooleanArray),
    Integer(Int64Array),
    Float(Float64Array),
    Text(StringArray),
    Bytes(BinaryArray),
    Date(Date32Array),
    Timestamp(TimestampMicrosecondArray),
    Decimal(Decimal128Array),
}

const NULL_TAG: u8 = 0;
const TEXT_TAG: u8 = 4;

impl KeyColumn {
    /// Takes a column whose type [`can_identify`] allows.
    fn new(column: &ArrayRef) -> Self {
        let widened = |to| cast(column, to).expect("numbers widen without loss");
        match column.data_type() {
            DataType::Boolean => Self::Boolean(column.as_boolean().clone()),
            DataType::Float32 | DataType::Float64 => {
                Self::Float(widened(&DataType::Float64).as_primitive::<Float64Type>().clone())
            }
            DataType::Utf8 => Self::Text(column.as_string().clone()),
            DataType::Binary => Self::Bytes(column.as_binary().clone()),
            DataType::Date32 => Self::Date(column.as_primitive::<Date32Type>().clone()),
            DataType::Timestamp(_, _) => {
                Self::Timestamp(column.as_primitive::<TimestampMicrosecondType>().clone())
            }
            DataType::Decimal128(_, _) => Self::Decimal(column.as_primitive::<Decimal128Type>().clone()),
            _ => Self::Integer(widened(&DataType::Int64).as_primitive::<Int64Type>().clone()),
        }
    }

    fn encode(&self, row: usize, encoded: &mut Vec<u8>) {
        if self.is_null(row) {
            encoded.push(NULL_TAG);
            return;
        }
        match self {
            Self::Boolean(array) => encode_fixed(encoded, 1, [u8::from(array.value(row))]),
            Self::Integer(array) => encode_fixed(encoded, 2, array.value(row).to_le_bytes()),
            Self::Float(array) => encode_fixed(encoded, 3, canonical_bits(array.value(row)).to_le_bytes()),
            Self::Text(array) => encode_bytes(encoded, TEXT_TAG, array.value(row).as_bytes()),
            Self::Bytes(array) => encode_bytes(encoded, 5, array.value(row)),
            Self::Date(array) => encode_fixed(encoded, 6, array.value(row).to_le_bytes()),
            Self::Timestamp(array) => encode_fixed(encoded, 7, array.value(row).to_le_bytes()),
            Self::Decimal(array) => encode_fixed(encoded, 8, array.value(row).to_le_bytes()),
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Boolean(array) => array.is_null(row),
            Self::Integer(array) => array.is_null(row),
            Self::Float(array) => array.is_null(row),
            Self::Text(array) => array.is_null(row),
            Self::Bytes(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
            Self::Timestamp(array) => array.is_null(row),
            Self::Decimal(array) => array.is_null(row),
        }
    }
}

fn encode_fixed<const N: usize>(encoded: &mut Vec<u8>, tag: u8, value: [u8; N]) {
    encoded.push(tag);
    encoded.extend_from_slice(&value);
}

fn encode_bytes(encoded: &mut Vec<u8>, tag: u8, value: &[u8]) {
    encoded.push(tag);
    encoded.extend_from_slice(&(value.len() as u32).to_le_bytes());
    encoded.extend_from_slice(value);
}

/// Both zeros are one value, and so are all NaNs.
fn canonical_bits(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    }
}
