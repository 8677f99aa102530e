"""Bronze, silver and quarantine of one topic, message by message in log order."""

import datetime
import math
from dataclasses import dataclass, field
from typing import Callable, NamedTuple, Optional

from .decoding import Refusal, Transaction
from .event_time import parse_event_time

SECOND = 1_000_000
OUT_OF_ORDER = 30 * SECOND
WITHIN = 600 * SECOND
FUTURE = 3600 * SECOND
DAY = 86_400 * SECOND

MINUS_INFINITY = -math.inf


class Message(NamedTuple):
    """What a foreign consumer sees. The timestamp is in milliseconds, None where the message has none."""

    topic: str
    partition: int
    offset: int
    timestamp: Optional[int]
    key: Optional[bytes]
    value: Optional[bytes]


@dataclass
class Lake:
    """Rows by table, each a dict; duplicates as (partition, offset)."""

    bronze: list = field(default_factory=list)
    silver: list = field(default_factory=list)
    quarantine: list = field(default_factory=list)
    duplicates: list = field(default_factory=list)


@dataclass
class _Partition:
    newest: float = MINUS_INFINITY
    # By transaction id: up to which watermark a copy is a duplicate.
    horizons: dict = field(default_factory=dict)

    def watermark(self) -> float:
        return self.newest - OUT_OF_ORDER


def amount_category(amount: float) -> str:
    if amount < 10:
        return "micro"
    if amount < 100:
        return "small"
    if amount < 1000:
        return "medium"
    if amount < 10000:
        return "large"
    return "enterprise"


def city_and_country(location: str):
    parts = location.split(", ")
    return parts[0], parts[1] if len(parts) > 1 else None


def _refusal_of_silver(row: Transaction, event_time, kafka_time):
    if row.transaction_id == "":
        return "MissingId"
    if math.isnan(row.amount) or math.isinf(row.amount):
        return "NonFiniteAmount"
    if not row.amount > 0:
        return "NonPositiveAmount"
    if event_time is None:
        return "BadTimestamp"
    if kafka_time is not None and event_time > kafka_time + FUTURE:
        return "FutureTimestamp"
    return None


def _silver_row(message: Message, row: Transaction, event_time: int) -> dict:
    city, country = city_and_country(row.location)
    days, rest = divmod(event_time, DAY)
    # 1970-01-01 was a Thursday: day 5, where 1 is Sunday.
    weekday = (days + 4) % 7 + 1
    return {
        "transaction_id": row.transaction_id,
        "user_id": row.user_id,
        "amount": row.amount,
        "amount_category": amount_category(row.amount),
        "is_high_value": row.amount > 1000,
        "merchant": row.merchant,
        "payment_method": row.payment_method,
        "location": row.location,
        "city": city,
        "country": country,
        "device_id": row.device_id,
        "is_fraud": row.is_fraud,
        "timestamp_parsed": event_time,
        "transaction_date": datetime.date(1970, 1, 1) + datetime.timedelta(days=days),
        "transaction_hour": rest // (3600 * SECOND),
        "transaction_day_of_week": weekday,
        "is_weekend": weekday in (1, 7),
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "kafka_timestamp": None if message.timestamp is None else message.timestamp * 1000,
    }


def origin(message: Message) -> dict:
    """Where a message comes from, as bronze and quarantine have it."""
    return {
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "kafka_timestamp": None if message.timestamp is None else message.timestamp * 1000,
        "kafka_key": None if message.key is None else message.key.decode("utf-8", errors="replace"),
    }


def run_pipeline(messages, decode: Callable, time_zone: str = "UTC") -> Lake:
    """The tables of these messages, which are in offset order within each partition."""
    lake = Lake()
    partitions = {}
    for message in messages:
        partition = partitions.setdefault(message.partition, _Partition())
        _take(lake, partition, message, decode(message.value), time_zone)
    return lake


def _take(lake: Lake, partition: _Partition, message: Message, decoded, time_zone: str):
    def quarantine(stage: str, reason: str):
        lake.quarantine.append({**origin(message), "value": message.value, "stage": stage, "reason": reason})

    if isinstance(decoded, Refusal):
        return quarantine(decoded.stage, decoded.reason)
    lake.bronze.append({**origin(message), **decoded._asdict()})

    event_time = parse_event_time(decoded.timestamp, time_zone)
    kafka_time = None if message.timestamp is None else message.timestamp * 1000
    reason = _refusal_of_silver(decoded, event_time, kafka_time)
    if reason is not None:
        return quarantine("silver", reason)

    watermark = partition.watermark()
    if watermark <= partition.horizons.get(decoded.transaction_id, MINUS_INFINITY) and (
        decoded.transaction_id in partition.horizons
    ):
        lake.duplicates.append((message.partition, message.offset))
        return None
    horizon = max(event_time, watermark) + WITHIN
    earlier = partition.horizons.get(decoded.transaction_id, MINUS_INFINITY)
    partition.horizons[decoded.transaction_id] = max(horizon, earlier)
    lake.silver.append(_silver_row(message, decoded, event_time))
    capped = event_time if kafka_time is None else min(event_time, kafka_time)
    partition.newest = max(partition.newest, capped)
    return None
