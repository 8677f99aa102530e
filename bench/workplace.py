"""Where a benchmark works: the Kafka and the programs it measures, its files, its topics; all of it gone at the end."""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import uuid

import confluent_kafka
import duckdb
import measuring
import pipelines
import pyarrow.compute
from confluent_kafka import admin
from deltalake import DeltaTable
from kafka_topics import Topic
from processes import Program

# The example's.
EMIT_EVERY_MS = 10_000
ROOT = pathlib.Path(__file__).resolve().parent.parent
# Messages that a pipeline refuses are slower than others, and Spark drops what is late: neither is part of a figure.
SOUND = ("--malformed", "0", "--odd", "0", "--late", "0")


def arguments_of(description: str) -> argparse.ArgumentParser:
    """What every benchmark understands; add what it has of its own."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path, help="where tables and logs go (default: a temporary folder)")
    parser.add_argument("--keep", action="store_true", help="keep topics, tables and logs")
    parser.add_argument("--dry-run", action="store_true", help="do not append to RESULTS.md")
    return parser


def add_gold(parser: argparse.ArgumentParser):
    """The option of benchmarks that can do without the windowed tables."""
    parser.add_argument("--gold", action="store_true", help="with the five windowed tables of the example")


def positive(text: str) -> int:
    """The type of an argument that must be a whole number above 0."""
    number = int(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


class Workplace:
    """What one benchmark has started and made."""

    def __init__(self, servers: str, worker: pathlib.Path, folder: pathlib.Path):
        self.servers = servers
        self.worker = worker
        self.folder = folder
        self.programs = []
        self.topics = []

    def topic(self) -> Topic:
        """A new topic of 8 partitions."""
        topic = Topic(self.servers, f"bench-{uuid.uuid4().hex[:8]}", partitions=8)
        topic.create()
        self.topics.append(topic)
        return topic

    def run(self, *arguments, wrapper=()) -> Program:
        """Starts a program; its output is in a log of its own."""
        program = Program(arguments, self.folder / f"program-{len(self.programs)}.log", wrapper=wrapper)
        self.programs.append(program)
        return program

    def generate(self, topic: Topic, *flags) -> Program:
        """Starts the generator on a topic."""
        return self.run(
            self.worker, "generate", "--bootstrap-servers", topic.servers, "--topic", topic.name, *SOUND, *flags
        )

    def generate_past(self, topic: Topic, messages: int, event_rate: int = 1000):
        """Fills a topic, flat out, with traffic of an evening long ago."""
        past = ("--start-time", "2026-01-05T20:00:00Z", "--event-rate", event_rate, "--seed", 1)
        self.generate(topic, "--messages", messages, "--rate", 0, *past).succeed(patience=3600)
        assert count_messages(topic) == messages, f"the topic has {count_messages(topic)} of {messages} messages"

    def configure(self, topic: Topic, lake: pathlib.Path, every_ms: int, gold: bool = False) -> pathlib.Path:
        """Writes the configuration of a worker of the e-commerce example; gives its file."""
        configuration = pipelines.ecommerce(topic.servers, topic.name, lake)
        configuration["commit"] = {"everyMs": every_ms, "maxBytes": 64 * 2**20}
        if gold:
            configuration = pipelines.with_gold(configuration, emit_every_ms=EMIT_EVERY_MS)
        file = lake.with_suffix(".json")
        file.write_text(json.dumps(configuration, indent=1))
        return file

    def ingest(self, config: pathlib.Path, *flags) -> Program:
        """Starts a worker."""
        return self.run(self.worker, "ingest", "--config", config, *flags)

    def kill(self, program: Program):
        """Ends a program at once, and its descendants, each by its id."""
        for pid in measuring.family_of(program.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        program.kill()

    def end(self):
        """Ends what still runs."""
        for program in self.programs:
            if program.is_running():
                self.kill(program)


@contextlib.contextmanager
def open_workplace(arguments: argparse.Namespace):
    """A workplace; nothing of it is left, whatever happens, except the logs when a step fails."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = arguments.folder or pathlib.Path(tempfile.mkdtemp(prefix="sluice-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    workplace = Workplace(find_kafka(), find_worker(), folder.resolve())
    keep = arguments.keep
    try:
        yield workplace
    except (AssertionError, OSError, confluent_kafka.KafkaException) as error:
        keep = True
        sys.exit(f"error: {error}\nlogs and tables are in {folder}; no figure was written")
    finally:
        workplace.end()
        if not arguments.keep:
            for topic in workplace.topics:
                with contextlib.suppress(confluent_kafka.KafkaException):  # the broker may be what failed
                    topic.delete()
        if not keep and arguments.folder is None:
            shutil.rmtree(folder)


def find_kafka() -> str:
    """The address of the Kafka to measure with."""
    servers = os.environ.get("SLUICE_TEST_KAFKA")
    if not servers:
        sys.exit("error: no Kafka to measure with: run `make bench`, or set SLUICE_TEST_KAFKA")
    try:
        admin.AdminClient({"bootstrap.servers": servers, "log_level": 0}).list_topics(timeout=15)
    except confluent_kafka.KafkaException as error:
        sys.exit(f"error: no Kafka answers at SLUICE_TEST_KAFKA={servers} ({error}): run `make services`")
    return servers


def find_worker() -> pathlib.Path:
    """The program under measurement."""
    programs = pathlib.Path(os.environ.get("SLUICE_BIN") or pathlib.Path.home() / ".cache/sluice/target/debug")
    worker = programs / "sluice-worker"
    if not worker.exists():
        sys.exit(f"error: {worker} does not exist: run `make build`, or set SLUICE_BIN to the folder of the programs")
    return worker


def count_messages(topic: Topic) -> int:
    """How many messages the broker serves: the generator writes no transactions, so no offset is without one."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": topic.servers, "group.id": topic.name})
    partitions = [confluent_kafka.TopicPartition(topic.name, number) for number in range(topic.partitions)]
    ends = [consumer.get_watermark_offsets(partition, timeout=30) for partition in partitions]
    consumer.close()
    return sum(high - low for low, high in ends)


def table_bytes(table: pathlib.Path) -> int:
    """Bytes of the live files of a table."""
    return sum(DeltaTable(str(table)).get_add_actions(flatten=True)["size_bytes"].to_pylist())


def gold_tables(lake: pathlib.Path) -> list[pathlib.Path]:
    """The windowed tables of a lake."""
    return sorted(log.parent for log in lake.glob("gold/*/_delta_log"))


def count_rows(table: pathlib.Path) -> int:
    """Rows of the live files of a table."""
    return sum(DeltaTable(str(table)).get_add_actions(flatten=True)["num_records"].to_pylist())


def verify(lake: pathlib.Path, messages: int):
    """A figure counts only if bronze has every message once, and silver every transaction of bronze."""
    distinct = """count(*), count(DISTINCT "partition" * 1000000000000 + "offset"), count(DISTINCT transaction_id)"""
    counted = {}
    for name in ("bronze", "silver"):
        rows = DeltaTable(str(lake / name)).to_pyarrow_dataset()  # noqa: F841, DuckDB finds it by its name
        counted[name] = duckdb.sql(f"SELECT {distinct} FROM rows").fetchone()
    bronze, silver = counted["bronze"], counted["silver"]
    assert bronze[0] == bronze[1] == messages, f"bronze has {bronze[0]} rows, {bronze[1]} of {messages} messages"
    assert silver[0] == silver[1], f"silver has {silver[0]} rows of {silver[1]} messages"
    assert silver[2] == bronze[2], f"silver has {silver[2]} of the {bronze[2]} transactions in bronze"
    if (lake / "gold").exists():
        verify_gold(lake, silver[0])


def verify_gold(lake: pathlib.Path, silver_rows: int):
    """The summary of the hours counts every silver row that is not late for its hour."""
    summary = DeltaTable(str(lake / "gold/hourly_summary")).to_pyarrow_table(columns=["total_transactions"])
    counted = pyarrow.compute.sum(summary["total_transactions"]).as_py()
    refused = DeltaTable(str(lake / "quarantine")).to_pyarrow_dataset()  # noqa: F841, DuckDB finds it by its name
    late = "SELECT count(*) FROM refused WHERE stage = 'late' AND detail LIKE '%gold/hourly_summary%'"
    late_rows = duckdb.sql(late).fetchone()[0]
    assert counted + late_rows == silver_rows, f"gold counts {counted} rows, {late_rows} are late, of {silver_rows}"
