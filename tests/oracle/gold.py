"""The windowed tables, recomputed from silver by SQL: windows, lateness, aggregates, finality.

The measures of the resource are run as they are written: DuckDB reads the same SQL. Where it does not, the resource
is beyond this oracle: the quotient of two integers is a double here, and `stddev` with FILTER is refused.
"""

import collections
import statistics
from dataclasses import dataclass
from typing import Iterable, Mapping, Optional

import duckdb
import pyarrow

from .pipeline import Message, origin
from .silver_table import open_silver
from .times import SECOND, micros, rfc3339

DAY = 86_400 * SECOND

# Before the name of a measure: the column with the largest value that its deviation is of.
SCALE = "__scale_of_"

_STANDARD_DEVIATIONS = ("stddev", "stddev_samp")


@dataclass
class GoldTable:
    """A windowed table: its rows without revision, is_final and updated_at.

    Columns are window_start and window_end in microseconds, the keys, the measures, and window_date in days since
    the epoch; for a standard deviation of x also `__scale_of_<measure>`, the largest |x| of the row.
    """

    name: str
    keys: list
    measures: list
    allowed_lateness: int
    rows: pyarrow.Table

    def final_starts(self, before: Optional[int]) -> list:
        """The starts of the windows that are final up to this instant (`final_before`)."""
        windows = set(zip(self.rows["window_start"].to_pylist(), self.rows["window_end"].to_pylist()))
        return sorted(start for start, end in windows if before is not None and end + self.allowed_lateness <= before)


@dataclass
class Gold:
    """The windowed tables by name, in the order of the resource; by (topic, partition, offset) the windows that a row
    is too late for, as the detail of its quarantine row lists them; and W of each partition after all rows.
    """

    tables: dict
    late: dict
    watermarks: dict


def run_gold(silver: pyarrow.Table, pipeline: dict) -> Gold:
    """The windowed tables of these silver rows; `pipeline` is the spec of the StreamPipeline."""
    connection = open_silver(silver, pipeline)
    _define_standard_deviations(connection)
    tables, late = {}, collections.defaultdict(list)
    for resource in pipeline["gold"]:
        name = f"gold/{resource['name']}"
        _place(connection, resource)
        tables[name] = _aggregate(connection, name, resource)
        for topic, partition, offset, start in _late(connection):
            late[topic, partition, offset].append({"table": name, "window_start": rfc3339(start)})
    watermarks = connection.sql('SELECT "partition", watermark FROM watermarks').fetchall()
    return Gold(tables, dict(late), dict(watermarks))


def final_before(
    watermarks: Mapping[int, Optional[int]], idle: Iterable[int] = (), stalled_after: int = 3600 * SECOND
) -> Optional[int]:
    """The instant up to which windows are final: those whose end and allowed lateness do not lie beyond it.

    None: no window becomes final. `watermarks` has every partition of the topic, None where no silver row came. A
    partition that has been read to its end is stalled, and treated as idle, when it trails the median of the others
    that are not idle by more than `stalled_after`; one without a watermark trails by any span.
    """
    awake = {partition: watermark for partition, watermark in watermarks.items() if partition not in set(idle)}
    known = [watermark for watermark in awake.values() if watermark is not None]
    if not known:
        return None
    median = statistics.median(known)
    return min(watermark for watermark in known if median - watermark <= stalled_after)


def late_rows(messages: Iterable[Message], gold: Gold) -> list:
    """What quarantine tells of the rows that are late for a window; `messages` are those that silver came from."""
    return [
        {
            **origin(message),
            "value": message.value,
            "stage": "late",
            "reason": "LateRow",
            "detail": gold.late[message[:3]],
        }
        for message in messages
        if message[:3] in gold.late
    ]


def _place(connection: duckdb.DuckDBPyConnection, resource: dict):
    """Makes the table `placed`: a row for each silver row and window that it falls into, with whether it is late."""
    size = micros(resource["window"]["size"])
    slide = micros(resource["window"].get("slide", resource["window"]["size"]))
    assert size % slide == 0, f"{resource['name']}: the slide does not divide the size"
    # DuckDB's % has the sign of its left side; windows are aligned by floor.
    newest = f"__event_time - (__event_time % {slide} + {slide}) % {slide}"
    connection.execute(
        f"""
        CREATE OR REPLACE TABLE placed AS
        WITH started AS (
            SELECT *, unnest(range({newest} - {size - slide}, {newest} + 1, {slide})) AS __start
            FROM silver WHERE __event_time IS NOT NULL
        )
        SELECT *, coalesce(__watermark >= __start + {size + _allowed_lateness(resource)}, false) AS __late FROM started
        """
    )


def _late(connection: duckdb.DuckDBPyConnection) -> list:
    return connection.sql(
        """
        SELECT topic, "partition", "offset", __start FROM placed WHERE __late
        ORDER BY topic, "partition", "offset", __start
        """
    ).fetchall()


def _aggregate(connection: duckdb.DuckDBPyConnection, name: str, resource: dict) -> GoldTable:
    keys = resource.get("groupBy", [])
    measures = [measure["name"] for measure in resource["measures"]]
    grouped = "".join(f'"{key}", ' for key in keys)
    # A measure may use those before it: DuckDB lets an expression name the aliases to its left.
    computed = ", ".join(f'{measure["expr"]} AS "{measure["name"]}"' for measure in resource["measures"])
    scales = "".join(f', max(abs({of})) AS "{SCALE}{measure}"' for measure, of in _standard_deviations(resource))
    rows = connection.sql(
        f"""
        SELECT __start AS window_start, __start + {micros(resource["window"]["size"])} AS window_end,
            {grouped} {computed},
            (__start - (__start % {DAY} + {DAY}) % {DAY}) // {DAY} AS window_date {scales}
        FROM placed WHERE NOT __late GROUP BY {grouped} __start
        """
    )
    return GoldTable(name, keys, measures, _allowed_lateness(resource), rows.to_arrow_table())


def _allowed_lateness(resource: dict) -> int:
    return micros(resource.get("emit", {}).get("allowedLateness", "5m"))


def _standard_deviations(resource: dict) -> list:
    """The measures that are a standard deviation, each with what it is of."""
    found = []
    for measure in resource["measures"]:
        function, _, rest = measure["expr"].partition("(")
        if function in _STANDARD_DEVIATIONS:
            assert rest.endswith(")"), f"{measure['name']}: the oracle knows a standard deviation only alone"
            found.append((measure["name"], rest[:-1]))
    return found


def _define_standard_deviations(connection: duckdb.DuckDBPyConnection):
    """DuckDB fails where the square of a value is beyond a double. Such groups are computed on a smaller scale, on
    which the small values, whose squares vanish, do not matter.
    """
    for name in _STANDARD_DEVIATIONS:
        connection.execute(
            f"""
            CREATE MACRO {name}(x) AS CASE
                WHEN max(abs(x)) > 1e140 THEN system.main.stddev_samp(x * 1e-160) * 1e160
                ELSE system.main.stddev_samp(CASE WHEN abs(x) <= 1e140 THEN x END)
            END
            """
        )
