"""When messages are counted in a windowed table: what its commits say of the epochs behind them.

A row of a windowed table does not say of which messages it was made, but the commit does: its Delta transaction names an
epoch of the merge, whose manifest says which epochs of ingest were folded, and theirs up to which offsets they come.
"""

import collections
import dataclasses
import json
import pathlib

import duckdb
from deltalake import DeltaTable
from visibility import Eye

CHAIN = "merge/0/0"
FEEDS = "ingest/0/0"

# For each message the first publication whose next offset lies behind it.
_AGES = """
WITH publications AS (
    SELECT "partition", next_offset, min(seen_at) * 1000 AS seen_ms FROM behind GROUP BY ALL
), messages AS (
    SELECT "partition", "offset", epoch_ms(kafka_timestamp) AS produced_ms FROM rows
    WHERE epoch_ms(kafka_timestamp) >= $since_ms AND epoch_ms(kafka_timestamp) < $until_ms
)
SELECT round(seen_ms - produced_ms)::BIGINT AS age, count(*)
FROM messages ASOF LEFT JOIN publications
    ON messages."partition" = publications."partition" AND messages."offset" < publications.next_offset
GROUP BY age
"""


@dataclasses.dataclass
class Publication:
    """A commit of a windowed table: when it was seen, and the next offsets of the partitions behind it."""

    seen_at: float
    next_offsets: dict[int, int]


def publications(lake: pathlib.Path, eye: Eye) -> list[Publication]:
    """What an eye has seen of a windowed table, in its order."""
    published = []
    for version, seen_at in enumerate(eye.seen):
        epoch = _epoch(eye.log / f"{version:020}.json")
        if epoch is None:
            continue
        folded = _manifest(lake, CHAIN, epoch)["folded"].get(FEEDS)
        if folded is not None:
            partitions = _manifest(lake, FEEDS, folded)["partitions"]
            next_offsets = {int(number): progress["nextOffset"] for number, progress in partitions.items()}
            published.append(Publication(seen_at, next_offsets))
    return published


def ages_in_gold(
    lake: pathlib.Path, published: list[Publication], since: float, until: float
) -> collections.Counter:
    """Milliseconds from a message to the first publication that counts it, and how many took so long."""
    rows = DeltaTable(str(lake / "bronze")).to_pyarrow_dataset()  # noqa: F841, DuckDB finds it by its name
    behind = [(each.seen_at, *progress) for each in published for progress in each.next_offsets.items()]
    connection = duckdb.connect()
    connection.execute("CREATE TABLE behind (seen_at DOUBLE, partition INTEGER, next_offset BIGINT)")
    connection.executemany("INSERT INTO behind VALUES (?, ?, ?)", behind)
    ages = connection.execute(_AGES, {"since_ms": since * 1000, "until_ms": until * 1000}).fetchall()
    uncounted = sum(count for age, count in ages if age is None)
    assert not uncounted, f"no publication counts {uncounted} messages"
    return collections.Counter(dict(ages))


def _epoch(entry: pathlib.Path) -> int | None:
    """The epoch of the merge that a log entry is of."""
    for line in entry.read_text().splitlines():
        transaction = json.loads(line).get("txn")
        if transaction is not None and transaction["appId"] == CHAIN:
            return transaction["version"]
    return None


def _manifest(lake: pathlib.Path, chain: str, epoch: int) -> dict:
    return json.loads((lake / "_sluice" / chain / f"{epoch:020}.json").read_text())
