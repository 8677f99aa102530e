"""The smallest useful pipeline, its scorer, and what belongs to them."""

import copy

SCHEMA = (
    '{"type": "record", "name": "Payment", "fields": [{"name": "id", "type": "string"},'
    ' {"name": "amount", "type": "double"}, {"name": "at", "type": "string"}]}'
)

PAYMENTS = {
    "apiVersion": "sluice.dev/v1alpha1",
    "kind": "StreamPipeline",
    "metadata": {"name": "payments"},
    "spec": {
        "source": {
            "kafka": {"bootstrapServers": "kafka:9092", "topic": "payments"},
            "format": "Json",
            "schema": SCHEMA,
            "eventTime": {"column": "at"},
        },
        "storage": {"uri": "s3://lake/payments", "secretRef": {"name": "lake"}},
        "shards": 2,
        # Not while the tests run: they count Jobs.
        "maintenance": {"schedule": "0 0 29 2 *"},
        "silver": {
            "require": [{"reason": "NonPositiveAmount", "expr": "amount > 0"}],
            "columns": [
                {"name": "id"},
                {"name": "amount"},
                {"name": "topic"},
                {"name": "partition"},
                {"name": "offset"},
            ],
        },
    },
}

LAKE_SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "lake"},
    "stringData": {"AWS_ACCESS_KEY_ID": "canary-id", "AWS_SECRET_ACCESS_KEY": "canary-secret"},
}


def payments(name="payments", **spec) -> dict:
    """The pipeline, with parts of its spec replaced."""
    document = copy.deepcopy(PAYMENTS)
    document["metadata"]["name"] = name
    document["spec"] |= spec
    return document


SCORER = {
    "apiVersion": "sluice.dev/v1alpha1",
    "kind": "FraudScorer",
    "metadata": {"name": "payments"},
    "spec": {
        "pipelineRef": {"name": "payments"},
        "table": {"name": "scores", "columns": ["id", "amount"]},
        "rules": [{"name": "high", "when": "amount > 5000", "points": 30}],
        "levels": [{"name": "HIGH", "minScore": 30}, {"name": "LOW", "minScore": 0}],
        "alerts": {"topic": "alerts", "alertAt": "HIGH"},
        "shards": 2,
    },
}


def scorer(name="payments", **spec) -> dict:
    """The scorer, with parts of its spec replaced."""
    document = copy.deepcopy(SCORER)
    document["metadata"]["name"] = name
    document["spec"] |= spec
    return document


def requiring(expression: str) -> dict:
    """A `silver` with another requirement: another configuration."""
    silver = copy.deepcopy(PAYMENTS["spec"]["silver"])
    silver["require"][0]["expr"] = expression
    return silver
