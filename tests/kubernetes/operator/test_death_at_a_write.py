"""The operator dies at a write of its own, before the API server has it or after; the next one ends in the same state.

`SLUICE_PROVE=1` dies at every write of every chapter; otherwise a seeded sample is taken.
"""

import concurrent.futures
import difflib
import json
import os
import pathlib
import random
import re

from control_plane import Namespace
from gate import Gate
from operator_program import Operator
from pipelines_of_tests import LAKE_SECRET, payments, requiring

SAMPLE = 60
LIVES_AT_ONCE = 4
KINDS = "serviceaccounts,configmaps,services,poddisruptionbudgets,networkpolicies,deployments,cronjobs,jobs"
OURS = "app.kubernetes.io/managed-by=sluice-operator"
NEIGHBOURS = [("ConfigMap", "payments-stpl-ingest-0"), ("Secret", "lake"), ("Service", "payments")]
# What a pipeline goes through; `None` deletes it.
CHAPTERS = {
    "create": payments(),
    "update": payments(silver=requiring("amount > 1")),
    "re-cut": payments(silver=requiring("amount > 1"), shards=3),
    "delete": None,
}

Deaths = dict[str, tuple[int, bool]]


class Life:
    """One pipeline from its creation to its end, in a namespace and with an operator of its own."""

    def __init__(self, plane, folder: pathlib.Path):
        folder.mkdir()
        self.plane = plane
        self.namespace = Namespace(plane, {"pod-security.kubernetes.io/enforce": "restricted"})
        for kind, name in NEIGHBOURS:
            self.namespace.apply(LAKE_SECRET if kind == "Secret" else of_a_neighbour(kind, name))
        self.neighbours = self.versions_of_neighbours()
        self.gate = Gate(plane, folder)
        self.operator = Operator(self.gate, folder)
        self.flags = (f"--watch-namespaces={self.namespace.name}",)

    def live(self, deaths: Deaths, states: dict[str, dict] | None = None) -> tuple[dict[str, int], dict[str, dict]]:
        """Goes through all chapters, and dies once in each that `deaths` names. Each ends as in `states`, if there are
        any. Gives how many writes each chapter took, and how it ended."""
        found, writes = {}, {}
        try:
            self.operator.start(*self.flags).until_ready()
            for chapter, document in CHAPTERS.items():
                number, forwarded = deaths.get(chapter, (None, False))
                self.gate.rearm(number, forwarded, self.operator.kill)
                self.turn_to(document)
                self.operator_lives_on(bool(number), chapter)
                expected = states and states[chapter]
                found[chapter] = self.until_settled(chapter, document, expected)
                writes[chapter] = len(self.gate.writes)
                assert self.versions_of_neighbours() == self.neighbours, chapter
            return writes, found
        except BaseException as error:
            error.add_note(f"deaths: {deaths}; writes: {self.gate.writes}\n{self.operator.output()[-3000:]}")
            raise
        finally:
            self.operator.kill()
            self.gate.close()
            self.namespace.delete()

    def turn_to(self, document: dict | None):
        if document:
            self.namespace.apply(document)
        else:
            self.namespace.kubectl("delete", "streampipeline", "payments", "--wait=false")

    def operator_lives_on(self, shall_die: bool, chapter: str):
        """Waits for the death, and starts the next operator. A chapter may need fewer writes this time, and no death."""
        if not shall_die:
            return
        document = CHAPTERS[chapter]
        self.namespace.until("death or peace", lambda: self.gate.struck.is_set() or self.is_at_peace(document))
        if self.gate.disarm():  # the last writes, events say, come when there is peace already
            self.operator.start(*self.flags).until_ready()

    def is_at_peace(self, document: dict | None) -> bool:
        found = self.namespace.get("streampipelines")["items"]
        if document is None:
            return found == [] and self.namespace.get(KINDS, selector=OURS)["items"] == []
        (pipeline,) = found
        status = pipeline.get("status", {})
        conditions = {one["type"]: one["status"] for one in status.get("conditions", [])}
        return (
            status.get("observedGeneration") == pipeline["metadata"]["generation"]
            and conditions.get("Ready") == "True"
            and "Reconciling" not in conditions
            and self.namespace.names("jobs") == set()
            and len(self.namespace.names("configmaps")) == 1
        )

    def until_settled(self, chapter: str, document: dict | None, expected: dict | None) -> dict:
        self.namespace.until(f"end of {chapter}", lambda: self.is_at_peace(document))
        if expected is None:
            return self.state()
        try:
            self.namespace.until("expected state", lambda: self.state() == expected, patience=20)
        except AssertionError:
            before, after = (json.dumps(one, indent=1, sort_keys=True).splitlines() for one in (expected, self.state()))
            differences = list(difflib.unified_diff(before, after, "undisturbed", "here", lineterm=""))
            assert differences == [], "\n".join(differences)
        return expected

    def state(self) -> dict:
        """What there is of ours, without what is different in each life."""
        items = self.namespace.get(KINDS, selector=OURS)["items"]
        return {
            self.generalise(f"{item['kind']} {item['metadata']['name']}", item): self.lasting(item) for item in items
        }

    def generalise(self, text: str, item: dict) -> str:
        """Without what names this one life. A configuration names its owner, so its digest does too."""
        (owner,) = item["metadata"]["ownerReferences"]
        for one, all_of_them in ((self.namespace.name, "NAMESPACE"), (owner["uid"], "UID")):
            text = text.replace(one, all_of_them)
        return re.sub("stpl-config-[0-9a-f]+", "stpl-config-DIGEST", text)

    def lasting(self, item: dict) -> dict:
        metadata = item["metadata"]
        body = {key: value for key, value in item.items() if key not in ("metadata", "status")}
        whole = {"labels": metadata["labels"], "owners": metadata["ownerReferences"], "body": body}
        lasting = json.loads(self.generalise(json.dumps(whole), item))
        spec = lasting["body"].get("spec", {})
        for address in ("clusterIP", "clusterIPs"):
            spec.pop(address, None)
        for container in spec.get("template", {}).get("spec", {}).get("containers", []):
            revision = container["args"].index("--deployment-revision") + 1  # it rises with the time
            del container["args"][revision]
        return lasting

    def versions_of_neighbours(self) -> dict:
        return {kind: self.namespace.get(kind, name)["metadata"]["resourceVersion"] for kind, name in NEIGHBOURS}


def of_a_neighbour(kind: str, name: str) -> dict:
    """An object with a name like ours, and labels like ours, that somebody else made."""
    labels = {"sluice.dev/pipeline": "payments", "app.kubernetes.io/managed-by": "helm"}
    document = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": labels}}
    if kind == "Service":
        document["spec"] = {"ports": [{"port": 80}]}
    return document


def deal(points: list[tuple[str, int, bool]]) -> list[Deaths]:
    """Spreads deaths over lives, one of each chapter in a life."""
    lives: list[Deaths] = []
    for chapter, number, forwarded in points:
        life = next((one for one in lives if chapter not in one), None)
        if life is None:
            lives.append(life := {})
        life[chapter] = (number, forwarded)
    return lives


def test_an_operator_that_dies_at_a_write_leaves_nothing_that_the_next_does_not_mend(plane, node, seed, tmp_path):
    writes, states = Life(plane, tmp_path / "undisturbed").live({})
    print(f"writes: {writes}")
    assert writes["create"] > 8 and states["delete"] == {}
    points = [
        (chapter, number, forwarded)
        for chapter, count in writes.items()
        for number in range(1, count + 1)
        for forwarded in (False, True)
    ]
    if not os.environ.get("SLUICE_PROVE"):
        points = random.Random(seed).sample(points, min(SAMPLE, len(points)))
    lives = deal(points)

    def died(number: int) -> int:
        life = Life(plane, tmp_path / f"life-{number}")
        life.live(lives[number], states)
        return life.operator.starts - 1

    with concurrent.futures.ThreadPoolExecutor(LIVES_AT_ONCE) as pool:
        deaths = sum(pool.map(died, range(len(lives))))
    print(f"{deaths} deaths at {len(points)} points, in {len(lives)} lives")
    assert deaths >= 0.8 * len(points), "most of the writes that were counted come again"
