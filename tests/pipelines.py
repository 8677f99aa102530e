"""Worker configurations: what the operator would make of the example resources."""

import copy
import hashlib
import json

TRANSACTION_SCHEMA = {
    "type": "record",
    "name": "Transaction",
    "namespace": "ecommerce",
    "fields": [
        {"name": "transaction_id", "type": "string"},
        {"name": "user_id", "type": "int"},
        {"name": "amount", "type": "double"},
        {"name": "merchant", "type": "string"},
        {"name": "timestamp", "type": "string"},
        {"name": "is_fraud", "type": "boolean"},
        {"name": "payment_method", "type": "string"},
        {"name": "location", "type": "string"},
        {"name": "device_id", "type": "string"},
    ],
}

SILVER = {
    "require": [
        {"reason": "MissingId", "expr": "transaction_id <> ''"},
        {"reason": "NonFiniteAmount", "expr": "NOT isnan(amount) AND abs(amount) < CAST('Infinity' AS DOUBLE)"},
        {"reason": "NonPositiveAmount", "expr": "amount > 0"},
        {"reason": "BadTimestamp", "expr": "event_time IS NOT NULL"},
    ],
    "deduplicate": {"by": ["transaction_id"], "withinMs": 600_000},
    "columns": [
        {"name": "transaction_id"},
        {"name": "user_id"},
        {"name": "amount"},
        {
            "name": "amount_category",
            "expr": "CASE WHEN amount < 10 THEN 'micro' WHEN amount < 100 THEN 'small' WHEN amount < 1000 "
            "THEN 'medium' WHEN amount < 10000 THEN 'large' ELSE 'enterprise' END",
        },
        {"name": "is_high_value", "expr": "amount > 1000"},
        {"name": "merchant"},
        {"name": "payment_method"},
        {"name": "location"},
        {"name": "city", "expr": "split_part(location, ', ', 1)"},
        {
            "name": "country",
            "expr": "CASE WHEN strpos(location, ', ') > 0 THEN split_part(location, ', ', 2) END",
        },
        {"name": "device_id"},
        {"name": "is_fraud"},
        {"name": "timestamp_parsed", "expr": "event_time"},
        {"name": "transaction_date", "expr": "CAST(event_time AS DATE)"},
        {"name": "transaction_hour", "expr": "CAST(date_part('hour', event_time) AS INT)"},
        {"name": "transaction_day_of_week", "expr": "CAST(date_part('dow', event_time) + 1 AS INT)"},
        {"name": "is_weekend", "expr": "transaction_day_of_week IN (1, 7)"},
        {"name": "processing_time"},
        {"name": "processing_date"},
        {"name": "topic"},
        {"name": "partition"},
        {"name": "offset"},
        {"name": "kafka_timestamp"},
    ],
    "partitionBy": ["transaction_date"],
}


def ecommerce(servers: str, topic: str, lake, *, registry: str | None = None) -> dict:
    """The configuration of the e-commerce example; Avro if there is a registry. Change what the test is about."""
    source = {
        "kafka": {
            "bootstrapServers": servers,
            "topic": topic,
            "keyColumn": "user_id",
            "startFrom": "Earliest",
            "security": {},
        },
        "format": "Json",
        "schema": json.dumps(TRANSACTION_SCHEMA),
        "eventTime": {
            "column": "timestamp",
            "timeZone": "UTC",
            "maxOutOfOrdernessMs": 30_000,
            "idleAfterMs": 60_000,
            "refuseFutureBeyondMs": 3_600_000,
        },
    }
    if registry is not None:
        source |= {"format": "Avro", "schemaRegistry": {"url": registry}}
    return {
        "formatVersion": 1,
        "owner": {"cluster": "local", "namespace": "default", "name": "ecommerce"},
        "revision": hashlib.sha256(topic.encode()).hexdigest()[:16],
        "shards": 1,
        "source": source,
        "storage": {"uri": f"file://{lake}"},
        "commit": {"everyMs": 1000, "maxBytes": 64 * 2**20},
        "bronze": {"keepValue": False},
        "silver": copy.deepcopy(SILVER),
        "gold": [],
    }
