"""When rows can be seen: a foreign eye on the log of a Delta table, and what follows from it about freshness and lag.

A row is visible as soon as the log entry that names its file has its name. An eye looks for the next name every 10 ms.
When the message was produced is its Kafka timestamp, which the generator sets to the clock as it makes the message.
"""

import bisect
import collections
import dataclasses
import json
import pathlib
import threading
import time
import urllib.parse

import pyarrow
import pyarrow.compute
import pyarrow.parquet

_LOOK_EVERY = 0.01


class Eye(threading.Thread):
    """Sees the entries of a table's log appear."""

    def __init__(self, table: pathlib.Path):
        super().__init__(daemon=True)
        self.log = table / "_delta_log"
        self.seen: list[float] = []  # when, by version
        self._closed = threading.Event()

    def run(self):
        while not self._closed.wait(_LOOK_EVERY):
            while self._entry(len(self.seen)).exists():
                self.seen.append(time.time())

    def close(self):
        """Looks no more."""
        self._closed.set()
        self.join()

    def commits(self) -> list["Commit"]:
        """The commits with rows, in their order."""
        commits = [Commit(seen_at, self._produced(version)) for version, seen_at in enumerate(self.seen)]
        return [commit for commit in commits if commit.produced]

    def _entry(self, version: int) -> pathlib.Path:
        return self.log / f"{version:020}.json"

    def _produced(self, version: int) -> collections.Counter:
        produced = collections.Counter()
        for line in self._entry(version).read_text().splitlines():
            add = json.loads(line).get("add")
            if add is None or not add["dataChange"]:
                continue
            file = self.log.parent / urllib.parse.unquote(add["path"])
            column = pyarrow.parquet.ParquetFile(file).read(columns=["kafka_timestamp"])["kafka_timestamp"]
            milliseconds = column.cast(pyarrow.timestamp("ms", "UTC"), safe=False).cast(pyarrow.int64())
            for count in pyarrow.compute.value_counts(milliseconds).to_pylist():
                produced[count["values"]] += count["counts"]
        return produced


@dataclasses.dataclass
class Commit:
    """Rows that became visible at once: when, and how many were produced in which millisecond."""

    seen_at: float
    produced: collections.Counter


def ages(commits: list[Commit], since: float, until: float) -> collections.Counter:
    """Milliseconds from a message to its row, and how many rows took so long, of what was produced in this time."""
    counted = collections.Counter()
    for commit in commits:
        for produced_at, count in commit.produced.items():
            if since * 1000 <= produced_at < until * 1000:
                counted[round(commit.seen_at * 1000) - produced_at] += count
    return counted


def quantile(counted: collections.Counter, share: float) -> float:
    """The value that this share of what was counted does not exceed."""
    assert counted, "there is nothing to take a quantile of"
    wanted = share * counted.total()
    for value in sorted(counted):
        wanted -= counted[value]
        if wanted <= 0:
            return value
    return max(counted)


# A lag is as before if it does not exceed the largest one before by more than this.
_TOLERANCE = 1.25


@dataclasses.dataclass
class Recovery:
    """How a table came back after its writer was killed."""

    lag_before: int
    """The largest number of rows that were produced and not visible before the kill."""
    first_rows: float | None
    """Seconds from the kill to the first new rows."""
    caught_up: float | None
    """Seconds from the kill until the lag was, and stayed, what it had been; None if that did not come."""


def recovery(commits: list[Commit], killed_at: float, since: float, until: float) -> Recovery:
    """What a kill did to the lag, by what was seen from `since` to `until`."""
    lags = _lags(commits)
    before = [lag for at, lag, _ in lags if since <= at < killed_at]
    after = [(at, peak, rest) for at, peak, rest in lags if killed_at <= at < until]
    assert before, f"no rows became visible in the {killed_at - since:.0f} s before: it needs longer to warm up"
    most = max(before)
    caught_up = None
    for at, peak, rest in reversed(after):
        if rest <= most:
            caught_up = at - killed_at
        if peak > most * _TOLERANCE:
            break
    return Recovery(most, after[0][0] - killed_at if after else None, caught_up)


def _lags(commits: list[Commit]) -> list[tuple[float, int, int]]:
    """For each commit: when, and the lag just before and just after it. All rows count that ever became visible."""
    produced = collections.Counter()
    for commit in commits:
        produced.update(commit.produced)
    times = sorted(produced)
    until = [0]
    for at in times:
        until.append(until[-1] + produced[at])
    lags, visible = [], 0
    for commit in commits:
        made = until[bisect.bisect_right(times, commit.seen_at * 1000)]
        size = commit.produced.total()
        lags.append((commit.seen_at, made - visible, made - visible - size))
        visible += size
    return lags
