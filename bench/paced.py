"""Traffic at a steady rate into a writer that is watched, and killed now and then."""

import dataclasses
import time

from folded import Publication, publications
from processes import Program
from visibility import Commit, Eye
from workplace import Workplace, count_messages, verify

COMMIT_EVERY_MS = 2000


@dataclasses.dataclass
class Round:
    """A stretch of undisturbed writing, with the kill that ended it, if one did."""

    since: float
    until: float
    """When the writer was killed, if it was."""
    ended: float
    """When it had been given its time to come back."""


@dataclasses.dataclass
class Observed:
    """What was seen of a writer."""

    rounds: list[Round]
    bronze: list[Commit]
    silver: list[Commit]
    gold: dict[str, list[Publication]]
    """By the names of the windowed tables, if it writes any."""
    messages: int


@dataclasses.dataclass
class Pace:
    """What is asked of a writer."""

    rate: int
    """Messages a second."""
    warm: float
    """Seconds before the first round."""
    before: float
    """Seconds of a round until its kill."""
    kills: int
    after: float
    """Seconds from a kill to the next round."""


def observe(workplace: Workplace, engine_class, name: str, pace: Pace) -> Observed:
    """Lets a writer follow a generator; at the end it drains the topic, and its tables are verified."""
    topic, lake = workplace.topic(), workplace.folder / name
    engine = engine_class(workplace, topic, lake, COMMIT_EVERY_MS)
    eyes = {table: Eye(lake / table) for table in ("bronze", "silver", *engine.gold)}
    for eye in eyes.values():
        eye.start()
    generator = workplace.generate(topic, "--rate", pace.rate)
    writer = engine.start()
    _rest(pace.warm, writer, generator)
    rounds = []
    for _ in range(max(pace.kills, 1)):
        since = time.time()
        _rest(pace.before, writer, generator)
        until = time.time()
        if pace.kills:
            workplace.kill(writer)
            writer = engine.start()
            _rest(pace.after, writer, generator)
        rounds.append(Round(since, until, time.time()))
    assert generator.stop() == 0, f"the generator failed:\n{generator.output()[-2000:]}"
    workplace.kill(writer)
    engine.drain()
    messages = count_messages(topic)
    verify(lake, messages)
    for eye in eyes.values():
        eye.close()
    gold = {table: publications(lake, eyes[table]) for table in engine.gold}
    return Observed(rounds, eyes["bronze"].commits(), eyes["silver"].commits(), gold, messages)


def _rest(seconds: float, *programs: Program):
    """Waits while these programs run."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for program in programs:
            assert program.is_running(), f"ended: {' '.join(program.arguments)}\n{program.output()[-4000:]}"
        time.sleep(min(0.2, max(deadline - time.monotonic(), 0)))
