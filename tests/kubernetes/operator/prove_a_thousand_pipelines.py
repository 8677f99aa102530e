"""A thousand pipelines on an API server and nothing else: the operator keeps up, stays small, and rests.

Not collected with the tests; `make prove` names it. Needs `dev/cluster up --api-only`: a test plays the controllers
of Jobs and Deployments, since no pods shall run.
"""

import concurrent.futures
import datetime
import random
import re
import threading
import time
from collections import defaultdict

import pytest

from control_plane import Namespace, Refused
from operator_program import Operator
from pipelines_of_tests import LAKE_SECRET, payments, requiring
from resources import path_of

PIPELINES = 1_000
CHANGES, CHANGES_A_SECOND = 300, 3
MEBIBYTE = 1_048_576
PATH = "/apis/sluice.dev/v1alpha1/namespaces/{namespace}/streampipelines"
MUTATING = ("create", "update", "patch", "delete", "deletecollection")


class PaperController(threading.Thread):
    """Says of each new Job that it is complete, or of each Deployment that its pod is ready."""

    def __init__(self, namespace: Namespace, kind: str):
        super().__init__(daemon=True)
        self.plane, self.path = namespace.plane, path_of(kind, namespace.name)
        self.stopped = False

    def run(self):
        while not self.stopped:
            try:
                for item in self.plane.watch(self.path):
                    self.say(item)
            except (Refused, OSError):
                continue  # the next watch begins with what is there then

    def say(self, item: dict):
        found, generation = item.get("status", {}), item["metadata"]["generation"]
        wanted = complete() if item["kind"] == "Job" else ready(generation)
        if "completionTime" in found or found.get("observedGeneration") == generation:
            return
        path = f"{self.path}/{item['metadata']['name']}/status"
        try:
            self.plane.request("PATCH", path, {"status": wanted}, "application/merge-patch+json")
        except Refused as refused:
            if not re.match("404|409", str(refused)):
                raise


def complete() -> dict:
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": now} for kind in ("SuccessCriteriaMet", "Complete")
    ]
    return {"startTime": now, "completionTime": now, "succeeded": 1, "conditions": conditions}


def ready(generation: int) -> dict:
    one = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
    return {**one, "observedGeneration": generation}


@pytest.fixture
def namespace(plane):
    namespace = Namespace(plane)
    namespace.apply(LAKE_SECRET)
    controllers = [PaperController(namespace, kind) for kind in ("jobs", "deployments")]
    for controller in controllers:
        controller.start()
    yield namespace
    for controller in controllers:
        controller.stopped = True
    namespace.delete()


@pytest.fixture
def operator(plane, namespace, tmp_path):
    operator = Operator(plane, tmp_path).start("--leader-election", f"--lease-namespace={namespace.name}").until_ready()
    yield operator
    operator.kill()


def test_a_thousand_pipelines(plane, namespace, operator, seed):
    names = [f"payments-{number}" for number in range(PIPELINES)]
    path = PATH.format(namespace=namespace.name)
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: plane.request("POST", path, payments(name, shards=1)), names))
    applied = time.monotonic() - started
    namespace.until("thousand pipelines that work", lambda: working(plane, path) == PIPELINES, patience=900)
    print(
        f"{PIPELINES} pipelines applied in {applied:.0f} s, all of them work after {time.monotonic() - started:.0f} s"
    )

    time.sleep(45)
    since = time.time()
    time.sleep(60)
    resting = [f"{one['verb']} {one['requestURI']}" for one in writes(plane, since)]
    print(f"at rest, in 60 s: {len(resting)} writes, {operator.cpu_seconds():.1f} CPU-seconds in all")
    assert resting and all("/leases/" in one for one in resting), resting[:10]

    delays = sorted(change_one_after_another(plane, path, random.Random(seed).sample(names, CHANGES)))
    p50, p99 = delays[len(delays) // 2], delays[int(len(delays) * 0.99)]
    memory = operator.peak_memory() / MEBIBYTE
    print(f"acted on a change of the spec after {p50:.3f} s (p50), {p99:.3f} s (p99), {delays[-1]:.3f} s (longest)")
    print(f"peak memory of the operator: {memory:.0f} MiB")
    assert p99 < 1.0
    assert memory < 100


def working(plane, path: str) -> int:
    found, token = 0, ""
    while True:
        page = plane.request("GET", f"{path}?limit=250&continue={token}")
        for item in page["items"]:
            status = item.get("status", {})
            reason = next((one["reason"] for one in status.get("conditions", []) if one["type"] == "Ready"), None)
            found += reason == "Running" and status.get("observedGeneration") == item["metadata"]["generation"]
        token = page["metadata"].get("continue", "")
        if not token:
            return found


def change_one_after_another(plane, path: str, names: list[str]) -> list[float]:
    """Changes the configuration of each; gives how long the operator took to its first write for it."""
    since = time.time()
    patch = {"spec": {"silver": requiring("amount > 1")}}
    for name in names:
        next_one = time.monotonic() + 1 / CHANGES_A_SECOND
        plane.request("PATCH", f"{path}/{name}", patch, "application/merge-patch+json")
        time.sleep(max(0.0, next_one - time.monotonic()))
    time.sleep(10)
    changed, acted = {}, defaultdict(lambda: float("inf"))
    for request in plane.audit_log():
        if stamp(request, "requestReceivedTimestamp") < since or request["verb"] not in MUTATING:
            continue
        resource = request.get("objectRef", {})
        if is_ours(request):
            owner = re.match(r"(payments-\d+)(-stpl|$)", resource.get("name", ""))
            if owner:
                name = owner.group(1)
                acted[name] = min(acted[name], stamp(request, "requestReceivedTimestamp"))
        elif resource.get("resource") == "streampipelines":
            changed[resource["name"]] = stamp(request, "stageTimestamp")
    return [acted[name] - changed[name] for name in names]


def writes(plane, since: float) -> list[dict]:
    return [
        request
        for request in plane.audit_log()
        if is_ours(request) and request["verb"] in MUTATING and stamp(request, "requestReceivedTimestamp") >= since
    ]


def is_ours(request: dict) -> bool:
    return request.get("userAgent", "").startswith("sluice-operator/")


def stamp(request: dict, field: str) -> float:
    return datetime.datetime.fromisoformat(request[field]).timestamp()
