"""A pipeline for another schema, with nested fields, lists and exact decimals: nothing but YAML.

The manifest is the shipped one; the rows are written out here.
"""

import datetime
import decimal
import json

import pytest

import lakes
from conftest import ROOT
from transactions import MONDAY_8_PM

# 20:00 sharp; the messages reach Kafka a second later.
MEASURED = MONDAY_8_PM * 1000
KAFKA_TIME = MEASURED + 1000

READING = {
    "device_id": "meter-1",
    "sequence": 1,
    "measured_at": MEASURED,
    "place": {"site": "Halle 3", "floor": 2, "latitude": 48.5, "longitude": 11.25},
    "status": "OK",
    "temperature_celsius": 20.5,
    "energy_kwh": 17.125,
    "tags": ["indoor", "critical"],
    "battery_percent": 80,
    "firmware": "2.1",
}

ROW = {
    "device_id": "meter-1",
    "sequence": 1,
    "measured_at": MEASURED * 1000,
    "measured_date": datetime.date(2026, 1, 5),
    "site": "Halle 3",
    "floor": 2,
    "place": {"site": "Halle 3", "floor": 2, "latitude": 48.5, "longitude": 11.25},
    "status": "OK",
    "is_faulty": False,
    "temperature_celsius": 20.5,
    "temperature_fahrenheit": 20.5 * 1.8 + 32,
    "energy_kwh": decimal.Decimal("17.125"),
    "tags": ["indoor", "critical"],
    "tag_count": 2,
    "is_critical": True,
    "battery_percent": 80,
    "is_battery_low": False,
    "firmware": "2.1",
}

COLUMNS = (
    ("device_id", "string"),
    ("sequence", "long"),
    ("measured_at", "timestamp"),
    ("measured_date", "date"),
    ("site", "string"),
    # An SQL literal is a long.
    ("floor", "long"),
    ("place", "struct"),
    ("status", "string"),
    ("is_faulty", "boolean"),
    ("temperature_celsius", "double"),
    ("temperature_fahrenheit", "double"),
    ("energy_kwh", "decimal(12,3)"),
    ("tags", "array"),
    ("tag_count", "integer"),
    ("is_critical", "boolean"),
    ("battery_percent", "integer"),
    ("is_battery_low", "boolean"),
    ("firmware", "string"),
    ("processing_time", "timestamp"),
    ("topic", "string"),
    ("partition", "integer"),
    ("offset", "long"),
    ("kafka_timestamp", "timestamp"),
)

BARE = {"device_id": "meter-2", "sequence": 9, "measured_at": MEASURED, "status": "FAULT", "energy_kwh": 0}
BARE_PLACE = {"site": "a=b/c %41 é", "floor": None, "latitude": -0.5, "longitude": 0.0}

# value, what differs from ROW
ACCEPTED = [
    (READING, {}),
    # Exact decimals, as numbers and as text.
    (READING | {"sequence": 2, "energy_kwh": 0.1}, {"energy_kwh": decimal.Decimal("0.100")}),
    (READING | {"sequence": 3, "energy_kwh": "999999999.999"}, {"energy_kwh": decimal.Decimal("999999999.999")}),
    # Whatever may be missing is; names of places that are no names of files.
    (
        BARE | {"place": {"site": BARE_PLACE["site"], "latitude": -0.5, "longitude": 0}},
        {
            "device_id": "meter-2",
            "sequence": 9,
            "site": BARE_PLACE["site"],
            "floor": 0,
            "place": BARE_PLACE,
            "status": "FAULT",
            "is_faulty": True,
            "temperature_celsius": None,
            "temperature_fahrenheit": None,
            "energy_kwh": decimal.Decimal("0.000"),
            "tags": [],
            "tag_count": 0,
            "is_critical": False,
            "battery_percent": None,
            "firmware": "unknown",
        },
    ),
    (
        READING | {"sequence": 4, "tags": ["indoor"], "battery_percent": 19, "temperature_celsius": -90},
        {
            "tags": ["indoor"],
            "tag_count": 1,
            "is_critical": False,
            "battery_percent": 19,
            "is_battery_low": True,
            "temperature_celsius": -90.0,
            "temperature_fahrenheit": -90 * 1.8 + 32,
        },
    ),
    # The same sequence number of another device is another reading; and five minutes ahead is not too far.
    (READING | {"device_id": "meter-3"}, {"device_id": "meter-3"}),
    (
        READING | {"sequence": 5, "measured_at": KAFKA_TIME + 300_000},
        {"measured_at": (KAFKA_TIME + 300_000) * 1000},
    ),
]

REFUSED = [
    ("silver", "MissingDevice", READING | {"device_id": ""}),
    ("silver", "NegativeEnergy", READING | {"energy_kwh": -0.001}),
    ("silver", "ImplausibleTemperature", READING | {"temperature_celsius": 150.1}),
    ("silver", "FutureTimestamp", READING | {"measured_at": KAFKA_TIME + 300_001}),
    ("decode", "MissingField", {name: value for name, value in READING.items() if name != "place"}),
    ("decode", "MissingField", READING | {"place": {"site": "Halle 3", "latitude": 1.5}}),
    ("decode", "WrongType", READING | {"place": "Halle 3"}),
    ("decode", "WrongType", READING | {"place": READING["place"] | {"floor": "2"}}),
    ("decode", "WrongType", READING | {"status": "ok"}),
    ("decode", "WrongType", READING | {"energy_kwh": 0.0001}),
    ("decode", "WrongType", READING | {"energy_kwh": 1_000_000_000}),
    ("decode", "WrongType", READING | {"tags": ["indoor", 7]}),
    ("decode", "WrongType", READING | {"tags": "indoor"}),
    ("decode", "WrongType", READING | {"sequence": 2**63}),
]


@pytest.mark.parametrize("reader", lakes.READERS)
def test_sensor_readings_become_the_rows_that_are_written_here(topic, sluice_program, run, tmp_path, reader):
    manifest = (ROOT / "manifests/examples/iot/pipeline.yaml").read_text()
    assert "topic: iot.readings" in manifest
    (tmp_path / "pipeline.yaml").write_text(manifest.replace("topic: iot.readings", f"topic: {topic.name}"))

    messages, silver, quarantine = [], [], []

    def send(value: dict) -> dict:
        data = json.dumps(value, ensure_ascii=False).encode()
        messages.append((0, KAFKA_TIME, value["device_id"].encode(), data))
        return {
            "topic": topic.name,
            "partition": 0,
            "offset": len(messages) - 1,
            "kafka_timestamp": KAFKA_TIME * 1000,
        }

    for value, changes in ACCEPTED:
        silver.append({**ROW, "sequence": value["sequence"], **changes, **send(value)})
    send(READING)  # A duplicate.
    for stage, reason, value in REFUSED:
        origin = send(value)
        fields = {"kafka_key": value["device_id"], "value": messages[-1][3], "stage": stage, "reason": reason}
        quarantine.append({**origin, **fields})
    topic.produce(messages)

    flags = ("--broker", topic.servers, "--lake", tmp_path / "lakes", "--state", tmp_path / "state")
    run(sluice_program, "up", "-f", tmp_path / "pipeline.yaml", *flags, "--until-caught-up").succeed()

    lake = tmp_path / "lakes/default/iot"
    table = lakes.DeltaTable(str(lake / "silver"))
    declared = [(column.name, column.type.type) for column in table.schema().fields]
    assert declared == list(COLUMNS)
    assert table.metadata().partition_columns == ["measured_date", "site"]
    read = lakes.READERS[reader]
    lakes.assert_rows(read(lake / "silver"), silver, COLUMNS, "silver")
    lakes.assert_rows(read(lake / "quarantine"), quarantine, lakes.QUARANTINE, "quarantine")
    refused_by_decoding = sum(1 for stage, _, _ in REFUSED if stage == "decode")
    assert read(lake / "bronze").num_rows == len(messages) - refused_by_decoding
