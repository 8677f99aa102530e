"""What ingest costs: CPU time, rate and memory for bronze and silver from a real Kafka.

    make bench                                # 2,000,000 messages, flat out
    dev/bench --messages 600000 --rate 10000  # paced

Produces JSON messages of about 0.5 kB (no refused ones), runs one worker until it has caught up, and appends the
figures to RESULTS.md. They are figures, not a test: nothing fails because of them.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import confluent_kafka  # noqa: E402
import pipelines  # noqa: E402
from deltalake import DeltaTable  # noqa: E402
from kafka_topics import Topic  # noqa: E402

RESULTS = pathlib.Path(__file__).with_name("RESULTS.md")
HEADER = """# Figures

Appended by `make bench`; newest last. CPU is user and system time of the worker process alone, without the broker and
the generator. The binding number (design 5.6): bronze and silver in at most 4 CPU-seconds for a million rows of 0.5 kB
JSON on 2 cores. A load above 0.5 before the start means that something else was running, which makes every figure worse.

| date (UTC) | commit | machine | load before | command | rows | bytes a message | CPU-s a million rows | rows/s | peak RSS | bronze | silver |
|---|---|---|---|---|---|---|---|---|---|---|---|
"""


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=2_000_000)
    parser.add_argument("--rate", type=int, default=0, help="messages a second; 0: all are there before it starts")
    parser.add_argument("--lake", help="folder of the tables (default: a temporary one)")
    parser.add_argument("--keep", action="store_true", help="keep topic and tables")
    parser.add_argument("--dry-run", action="store_true", help="do not append to RESULTS.md")
    return parser.parse_args()


def start_generator(worker: pathlib.Path, topic: Topic, messages: int, rate: int) -> subprocess.Popen:
    sound = ("--malformed", "0", "--odd", "0", "--seed", "1", "--messages", str(messages), "--rate", str(rate))
    # Flat out the past is replayed; paced it is now.
    times = () if rate else ("--start-time", "2026-01-05T20:00:00Z", "--event-rate", "1000")
    return subprocess.Popen(
        [worker, "generate", "--bootstrap-servers", topic.servers, "--topic", topic.name, *sound, *times]
    )


def run_worker(worker: pathlib.Path, config: pathlib.Path, generator=None):
    """Runs the worker until it has everything; gives its resource usage and the wall time."""
    started = time.monotonic()
    flags = () if generator else ("--until-caught-up",)
    process = subprocess.Popen([worker, "ingest", "--config", config, *flags])
    if generator:
        assert generator.wait() == 0, "the generator failed"
        time.sleep(3)
        process.terminate()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"the worker ended with {process.returncode}"
    return usage, time.monotonic() - started


def table_size(table: pathlib.Path):
    """Rows and bytes of the live files."""
    actions = DeltaTable(str(table)).get_add_actions(flatten=True)
    return sum(actions["num_records"].to_pylist()), sum(actions["size_bytes"].to_pylist())


def message_bytes(topic: Topic) -> float:
    """Mean size of a value, over the first messages of a partition."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": topic.servers, "group.id": topic.name})
    consumer.assign([confluent_kafka.TopicPartition(topic.name, 0, confluent_kafka.OFFSET_BEGINNING)])
    sizes = [len(message.value()) for message in consumer.consume(1000, timeout=30)]
    consumer.close()
    return sum(sizes) / len(sizes)


def machine() -> str:
    model = next(
        (line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    return f"{os.cpu_count()} x {model}"


def main():
    arguments = parse_arguments()
    load = os.getloadavg()[0]
    servers = os.environ.get("SLUICE_TEST_KAFKA")
    if not servers:
        sys.exit("no Kafka to measure with: run `make bench`, or set SLUICE_TEST_KAFKA")
    programs = pathlib.Path(os.environ.get("SLUICE_BIN") or pathlib.Path.home() / ".cache/sluice/target/debug")
    worker = programs / "sluice-worker"
    folder = pathlib.Path(arguments.lake or tempfile.mkdtemp(prefix="sluice-bench-"))
    topic = Topic(servers, f"bench-{uuid.uuid4().hex[:8]}", partitions=8)
    topic.create()

    configuration = pipelines.ecommerce(servers, topic.name, folder / "lake")
    configuration["commit"] = {"everyMs": 2000, "maxBytes": 64 * 2**20}
    config = folder / "config.json"
    config.write_text(json.dumps(configuration, indent=1))

    generator = start_generator(worker, topic, arguments.messages, arguments.rate)
    if arguments.rate:
        usage, wall = run_worker(worker, config, generator)
    else:
        assert generator.wait() == 0, "the generator failed"
        usage, wall = run_worker(worker, config)

    rows, bronze_bytes = table_size(folder / "lake/bronze")
    _, silver_bytes = table_size(folder / "lake/silver")
    assert rows == arguments.messages, f"bronze has {rows} rows of {arguments.messages} messages"
    cpu = usage.ru_utime + usage.ru_stime
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    line = " | ".join(
        [
            f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M}",
            commit.stdout.strip() or "?",
            machine(),
            f"{load:.1f}",
            f"bench/ingest.py --messages {arguments.messages} --rate {arguments.rate}",
            f"{rows:,}",
            f"{message_bytes(topic):.0f}",
            f"{cpu / rows * 1e6:.2f}",
            f"{rows / wall:,.0f}",
            f"{usage.ru_maxrss / 1024:.0f} MiB",
            f"{bronze_bytes / 2**20:.0f} MiB",
            f"{silver_bytes / 2**20:.0f} MiB",
        ]
    )
    print(f"| {line} |")
    if not arguments.dry_run:
        if not RESULTS.exists():
            RESULTS.write_text(HEADER)
        with RESULTS.open("a") as results:
            results.write(f"| {line} |\n")
    if not arguments.keep:
        topic.delete()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
