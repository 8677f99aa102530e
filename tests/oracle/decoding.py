"""Message bytes to the nine fields of a transaction, or the reason why not."""

import re
from typing import NamedTuple

from . import avro_datum, strict_json

# Fields in the order of the schema, with their types.
FIELDS = (
    ("transaction_id", "string"),
    ("user_id", "int"),
    ("amount", "double"),
    ("merchant", "string"),
    ("timestamp", "string"),
    ("is_fraud", "boolean"),
    ("payment_method", "string"),
    ("location", "string"),
    ("device_id", "string"),
)

_INTEGER = re.compile(r"-?[0-9]+")
_ABSENT = object()


class Transaction(NamedTuple):
    transaction_id: str
    user_id: int
    amount: float
    merchant: str
    timestamp: str
    is_fraud: bool
    payment_method: str
    location: str
    device_id: str


class Refusal(NamedTuple):
    stage: str
    reason: str


class WrongType(Exception):
    """A value is not of its field's type, or beyond its range."""


def _from_json(kind: str, value):
    if kind == "string" and type(value) is str:
        return value
    if kind == "boolean" and isinstance(value, bool):
        return value
    # 17.0 is no integer, and neither is 1e2.
    if kind == "int" and isinstance(value, strict_json.Number) and _INTEGER.fullmatch(value):
        if len(value) <= 11 and -(2**31) <= int(value) < 2**31:
            return int(value)
    if kind == "double" and isinstance(value, strict_json.Number):
        number = float(value)
        if number not in (float("inf"), float("-inf")):
            return number
    raise WrongType


def _from_avro(kind: str, written: str, value):
    if kind == written:
        if kind == "int" and not -(2**31) <= value < 2**31:
            raise WrongType
        return value
    if kind == "double" and written in ("int", "long", "float"):
        return float(value)
    if kind == "string" and written == "bytes":
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise WrongType from error
    raise WrongType


def decode_json(value):
    """The transaction in a JSON message, or its refusal."""
    if not value:
        return Refusal("decode", "EmptyValue")
    try:
        members = strict_json.parse_object(value)
    except strict_json.Malformed:
        return Refusal("decode", "MalformedJson")
    fields = []
    for name, kind in FIELDS:
        member = members.get(name, _ABSENT)
        if member is _ABSENT or member is None:
            return Refusal("decode", "MissingField")
        try:
            fields.append(_from_json(kind, member))
        except WrongType:
            return Refusal("decode", "WrongType")
    return Transaction(*fields)


def decode_avro(value, schemas: dict):
    """The transaction in a framed Avro message, or its refusal; `schemas` are the registry's, by id."""
    if not value:
        return Refusal("decode", "EmptyValue")
    if len(value) < 5 or value[0] != 0:
        return Refusal("decode", "MalformedAvro")
    schema = schemas.get(int.from_bytes(value[1:5], "big"))
    if schema is None:
        return Refusal("decode", "UnknownSchemaId")
    try:
        written = avro_datum.read_record(schema, value[5:])
    except avro_datum.Malformed:
        return Refusal("decode", "MalformedAvro")
    except avro_datum.Trailing:
        return Refusal("decode", "TrailingBytes")
    fields = []
    for name, kind in FIELDS:
        written_kind, field = written.get(name, ("null", None))
        if written_kind == "null":
            return Refusal("decode", "MissingField")
        try:
            fields.append(_from_avro(kind, written_kind, field))
        except WrongType:
            return Refusal("decode", "WrongType")
    return Transaction(*fields)
