"""Files of a scorer's chain that are lost: it refuses to start, and `recover --scorer` rebuilds what they said from its
table and the bronze of its pipeline. Each case has a copy of one lake.
"""

import hashlib
import json
import shutil

import pytest

import pipelines
import scorers
from faults import COMMIT
from score_tables import NAME
from scorers import assert_scored
from test_generated_stream import SHARES, TRAFFIC as PAST
from test_recover import Case, copied, in_turns, listing

JOB = "_sluice/score-ecommerce"
MESSAGES = 6_000


def chain(case: Case) -> list:
    """The manifests of the scorer's chain, oldest first."""
    return sorted((case.lake / JOB / "0/0").glob("*.json"))


def lose_the_job(case: Case):
    shutil.rmtree(case.lake / JOB)


def lose_the_state(case: Case):
    shutil.rmtree(case.lake / JOB / "state")


def lose_the_newest_manifests(case: Case):
    for manifest in chain(case)[-5:]:
        manifest.unlink()


def tear_the_newest_manifest(case: Case):
    newest = chain(case)[-1]
    newest.write_bytes(newest.read_bytes()[:100])


LOSSES = [lose_the_job, lose_the_state, lose_the_newest_manifests, tear_the_newest_manifest]


@pytest.fixture
def recover(worker_program, run, tmp_path):
    """Starts `sluice-worker recover --scorer`."""

    def start(configuration: dict, *flags):
        text = json.dumps(configuration)
        file = tmp_path / f"recover-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
        file.write_text(text)
        return run(worker_program, "recover", "--scorer", "--config", file, *flags)

    return start


def moved(configuration: dict, case: Case) -> dict:
    """The scorer's configuration in the lake of a case."""
    return configuration | {"pipeline": case.configuration}


def test_what_a_scorer_lost_is_refused_and_rebuilt_from_its_table_and_bronze(
    topic, alerts_topic, ecommerce, ingest, score, generate, recover, lake, seed
):
    ecommerce |= {"commit": COMMIT}
    configuration = scorers.configuration(ecommerce, alerts=alerts_topic.name)
    generate(topic, "--seed", seed, "--messages", MESSAGES, *PAST, *SHARES).succeed()
    ingest(ecommerce, "--until-caught-up").succeed()
    score(configuration, scorers.rule_set(), "--until-caught-up").succeed()
    cases = [copied(lake, loss.__name__, ecommerce) for loss in LOSSES]
    whole = recover(configuration, "--apply")
    whole.succeed()
    assert "Nothing is lost" in whole.output(), whole.output()
    for case, loss in zip(cases, LOSSES):
        loss(case)

    def start(case: Case):
        return score(moved(configuration, case), scorers.rule_set(), "--until-caught-up")

    for case, worker in zip(cases, in_turns(cases, start).values()):
        output = worker.output()
        assert worker.process.returncode != 0, f"{case.name}: the scorer went on:\n{output[-4000:]}"
        assert "sluice recover" in output, f"{case.name}: {output[-4000:]}"
    before = {case.name: listing(case.lake) for case in cases}
    for looked in in_turns(cases, lambda case: recover(moved(configuration, case))).values():
        looked.succeed()
        assert "Nothing was changed." in looked.output(), looked.output()[-4000:]
    assert {case.name: listing(case.lake) for case in cases} == before
    for name, recovery in in_turns(cases, lambda case: recover(moved(configuration, case), "--apply")).items():
        assert recovery.process.returncode == 0, f"{name}: {recovery.output()[-4000:]}"
        assert "Recovered: workers go on in generation" in recovery.output(), recovery.output()[-4000:]

    # The same seed: the messages are copies of those before the loss, and of the same users.
    generate(topic, "--seed", seed, "--messages", MESSAGES // 2, *PAST, *SHARES).succeed()
    for case, worker in zip(cases, in_turns(cases, start).values()):
        assert worker.process.returncode == 0, f"{case.name}: {worker.output()[-4000:]}"
        assert_scored(topic, alerts_topic, case.lake, pipelines.SCORER)
    for recovery in in_turns(cases, lambda case: recover(moved(configuration, case))).values():
        assert "Nothing is lost" in recovery.output(), recovery.output()


def test_a_scorer_that_is_ahead_of_its_pipeline_is_rebuilt_when_that_has_caught_up(
    topic, alerts_topic, ecommerce, ingest, score, generate, recover, lake, seed
):
    configuration = scorers.configuration(ecommerce, alerts=alerts_topic.name)
    generate(topic, "--seed", seed, "--messages", 1_000, *PAST, *SHARES).succeed()
    ingest(ecommerce, "--until-caught-up").succeed()
    generate(topic, "--seed", seed + 1, "--messages", 1_000, *PAST, *SHARES).succeed()
    score(configuration, scorers.rule_set(), "--until-caught-up").succeed()
    lose_the_job(Case(NAME, lake, ecommerce))
    refused = recover(configuration, "--apply")
    assert refused.wait() != 0
    assert "let it catch up" in refused.output(), refused.output()[-4000:]
    ingest(ecommerce, "--until-caught-up").succeed()
    recover(configuration, "--apply").succeed()
    score(configuration, scorers.rule_set(), "--until-caught-up").succeed()
    assert_scored(topic, alerts_topic, lake, pipelines.SCORER)


def test_a_scorer_is_not_rebuilt_from_a_pipeline_that_has_lost_something_itself(
    topic, alerts_topic, ecommerce, ingest, score, generate, recover, lake, seed
):
    configuration = scorers.configuration(ecommerce, alerts=alerts_topic.name)
    generate(topic, "--seed", seed, "--messages", 500, *PAST, *SHARES).succeed()
    ingest(ecommerce, "--until-caught-up").succeed()
    score(configuration, scorers.rule_set(), "--until-caught-up").succeed()
    shutil.rmtree(lake / "_sluice/ingest")
    shutil.rmtree(lake / JOB)
    refused = recover(configuration, "--apply")
    assert refused.wait() != 0
    assert "recover it first" in refused.output(), refused.output()[-4000:]
