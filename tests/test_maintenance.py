"""Maintenance beside a running worker: readers see the same rows before, while and after, whoever dies when."""

import os
import signal
import threading
import time

from deltalake import DeltaTable

import lakes
from conftest import ROOT
from faults import COMMIT, TRAFFIC, failpoints
from oracle import decode_json, run_pipeline
from transactions import MONDAY_8_PM, json_message

KAFKA_TIME = MONDAY_8_PM * 1000
DAY = 86_400
# What is written now takes part at once.
AT_ONCE = ("--settled-after", "0s")


def sound(first: int, count: int) -> list:
    return [
        (0, KAFKA_TIME + number, b"17", json_message(transaction_id=f"t-{number}"))
        for number in range(first, first + count)
    ]


def live_files(lake, table: str = "bronze") -> list:
    return DeltaTable(str(lake / table)).file_uris()


def stored_files(lake, table: str = "bronze") -> list:
    return [file for file in (lake / table).rglob("*.parquet") if "_delta_log" not in file.parts]


def manifests(lake) -> list:
    return sorted((lake / "_sluice/ingest/0/0").glob("0*.json"))


def age(files, seconds: float):
    """Lets files look as if they had been written so long ago."""
    then = time.time() - seconds
    for file in files:
        os.utime(file, (then, then))


def await_versions(lake, worker, beyond: int, patience: float = 240):
    """Waits until bronze has a version after this one."""
    deadline = time.monotonic() + patience
    while not (lake / f"bronze/_delta_log/{beyond + 1:020}.json").exists():
        assert worker.is_running(), worker.output()[-4000:]
        assert time.monotonic() < deadline, f"bronze has no version after {beyond}:\n{worker.output()[-4000:]}"
        time.sleep(0.05)


def assert_equals_topic(topic, lake, readers=("delta-rs",)):
    lakes.assert_lake(lake, run_pipeline(topic.read_all(), decode_json), readers=readers)


class Watching(threading.Thread):
    """Reads bronze over and over: rows must never go, nor come twice."""

    def __init__(self, lake, reader: str):
        super().__init__(name=reader, daemon=True)
        self.table, self.read = lake / "bronze", lakes.READERS[reader]
        self.ended, self.looks, self.fault = threading.Event(), 0, None

    def run(self):
        seen = set()
        try:
            while not self.ended.is_set():
                rows = self.read(self.table)
                positions = list(zip(rows["partition"].to_pylist(), rows["offset"].to_pylist()))
                found = set(positions)
                assert len(found) == len(positions), f"{len(positions) - len(found)} rows came twice"
                assert seen <= found, f"{len(seen - found)} rows were gone, such as {sorted(seen - found)[:3]}"
                seen, self.looks = found, self.looks + 1
        except Exception as error:
            self.fault = error

    def end(self) -> int:
        self.ended.set()
        self.join(120)
        assert self.fault is None, f"{self.name}: {self.fault!r}"
        return self.looks


def test_readers_see_the_same_rows_while_the_tables_are_maintained_beside_the_worker(
    topic, ecommerce, ingest, generate, maintain, lake, seed
):
    ecommerce["commit"] = COMMIT
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    worker = ingest(ecommerce)
    await_versions(lake, worker, beyond=20)
    watching = [Watching(lake, reader) for reader in lakes.READERS]
    for watch in watching:
        watch.start()
    version = DeltaTable(str(lake / "bronze")).version()
    for _ in range(8):
        await_versions(lake, worker, beyond=version + 15)
        version = DeltaTable(str(lake / "bronze")).version()
        maintain(ecommerce, *AT_ONCE, "--retention", "1m").succeed()
    for watch in watching:
        assert watch.end() > 2
    assert producer.stop() == 0, producer.output()[-4000:]
    assert worker.stop() == 0, worker.output()[-4000:]
    ingest(ecommerce, "--until-caught-up").succeed()
    maintain(ecommerce, *AT_ONCE).succeed()
    operations = [commit["operation"] for commit in DeltaTable(str(lake / "bronze")).history()]
    assert operations.count("OPTIMIZE") >= 8, operations
    assert_equals_topic(topic, lake, readers=lakes.READERS)


def test_a_thousand_small_files_become_few_and_a_death_at_any_step_loses_nothing(
    topic, ecommerce, ingest, generate, maintain, lake, seed
):
    ecommerce["commit"] = COMMIT
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    worker = ingest(ecommerce)
    await_versions(lake, worker, beyond=1200)
    assert producer.stop() == 0, producer.output()[-4000:]
    assert worker.stop() == 0, worker.output()[-4000:]
    before = time.monotonic()
    rows = lakes.read_with_duckdb(lake / "bronze").num_rows
    slow = time.monotonic() - before
    small = len(live_files(lake))
    assert small > 1000
    # Long ago, as far as storage knows: manifests are old enough to go, and whatever nobody names.
    newest = set(manifests(lake)[-2:])
    age([file for file in lake.rglob("*") if file.is_file() and file not in newest], 2 * DAY)

    for name in failpoints("OF_MAINTENANCE"):
        run = maintain(ecommerce, *AT_ONCE, environment={"SLUICE_FAILPOINT": name})
        code = run.wait()
        assert code == -signal.SIGKILL, f"{name} never fired; exit code {code}:\n{run.output()[-4000:]}"
        assert lakes.read_with_delta_rs(lake / "bronze").num_rows == rows, name
    before = time.monotonic()
    maintain(ecommerce, *AT_ONCE).succeed()
    print(f"maintained in {time.monotonic() - before:.1f} s")
    before = time.monotonic()
    assert lakes.read_with_duckdb(lake / "bronze").num_rows == rows
    print(f"{small} files read in {slow:.2f} s, {len(live_files(lake))} in {time.monotonic() - before:.2f} s")
    assert len(live_files(lake)) < 20
    assert len(manifests(lake)) < 1010

    # The worker finds all that it needs.
    topic.produce(sound(0, 10))
    ingest(ecommerce, "--until-caught-up").succeed()
    assert_equals_topic(topic, lake, readers=lakes.READERS)


def test_files_of_a_dead_process_go_after_a_day_and_replaced_files_after_the_retention(
    topic, ecommerce, ingest, maintain, lake
):
    for first in range(0, 50, 10):
        topic.produce(sound(first, 10))
        ingest(ecommerce, "--until-caught-up").succeed()
    old, young = lake / "bronze/part-old.parquet", lake / "bronze/part-young.parquet"
    foreign = lake / "bronze/notes.txt"
    for file in (old, young, foreign):
        file.write_bytes(b"never finished")
    age([old, foreign], 2 * DAY)
    small = set(stored_files(lake)) - {old, young}
    maintain(ecommerce, *AT_ONCE).succeed()
    assert not old.exists()
    assert young.exists() and foreign.exists()
    assert small <= set(stored_files(lake)), "within the retention old versions can be read"
    table = DeltaTable(str(lake / "bronze"))
    table.load_as_version(table.version() - 1)
    assert table.to_pyarrow_table().num_rows == 50

    # A checkpoint forgets replaced files after the retention; then they are files that nobody names.
    age(small, 2 * DAY)
    time.sleep(1.1)
    maintain(ecommerce, *AT_ONCE, "--retention", "1s").succeed()
    assert not small & set(stored_files(lake))
    assert_equals_topic(topic, lake, readers=lakes.READERS)


def test_a_compaction_by_another_tool_between_commits_harms_nobody(
    topic, ecommerce, ingest, generate, maintain, lake, seed
):
    ecommerce["commit"] = COMMIT
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    worker = ingest(ecommerce)
    version = 20
    for _ in range(4):
        await_versions(lake, worker, beyond=version)
        for name in ("bronze", "silver"):
            DeltaTable(str(lake / name)).optimize.compact()
        maintain(ecommerce, *AT_ONCE).succeed()
        version = DeltaTable(str(lake / "bronze")).version() + 20
    await_versions(lake, worker, beyond=version)
    assert producer.stop() == 0, producer.output()[-4000:]
    assert worker.stop() == 0, worker.output()[-4000:]
    ingest(ecommerce, "--until-caught-up").succeed()
    assert_equals_topic(topic, lake, readers=lakes.READERS)


def test_a_lake_of_somebody_else_and_one_that_is_away_are_told(topic, ecommerce, ingest, maintain, lake):
    topic.produce(sound(0, 10))
    ingest(ecommerce, "--until-caught-up").succeed()
    before = sorted(lake.rglob("*"))
    run = maintain(ecommerce | {"owner": {"cluster": "c", "namespace": "n", "name": "other"}})
    assert run.wait() == 1
    assert "belongs to default/ecommerce" in run.output(), run.output()
    assert sorted(lake.rglob("*")) == before
    run = maintain(ecommerce | {"storage": {"uri": "file:///proc/lake"}})
    assert run.wait() == 1
    assert "/proc/lake" in run.output(), run.output()


def test_a_damaged_table_does_not_keep_the_others_from_their_turn(topic, ecommerce, ingest, maintain, lake):
    for first in range(0, 50, 10):
        topic.produce(sound(first, 10))
        ingest(ecommerce, "--until-caught-up").succeed()
    damaged = stored_files(lake)[2]
    content = damaged.read_bytes()
    damaged.write_bytes(content[:100])
    run = maintain(ecommerce, *AT_ONCE)
    assert run.wait() == 1
    assert "table 'bronze'" in run.output() and damaged.name in run.output(), run.output()
    assert len(live_files(lake)) == 5 and len(live_files(lake, "silver")) == 1
    damaged.write_bytes(content)
    maintain(ecommerce, *AT_ONCE).succeed()
    assert_equals_topic(topic, lake, readers=lakes.READERS)


def test_local_mode_maintains_the_tables_by_the_schedule(topic, sluice_program, run, tmp_path):
    topic.produce(sound(0, 10))
    manifest = (ROOT / "manifests/examples/ecommerce/pipeline.yaml").read_text()
    assert 'schedule: "17 * * * *"' in manifest and "topic: ecommerce.transactions" in manifest
    manifest = manifest.replace('schedule: "17 * * * *"', 'schedule: "* * * * *"')
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "pipeline.yaml").write_text(manifest.replace("topic: ecommerce.transactions", f"topic: {topic.name}"))
    flags = ("--broker", topic.servers, "--lake", tmp_path / "lakes", "--state", tmp_path / "state")
    up = run(sluice_program, "up", "-f", folder, *flags)
    log = tmp_path / "state/logs/ecommerce-stpl-upkeep.log"
    deadline = time.monotonic() + 240
    while not log.exists() or "maintained 8 tables" not in log.read_text():
        assert up.is_running(), up.output()[-4000:]
        assert time.monotonic() < deadline, f"no run of maintenance:\n{up.output()[-4000:]}"
        time.sleep(0.5)
    assert up.stop() == 0, up.output()[-4000:]
    assert "spec.maintenance" not in up.output(), "it is acted on"
    assert_equals_topic(topic, tmp_path / "lakes/default/ecommerce")
