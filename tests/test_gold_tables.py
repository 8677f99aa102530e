"""The judge of windowed tables is judged, too: it sees each way in which a table may be wrong, and says where."""

import pyarrow
import pytest
from deltalake import write_deltalake

import gold_cases
import gold_tables
import pipelines
from gold_cases import at
from gold_tables import Finality, assert_history, assert_rows
from oracle import decode_json, run_gold, run_pipeline, silver_table
from oracle.gold import SCALE

NOTHING_FINAL = Finality(None, None)


@pytest.fixture(scope="module")
def expected():
    """gold/merchant of the case with every measure: 18 rows, among them one with null deviation."""
    lake = run_pipeline(gold_cases.CASES["every measure"].log.seen_in("t"), decode_json)
    return run_gold(silver_table(lake.silver), pipelines.SPEC).tables["gold/merchant"]


@pytest.fixture
def published(expected) -> pyarrow.Table:
    """The table as a worker should have published it."""
    table = expected.rows.sort_by([(column, "ascending") for column in ("merchant", "payment_method", "window_start")])
    instant = pyarrow.timestamp("us", "UTC")
    columns = {name: table[name] for name in table.column_names if not name.startswith(SCALE)}
    columns |= {name: columns[name].cast(instant) for name in ("window_start", "window_end")}
    columns["window_date"] = columns["window_date"].cast(pyarrow.int32()).cast(pyarrow.date32())
    columns["revision"] = pyarrow.array([1] * len(table), pyarrow.int32())
    columns["is_final"] = pyarrow.array([False] * len(table))
    columns["updated_at"] = pyarrow.array([0] * len(table), instant)
    return pyarrow.table(columns)


def changed(table: pyarrow.Table, column: str, change, row: int = 3) -> pyarrow.Table:
    """The table with one value replaced."""
    values = table[column].to_pylist()
    values[row] = change(values[row])
    return table.set_column(table.column_names.index(column), column, pyarrow.array(values, table[column].type))


def test_what_is_right_passes(published, expected):
    assert_rows(published, expected, NOTHING_FINAL, "gold")
    assert_rows(changed(published, "total_revenue", lambda sum: sum * (1 + 9e-10)), expected, NOTHING_FINAL, "gold")


WRONG = {
    "a missing row": (lambda table: table.slice(1), "1 rows are missing"),
    "a doubled row": (lambda table: pyarrow.concat_tables([table, table.slice(2, 1)]), "1 rows have more than one row"),
    "another key": (lambda table: changed(table, "merchant", lambda _: "Elsewhere"), "1 rows are missing"),
    "a null key": (lambda table: changed(table, "merchant", lambda _: None), "1 rows are missing"),
    "a wrong count": (
        lambda table: changed(table, "unique_customers", lambda count: count + 1),
        "1 rows differ in unique_customers",
    ),
    "a wrong sum": (
        lambda table: changed(table, "total_revenue", lambda sum: sum * (1 + 2e-9)),
        "1 rows differ in total_revenue",
    ),
    "a null sum": (lambda table: changed(table, "total_revenue", lambda _: None), "1 rows differ in total_revenue"),
    "a deviation of one row": (
        lambda table: changed(table, "amount_stddev", lambda _: 0.0, row=0),
        "1 rows differ in amount_stddev",
    ),
    "a wrong date": (
        lambda table: changed(table, "window_date", lambda date: date.replace(day=6)),
        "1 rows differ in window_date",
    ),
    "no revision": (lambda table: changed(table, "revision", lambda _: None), "1 rows have no revision"),
    "revision 0": (lambda table: changed(table, "revision", lambda _: 0), "1 rows have a revision before the first"),
    "final too early": (lambda table: changed(table, "is_final", lambda _: True), "1 rows should not be final yet"),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_difference_is_seen_and_named(published, expected, name):
    spoil, complaint = WRONG[name]
    with pytest.raises(AssertionError, match=complaint):
        assert_rows(spoil(published), expected, NOTHING_FINAL, "gold")


def test_a_window_that_must_be_final_is_asked_to_be(published, expected):
    # The window from 19:50 closes at 20:10, the next one five minutes later.
    until_then = Finality(at("20:10"), at("20:10"))
    final = [start <= at("19:50") for start in gold_cases.values(published["window_start"])]
    right = published.set_column(published.column_names.index("is_final"), "is_final", pyarrow.array(final))
    assert_rows(right, expected, until_then, "gold")
    with pytest.raises(AssertionError, match="should be final"):
        assert_rows(published, expected, until_then, "gold")
    with pytest.raises(AssertionError, match="should not be final yet"):
        assert_rows(right, expected, Finality(None, at("20:09:59.999999")), "gold")


def test_a_deviation_may_be_off_by_a_billionth_of_the_largest_amount(published, expected):
    index = published["merchant"].to_pylist().index("Linden")
    right = changed(published, "amount_stddev", lambda value: value + 0.9e-9 * 1000.01, row=index)
    assert_rows(right, expected, NOTHING_FINAL, "gold")
    wrong = changed(published, "amount_stddev", lambda value: value + 1.1e-9 * 1000.01, row=index)
    with pytest.raises(AssertionError, match="1 rows differ in amount_stddev"):
        assert_rows(wrong, expected, NOTHING_FINAL, "gold")


def revised(table: pyarrow.Table) -> pyarrow.Table:
    """One row changed, with its revision."""
    return changed(changed(table, "total_revenue", lambda sum: sum + 1), "revision", lambda number: number + 1)


HISTORIES = {
    "a revision": (revised, None),
    "a new row": (lambda table: pyarrow.concat_tables([table, _with_key(table.slice(3, 1), "New")]), None),
    "a row that goes": (lambda table: table.slice(1), "1 rows were published and are gone"),
    "a row twice": (lambda table: pyarrow.concat_tables([table, table.slice(2, 1)]), "1 rows have more than one row"),
    "a new row of a later revision": (
        lambda table: pyarrow.concat_tables([table, _with_key(revised(table).slice(3, 1), "New")]),
        "1 rows are new, and not of revision 1",
    ),
    "a change without revision": (
        lambda table: changed(table, "total_revenue", lambda sum: sum + 1),
        "1 rows changed and kept their revision",
    ),
    "two revisions at once": (lambda table: revised(revised(table)), "1 rows were revised twice at once"),
    "a smaller revision": (
        lambda table: changed(table, "revision", lambda number: number - 1),
        "1 rows have a smaller revision",
    ),
}


def _with_key(table: pyarrow.Table, merchant: str) -> pyarrow.Table:
    return changed(table, "merchant", lambda _: merchant, row=0)


@pytest.mark.parametrize("name", HISTORIES)
def test_each_break_in_the_history_of_a_table_is_seen(published, expected, tmp_path, name):
    change, complaint = HISTORIES[name]
    for table in (published, change(published)):
        write_deltalake(tmp_path / "gold", table, mode="overwrite")
    if complaint is None:
        assert_history(tmp_path / "gold", expected)
    else:
        with pytest.raises(AssertionError, match=f"at version 1: {complaint}"):
            assert_history(tmp_path / "gold", expected)


def test_the_readers_bring_what_is_compared(published, expected, tmp_path):
    write_deltalake(tmp_path / "gold/merchant", published, partition_by=["window_date"])
    gold = gold_tables.Gold({"gold/merchant": expected}, {}, {})
    gold_tables.assert_gold(tmp_path, gold, NOTHING_FINAL, readers=gold_tables.lakes.READERS)
