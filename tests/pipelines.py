"""Worker configurations: what the operator would make of the example resources."""

import copy
import hashlib
import json
import pathlib

import yaml

from oracle import micros

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_EXAMPLE = _ROOT / "manifests/examples/ecommerce"

# The resources of the example.
SPEC = yaml.safe_load((_EXAMPLE / "pipeline.yaml").read_text())["spec"]
SCORER = yaml.safe_load((_EXAMPLE / "scoring/scorer.yaml").read_text())["spec"]

TRANSACTION_SCHEMA = json.loads(SPEC["source"]["schema"])
# A worker reads the resource's own rules and columns; the operator only makes numbers of its durations.
SILVER = SPEC["silver"] | {"deduplicate": {"by": ["transaction_id"], "withinMs": 600_000}}


def gold_table(resource: dict) -> dict:
    """A windowed table of a resource as a worker's configuration has it, with the defaults put in."""
    emit = {"every": "10s", "allowedLateness": "5m", "correctFor": "7d"} | resource.get("emit", {})
    window = {"slide": resource["window"]["size"]} | resource["window"]
    return {
        "name": resource["name"],
        "sizeMs": micros(window["size"]) // 1000,
        "slideMs": micros(window["slide"]) // 1000,
        "groupBy": resource.get("groupBy", []),
        "measures": resource["measures"],
        "emitEveryMs": micros(emit["every"]) // 1000,
        "allowedLatenessMs": micros(emit["allowedLateness"]) // 1000,
        "correctForMs": micros(emit["correctFor"]) // 1000,
    }


GOLD = [gold_table(resource) for resource in SPEC["gold"]]


def with_gold(configuration: dict, *, emit_every_ms: int) -> dict:
    """A worker configuration with the windowed tables of the example, published this often."""
    return configuration | {"gold": [table | {"emitEveryMs": emit_every_ms} for table in copy.deepcopy(GOLD)]}


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
