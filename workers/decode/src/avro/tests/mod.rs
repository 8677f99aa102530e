//! What every kind of Avro test needs: framing, encoding, one value at a time.

mod agreement;
mod damage;
mod resolution;
mod rules;

use apache_avro::Schema;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;

use super::*;
use crate::testing::{Cell, batch, record_of_one, refusals, rows};

const ID: u32 = 0x0102_0304;

fn framed(datum: &[u8]) -> Vec<u8> {
    [&[0, 1, 2, 3, 4][..], datum].concat()
}

fn encoded(schema: &str, value: &Value) -> Vec<u8> {
    let schema = Schema::parse_str(schema).unwrap();
    let writer = GenericDatumWriter::builder(&schema).build().unwrap();
    framed(&writer.write_value_to_vec(value.clone()).unwrap())
}

/// A decoder that knows the writer's schema under [`ID`].
fn decoder(reader: &str, writer: &str) -> AvroDecoder {
    let mut decoder = AvroDecoder::new(&RowSchema::parse(reader).unwrap());
    decoder.add_writer_schema(ID, writer);
    decoder
}

fn decode<V: AsRef<[u8]>>(reader: &str, writer: &str, messages: impl IntoIterator<Item = V>) -> Decoded {
    decoder(reader, writer).decode(&batch(messages)).unwrap()
}

/// Field `v` of a row whose datum is `datum`, or the reason and the detail.
fn one_of(writer: &str, reader: &str, datum: &[u8]) -> Result<Cell, (String, String)> {
    let decoded = decode(&record_of_one(reader), &record_of_one(writer), [framed(datum)]);
    rows(&decoded).pop().map(|mut row| row.remove(0)).ok_or_else(|| {
        let (_, reason, detail) = refusals(&decoded)[0];
        (reason.to_owned(), detail.to_owned())
    })
}

fn reason_of(writer: &str, reader: &str, datum: &[u8]) -> String {
    one_of(writer, reader, datum).map_or_else(|(reason, _)| reason, |cell| format!("{cell:?}"))
}
