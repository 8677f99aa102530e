"""What the tests of Argo CD's customizations share."""

import copy
from functools import cache

import pytest
import yaml
from customizations import ROOT, Customizations


@pytest.fixture(scope="session")
def customizations():
    return Customizations()


EXAMPLES = {
    "StreamPipeline": "ecommerce/pipeline.yaml",
    "FraudScorer": "ecommerce/scoring/scorer.yaml",
    "ModelDeployment": "ecommerce/scoring/model.yaml",
}


@cache
def read_example(kind):
    return yaml.safe_load((ROOT / "manifests/examples" / EXAMPLES[kind]).read_text())


def example(kind):
    """The example of a kind, as a cluster has it after two changes."""
    resource = copy.deepcopy(read_example(kind))
    resource["metadata"]["generation"] = 3
    return resource
