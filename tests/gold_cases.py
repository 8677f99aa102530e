"""The edges of windows, lateness, aggregates and finality: every row is written out here, none comes from the oracle."""

import datetime
import math
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow

from transactions import MONDAY_8_PM, SECOND, Log

DAY = 86_400 * SECOND


def at(time: str) -> int:
    """An instant in microseconds: of Monday, 2026-01-05, unless there is a date before it. It may be in the year 0."""
    date, _, clock = time.rpartition("T")
    hour, minute, second = (clock + ":0").split(":")[:3]
    micros = round(((int(hour) * 60 + int(minute)) * 60 + float(second)) * SECOND)
    if date == "":
        return MONDAY_8_PM * SECOND - 20 * 3600 * SECOND + micros
    if date == "0000-12-31":
        return at("0001-01-01T00:00") - DAY + micros
    return (datetime.date.fromisoformat(date).toordinal() - datetime.date(1970, 1, 1).toordinal()) * DAY + micros


class Rows(NamedTuple):
    """All rows of a table, in some of its columns."""

    columns: tuple
    rows: list


@dataclass
class Case:
    """Messages, and what they must become."""

    log: Log
    tables: dict
    late: dict = field(default_factory=dict)  # by (partition, offset): (table, window start), in order
    final: dict = field(default_factory=dict)  # by table: the window starts that are final when all was read


def assert_rows(table: pyarrow.Table, expected: Rows, what: str):
    """The table has these rows and no others, in any order."""
    columns = [values(table[name]) for name in expected.columns]
    got, wanted = sorted(zip(*columns), key=_order), sorted(expected.rows, key=_order)
    assert len(got) == len(wanted), f"{what}: {len(got)} rows, expected {len(wanted)}: {got}"
    for one, other in zip(got, wanted):
        differing = [name for name, a, b in zip(expected.columns, one, other) if not _is_same(a, b)]
        assert not differing, f"{what} differs in {differing}: {one}, expected {other}"


def values(column) -> list:
    """Instants in microseconds and dates in days, as they are in tables of the oracle."""
    if pyarrow.types.is_timestamp(column.type):
        return column.cast(pyarrow.timestamp("us", "UTC")).cast(pyarrow.int64()).to_pylist()
    if pyarrow.types.is_date(column.type):
        return column.cast(pyarrow.int32()).to_pylist()
    return column.to_pylist()


def _order(row: tuple) -> list:
    return [(value is None, str(value)) for value in row]


def _is_same(got, wanted) -> bool:
    if isinstance(got, float) and isinstance(wanted, float):
        return math.isclose(got, wanted, rel_tol=1e-9)
    return type(got) is type(wanted) and got == wanted


def every_measure() -> Case:
    """Each column of each table, by nine transactions: one on a Saturday, and eight within five minutes."""
    log = Log()
    north = {"merchant": "North", "device_id": "d-4", "user_id": 3}
    nigeria = {"payment_method": "crypto", "location": "Lagos, Nigeria", "is_fraud": True}
    log.add("2026-01-03T12:00:00Z", **north | nigeria | {"user_id": 1, "device_id": "d-1"}, amount=10000.0)
    linden = {"merchant": "Linden", "payment_method": "credit_card"}
    log.add("2026-01-05T20:00:00Z", **linden, user_id=1, amount=10.0, device_id="d-1")
    log.add("2026-01-05T20:01:00Z", **linden, user_id=1, amount=20.0, device_id="d-2")
    log.add("2026-01-05T20:02:00Z", **linden, user_id=2, amount=1000.01, device_id="d-3", is_fraud=True)
    log.add("2026-01-05T20:03:00Z", **linden, user_id=2, amount=40.0, device_id="d-3", location="Paris")
    log.add("2026-01-05T20:04:00Z", **north, amount=12000.0, payment_method="Credit_Card", location="Paris, ")
    log.add("2026-01-05T20:04:10Z", **north, amount=5.0, payment_method="debit_card", location="Berlin, Germany")
    log.add("2026-01-05T20:04:20Z", **north, amount=6.0, payment_method="paypal", location="Berlin, Germany")
    log.add("2026-01-05T20:04:30Z", **north, amount=7.0, payment_method="bank_transfer", location="Berlin, Germany")
    noon, eight = at("2026-01-03T12:00"), at("20:00")

    transactions = Rows(
        (
            *("window_start", "merchant", "payment_method", "country"),
            *("transaction_count", "total_amount", "avg_amount", "max_amount", "min_amount"),
            *("fraud_count", "high_value_count", "unique_users", "unique_devices", "fraud_rate"),
        ),
        [
            (noon, "North", "crypto", "Nigeria", 1, 10000.0, 10000.0, 10000.0, 10000.0, 1, 1, 1, 1, 100.0),
            (eight, "Linden", "credit_card", "France", 3, 1030.01, 1030.01 / 3, 1000.01, 10.0, 1, 1, 2, 3, 100 / 3),
            (eight, "Linden", "credit_card", None, 1, 40.0, 40.0, 40.0, 40.0, 0, 0, 1, 1, 0.0),
            (eight, "North", "Credit_Card", "", 1, 12000.0, 12000.0, 12000.0, 12000.0, 0, 1, 1, 1, 0.0),
            (eight, "North", "debit_card", "Germany", 1, 5.0, 5.0, 5.0, 5.0, 0, 0, 1, 1, 0.0),
            (eight, "North", "paypal", "Germany", 1, 6.0, 6.0, 6.0, 6.0, 0, 0, 1, 1, 0.0),
            (eight, "North", "bank_transfer", "Germany", 1, 7.0, 7.0, 7.0, 7.0, 0, 0, 1, 1, 0.0),
        ],
    )

    # 10, 20, 1000.01 and 40 are 257.5025, 247.5025, 732.5075 and 227.5025 away from their mean.
    stddev = math.sqrt(715889.650075 / 3)
    in_each_window = [
        ("Linden", "credit_card", 4, 1070.01, 267.5025, 1000.01, 10.0, stddev, 1, 2, 3, 1, 25.0, 25.0, 1.5),
        ("North", "Credit_Card", 1, 12000.0, 12000.0, 12000.0, 12000.0, None, 0, 1, 1, 1, 0.0, 100.0, 1.0),
        ("North", "debit_card", 1, 5.0, 5.0, 5.0, 5.0, None, 0, 1, 1, 0, 0.0, 0.0, 1.0),
        ("North", "paypal", 1, 6.0, 6.0, 6.0, 6.0, None, 0, 1, 1, 0, 0.0, 0.0, 1.0),
        ("North", "bank_transfer", 1, 7.0, 7.0, 7.0, 7.0, None, 0, 1, 1, 0, 0.0, 0.0, 1.0),
    ]
    on_saturday = ("North", "crypto", 1, 10000.0, 10000.0, 10000.0, 10000.0, None, 1, 1, 1, 1, 100.0, 100.0, 1.0)
    merchant = Rows(
        (
            *("window_start", "merchant", "payment_method", "total_transactions", "total_revenue"),
            *("avg_transaction_value", "max_transaction", "min_transaction", "amount_stddev", "fraud_count"),
            *("unique_customers", "unique_devices", "high_value_count", "fraud_rate", "high_value_rate"),
            "avg_devices_per_user",
        ),
        [(at(start), *row) for start in ("19:50", "19:55", "20:00") for row in in_each_window]
        + [(at(f"2026-01-03T{start}"), *on_saturday) for start in ("11:50", "11:55", "12:00")],
    )

    user = Rows(
        (
            *("window_start", "user_id", "transaction_count", "total_spent", "avg_amount_per_transaction"),
            *("unique_merchants", "unique_payment_methods", "unique_devices_used", "unique_countries"),
            *("largest_transaction", "fraud_transactions", "weekend_transactions", "is_suspicious", "weekend_ratio"),
        ),
        [
            (noon, 1, 1, 10000.0, 10000.0, 1, 1, 1, 1, 10000.0, 1, 1, True, 1.0),
            (eight, 1, 2, 30.0, 15.0, 1, 1, 2, 1, 20.0, 0, 0, False, 0.0),
            # A null is no country; an empty text is one.
            (eight, 2, 2, 1040.01, 520.005, 1, 1, 1, 1, 1000.01, 1, 0, True, 0.0),
            (eight, 3, 4, 12018.0, 3004.5, 1, 4, 1, 2, 12000.0, 0, 0, False, 0.0),
        ],
    )

    country = Rows(
        (
            *("window_start", "country", "city", "transaction_volume", "total_value", "avg_transaction_size"),
            *("active_users", "active_merchants", "fraud_count", "enterprise_transactions"),
            *("fraud_percentage", "enterprise_percentage", "avg_value_per_user"),
        ),
        [
            (noon, "Nigeria", "Lagos", 1, 10000.0, 10000.0, 1, 1, 1, 1, 100.0, 100.0, 10000.0),
            (eight, "France", "Paris", 3, 1030.01, 1030.01 / 3, 2, 1, 1, 0, 100 / 3, 0.0, 515.005),
            (eight, None, "Paris", 1, 40.0, 40.0, 1, 1, 0, 0, 0.0, 0.0, 40.0),
            (eight, "", "Paris", 1, 12000.0, 12000.0, 1, 1, 0, 1, 0.0, 100.0, 12000.0),
            (eight, "Germany", "Berlin", 3, 18.0, 6.0, 1, 1, 0, 0, 0.0, 0.0, 18.0),
        ],
    )

    hourly = Rows(
        (
            *("window_start", "total_transactions", "total_volume", "avg_transaction_value", "total_users"),
            *("total_merchants", "total_devices", "countries_active", "fraud_transactions", "high_value_transactions"),
            *("credit_card_tx", "debit_card_tx", "paypal_tx", "crypto_tx", "bank_transfer_tx", "other_tx"),
            *("platform_fraud_rate", "high_value_rate", "avg_transactions_per_user", "credit_card_percentage"),
        ),
        [
            (noon, 1, 10000.0, 10000.0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 100.0, 100.0, 1.0, 0.0),
            (eight, 8, 13088.01, 1636.00125, 3, 2, 4, 3, 1, 2, 4, 1, 1, 0, 1, 1, 12.5, 25.0, 8 / 3, 50.0),
        ],
    )
    return Case(
        log,
        {
            "gold/transactions": transactions,
            "gold/merchant": merchant,
            "gold/user": user,
            "gold/country": country,
            "gold/hourly_summary": hourly,
        },
    )


# time, start of its window of 10 min, of its three windows of 15 min, of 1 h, of 30 min
STARTS = [
    (
        "1969-12-31T23:59:59.999999",
        "1969-12-31T23:50",
        ("1969-12-31T23:45", "1969-12-31T23:50", "1969-12-31T23:55"),
        "1969-12-31T23:00",
        "1969-12-31T23:30",
    ),
    (
        "1970-01-01T00:00:00",
        "1970-01-01T00:00",
        ("1969-12-31T23:50", "1969-12-31T23:55", "1970-01-01T00:00"),
        "1970-01-01T00:00",
        "1970-01-01T00:00",
    ),
    (
        "1970-01-01T00:04:59.999999",
        "1970-01-01T00:00",
        ("1969-12-31T23:50", "1969-12-31T23:55", "1970-01-01T00:00"),
        "1970-01-01T00:00",
        "1970-01-01T00:00",
    ),
    ("2026-01-05T19:59:59.999999", "19:50", ("19:45", "19:50", "19:55"), "19:00", "19:30"),
    ("2026-01-05T20:00:00", "20:00", ("19:50", "19:55", "20:00"), "20:00", "20:00"),
    ("2026-01-05T20:04:59.999999", "20:00", ("19:50", "19:55", "20:00"), "20:00", "20:00"),
    ("2026-01-05T20:05:00", "20:00", ("19:55", "20:00", "20:05"), "20:00", "20:00"),
    ("2026-01-05T20:09:59.999999", "20:00", ("19:55", "20:00", "20:05"), "20:00", "20:00"),
    ("2026-01-05T20:10:00", "20:10", ("20:00", "20:05", "20:10"), "20:00", "20:00"),
    ("2026-01-05T20:14:59.999999", "20:10", ("20:00", "20:05", "20:10"), "20:00", "20:00"),
    ("2026-01-05T20:15:00", "20:10", ("20:05", "20:10", "20:15"), "20:00", "20:00"),
    ("2026-01-05T20:29:59.999999", "20:20", ("20:15", "20:20", "20:25"), "20:00", "20:00"),
    ("2026-01-05T20:30:00", "20:30", ("20:20", "20:25", "20:30"), "20:00", "20:30"),
    ("2026-01-05T20:59:59.999999", "20:50", ("20:45", "20:50", "20:55"), "20:00", "20:30"),
    ("2026-01-05T21:00:00", "21:00", ("20:50", "20:55", "21:00"), "21:00", "21:00"),
    (
        "2026-01-06T00:00:00",
        "2026-01-06T00:00",
        ("23:50", "23:55", "2026-01-06T00:00"),
        "2026-01-06T00:00",
        "2026-01-06T00:00",
    ),
]

YEAR_1 = [
    (
        "0001-01-01T00:00:00",
        "0001-01-01T00:00",
        ("0000-12-31T23:50", "0000-12-31T23:55", "0001-01-01T00:00"),
        "0001-01-01T00:00",
        "0001-01-01T00:00",
    ),
]


def window_starts(starts: list) -> Case:
    """Rows at the start and at the end of windows, each with keys of its own."""
    log = Log()
    transactions, merchant, user, country = [], [], [], []
    for number, (time, of_10, of_15, of_60, of_30) in enumerate(starts):
        log.add(f"{time}Z", merchant=f"m-{number}", user_id=number, location=f"Paris, c-{number}")
        transactions.append((*_window(of_10, 10), f"m-{number}", 1))
        merchant += [(*_window(start, 15), f"m-{number}", 1) for start in of_15]
        user.append((*_window(of_60, 60), number, 1))
        country.append((*_window(of_30, 30), f"c-{number}", 1))
    window = ("window_start", "window_end", "window_date")
    return Case(
        log,
        {
            "gold/transactions": Rows((*window, "merchant", "transaction_count"), transactions),
            "gold/merchant": Rows((*window, "merchant", "total_transactions"), merchant),
            "gold/user": Rows((*window, "user_id", "transaction_count"), user),
            "gold/country": Rows((*window, "country", "transaction_volume"), country),
        },
    )


def _window(start: str, minutes: int) -> tuple:
    """Start, end and date of a window; the date in days."""
    date, separator, _ = start.rpartition("T")
    return at(start), at(start) + minutes * 60 * SECOND, at(f"{date}{separator}00:00") // DAY


def lateness() -> Case:
    """Rows that come exactly when windows close to them, and a microsecond earlier."""
    log = Log()
    log.add("2026-01-05T20:15:29.999999Z")
    # W = 20:14:59.999999: the window until 20:10 is open until W = 20:15:00.
    log.add("2026-01-05T20:05:00Z")
    log.add("2026-01-05T20:15:30Z")
    # W = 20:15:00.
    late_for_the_tumbling_window = log.add("2026-01-05T20:05:00Z")
    log.add("2026-01-05T20:10:00Z")
    at_the_end_of_it = log.add("2026-01-05T20:09:59.999999Z")
    late_for_all = log.add("2026-01-05T19:50:00Z")
    log.add("2026-01-05T20:20:30Z")
    # W = 20:20:00: the hop window until 20:15 closes, too.
    late_for_two_hop_windows = log.add("2026-01-05T20:05:00Z")
    # Lateness is by the partition's own watermark: here it is minus infinity.
    log.add("2026-01-05T20:05:00Z", partition=1)
    transactions = {"20:00": 2, "20:10": 3, "20:20": 1}
    merchant = {"19:55": 2, "20:00": 5, "20:05": 8, "20:10": 4, "20:15": 3, "20:20": 1}
    return Case(
        log,
        {
            "gold/transactions": _counts(transactions, "transaction_count"),
            "gold/merchant": _counts(merchant, "total_transactions"),
            "gold/user": _counts({"20:00": 9}, "transaction_count"),
            "gold/country": _counts({"20:00": 9}, "transaction_volume"),
            "gold/hourly_summary": _counts({"20:00": 9}, "total_transactions"),
        },
        late={
            late_for_the_tumbling_window: [("gold/transactions", "20:00"), ("gold/merchant", "19:55")],
            at_the_end_of_it: [("gold/transactions", "20:00"), ("gold/merchant", "19:55")],
            late_for_all: [
                ("gold/transactions", "19:50"),
                ("gold/merchant", "19:40"),
                ("gold/merchant", "19:45"),
                ("gold/merchant", "19:50"),
                ("gold/user", "19:00"),
                ("gold/country", "19:30"),
                ("gold/hourly_summary", "19:00"),
            ],
            late_for_two_hop_windows: [
                ("gold/transactions", "20:00"),
                ("gold/merchant", "19:55"),
                ("gold/merchant", "20:00"),
            ],
        },
    )


def _counts(counts: dict, column: str) -> Rows:
    """A table with one key: rows by window."""
    return Rows(("window_start", column), [(at(start), count) for start, count in counts.items()])


def what_moves_the_watermark() -> Case:
    """A clock that runs ahead, refused rows and copies make nothing late."""
    log = Log()
    eight = MONDAY_8_PM * 1000
    log.add("2026-01-05T21:00:00Z", kafka_time=eight)
    # W = 19:59:30, by the Kafka timestamp. By the event time the window until 20:00 would be closed.
    log.add("2026-01-05T19:50:00Z", kafka_time=eight)
    log.add("2026-01-05T22:00:00Z", amount=0.0)
    log.add("2026-01-05T19:50:00Z")
    log.add("2026-01-05T22:00:00Z", transaction_id="t-0")
    log.add("2026-01-05T19:50:00Z")
    return Case(
        log,
        {
            "gold/transactions": _counts({"19:50": 3, "21:00": 1}, "transaction_count"),
            "gold/hourly_summary": _counts({"19:00": 3, "21:00": 1}, "total_transactions"),
        },
    )


def suspicious_users() -> Case:
    """On both sides of each threshold of is_suspicious."""
    log = Log()

    def transactions(user_id: int, count: int, devices: int, frauds: int = 0):
        for number in range(count):
            device = f"d-{number % devices}"
            log.add("2026-01-05T20:00:00Z", user_id=user_id, device_id=device, is_fraud=number < frauds)

    transactions(user_id=1, count=20, devices=3)
    transactions(user_id=2, count=21, devices=1)
    transactions(user_id=3, count=4, devices=4)
    transactions(user_id=4, count=1, devices=1, frauds=1)
    columns = ("user_id", "transaction_count", "unique_devices_used", "fraud_transactions", "is_suspicious")
    rows = [(1, 20, 3, 0, False), (2, 21, 1, 0, True), (3, 4, 4, 0, True), (4, 1, 1, 1, True)]
    return Case(log, {"gold/user": Rows(columns, rows)})


def deviations() -> Case:
    """Standard deviations of a sample: of one row, of equal rows, of rows on several partitions."""
    log = Log()
    time = "2026-01-05T20:05:00Z"
    log.add(time, merchant="one")
    for _ in range(3):
        log.add(time, merchant="equal", amount=0.1)
    for partition, amount in enumerate((10.0, 20.0)):
        log.add(time, partition=partition, merchant="two", amount=amount)
    # 1000000.01 and .03: what is left of their squares' difference has few right digits.
    for partition, amount in enumerate((1000000.01, 1000000.03)):
        log.add(time, partition=partition, merchant="close", amount=amount)
    deviations = {"one": None, "equal": 0.0, "two": math.sqrt(50), "close": 0.01 * math.sqrt(2)}
    rows = [(at(start), name, value) for start in ("19:55", "20:00", "20:05") for name, value in deviations.items()]
    return Case(log, {"gold/merchant": Rows(("window_start", "merchant", "amount_stddev"), rows)})


def closing(last_time: str, final: dict) -> Case:
    """A row at 20:05, then all eight partitions up to 20:15:30, one of them up to this time."""
    log = Log()
    log.add("2026-01-05T20:05:00Z")
    for partition in range(8):
        log.add(last_time if partition == 3 else "2026-01-05T20:15:30Z", partition=partition)
    counts = {"20:00": 1, "20:10": 8}
    return Case(log, {"gold/transactions": _counts(counts, "transaction_count")}, final=final)


CASES = {
    "every measure": every_measure(),
    "window starts": window_starts(STARTS),
    "windows of the year 0": window_starts(YEAR_1),
    "lateness": lateness(),
    "what moves the watermark": what_moves_the_watermark(),
    "suspicious users": suspicious_users(),
    "standard deviations": deviations(),
    # The smallest watermark is 20:15:00: windows that end at 20:10 are final.
    "windows that have closed": closing(
        "2026-01-05T20:15:30Z", {"gold/transactions": ["20:00"], "gold/merchant": ["19:55"], "gold/user": []}
    ),
    "windows that close soon": closing(
        "2026-01-05T20:15:29.999999Z", {"gold/transactions": [], "gold/merchant": [], "gold/user": []}
    ),
}

# watermarks by partition, idle partitions, up to where windows are final
FINALITY = [
    ({0: "20:15", 1: "20:20"}, (), "20:15"),
    ({0: "20:15", 1: "20:20"}, (0,), "20:20"),
    ({0: "20:15", 1: "20:20"}, (1,), "20:15"),
    # Silence alone makes nothing final.
    ({0: "20:15", 1: "20:20"}, (0, 1), None),
    ({}, (), None),
    ({0: None, 1: None}, (), None),
    # Behind the median by an hour, and by more.
    ({0: "19:00", 1: "20:00", 2: "20:00"}, (), "19:00"),
    ({0: "18:59:59.999999", 1: "20:00", 2: "20:00"}, (), "20:00"),
    ({0: None, 1: "20:00", 2: "20:10"}, (), "20:00"),
    # One that runs ahead is not followed.
    ({0: "20:00", 1: "20:00", 2: "23:00"}, (), "20:00"),
    # The median is that of the partitions that are not idle.
    ({0: "18:00", 1: "18:00", 2: "20:00", 3: "20:00", 4: "20:00"}, (2, 3, 4), "18:00"),
    ({0: "1969-12-31T23:59:59", 1: "1970-01-01T00:00"}, (), "1969-12-31T23:59:59"),
]
