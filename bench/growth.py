"""What commits cost as a table's history grows: ten thousand tiny epochs, with the upkeep that a day would bring.

    dev/bench growth                    # 10,000 epochs of 50 ms, 1,000 messages a second: about 15 minutes
    dev/bench growth --epochs 1000

An hour at the example's 2 s is 1,800 epochs: so often, in epochs, maintenance runs beside the worker, as its schedule
says, and leaves alone what is younger than the same number of epochs as by default. Times are those that the worker
tells Prometheus, over some epochs after the 100th and after the last; no maintenance runs in those.
"""

import dataclasses
import math
import socket
import time

import requests
from deltalake import DeltaTable
from paced import COMMIT_EVERY_MS
from processes import Program
from prometheus_client.parser import text_string_to_metric_families
from results import Run
from workplace import Workplace, arguments_of, count_messages, open_workplace, positive, verify

HEADING = "Commits of a growing history"
EARLY = 100
MAINTAIN_EVERY = 1_800
PATIENCE = 120


def parse_arguments():
    parser = arguments_of(__doc__)
    parser.add_argument("--epochs", type=positive, default=10_000)
    parser.add_argument("--window", type=positive, default=200, help="epochs that a time is the mean of")
    parser.add_argument("--every-ms", type=positive, default=50, help="age at which an epoch closes")
    parser.add_argument("--rate", type=positive, default=1000, help="messages a second")
    arguments = parser.parse_args()
    if arguments.epochs < EARLY + 2 * arguments.window:
        parser.error(f"argument --epochs: at least {EARLY + 2 * arguments.window}, for two windows of --window")
    return arguments


@dataclasses.dataclass
class Reading:
    """One answer of /metrics."""

    epoch: int
    commits: float
    commit_seconds: float
    cpu_seconds: float


class Growth:
    """A worker in its tiny epochs, and the maintenance beside it."""

    def __init__(self, workplace: Workplace, lake, every_ms: int, rate: int):
        self.workplace = workplace
        self.topic = workplace.topic()
        self.config = workplace.configure(self.topic, lake, every_ms)
        # Default: 5 minutes, of 2 s each.
        self.settled_after = f"{math.ceil(300 * every_ms / COMMIT_EVERY_MS)}s"
        self.address = f"127.0.0.1:{free_port()}"
        self.worker = workplace.ingest(self.config, "--listen", self.address)
        self.generator = workplace.generate(self.topic, "--rate", rate)
        self.maintenance: Program | None = None
        self.maintained = 0
        self.next_maintenance = MAINTAIN_EVERY

    def read(self) -> Reading:
        """What the worker tells now."""
        text = requests.get(f"http://{self.address}/metrics", timeout=30).text
        values = {
            sample.name: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if not sample.labels
        }
        return Reading(
            int(values.get("sluice_epoch", -1)),
            values.get("sluice_commit_duration_seconds_count", 0),
            values.get("sluice_commit_duration_seconds_sum", 0),
            values.get("process_cpu_seconds_total", 0),
        )

    def await_epoch(self, epoch: int, may_maintain: bool) -> Reading:
        """Waits for an epoch; starts maintenance where it is due."""
        moved, before = time.monotonic(), -1
        while True:
            assert self.worker.is_running(), f"the worker ended:\n{self.worker.output()[-4000:]}"
            assert self.generator.is_running(), f"the generator ended:\n{self.generator.output()[-4000:]}"
            try:
                reading = self.read()
            except requests.ConnectionError:  # it does not listen yet
                reading = Reading(-1, 0, 0, 0)
            if reading.epoch >= epoch:
                return reading
            if reading.epoch > before:
                moved, before = time.monotonic(), reading.epoch
            assert time.monotonic() < moved + PATIENCE, f"no epoch after {before} for {PATIENCE} s"
            if may_maintain and reading.epoch >= self.next_maintenance:
                self.next_maintenance += MAINTAIN_EVERY
                self.maintain()
            time.sleep(0.05)

    def maintain(self):
        """Starts a run of maintenance, once the one before has ended."""
        self.await_maintenance()
        flags = ("--config", self.config, "--settled-after", self.settled_after)
        self.maintenance = self.workplace.run(self.workplace.worker, "maintain", *flags)
        self.maintained += 1

    def await_maintenance(self):
        """Waits for the run that is under way."""
        if self.maintenance is not None:
            self.maintenance.succeed(patience=600)
            self.maintenance = None

    def measure(self, after: int, window: int) -> tuple[float, float]:
        """Milliseconds of a commit and of CPU time for an epoch, over a window of epochs."""
        self.await_epoch(after, may_maintain=True)
        self.await_maintenance()
        first = self.read()
        last = self.await_epoch(first.epoch + window, may_maintain=False)
        commits = last.commits - first.commits
        commit = (last.commit_seconds - first.commit_seconds) / commits * 1000
        cpu = (last.cpu_seconds - first.cpu_seconds) / (last.epoch - first.epoch) * 1000
        print(f"epochs {first.epoch} to {last.epoch}: commit {commit:.1f} ms, CPU {cpu:.1f} ms", flush=True)
        return commit, cpu

    def finish(self) -> int:
        """Lets everything be written; gives the number of messages."""
        self.await_maintenance()
        assert self.generator.stop() == 0, f"the generator failed:\n{self.generator.output()[-2000:]}"
        assert self.worker.stop() == 0, f"the worker failed:\n{self.worker.output()[-2000:]}"
        self.workplace.ingest(self.config, "--until-caught-up").succeed()
        return count_messages(self.topic)


def free_port() -> int:
    """A port of the loopback interface that nobody uses now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def main():
    arguments = parse_arguments()
    run = Run(arguments)
    with open_workplace(arguments) as workplace:
        lake = workplace.folder / "lake"
        growth = Growth(workplace, lake, arguments.every_ms, arguments.rate)
        early, early_cpu = growth.measure(EARLY, arguments.window)
        # On the way only for the eye.
        for tenth in range(1, 10):
            after = tenth * arguments.epochs // 10
            if after >= EARLY + arguments.window:
                growth.measure(after, min(arguments.window, arguments.epochs // 20))
        late, late_cpu = growth.measure(arguments.epochs, arguments.window)
        messages = growth.finish()
        verify(lake, messages)
        bronze = DeltaTable(str(lake / "bronze"))
        figures = {
            "epochs": f"{arguments.epochs:,}",
            "maintenance runs": str(growth.maintained),
            f"commit after {EARLY}": f"{early:.1f} ms",
            "commit after all": f"{late:.1f} ms",
            "ratio": f"{late / early:.2f}",
            f"CPU of an epoch after {EARLY}": f"{early_cpu:.1f} ms",
            "CPU of an epoch after all": f"{late_cpu:.1f} ms",
            "files of bronze at the end": f"{len(bronze.file_uris()):,}",
            "rows verified": f"{messages:,}",
        }
        run.record(HEADING, figures)


if __name__ == "__main__":
    main()
