"""The two writers that are compared, started alike: a worker of Sluice, and the Spark job of the same tables."""

import dataclasses
import os
import pathlib
import sys
import time

import pipelines
from kafka_topics import Topic
from measuring import Meter, Usage
from processes import Program
from workplace import ROOT, Workplace

# Spark on a busy machine takes its time.
PATIENCE = 3600


@dataclasses.dataclass
class Drained:
    """What it took to write a whole topic."""

    usage: Usage
    wall_seconds: float
    start_cpu_seconds: float
    """CPU time before the first message was read: no part of `usage`."""


class Sluice:
    """A worker for a topic and a lake."""

    def __init__(
        self, workplace: Workplace, topic: Topic, lake: pathlib.Path, every_ms: int, gold: bool = False
    ):
        self.workplace = workplace
        self.lake = lake
        self.config = workplace.configure(topic, lake, every_ms, gold)
        self.gold = [f"gold/{table['name']}" for table in pipelines.GOLD] if gold else []

    def start(self) -> Program:
        """Writes until it is killed or stopped."""
        return self.workplace.ingest(self.config)

    def drain(self) -> Drained:
        """Writes all that is there now; measured from the start of the process, which takes a moment."""
        started = time.monotonic()
        program = self.workplace.ingest(self.config, "--until-caught-up")
        usage = Meter(program.process.pid).read_to_end(PATIENCE)
        wall_seconds = time.monotonic() - started
        program.succeed()
        return Drained(usage, wall_seconds, 0.0)


class Spark:
    """The job of `spark/job.py`."""

    gold = ()

    def __init__(self, workplace: Workplace, topic: Topic, lake: pathlib.Path, every_ms: int):
        self.workplace = workplace
        self.lake = lake
        self.every = every_ms / 1000
        cache = pathlib.Path(os.environ.get("SLUICE_CACHE") or pathlib.Path.home() / ".cache/sluice")
        folder = cache / "spark-4.2.0"
        if not (folder / "pom.xml").exists():
            sys.exit(f"error: there is no Spark in {folder}: run  dev/services/spark install")
        self.command = (
            folder / "venv/bin/python",
            ROOT / "bench/spark/job.py",
            "--servers",
            topic.servers,
            "--topic",
            topic.name,
            "--lake",
            lake,
            "--jars",
            folder / "jars",
        )

    def start(self) -> Program:
        """Writes until it is killed."""
        return self.workplace.run(*self.command, "--every", self.every)

    def drain(self) -> Drained:
        """Writes all that is there now; measured from where the session is ready, since a service starts once."""
        program = self.workplace.run(*self.command)
        meter = Meter(program.process.pid)
        start = meter.read_until(lambda: "session ready" in program.output(), PATIENCE)
        started = time.monotonic()
        usage = meter.read_until(lambda: "caught up" in program.output(), PATIENCE)
        wall_seconds = time.monotonic() - started
        assert not meter.ended, f"Spark ended:\n{program.output()[-4000:]}"
        self.workplace.kill(program)
        usage.cpu_seconds -= start.cpu_seconds
        return Drained(usage, wall_seconds, start.cpu_seconds)
