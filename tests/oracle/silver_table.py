"""Silver rows in a database, each with the watermark before it.

What follows from silver is computed from any silver table: the oracle's own rows, or those that a foreign reader
found in a lake. Instants are microseconds since the epoch; a watermark that is null is minus infinity.
"""

import duckdb
import pyarrow

from .times import micros

_INSTANT = pyarrow.timestamp("us", "UTC")
_SCHEMA = pyarrow.schema(
    [
        ("transaction_id", pyarrow.string()),
        ("user_id", pyarrow.int32()),
        ("amount", pyarrow.float64()),
        ("amount_category", pyarrow.string()),
        ("is_high_value", pyarrow.bool_()),
        ("merchant", pyarrow.string()),
        ("payment_method", pyarrow.string()),
        ("location", pyarrow.string()),
        ("city", pyarrow.string()),
        ("country", pyarrow.string()),
        ("device_id", pyarrow.string()),
        ("is_fraud", pyarrow.bool_()),
        ("timestamp_parsed", _INSTANT),
        ("transaction_date", pyarrow.date32()),
        ("transaction_hour", pyarrow.int32()),
        ("transaction_day_of_week", pyarrow.int32()),
        ("is_weekend", pyarrow.bool_()),
        ("topic", pyarrow.string()),
        ("partition", pyarrow.int32()),
        ("offset", pyarrow.int64()),
        ("kafka_timestamp", _INSTANT),
    ]
)


def silver_table(rows: list) -> pyarrow.Table:
    """The silver rows of `run_pipeline` as a table."""
    return pyarrow.table({name: [row[name] for row in rows] for name in _SCHEMA.names}, schema=_SCHEMA)


def open_silver(silver: pyarrow.Table, pipeline: dict) -> duckdb.DuckDBPyConnection:
    """A database with two tables. `silver`: the given columns, `__event_time`, and `__watermark`, which is W before
    the row. `watermarks`: W of each partition after all of its rows.

    `pipeline` is the spec of the StreamPipeline. Its silver rows must have their event time, topic, partition,
    offset and kafka_timestamp.
    """
    behind = micros(pipeline["source"]["eventTime"].get("maxOutOfOrderness", "30s"))
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("given", silver)
    # `least` passes over nulls: without a Kafka timestamp there is no cap.
    connection.execute(
        f"""
        CREATE TABLE silver AS
        WITH timed AS (SELECT *, epoch_us("{_event_time_column(pipeline)}") AS __event_time FROM given),
        capped AS (
            SELECT *, CASE WHEN __event_time IS NOT NULL THEN least(__event_time, epoch_us(kafka_timestamp)) END
                AS __capped
            FROM timed
        )
        SELECT *, max(__capped) OVER (
            PARTITION BY topic, "partition" ORDER BY "offset" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) - {behind} AS __watermark
        FROM capped
        """
    )
    connection.execute(
        f"""
        CREATE TABLE watermarks AS
        SELECT topic, "partition", max(__capped) - {behind} AS watermark FROM silver GROUP BY ALL
        """
    )
    return connection


def _event_time_column(pipeline: dict) -> str:
    """The silver column that is the event time."""
    return next(column["name"] for column in pipeline["silver"]["columns"] if column.get("expr") == "event_time")
