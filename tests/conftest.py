"""What every end-to-end test needs: a real Kafka, the programs, a seed, and a place for files."""

import hashlib
import json
import os
import pathlib
import random
import subprocess
import types
import uuid

import confluent_kafka.admin
import pytest

import pipelines
from kafka_topics import Topic
from processes import Program
from trials import Trial

DEFAULT_PROGRAMS = pathlib.Path.home() / ".cache/sluice/target/debug"
ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def kafka() -> str:
    """The address of a real Apache Kafka. Its absence is a failure, never a reason to skip."""
    servers = os.environ.get("SLUICE_TEST_KAFKA")
    if not servers:
        pytest.fail("no Kafka to test with: run `make services`, and set SLUICE_TEST_KAFKA to what it prints")
    try:
        confluent_kafka.admin.AdminClient({"bootstrap.servers": servers, "log_level": 0}).list_topics(timeout=15)
    except confluent_kafka.KafkaException as error:
        pytest.fail(f"no Kafka answers at SLUICE_TEST_KAFKA={servers} ({error}): run `make services`")
    return servers


@pytest.fixture(scope="session")
def seed() -> int:
    """What all random choices follow from; printed, so that a failure can be repeated."""
    chosen = int(os.environ.get("SLUICE_SEED") or random.SystemRandom().randrange(2**31))
    print(f"\nSLUICE_SEED={chosen}")
    return chosen


def pytest_report_header():
    return (
        f"SLUICE_TEST_KAFKA={os.environ.get('SLUICE_TEST_KAFKA')} SLUICE_SEED={os.environ.get('SLUICE_SEED', 'random')}"
    )


def program(name: str) -> pathlib.Path:
    path = pathlib.Path(os.environ.get("SLUICE_BIN") or DEFAULT_PROGRAMS) / name
    if not path.exists():
        pytest.fail(f"{path} does not exist: run `make build`, or set SLUICE_BIN to the folder of the programs")
    return path


@pytest.fixture(scope="session")
def worker_program() -> pathlib.Path:
    return program("sluice-worker")


@pytest.fixture(scope="session")
def sluice_program() -> pathlib.Path:
    return program("sluice")


@pytest.fixture
def topic(kafka, request):
    """A fresh topic of 8 partitions, removed after the test."""
    topic = Topic(kafka, f"test-{uuid.uuid4().hex[:12]}", partitions=8)
    topic.create()
    yield topic
    topic.delete()


@pytest.fixture
def run(tmp_path):
    """Starts programs; none outlives the test."""
    started = []

    def start(*arguments, environment=None, wrapper=(), cwd=None) -> Program:
        log = tmp_path / f"program-{len(started)}.log"
        program = Program(arguments, log, environment=environment, wrapper=wrapper, cwd=cwd)
        started.append(program)
        return program

    yield start
    for program in started:
        if program.is_running():
            program.kill()


@pytest.fixture
def ingest(tmp_path, worker_program, run):
    """Starts a worker with a configuration: `ingest(configuration, "--until-caught-up")`."""

    def start(configuration: dict, *flags, environment=None, wrapper=()) -> Program:
        text = json.dumps(configuration, indent=1)
        file = tmp_path / f"config-{abs(hash(text))}.json"
        if not file.exists():  # another worker may be reading it
            file.write_text(text)
        return run(worker_program, "ingest", "--config", file, *flags, environment=environment, wrapper=wrapper)

    return start


@pytest.fixture
def score(tmp_path, worker_program, run):
    """Starts a scoring worker with its two documents: `score(configuration, rules, "--until-caught-up")`. The rules of
    its file, `score.rules_file`, may change while it runs.
    """

    def start(configuration: dict, rules: dict, *flags, environment=None, wrapper=()) -> Program:
        text = json.dumps(configuration, indent=1)
        file = tmp_path / f"scorer-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
        if not file.exists():  # another worker may be reading it
            file.write_text(text)
        start.use_rules(rules)
        arguments = ("--config", file, "--rules", start.rules_file)
        return run(worker_program, "score", *arguments, *flags, environment=environment, wrapper=wrapper)

    def use_rules(rules: dict):
        new = start.rules_file.with_suffix(".new")
        new.write_text(json.dumps(rules, indent=1))
        new.replace(start.rules_file)

    start.rules_file = tmp_path / "rules.json"
    start.use_rules = use_rules
    return start


@pytest.fixture
def alerts_topic(kafka):
    """A fresh topic for alerts, removed after the test."""
    topic = Topic(kafka, f"test-alerts-{uuid.uuid4().hex[:12]}", partitions=4)
    topic.create()
    yield topic
    topic.delete()


@pytest.fixture
def maintain(tmp_path, worker_program, run):
    """Starts a run of maintenance: `maintain(configuration, "--retention", "7d")`."""

    def start(configuration: dict, *flags, environment=None, wrapper=()) -> Program:
        file = tmp_path / "maintained.json"
        file.write_text(json.dumps(configuration))
        return run(worker_program, "maintain", "--config", file, *flags, environment=environment, wrapper=wrapper)

    return start


@pytest.fixture
def generate(worker_program, run):
    """Starts the generator on a topic: `generate(topic, "--messages", 1000)`."""

    def start(topic: Topic, *flags) -> Program:
        return run(worker_program, "generate", "--bootstrap-servers", topic.servers, "--topic", topic.name, *flags)

    return start


@pytest.fixture
def ecommerce(topic, tmp_path):
    """The worker configuration of the e-commerce example for the test's topic and lake."""
    return pipelines.ecommerce(topic.servers, topic.name, tmp_path / "lake")


@pytest.fixture
def broker():
    """The Kafka of the tests, where it is theirs to break."""
    return None


@pytest.fixture
def trial(topic, alerts_topic, tmp_path, ecommerce, ingest, score, maintain, generate, broker):
    """What one seed does to a pipeline of its own: `trial(7).run()`."""
    tools = types.SimpleNamespace(
        configuration=pipelines.with_gold(ecommerce, emit_every_ms=500),
        ingest=ingest,
        score=score,
        alerts=alerts_topic,
        maintain=maintain,
        generate=generate,
        broker=broker,
    )
    return lambda seed, **flags: Trial(seed, topic, tmp_path, tools, **flags)


@pytest.fixture
def lake(tmp_path) -> pathlib.Path:
    return tmp_path / "lake"


@pytest.fixture
def free_port() -> int:
    """A port to listen on, and to listen on again after a restart."""
    found = subprocess.run([ROOT / "dev/services/free-ports", "1"], check=True, stdout=subprocess.PIPE, text=True)
    return int(found.stdout)


@pytest.fixture
def registry(sluice_program, run, tmp_path, free_port):
    """The embedded schema registry; gives its URL."""
    address = f"127.0.0.1:{free_port}"
    server = run(sluice_program, "schema-registry", "--data", tmp_path / "registry", "--listen", address)
    server.await_listening(address)
    return f"http://{address}"
