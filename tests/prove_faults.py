"""Faults of every kind, seed by seed: no row is lost, doubled or changed, and no kind of fault is left out.

Not collected with the tests; `make prove` names it. Each seed has a topic, a lake and a schedule of its own
(`trials.py`), on a Kafka that is theirs to kill. SLUICE_SEED is the first seed (1), SLUICE_SEEDS their number (50).
With fifty or more the report is written to bench/FAULTS.md.
"""

import collections
import datetime
import os
import subprocess

import pytest

from conftest import ROOT
from fault_kinds import all_names
from kafka_service import KafkaService
from places import PLACES

FIRST = int(os.environ.get("SLUICE_SEED") or 1)
SEEDS = int(os.environ.get("SLUICE_SEEDS") or 50)
ENOUGH_SEEDS, ENOUGH_KILLS = 50, 200
REPORT = ROOT / "bench/FAULTS.md"


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """A Kafka that trials may kill."""
    service = KafkaService(tmp_path_factory.mktemp("kafka"))
    service.run("up")
    yield service
    service.run("down")


@pytest.fixture(scope="module")
def kafka(broker) -> str:
    return broker.address()


@pytest.fixture(scope="module")
def outcomes():
    """What became of each seed."""
    return []


@pytest.fixture(scope="module")
def write_report(outcomes):
    """Called after each seed, so that a run that somebody ends has its report too."""
    begun = datetime.datetime.now(datetime.UTC)
    describe = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(describe, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()

    def write():
        if SEEDS >= ENOUGH_SEEDS:
            REPORT.write_text(report(outcomes, begun, commit))

    return write


@pytest.mark.parametrize("number", range(FIRST, FIRST + SEEDS))
def test_no_row_is_lost_or_doubled_or_changed(trial, outcomes, write_report, number):
    one = trial(number)
    outcomes.append(one.outcome)
    try:
        one.run()
    finally:
        write_report()


def test_every_kind_of_fault_has_happened_often_enough(outcomes):
    fired = total(outcomes)
    missing = [name for name in wanted() if not fired[name]]
    if FIRST == 1 and SEEDS >= ENOUGH_SEEDS:  # a seed has its place in the turns, whichever is the first
        assert not missing, f"these never happened: {missing}"
        assert sum(outcome.kills for outcome in outcomes) >= ENOUGH_KILLS
    else:
        print(f"only the seeds 1 to {ENOUGH_SEEDS} meet all kinds; these did not: {missing}")


def wanted() -> list:
    return all_names(PLACES.values(), with_broker=True)


def total(outcomes: list) -> collections.Counter:
    return sum((outcome.fired for outcome in outcomes), collections.Counter())


def report(outcomes: list, begun: datetime.datetime, commit: str) -> str:
    """The report, as Markdown."""
    failed = [outcome for outcome in outcomes if outcome.failure]
    fired = total(outcomes)
    minutes = (datetime.datetime.now(datetime.UTC) - begun).total_seconds() / 60
    rows, messages = sum(one.rows for one in outcomes), sum(one.messages for one in outcomes)
    kinds = [f"| {name} | {fired[name]} |" for name in wanted()]
    seeds = [
        f"| {one.seed} | {one.place} | {one.kills} | {sum(one.fired.values())} | {one.messages} | {one.duplicates} "
        f"| {one.rows} | {one.seconds:.0f} | {one.failure.replace('|', '/') or 'none'} |"
        for one in outcomes
    ]
    lines = [
        "# Faults",
        "",
        "Written by `make prove` (`tests/prove_faults.py`). Each seed is a pipeline with traffic of its own: out of",
        "order, with copies, with messages that must be refused. While it is written to, workers are killed, re-cut",
        "and paused, its storage, clock and broker fail, and others change its tables. Then a foreign reader's rows of",
        "bronze, silver, quarantine, windows and scores are compared, column by column, and so are the alerts, with what an",
        "independent implementation says of the topic.",
        "",
        f"- **when**: {begun:%Y-%m-%d %H:%M} UTC, commit {commit}, {os.cpu_count()} cores",
        f"- **command**: `make prove`, {minutes:.0f} min",
        f"- **seeds**: {len(outcomes)} of {FIRST} to {FIRST + SEEDS - 1}, of which {len(failed)} failed",
        f"- **kills** (SIGKILL): {sum(one.kills for one in outcomes)}",
        f"- **rows compared**: {rows:,}, of {messages:,} messages",
        f"- **rows lost, doubled or changed**: {'see the failed seeds' if failed else 0}",
        "",
        "Faults of storage are counted call by call, deaths and jumps one by one.",
        "",
        "| fault | times |",
        "|---|---|",
        *kinds,
        "",
        "| seed | lake in a | kills | faults | messages | copies | rows compared | s | differences |",
        "|---|---|---|---|---|---|---|---|---|",
        *seeds,
    ]
    return "\n".join(lines) + "\n"
