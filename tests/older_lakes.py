"""The lakes of earlier formats in `older_versions/`: read by today's tests, and made by this program.

    python tests/older_lakes.py format-2      # after one of the five format versions has risen

needs SLUICE_TEST_KAFKA, and SLUICE_BIN if the programs are elsewhere. What is there already is never changed: it is
what a user of that release has.
"""

import json
import os
import pathlib
import shutil
import sys
import tempfile
from dataclasses import dataclass

import lakes
import pipelines
from kafka_topics import Topic
from oracle import Message, decode_json, run_pipeline
from processes import Program

FOLDER = pathlib.Path(__file__).resolve().parent / "older_versions"
TOPIC = "sluice.older-version"
PARTITIONS = 4
MESSAGES = 24
SHARDS = 2
SHARES = ("--duplicates", "0.2", "--late", "0.02", "--malformed", "0.08", "--odd", "0.05")
# Slow enough for copies within a short stream, and on one day: a file for each table and epoch.
TRAFFIC = ("--rate", "0", "--event-rate", "0.5", *SHARES)


@dataclass
class OlderLake:
    """A lake, its configuration, and the messages that it was made from."""

    folder: pathlib.Path

    @property
    def messages(self) -> list[Message]:
        topic = self.topic_name
        lines = (self.folder / "messages.jsonl").read_text().splitlines()
        return [_message(topic, json.loads(line)) for line in lines]

    @property
    def topic_name(self) -> str:
        return self._configuration["source"]["kafka"]["topic"]

    @property
    def partitions(self) -> int:
        return 1 + max(message.partition for message in self.messages)

    @property
    def _configuration(self) -> dict:
        return json.loads((self.folder / "config.json").read_text())

    def copy_to(self, lake: pathlib.Path):
        shutil.copytree(self.folder / "lake", lake)

    def configuration(self, servers: str, lake: pathlib.Path) -> dict:
        """Its configuration where its copy is now. Its topic was made again, so the lake is adopted."""
        configuration = self._configuration
        lake_id = json.loads((self.folder / "lake/_sluice/lake.json").read_text())["lakeId"]
        configuration["source"]["kafka"]["bootstrapServers"] = servers
        configuration["storage"] = {"uri": f"file://{lake}", "adopt": lake_id}
        return configuration


OLDER_LAKES = [OlderLake(folder) for folder in sorted(FOLDER.iterdir()) if folder.is_dir()]


def _line(message: Message) -> str:
    """Bytes that are no UTF-8 become lone surrogates, so that people can read the rest."""
    text = lambda value: None if value is None else value.decode("utf-8", "surrogateescape")  # noqa: E731
    fields = (message.partition, message.offset, message.timestamp, text(message.key), text(message.value))
    return json.dumps(dict(zip(("partition", "offset", "timestamp", "key", "value"), fields)))


def _message(topic: str, line: dict) -> Message:
    data = lambda text: None if text is None else text.encode("utf-8", "surrogateescape")  # noqa: E731
    return Message(topic, line["partition"], line["offset"], line["timestamp"], data(line["key"]), data(line["value"]))


def _make(folder: pathlib.Path, servers: str, worker: pathlib.Path):
    """One shard, then two, one of them stopped and started: a generation that has ended, and one that has not."""
    topic = Topic(servers, TOPIC, PARTITIONS)
    topic.create()
    with tempfile.TemporaryDirectory() as temporary:
        place = pathlib.Path(temporary)
        configuration = pipelines.ecommerce(servers, TOPIC, place / "lake")

        def run(*arguments):
            Program([worker, *arguments], place / "log").succeed()

        for step, shards in enumerate((1, SHARDS, SHARDS)):
            start = f"2026-01-05T{20 + step}:00:00Z"
            address = ("--bootstrap-servers", servers, "--topic", TOPIC, "--messages", MESSAGES)
            run("generate", *address, "--seed", 1 + step, "--start-time", start, *TRAFFIC)
            configuration["shards"] = shards
            (place / "config.json").write_text(json.dumps(configuration))
            for shard in range(shards):
                cut = ("--shard", shard, "--deployment-revision", shards)
                run("ingest", "--config", place / "config.json", *cut, "--until-caught-up")
        messages = topic.read_all()
        topic.delete()
        expected = run_pipeline(messages, decode_json)
        lakes.assert_lake(place / "lake", expected)
        stages = {row["stage"] for row in expected.quarantine}
        assert expected.duplicates and len(stages) == 2, "the traffic shows too little: take other seeds"
        configuration["source"]["kafka"]["bootstrapServers"] = "kafka:9092"
        configuration["storage"] = {"uri": "file:///lake"}
        folder.mkdir()
        shutil.copytree(place / "lake", folder / "lake")
        (folder / "config.json").write_text(json.dumps(configuration, indent=1) + "\n")
        (folder / "messages.jsonl").write_text("".join(f"{_line(message)}\n" for message in messages))


def main():
    folder = FOLDER / sys.argv[1]
    if folder.exists():
        sys.exit(f"{folder} exists: what an earlier release wrote is not written again")
    programs = pathlib.Path(os.environ.get("SLUICE_BIN") or pathlib.Path.home() / ".cache/sluice/target/debug")
    _make(folder, os.environ["SLUICE_TEST_KAFKA"], programs / "sluice-worker")
    print(f"made {folder}: now describe it in {FOLDER / 'README.md'}")


if __name__ == "__main__":
    main()
