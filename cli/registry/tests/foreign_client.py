"""The registry, proved by confluent-kafka's client and serializers.

Run with pytest. The registry is the example binary `registry`, found through SLUICE_REGISTRY_EXAMPLE or in
the target folder of a debug build.
"""

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

ROOT = Path(__file__).resolve().parents[3]
BUILD = "cargo build -p sluice-registry --example registry"

V1 = json.dumps({
    "type": "record", "name": "Payment", "namespace": "shop",
    "fields": [{"name": "id", "type": "string"}, {"name": "amount", "type": "double"}],
})
V2 = json.dumps({
    "type": "record", "name": "Payment", "namespace": "shop",
    "fields": [{"name": "id", "type": "string"}, {"name": "amount", "type": "double"},
               {"name": "note", "type": ["null", "string"], "default": None}],
})
INCOMPATIBLE = json.dumps({
    "type": "record", "name": "Payment", "namespace": "shop",
    "fields": [{"name": "id", "type": "string"}, {"name": "amount", "type": "double"},
               {"name": "currency", "type": "string"}],
})


def executable() -> Path:
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = Path(os.environ.get("SLUICE_REGISTRY_EXAMPLE", target / "debug/examples/registry"))
    assert path.exists(), f"{path} is missing; build it with: {BUILD}"
    return path


class Server:
    """One registry process on one data directory, restarted at will."""

    def __init__(self, data: Path):
        self.data = data
        self.process = None
        self.url = None

    def start(self):
        self.process = subprocess.Popen(
            [executable(), "--data", self.data, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:"), f"the registry did not start: {line!r}"
        self.url = line.split()[-1]
        return self

    def stop(self, signal_number):
        self.process.send_signal(signal_number)
        self.process.wait(timeout=10)
        self.process.stdout.close()

    def client(self) -> SchemaRegistryClient:
        return SchemaRegistryClient({"url": self.url})

    def call(self, method, path, body=None):
        """A raw call: status, JSON."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        request.add_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                assert response.headers["Content-Type"] == "application/vnd.schemaregistry.v1+json"
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path / "registry").start()
    yield server
    if server.process.poll() is None:
        server.stop(signal.SIGKILL)


def test_serializers_write_and_read_the_confluent_framing(server):
    context = SerializationContext("payments", MessageField.VALUE)
    framed = AvroSerializer(server.client(), V1)({"id": "p1", "amount": 2.5}, context)
    assert framed[:5] == b"\x00\x00\x00\x00\x01"
    assert AvroDeserializer(server.client())(framed, context) == {"id": "p1", "amount": 2.5}
    # A reader with the next version fills in the default.
    newer = AvroDeserializer(server.client(), V2)(framed, context)
    assert newer == {"id": "p1", "amount": 2.5, "note": None}
    assert server.client().get_subjects() == ["payments-value"]


def test_a_compatible_version_is_registered_and_an_incompatible_one_refused_with_409(server):
    client = server.client()
    assert client.register_schema("payments-value", Schema(V1, "AVRO")) == 1
    assert client.register_schema("payments-value", Schema(V2, "AVRO")) == 2
    assert client.test_compatibility("payments-value", Schema(INCOMPATIBLE, "AVRO")) is False
    with pytest.raises(SchemaRegistryError) as refused:
        client.register_schema("payments-value", Schema(INCOMPATIBLE, "AVRO"))
    assert (refused.value.http_status_code, refused.value.error_code) == (409, 409)
    assert "currency" in refused.value.error_message
    with pytest.raises(SchemaRegistryError):
        AvroSerializer(server.client(), INCOMPATIBLE)(
            {"id": "p", "amount": 1.0, "currency": "EUR"}, SerializationContext("payments", MessageField.VALUE))
    assert client.get_versions("payments-value") == [1, 2]


def test_ids_versions_and_settings_survive_kill_9(server):
    client = server.client()
    assert client.register_schema("a-value", Schema(V1, "AVRO")) == 1
    assert client.register_schema("b-value", Schema(V2, "AVRO")) == 2
    assert client.register_schema("b/c value", Schema(V1, "AVRO")) == 1
    client.set_compatibility("a-value", "FULL_TRANSITIVE")
    client.delete_version("b-value", 1)
    server.stop(signal.SIGKILL)
    server.start()
    client = server.client()
    assert client.get_schema(1).schema_str == V1
    assert client.get_schema(2).schema_str == V2
    assert client.get_subjects() == ["a-value", "b/c value"]
    assert client.get_compatibility("a-value") == "FULL_TRANSITIVE"
    assert client.register_schema("b-value", Schema(V2, "AVRO")) == 2
    assert client.get_latest_version("b-value").version == 2
    next_schema = Schema(json.dumps({"type": "array", "items": "long"}), "AVRO")
    assert client.register_schema("fresh-value", next_schema) == 3


def test_a_torn_tail_is_cut_after_a_crash(server):
    client = server.client()
    client.register_schema("a-value", Schema(V1, "AVRO"))
    server.stop(signal.SIGKILL)
    with open(server.data / "registry.log", "ab") as log:
        log.write(b'deadbeef {"event":"regis')
    server.start()
    assert server.client().register_schema("a-value", Schema(V2, "AVRO")) == 2
    server.stop(signal.SIGKILL)
    server.start()
    assert server.client().get_versions("a-value") == [1, 2]


def test_lookups_and_deletions_as_the_client_makes_them(server):
    client = server.client()
    client.register_schema("s", Schema(V1, "AVRO"))
    respelt = json.dumps(json.loads(V1), indent=2)
    found = client.lookup_schema("s", Schema(respelt, "AVRO"))
    assert (found.subject, found.version, found.schema_id) == ("s", 1, 1)
    _, answer = server.call("POST", "/subjects/s", {"schema": respelt})
    assert answer == {"subject": "s", "version": 1, "id": 1, "schema": V1}
    assert client.get_schema_types() == ["AVRO"]
    assert client.get_version("s", 1).schema_id == 1
    assert [(used.subject, used.version) for used in client.get_schema_versions(1)] == [("s", 1)]
    assert client.get_subjects_by_schema_id(1) == ["s"]
    assert client.delete_subject("s") == [1]
    assert client.get_subjects() == []
    assert client.get_subjects(deleted=True) == ["s"]
    assert client.delete_subject("s", permanent=True) == [1]
    assert client.get_subjects(deleted=True) == []
    assert server.client().get_schema(1).schema_str == V1


def test_config_and_mode_as_the_client_makes_them(server):
    client = server.client()
    assert client.get_compatibility() == "BACKWARD"
    with pytest.raises(SchemaRegistryError) as missing:
        client.get_compatibility("s")
    assert missing.value.error_code == 40408
    client.set_compatibility(level="NONE")
    assert client.get_compatibility() == "NONE"
    client.register_schema("s", Schema(V1, "AVRO"))
    assert client.register_schema("s", Schema(INCOMPATIBLE, "AVRO")) == 2
    assert client.get_global_mode() == "READWRITE"
    client.update_mode("s", "READONLY")
    with pytest.raises(SchemaRegistryError) as refused:
        client.register_schema("s", Schema(V2, "AVRO"))
    assert (refused.value.http_status_code, refused.value.error_code) == (422, 42205)


@pytest.mark.parametrize("method, path, body, status, code", [
    ("GET", "/subjects/none/versions", None, 404, 40401),
    ("GET", "/subjects/s/versions/9", None, 404, 40402),
    ("GET", "/subjects/s/versions/zero", None, 422, 42202),
    ("GET", "/schemas/ids/77", None, 404, 40403),
    ("POST", "/subjects/s", {"schema": '"long"'}, 404, 40403),
    ("POST", "/subjects/s/versions", {"schema": '{"type":"record"}'}, 422, 42201),
    ("POST", "/subjects/s/versions", {"schema": "{}", "schemaType": "JSON"}, 422, 42201),
    ("POST", "/subjects/s/versions", {"schema": 'syntax = "proto3";', "schemaType": "PROTOBUF"}, 422, 42201),
    ("POST", "/subjects/s/versions",
     {"schema": V1, "references": [{"name": "x", "subject": "x", "version": 1}]}, 422, 42201),
    ("POST", "/subjects/s/versions", b"no json", 400, 400),
    ("PUT", "/config", {"compatibility": "SIDEWAYS"}, 422, 42203),
    ("PUT", "/mode", {"mode": "IMPORT"}, 422, 42204),
    ("GET", "/nowhere", None, 404, 404),
    ("PUT", "/subjects", {}, 405, 405),
])
def test_refusals_carry_confluents_codes(server, method, path, body, status, code):
    server.client().register_schema("s", Schema(V1, "AVRO"))
    answer_status, answer = server.call(method, path, body)
    assert (answer_status, answer["error_code"]) == (status, code)
    assert answer["message"]


def test_compatibility_calls_explain_themselves_when_asked(server):
    server.client().register_schema("s", Schema(V1, "AVRO"))
    _, terse = server.call("POST", "/compatibility/subjects/s/versions/latest", {"schema": INCOMPATIBLE})
    assert terse == {"is_compatible": False}
    _, verbose = server.call("POST", "/compatibility/subjects/s/versions?verbose=true", {"schema": INCOMPATIBLE})
    assert verbose["is_compatible"] is False and "currency" in verbose["messages"][0]
    _, unknown = server.call("POST", "/compatibility/subjects/new/versions/latest", {"schema": INCOMPATIBLE})
    assert unknown == {"is_compatible": True}
    assert server.call("GET", "/")[1] == {}
    assert server.call("GET", "/subjects/s/versions/latest/schema")[1] == json.loads(V1)
    assert server.call("GET", "/schemas/ids/1/schema")[1] == json.loads(V1)


def test_a_second_process_on_the_same_data_is_refused(server):
    second = subprocess.run(
        [executable(), "--data", server.data, "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=20)
    assert second.returncode != 0
    assert "another schema registry uses this directory" in second.stderr
