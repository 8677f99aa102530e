"""A pipeline that was stopped goes on where it was, as if nothing had happened."""

import time

import lakes
from deltalake import DeltaTable
from oracle import decode_json, run_pipeline

TRAFFIC = ("--start-time", "2026-01-05T20:00:00Z", "--event-rate", "20", "--duplicates", "0.05", "--malformed", "0.01")


def versions(lake) -> dict:
    return {name: DeltaTable(str(lake / name)).version() for name in lakes.TABLES}


def await_rows(lake, rows: int, worker):
    """Waits until bronze has so many rows."""
    deadline = time.monotonic() + 240
    while True:
        assert worker.is_running(), worker.output()[-4000:]
        assert time.monotonic() < deadline, f"no {rows} rows in bronze:\n{worker.output()[-4000:]}"
        try:
            if lakes.read_with_delta_rs(lake / "bronze").num_rows >= rows:
                return
        except Exception:  # The table is not there yet.
            pass
        time.sleep(0.2)


def test_a_worker_that_is_stopped_and_started_makes_the_tables_of_one_run(
    topic, ecommerce, ingest, generate, lake, seed
):
    generate(topic, "--seed", seed, "--messages", 30_000, "--rate", 0, *TRAFFIC).succeed()
    worker = ingest(ecommerce)
    await_rows(lake, 1, worker)
    assert worker.stop() == 0, worker.output()[-4000:]

    # The second half goes on in event time, so copies of the first half's rows fall under its memory.
    more = ("--start-time", "2026-01-05T20:12:00Z", *TRAFFIC[2:])
    generate(topic, "--seed", seed, "--messages", 30_000, "--rate", 0, *more).succeed()
    worker = ingest(ecommerce)
    await_rows(lake, 40_000, worker)
    assert worker.stop() == 0, worker.output()[-4000:]
    ingest(ecommerce, "--until-caught-up").succeed()

    expected = run_pipeline(topic.read_all(), decode_json)
    assert len(expected.duplicates) > 1000
    lakes.assert_lake(lake, expected)


def test_a_second_run_with_nothing_new_adds_no_row_and_no_version(topic, ecommerce, ingest, generate, lake, seed):
    generate(topic, "--seed", seed, "--messages", 2_000, "--rate", 0, *TRAFFIC).succeed()
    ingest(ecommerce, "--until-caught-up").succeed()
    before = versions(lake)
    ingest(ecommerce, "--until-caught-up").succeed()
    assert versions(lake) == before
    lakes.assert_lake(lake, run_pipeline(topic.read_all(), decode_json))


def test_an_empty_topic_makes_empty_tables(topic, ecommerce, ingest, lake):
    ingest(ecommerce, "--until-caught-up").succeed()
    lakes.assert_lake(lake, run_pipeline([], decode_json), readers=lakes.READERS)
