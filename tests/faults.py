"""What the tests that break things have in common: traffic, short epochs, and the places where a worker can be killed."""

import re

from conftest import ROOT

# Epochs so short that a run meets every step many times.
COMMIT = {"everyMs": 50, "maxBytes": 64 * 2**20}
TRAFFIC = ("--rate", "1000", "--duplicates", "0.05", "--late", "0.02", "--malformed", "0.02", "--odd", "0.02")


def failpoints(group: str) -> list:
    """The names of a group in `sluice_lake::failpoint`, in the order in which a process meets them."""
    source = (ROOT / "workers/lake/src/failpoint.rs").read_text()
    listed = re.search(rf"pub const {group}: &\[&str\] =\s*&\[(.*?)\];", source, re.DOTALL)
    names = re.findall(r'"(\w+)"', listed[1])
    assert len(names) >= 5, names
    return names
