"""Windows computed again from silver: rows that a replay of refused messages adds appear in them, and in no others."""

import copy
import datetime
import json
import signal
import subprocess
import time

import pytest

import gold_tables
import lakes
import pipelines
from faults import failpoints
from oracle import run_gold
from processes import PATIENCE
from transactions import Log

SPEC = pipelines.SPEC
START = datetime.datetime(2026, 1, 5, 20, tzinfo=datetime.timezone.utc)


@pytest.fixture
def configuration(ecommerce) -> dict:
    """The example with its windows, published several times a second."""
    ecommerce["commit"] = {"everyMs": 200, "maxBytes": 64 * 2**20}
    return pipelines.with_gold(ecommerce, emit_every_ms=300)


@pytest.fixture
def replay(worker_program, tmp_path):
    """Replays what is in quarantine and passes now; gives the counts."""

    def run(configuration: dict) -> dict:
        file = tmp_path / "replay.json"
        file.write_text(json.dumps(configuration))
        command = [worker_program, "quarantine", "replay", "--config", file, "--output", "json"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=240)
        assert ended.returncode == 0, ended.stderr[-4000:]
        return json.loads(ended.stdout)

    return run


def strict(configuration: dict) -> dict:
    """The configuration before the fix: one rule too many."""
    strict = copy.deepcopy(configuration) | {"revision": "strict"}
    strict["silver"]["require"].append({"reason": "TooSmall", "expr": "amount >= 50"})
    return strict


def ninety_minutes() -> Log:
    """In each of eight partitions a row a minute, in order. Those of every fourth minute are refused by the strict rule,
    but for one merchant's. So ingest's watermarks, which a replay does not move, are at most a minute behind the batch's.
    """
    log = Log()
    for number in range(90 * 8):
        minute, partition = divmod(number, 8)
        at = START + datetime.timedelta(minutes=minute, seconds=partition)
        changes = {"merchant": "Never", "amount": 80.1} if number % 5 == 0 else {"amount": 50.1 + number % 7}
        if minute % 4 == 1 and number % 5:
            changes = {"merchant": "Small", "amount": 7.7}
        log.add(at.isoformat(), partition, user_id=number % 11, device_id=f"d-{number % 3}", **changes)
    return log


def assert_gold(topic, lake):
    """The windows are what a batch computes from silver as it is, and were so at every version."""
    gold = run_gold(lakes.read_with_delta_rs(lake / "silver"), SPEC)
    assert gold.late == {}, "time is in order on each partition"
    gold_tables.assert_gold(lake, gold, gold_tables.finality_of(gold, topic.partitions))
    for name, table in gold.tables.items():
        gold_tables.assert_history(lake / name, table)


def revisions(lake, merchant: str) -> dict:
    """The revision of each row of gold/transactions of a merchant."""
    rows = lakes.read_with_delta_rs(lake / "gold/transactions").to_pylist()
    keys = ("window_start", "payment_method", "country")
    return {tuple(row[key] for key in keys): row["revision"] for row in rows if row["merchant"] == merchant}


def test_rows_of_a_replay_appear_in_the_windows_while_they_are_published(topic, configuration, ingest, replay, lake):
    topic.produce(ninety_minutes().messages)
    ingest(strict(configuration), "--until-caught-up").succeed()
    assert revisions(lake, "Small") == {}
    before = revisions(lake, "Never")
    worker = ingest(configuration)
    worker.await_output("claimed the chain of the merge")
    tally = replay(configuration)
    assert tally["silver"] > 100, tally
    deadline = time.monotonic() + PATIENCE
    while not revisions(lake, "Small"):
        assert worker.is_running() and time.monotonic() < deadline, worker.output()[-4000:]
        time.sleep(0.2)
    assert worker.stop() == 0, worker.output()[-4000:]
    ingest(configuration, "--until-caught-up").succeed()
    assert_gold(topic, lake)
    # Nothing was added to these rows: neither value nor revision has changed, however sums were added up.
    after = revisions(lake, "Never")
    assert after.keys() == before.keys()
    assert all(after[row] - before[row] in (0, 1) for row in before)


def test_a_kill_while_windows_are_computed_again_loses_and_doubles_nothing(
    topic, configuration, ingest, replay, lake
):
    topic.produce(ninety_minutes().messages)
    ingest(strict(configuration), "--until-caught-up").succeed()
    # The next generation begins, and the merge of it takes over before the replay comes.
    ingest(configuration, "--until-caught-up").succeed()
    replay(configuration)
    steps = [*failpoints("OF_A_RECOMPUTATION"), "merge_before_state_file", "merge_after_state_file"]
    for step in [*steps, "merge_before_manifest", "merge_after_manifest", "after_commit_gold_transactions"]:
        worker = ingest(configuration, environment={"SLUICE_FAILPOINT": f"{step}=1"})
        code = worker.wait()
        assert code == -signal.SIGKILL, f"{step} never fired; exit code {code}:\n{worker.output()[-4000:]}"
    ingest(configuration, "--until-caught-up").succeed()
    assert_gold(topic, lake)
    # It is done once.
    finished = ingest(configuration, "--until-caught-up")
    finished.succeed()
    assert "computed windows again" not in finished.output()
