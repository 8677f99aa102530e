"""The windowed tables of the e-commerce example: read by readers that are not ours, and compared by SQL."""

import json
import pathlib
from typing import NamedTuple, Optional

import duckdb
import pyarrow
from deltalake import DeltaTable

import lakes
import pipelines
from oracle import Gold, GoldTable, Lake, late_rows, rfc3339, run_gold, run_pipeline, silver_table
from oracle.gold import SCALE

# Columns between window_end and window_date, with their Delta types: keys, then measures.
GOLD = {
    "gold/transactions": (
        ("merchant", "string"),
        ("payment_method", "string"),
        ("country", "string"),
        ("transaction_count", "long"),
        ("total_amount", "double"),
        ("avg_amount", "double"),
        ("max_amount", "double"),
        ("min_amount", "double"),
        ("fraud_count", "long"),
        ("high_value_count", "long"),
        ("unique_users", "long"),
        ("unique_devices", "long"),
        ("fraud_rate", "double"),
    ),
    "gold/merchant": (
        ("merchant", "string"),
        ("payment_method", "string"),
        ("total_transactions", "long"),
        ("total_revenue", "double"),
        ("avg_transaction_value", "double"),
        ("max_transaction", "double"),
        ("min_transaction", "double"),
        ("amount_stddev", "double"),
        ("fraud_count", "long"),
        ("unique_customers", "long"),
        ("unique_devices", "long"),
        ("high_value_count", "long"),
        ("fraud_rate", "double"),
        ("high_value_rate", "double"),
        ("avg_devices_per_user", "double"),
    ),
    "gold/user": (
        ("user_id", "integer"),
        ("transaction_count", "long"),
        ("total_spent", "double"),
        ("avg_amount_per_transaction", "double"),
        ("unique_merchants", "long"),
        ("unique_payment_methods", "long"),
        ("unique_devices_used", "long"),
        ("unique_countries", "long"),
        ("largest_transaction", "double"),
        ("fraud_transactions", "long"),
        ("weekend_transactions", "long"),
        ("is_suspicious", "boolean"),
        ("weekend_ratio", "double"),
    ),
    "gold/country": (
        ("country", "string"),
        ("city", "string"),
        ("transaction_volume", "long"),
        ("total_value", "double"),
        ("avg_transaction_size", "double"),
        ("active_users", "long"),
        ("active_merchants", "long"),
        ("fraud_count", "long"),
        ("enterprise_transactions", "long"),
        ("fraud_percentage", "double"),
        ("enterprise_percentage", "double"),
        ("avg_value_per_user", "double"),
    ),
    "gold/hourly_summary": (
        ("total_transactions", "long"),
        ("total_volume", "double"),
        ("avg_transaction_value", "double"),
        ("total_users", "long"),
        ("total_merchants", "long"),
        ("total_devices", "long"),
        ("countries_active", "long"),
        ("fraud_transactions", "long"),
        ("high_value_transactions", "long"),
        ("credit_card_tx", "long"),
        ("debit_card_tx", "long"),
        ("paypal_tx", "long"),
        ("crypto_tx", "long"),
        ("bank_transfer_tx", "long"),
        ("other_tx", "long"),
        ("platform_fraud_rate", "double"),
        ("high_value_rate", "double"),
        ("avg_transactions_per_user", "double"),
        ("credit_card_percentage", "double"),
    ),
}
BEFORE = (("window_start", "timestamp"), ("window_end", "timestamp"))
AFTER = (
    ("window_date", "date"),
    ("revision", "integer"),
    ("is_final", "boolean"),
    ("updated_at", "timestamp"),
)

INSTANTS = ("window_start", "window_end", "updated_at")
TOLERANCE = 1e-9
SHOWN = 5


class Finality(NamedTuple):
    """Which windows are final: those that close (end and allowed lateness) at or before `certainly`, none that closes
    after `possibly`, and between them either. None is before all windows.
    """

    certainly: Optional[int]
    possibly: Optional[int]


def expected_of(messages: list, decode) -> tuple[Lake, Gold]:
    """What the example must make of messages: rows, the late ones in quarantine too, and windows of rows."""
    lake = run_pipeline(messages, decode)
    gold = run_gold(silver_table(lake.silver), pipelines.SPEC)
    lake.quarantine += late_rows(messages, gold)
    return lake, gold


def finality_of(gold: Gold, partitions: int) -> Finality:
    """What is known of finality whatever happened: partitions may have been idle at any time, or never."""
    known = [watermark for watermark in gold.watermarks.values() if watermark is not None]
    return Finality(min(known) if len(known) == partitions else None, max(known, default=None))


def assert_gold(lake: pathlib.Path, expected: Gold, finality: Finality, readers=("delta-rs",)):
    """The windowed tables hold exactly the expected rows, for every reader."""
    for name, table in expected.tables.items():
        for reader in readers:
            assert_rows(lakes.READERS[reader](lake / name), table, finality, f"{name} read by {reader}")


def assert_declared(lake: pathlib.Path):
    """The tables of the example have the columns of the specification, in order, and its partitioning."""
    for name, columns in GOLD.items():
        table = DeltaTable(str(lake / name))
        declared = tuple((column.name, column.type.type) for column in table.schema().fields)
        assert declared == BEFORE + columns + AFTER, name
        assert table.metadata().partition_columns == ["window_date"], name
        protocol = table.protocol()
        assert protocol.min_reader_version <= 3, name
        assert "deletionVectors" not in (protocol.reader_features or []), name


def assert_late_rows(quarantine: pyarrow.Table, expected: Gold):
    """Quarantine tells of each late row which windows it was left out of, in order."""
    rows = [row for row in quarantine.to_pylist() if row["stage"] == "late"]
    assert {row["reason"] for row in rows} <= {"LateRow"}
    told = {(row["topic"], row["partition"], row["offset"]): json.loads(row["detail"]) for row in rows}
    assert len(told) == len(rows), "a late row is told twice"
    untold, foreign = sorted(set(expected.late) - set(told)), sorted(set(told) - set(expected.late))
    assert not untold and not foreign, (
        f"{len(untold)} late rows are not in quarantine, the first {untold[:SHOWN]}; "
        f"{len(foreign)} there are not late, the first {foreign[:SHOWN]}"
    )
    for position, windows in expected.late.items():
        assert told[position] == windows, f"detail of {position}: {told[position]}, expected {windows}"


def assert_rows(actual: pyarrow.Table, expected: GoldTable, finality: Finality, what: str):
    """The table has exactly one row for each expected (window, key), equal in all columns, and no others."""
    with _database() as connection:
        connection.register("wanted", expected.rows)
        _take(connection, "got", actual)
        comparison = _Comparison(connection, expected, what)
        comparison.assert_one_row_each("got")
        comparison.assert_same_keys()
        comparison.assert_same_values()
        comparison.assert_published(finality)


def assert_history(table: pathlib.Path, expected: GoldTable, since: int = 0):
    """At every version, each (window, key) has one row; what was published stays; its revision begins with 1 and grows
    by 1, and the row changes with it alone; what is final stays final.
    """
    with _database() as connection:
        for version in range(since, DeltaTable(str(table)).version() + 1):
            _take(connection, "now", DeltaTable(str(table), version=version).to_pyarrow_table())
            comparison = _Comparison(connection, expected, f"{expected.name} at version {version}")
            comparison.assert_one_row_each("now")
            if version > since:
                comparison.assert_goes_on()
            connection.execute("CREATE OR REPLACE TABLE before AS FROM now")


def _database() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    _define_equality(connection)
    return connection


def _take(connection: duckdb.DuckDBPyConnection, name: str, table: pyarrow.Table):
    """Makes a table of the database, with instants in microseconds and dates in days, as the oracle has them."""
    connection.register("taken", table)
    instants = ", ".join(f"epoch_us({column}) AS {column}" for column in INSTANTS)
    connection.execute(
        f"""
        CREATE OR REPLACE TABLE {name} AS
        SELECT * REPLACE ({instants}, window_date - DATE '1970-01-01' AS window_date) FROM taken
        """
    )
    connection.unregister("taken")


class _Comparison:
    """Questions to a database that have no answer where the tables are as they should be."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, expected: GoldTable, what: str):
        self.connection, self.expected, self.what = connection, expected, what
        self.columns = ["window_start", *expected.keys]

    def assert_one_row_each(self, table: str):
        self._assert_none(
            f"SELECT {self._keys(table)}, count(*) AS rows FROM {table} GROUP BY ALL HAVING count(*) > 1",
            "have more than one row",
        )

    def assert_same_keys(self):
        self._assert_none(_without("wanted", "got", self._same_key("wanted", "got")), "are missing")
        self._assert_none(_without("got", "wanted", self._same_key("wanted", "got")), "should not be there")

    def assert_same_values(self):
        for column in ["window_end", *self.expected.measures, "window_date"]:
            self._assert_none(
                f"""
                SELECT {self._keys("wanted")}, got."{column}" AS got, wanted."{column}" AS expected
                FROM got JOIN wanted ON {self._same_key("got", "wanted")} WHERE NOT {self._is_same(column)}
                """,
                f"differ in {column}",
            )

    def assert_published(self, finality: Finality):
        for column in ("revision", "is_final", "updated_at"):
            self._assert_none(f"SELECT * FROM got WHERE {column} IS NULL", f"have no {column}")
        self._assert_none("SELECT * FROM got WHERE revision < 1", "have a revision before the first")
        certainly, possibly = (
            "false" if instant is None else f"window_end + {self.expected.allowed_lateness} <= {instant}"
            for instant in finality
        )
        self._assert_none(f"SELECT * FROM got WHERE {certainly} AND NOT is_final", "should be final")
        self._assert_none(f"SELECT * FROM got WHERE is_final AND NOT {possibly}", "should not be final yet")

    def assert_goes_on(self):
        same = self._same_key("before", "now")
        self._assert_none(_without("before", "now", same), "were published and are gone")
        self._assert_none(f"{_without('now', 'before', same)} AND revision <> 1", "are new, and not of revision 1")
        both = f"""
            SELECT {self._keys("now")}, before.revision AS revision_before, now.revision, now.is_final
            FROM before JOIN now ON {same}
        """
        self._assert_none(f"{both} WHERE now.revision < before.revision", "have a smaller revision")
        self._assert_none(f"{both} WHERE now.revision > before.revision + 1", "were revised twice at once")
        self._assert_none(f"{both} WHERE before.is_final AND NOT now.is_final", "are no longer final")
        changed = " OR ".join(
            f'before."{column}" IS DISTINCT FROM now."{column}"' for column in [*self.expected.measures, "is_final"]
        )
        self._assert_none(
            f"{both} WHERE now.revision = before.revision AND ({changed})", "changed and kept their revision"
        )

    def _keys(self, table: str) -> str:
        return ", ".join(f'{table}."{column}"' for column in self.columns)

    def _same_key(self, one: str, other: str) -> str:
        return " AND ".join(f'{one}."{column}" IS NOT DISTINCT FROM {other}."{column}"' for column in self.columns)

    def _is_same(self, column: str) -> str:
        if not pyarrow.types.is_floating(self.expected.rows.schema.field(column).type):
            return f'got."{column}" IS NOT DISTINCT FROM wanted."{column}"'
        has_scale = f"{SCALE}{column}" in self.expected.rows.column_names
        scale = f'wanted."{SCALE}{column}"' if has_scale else "NULL"
        return f'same(got."{column}", wanted."{column}", {scale})'

    def _assert_none(self, query: str, complaint: str):
        """Fails with the first rows that the query finds."""
        found = self.connection.sql(query)
        rows = found.limit(SHOWN).fetchall()
        if rows:
            (count,) = found.aggregate("count(*)").fetchone()
            shown = "\n".join(f"  {_shown(found.columns, row)}" for row in rows)
            raise AssertionError(f"{self.what}: {count} rows {complaint}, the first of them:\n{shown}")


def _without(some: str, others: str, same: str) -> str:
    return f"SELECT * FROM {some} WHERE NOT EXISTS (SELECT 1 FROM {others} WHERE {same})"


def _shown(columns: list, row: tuple) -> str:
    """A row for people."""
    values = dict(zip(columns, row))
    instants = {name: rfc3339(values[name]) for name in INSTANTS if type(values.get(name)) is int}
    return ", ".join(f"{name}={value!r}" for name, value in (values | instants).items())


def _define_equality(connection: duckdb.DuckDBPyConnection):
    """Doubles may differ by the tolerance: of the larger of the two, or of a scale that is given. Where the squares of
    the scale are beyond a double, the standard deviation may be, too.
    """
    connection.execute(
        f"""
        CREATE MACRO same(got, expected, scale) AS CASE
            WHEN got IS NULL OR expected IS NULL THEN got IS NOT DISTINCT FROM expected
            WHEN scale > 1e140 AND NOT isfinite(got) THEN true
            WHEN NOT isfinite(got) OR NOT isfinite(expected) THEN got = expected
            ELSE abs(got - expected) <= {TOLERANCE} * coalesce(scale, greatest(abs(got), abs(expected)))
        END
        """
    )
