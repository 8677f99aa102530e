"""Refused messages: listed, shown, and replayed after a fix, exactly once, whatever happens."""

import collections
import copy
import json
import re
import shutil
import signal
import subprocess

import pytest
import requests
import yaml

import lakes
import pipelines
from conftest import ROOT
from faults import COMMIT, failpoints
from oracle import decode_avro, decode_json, run_pipeline
from transactions import ABSENT, MONDAY_8_PM, avro_datum, frame, json_message

KAFKA_TIME = MONDAY_8_PM * 1000
MINUTE = 60_000
# More than two pages of the replay.
REFUSED_BY_RULE = 4_100


@pytest.fixture
def quarantine(worker_program, tmp_path):
    """Runs `sluice-worker quarantine`: `quarantine("list", configuration)`; gives what it prints as JSON."""

    def command(verb: str, configuration: dict, *flags, output: str = "json"):
        file = tmp_path / f"config-{abs(hash(json.dumps(configuration)))}.json"
        file.write_text(json.dumps(configuration))
        return [worker_program, "quarantine", verb, "--config", file, "--output", output, *map(str, flags)]

    def run(verb: str, configuration: dict, *flags, environment=None, output: str = "json"):
        ended = subprocess.run(
            command(verb, configuration, *flags, output=output),
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert ended.returncode == 0, ended.stderr[-4000:]
        return json.loads(ended.stdout) if output == "json" else ended.stdout

    run.command = command
    return run


def strict(configuration: dict) -> dict:
    """The configuration before the fix: one rule too many, and a field that must be there."""
    strict = copy.deepcopy(configuration) | {"revision": "strict"}
    strict["silver"]["require"].append({"reason": "TooSmall", "expr": "amount >= 50"})
    return strict


def fixed(configuration: dict) -> dict:
    """The configuration after the fix: without that rule, and with a default for the field."""
    fixed = copy.deepcopy(configuration)
    schema = json.loads(fixed["source"]["schema"])
    (field,) = [field for field in schema["fields"] if field["name"] == "device_id"]
    field["default"] = "unknown"
    fixed["source"]["schema"] = json.dumps(schema)
    return fixed


def with_default(message):
    """The message as the fixed configuration reads it."""
    try:
        document = json.loads(message.value)
    except (TypeError, ValueError):
        return message
    if isinstance(document, dict):
        return message._replace(value=json.dumps({"device_id": "unknown"} | document).encode())
    return message


def mixed(first: int = 0) -> list:
    """Sound messages, and every way through a replay: at both stages, passing and not."""
    small = [
        (number % 3, KAFKA_TIME + number, b"17", json_message(transaction_id=f"s-{first + number}", amount=7.5))
        for number in range(REFUSED_BY_RULE)
    ]
    changes = [
        {"amount": 99.0},
        {"device_id": ABSENT, "amount": 99.0},
        {"device_id": ABSENT, "amount": -1.0},
        {"amount": -1.0},
        {"merchant": ABSENT},
    ]
    others = [
        (
            number % 3,
            KAFKA_TIME + number,
            b"17",
            json_message(transaction_id=f"o-{first + number}", **changes[number % 5]),
        )
        for number in range(200)
    ]
    broken = [(number % 3, KAFKA_TIME, b"17", value) for number, value in enumerate([None, b"", b"{", b"\xff\x00"])]
    return small + others + broken


def rows_of(lake, table: str) -> list:
    return lakes.read_with_delta_rs(lake / table).to_pylist()


def outstanding(lake) -> list:
    """Quarantine without what was replayed, as every reader of it must see it."""
    left = {(row["partition"], row["offset"], row["stage"]) for row in rows_of(lake, "replayed")}
    return [row for row in rows_of(lake, "quarantine") if (row["partition"], row["offset"], row["stage"]) not in left]


def assert_accounts(lake, messages: list, copies: int = 0):
    """Every message is in bronze or refused at `decode` once, every bronze row in silver, refused or a copy."""
    bronze, silver, refused = rows_of(lake, "bronze"), rows_of(lake, "silver"), outstanding(lake)
    replayed = rows_of(lake, "replayed")

    def positions(rows):
        return collections.Counter((row["partition"], row["offset"]) for row in rows)

    at = {stage: positions(row for row in refused if row["stage"] == stage) for stage in ("decode", "silver")}
    delivered = collections.Counter((message.partition, message.offset) for message in messages)
    assert positions(bronze) + at["decode"] == delivered
    duplicates = positions(row for row in replayed if row["outcome"] == "duplicate")
    assert sum(duplicates.values()) == copies
    assert positions(silver) + at["silver"] + duplicates == positions(bronze)
    assert max(collections.Counter((r["partition"], r["offset"], r["stage"]) for r in replayed).values()) == 1


def assert_as_if_always_fixed(topic, lake):
    """The tables are those of a pipeline that had the fixed configuration from the start."""
    messages = topic.read_all()
    assert_accounts(lake, messages)
    expected = run_pipeline(map(with_default, messages), decode_json)
    for name in ("bronze", "silver"):
        lakes.assert_rows(lakes.read_with_delta_rs(lake / name), getattr(expected, name), lakes.TABLES[name], name)
    reasons = {(row["partition"], row["offset"]): (row["stage"], row["reason"]) for row in outstanding(lake)}
    assert reasons == {(row["partition"], row["offset"]): (row["stage"], row["reason"]) for row in expected.quarantine}


def versions(lake) -> dict:
    return {name: lakes.DeltaTable(str(lake / name)).version() for name in (*lakes.TABLES, "replayed")}


def test_a_replay_after_a_fix_makes_the_tables_that_the_fix_would_have_made(topic, ecommerce, ingest, quarantine, lake):
    topic.produce(mixed())
    ingest(strict(ecommerce), "--until-caught-up").succeed()
    tally = quarantine("replay", fixed(ecommerce))
    assert tally["silver"] == REFUSED_BY_RULE + 40
    assert (tally["duplicates"], tally["refusedBySilver"]) == (0, 40)
    still = {(row["stage"], row["reason"]): row["messages"] for row in tally["stillRefused"]}
    assert still == {
        ("silver", "NonPositiveAmount"): 40,
        ("decode", "MissingField"): 40,
        ("decode", "EmptyValue"): 2,
        ("decode", "MalformedJson"): 2,
    }
    assert_as_if_always_fixed(topic, lake)
    before = versions(lake)
    again = quarantine("replay", fixed(ecommerce))
    assert (again["silver"], again["refusedBySilver"]) == (0, 0)
    assert versions(lake) == before, "a second replay finds nothing to do"
    # And the ingest goes on as if nothing had been.
    topic.produce(mixed(first=100_000)[REFUSED_BY_RULE:])
    ingest(fixed(ecommerce), "--until-caught-up").succeed()
    assert_as_if_always_fixed(topic, lake)


def replay_failpoints() -> list:
    """Every step of a replay at which it can die."""
    names = [name for name in failpoints("OF_A_CHAIN") if "checkpoint" not in name and "state" not in name]
    assert {"before_manifest", "after_manifest", "before_commit_silver"} <= set(names), names
    return [*names, "before_commit_replayed", "after_commit_replayed"]


def test_a_kill_at_each_step_of_a_replay_loses_and_doubles_nothing(
    topic, ecommerce, ingest, quarantine, lake, tmp_path, monkeypatch
):
    topic.produce(mixed())
    ingest(strict(ecommerce), "--until-caught-up").succeed()
    for number, name in enumerate(replay_failpoints()):
        copied = tmp_path / f"copy-{number}"
        shutil.copytree(lake, copied)
        configuration = fixed(ecommerce) | {"storage": {"uri": f"file://{copied}"}}
        # In the first epoch, and in a later one where there is one.
        hit = 1 if name in ("before_claim", "after_claim", "after_recover") else 1 + number % 2
        monkeypatch.setenv("SLUICE_FAILPOINT", f"{name}={hit}")
        died = subprocess.run(quarantine.command("replay", configuration), capture_output=True, timeout=240)
        monkeypatch.delenv("SLUICE_FAILPOINT")
        assert died.returncode == -signal.SIGKILL, f"{name}={hit} never fired: {died.stderr[-2000:]}"
        quarantine("replay", configuration)
        assert_as_if_always_fixed(topic, copied)
        shutil.rmtree(copied)


def test_replays_at_the_same_time_as_each_other_and_as_the_ingest_double_nothing(
    topic, ecommerce, ingest, quarantine, lake
):
    topic.produce(mixed())
    ingest(strict(ecommerce), "--until-caught-up").succeed()
    configuration = fixed(ecommerce) | {"commit": COMMIT}
    worker = ingest(configuration)
    worker.await_output("reading partitions")
    replays = []
    for round_number in range(3):
        command = quarantine.command("replay", configuration)
        replays.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        topic.produce(mixed(first=(round_number + 1) * 100_000)[-300:])
    ended = [(replay.communicate(timeout=240)[1].decode(), replay.returncode) for replay in replays]
    for errors, code in ended:
        assert code == 0 or "another replay" in errors, errors[-2000:]
    assert worker.stop() == 0, worker.output()[-4000:]
    ingest(configuration, "--until-caught-up").succeed()
    quarantine("replay", configuration)
    assert_as_if_always_fixed(topic, lake)


def test_a_replayed_row_is_a_copy_if_silver_has_its_key_sent_within_the_window(
    topic, ecommerce, ingest, quarantine, lake
):
    def message(name, minutes, amount, partition=0):
        value = json_message(transaction_id=name, amount=amount)
        return (partition, KAFKA_TIME + minutes * MINUTE, b"17", value)

    topic.produce(
        [
            message("near", 0, 7.0),  # 0: refused; 1 is its copy, accepted by ingest
            message("near", 10, 99.0),  # 1
            message("far", 0, 7.0),  # 2: refused; 3 came too late to be its copy
            message("far", 11, 99.0),  # 3
            message("twice", 0, 7.0),  # 4: refused
            message("twice", 1, 7.0),  # 5: refused, a copy of 4
            message("elsewhere", 0, 7.0),  # 6: refused; the other one is on another partition
            message("elsewhere", 0, 99.0, partition=1),  # 1/0
        ]
    )
    ingest(strict(ecommerce), "--until-caught-up").succeed()
    tally = quarantine("replay", fixed(ecommerce))
    assert (tally["silver"], tally["duplicates"]) == (3, 2)
    outcomes = {(row["partition"], row["offset"]): row["outcome"] for row in rows_of(lake, "replayed")}
    assert outcomes == {
        (0, 0): "duplicate",
        (0, 2): "silver",
        (0, 4): "silver",
        (0, 5): "duplicate",
        (0, 6): "silver",
    }
    assert_accounts(lake, topic.read_all(), copies=2)


def test_avro_messages_whose_schema_was_missing_are_replayed_once_it_is_registered(
    topic, ingest, quarantine, lake, registry
):
    # The first id of the registry is taken by the topic's own schema.
    unknown = 2
    topic.produce([(0, KAFKA_TIME + n, b"17", frame(unknown, avro_datum(transaction_id=f"a-{n}"))) for n in range(5)])
    configuration = pipelines.ecommerce(topic.servers, topic.name, lake, registry=registry)
    ingest(configuration, "--until-caught-up", "--schema-not-found-after", "1s").succeed()
    (group,) = quarantine("list", configuration)
    assert (group["reason"], group["messages"]) == ("UnknownSchemaId", 5)
    (still,) = quarantine("replay", configuration)["stillRefused"]
    assert (still["reason"], still["messages"]) == ("UnknownSchemaId", 5)
    for subject, schema in (("first", {"type": "string"}), (f"{topic.name}-value", pipelines.TRANSACTION_SCHEMA)):
        body = {"schema": json.dumps(schema)}
        requests.post(f"{registry}/subjects/{subject}/versions", json=body, timeout=30).raise_for_status()
    assert quarantine("replay", configuration)["silver"] == 5
    messages = topic.read_all()
    assert_accounts(lake, messages)
    expected = run_pipeline(messages, lambda value: decode_avro(value, {unknown: pipelines.TRANSACTION_SCHEMA}))
    for name in ("bronze", "silver"):
        lakes.assert_rows(lakes.read_with_delta_rs(lake / name), getattr(expected, name), lakes.TABLES[name], name)


def test_filters_choose_what_is_listed_shown_and_replayed(topic, ecommerce, ingest, quarantine, lake):
    topic.produce(mixed()[REFUSED_BY_RULE - 30 :])
    configuration = strict(ecommerce)
    assert quarantine("list", configuration) == [], "before the first start"
    ingest(configuration, "--until-caught-up").succeed()
    rows = rows_of(lake, "quarantine")
    listed = quarantine("list", configuration)
    counts = {(group["stage"], group["reason"]): group["messages"] for group in listed}
    assert counts == collections.Counter((row["stage"], row["reason"]) for row in rows)
    times = [row["processing_time"] for row in rows if row["reason"] == "TooSmall"]
    (group,) = [group for group in listed if group["reason"] == "TooSmall"]
    for told, time in ((group["first"], min(times)), (group["last"], max(times))):
        assert told.startswith(time.strftime("%Y-%m-%dT%H:%M:%S")) and told.endswith("Z"), told
    assert len(quarantine("list", configuration, "--stage", "decode")) == 3
    assert quarantine("list", configuration, "--since", "2h") == listed
    assert quarantine("list", configuration, "--since", "2126-01-05T20:00:00Z") == []

    row = next(row for row in rows if row["reason"] == "NonPositiveAmount")
    position = ("--partition", row["partition"], "--offset", row["offset"])
    (shown,) = quarantine("show", configuration, *position)
    assert shown["value"].encode() == row["value"] and shown["detail"] == row["detail"]
    assert (shown["topic"], shown["kafkaKey"]) == (topic.name, "17")
    binary = next(row for row in rows if row["value"] == b"\xff\x00")
    (shown,) = quarantine("show", configuration, "--partition", binary["partition"], "--offset", binary["offset"])
    assert shown["valueHex"] == "ff00" and "value" not in shown
    assert len(quarantine("show", configuration, "--limit", 7)) == 7
    text = quarantine("show", configuration, *position, output="table")
    assert f"{topic.name} {row['partition']}/{row['offset']}  silver: NonPositiveAmount" in text

    tally = quarantine("replay", fixed(ecommerce), "--reason", "TooSmall", "--partition", 1)
    expected = sum(1 for row in rows if row["reason"] == "TooSmall" and row["partition"] == 1)
    assert tally["silver"] == expected > 0
    assert {row["partition"] for row in rows_of(lake, "replayed")} == {1}
    left = {group["reason"]: group["messages"] for group in quarantine("list", configuration)}
    assert left["TooSmall"] == counts[("silver", "TooSmall")] - expected, "what was replayed is not listed"
    quarantine("replay", fixed(ecommerce))
    assert_as_if_always_fixed(topic, lake)


def test_sluice_quarantine_does_the_same_for_pipelines_of_local_mode(topic, sluice_program, run, tmp_path):
    topic.produce(mixed()[REFUSED_BY_RULE:])
    manifest = yaml.safe_load((ROOT / "manifests/examples/ecommerce/pipeline.yaml").read_text())
    manifest["spec"]["source"]["kafka"]["topic"] = topic.name
    manifest["spec"]["silver"]["require"].append({"reason": "TooSmall", "expr": "amount >= 100"})
    file = tmp_path / "pipeline.yaml"
    state = ("--state", tmp_path / "state")

    def up():
        file.write_text(yaml.safe_dump(manifest))
        flags = ("--broker", topic.servers, "--lake", tmp_path / "lakes", *state)
        run(sluice_program, "up", "-f", file, *flags, "--until-caught-up").succeed()

    def quarantine(*arguments):
        ended = subprocess.run(
            [sluice_program, "quarantine", *arguments, *state], capture_output=True, text=True, timeout=240
        )
        assert ended.returncode == 0, ended.stderr[-4000:]
        return ended.stdout

    up()
    assert re.search(r"^silver +TooSmall +40 ", quarantine("list", "ecommerce"), re.M)
    assert "there are more" in quarantine("show", "--reason", "TooSmall", "--limit", "1")
    manifest["spec"]["silver"]["require"].pop()
    up()
    assert "40 messages became silver rows" in quarantine("replay", "--reason", "TooSmall")
    assert "TooSmall" not in quarantine("list")
