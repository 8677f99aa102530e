"""A node that exists on paper: it takes pods and says what a kubelet would say of them, and runs nothing.

What the controllers, the scheduler and the API server make of that is real. By default checks, replays and upkeep pass
and workers become ready; `says` changes that for a namespace.
"""

import threading
import time
from datetime import UTC, datetime

from control_plane import PREFIX, PROCESS, ControlPlane, Refused

NAME = "paper-node"
PASS, READY, HANG = "pass", "ready", "hang"


def fail(message: str, code: int = 1) -> dict:
    """A container that ended, with its last words."""
    return {"exitCode": code, "message": message}


def waits(reason: str, message: str) -> dict:
    """A container that does not get to run."""
    return {"reason": reason, "message": message}


class PaperNode(threading.Thread):
    """Plays the kubelet of one node."""

    def __init__(self, plane: ControlPlane):
        super().__init__(name=NAME, daemon=True)
        self.plane = plane
        self.stopped = threading.Event()
        self.behaviour: dict[tuple[str, str], object] = {}
        self.register()

    def says(self, namespace: str, role: str, what):
        """What pods of a role (`check`, `ingest`, `replay`, `upkeep`) in a namespace do from now on."""
        self.behaviour[namespace, role] = what

    def register(self):
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NAME}}
        try:
            self.plane.request("POST", "/api/v1/nodes", node)
        except Refused as refused:
            assert "AlreadyExists" in str(refused), refused
        self.heartbeat()

    def heartbeat(self):
        now = _now()
        capacity = {"cpu": "1000", "memory": "1000Gi", "pods": "10000", "ephemeral-storage": "1000Gi"}
        ready = {"type": "Ready", "status": "True", "reason": "Paper", "lastHeartbeatTime": now}
        status = {"status": {"capacity": capacity, "allocatable": capacity, "conditions": [ready]}}
        path = f"/api/v1/nodes/{NAME}/status"
        self.plane.request("PATCH", path, status, "application/strategic-merge-patch+json")

    def run(self):
        last = 0.0
        while not self.stopped.wait(0.3):
            try:
                if time.monotonic() - last > 3:
                    self.heartbeat()
                    last = time.monotonic()
                self.tend()
            except (Refused, OSError):
                continue  # the next round sees what is there then

    def tend(self):
        pods = self.plane.request("GET", f"/api/v1/pods?fieldSelector=spec.nodeName={NAME}")["items"]
        for pod in pods:
            metadata = pod["metadata"]
            if not metadata["namespace"].startswith(PREFIX):
                continue  # another process plays this one
            path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
            try:
                if "deletionTimestamp" in metadata:
                    self.plane.request("DELETE", path, {"gracePeriodSeconds": 0})
                else:
                    self.tend_one(pod, path)
            except Refused:
                continue  # it went away

    def tend_one(self, pod: dict, path: str):
        role = pod["metadata"].get("labels", {}).get("sluice.dev/role", "")
        default = PASS if role in ("check", "replay", "upkeep") else READY
        behaviour = self.behaviour.get((pod["metadata"]["namespace"], role), default)
        wanted = status_of(pod, behaviour)
        if wanted and not same(pod.get("status", {}), wanted):
            self.plane.request("PATCH", path + "/status", {"status": wanted}, "application/merge-patch+json")

    def stop(self):
        self.stopped.set()
        self.join(10)


def status_of(pod: dict, behaviour) -> dict | None:
    if behaviour == HANG:
        return None
    ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    if ended:
        return None
    container = {
        "name": pod["spec"]["containers"][0]["name"],
        "image": pod["spec"]["containers"][0]["image"],
        "imageID": "",
        "restartCount": 0,
        "ready": behaviour == READY,
    }
    once = pod["spec"]["restartPolicy"] == "Never"
    if behaviour == READY:
        container["state"] = {"running": {}}
        shard = int(pod["metadata"]["labels"].get("sluice.dev/shard", 0))
        return {
            "phase": "Running",
            "podIP": address_of_shard(shard),
            "conditions": ready("True"),
            "containerStatuses": [container],
        }
    if behaviour == PASS:
        container["state"] = {"terminated": {"exitCode": 0}}
        return {"phase": "Succeeded", "conditions": ready("False"), "containerStatuses": [container]}
    if "exitCode" in behaviour and once:
        container["state"] = {"terminated": behaviour}
        return {"phase": "Failed", "conditions": ready("False"), "containerStatuses": [container]}
    if "exitCode" in behaviour:
        container["state"] = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
        container["lastState"] = {"terminated": behaviour}
    else:
        container["state"] = {"waiting": behaviour}
    return {"phase": "Pending", "conditions": ready("False"), "containerStatuses": [container]}


def address_of_shard(shard: int) -> str:
    """An address of this machine for each shard; a test may answer there as a worker would."""
    return f"127.9.{PROCESS.removeprefix('gw')}.{10 + shard}"


def ready(status: str) -> list[dict]:
    return [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": status}]


def same(found: dict, wanted: dict) -> bool:
    def state(status: dict):
        containers = status.get("containerStatuses") or [{}]
        states = containers[0].get("state", {})
        kind = next(iter(states), None)
        return status.get("phase"), containers[0].get("ready"), kind, (states.get(kind) or {}).get("reason")

    return state(found) == state(wanted)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
