"""How long an alert takes, at a steady rate: from its message's Kafka timestamp until a consumer has the alert.

dev/bench alerts                                # 1,000 messages a second for 2 minutes, tables written beside
dev/bench alerts --rate 10000 --seconds 60
"""

import collections
import json
import time

import confluent_kafka
import scorers
from measuring import Meter
from results import Run
from visibility import quantile
from workplace import arguments_of, open_workplace, positive

import pipelines

HEADING = "Alerts"
COMMIT_EVERY_MS = 2_000


def parse_arguments():
    parser = arguments_of(__doc__)
    parser.add_argument("--rate", type=positive, default=1000, help="messages a second")
    parser.add_argument("--seconds", type=positive, default=120, help="how long it is watched")
    parser.add_argument("--warm", type=positive, default=15, help="seconds before that")
    return parser.parse_args()


def start_scorer(workplace, source, alerts):
    """A scorer of the example on this topic."""
    lake = workplace.folder / "lake"
    pipeline = pipelines.ecommerce(source.servers, source.name, lake)
    pipeline["commit"] = {"everyMs": COMMIT_EVERY_MS, "maxBytes": 64 * 2**20}
    config, rules = lake.with_suffix(".scorer.json"), lake.with_suffix(".rules.json")
    config.write_text(json.dumps(scorers.configuration(pipeline, alerts=alerts.name)))
    rules.write_text(json.dumps(scorers.rule_set()))
    return workplace.run(workplace.worker, "score", "--config", config, "--rules", rules)


def consume(topic, until: float) -> list:
    """When each alert came, in milliseconds, with its alert_id."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": topic.servers,
            "group.id": f"{topic.name}-watch",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 100,
            "fetch.min.bytes": 1,
        }
    )
    consumer.assign([confluent_kafka.TopicPartition(topic.name, number, 0) for number in range(topic.partitions)])
    seen = []
    while time.time() < until:
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            seen.append((time.time() * 1000, json.loads(message.value())["alert_id"]))
    consumer.close()
    return seen


def ages(seen: list, source, since_ms: float) -> collections.Counter:
    """How old each alert's message was when the alert came; messages before that moment do not count."""
    timestamps = {f"{m.topic}/{m.partition}/{m.offset}": m.timestamp for m in source.read_all()}
    return collections.Counter(round(came - timestamps[name]) for came, name in seen if timestamps[name] >= since_ms)


def main():
    arguments = parse_arguments()
    run = Run(arguments)
    with open_workplace(arguments) as workplace:
        source, alerts = workplace.topic(), workplace.topic()
        scorer = start_scorer(workplace, source, alerts)
        producer = workplace.generate(source, "--rate", arguments.rate)
        since = time.time() + arguments.warm
        meter = Meter(scorer.process.pid)
        seen = consume(alerts, since + arguments.seconds)
        cpu = meter.read().cpu_seconds
        producer.stop()
        scorer.stop()
        counted = ages(seen, source, since * 1000)
        quantiles = " / ".join(f"{quantile(counted, share):.0f}" for share in (0.5, 0.99, 1.0))
        messages = arguments.rate * (arguments.warm + arguments.seconds)
        figures = {
            "messages/s": f"{arguments.rate:,}",
            "commit.every": f"{COMMIT_EVERY_MS / 1000:.0f} s",
            "alerts": f"{counted.total():,}",
            "p50 / p99 / max": f"{quantiles} ms",
            "CPU-seconds per million messages": f"{cpu / messages * 1e6:.1f}",
        }
        run.record(HEADING, figures)


if __name__ == "__main__":
    main()
