"""What workers report reaches the status: numbers, parts, problems. A test answers at the pods' addresses."""

import http.server
import json
import threading

import pytest

from paper_node import address_of_shard
from pipelines_of_tests import payments

PORT = 8080


class Worker:
    """Serves a report at the address of a shard's pod."""

    def __init__(self, shard: int):
        self.report = report(shard)
        worker = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps(worker.report).encode()
                self.send_response(200 if self.path == "/report" else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((address_of_shard(shard), PORT), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def has_problem(self, phase: str, reason: str):
        self.report |= {"phase": phase, "problems": [{"reason": reason, "message": f"{reason}; mend it"}]}

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def report(shard: int) -> dict:
    return {
        "formatVersion": 1,
        "job": "ingest",
        "shard": shard,
        "shards": 2,
        "writer": "w",
        "configuration": "c",
        "phase": "Running",
        "problems": [],
        "startedAtMs": 0,
        "epoch": 3,
        "committedAtMs": 1_700_000_000_000,
        "lag": 1_234,
        "freshnessMs": 2_100,
        "messagesPerSecond": 1.5,
        "partitions": [],
        "tables": [{"name": "bronze", "version": 7, "rows": 1_039, "files": 3, "bytes": 90_210}],
        "counts": {
            "messages": 9, "bytes": 9, "bronze": 9, "silver": 9, "duplicates": 0, "keyMismatches": 0,
            "refused": {"decode": {"MalformedJson": 3}},
        },
    }  # fmt: skip


@pytest.fixture
def workers():
    workers = [Worker(shard) for shard in (0, 1)]
    yield workers
    for worker in workers:
        worker.stop()


@pytest.fixture
def running(operator, namespace, workers):
    namespace.apply(payments())
    namespace.until_ready("payments", "True", "Running")
    namespace.until("numbers", lambda: "lag" in status(namespace))
    return namespace


def test_numbers_are_summed_rounded_and_shown_in_columns(running):
    found = status(running)
    assert (found["lag"], found["freshness"], found["layers"]) == (2_400, "2s", "b✓ s- g-")
    assert found["tables"][0] == {"name": "bronze", "version": 7, "rows": 1_000, "files": 3, "bytes": 90_000}
    assert found["quarantine"] == [{"stage": "decode", "reason": "MalformedJson", "messages": 6}]
    line = running.kubectl("get", "stpl", "payments", "--no-headers")
    assert line.split()[:9] == ["payments", "True", "Running", "2/2", "2400", "2s", "b✓", "s-", "g-"]
    for part in ("KafkaReachable", "StorageReachable", "SchemaCompatible"):
        assert running.condition("payments", part)["status"] == "True"


def test_a_problem_of_a_worker_is_told_where_it_belongs_and_goes_when_it_is_mended(running, workers):
    for worker in workers:
        worker.has_problem("Blocked", "KafkaUnreachable")
    running.until_ready("payments", "False", "KafkaUnreachable")
    kafka = running.condition("payments", "KafkaReachable")
    assert (kafka["status"], kafka["message"]) == ("False", "KafkaUnreachable; mend it")
    assert running.condition("payments", "Reconciling")["status"] == "True"
    for shard, worker in enumerate(workers):
        worker.report = report(shard)
    running.until_ready("payments", "True", "Running")
    assert running.condition("payments", "KafkaReachable")["status"] == "True"


def test_workers_that_fall_silent_are_unknown_and_not_unhealthy(running, workers):
    for worker in workers:
        worker.stop()
    running.until("silence", lambda: running.condition("payments", "KafkaReachable").get("status") == "Unknown")
    assert "NetworkPolicy" in running.condition("payments", "KafkaReachable")["message"]
    assert running.condition("payments", "Ready")["status"] == "True"


@pytest.mark.parametrize("shards", [1, 3])
def test_another_number_of_shards_is_rolled_out_and_back(running, shards):
    for number in (shards, 2):
        running.apply(payments(shards=number))
        names = {f"payments-stpl-ingest-{shard}" for shard in range(number)}
        running.until(f"{number} shards", lambda names=names: running.names("deployments") == names)
        running.until("one configuration", lambda: len(running.names("configmaps")) == 1)
        summary = f"{number}/{number}"
        running.until("all ready", lambda summary=summary: status(running)["replicaSummary"] == summary)
        running.until("rest", lambda: running.condition("payments", "Reconciling") == {})
        running.until_ready("payments", "True", "Running")


def status(namespace) -> dict:
    return namespace.get("streampipeline", "payments")["status"]
