"""What the operator's tests need: a control plane, a node on paper, and the real operator."""

import pytest

import definitions
from control_plane import ControlPlane, Namespace, Refused, cluster_script
from operator_program import ROOT, Operator
from paper_node import PaperNode
from pipelines_of_tests import LAKE_SECRET


@pytest.fixture(scope="session")
def plane():
    """A control plane without nodes. Its absence is a failure, never a reason to skip."""
    try:
        plane = ControlPlane(cluster_script(ROOT))
    except (Refused, OSError) as missing:
        pytest.fail(f"no control plane ({missing}): run `dev/cluster up --control-plane`")
    definitions.teach(plane, ROOT / "crds")
    return plane


@pytest.fixture(scope="session")
def node(plane):
    node = PaperNode(plane)
    node.start()
    yield node
    node.stop()


@pytest.fixture
def operator(plane, node, namespace, tmp_path):
    """An operator of the namespace; killed after the test, whose log is then printed if it failed."""
    operator = Operator(plane, tmp_path).start(f"--watch-namespaces={namespace.name}").until_ready()
    yield operator
    operator.kill()
    for log in sorted(tmp_path.glob("operator-*.log")):
        print(f"--- {log.name}\n{log.read_text(errors='replace')[-6000:]}")


@pytest.fixture
def namespace(plane):
    """A fresh namespace that enforces `restricted`, with the Secret of the lake."""
    namespace = Namespace(plane, {"pod-security.kubernetes.io/enforce": "restricted"})
    namespace.apply(LAKE_SECRET)
    yield namespace
    namespace.delete()


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: needs the whole control plane, so no other test may run beside it")
