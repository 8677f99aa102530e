"""The process: silence at rest, sudden death, election, what it serves."""

import http.server
import json
import random
import threading
import time

import pytest
import yaml

import judges
from operator_program import ROOT, Operator
from pipelines_of_tests import payments, scorer
from waiting import Refused, until

CHILDREN = "serviceaccounts,configmaps,services,poddisruptionbudgets,networkpolicies,deployments,cronjobs,jobs"
OURS = "app.kubernetes.io/managed-by=sluice-operator"


def writes(namespace, since: float) -> list[str]:
    """Mutating requests of the operator in a namespace since a time, by the audit log."""
    found = []
    for request in namespace.plane.audit_log():
        if request.get("objectRef", {}).get("namespace") != namespace.name:
            continue
        stamp = time.mktime(time.strptime(request["requestReceivedTimestamp"][:19], "%Y-%m-%dT%H:%M:%S"))
        is_ours = request.get("userAgent", "").startswith("sluice-operator/")
        is_write = request["verb"] in ("create", "update", "patch", "delete", "deletecollection")
        if is_ours and is_write and stamp - time.timezone >= since:
            found.append(f"{request['verb']} {request['requestURI']}")
    return found


def test_at_rest_nothing_is_written(operator, namespace):
    for name in ("payments", "refunds"):
        namespace.apply(payments(name))
    namespace.apply(scorer())
    namespace.apply(payments("waiting", storage={"uri": "s3://lake/waiting", "secretRef": {"name": "absent"}}))
    for name in ("payments", "refunds"):
        namespace.until_ready(name, "True", "Running")
    namespace.until_ready("payments", "True", "Running", kind="fraudscorer")
    namespace.until_ready("waiting", "False", "ReferenceMissing")
    time.sleep(15)
    since = time.time()
    assert writes(namespace, 0), "the log knows the operator"
    time.sleep(60)
    assert writes(namespace, since) == []


def test_a_restart_of_the_operator_changes_nothing(operator, namespace):
    namespace.apply(payments())
    namespace.until_ready("payments", "True", "Running")
    namespace.until("end of the check", lambda: namespace.names("jobs") == set())
    time.sleep(3)
    before = state(namespace)
    assert operator.terminate() == 0
    operator.start(f"--watch-namespaces={namespace.name}").until_ready()
    time.sleep(10)
    assert state(namespace) == before


def test_an_operator_that_is_killed_at_any_moment_ends_where_another_would(plane, node, namespace, tmp_path):
    seed = random.SystemRandom().randrange(2**31)
    print(f"SLUICE_SEED={seed}")
    chance = random.Random(seed)
    operator = Operator(plane, tmp_path)
    flag = f"--watch-namespaces={namespace.name}"
    done = threading.Event()

    def torment():
        while not done.is_set():
            operator.start(flag)
            time.sleep(chance.uniform(0.2, 2.5))
            operator.kill()

    thread = threading.Thread(target=torment, daemon=True)
    thread.start()
    namespace.apply(payments())
    time.sleep(15)
    namespace.apply(payments(shards=3))
    time.sleep(10)
    namespace.apply(payments())
    time.sleep(5)
    done.set()
    thread.join()
    try:
        operator.start(flag).until_ready()
        namespace.until_ready("payments", "True", "Running")
        expected = {"payments-stpl-ingest-0", "payments-stpl-ingest-1"}
        namespace.until("two workers", lambda: namespace.names("deployments") == expected)
        namespace.until("one configuration", lambda: len(namespace.names("configmaps")) == 1)
        namespace.until("no check", lambda: namespace.names("jobs") == set())
    finally:
        operator.kill()


def test_of_two_operators_one_acts_and_the_other_takes_over_at_once(plane, node, namespace, tmp_path):
    flags = [
        "--leader-election",
        "--lease-seconds=15",
        f"--lease-namespace={namespace.name}",
        f"--watch-namespaces={namespace.name}",
    ]
    first, second = (Operator(plane, tmp_path / name) for name in ("first", "second"))
    for operator in (first, second):
        operator.folder.mkdir()
    try:
        first.start(*flags).until_ready()
        first.until("leadership", lambda: leads(first))
        second.start(*flags).until_ready()
        time.sleep(5)
        assert not leads(second)
        namespace.apply(payments())
        namespace.until_ready("payments", "True", "Running")
        started = time.monotonic()
        assert first.terminate() == 0
        second.until("leadership", lambda: leads(second))
        assert time.monotonic() - started < 12, "the lease was released, not run out"
        namespace.kubectl("delete", "service", "payments-stpl-ingest")
        namespace.until("service", lambda: namespace.names("services"))
    finally:
        first.kill()
        second.kill()


@pytest.mark.alone
def test_a_missing_definition_is_waited_for_and_named(plane, node, tmp_path):
    operator = Operator(plane, tmp_path)
    plane.kubectl("delete", "crd", "streampipelines.sluice.dev", "--wait=true")
    try:
        # For a moment an API server may still list what it has no definition of.
        until("end of the lists", lambda: not lists_pipelines(plane), lambda: "they are still given")
        operator.start()
        operator.until("what it waits for", lambda: "streampipelines.sluice.dev" in operator.fetch("/readyz")[1])
        assert operator.fetch("/readyz")[0] == 503
        assert operator.fetch("/healthz") == (200, "ok\n")
        plane.kubectl("apply", "--server-side", f"--filename={ROOT / 'crds'}")
        operator.until_ready()
    finally:
        operator.kill()
        plane.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={ROOT / 'crds'}")


def lists_pipelines(plane) -> bool:
    try:
        plane.kubectl("get", "--raw", "/apis/sluice.dev/v1alpha1/streampipelines?limit=1")
    except Refused:
        return False
    return True


def test_a_kind_that_nobody_acts_on_yet_says_so(operator, namespace):
    document = yaml.safe_load((ROOT / "manifests/examples/ecommerce/scoring/model.yaml").read_text())
    namespace.apply(document)
    seen = namespace.until("status", lambda: told(namespace.get("modeldeployment", document["metadata"]["name"])))
    assert judges.kstatus(seen) == "Failed"
    (ready,) = [one for one in seen["status"]["conditions"] if one["type"] == "Ready"]
    assert (ready["status"], ready["reason"]) == ("False", "NotSupported")


def told(resource: dict) -> dict | None:
    observed = resource.get("status", {}).get("observedGeneration")
    return resource if observed == resource["metadata"]["generation"] else None


def test_metrics_and_logs_are_for_machines(operator, namespace):
    namespace.apply(payments())
    namespace.until_ready("payments", "True", "Running")
    code, metrics = operator.fetch("/metrics")
    assert code == 200
    values = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
    assert int(values["sluice_operator_reconciles_total"]) > 1
    assert int(values['sluice_operator_api_writes_total{verb="create"}']) >= 8
    assert values["sluice_operator_leading"] == "1"
    assert "\x1b" not in operator.output()
    for line in operator.output().splitlines():
        assert "level" in json.loads(line)


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes what OpenTelemetry's protocol sends over HTTP."""

    received: list[tuple[str, bytes]] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append((self.path, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_traces_go_where_the_flag_says(plane, node, namespace, tmp_path):
    collector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{collector.server_port}/v1/traces"
    operator = Operator(plane, tmp_path)
    try:
        operator.start(f"--watch-namespaces={namespace.name}", f"--otlp-endpoint={endpoint}").until_ready()
        namespace.apply(payments())
        namespace.until_ready("payments", "True", "Running")
        assert operator.terminate() == 0, "what is left is sent at the end"
    finally:
        operator.kill()
        collector.shutdown()
    paths = {path for path, _ in Collector.received}
    spans = b"".join(body for _, body in Collector.received)
    assert paths == {"/v1/traces"}
    assert b"reconcile" in spans and b"payments" in spans and namespace.name.encode() in spans


def leads(operator) -> bool:
    return "\nsluice_operator_leading 1\n" in operator.fetch("/metrics")[1]


def state(namespace) -> dict:
    """Every child with its version: what has changed if anything has."""
    found = namespace.get(CHILDREN + ",pods", selector=OURS)["items"]
    return {
        (item["kind"], item["metadata"]["name"]): (item["metadata"]["uid"], item["metadata"].get("generation"))
        for item in found
    }
