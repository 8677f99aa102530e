"""Tables read by readers that are not ours, and compared row by row."""

import math
import pathlib

import duckdb
import duckdb_extension_delta
import pyarrow
import pyarrow.compute
from deltalake import DeltaTable

# Columns in order, with their Delta types.
BRONZE = (
    ("kafka_key", "string"),
    ("transaction_id", "string"),
    ("user_id", "integer"),
    ("amount", "double"),
    ("merchant", "string"),
    ("timestamp", "string"),
    ("is_fraud", "boolean"),
    ("payment_method", "string"),
    ("location", "string"),
    ("device_id", "string"),
    ("topic", "string"),
    ("partition", "integer"),
    ("offset", "long"),
    ("kafka_timestamp", "timestamp"),
    ("processing_time", "timestamp"),
    ("processing_date", "date"),
)

SILVER = (
    ("transaction_id", "string"),
    ("user_id", "integer"),
    ("amount", "double"),
    ("amount_category", "string"),
    ("is_high_value", "boolean"),
    ("merchant", "string"),
    ("payment_method", "string"),
    ("location", "string"),
    ("city", "string"),
    ("country", "string"),
    ("device_id", "string"),
    ("is_fraud", "boolean"),
    ("timestamp_parsed", "timestamp"),
    ("transaction_date", "date"),
    ("transaction_hour", "integer"),
    ("transaction_day_of_week", "integer"),
    ("is_weekend", "boolean"),
    ("processing_time", "timestamp"),
    ("processing_date", "date"),
    ("topic", "string"),
    ("partition", "integer"),
    ("offset", "long"),
    ("kafka_timestamp", "timestamp"),
)

QUARANTINE = (
    ("topic", "string"),
    ("partition", "integer"),
    ("offset", "long"),
    ("kafka_timestamp", "timestamp"),
    ("kafka_key", "string"),
    ("value", "binary"),
    ("stage", "string"),
    ("reason", "string"),
    ("detail", "string"),
    ("processing_time", "timestamp"),
    ("processing_date", "date"),
)

TABLES = {"bronze": BRONZE, "silver": SILVER, "quarantine": QUARANTINE}
PARTITIONED_BY = {
    "bronze": ["processing_date"],
    "silver": ["transaction_date"],
    "quarantine": ["processing_date"],
}

# What depends on when the worker ran, or is for people to read.
NOT_COMPARED = {"processing_time", "processing_date", "detail", "rule_set"}


def read_with_delta_rs(table: pathlib.Path) -> pyarrow.Table:
    """A table, read by the deltalake package."""
    return DeltaTable(str(table)).to_pyarrow_table()


def read_with_duckdb(table: pathlib.Path) -> pyarrow.Table:
    """A table, read by DuckDB with its own Delta extension."""
    (extension,) = pathlib.Path(duckdb_extension_delta.__file__).parent.rglob("delta.duckdb_extension")
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{extension}'")
        connection.execute("SET TimeZone = 'UTC'")
        return connection.sql(f"SELECT * FROM delta_scan('{table}')").to_arrow_table()


READERS = {"delta-rs": read_with_delta_rs, "DuckDB": read_with_duckdb}


def assert_declared(lake: pathlib.Path):
    """The three tables have the columns of the specification, in order, and its partitioning."""
    for name, columns in TABLES.items():
        table = DeltaTable(str(lake / name))
        declared = [(column.name, column.type.type) for column in table.schema().fields]
        assert declared == list(columns), name
        assert table.metadata().partition_columns == PARTITIONED_BY[name], name
        assert table.protocol().min_reader_version <= 3, name


def assert_rows(actual: pyarrow.Table, expected: list, columns, what: str):
    """The table has exactly the expected rows, in any order, by (partition, offset)."""
    order = [("partition", "ascending"), ("offset", "ascending")]
    positions = list(zip(actual["partition"].to_pylist(), actual["offset"].to_pylist()))
    wanted = [(row["partition"], row["offset"]) for row in expected]
    assert len(positions) == len(set(positions)), f"{what}: rows doubled: {_doubled(positions)[:5]}"
    missing, foreign = sorted(set(wanted) - set(positions)), sorted(set(positions) - set(wanted))
    assert not missing and not foreign, (
        f"{what}: {len(missing)} rows are missing, the first {missing[:5]}; "
        f"{len(foreign)} should not be there, the first {foreign[:5]}"
    )
    actual = actual.sort_by(order)
    expected = sorted(expected, key=lambda row: (row["partition"], row["offset"]))
    for name, kind in columns:
        if name in NOT_COMPARED:
            assert actual[name].null_count == 0, f"{what}.{name}: null"
            continue
        _assert_column(_values(actual[name], kind), [row[name] for row in expected], wanted, f"{what}.{name}")


def _values(column, kind: str) -> list:
    if kind == "timestamp":
        micros = column.cast(pyarrow.timestamp("us", "UTC"))
        return micros.cast(pyarrow.int64()).to_pylist()
    return column.to_pylist()


def _assert_column(actual: list, expected: list, positions: list, what: str):
    if actual == expected and not any(isinstance(value, float) for value in expected[:1]):
        return
    for got, want, position in zip(actual, expected, sorted(positions)):
        assert _same(got, want), f"{what} at (partition, offset) {position}: {got!r}, expected {want!r}"


def _same(got, want) -> bool:
    if isinstance(got, float) and isinstance(want, float):
        if math.isnan(got) or math.isnan(want):
            return math.isnan(got) and math.isnan(want)
        return got == want and math.copysign(1, got) == math.copysign(1, want)
    return type(got) is type(want) and got == want


def _doubled(positions: list) -> list:
    seen, doubled = set(), []
    for position in positions:
        if position in seen:
            doubled.append(position)
        seen.add(position)
    return doubled


def assert_lake(lake: pathlib.Path, expected, readers=("delta-rs",)):
    """The three tables hold exactly the expected lake, for every reader."""
    assert_declared(lake)
    for reader in readers:
        for name, columns in TABLES.items():
            rows = READERS[reader](lake / name)
            assert_rows(rows, getattr(expected, name), columns, f"{name} read by {reader}")
