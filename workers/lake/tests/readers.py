"""Reads the table that readers.rs has written, with several engines, by filters on every type of column.

The expected rows are computed here, from the row's number alone. Usage: readers.py TABLE_DIRECTORY
"""

import datetime
import decimal
import math
import operator
import struct
import sys

import duckdb
import pyarrow
import pyarrow.dataset
from deltalake import DeltaTable, QueryBuilder

EPOCHS, ROWS = 5, 40
PARTS = [
    "plain",
    "with space",
    "sl/ash\\back",
    "ümlaut 北京 🦀",
    "100%25 #?&=+",
    "quote'\"double",
    "..",
    "2026-01-05",
    None,  # written as the empty string, which the protocol reads as null
    None,
]
START = datetime.datetime(2026, 1, 5, 12, tzinfo=datetime.timezone.utc)
OPERATORS = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def days(count):
    return datetime.date(1970, 1, 1) + datetime.timedelta(days=count)


def expected(row):
    """What the row of this number holds."""
    special = {(1, 5): math.nan, (2, 5): math.inf, (3, 5): -0.0}
    values = {
        "flag": row % 2 == 0,
        "tiny": row // 2,
        "small": row * 100 - 5000,
        "middle": row * 1_000_000 - 7,
        "big": row * 1_000_000_000_000 - 3,
        "single": struct.unpack("f", struct.pack("f", row / 3))[0],
        "double": special.get((row // ROWS, row % 11), row / 10),
        "money": decimal.Decimal(row * 333 - 5000).scaleb(-2),
        "text": f"text {row:04} {'é' * (row % 60)}",
        "bytes": bytes([row, 0, 255]),
        "day": days(20400 + row),
        "instant": START + datetime.timedelta(microseconds=row * 3_600_000_001),
    }
    if row % 7 == 3:
        values = dict.fromkeys(values)
    part_day = days(20458 + row // 20) if row % 3 else None
    part = PARTS[row % 10] if row < ROWS else PARTS[0]
    return {"id": row, **values, "part": part, "part_day": part_day}


TABLE = [expected(row) for row in range(EPOCHS * ROWS)]


def values_of(column):
    return [row[column] for row in TABLE if row[column] is not None]


def is_finite(value):
    return not isinstance(value, float) or math.isfinite(value)


def literal(value, instant_type):
    match value:
        case bool():
            return str(value).lower()
        case str():
            return "'" + value.replace("'", "''") + "'"
        case datetime.datetime():
            return f"{instant_type} '{value.isoformat()}'"
        case datetime.date():
            return f"DATE '{value}'"
        case decimal.Decimal():
            return f"CAST('{value}' AS DECIMAL(12, 2))"
        case _:
            return repr(value)


def compares(comparison, value, bound):
    """SQL: null compares to nothing, and NaN is larger than every number."""
    if value is None:
        return False
    if isinstance(value, float) and math.isnan(value):
        return comparison(1, 0)
    return comparison(value, bound)


def filters():
    """Conditions at, between and beyond the bounds of files: for deltalake, for DuckDB, in Python."""
    for column in TABLE[0]:
        if column == "bytes":
            continue
        known = [value for value in values_of(column) if is_finite(value)]
        bounds = {min(known), max(known), known[ROWS]}
        symbols = ["="] if column == "flag" else OPERATORS
        for bound in sorted(bounds):
            for symbol in symbols:
                condition = [f"{column} {symbol} {literal(bound, kind)}" for kind in ("TIMESTAMP", "TIMESTAMPTZ")]
                comparison = OPERATORS[symbol]
                yield *condition, lambda row, c=column, f=comparison, b=bound: compares(f, row[c], b)
        for condition, is_null in [("IS NULL", True), ("IS NOT NULL", False)]:
            text = f"{column} {condition}"
            yield text, text, lambda row, c=column, n=is_null: (row[c] is None) == n


def query(table, sql):
    """Runs SQL in delta-rs's own engine."""
    return pyarrow.table(QueryBuilder().register("t", table).execute(sql).read_all())


def check_whole(table):
    rows = sorted(table.to_pyarrow_table().to_pylist(), key=lambda row: row["id"])
    assert len(rows) == len(TABLE), len(rows)
    for found, wanted in zip(rows, TABLE):
        for column, value in wanted.items():
            both_nan = all(isinstance(x, float) and math.isnan(x) for x in (value, found[column]))
            assert both_nan or found[column] == value, (wanted["id"], column, found[column], value)


def check_filters(table):
    dataset = table.to_pyarrow_dataset()  # DuckDB finds it by the variable's name
    checked = 0
    for for_delta, for_duckdb, predicate in filters():
        wanted = [row["id"] for row in TABLE if predicate(row)]
        found = query(table, f"SELECT id FROM t WHERE {for_delta} ORDER BY id")["id"].to_pylist()
        assert found == wanted, ("deltalake", for_delta, found, wanted)
        found = [row[0] for row in duckdb.sql(f"SELECT id FROM dataset WHERE {for_duckdb} ORDER BY id").fetchall()]
        # DuckDB leaves filters to Arrow, where NaN compares to nothing.
        skipped = {row["id"] for row in TABLE if for_duckdb.startswith("double") and row["double"] != row["double"]}
        assert [row for row in found if row not in skipped] == [row for row in wanted if row not in skipped], (
            "duckdb",
            for_duckdb,
            found,
            wanted,
        )
        checked += 1
    return checked


def check_pruning(table):
    """The statistics are good for something: filters leave out files."""
    dataset = table.to_pyarrow_dataset()
    total = len(list(dataset.get_fragments()))
    for column in ["id", "small", "middle", "big", "single", "text", "day", "instant", "part_day"]:
        bound = values_of(column)[ROWS // 2]
        condition = pyarrow.dataset.field(column) <= pyarrow.dataset.scalar(bound)
        kept = len(list(dataset.get_fragments(filter=condition)))
        assert 0 < kept < total, (column, kept, total)


def check_aggregates(table):
    """Engines may answer these from statistics alone."""
    aggregates = {"count(*)": len(TABLE), "count(text)": len(values_of("text"))}
    for column in ["id", "small", "text", "day", "instant", "money", "part_day"]:
        aggregates[f"min({column})"] = min(values_of(column))
        aggregates[f"max({column})"] = max(values_of(column))
    for aggregate, wanted in aggregates.items():
        found = query(table, f"SELECT {aggregate} AS a FROM t")["a"].to_pylist()
        assert found == [wanted], (aggregate, found, wanted)


def main():
    table = DeltaTable(sys.argv[1])
    assert table.version() == EPOCHS
    assert (table.protocol().min_reader_version, table.protocol().min_writer_version) == (1, 2)
    assert table.metadata().partition_columns == ["part", "part_day"]
    check_whole(table)
    checked = check_filters(table)
    check_pruning(table)
    check_aggregates(table)
    print(f"all readers agree on {len(TABLE)} rows and {checked} filters")


if __name__ == "__main__":
    main()
