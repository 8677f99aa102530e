"""`sluice-worker check` says before a start what the start would refuse, field by field, and changes nothing."""

import json

import pytest

from transactions import MONDAY_8_PM, json_message

KAFKA_TIME = MONDAY_8_PM * 1000


@pytest.fixture
def check(tmp_path, worker_program, run):
    """The findings on a configuration: `check(configuration)` gives a list of {field, message, fix}."""

    def start(configuration: dict) -> list:
        file = tmp_path / "checked.json"
        file.write_text(json.dumps(configuration))
        worker = run(worker_program, "check", "--json", "--config", file, environment={"SLUICE_LOG": "off"})
        code = worker.wait()
        findings = json.loads(worker.output())
        assert code == (1 if findings else 0), worker.output()
        return findings

    return start


@pytest.fixture
def filled(topic, ecommerce, ingest, lake):
    """The configuration of a lake that already holds rows."""
    messages = [(0, KAFKA_TIME + number, b"17", json_message(transaction_id=f"t-{number}")) for number in range(20)]
    topic.produce(messages)
    ingest(ecommerce, "--until-caught-up").succeed()
    return ecommerce


def files(lake) -> set:
    return {str(file.relative_to(lake)) for file in lake.rglob("*") if file.is_file()}


def test_a_sound_configuration_has_no_findings_and_leaves_no_table_behind(ecommerce, check, lake):
    assert check(ecommerce) == []
    assert files(lake) == set()


def test_the_configuration_that_filled_a_lake_still_fits_it(filled, check, lake):
    before = files(lake)
    assert check(filled) == []
    assert files(lake) == before


def retype(configuration):
    configuration["silver"]["columns"][3]["expr"] = "length(payment_method)"


def move_to_front(configuration):
    columns = configuration["silver"]["columns"]
    columns.insert(0, columns.pop())


def unpartition(configuration):
    configuration["silver"]["partitionBy"] = []


def rename(configuration):
    configuration["owner"]["name"] = "another"


@pytest.mark.parametrize(
    ("change", "field", "named"),
    [
        (retype, "silver.columns[3]", "table"),
        (move_to_front, "silver.columns[0]", "stands where the table has"),
        (unpartition, "silver.partitionBy", "transaction_date"),
        (rename, "storage.uri", "default/ecommerce"),
    ],
)
def test_what_an_existing_lake_would_refuse_is_found_before_the_start(filled, check, lake, change, field, named):
    before = files(lake)
    change(filled)
    (finding,) = check(filled)
    assert finding["field"] == field, finding
    assert named in finding["message"], finding
    assert finding["fix"], finding
    assert files(lake) == before


def test_a_lake_may_be_cut_into_another_number_of_shards(filled, check, lake):
    before = files(lake)
    assert check(filled | {"shards": 5}) == []
    assert files(lake) == before


def test_a_column_that_may_be_null_may_be_added_at_the_end(filled, check, ingest, topic, lake):
    filled["silver"]["columns"].append({"name": "note", "expr": "nullif(country, country)"})
    assert check(filled) == []
    ingest(filled, "--until-caught-up").succeed()


def test_everything_that_cannot_be_reached_is_found_in_one_go(ecommerce, check):
    ecommerce["source"]["kafka"]["bootstrapServers"] = "127.0.0.1:1"
    ecommerce["storage"]["uri"] = "file:///proc/lake"
    ecommerce["silver"]["columns"][3]["expr"] = "amuont"
    findings = {finding["field"]: finding for finding in check(ecommerce)}
    assert set(findings) == {"source.kafka.bootstrapServers", "storage.uri", "silver.columns[3].expr"}
    assert "127.0.0.1:1" in findings["source.kafka.bootstrapServers"]["message"]


def test_a_missing_topic_is_found(ecommerce, check):
    ecommerce["source"]["kafka"]["topic"] += "-absent"
    (finding,) = check(ecommerce)
    assert finding["field"] == "source.kafka.topic"
    assert ecommerce["source"]["kafka"]["topic"] in finding["message"]
