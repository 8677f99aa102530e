"""One seed: random traffic, a random schedule of faults, and then every row compared with what the oracle says."""

import collections
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field

import another_tool
import fault_kinds
import gold_tables
import lakes
import pipelines
import score_tables
import scorers
from another_tool import LOST
from clock import Clock
from fault_kinds import BESIDE_TROUBLE, DAY, MOST_SHARDS
from job import Job, Scorer
from oracle import decode_json, late_rows, run_gold, run_pipeline, run_scorer, silver_table
from places import PLACES
from preloaded import together
from processes import PATIENCE

FROM_THE_DECK = 3
TROUBLES = 2
# The wall clock is off by so many seconds, until the trouble is over.
JUMPS = (-400 * DAY, -2 * DAY, -3600, -61, 61, 3600, 2 * DAY, 400 * DAY)


@dataclass
class Outcome:
    """What a trial has met, and how much was compared."""

    seed: int
    place: str
    fired: collections.Counter = field(default_factory=collections.Counter)
    kills: int = 0
    messages: int = 0
    duplicates: int = 0
    rows: int = 0
    seconds: float = 0
    failure: str = ""

    def __str__(self) -> str:
        return (
            f"seed {self.seed} in a {self.place}: {self.kills} kills, {sum(self.fired.values())} faults, "
            f"{self.messages} messages, {self.rows} rows compared, {self.seconds:.0f} s {self.failure}"
        )


def place_of(seed: int) -> str:
    """Every third trial is in a bucket."""
    return "bucket" if seed % 3 == 0 else "disk"


def turn_of(seed: int) -> int:
    """How many trials of its place come before it, if seeds are counted from 1."""
    before = seed // 3 if place_of(seed) == "bucket" else seed - seed // 3
    return before - 1


class Trial:
    """A pipeline that faults happen to. `tools` starts programs, and knows the broker where that may be broken."""

    def __init__(self, seed: int, topic, folder, tools, every_kind: bool = False):
        self.every_kind = every_kind
        self.choices = random.Random(seed)
        self.outcome = Outcome(seed, place_of(seed))
        self.turn = turn_of(seed)
        self.topic, self.tools, self.folder = topic, tools, folder
        self.place = PLACES[self.outcome.place](folder, seed)
        self.clock = Clock(folder)
        self.environment = together(self.place.environment, self.clock.environment)
        configuration = tools.configuration | {"storage": {"uri": self.place.uri}}
        self.job = Job(
            configuration,
            tools.ingest,
            commit=self.place.commit,
            environment=self.environment,
            wrapper=self.place.wrapper,
        )
        scored = scorers.configuration(configuration, alerts=tools.alerts.name) | {"commit": self.place.commit}
        self.scorer = Scorer(scored, tools.score, environment=self.environment, wrapper=self.place.wrapper)
        self.leftovers = []
        self.deleted = collections.defaultdict(dict)  # by table and partition: the offset up to which rows were deleted

    def run(self) -> Outcome:
        """All of it; fails if a row is lost, doubled or changed."""
        started = time.monotonic()
        try:
            self._meet_faults()
            self._compare()
        except BaseException as failure:
            self.outcome.failure = f"FAILED: {str(failure).splitlines()[0] if str(failure) else failure!r}"
            self._keep_lake()
            raise
        finally:
            self.place.close()
            self.outcome.seconds = time.monotonic() - started
            self._note(str(self.outcome))
        return self.outcome

    def _keep_lake(self):
        """For whoever looks into a failure, which must be told though the copy may fail too."""
        try:
            self.place.copy(self.folder / "lake-at-failure")
        except Exception:
            self._note(f"the lake could not be copied: {traceback.format_exc()}")

    def _meet_faults(self):
        producer = self.tools.generate(self.topic, *self._traffic())
        self.job.cut(self.choices.randint(1, MOST_SHARDS))
        self.await_progress()
        self.scorer.start()
        for kind, number, trouble in self._schedule():
            self._note(f"{kind.__name__} ({number}){f', {trouble}' if trouble else ''}")
            # Whoever is re-cut must have begun: otherwise the next cut would find the one before the last.
            for worker in self.job.workers.values():
                worker.await_output("claimed the chain")
            with self._in_trouble(trouble):
                kind(self, number)
        self.await_progress()
        assert producer.is_running(), producer.output()[-4000:]
        assert producer.stop() == 0, producer.output()[-4000:]
        for worker in self.leftovers:
            worker.kill()
        self.job.catch_up()
        self.scorer.catch_up()
        for name, count in self.place.fired().items():
            if count:
                self.fired(name, count)

    def _traffic(self) -> tuple:
        shares = {"--duplicates": 0.08, "--late": 0.05, "--malformed": 0.04, "--odd": 0.03}
        chosen = [part for flag, most in shares.items() for part in (flag, self.choices.uniform(0.01, most))]
        return ("--seed", self.outcome.seed, "--rate", self.choices.randint(200, 600), *chosen)

    def _schedule(self) -> list:
        """What happens in which order: the kind, how often it was met by earlier seeds, and the trouble meanwhile."""
        events = self._every_trial() + self._dealt()
        self.choices.shuffle(events)
        names = list(self._troubles())
        bearing = [index for index, (kind, _) in enumerate(events) if kind in BESIDE_TROUBLE]
        count = min(len(bearing), len(names)) if self.every_kind else TROUBLES
        chosen = self.choices.sample(bearing, count)
        trouble = {place: names[(TROUBLES * self.turn + index) % len(names)] for index, place in enumerate(chosen)}
        return [(kind, number, trouble.get(index)) for index, (kind, number) in enumerate(events)]

    def _every_trial(self) -> list:
        events, met = [], collections.Counter()
        for kind in fault_kinds.IN_EVERY_TRIAL:
            events.append((kind, fault_kinds.IN_EVERY_TRIAL.count(kind) * self.turn + met[kind]))
            met[kind] += 1
        return events

    def _dealt(self) -> list:
        """The next kinds of the deck. In a bucket their steps are gone through from the last to the first: there are
        fewer trials there, which meet what those on disks have not.
        """
        deck = fault_kinds.IN_TURN_ON_A_DISK if self.place.name == "disk" else fault_kinds.IN_TURN
        cards = len(deck) if self.every_kind else FROM_THE_DECK
        dealt = [divmod(FROM_THE_DECK * self.turn + card, len(deck)) for card in range(cards)]
        return [(deck[index], number if self.place.name == "disk" else -1 - number) for number, index in dealt]

    def _troubles(self) -> dict:
        troubles = {name: (begin, self.place.heal) for name, begin in self.place.trouble().items()}
        troubles["clock jump"] = (lambda: self.clock.jump(self.choices.choice(JUMPS)), lambda: self.clock.jump(0))
        if self.tools.broker is not None:
            troubles["broker death"] = (
                lambda: self.tools.broker.run("crash"),
                lambda: self.tools.broker.run("resume"),
            )
        return troubles

    @contextlib.contextmanager
    def _in_trouble(self, name: str | None):
        """Trouble that begins now and ends by itself soon."""
        if name is None:
            yield
            return
        begin, end = self._troubles()[name]
        failures = []

        def endure():
            time.sleep(duration)
            try:
                end()
            except Exception:
                failures.append(traceback.format_exc())

        duration = self.choices.uniform(0.5, 2.5)
        begin()
        self.outcome.fired[name] += name in ("full disk", "read-only disk", "clock jump", "broker death")
        ending = threading.Thread(target=endure)
        ending.start()
        try:
            yield
        finally:
            ending.join()
        assert not failures, failures[0]

    def _compare(self):
        messages = self.topic.read_all()
        expected = run_pipeline(messages, decode_json)
        silver = silver_table(expected.silver)
        gold, scores = run_gold(silver, pipelines.SPEC), run_scorer(silver, pipelines.SPEC, pipelines.SCORER)
        assert expected.duplicates and expected.quarantine, "there must be copies, and messages that are refused"
        assert gold.late, "there must be rows that are late for windows"
        expected.quarantine += late_rows(messages, gold)
        for table, deleted in self.deleted.items():
            rows = getattr(expected, table)
            rows[:] = [row for row in rows if row["offset"] > deleted.get(row["partition"], -1)]
        lake = self.place.copy(self.folder / "copy")
        lakes.assert_lake(lake, expected)
        gold_tables.assert_late_rows(lakes.read_with_delta_rs(lake / "quarantine"), gold)
        gold_tables.assert_gold(lake, gold, gold_tables.finality_of(gold, self.topic.partitions))
        score_tables.assert_scores(lake, scores)
        alerts = self.tools.alerts.read_all()
        score_tables.assert_alerts(alerts, scores, lakes.read_with_delta_rs(lake / score_tables.NAME))
        self.outcome.messages = len(messages)
        self.outcome.duplicates = len(expected.duplicates)
        self.outcome.rows = sum(len(getattr(expected, table)) for table in lakes.TABLES)
        self.outcome.rows += sum(len(table.rows) for table in gold.tables.values()) + len(scores.rows)

    # What kinds of faults ask for.

    def fired(self, name: str, times: int = 1):
        self.outcome.fired[name] += times

    def any_shard(self) -> int:
        return self.choices.choice(list(self.job.workers))

    def other_shards(self) -> int:
        return self.choices.choice([count for count in range(1, MOST_SHARDS + 1) if count != self.job.shards])

    def kill(self, program):
        assert program.is_running(), program.output()[-4000:]
        program.kill()
        self.outcome.kills += 1

    def kill_all(self):
        for worker in self.job.workers.values():
            self.kill(worker)

    def start_all(self):
        for shard in range(self.job.shards):
            self.job.start(shard)

    def leave_or_kill(self, workers):
        """They have lost what they had. Some live on until the end, and must do no harm."""
        for worker in workers:
            if self.choices.random() < 0.5:
                self.kill(worker)
            else:
                self.leftovers.append(worker)

    def await_death(self, program, step: str):
        code = program.wait()
        assert code == -signal.SIGKILL, f"{step} never fired; exit code {code}:\n{program.output()[-4000:]}"
        self.outcome.kills += 1

    def await_any_output(self, programs: list, text: str):
        deadline = time.monotonic() + PATIENCE
        while not any(text in program.output() for program in programs):
            outputs = "\n".join(program.output()[-2000:] for program in programs)
            assert time.monotonic() < deadline, f'no "{text}" after {PATIENCE} s:\n{outputs}'
            time.sleep(0.05)

    def await_progress(self, versions: int = 2):
        """Waits until bronze has so many versions more."""
        deadline = time.monotonic() + PATIENCE
        wanted = max(self.place.newest_version("bronze"), 0) + versions
        while not self.place.has_version("bronze", wanted):
            outputs = "\n".join(worker.output()[-2000:] for worker in self.job.workers.values())
            assert time.monotonic() < deadline, f"bronze has no version {wanted} after {PATIENCE} s:\n{outputs}"
            time.sleep(0.05)

    def maintain(self, *flags, failpoint: str | None = None):
        environment = self.environment | ({"SLUICE_FAILPOINT": failpoint} if failpoint else {})
        flags = ("--settled-after", "0s", *flags)
        return self.tools.maintain(self.job.configuration, *flags, environment=environment, wrapper=self.place.wrapper)

    def use_another_tool(self, action: str, table: str) -> dict:
        """Lets a program of somebody else's change a table: beside the workers, or between two of their steps if they
        are too fast for it.
        """
        arguments = [action, f"{self.place.uri}/{table}", str(self.choices.randrange(2**31))]
        result = self._another_tool(arguments)
        if result.returncode == LOST:
            running = [worker for worker in [*self.job.workers.values(), *self.leftovers] if worker.is_running()]
            for worker in running:
                worker.process.send_signal(signal.SIGSTOP)
            result = self._another_tool(arguments)
            for worker in running:
                worker.process.send_signal(signal.SIGCONT)
        assert result.returncode == 0, f"{action} of {table} by another tool: {result.stderr[-4000:]}"
        return json.loads(result.stdout)

    def _another_tool(self, arguments: list):
        return subprocess.run(
            [*self.place.wrapper, sys.executable, another_tool.__file__, *arguments],
            env={**os.environ, **self.place.back_door},
            capture_output=True,
            text=True,
        )

    def delete_some(self, table: str):
        """Deletes the first rows of a partition, as another tool would."""
        last = self.use_another_tool("delete", table)
        deleted = self.deleted[table]
        deleted[last["partition"]] = max(last["offset"], deleted.get(last["partition"], -1))

    def _note(self, text: str):
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)
