"""What goes wrong is said clearly, with the field or the address and the fix; once mended, nothing is lost."""

import contextlib
import json
import re
import socket
import threading

import pytest
import requests

import lakes
import pipelines
from oracle import decode_avro, decode_json, run_pipeline
from small_disk import SmallDisk
from transactions import MONDAY_8_PM, avro_datum, frame, json_message

KAFKA_TIME = MONDAY_8_PM * 1000
UNUSABLE = 2


def numbered(count: int) -> list:
    """Sound messages over all partitions."""
    return [
        (number % 8, KAFKA_TIME + number, b"17", json_message(transaction_id=f"t-{number}")) for number in range(count)
    ]


def assert_complete(topic, lake):
    lakes.assert_lake(lake, run_pipeline(topic.read_all(), decode_json))


def replace(configuration: dict, field: str, value):
    """Sets a part of a configuration by the name that messages give it: `silver.columns[3].expr`."""
    *parents, last = re.findall(r"\w+", field)
    part = configuration
    for name in parents:
        part = part[int(name) if name.isdigit() else name]
    part[last] = value


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("silver.columns[3].expr", "CASE WHEN amount <", "parse"),
        ("silver.columns[3].expr", "amuont < 10", "amuont"),
        ("silver.columns[3].expr", "no_such_function(amount)", "no_such_function"),
        ("silver.columns[3].expr", "country", "country"),
        ("silver.columns[3].expr", "count(*)", ""),
        ("silver.require[2].expr", "amount", "true or false"),
        ("silver.require[2].expr", "Amount > 0", "Amount"),
        ("source.schema", "{", "JSON"),
        ("source.eventTime.column", "time", "time"),
        ("source.eventTime.timeZone", "Mars/Base", "Mars/Base"),
        ("silver.deduplicate.by", ["id"], "id"),
        ("silver.partitionBy", ["day"], "day"),
        ("source.kafka.keyColumn", "user", "user"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_with_the_name_of_the_field(
    ecommerce, ingest, lake, field, value, named
):
    replace(ecommerce, field, value)
    worker = ingest(ecommerce, "--until-caught-up")
    assert worker.wait() == UNUSABLE, worker.output()
    (line,) = [line for line in worker.output().splitlines() if line.startswith(field)]
    assert named in line, line
    assert not lake.exists(), "a refused configuration must leave no trace"


@pytest.mark.parametrize(
    ("uri", "named"),
    [
        ("ftp://host/lake", "'ftp'"),
        ("lake/ecommerce", "no scheme"),
        ("file://host/lake", "'host'"),
        ("s3:///lake", "no bucket"),
        ("abfss://container@account.example.com/lake", "'account.example.com'"),
    ],
)
def test_a_lake_that_cannot_be_is_found_by_the_check(ecommerce, worker_program, run, tmp_path, uri, named):
    ecommerce["storage"]["uri"] = uri
    file = tmp_path / "config.json"
    file.write_text(json.dumps(ecommerce))
    check = run(worker_program, "check", "--config", file)
    assert check.wait() == 1, check.output()
    (line,) = [line for line in check.output().splitlines() if line.startswith("storage.uri: ")]
    assert named in line and "; set storage.uri to file:///path, s3://bucket/path" in line, line


class Gate:
    """A port that can be closed and opened: connections go on to the target only while it is open."""

    def __init__(self, port: int, target: str):
        host, target_port = target.rsplit(":", 1)
        self._port, self._target = port, (host, int(target_port))
        self._server = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def open(self):
        self._server = socket.create_server(("127.0.0.1", self._port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        if self._server is not None:
            self._server.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                upstream = socket.create_connection(self._target)
                for source, sink in ((client, upstream), (upstream, client)):
                    threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    @staticmethod
    def _copy(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def test_an_unreachable_broker_is_named_and_waited_for(topic, ecommerce, ingest, lake, free_port):
    topic.produce(numbered(100))
    gate = Gate(free_port, topic.servers)
    ecommerce["source"]["kafka"]["bootstrapServers"] = gate.address
    worker = ingest(ecommerce, "--until-caught-up")
    worker.await_output("KafkaUnreachable")
    assert gate.address in worker.output()
    assert "source.kafka.bootstrapServers" in worker.output()
    gate.open()
    worker.succeed()
    gate.close()
    assert_complete(topic, lake)


def test_a_missing_topic_is_named_and_waited_for(topic, ecommerce, ingest, lake):
    topic.delete()
    worker = ingest(ecommerce)
    worker.await_output("TopicMissing")
    assert topic.name in worker.output()
    assert "source.kafka.topic" in worker.output()
    topic.create()
    topic.produce(numbered(100))
    worker.await_output("reading partitions")
    assert worker.stop() == 0
    ingest(ecommerce, "--until-caught-up").succeed()
    assert_complete(topic, lake)


def test_an_unreachable_registry_is_named_and_waited_for_and_quarantines_nothing(
    topic, ingest, lake, run, sluice_program, tmp_path, free_port
):
    address = f"127.0.0.1:{free_port}"

    def start_registry():
        server = run(sluice_program, "schema-registry", "--data", tmp_path / "registry", "--listen", address)
        server.await_listening(address)
        return server

    server = start_registry()
    answer = requests.post(
        f"http://{address}/subjects/{topic.name}-value/versions",
        json={"schema": json.dumps(pipelines.TRANSACTION_SCHEMA)},
        timeout=30,
    )
    schema_id = answer.json()["id"]
    server.stop()
    topic.produce(
        (number % 8, KAFKA_TIME, b"17", frame(schema_id, avro_datum(transaction_id=f"t-{number}")))
        for number in range(100)
    )

    configuration = pipelines.ecommerce(topic.servers, topic.name, lake, registry=f"http://{address}")
    worker = ingest(configuration, "--until-caught-up", "--schema-not-found-after", "1s")
    worker.await_output("held up")
    assert address in worker.output()
    assert "source.schemaRegistry" in worker.output()
    start_registry()
    worker.succeed()
    schemas = {schema_id: pipelines.TRANSACTION_SCHEMA}
    expected = run_pipeline(topic.read_all(), lambda value: decode_avro(value, schemas))
    assert not expected.quarantine
    lakes.assert_lake(lake, expected)


def test_a_full_disk_is_named_and_nothing_is_lost_when_there_is_room_again(
    topic, ingest, generate, lake, tmp_path, seed
):
    generate(topic, "--seed", seed, "--messages", 60_000, "--rate", 0, "--start-time", "2026-01-05T20:00:00Z").succeed()
    disk = SmallDisk(tmp_path / "disk", "4m")
    try:
        configuration = pipelines.ecommerce(topic.servers, topic.name, disk.folder / "lake")
        configuration["commit"] = {"everyMs": 100, "maxBytes": 2**20}
        worker = ingest(configuration, "--until-caught-up", wrapper=disk.enter())
        worker.await_output("held up")
        assert str(disk.folder) in worker.output()
        assert "full" in worker.output() or "No space left" in worker.output()
        assert worker.is_running()
        disk.resize("400m")
        worker.succeed()
        disk.copy_to(tmp_path / "copy")
    finally:
        disk.close()
    assert_complete(topic, tmp_path / "copy/lake")


def test_a_worker_that_ends_on_a_full_disk_is_followed_by_one_that_loses_nothing(
    topic, ingest, generate, tmp_path, seed
):
    generate(topic, "--seed", seed, "--messages", 60_000, "--rate", 0, "--start-time", "2026-01-05T20:00:00Z").succeed()
    disk = SmallDisk(tmp_path / "disk", "4m")
    try:
        configuration = pipelines.ecommerce(topic.servers, topic.name, disk.folder / "lake")
        configuration["commit"] = {"everyMs": 100, "maxBytes": 2**20}
        worker = ingest(configuration, "--until-caught-up", wrapper=disk.enter())
        worker.await_output("held up")
        worker.kill()
        disk.resize("400m")
        ingest(configuration, "--until-caught-up", wrapper=disk.enter()).succeed()
        disk.copy_to(tmp_path / "copy")
    finally:
        disk.close()
    assert_complete(topic, tmp_path / "copy/lake")
