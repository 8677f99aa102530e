"""What Argo CD makes of each state of a resource."""

import copy
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from conftest import EXAMPLES, ROOT, example

sys.path.insert(0, str(ROOT / "helm/tests"))
import schemas  # noqa: E402

STATES = yaml.safe_load((Path(__file__).parent / "states.yaml").read_text())
CASES = [(state, kind) for state in STATES for kind in state.get("kinds", EXAMPLES)]
CASE_NAMES = [f"{kind}: {state['state']}" for state, kind in CASES]


def laid_over(base, changes):
    merged = copy.deepcopy(base)
    for key, value in changes.items():
        is_deeper = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = laid_over(merged[key], value) if is_deeper else value
    return merged


@pytest.mark.parametrize("state, kind", CASES, ids=CASE_NAMES)
def test_each_state_has_its_health(customizations, state, kind):
    resource = laid_over(example(kind), state["resource"])
    assert customizations.health(resource) == state["health"]


def test_every_health_that_a_resource_can_have_is_tested():
    assert {state["health"]["status"] for state in STATES} == {"Healthy", "Progressing", "Suspended", "Degraded"}


@pytest.mark.parametrize("state, kind", CASES, ids=CASE_NAMES)
def test_each_state_is_one_that_the_definition_allows(state, kind):
    resource = laid_over(example(kind), state["resource"])
    for condition in resource.get("status", {}).get("conditions", []):
        condition["lastTransitionTime"] = "2026-01-05T20:00:00Z"
    assert list(jsonschema.Draft7Validator(schemas.custom_schema(kind)).iter_errors(resource)) == []
