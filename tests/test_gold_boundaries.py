"""The edges of windows, lateness and finality: the rows are written out in `gold_cases`, none comes from the oracle."""

import json
import shutil
import time

import pytest

import gold_cases
import gold_tables
import lakes
import pipelines
from gold_cases import Rows, at
from oracle import Gold, decode_json, late_rows, rfc3339, run_gold, run_pipeline, silver_table
from processes import PATIENCE
from transactions import Log

EMIT_EVERY_MS = 300

# Python has no year 0, and so the deltalake package reads no partition of it.
YEAR_0 = "windows of the year 0"


@pytest.fixture
def configuration(ecommerce) -> dict:
    """The example with its windows, published several times a second."""
    ecommerce["commit"] = {"everyMs": 200, "maxBytes": 64 * 2**20}
    return pipelines.with_gold(ecommerce, emit_every_ms=EMIT_EVERY_MS)


def assert_everything(topic, lake, finality: gold_tables.Finality | None = None):
    """All tables are what the topic's messages must become, for every reader, and windows were so at every version."""
    gold = assert_rows(topic, lake, finality, readers=lakes.READERS)
    for name, table in gold.tables.items():
        gold_tables.assert_history(lake / name, table)


def assert_rows(topic, lake, finality: gold_tables.Finality | None, readers) -> Gold:
    """All tables are what the topic's messages must become; these readers read the windows."""
    messages = topic.read_all()
    expected = run_pipeline(messages, decode_json)
    gold = run_gold(silver_table(expected.silver), pipelines.SPEC)
    expected.quarantine += late_rows(messages, gold)
    lakes.assert_lake(lake, expected, readers=lakes.READERS)
    gold_tables.assert_declared(lake)
    gold_tables.assert_late_rows(lakes.read_with_delta_rs(lake / "quarantine"), gold)
    finality = finality or gold_tables.finality_of(gold, topic.partitions)
    gold_tables.assert_gold(lake, gold, finality, readers)
    return gold


@pytest.mark.parametrize("name", gold_cases.CASES)
def test_every_edge_of_windows_gives_the_rows_that_are_written_by_hand(name, topic, configuration, ingest, lake):
    case = gold_cases.CASES[name]
    topic.produce(case.log.messages)
    ingest(configuration, "--until-caught-up").succeed()
    readers = ("DuckDB",) if name == YEAR_0 else tuple(lakes.READERS)
    for table, rows in case.tables.items():
        for reader in readers:
            gold_cases.assert_rows(lakes.READERS[reader](lake / table), rows, f"{table} read by {reader}")
    quarantine = lakes.read_with_delta_rs(lake / "quarantine").to_pylist()
    told = {
        (row["partition"], row["offset"]): json.loads(row["detail"]) for row in quarantine if row["stage"] == "late"
    }
    assert told == {
        position: [{"table": table, "window_start": rfc3339(at(start))} for table, start in windows]
        for position, windows in case.late.items()
    }
    for table, starts in case.final.items():
        assert final_windows(lake, table) == [at(start) for start in starts], table
    if name == YEAR_0:
        assert_rows(topic, lake, None, readers)
    else:
        assert_everything(topic, lake)


def final_windows(lake, table: str) -> list:
    """The starts of windows whose rows are final."""
    rows = lakes.read_with_delta_rs(lake / table)
    return sorted(set(gold_cases.values(rows.filter(rows["is_final"])["window_start"])))


def row_of(lake, table: str, start: str) -> dict | None:
    """The only row of a window, as it is now."""
    try:
        rows = lakes.read_with_delta_rs(lake / table)
    except Exception:  # The table is not there yet.
        return None
    starts = gold_cases.values(rows["window_start"])
    found = [row for row, of_row in zip(rows.drop(["window_start"]).to_pylist(), starts) if of_row == at(start)]
    assert len(found) <= 1, found
    return found[0] if found else None


def await_row(lake, worker, start: str, meanwhile=lambda: None, **expected) -> dict:
    """Waits until gold/transactions has this row of a window; does something every half second."""
    deadline = time.monotonic() + PATIENCE
    while True:
        row = row_of(lake, "gold/transactions", start)
        if row is not None and expected.items() <= row.items():
            return row
        assert worker.is_running(), worker.output()[-4000:]
        assert time.monotonic() < deadline, f"{start}: {row}, expected {expected}:\n{worker.output()[-4000:]}"
        meanwhile()
        time.sleep(0.5)


def await_stalled(worker, partitions: list):
    """Waits until the worker says that windows do not wait for these partitions alone."""

    def says_so(report: dict) -> bool:
        return report.get("gold", {}).get("stalledPartitions", []) == partitions

    worker.await_report(says_so, f"saying that {partitions} are stalled")


def test_idle_partitions_keep_no_window_open_and_correct_it_when_they_wake(topic, configuration, ingest, lake):
    configuration["source"]["eventTime"]["idleAfterMs"] = 3_000
    log = Log()
    worker = ingest(configuration)

    def send(time: str, partition: int):
        log.add(f"2026-01-05T{time}Z", partition)
        topic.produce(log.messages[-1:])

    send("20:05:00", 0)
    send("20:06:00", 1)
    send("20:15:30", 0)
    # The other partitions are silent; partition 0 is not, or nothing at all would become final.
    row = await_row(lake, worker, "20:00", lambda: send("20:15:30", 0), is_final=True)
    assert row["transaction_count"] == 2
    # By its own watermark, 20:05:30, the row is not late: the window is corrected and stays final.
    send("20:07:00", 1)
    corrected = await_row(lake, worker, "20:00", transaction_count=3)
    assert (corrected["is_final"], corrected["revision"]) == (True, row["revision"] + 1)
    assert worker.stop() == 0, worker.output()[-4000:]
    ingest(configuration, "--until-caught-up").succeed()
    assert_everything(topic, lake, gold_tables.Finality(at("20:15"), at("20:15")))


@pytest.mark.parametrize("its_file", ["is there", "is gone"])
def test_a_window_that_left_memory_is_corrected_after_a_kill(its_file, topic, configuration, ingest, lake):
    configuration["source"]["eventTime"]["idleAfterMs"] = 3_000
    log = Log()
    worker = ingest(configuration)

    def send(time: str, partition: int):
        log.add(f"2026-01-05T{time}Z", partition)
        topic.produce(log.messages[-1:])

    send("20:05:00", 0)
    send("20:06:00", 1)
    send("20:15:30", 0)
    row = await_row(lake, worker, "20:00", lambda: send("20:15:30", 0), is_final=True)
    # Windows leave memory with the next base, which is due when what was folded is a minute old.
    deadline = time.monotonic() + 60 + PATIENCE
    spilled = lake / "_sluice/merge/spilled/0/0/gold/transactions"
    while not list(spilled.glob(f"{at('20:00')}_*.windows")):
        assert time.monotonic() < deadline, worker.output()[-4000:]
        send("20:15:30", 0)
        time.sleep(0.5)
    worker.kill()
    if its_file == "is gone":
        shutil.rmtree(lake / "_sluice/merge/spilled")
    worker = ingest(configuration)
    send("20:07:00", 1)
    corrected = await_row(lake, worker, "20:00", lambda: send("20:15:30", 0), transaction_count=3)
    assert (corrected["is_final"], corrected["revision"]) == (True, row["revision"] + 1)
    worker.kill()
    ingest(configuration, "--until-caught-up").succeed()
    assert_everything(topic, lake, gold_tables.Finality(at("20:15"), at("20:15")))


def test_silence_alone_makes_no_window_final(topic, configuration, ingest, lake):
    configuration["source"]["eventTime"]["idleAfterMs"] = 4_000
    log = Log()

    def send_last(time: str):
        log.add(f"2026-01-05T{time}Z")
        topic.produce(log.messages[-1:])

    # Partition 0 is awake as long as the others are: it is the last to fall silent.
    send_last("20:05:00")
    for partition in range(1, topic.partitions):
        log.add("2026-01-05T20:15:30Z", partition)
    worker = ingest(configuration)
    topic.produce(log.messages[1:])
    await_row(lake, worker, "20:10", lambda: send_last("20:05:00"), transaction_count=topic.partitions - 1)
    # It keeps the window until 20:10 open, by a microsecond.
    send_last("20:15:29.999999")
    await_row(lake, worker, "20:10", transaction_count=topic.partitions)
    time.sleep(8)
    assert final_windows(lake, "gold/transactions") == []
    assert worker.stop() == 0, worker.output()[-4000:]


def test_a_partition_that_trails_far_behind_keeps_no_window_open(topic, configuration, ingest, lake):
    configuration["source"]["eventTime"]["idleAfterMs"] = 600_000
    log = Log()
    log.add("2026-01-05T18:00:00Z", 1)
    log.add("2026-01-05T20:05:00Z", 0)
    for partition in (0, *range(2, topic.partitions)):
        log.add("2026-01-05T20:15:30Z", partition)
    topic.produce(log.messages)
    worker = ingest(configuration)
    row = await_row(lake, worker, "20:00", is_final=True)
    await_stalled(worker, [1])
    # It goes on where it was, two hours behind: its row corrects the window.
    more = Log()
    more.messages = list(log.messages)
    more.add("2026-01-05T20:05:00Z", 1)
    topic.produce(more.messages[-1:])
    corrected = await_row(lake, worker, "20:00", transaction_count=2)
    assert (corrected["is_final"], corrected["revision"]) == (True, row["revision"] + 1)
    # Now it is near the others.
    await_stalled(worker, [])
    assert worker.stop() == 0, worker.output()[-4000:]
    ingest(configuration, "--until-caught-up").succeed()
    assert_everything(topic, lake, gold_tables.Finality(at("20:15"), at("20:15")))


def test_a_window_is_published_early_and_its_revision_counts_the_changes(topic, configuration, ingest, lake):
    log = Log()
    worker = ingest(configuration)
    for count in (1, 2, 3):
        log.add("2026-01-05T20:05:00Z")
        topic.produce(log.messages[-1:])
        row = await_row(lake, worker, "20:00", transaction_count=count)
        assert (row["revision"], row["is_final"]) == (count, False)
    # Nothing changes: nothing is published.
    time.sleep(5 * EMIT_EVERY_MS / 1000)
    assert row_of(lake, "gold/transactions", "20:00")["revision"] == 3
    assert worker.stop() == 0, worker.output()[-4000:]
    ingest(configuration, "--until-caught-up").succeed()
    assert_everything(topic, lake)


def test_a_topic_without_messages_makes_empty_tables(topic, configuration, ingest, lake):
    ingest(configuration, "--until-caught-up").succeed()
    for name, columns in gold_tables.GOLD.items():
        gold_cases.assert_rows(lakes.read_with_delta_rs(lake / name), Rows((columns[0][0],), []), name)
    assert_everything(topic, lake)
