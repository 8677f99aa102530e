//! [`Field`] and [`ColumnType`]: the row's schema as the decoders see it, with references resolved.

use super::{DefaultValue, Fields};

/// A column, or a field of a nested record.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// Names under which an Avro writer may know the field.
    pub(crate) aliases: Vec<String>,
    pub(crate) slot: Slot,
    pub(crate) default: Option<DefaultValue>,
}

/// A place for one value: of a field, an array's item or a map's value.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) column: ColumnType,
    pub(crate) nullable: bool,
}

/// What values a column holds.
#[derive(Clone, Debug)]
pub(crate) enum ColumnType {
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Text,
    Bytes,
    Fixed(Fixed),
    Enum(Symbols),
    Decimal(Decimal),
    Date,
    Timestamp(TimestampUnit),
    /// Text in 8-4-4-4-12 form; Avro may carry it as 16 bytes.
    Uuid {
        fixed: Option<Fixed>,
    },
    List(Box<Slot>),
    Map(Box<Slot>),
    Record(Fields),
}

/// A named sequence of bytes of one length.
#[derive(Clone, Debug)]
pub(crate) struct Fixed {
    /// The name without its namespace: what Avro compares.
    pub(crate) name: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) size: usize,
}

/// The symbols of an enum.
#[derive(Clone, Debug)]
pub(crate) struct Symbols {
    pub(crate) symbols: Vec<String>,
    /// What an Avro writer's unknown symbol becomes.
    pub(crate) default: Option<String>,
}

/// A decimal number of at most `precision` digits, `scale` of them after the point.
#[derive(Clone, Debug)]
pub(crate) struct Decimal {
    pub(crate) precision: u8,
    pub(crate) scale: u8,
    /// How Avro carries it, where not as `bytes`.
    pub(crate) fixed: Option<Fixed>,
}

/// The unit of a timestamp on the wire; columns are in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimestampUnit {
    Millis,
    Micros,
    /// Writers only.
    Nanos,
}

impl ColumnType {
    /// What a value must be, for a refusal's detail.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Boolean => "a boolean".to_owned(),
            Self::Int => "an int".to_owned(),
            Self::Long => "a long".to_owned(),
            Self::Float => "a float".to_owned(),
            Self::Double => "a double".to_owned(),
            Self::Text => "a string".to_owned(),
            Self::Bytes => "bytes".to_owned(),
            Self::Fixed(fixed) => format!("{} bytes", fixed.size),
            Self::Enum(symbols) => format!("one of {}", clipped_list(&symbols.symbols)),
            Self::Decimal(decimal) => format!("a decimal({}, {})", decimal.precision, decimal.scale),
            Self::Date => "a date".to_owned(),
            Self::Timestamp(_) => "a timestamp".to_owned(),
            Self::Uuid { .. } => "a uuid".to_owned(),
            Self::List(_) => "an array".to_owned(),
            Self::Map(_) => "a map".to_owned(),
            Self::Record(_) => "a record".to_owned(),
        }
    }
}

fn clipped_list(symbols: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut list = symbols.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if symbols.len() > SHOWN {
        list.push_str(", ...");
    }
    list
}

impl Decimal {
    /// Whether the unscaled number has at most `precision` digits.
    pub(crate) fn holds(&self, unscaled: i128) -> bool {
        unscaled.unsigned_abs() < 10u128.pow(u32::from(self.precision))
    }

    /// The number in two's complement, most significant byte first, as Avro writes it.
    pub(crate) fn read(&self, bytes: &[u8]) -> Option<i128> {
        let negative = bytes.first()? & 0x80 != 0;
        let filler = if negative { 0xff } else { 0 };
        let surplus = bytes.len().saturating_sub(16);
        let (sign, digits) = bytes.split_at(surplus);
        let mut number = [filler; 16];
        number[16 - digits.len()..].copy_from_slice(digits);
        let number = i128::from_be_bytes(number);
        let fits = sign.iter().all(|&byte| byte == filler) && (number < 0) == negative;
        (fits && self.holds(number)).then_some(number)
    }
}

impl Fixed {
    /// Whether a writer's type of this name and size is this type.
    pub(crate) fn matches(&self, writer: &Fixed) -> bool {
        self.size == writer.size && (self.name == writer.name || self.aliases.contains(&writer.name))
    }
}

impl TimestampUnit {
    /// Microseconds; `None` where they are out of range. Nanoseconds are cut towards the past.
    pub(crate) fn to_micros(self, value: i64) -> Option<i64> {
        match self {
            Self::Millis => value.checked_mul(1000),
            Self::Micros => Some(value),
            Self::Nanos => Some(value.div_euclid(1000)),
        }
    }
}
