"""Files below `_sluice` that are lost: the worker refuses, and `recover` rebuilds what they said from the tables.

Every case has a copy of one lake, since each recovery first looks for half a minute whether a worker is at work.
"""

import hashlib
import json
import pathlib
import shutil
import signal
import time

import pytest

from accounts import assert_nothing_lost_or_doubled, await_version, newest_version
from faults import COMMIT, TRAFFIC, failpoints
from processes import PATIENCE

# Programs that run at once.
SIDE_BY_SIDE = 4

# Few messages in many epochs: every case reads all of them, and is judged row by row.
SLOW = ("--rate", "200", *TRAFFIC[2:])

# Messages that come after the recoveries.
MORE = 1000


class Case:
    """A copy of the lake that loses something."""

    def __init__(self, name: str, lake: pathlib.Path, configuration: dict):
        self.name = name
        self.lake = lake
        self.configuration = configuration | {"storage": {"uri": f"file://{lake}"}}

    def chain(self) -> list:
        """The manifests of the newest generation's only chain, oldest first."""
        return sorted((self.lake / "_sluice/ingest/1/0").glob("*.json"))


def lose_lake_json(case: Case):
    (case.lake / "_sluice/lake.json").unlink()


def lose_everything(case: Case):
    shutil.rmtree(case.lake / "_sluice")


def lose_the_job(case: Case):
    shutil.rmtree(case.lake / "_sluice/ingest")


def lose_the_newest_generation(case: Case):
    shutil.rmtree(case.lake / "_sluice/ingest/1")


def lose_the_newest_manifests(case: Case):
    for manifest in case.chain()[-40:]:
        manifest.unlink()


def lose_the_state(case: Case):
    shutil.rmtree(case.lake / "_sluice/ingest/state")


def tear_the_newest_manifest(case: Case):
    newest = case.chain()[-1]
    newest.write_bytes(newest.read_bytes()[:100])


def tear_manifest_and_lake_json(case: Case):
    tear_the_newest_manifest(case)
    (case.lake / "_sluice/lake.json").write_text("")


# What is lost, and the file that the worker's refusal names.
LOSSES = {
    lose_lake_json: "/_sluice/lake.json'",
    lose_everything: "/_sluice/lake.json'",
    lose_the_job: "/_sluice/ingest/1/generation.json'",
    lose_the_newest_generation: "/_sluice/ingest/1/generation.json'",
    lose_the_newest_manifests: "of 'ingest/1/0', but the chain ends at epoch",
    lose_the_state: "/_sluice/ingest/state/1/0/",
    tear_the_newest_manifest: "/_sluice/ingest/1/0/0",
}


@pytest.fixture
def recover(worker_program, run, tmp_path):
    """Starts `sluice-worker recover`."""

    def start(configuration: dict, *flags, failpoint: str | None = None):
        text = json.dumps(configuration)
        file = tmp_path / f"recover-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
        file.write_text(text)
        environment = {"SLUICE_FAILPOINT": failpoint} if failpoint else None
        return run(worker_program, "recover", "--config", file, *flags, environment=environment)

    return start


def listing(lake: pathlib.Path) -> dict:
    """Every file, with its bytes."""
    return {
        str(path.relative_to(lake)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in lake.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def traffic(topic, ecommerce, ingest, generate, lake, seed):
    """A producer, and a worker under load whose generation is not the first: that one never committed an epoch."""
    ecommerce |= {"commit": COMMIT, "shards": 2}
    producer = generate(topic, "--seed", seed, *SLOW)
    first = ingest(ecommerce, environment={"SLUICE_FAILPOINT": "before_manifest"})
    assert first.wait() == -signal.SIGKILL, first.output()[-4000:]
    ecommerce["shards"] = 1
    worker = ingest(ecommerce, "--deployment-revision", 1)
    await_version(lake, worker, beyond=60)
    return producer, worker


def copied(lake: pathlib.Path, name: str, configuration: dict) -> Case:
    shutil.copytree(lake, lake.parent / name)
    return Case(name, lake.parent / name, configuration)


def in_turns(cases: list, start) -> dict:
    """Starts a program for each case, some at once; gives them when all have ended."""
    started = {}
    for first in range(0, len(cases), SIDE_BY_SIDE):
        some = {case.name: start(case) for case in cases[first : first + SIDE_BY_SIDE]}
        for program in some.values():
            program.wait()
        started |= some
    return started


def assert_caught_up(topic, cases: list, start):
    for name, worker in in_turns(cases, start).items():
        assert worker.process.returncode == 0, f"{name}: {worker.output()[-4000:]}"
    assert_nothing_lost_or_doubled(topic, *(case.lake for case in cases))


def await_its_fate(worker, manifest: pathlib.Path):
    """Waits until a worker has noticed that its chain ended: it goes on in the next one, or stops in the midst."""
    deadline = time.monotonic() + PATIENCE
    while worker.is_running() and not manifest.exists():
        assert time.monotonic() < deadline, f"it noticed nothing:\n{worker.output()[-4000:]}"
        time.sleep(0.1)


def assert_refused(case: Case, worker, named: str):
    output = worker.output()
    assert worker.process.returncode not in (0, None), f"{case.name}: the worker went on:\n{output[-4000:]}"
    assert named in output and "sluice recover" in output, f"{case.name}: {output[-4000:]}"


def test_what_is_lost_is_refused_by_a_worker_and_rebuilt_from_the_tables(
    topic, ecommerce, ingest, generate, recover, lake, tmp_path, traffic, seed
):
    producer, worker = traffic

    # Nobody recovers a lake in which somebody works.
    (lake / "_sluice/lake.json").rename(tmp_path / "lake.json")
    refused = recover(ecommerce, "--apply")
    assert refused.wait() == 1 and "a worker is at work" in refused.output(), refused.output()
    (tmp_path / "lake.json").rename(lake / "_sluice/lake.json")

    # It sleeps through all that follows, and wakes up in a lake that has gone on without it.
    worker.process.send_signal(signal.SIGSTOP)
    cases = [copied(lake, loss.__name__, ecommerce) for loss in LOSSES]
    half = copied(lake, "half_an_epoch", ecommerce)
    asleep = Case("asleep", lake, ecommerce)

    def start(case: Case, *flags):
        return ingest(case.configuration, "--deployment-revision", 1, "--until-caught-up", *flags)

    # An epoch that bronze has, and silver has not.
    armed = {"SLUICE_FAILPOINT": "after_commit_bronze=5"}
    died = ingest(half.configuration, "--deployment-revision", 1, environment=armed)
    assert died.wait() == -signal.SIGKILL, died.output()[-4000:]
    assert producer.stop() == 0, producer.output()[-4000:]
    assert json.loads(half.chain()[-1].read_text())["tables"]["silver"]["adds"], "the epoch has no rows for silver"
    steps = {name: copied(half.lake, name, ecommerce) for name in failpoints("OF_A_RECOVERY")}

    for case, loss in zip(cases, LOSSES):
        loss(case)
    lose_the_newest_manifests(asleep)
    for case in steps.values():
        tear_manifest_and_lake_json(case)

    for (name, ended), case, named in zip(in_turns(cases, start).items(), cases, LOSSES.values()):
        assert_refused(case, ended, named)

    before = {case.name: listing(case.lake) for case in cases}
    for name, looked in in_turns(cases, lambda case: recover(case.configuration)).items():
        assert looked.process.returncode == 0 and "Nothing was changed." in looked.output(), looked.output()[-4000:]
    assert {case.name: listing(case.lake) for case in cases} == before

    recoveries = {case.name: recover(case.configuration, "--apply") for case in [*cases, asleep]}
    killed = {name: recover(case.configuration, "--apply", failpoint=name) for name, case in steps.items()}
    for recovery in recoveries.values():
        recovery.succeed()
        assert "Recovered: workers go on in generation 2." in recovery.output(), recovery.output()[-4000:]
    for name, recovery in killed.items():
        assert recovery.wait() == -signal.SIGKILL, f"{name} never fired:\n{recovery.output()[-4000:]}"

    for (_, ended), case in zip(in_turns([*steps.values()], start).items(), steps.values()):
        assert_refused(case, ended, "_sluice/")
    again = {name: recover(case.configuration, "--apply") for name, case in steps.items()}

    # The same seed: most messages that come now are copies of those before the loss.
    generate(topic, "--seed", seed, "--messages", MORE, *SLOW).succeed()
    worker.process.send_signal(signal.SIGCONT)
    await_its_fate(worker, lake / f"_sluice/ingest/2/0/{1:020}.json")
    assert_caught_up(topic, [asleep, *cases], start)
    if worker.is_running():
        worker.kill()
    for name, recovery in again.items():
        assert recovery.wait() == 0, f"{name}: {recovery.output()[-4000:]}"
    assert_caught_up(topic, [*steps.values()], start)
    for recovery in in_turns([*cases, *steps.values()], lambda case: recover(case.configuration)).values():
        assert "Nothing is lost" in recovery.output(), recovery.output()


def test_an_empty_or_whole_lake_has_lost_nothing(topic, ecommerce, recover, ingest, lake):
    assert lake.exists() is False
    looked = recover(ecommerce, "--apply")
    looked.succeed()
    assert "Nothing is lost" in looked.output(), looked.output()
    ingest(ecommerce, "--until-caught-up").succeed()
    assert newest_version(lake) >= 0
    before = listing(lake)
    looked = recover(ecommerce, "--apply")
    looked.succeed()
    assert "Nothing is lost" in looked.output() and listing(lake) == before, looked.output()
