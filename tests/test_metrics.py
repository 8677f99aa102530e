"""What a worker tells Prometheus: read by Prometheus's own parser, and compared with the tables."""

import collections
import re
import time

import pyarrow.compute
import requests
from deltalake import DeltaTable
from prometheus_client.parser import text_string_to_metric_families

import lakes
from conftest import ROOT
from transactions import MONDAY_8_PM, json_message

KAFKA_TIME = MONDAY_8_PM * 1000
PATIENCE = 90


def messages() -> list:
    """Sound rows, copies, refusals of both stages and keys of others, on three partitions."""
    sent = [
        (number % 3, KAFKA_TIME + number, b"17", json_message(transaction_id=f"t-{number}")) for number in range(300)
    ]
    sent += sent[:20]
    sent += [(1, KAFKA_TIME, b"17", None)] * 3
    sent += [(2, KAFKA_TIME, b"17", b"not JSON")] * 4
    sent += [(0, KAFKA_TIME, b"17", json_message(transaction_id=f"n-{n}", amount=-1.0)) for n in range(5)]
    sent += [(0, KAFKA_TIME, b"18", json_message(transaction_id=f"k-{n}")) for n in range(6)]
    return sent


class Scrape:
    """One answer of /metrics."""

    def __init__(self, address: str):
        answer = requests.get(f"http://{address}/metrics", timeout=10)
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        self.families = {family.name: family for family in text_string_to_metric_families(answer.text)}
        self.samples = {}
        for family in self.families.values():
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self.samples, f"{key} twice"
                self.samples[key] = sample.value

    def value(self, name: str, **labels):
        return self.samples.get((name, frozenset(labels.items())))

    def series(self, name: str) -> dict:
        """The values by their labels."""
        return {key[1]: value for key, value in self.samples.items() if key[0] == name}


def scrape_when(address: str, program, is_reached) -> Scrape:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            scrape = Scrape(address)
            if is_reached(scrape):
                return scrape
        except requests.ConnectionError:
            pass
        assert program.is_running(), program.output()[-4000:]
        assert time.monotonic() < deadline, f"not reached after {PATIENCE} s:\n{program.output()[-4000:]}"
        time.sleep(0.3)


def has_committed(number: int):
    return lambda scrape: scrape.value("sluice_messages_total") == number and scrape.value("sluice_lag_messages") == 0


def count_by(table, *columns) -> collections.Counter:
    return collections.Counter(zip(*(table[column].to_pylist() for column in columns)))


def test_the_numbers_are_those_of_the_tables(topic, ecommerce, ingest, lake, free_port):
    sent = messages()
    topic.produce(sent)
    address = f"127.0.0.1:{free_port}"
    worker = ingest(ecommerce, "--listen", address)
    scrape = scrape_when(address, worker, has_committed(len(sent)))
    bronze, silver, quarantine = (lakes.read_with_delta_rs(lake / name) for name in lakes.TABLES)
    tables = {"bronze": bronze, "silver": silver, "quarantine": quarantine}

    for name, rows in tables.items():
        delta = DeltaTable(str(lake / name))
        sizes = pyarrow.table(delta.get_add_actions(flatten=True))["size_bytes"].to_pylist()
        assert scrape.value("sluice_rows_total", table=name) == rows.num_rows > 0, name
        assert scrape.value("sluice_table_rows", table=name) == rows.num_rows, name
        assert scrape.value("sluice_table_version", table=name) == delta.version(), name
        assert scrape.value("sluice_table_files", table=name) == len(sizes), name
        assert scrape.value("sluice_table_bytes", table=name) == sum(sizes), name
        assert scrape.value("sluice_written_files_total", table=name) == len(sizes), name
        assert scrape.value("sluice_written_bytes_total", table=name) == sum(sizes), name
    refused = {
        (labels["stage"], labels["reason"]): value
        for labels, value in ((dict(labels), value) for labels, value in scrape.series("sluice_refused_total").items())
    }
    assert {key: value for key, value in refused.items() if value} == count_by(quarantine, "stage", "reason")
    assert refused[("silver", "MissingId")] == 0, "what did not happen yet is told as 0"
    assert scrape.value("sluice_duplicates_total") == bronze.num_rows - silver.num_rows - 5 == 20
    assert scrape.value("sluice_key_mismatches_total") == 6
    assert scrape.value("sluice_message_bytes_total") == sum(len(value or b"") for *_, value in sent)
    ends = collections.Counter(partition for partition, *_ in sent)
    for partition in range(8):
        for name in ("sluice_next_offset", "sluice_end_offset"):
            assert scrape.value(name, partition=str(partition)) == ends[partition], (name, partition)
    assert scrape.value("sluice_remembered_rows") == silver.num_rows
    assert scrape.value("sluice_state_bytes") == sum(
        file.stat().st_size for file in (lake / "_sluice").rglob("state/**/*") if file.is_file()
    )
    assert worker.stop() == 0, worker.output()[-4000:]


def test_times_are_in_seconds_and_every_step_is_measured(topic, ecommerce, ingest, lake, free_port):
    sent = messages()
    topic.produce(sent)
    address = f"127.0.0.1:{free_port}"
    started = time.time()
    worker = ingest(ecommerce, "--listen", address)
    scrape = scrape_when(address, worker, has_committed(len(sent)))
    epochs = scrape.value("sluice_commit_duration_seconds_count")
    assert epochs >= 1
    for name in ("sluice_epoch_duration_seconds", "sluice_epoch_freshness_seconds"):
        assert scrape.value(f"{name}_count") == epochs, name
    for step in ("files", "state", "manifest", "tables"):
        assert scrape.value("sluice_commit_step_duration_seconds_count", step=step) >= epochs, step
    for step in ("inherit", "claim", "recover", "load"):
        assert scrape.value("sluice_start_step_duration_seconds_count", step=step) == 1, step
    watermark = scrape.value("sluice_watermark_timestamp_seconds", partition="0")
    silver = lakes.read_with_delta_rs(lake / "silver")
    latest = pyarrow.compute.max(silver.filter(pyarrow.compute.field("partition") == 0)["timestamp_parsed"]).as_py()
    assert watermark == latest.timestamp() - 30
    assert abs(time.time() - watermark - scrape.value("sluice_watermark_delay_seconds", partition="0")) < 60
    assert scrape.value("sluice_watermark_timestamp_seconds", partition="7") is None, "no silver row yet"
    assert started - 5 < scrape.value("process_start_time_seconds") < time.time()
    assert started < scrape.value("sluice_committed_timestamp_seconds") < time.time() + 1
    assert scrape.value("process_cpu_seconds_total") > 0
    assert 2**20 < scrape.value("process_resident_memory_bytes") < 2**34
    assert worker.stop() == 0, worker.output()[-4000:]


def test_a_restart_goes_on_counting_and_never_tells_less(topic, ecommerce, ingest, free_port):
    sent = messages()
    topic.produce(sent)
    ingest(ecommerce, "--until-caught-up").succeed()
    address = f"127.0.0.1:{free_port}"
    worker = ingest(ecommerce, "--listen", address)
    seen = []

    def is_running(scrape):
        seen.append(scrape.value("sluice_messages_total"))
        return scrape.value("sluice_phase", phase="Running") == 1 and seen[-1] is not None

    scrape = scrape_when(address, worker, is_running)
    assert set(seen) <= {None, len(sent)}, "a counter that starts at 0 would look like a surge"
    assert scrape.value("sluice_written_files_total", table="bronze") is None
    assert worker.stop() == 0, worker.output()[-4000:]


def test_the_reference_lists_what_is_exposed(topic, ecommerce, ingest, free_port):
    """Every family of a scrape is in the reference with its kind, its labels and its text."""
    page = (ROOT / "docs/reference/metrics.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*) \|$", page, re.M)
    reference = {name: (kind, set(re.findall(r"`(\w+)`:", labels)), text) for name, kind, text, labels in rows}
    sent = messages()
    topic.produce(sent)
    address = f"127.0.0.1:{free_port}"
    worker = ingest(ecommerce, "--listen", address)
    scrape = scrape_when(address, worker, has_committed(len(sent)))
    assert len(scrape.families) > 30
    for family in scrape.families.values():
        # The parser drops the suffix of counters.
        name = f"{family.name}_total" if family.type == "counter" else family.name
        kind, labels, text = reference[name]
        assert family.type == kind and family.documentation == text, name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == labels, name
    assert worker.stop() == 0, worker.output()[-4000:]
