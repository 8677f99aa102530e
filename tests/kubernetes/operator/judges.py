"""What other people's tools make of a resource: kstatus, by which Helm and Flux wait, and Argo CD with our script."""

import json
import pathlib
import subprocess
import sys
from functools import cache

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "manifests/argocd/tests"))
from customizations import Customizations  # noqa: E402


@cache
def _kstatus() -> pathlib.Path:
    build = ROOT / "dev/services/kubernetes/build"
    folder = subprocess.run([build, "folder", "kstatus"], check=True, stdout=subprocess.PIPE, text=True)
    return pathlib.Path(folder.stdout.strip()) / "kstatus"


def kstatus(resource: dict) -> str:
    """`Current`, `InProgress`, `Failed` or `Terminating`, by the library itself."""
    answer = subprocess.run([_kstatus()], input=json.dumps(resource), check=True, stdout=subprocess.PIPE, text=True)
    return answer.stdout.split("\t")[0]


@cache
def _customizations() -> Customizations:
    return Customizations()


def argo_cd(resource: dict) -> str:
    """`Healthy`, `Progressing`, `Suspended` or `Degraded`, by the script that Argo CD runs."""
    return _customizations().health(resource)["status"]


# What a person would call each state, by the reason of `Ready`: of kstatus, and of Argo CD.
WORKS, RESTS, MOVES, STUCK = (
    ("Current", "Healthy"),
    ("Current", "Suspended"),
    ("InProgress", "Progressing"),
    ("Failed", "Degraded"),
)
VERDICTS = {
    "Running": WORKS,
    "Suspended": RESTS,
    "InvalidSpec": STUCK,
    "NameTaken": STUCK,
    "ConfigurationRefused": STUCK,
    "Checking": MOVES,
    "CheckFailed": MOVES,
    "Starting": MOVES,
    "ReferenceMissing": MOVES,
    "KafkaUnreachable": MOVES,
    "ImagePullFailed": MOVES,
    "CrashLoop": MOVES,
    "OutOfMemory": MOVES,
    "QuotaExceeded": MOVES,
}


def assert_judged_right(resource: dict):
    """Both tools say what a person would say, whose reading is the table above."""
    conditions = {one["type"]: one for one in resource["status"]["conditions"]}
    reason = conditions["Ready"]["reason"]
    expected = VERDICTS[reason]
    if expected in (WORKS, RESTS) and "Reconciling" in conditions:
        expected = MOVES
    found = kstatus(resource), argo_cd(resource)
    assert found == expected, f"Ready is {conditions['Ready']['status']} by {reason}: {json.dumps(resource['status'])}"
