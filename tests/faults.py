"""What the tests that break things have in common: traffic, short epochs, the places where a worker can be killed."""

import pathlib
import re

_ROOT = pathlib.Path(__file__).resolve().parent.parent

# Epochs so short that a run meets every step many times.
COMMIT = {"everyMs": 50, "maxBytes": 64 * 2**20}
TRAFFIC = ("--rate", "1000", "--duplicates", "0.05", "--late", "0.02", "--malformed", "0.02", "--odd", "0.02")


def failpoints(group: str) -> list:
    """The names of a group in `sluice_lake::failpoint`, in the order in which a process meets them."""
    source = (_ROOT / "workers/lake/src/failpoint.rs").read_text()
    listed = re.search(rf"pub const {group}: &\[&str\] =\s*&\[(.*?)\];", source, re.DOTALL)
    names = re.findall(r'"(\w+)"', listed[1])
    assert len(names) >= 2, names
    return names


# What a process meets seldom: it claims and recovers once, and makes few checkpoints.
RARE = ("before_claim", "after_claim", "after_recover", "before_checkpoint", "after_checkpoint")

STEPS_OF_NEW_RULES = ["after_rule_set", "before_new_rules"]
# The steps of a scorer in each of its epochs. It has one table.
STEPS_OF_SCORING = [
    *(step for step in failpoints("OF_A_CHAIN") if "commit_" not in step),
    "before_commit_fraud_transactions",
    "after_commit_fraud_transactions",
    *(step for step in failpoints("OF_SCORING") if step not in STEPS_OF_NEW_RULES),
]

# The steps that a shard meets which takes partitions over from another generation.
STEPS_OF_A_RECUT = [
    *failpoints("OF_A_GENERATION"),
    "before_state_file",
    "after_state_file",
    "before_claim",
    "after_claim",
    "after_recover",
]


def is_met_by_one(step: str) -> bool:
    """Whether only the first process of a new cut meets a step: others find that it is done."""
    return step.endswith(("_generation", "_seal"))
