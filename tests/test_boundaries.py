"""The specification's boundary table: every row is written out here, none comes from the oracle."""

import datetime
import json

import pytest
import requests

import lakes
import pipelines
from transactions import ABSENT, MONDAY_8_PM, SECOND, SOUND, Raw, avro_datum, frame, json_message

KAFKA_TIME = MONDAY_8_PM * 1000
MINUTE = 60 * SECOND


def micros(year, month, day, hour=0, minute=0, second=0, micro=0) -> int:
    days = datetime.date(year, month, day).toordinal() - datetime.date(1970, 1, 1).toordinal()
    return ((days * 24 + hour) * 60 + minute) * MINUTE + second * SECOND + micro


# literal in JSON, its value, amount_category, is_high_value
AMOUNTS = [
    ("9.99", 9.99, "micro", False),
    ("10", 10.0, "small", False),
    ("10.00", 10.0, "small", False),
    ("99.99", 99.99, "small", False),
    ("100", 100.0, "medium", False),
    ("999.99", 999.99, "medium", False),
    ("1000", 1000.0, "large", False),
    ("1000.00", 1000.0, "large", False),
    ("1000.01", 1000.01, "large", True),
    ("5000", 5000.0, "large", True),
    ("5000.01", 5000.01, "large", True),
    ("9999.99", 9999.99, "large", True),
    ("10000", 10000.0, "enterprise", True),
    ("1e4", 10000.0, "enterprise", True),
    ("1E-7", 1e-7, "micro", False),
    ("5e-324", 5e-324, "micro", False),
    ("2.2250738585072011e-308", 2.225073858507201e-308, "micro", False),
    ("1.7976931348623157e308", 1.7976931348623157e308, "enterprise", True),
    ("0.1000000000000000055511151231257827021181583404541015625", 0.1, "micro", False),
    ("9007199254740993", 9007199254740992.0, "enterprise", True),
    ("123456789012345678901234567890", 1.2345678901234568e29, "enterprise", True),
]

# text, city, country
LOCATIONS = [
    ("Paris, France", "Paris", "France"),
    ("Paris", "Paris", None),
    ("Paris,France", "Paris,France", None),
    ("Washington, DC, USA", "Washington", "DC"),
    ("Paris, ", "Paris", ""),
    ("", "", None),
    (", France", "", "France"),
    ("Paris,  France", "Paris", " France"),
    (" Paris , France", " Paris ", "France"),
    ("a, b, c, d", "a", "b"),
    ("São Paulo, Brasil", "São Paulo", "Brasil"),
    ("東京, 日本", "東京", "日本"),
    ("Lagos, Nigeria", "Lagos", "Nigeria"),
]

# text, event time in microseconds, date, hour, weekday (1 is Sunday), is_weekend
TIMES = [
    ("2026-01-05T04:59:59Z", micros(2026, 1, 5, 4, 59, 59), (2026, 1, 5), 4, 2, False),
    ("2026-01-05T05:00:00Z", micros(2026, 1, 5, 5), (2026, 1, 5), 5, 2, False),
    ("2026-01-04T22:59:59Z", micros(2026, 1, 4, 22, 59, 59), (2026, 1, 4), 22, 1, True),
    ("2026-01-04T23:00:00Z", micros(2026, 1, 4, 23), (2026, 1, 4), 23, 1, True),
    ("2026-01-02T23:59:59.999999Z", micros(2026, 1, 2, 23, 59, 59, 999_999), (2026, 1, 2), 23, 6, False),
    ("2026-01-03T00:00:00Z", micros(2026, 1, 3), (2026, 1, 3), 0, 7, True),
    ("2026-01-04T23:59:59.999999Z", micros(2026, 1, 4, 23, 59, 59, 999_999), (2026, 1, 4), 23, 1, True),
    ("2026-01-05T00:00:00Z", micros(2026, 1, 5), (2026, 1, 5), 0, 2, False),
    ("1969-12-31T23:59:59.999999Z", -1, (1969, 12, 31), 23, 4, False),
    ("1970-01-01T00:00:00Z", 0, (1970, 1, 1), 0, 5, False),
    ("1899-12-31T12:00:00Z", micros(1899, 12, 31, 12), (1899, 12, 31), 12, 1, True),
    ("0001-01-01", micros(1, 1, 1), (1, 1, 1), 0, 2, False),
    ("2000-02-29T00:00:00Z", micros(2000, 2, 29), (2000, 2, 29), 0, 3, False),
    # Each accepted form.
    ("2026-01-05", micros(2026, 1, 5), (2026, 1, 5), 0, 2, False),
    ("2026-01-05T19:30", micros(2026, 1, 5, 19, 30), (2026, 1, 5), 19, 2, False),
    ("2026-01-05 19:30", micros(2026, 1, 5, 19, 30), (2026, 1, 5), 19, 2, False),
    ("2026-01-05T19:30Z", micros(2026, 1, 5, 19, 30), (2026, 1, 5), 19, 2, False),
    ("2026-01-05 19:30+01:00", micros(2026, 1, 5, 18, 30), (2026, 1, 5), 18, 2, False),
    ("2026-01-05T19:30:15", micros(2026, 1, 5, 19, 30, 15), (2026, 1, 5), 19, 2, False),
    ("2026-01-05 19:30:15", micros(2026, 1, 5, 19, 30, 15), (2026, 1, 5), 19, 2, False),
    ("2026-01-05 19:30:15Z", micros(2026, 1, 5, 19, 30, 15), (2026, 1, 5), 19, 2, False),
    ("2026-01-05T19:30:15.1Z", micros(2026, 1, 5, 19, 30, 15, 100_000), (2026, 1, 5), 19, 2, False),
    ("2026-01-05T19:30:15.12", micros(2026, 1, 5, 19, 30, 15, 120_000), (2026, 1, 5), 19, 2, False),
    ("2026-01-05T19:30:15.123Z", micros(2026, 1, 5, 19, 30, 15, 123_000), (2026, 1, 5), 19, 2, False),
    ("2026-01-05T19:30:15.1234Z", micros(2026, 1, 5, 19, 30, 15, 123_400), (2026, 1, 5), 19, 2, False),
    ("2026-01-05T19:30:15.12345Z", micros(2026, 1, 5, 19, 30, 15, 123_450), (2026, 1, 5), 19, 2, False),
    ("2026-01-05T19:30:15.123456Z", micros(2026, 1, 5, 19, 30, 15, 123_456), (2026, 1, 5), 19, 2, False),
    ("2026-01-05T19:30:15.1234567Z", micros(2026, 1, 5, 19, 30, 15, 123_456), (2026, 1, 5), 19, 2, False),
    ("2026-01-05T19:30:15.12345678Z", micros(2026, 1, 5, 19, 30, 15, 123_456), (2026, 1, 5), 19, 2, False),
    ("2026-01-05T19:30:15.123456789Z", micros(2026, 1, 5, 19, 30, 15, 123_456), (2026, 1, 5), 19, 2, False),
    ("2026-01-05T19:30:15.999999999", micros(2026, 1, 5, 19, 30, 15, 999_999), (2026, 1, 5), 19, 2, False),
    ("2026-01-05T19:30:15+01:00", micros(2026, 1, 5, 18, 30, 15), (2026, 1, 5), 18, 2, False),
    ("2026-01-05T15:30:15-0330", micros(2026, 1, 5, 19, 0, 15), (2026, 1, 5), 19, 2, False),
    ("2026-01-05T19:30:15+05", micros(2026, 1, 5, 14, 30, 15), (2026, 1, 5), 14, 2, False),
    ("2026-01-05T19:30:15.5+0000", micros(2026, 1, 5, 19, 30, 15, 500_000), (2026, 1, 5), 19, 2, False),
    ("2026-01-05T00:30:00+01:00", micros(2026, 1, 4, 23, 30), (2026, 1, 4), 23, 1, True),
    ("1969-12-31T23:59:59.9999999Z", -1, (1969, 12, 31), 23, 4, False),
]

BAD_TIMES = [
    "",
    "yesterday",
    "20260105T193015Z",
    "2026-01-05T193015Z",
    "2026-W02-1",
    "2026-W02-1T19:30:15Z",
    "2026-005",
    "2026-01",
    "2026",
    "26-01-05",
    "2026-1-5",
    "12026-01-05",
    "+2026-01-05",
    "-2026-01-05",
    "0000-01-01",
    "2026-00-05",
    "2026-13-05",
    "2026-01-00",
    "2026-01-32",
    "2026-02-29",
    "1900-02-29",
    "2026-04-31",
    "2026-01-05T",
    "2026-01-05Z",
    "2026-01-05+01:00",
    "2026-01-05T19",
    "2026-01-05T19Z",
    "2026-01-05T19:3",
    "2026-01-05T9:30",
    "2026-01-05T24:00",
    "2026-01-05T24:00:00Z",
    "2026-01-05T19:60:00Z",
    "2026-01-05T19:30:60Z",
    "2026-01-05T19:30:15.Z",
    "2026-01-05T19:30:15.1234567890Z",
    "2026-01-05T19:30:15,5Z",
    "2026-01-05T19:30.5Z",
    "2026-01-05t19:30:15Z",
    "2026-01-05T19:30:15z",
    " 2026-01-05T19:30:15Z",
    "2026-01-05T19:30:15Z ",
    "2026-01-05  19:30:15",
    "2026-01-05T 19:30:15",
    "2026-01-05 T19:30:15",
    "2026-01-05\t19:30:15",
    "2026-01-05_19:30:15",
    "2026-01-05T19:30:15 Z",
    "2026-01-05T19:30:15 +01:00",
    "2026-01-05T19:30:15+1",
    "2026-01-05T19:30:15+1:00",
    "2026-01-05T19:30:15+010",
    "2026-01-05T19:30:15+01:0",
    "2026-01-05T19:30:15+01:00:00",
    "2026-01-05T19:30:15+",
    "2026-01-05T19:30:15ZZ",
    "2026-01-05T19:30:15UTC",
    "2026-01-05T19:30:15 UTC",
    "2026-01-05T19:30:15 Europe/Berlin",
    "2026-01-05T19:30:15+01:00[Europe/Berlin]",
    "2026/01/05 19:30:15",
    "05.01.2026",
    "Mon, 05 Jan 2026 19:30:15 GMT",
    "1767641415",
    "1767641415000",
    "２０２６-01-05T19:30:15Z",
    "2026‐01‐05T19:30:15Z",
    "2026-01-05T19:30:15\u2212",
    "2026-01-05T19:30:15\u0000",
]

DEEP = 5_000
SOUND_TEXT = json_message().decode()

MALFORMED = [
    b" ",
    b"\n",
    b"\x00",
    b"{",
    b"}",
    b"{}{}",
    b"{,}",
    b"[]",
    b"[{}]",
    b"null",
    b"true",
    b"17",
    b'"text"',
    b"NaN",
    b"transaction",
    b"<a/>",
    b"{'a':1}",
    b"{a:1}",
    b'{"a":1,}',
    b'{"a":1 "b":2}',
    b'{"a" 1}',
    b'{"a":}',
    b'{"a":1,,"b":2}',
    b'{"a":[1,]}',
    b'{"a":[1 2]}',
    b'{"a":[1}',
    b'{"a":tru}',
    b'{"a":TRUE}',
    b'{"a":nul}',
    b'{"a":01}',
    b'{"a":-01}',
    b'{"a":-}',
    b'{"a":+1}',
    b'{"a":1.}',
    b'{"a":.1}',
    b'{"a":1e}',
    b'{"a":1e+}',
    b'{"a":0x1F}',
    b'{"a":1_000}',
    b'{"a":"\x01"}',
    b'{"a":"line\nbreak"}',
    b'{"a":"\\x41"}',
    b'{"a":"\\u12"}',
    b'{"a":"\\u00g0"}',
    b'{"a":"open}',
    b'{"a":1}\x00',
    b"\xef\xbb\xbf" + SOUND_TEXT.encode(),
    b"\xff\xfe{\x00}\x00",
    SOUND_TEXT.encode() + b"x",
    SOUND_TEXT.encode() + b"{}",
    SOUND_TEXT.encode() + b",",
    SOUND_TEXT.encode()[:-1],
    b"[" + SOUND_TEXT.encode() + b"]",
    b"//\n" + SOUND_TEXT.encode(),
    b"\x0c" + SOUND_TEXT.encode(),
    b"\xc2\xa0" + SOUND_TEXT.encode(),
    SOUND_TEXT.replace("Linden", "Lin\\ud800den").encode(),
    SOUND_TEXT.replace("Linden", "Lin\\udc00den").encode(),
    SOUND_TEXT.replace("Linden", "Lin\\ud800\\ud800den").encode(),
    SOUND_TEXT.replace("Linden", "Lin\\udc00\\ud800den").encode(),
    SOUND_TEXT.replace("Linden", "Lin\\ud800\\n").encode(),
    SOUND_TEXT.replace("}", ',"unknown":"\\ud800"}').encode(),
    SOUND_TEXT.replace("}", ',"unknown":{"deep":["\\udfff"]}}').encode(),
    SOUND_TEXT.replace("}", ',"\\ud800":1}').encode(),
    SOUND_TEXT.replace('"amount":12.5', '"merchant":"\\ud800","amount":12.5').encode(),
    SOUND_TEXT.encode().replace(b"Linden", b"Lin\xffden"),
    SOUND_TEXT.encode().replace(b"Linden", b"Lin\xc3"),
    SOUND_TEXT.encode().replace(b"Linden", b"\xed\xa0\x80"),
    SOUND_TEXT.encode().replace(b"Linden", b"\xc0\xaf"),
    SOUND_TEXT.encode().replace(b"Linden", b"\xf4\x90\x80\x80"),
    SOUND_TEXT.encode().replace(b"}", b',"unknown":"\xff"}'),
    SOUND_TEXT.encode().replace(b"}", b',"\xff":1}'),
    json_message(amount=Raw("NaN")),
    json_message(amount=Raw("Infinity")),
    json_message(amount=Raw("-Infinity")),
    json_message(unknown=Raw("NaN")),
    json_message(amount=Raw("1,5")),
    json_message(is_fraud=Raw("True")),
    json_message(unknown=Raw("[" * DEEP + "]" * (DEEP - 1))),
    # A malformed object is malformed, whatever else is wrong with it.
    json_message(amount=ABSENT) + b"]",
]

MISSING = [
    b"{}",
    b'{"unknown":1}',
    *(json_message(**{name: ABSENT}) for name in SOUND),
    *(json_message(**{name: None}) for name in SOUND),
    json_message(amount=ABSENT, Amount=12.5),
    json_message(amount=ABSENT, **{"amount ": 12.5}),
    SOUND_TEXT.replace('"amount":12.5', '"amount":12.5,"amount":null').encode(),
    # The first faulty field in schema order decides.
    json_message(user_id=None, merchant=17),
    json_message(user_id=ABSENT, amount="12.5"),
]

WRONG = [
    *(json_message(user_id=Raw(text)) for text in ("17.0", '"17"', "1e1", "1E0", "17.5", "2147483648", "-2147483649")),
    *(json_message(user_id=Raw(text)) for text in ("99999999999999999999999999", "true", "[17]", "{}", '""')),
    *(json_message(amount=Raw(text)) for text in ('"12.5"', '""', '"NaN"', "true", "[12.5]", "{}", "1e309", "-1e309")),
    *(json_message(is_fraud=Raw(text)) for text in ("0", "1", '"true"', "[]")),
    *(json_message(**{name: 17}) for name in ("transaction_id", "merchant", "timestamp", "payment_method")),
    *(json_message(**{name: True}) for name in ("transaction_id", "location", "device_id")),
    json_message(location={"city": "Paris"}),
    json_message(merchant=["Linden"]),
    SOUND_TEXT.replace('"amount":12.5', '"amount":12.5,"amount":"x"').encode(),
    json_message(user_id="17", amount=None),
]

# bytes, what differs from the sound transaction
ODD = [
    (b" \t\r\n" + SOUND_TEXT.encode() + b" \t\r\n", {}),
    (json.dumps(SOUND, indent="\t", separators=(" ,", "\r\n:")).encode(), {}),
    (json_message(user_id=Raw("-0")), {"user_id": 0}),
    (json_message(user_id=Raw("2147483647")), {"user_id": 2147483647}),
    (json_message(user_id=Raw("-2147483648")), {"user_id": -2147483648}),
    (json_message(unknown=Raw("[" * DEEP + "]" * DEEP)), {}),
    (json_message(unknown=Raw('{"a":' * DEEP + "1" + "}" * DEEP)), {}),
    (json_message(unknown={"amount": None, "list": [1, "x", None, {"": {}}]}), {}),
    (json_message(unknown=Raw("1e999")), {}),
    (json_message(unknown=Raw("-0.0e-0")), {}),
    (json_message(**{"": "empty name"}), {}),
    (json_message(Amount="another name"), {}),
    (SOUND_TEXT.replace('"amount":12.5', '"amount":"x","amount":12.5').encode(), {}),
    (SOUND_TEXT.replace('"amount":12.5', '"amount":null,"amount":{"a":[]},"amount":12.5').encode(), {}),
    (SOUND_TEXT.replace('"amount"', '"\\u0061mount"').encode(), {}),
    (SOUND_TEXT.replace('"amount":12.5', '"amount":1,"\\u0061mount":12.5').encode(), {}),
    (
        json_message(merchant=Raw('"\\u0043af\\u00e9 \\ud83d\\ude00 \\"\\\\\\/\\b\\f\\n\\r\\t"')),
        {"merchant": 'Café 😀 "\\/\b\f\n\r\t'},
    ),
    (json_message(merchant=Raw('"\\u0000"')), {"merchant": "\0"}),
    (json_message(merchant="\u007f\u2028\ufeff\uffff😀"), {"merchant": "\u007f\u2028\ufeff\uffff😀"}),
    (json_message(merchant=""), {"merchant": ""}),
    (json_message(payment_method="", device_id=""), {"payment_method": "", "device_id": ""}),
    (json_message(merchant="x" * 100_000), {"merchant": "x" * 100_000}),
]
KEYS = [(None, None), (b"", ""), (b"17", "17"), (b"user-\xff\xfe", "user-\ufffd\ufffd"), ("é".encode(), "é")]


class Script:
    """Messages for one partition, each with the rows that it must become."""

    def __init__(self, topic: str, partition: int):
        self.topic = topic
        self.partition = partition
        self.messages = []
        self.bronze = []
        self.silver = []
        self.quarantine = []

    def _send(self, value, key, kafka_time) -> dict:
        origin = {
            "topic": self.topic,
            "partition": self.partition,
            "offset": len(self.messages),
            "kafka_timestamp": kafka_time * 1000,
            "kafka_key": None if key is None else key.decode(errors="replace"),
        }
        self.messages.append((self.partition, kafka_time, key, value))
        return origin

    def refused(self, stage, reason, value, fields=None, key=b"17", kafka_time=KAFKA_TIME):
        """A message that goes to quarantine; silver's refusals are in bronze, with these fields."""
        origin = self._send(value, key, kafka_time)
        self.quarantine.append({**origin, "value": value, "stage": stage, "reason": reason})
        if fields is not None:
            self.bronze.append({**origin, **fields})

    def accepted(self, value, fields, derived=None, key=b"17", kafka_time=KAFKA_TIME):
        """A message that becomes a row of bronze and one of silver."""
        origin = self._send(value, key, kafka_time)
        fields = {**SOUND, **fields}
        self.bronze.append({**origin, **fields})
        del origin["kafka_key"]
        columns = {name: value for name, value in fields.items() if name != "timestamp"}
        self.silver.append({**columns, **DERIVED, **(derived or {}), **origin})

    def duplicate(self, value, fields, key=b"17", kafka_time=KAFKA_TIME):
        """A message that is only in bronze."""
        origin = self._send(value, key, kafka_time)
        self.bronze.append({**origin, **SOUND, **fields})


# What silver makes of the sound transaction.
DERIVED = {
    "amount_category": "small",
    "is_high_value": False,
    "city": "Paris",
    "country": "France",
    "timestamp_parsed": MONDAY_8_PM * SECOND,
    "transaction_date": datetime.date(2026, 1, 5),
    "transaction_hour": 20,
    "transaction_day_of_week": 2,
    "is_weekend": False,
}


def value_script(topic: str) -> Script:
    """Everything about single messages."""
    script = Script(topic, 0)
    numbers = iter(range(1, 10_000))

    def fresh(**fields) -> dict:
        return {"transaction_id": f"v-{next(numbers)}", **fields}

    for literal, amount, category, high in AMOUNTS:
        fields = fresh()
        value = json_message(**fields, amount=Raw(literal))
        script.accepted(value, {**fields, "amount": amount}, {"amount_category": category, "is_high_value": high})
    for text, city, country in LOCATIONS:
        fields = fresh(location=text)
        script.accepted(json_message(**fields), fields, {"city": city, "country": country})
    for text, instant, date, hour, weekday, weekend in TIMES:
        fields = fresh(timestamp=text)
        derived = {
            "timestamp_parsed": instant,
            "transaction_date": datetime.date(*date),
            "transaction_hour": hour,
            "transaction_day_of_week": weekday,
            "is_weekend": weekend,
        }
        script.accepted(json_message(**fields), fields, derived)
    for text in BAD_TIMES:
        fields = fresh(timestamp=text)
        script.refused("silver", "BadTimestamp", json_message(**fields), {**SOUND, **fields})
    for key, shown in KEYS:
        fields = fresh()
        script.accepted(json_message(**fields), fields, key=key)
        assert script.bronze[-1]["kafka_key"] == shown
    for value, changes in ODD:
        identity = fresh()
        value = value.replace(b'"t-1"', f'"{identity["transaction_id"]}"'.encode())
        script.accepted(value, {**identity, **changes})

    script.refused("decode", "EmptyValue", None)
    script.refused("decode", "EmptyValue", b"")
    for reason, values in (("MalformedJson", MALFORMED), ("MissingField", MISSING), ("WrongType", WRONG)):
        for value in values:
            script.refused("decode", reason, value)

    for amount in (0, -0.0, -0.01, -1000, -5e-324):
        fields = fresh(amount=float(amount))
        script.refused("silver", "NonPositiveAmount", json_message(**fields), {**SOUND, **fields})
    script.refused("silver", "MissingId", json_message(transaction_id=""), {**SOUND, "transaction_id": ""})
    # The rules are asked in order: the first that is not met gives the reason.
    fields = {"transaction_id": "", "amount": -1.0, "timestamp": "never"}
    script.refused("silver", "MissingId", json_message(**fields), {**SOUND, **fields})
    fields = fresh(amount=-1.0, timestamp="never")
    script.refused("silver", "NonPositiveAmount", json_message(**fields), {**SOUND, **fields})
    return script


def future_script(topic: str) -> Script:
    """Event times ahead of the Kafka timestamp, which is 20:00 sharp."""
    script = Script(topic, 1)
    for number, (text, accepted) in enumerate(
        [
            ("2026-01-05T20:59:00Z", True),
            ("2026-01-05T21:00:00Z", True),
            ("2026-01-05T21:00:00.000000999Z", True),
            ("2026-01-05T21:00:00.000001Z", False),
            ("2026-01-05T21:01:00Z", False),
            ("2026-01-05T22:01:00+01:00", False),
            ("9999-12-31T23:59:59.999999Z", False),
        ]
    ):
        fields = {"transaction_id": f"f-{number}", "timestamp": text}
        if accepted:
            minute = 59 if number == 0 else 60
            script.accepted(
                json_message(**fields),
                fields,
                {
                    "timestamp_parsed": MONDAY_8_PM * SECOND + minute * MINUTE,
                    "transaction_hour": 20 if number == 0 else 21,
                },
            )
        else:
            script.refused("silver", "FutureTimestamp", json_message(**fields), {**SOUND, **fields})
    # The clock that ran ahead has not moved the watermark: 20:00 less 30 s is within 10 min of 19:49:30.
    old = {"transaction_id": "f-old", "timestamp": "2026-01-05T19:49:30Z"}
    derived = {"timestamp_parsed": MONDAY_8_PM * SECOND - 630 * SECOND, "transaction_hour": 19}
    script.accepted(json_message(**old), old, derived)
    script.duplicate(json_message(**old), old)
    return script


def duplicate_script(topic: str) -> Script:
    """Copies of one id, within and after the horizon. Kafka timestamps are an hour later: they cap nothing."""
    script = Script(topic, 2)
    later = KAFKA_TIME + 3_600_000

    def row(identity: str, seconds: int, micro: int = 0, **changes):
        instant = datetime.datetime(2026, 1, 5, 20) + datetime.timedelta(seconds=seconds, microseconds=micro)
        fields = {"transaction_id": identity, "timestamp": instant.isoformat() + "Z", **changes}
        derived = {
            "timestamp_parsed": MONDAY_8_PM * SECOND + seconds * SECOND + micro,
            "transaction_hour": instant.hour,
        }
        return fields, derived

    def accepted(identity, seconds, micro=0):
        fields, derived = row(identity, seconds, micro)
        script.accepted(json_message(**fields), fields, derived, kafka_time=later)

    def duplicate(identity, seconds, micro=0, **changes):
        fields, _ = row(identity, seconds, micro, **changes)
        script.duplicate(json_message(**fields), fields, kafka_time=later)

    def refused(identity, seconds, reason="NonPositiveAmount"):
        fields, _ = row(identity, seconds, amount=0.0)
        script.refused("silver", reason, json_message(**fields), {**SOUND, **fields}, kafka_time=later)

    accepted("a", 0)
    duplicate("a", 0)
    duplicate("a", 0, merchant="another merchant, the same id")
    accepted("A", 0)
    accepted("a ", 0)
    # Neither duplicates nor refused rows move the watermark.
    duplicate("a", 3000)
    refused("r", 3000)
    duplicate("a", 0)
    # A refused row does not reserve its id.
    accepted("r", 0)
    duplicate("r", 0)
    # W = 20:10:00 exactly: the horizon of "a" (20:00:00 + 10 min) is included.
    accepted("b", 630)
    duplicate("a", 0)
    # One microsecond more, and the copy is a second silver row, remembered from here.
    accepted("c", 630, 1)
    accepted("a", 0)
    duplicate("a", 0)
    # An old event that came late is remembered from the watermark before it: until W = 20:20:00.000001.
    accepted("old", -3000)
    accepted("d", 1230, 1)
    duplicate("old", -3000)
    accepted("e", 1230, 2)
    accepted("old", -3000)
    return script


def other_partition_script(topic: str) -> Script:
    """Copies of ids that were on other partitions."""
    script = Script(topic, 3)
    for identity in ("a", "v-1", "f-old"):
        fields = {"transaction_id": identity}
        script.accepted(json_message(**fields), fields)
    return script


class Expected:
    def __init__(self, scripts):
        self.bronze = [row for script in scripts for row in script.bronze]
        self.silver = [row for script in scripts for row in script.silver]
        self.quarantine = [row for script in scripts for row in script.quarantine]


def test_every_boundary_of_the_specification_gives_the_rows_that_are_written_here(topic, ecommerce, ingest, lake):
    scripts = [make(topic.name) for make in (value_script, future_script, duplicate_script, other_partition_script)]
    topic.produce(message for script in scripts for message in script.messages)
    ingest(ecommerce, "--until-caught-up").succeed()
    lakes.assert_lake(lake, Expected(scripts), readers=lakes.READERS)


def test_naive_times_are_read_in_the_pipelines_time_zone(topic, ecommerce, ingest, lake):
    ecommerce["source"]["eventTime"]["timeZone"] = "America/New_York"
    script = Script(topic.name, 0)
    for number, (text, instant) in enumerate(
        [
            ("2026-01-05T14:00:00", micros(2026, 1, 5, 19)),
            ("2026-01-04 20:30", micros(2026, 1, 5, 1, 30)),
            ("2025-07-04", micros(2025, 7, 4, 4)),
            ("2026-01-05T14:00:00Z", micros(2026, 1, 5, 14)),
            ("2026-01-05T14:00:00+01:00", micros(2026, 1, 5, 13)),
        ]
    ):
        fields = {"transaction_id": f"z-{number}", "timestamp": text}
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=instant)
        weekday = moment.isoweekday() % 7 + 1
        derived = {
            "timestamp_parsed": instant,
            "transaction_date": moment.date(),
            "transaction_hour": moment.hour,
            "transaction_day_of_week": weekday,
            "is_weekend": weekday in (1, 7),
        }
        script.accepted(json_message(**fields), fields, derived)
    topic.produce(script.messages)
    ingest(ecommerce, "--until-caught-up").succeed()
    lakes.assert_lake(lake, Expected([script]))


@pytest.mark.parametrize("keep", [False, True])
def test_bronze_keeps_the_original_bytes_if_asked(topic, ecommerce, ingest, lake, keep):
    ecommerce["bronze"]["keepValue"] = keep
    value = b"  " + json_message() + b"\n"
    topic.produce([(0, KAFKA_TIME, b"17", value)])
    ingest(ecommerce, "--until-caught-up").succeed()
    bronze = lakes.read_with_delta_rs(lake / "bronze")
    assert ("value" in bronze.column_names) == keep
    if keep:
        assert bronze["value"].to_pylist() == [value]


def _register(registry: str, subject: str, schema: dict) -> int:
    answer = requests.post(f"{registry}/subjects/{subject}/versions", json={"schema": json.dumps(schema)}, timeout=30)
    assert answer.ok, answer.text
    return answer.json()["id"]


def _changed(position: int, **changes) -> dict:
    fields = [dict(field) for field in pipelines.TRANSACTION_SCHEMA["fields"]]
    fields[position] |= changes
    return {**pipelines.TRANSACTION_SCHEMA, "fields": fields}


def avro_script(topic: str, registry: str) -> Script:
    """Avro as fastavro writes it, and as nobody should."""
    script = Script(topic, 0)
    own = _register(registry, f"{topic}-value", pipelines.TRANSACTION_SCHEMA)
    datum = avro_datum()
    accepted = 0

    def accept(schema_id, schema, changes=None, fields=None, derived=None):
        nonlocal accepted
        accepted += 1
        identity = {"transaction_id": f"a-{accepted}"}
        value = frame(schema_id, avro_datum(schema, **identity, **(changes or {})))
        script.accepted(value, {**identity, **(changes or {}), **(fields or {})}, derived)

    accept(own, pipelines.TRANSACTION_SCHEMA)
    accept(own, pipelines.TRANSACTION_SCHEMA, {"user_id": -(2**31), "merchant": "東京 😀\0"})
    accept(
        own,
        pipelines.TRANSACTION_SCHEMA,
        {"amount": 1000.01},
        derived={"amount_category": "large", "is_high_value": True},
    )

    # Writers with other schemas.
    promoted = _changed(2, type="long")
    accept(
        _register(registry, "promoted", promoted),
        promoted,
        {"amount": 12},
        {"amount": 12.0},
    )
    single = _changed(2, type="float")
    accept(_register(registry, "single", single), single, {"amount": 12.5})
    nullable = _changed(2, type=["null", "double"])
    nullable_id = _register(registry, "nullable", nullable)
    accept(nullable_id, nullable, {"amount": 12.5})
    fields = pipelines.TRANSACTION_SCHEMA["fields"]
    wider = {**pipelines.TRANSACTION_SCHEMA, "fields": [{"name": "channel", "type": "string"}, *fields[::-1]]}
    accept(_register(registry, "wider", wider), wider, {"channel": "web"})
    del script.bronze[-1]["channel"], script.silver[-1]["channel"]
    script.refused("decode", "MissingField", frame(nullable_id, avro_datum(nullable, amount=None)))
    lacking = {**pipelines.TRANSACTION_SCHEMA, "fields": fields[:-1]}
    script.refused("decode", "MissingField", frame(_register(registry, "lacking", lacking), avro_datum(lacking)))
    texts = _changed(1, type="string")
    script.refused("decode", "WrongType", frame(_register(registry, "texts", texts), avro_datum(texts, user_id="17")))

    # Damaged.
    script.refused("decode", "EmptyValue", None)
    script.refused("decode", "EmptyValue", b"")
    for value in (b"\0", b"\0\0\0\0", b"\1" + frame(own, datum)[1:], json_message()):
        script.refused("decode", "MalformedAvro", value)
    for length in (0, 1, 2, len(datum) // 2, len(datum) - 1):
        script.refused("decode", "MalformedAvro", frame(own, datum[:length]))
    for prefix in (b"\x01", b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f", b"\xff" * 9 + b"\x01", b"\x80" * 10 + b"\x01"):
        script.refused("decode", "MalformedAvro", frame(own, prefix + datum[1:]))
    script.refused("decode", "MalformedAvro", frame(own, datum.replace(b"Linden", b"Lin\xffen")))
    false = datum.index(b"\x00\x16credit_card")
    script.refused("decode", "MalformedAvro", frame(own, datum[:false] + b"\x02" + datum[false + 1 :]))
    script.refused("decode", "UnknownSchemaId", frame(4_000_000, datum))
    script.refused("decode", "UnknownSchemaId", frame(4_000_000, b""))
    script.refused("decode", "TrailingBytes", frame(own, datum + b"\0"))
    script.refused("decode", "TrailingBytes", frame(own, datum + datum))
    accept(own, pipelines.TRANSACTION_SCHEMA)

    # What only Avro can say.
    for amount in (float("nan"), float("inf"), float("-inf")):
        value = frame(own, avro_datum(transaction_id="n", amount=amount))
        script.refused("silver", "NonFiniteAmount", value, {**SOUND, "transaction_id": "n", "amount": amount})
    value = frame(own, avro_datum(transaction_id="n", amount=-5e-324))
    script.refused("silver", "NonPositiveAmount", value, {**SOUND, "transaction_id": "n", "amount": -5e-324})
    return script


def test_every_avro_boundary_gives_the_rows_that_are_written_here(topic, ingest, lake, registry):
    script = avro_script(topic.name, registry)
    configuration = pipelines.ecommerce(topic.servers, topic.name, lake, registry=registry)
    topic.produce(script.messages)
    ingest(configuration, "--until-caught-up", "--schema-not-found-after", "2s").succeed()
    lakes.assert_lake(lake, Expected([script]), readers=lakes.READERS)
