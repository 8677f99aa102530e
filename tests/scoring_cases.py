"""The edges of scoring: every score, count, level and alert is written out here, none comes from the oracle."""

import copy
from typing import NamedTuple

import pipelines
from transactions import Log


class Case(NamedTuple):
    """Messages, the spec of their scorer, and by (partition, offset) columns of the rows that they must become, which
    are all rows; and which of them raise an alert.
    """

    log: Log
    scorer: dict
    rows: dict
    alerts: set


def assert_rows(rows: list, case: Case):
    """Rows of a table of scores, as dicts with instants in microseconds, are those of the case."""
    found = {(row["partition"], row["offset"]): row for row in rows}
    assert len(found) == len(rows), "a row is scored twice"
    assert sorted(found) == sorted(case.rows), "other rows are scored"
    for position, expected in case.rows.items():
        got = {name: found[position][name] for name in expected}
        assert got == expected, f"(partition, offset) {position}"


# time, what differs from the sound transaction, reasons, score without the rule that reads the label
TRANSACTIONS = [
    ("2026-01-05T20:00:00Z", {}, [], 0),
    ("2026-01-05T20:00:00Z", {"amount": 5000.0}, [], 0),
    ("2026-01-05T20:00:00Z", {"amount": 5000.01}, ["high_amount"], 30),
    ("2026-01-05T20:00:00Z", {"payment_method": "crypto"}, ["crypto_payment"], 20),
    ("2026-01-05T20:00:00Z", {"payment_method": "Crypto"}, [], 0),
    ("2026-01-05T20:00:00Z", {"location": "Lagos, Nigeria"}, ["high_risk_country"], 15),
    ("2026-01-05T20:00:00Z", {"location": "Moscow, Russia"}, ["high_risk_country"], 15),
    ("2026-01-05T20:00:00Z", {"location": "Beijing, China"}, ["high_risk_country"], 15),
    ("2026-01-05T20:00:00Z", {"location": "Beijing, china"}, [], 0),
    # A null fires no rule: the country of a city alone.
    ("2026-01-05T20:00:00Z", {"location": "Nigeria"}, [], 0),
    ("2026-01-05T20:00:00Z", {"is_fraud": True}, ["known_fraud"], 0),
    # Night is 23:00 to 04:59, in UTC.
    ("2026-01-05T04:59:59Z", {}, ["late_night"], 10),
    ("2026-01-05T04:59:59.999999Z", {}, ["late_night"], 10),
    ("2026-01-05T05:00:00Z", {}, [], 0),
    ("2026-01-05T22:59:59Z", {}, [], 0),
    ("2026-01-05T22:59:59.999999Z", {}, [], 0),
    ("2026-01-05T23:00:00Z", {}, ["late_night"], 10),
    ("2026-01-05T23:30:00-01:00", {}, ["late_night"], 10),
    # Friday, Saturday, Sunday, Monday.
    ("2026-01-02T22:59:59.999999Z", {}, [], 0),
    ("2026-01-02T23:59:59.999999Z", {}, ["late_night"], 10),
    ("2026-01-03T00:00:00Z", {}, ["late_night", "weekend"], 15),
    ("2026-01-03T12:00:00Z", {}, ["weekend"], 5),
    ("2026-01-04T23:59:59.999999Z", {}, ["late_night", "weekend"], 15),
    ("2026-01-05T00:00:00Z", {}, ["late_night"], 10),
    ("2026-01-05T00:30:00+01:00", {}, ["late_night", "weekend"], 15),
    # Wednesday; Sunday.
    ("1969-12-31T23:59:59.999999Z", {}, ["late_night"], 10),
    ("1899-12-31T12:00:00Z", {}, ["weekend"], 5),
    # Points add up: to 30, 45, 50, 65, 75, 130.
    ("2026-01-05T04:00:00Z", {"payment_method": "crypto"}, ["crypto_payment", "late_night"], 30),
    (
        "2026-01-05T20:00:00Z",
        {"amount": 5000.01, "location": "Lagos, Nigeria"},
        ["high_amount", "high_risk_country"],
        45,
    ),
    ("2026-01-05T20:00:00Z", {"amount": 5000.01, "payment_method": "crypto"}, ["high_amount", "crypto_payment"], 50),
    (
        "2026-01-05T20:00:00Z",
        {"is_fraud": True, "location": "Lagos, Nigeria"},
        ["known_fraud", "high_risk_country"],
        15,
    ),
    (
        "2026-01-03T12:00:00Z",
        {"is_fraud": True, "payment_method": "crypto"},
        ["known_fraud", "crypto_payment", "weekend"],
        25,
    ),
    (
        "2026-01-03T23:00:00Z",
        {"is_fraud": True, "amount": 6000.0, "payment_method": "crypto", "location": "Lagos, Nigeria"},
        ["known_fraud", "high_amount", "crypto_payment", "high_risk_country", "late_night", "weekend"],
        80,
    ),
]

LEVELS = {
    **{score: "MINIMAL" for score in (0, 5, 9)},
    **{score: "LOW" for score in (10, 15, 20, 24)},
    **{score: "MEDIUM" for score in (25, 30, 45, 49)},
    **{score: "HIGH" for score in (50, 65, 74)},
    **{score: "CRITICAL" for score in (75, 80, 130)},
}


def points() -> Case:
    """Each rule, fired and not; rows of users of their own, so that none comes too often."""
    log, rows, alerts = Log(), {}, set()
    for number, (time, changes, reasons, unlabelled) in enumerate(TRANSACTIONS):
        position = log.add(time, user_id=number, **changes)
        score = unlabelled + (50 if "known_fraud" in reasons else 0)
        rows[position] = {
            "user_id": number,
            "fraud_score": score,
            "fraud_score_unlabelled": unlabelled,
            "risk_level": LEVELS[score],
            "risk_level_unlabelled": LEVELS[unlabelled],
            "requires_review": score >= 50,
            "is_high_velocity": False,
            "velocity_count": 1,
            "reasons": reasons,
        }
        if score >= 50:
            alerts.add(position)
    return Case(log, pipelines.SCORER, rows, alerts)


def levels() -> Case:
    """Scores on both sides of each level, by another rule set."""
    scorer = copy.deepcopy(pipelines.SCORER)
    scores = (9, 10, 24, 25, 49, 50, 74, 75)
    scorer["rules"] = [{"name": f"of_{score}", "when": f"amount = {score}", "points": score} for score in scores]
    log, rows, alerts = Log(), {}, set()
    for score in scores:
        position = log.add("2026-01-05T20:00:00Z", user_id=score, amount=float(score))
        rows[position] = {
            "fraud_score": score,
            "fraud_score_unlabelled": score,
            "risk_level": LEVELS[score],
            "risk_level_unlabelled": LEVELS[score],
            "requires_review": score >= 50,
            "reasons": [f"of_{score}"],
        }
        if score >= 50:
            alerts.add(position)
    return Case(log, scorer, rows, alerts)


def velocity() -> Case:
    """Who comes how often within 30 minutes, as it was known when the row came; each partition is a story."""
    log, rows, alerts = Log(), {}, set()

    def add(time: str, count: int, user_id: int = 1, partition: int = 0, **changes):
        position = log.add(f"2026-01-05T{time}Z", partition=partition, user_id=user_id, **changes)
        fired = count > 5
        label = changes.get("is_fraud", False)
        score = 25 * fired + 50 * label
        rows[position] = {
            "velocity_count": count,
            "is_high_velocity": fired,
            "reasons": ["known_fraud"] * label + ["velocity"] * fired,
            "fraud_score": score,
            "fraud_score_unlabelled": 25 * fired,
            "risk_level": LEVELS[score],
        }
        if score >= 50:
            alerts.add(position)

    def refused(time: str, user_id: int = 1, partition: int = 0, **changes):
        log.add(f"2026-01-05T{time}Z", partition=partition, user_id=user_id, **changes)

    # The fifth does not fire, the sixth does; both ends of the window count.
    add("20:00:00", 1)
    add("20:05:00", 2)
    add("20:10:00", 3)
    add("20:15:00", 4)
    add("20:20:00", 5)
    add("20:29:59.999999", 6)
    add("20:30:00", 7)
    add("20:30:00.000001", 7, is_fraud=True)
    add("20:50:00", 5)

    # 1800 s apart, and a microsecond more; the same user elsewhere is another.
    add("20:00:00", 1, partition=1)
    add("20:30:00", 2, partition=1)
    add("20:00:00", 1, user_id=2, partition=1)
    add("20:30:00.000001", 1, user_id=2, partition=1)

    # Out of order: a row counts those before it in the log, and of them those before it in time.
    add("20:10:00", 1, partition=2)
    add("20:05:00", 1, partition=2)
    add("20:20:00", 3, partition=2)
    add("20:00:00", 1, partition=2)
    add("20:10:00", 4, partition=2)

    # Another user drives the watermark to 22:00:00: what is older than 21:00:00 is forgotten.
    add("20:59:59.999999", 1, partition=3)
    add("21:00:00", 2, partition=3)
    add("22:00:30", 1, user_id=9, partition=3)
    add("21:10:00", 2, partition=3)
    add("20:45:00", 1, partition=3)
    add("21:10:00", 3, partition=3)
    # A row counts itself, however old it is. The watermark moves on, and one row more is forgotten.
    add("22:00:30.000001", 2, user_id=9, partition=3)
    add("21:10:00", 3, partition=3)
    add("10:00:00", 1, partition=3)

    # Only rows of silver count.
    add("20:00:00", 1, partition=4, transaction_id="once")
    refused("20:00:00", partition=4, transaction_id="once")
    refused("20:00:00", partition=4, amount=0.0)
    add("20:00:00", 2, partition=4)
    return Case(log, pipelines.SCORER, rows, alerts)


CASES = {"points": points(), "levels": levels(), "velocity": velocity()}

# A transaction with a null and a fraction of a second, and its alert but for rule_set and processing_time.
ALERTED = {
    "time": "2026-01-03T21:00:00.25+01:00",
    "partition": 3,
    "user_id": 17,
    "amount": 12.5,
    "location": "Paris",
    "payment_method": "crypto",
    "is_fraud": True,
    "transaction_id": "t-1",
}
ALERT = {
    "alert_id": "TOPIC/3/0",
    "transaction_id": "t-1",
    "user_id": 17,
    "amount": 12.5,
    "merchant": "Linden Coffee",
    "payment_method": "crypto",
    "location": "Paris",
    "country": None,
    "device_id": "ios-1",
    "timestamp_parsed": "2026-01-03T20:00:00.25Z",
    "transaction_hour": 20,
    "is_weekend": True,
    "is_fraud": True,
    "fraud_score": 75,
    "fraud_score_unlabelled": 25,
    "risk_level": "CRITICAL",
    "risk_level_unlabelled": "MEDIUM",
    "requires_review": True,
    "is_high_velocity": False,
    "velocity_count": 1,
    "reasons": ["known_fraud", "crypto_payment", "weekend"],
    "model_probability": None,
    "model_version": None,
    "model_variant": None,
    "topic": "TOPIC",
    "partition": 3,
    "offset": 0,
    "transaction_date": "2026-01-03",
}
