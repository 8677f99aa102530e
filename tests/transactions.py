"""Messages of the e-commerce example, written out by hand."""

import collections
import io
import json
import struct

import fastavro

import pipelines
from oracle import Message

# Monday, 2026-01-05T20:00:00Z.
MONDAY_8_PM = 1_767_643_200
SECOND = 1_000_000
# So late that it caps no event time of that day.
AFTER_ALL = (MONDAY_8_PM + 4 * 3600) * 1000

SOUND = {
    "transaction_id": "t-1",
    "user_id": 17,
    "amount": 12.5,
    "merchant": "Linden Coffee",
    "timestamp": "2026-01-05T20:00:00Z",
    "is_fraud": False,
    "payment_method": "credit_card",
    "location": "Paris, France",
    "device_id": "ios-1",
}


def json_message(**changes) -> bytes:
    """A sound transaction with some fields changed; `Raw` values are written as they are, `ABSENT` ones not at all."""
    members = []
    for name, value in {**SOUND, **changes}.items():
        if value is ABSENT:
            continue
        text = value.text if isinstance(value, Raw) else json.dumps(value, ensure_ascii=False)
        members.append(f'"{name}":{text}')
    return ("{" + ",".join(members) + "}").encode()


class Raw:
    """Text that is written into JSON as it is."""

    def __init__(self, text: str):
        self.text = text


ABSENT = object()


class Log:
    """Messages of a topic, partition by partition: what `Topic.produce` sends, and what a consumer would see."""

    def __init__(self):
        self.messages = []

    def add(self, time: str, partition: int = 0, kafka_time: int = AFTER_ALL, **changes) -> tuple:
        """A transaction at this time, with an id of its own unless it is given; says its (partition, offset)."""
        fields = {"transaction_id": f"t-{len(self.messages)}", "timestamp": time, **changes}
        key = str(fields.get("user_id", SOUND["user_id"])).encode()
        offset = sum(1 for message in self.messages if message[0] == partition)
        self.messages.append((partition, kafka_time, key, json_message(**fields)))
        return partition, offset

    def seen_in(self, topic: str) -> list:
        """As a consumer sees it."""
        offsets = collections.Counter()
        seen = []
        for partition, kafka_time, key, value in self.messages:
            seen.append(Message(topic, partition, offsets[partition], kafka_time, key, value))
            offsets[partition] += 1
        return seen


def frame(schema_id: int, datum: bytes) -> bytes:
    """Confluent's framing."""
    return struct.pack(">bI", 0, schema_id) + datum


def avro_datum(schema: dict = pipelines.TRANSACTION_SCHEMA, **changes) -> bytes:
    """A sound transaction with some fields changed, encoded by fastavro."""
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), {**SOUND, **changes})
    return buffer.getvalue()
