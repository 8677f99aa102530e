"""Silver, scores and windows made again from bronze after a change: exactly the rows of the range that differ, once.

The worker first runs with a configuration that is wrong in some way; after a replay with the right one, the tables
must be what the oracle says that the right one makes.
"""

import copy
import datetime
import json
import os
import shutil
import signal
import subprocess

import pytest
from deltalake import DeltaTable

import lakes
import pipelines
import score_tables
import scorers
from faults import COMMIT, TRAFFIC, failpoints
from oracle import decode_json, run_pipeline, run_scorer, silver_table
from test_generated_stream import SHARES
from test_maintenance import AT_ONCE, await_versions
from transactions import MONDAY_8_PM, json_message

# Saturday begins half an hour into it; hours pass, so windows end.
PAST = ("--start-time", "2026-01-02T23:30:00Z", "--event-rate", "5", "--rate", "0")
MESSAGES = int(os.environ.get("SLUICE_MESSAGES", "20000"))
KAFKA_TIME = MONDAY_8_PM * 1000
TABLES = ("silver", "quarantine")
NOTHING = {"changed": 0, "added": 0, "removed": 0}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


@pytest.fixture
def replay(worker_program, tmp_path):
    """Runs `sluice-worker replay`: `replay(configuration, "silver", "--from", "0:5")`; gives what it prints."""

    def command(configuration: dict | None, tables: str, *flags, scorer: tuple | None = None):
        def written(name: str, document: dict):
            file = tmp_path / f"{name}-{abs(hash(json.dumps(document)))}.json"
            file.write_text(json.dumps(document))
            return file

        arguments = ["replay", "--tables", tables, "--output", "json"]
        if configuration is not None:
            arguments += ["--config", written("config", configuration)]
        if scorer is not None:
            arguments += ["--scorer", written("scorer", scorer[0]), "--rules", written("rules", scorer[1])]
        return [str(argument) for argument in (worker_program, *arguments, *flags)]

    def end(*arguments, failpoint: str | None = None, **documents):
        environment = os.environ | ({"SLUICE_FAILPOINT": failpoint} if failpoint else {})
        return subprocess.run(
            command(*arguments, **documents), env=environment, capture_output=True, text=True, timeout=240
        )

    def run(*arguments, **documents) -> dict:
        ended = end(*arguments, **documents)
        assert ended.returncode == 0, ended.stderr[-4000:]
        return json.loads(ended.stdout)

    run.command, run.end = command, end
    return run


@pytest.fixture
def peers(worker_program, run, free_port):
    """Another worker of replays; gives the flags that name it, and it."""
    address = f"127.0.0.1:{free_port}"
    peer = run(worker_program, "replay-peer", "--listen", address)
    peer.await_listening(address)
    return ("--peers", f"http://{address}"), peer


def keeping(configuration: dict) -> dict:
    """With the bytes of messages in bronze: quarantine then has them of rows that only a replay refuses."""
    return configuration | {"bronze": {"keepValue": True}}


def wrong(configuration: dict) -> dict:
    """The configuration before the fix: a column is wrong, a rule is missing, another one is too many."""
    changed = copy.deepcopy(configuration) | {"revision": "wrong"}
    silver = changed["silver"]
    (category,) = [column for column in silver["columns"] if column["name"] == "amount_category"]
    category["expr"] = "CASE WHEN amount < 1000 THEN 'small' ELSE 'large' END"
    silver["require"] = [rule for rule in silver["require"] if rule["reason"] != "NonPositiveAmount"]
    silver["require"].append({"reason": "TooSmall", "expr": "amount >= 50 OR amount <= 0"})
    return changed


def wrong_column(configuration: dict) -> dict:
    """Before the fix of a column: the same rows, with another value."""
    changed = wrong(configuration)
    changed["silver"]["require"] = copy.deepcopy(configuration["silver"]["require"])
    return changed


def lenient(configuration: dict) -> dict:
    """Before the fix of a rule: it is not there."""
    changed = copy.deepcopy(configuration) | {"revision": "lenient"}
    rules = changed["silver"]["require"]
    changed["silver"]["require"] = [rule for rule in rules if rule["reason"] != "NonPositiveAmount"]
    return changed


def rows_of(lake, table: str) -> dict:
    """The rows of a table by partition and offset; with the stage, where there is one."""
    rows = lakes.read_with_delta_rs(lake / table).to_pylist()
    keyed = {(row["partition"], row["offset"], row.get("stage")): row for row in rows}
    assert len(keyed) == len(rows), f"{table}: rows doubled"
    return keyed


def versions(lake, tables=TABLES) -> dict:
    return {name: DeltaTable(str(lake / name)).version() for name in tables}


def assert_as_if_always_right(topic, lake, expected=None):
    """The tables are those of a pipeline that had the right configuration from the start."""
    expected = expected or run_pipeline(topic.read_all(), decode_json)
    for name in TABLES:
        lakes.assert_rows(lakes.read_with_delta_rs(lake / name), getattr(expected, name), lakes.TABLES[name], name)


def replays(lake) -> list:
    """The manifests of the chain of replays that hold something."""
    manifests = [json.loads(file.read_text()) for file in sorted((lake / "_sluice/replay/0/0").glob("0*.json"))]
    return [manifest for manifest in manifests if manifest["kind"] == "Data"]


def generated(topic, generate, seed):
    generate(topic, "--seed", seed, "--messages", MESSAGES, *PAST, *SHARES).succeed()


def test_a_replay_with_the_same_configuration_changes_no_row(
    topic, ecommerce, ingest, generate, maintain, replay, lake, seed
):
    generated(topic, generate, seed)
    configuration = pipelines.with_gold(ecommerce, emit_every_ms=500) | {"commit": {"everyMs": 1000, "maxBytes": 2**20}}
    ingest(configuration, "--until-caught-up").succeed()
    generated(topic, generate, seed + 1)
    cut = configuration | {"shards": 2, "revision": "cut"}
    for worker in [ingest(cut, "--shard", shard, "--until-caught-up") for shard in range(2)]:
        worker.succeed()
    maintain(configuration, *AT_ONCE).succeed()
    stages = {stage for _, _, stage in rows_of(lake, "quarantine")}
    assert stages == {"decode", "silver", "late"}
    before = versions(lake)
    told = replay(configuration, "silver")
    assert told["tables"] == {"silver": NOTHING, "quarantine": NOTHING} and told["recompute"] == []
    assert told["read"][0]["rows"] == len(rows_of(lake, "bronze"))
    assert versions(lake) == before and replays(lake) == []
    assert not (lake / "replayed").exists()


def test_a_replay_after_a_fix_makes_the_tables_that_the_fix_would_have_made(
    topic, ecommerce, ingest, generate, maintain, replay, lake, seed
):
    generated(topic, generate, seed)
    right = keeping(ecommerce)
    ingest(wrong(right) | {"commit": {"everyMs": 1000, "maxBytes": 2**19}}, "--until-caught-up").succeed()
    maintain(right, *AT_ONCE).succeed()
    before = rows_of(lake, "silver")
    told = replay(right, "silver")
    expected = run_pipeline(topic.read_all(), decode_json)
    assert_as_if_always_right(topic, lake, expected)
    places = {(row["partition"], row["offset"]) for row in expected.silver}
    known = {place[:2] for place in before}
    assert told["tables"]["silver"]["added"] == len(places - known) > 0
    assert told["tables"]["silver"]["removed"] == len(known - places) > 0
    after = rows_of(lake, "silver")
    category = "amount_category"
    kept = {place: row for place, row in after.items() if place in before and row[category] == before[place][category]}
    assert kept and all(row == before[place] for place, row in kept.items()), "rows that are right stay as they are"
    changed = len(places & known) - len(kept)
    assert told["tables"]["silver"]["changed"] == changed > 0
    again = replay(right, "silver")
    assert again["tables"] == {"silver": NOTHING, "quarantine": NOTHING}, "a second replay finds nothing to do"
    # And the ingest goes on as if nothing had been.
    ingest(right, "--deployment-revision", 1, "--until-caught-up").succeed()
    assert_as_if_always_right(topic, lake, expected)


def test_several_workers_make_the_tables_that_one_would_have_made(
    topic, ecommerce, ingest, generate, replay, lake, seed, tmp_path, peers
):
    generated(topic, generate, seed)
    right = keeping(ecommerce)
    ingest(wrong(right) | {"commit": {"everyMs": 1000, "maxBytes": 2**19}}, "--until-caught-up").succeed()
    shutil.copytree(lake, tmp_path / "of-one")
    alone = replay(right | {"storage": {"uri": f"file://{tmp_path / 'of-one'}"}}, "silver")
    flags, peer = peers
    together = replay(right, "silver", *flags, "--workers", 3)
    assert "going through bronze" in peer.output(), "the other process has taken part"
    for told in (alone, together):
        told.pop("name")
    assert together == alone and together["tables"]["silver"]["added"] > 0
    assert_as_if_always_right(topic, lake)
    assert replay(right, "silver", "--workers", 2)["tables"] == {"silver": NOTHING, "quarantine": NOTHING}


def test_a_worker_of_a_replay_that_dies_fails_it_and_nothing_has_changed(
    topic, ecommerce, ingest, generate, replay, lake, seed, peers
):
    generated(topic, generate, seed)
    right = keeping(ecommerce)
    ingest(wrong(right), "--until-caught-up").succeed()
    before = versions(lake)
    flags, peer = peers
    peer.process.send_signal(signal.SIGSTOP)
    leader = subprocess.Popen(
        replay.command(right, "silver", *flags), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with pytest.raises(subprocess.TimeoutExpired):
        leader.wait(5)
    peer.kill()
    _, errors = leader.communicate(timeout=240)
    assert leader.returncode == 1 and "a worker of the replay failed, nothing has changed" in errors, errors
    assert versions(lake) == before and replays(lake) == []
    replay(right, "silver")
    assert_as_if_always_right(topic, lake)


def test_rows_outside_of_the_range_stay_as_they_are_to_the_byte(topic, ecommerce, ingest, generate, replay, lake, seed):
    generated(topic, generate, seed)
    right = keeping(ecommerce)
    ingest(wrong(right) | {"commit": {"everyMs": 1000, "maxBytes": 2**19}}, "--until-caught-up").succeed()
    before = {name: rows_of(lake, name) for name in TABLES}
    ends = {p: max(o for q, o, _ in before["silver"] if q == p) + 1 for p in range(8)}
    ranges = {0: (0, ends[0] // 2), 3: (ends[3] // 3, ends[3] // 2), 5: (ends[5] // 2, ends[5])}

    def listed(side: int) -> str:
        return ",".join(f"{partition}:{bounds[side]}" for partition, bounds in ranges.items())

    told = replay(right, "silver", "--from", listed(0), "--until", listed(1))
    assert set(told["read"][0]["ranges"]) == {"0", "3", "5"}

    def is_inside(row) -> bool:
        first, end = ranges.get(row["partition"], (0, 0))
        return first <= row["offset"] < end

    expected = run_pipeline(topic.read_all(), decode_json)
    for name in TABLES:
        after = rows_of(lake, name)
        outside = {place: row for place, row in after.items() if not is_inside(row)}
        assert outside == {place: row for place, row in before[name].items() if not is_inside(row)}, name
        table = lakes.read_with_delta_rs(lake / name)
        inside = table.filter([is_inside(row) for row in table.select(["partition", "offset"]).to_pylist()])
        wanted = [row for row in getattr(expected, name) if is_inside(row)]
        assert wanted
        lakes.assert_rows(inside, wanted, lakes.TABLES[name], name)


def mixed(first: int = 0) -> list:
    """Messages on three partitions: what the wrong configuration gets right, and every way in which it does not."""
    amounts = (99.0, 7.5, -1.0, 5000.0, 99.0)
    return [
        (
            number % 3,
            KAFKA_TIME + number * 1000,
            b"17",
            json_message(
                transaction_id=f"m-{first + number}",
                amount=amounts[number % 5],
                timestamp=f"2026-01-05T20:{number // 60:02}:{number % 60:02}Z",
            ),
        )
        for number in range(600)
    ] + [(number % 3, KAFKA_TIME, b"17", b"{") for number in range(3)]


def steps() -> list:
    """Every step of a replay at which it can die."""
    others = ("checkpoint", "state", "bronze")
    names = [name for name in failpoints("OF_A_CHAIN") if not any(other in name for other in others)]
    assert {"before_manifest", "after_manifest", "before_commit_silver", "after_commit_quarantine"} <= set(names), names
    return names


def test_a_kill_at_each_step_of_a_replay_loses_and_doubles_nothing(topic, ecommerce, ingest, replay, lake, tmp_path):
    right = keeping(ecommerce)
    for first in (0, 600):
        topic.produce(mixed(first))
        ingest(wrong(right), "--until-caught-up").succeed()
    expected = run_pipeline(topic.read_all(), decode_json)
    for name in steps():
        copied = tmp_path / f"copy-{name}"
        shutil.copytree(lake, copied)
        configuration = right | {"storage": {"uri": f"file://{copied}"}}
        died = replay.end(configuration, "silver", failpoint=name)
        assert died.returncode == -signal.SIGKILL, f"{name} never fired: {died.stderr[-2000:]}"
        replay(configuration, "silver")
        assert_as_if_always_right(topic, copied, expected)
        assert replay(configuration, "silver")["tables"] == {"silver": NOTHING, "quarantine": NOTHING}, name
        shutil.rmtree(copied)


@pytest.mark.parametrize("step", ["before_manifest", "after_manifest", "after_commit_silver"])
def test_a_compaction_between_a_death_and_the_next_replay_loses_and_doubles_nothing(
    step, topic, ecommerce, ingest, maintain, replay, lake
):
    right = keeping(ecommerce)
    for first in range(0, 3000, 600):
        topic.produce(mixed(first))
        ingest(wrong(right), "--until-caught-up").succeed()
    files = {name: DeltaTable(str(lake / name)).file_uris() for name in TABLES}
    died = replay.end(right, "silver", failpoint=step)
    assert died.returncode == -signal.SIGKILL, died.stderr[-2000:]
    maintain(right, *AT_ONCE).succeed()
    compacted = [name for name in TABLES if len(DeltaTable(str(lake / name)).file_uris()) < len(files[name])]
    assert "quarantine" in compacted, "it rewrote files that the replay was to replace"
    again = replay.end(right, "silver")
    assert again.returncode == 0, again.stderr[-4000:]
    assert ("gave way to a compaction" in again.stderr) == step.startswith("after"), again.stderr[-4000:]
    assert_as_if_always_right(topic, lake)
    assert replay(right, "silver")["tables"] == {"silver": NOTHING, "quarantine": NOTHING}


def test_a_replay_beside_the_ingest_and_its_upkeep_ends_where_the_tables_had_every_row(
    topic, ecommerce, ingest, generate, maintain, replay, lake, seed
):
    right = ecommerce | {"commit": COMMIT}
    producer = generate(topic, "--seed", seed, *TRAFFIC)
    first = ingest(wrong_column(right))
    await_versions(lake, first, beyond=60)
    worker = ingest(right, "--deployment-revision", 1)
    before = DeltaTable(str(lake / "silver")).version()
    told = replay(right, "silver")
    assert told["tables"]["silver"]["changed"] > 0
    for _ in range(3):
        upkeep = maintain(right, *AT_ONCE)
        told = replay(right, "silver")
        assert told["tables"]["silver"]["added"] == told["tables"]["silver"]["removed"] == 0
        upkeep.succeed()
    await_versions(lake, worker, beyond=DeltaTable(str(lake / "bronze")).version() + 20)
    assert DeltaTable(str(lake / "silver")).version() > before + 20, "the ingest went on"
    assert producer.stop() == 0, producer.output()[-4000:]
    assert worker.stop() == 0, worker.output()[-4000:]
    if first.is_running():
        first.kill()
    ingest(right, "--deployment-revision", 1, "--until-caught-up").succeed()
    replay(right, "silver")
    lakes.assert_lake(lake, run_pipeline(topic.read_all(), decode_json), readers=lakes.READERS)


def test_what_quarantine_replay_took_up_stays_and_is_refused_again_by_a_stricter_rule(
    topic, ecommerce, ingest, replay, lake, worker_program, tmp_path
):
    topic.produce(mixed())
    strict = copy.deepcopy(ecommerce) | {"revision": "strict"}
    strict["silver"]["require"].append({"reason": "TooSmall", "expr": "amount >= 50"})
    ingest(strict, "--until-caught-up").succeed()
    file = tmp_path / "right.json"
    file.write_text(json.dumps(ecommerce))
    subprocess.run([worker_program, "quarantine", "replay", "--config", file], check=True, timeout=240)
    silver, refused = rows_of(lake, "silver"), rows_of(lake, "quarantine")
    before = versions(lake, (*TABLES, "replayed"))
    replay(ecommerce, "silver")
    assert versions(lake, (*TABLES, "replayed")) == before
    assert {place[:2] for place in silver} == {
        (row["partition"], row["offset"]) for row in run_pipeline(topic.read_all(), decode_json).silver
    }
    told = replay(strict, "silver")
    assert told["tables"]["silver"] == NOTHING | {"removed": 120} and told["tables"]["quarantine"] == NOTHING
    assert rows_of(lake, "replayed") == {} and rows_of(lake, "quarantine") == refused
    replay(ecommerce, "silver")
    assert set(rows_of(lake, "silver")) == set(silver)
    reasons = {row["reason"] for row in rows_of(lake, "quarantine").values()}
    assert reasons == {"NonPositiveAmount", "MalformedJson"}


def event_times(rows) -> list:
    return [(row["timestamp_parsed"] - EPOCH) // datetime.timedelta(microseconds=1) for row in rows]


def test_the_merge_is_told_which_windows_to_compute_again(topic, ecommerce, ingest, replay, lake):
    topic.produce(mixed())
    right = pipelines.with_gold(ecommerce, emit_every_ms=500)
    ingest(wrong_column(right), "--until-caught-up").succeed()
    before = rows_of(lake, "silver")
    told = replay(right, "silver", "--from", "0:10", "--until", "0:100")
    after = rows_of(lake, "silver")
    changed = event_times(row for place, row in after.items() if row != before[place])
    (manifest,) = replays(lake)
    assert manifest["recompute"] == {"fromUs": min(changed), "untilUs": max(changed) + 1}
    assert told["recompute"] == [manifest["recompute"]]
    assert manifest["tables"]["silver"]["adds"] and manifest["tables"]["silver"]["removes"]

    told = replay(right, "gold/user,gold/country", "--from", "1:20", "--until", "1:60")
    inside = event_times(row for (partition, offset, _), row in after.items() if partition == 1 and 20 <= offset < 60)
    (_, manifest) = replays(lake)
    expected = {"tables": ["gold/user", "gold/country"], "fromUs": min(inside), "untilUs": max(inside) + 1}
    assert manifest["recompute"] == expected and told["tables"] == {}
    assert not any(table.get("adds") or table.get("removes") for table in manifest["tables"].values())
    replay(right, "gold,gold/user")
    assert "tables" not in replays(lake)[-1]["recompute"], "all of them"


def test_a_time_is_the_first_row_that_was_sent_then_or_later(topic, ecommerce, ingest, replay):
    topic.produce(mixed()[:600])
    ingest(ecommerce, "--until-caught-up").succeed()
    # One message a second, on three partitions in turns.
    told = replay(ecommerce, "silver", "--from", "2026-01-05T20:01:00.500Z", "--until", "2026-01-05T21:02:00+01:00")
    expected = {"0": {"from": 21, "until": 40}, "1": {"from": 20, "until": 40}, "2": {"from": 20, "until": 40}}
    assert told["read"][0]["ranges"] == expected


def test_what_cannot_be_replayed_is_refused_with_the_flag_and_the_fix(topic, ecommerce, ingest, replay, lake):
    missing = replay.end(ecommerce, "silver")
    assert missing.returncode == 1 and "has never started" in missing.stderr, missing.stderr
    topic.produce(mixed())
    right = pipelines.with_gold(ecommerce, emit_every_ms=500)
    ingest(right, "--until-caught-up").succeed()
    broken = copy.deepcopy(right)
    broken["silver"]["columns"][3]["expr"] = "no_such_column + 1"
    for configuration, tables, flags, parts in (
        (right, "bronze", (), ("--tables", "silver, gold, gold/NAME or fraud")),
        (right, "silver,nonsense", (), ("--tables", "nonsense")),
        (right, "gold/nonsense", (), ("--tables", "gold/nonsense", "gold/transactions, gold/merchant")),
        (ecommerce, "gold", (), ("--tables", "it has no tables of windows")),
        (right, "fraud", (), ("--tables", "--scorer FILE and --rules FILE")),
        (right, "silver", ("--from", "yesterday"), ("--from", "2026-01-05T20:00:00Z")),
        (right, "silver", ("--from", "2026-01-05T20:00:00"), ("--from", "zone")),
        (right, "silver", ("--until", "0:x"), ("--until", "0:1500,1:1720")),
        (right, "silver", ("--from", "0:100000"), ("--from", "offset 100000 of partition 0 lies behind")),
        (right, "silver", ("--from", "7:0"), ("--from", "bronze has no rows of partition 7")),
        (right, "silver", ("--from", "0:50", "--until", "0:40"), ("--until", "lies before offset 50")),
        (right, "silver", ("--from", "2126-01-05T20:00:00Z"), ("--from", "no rows in this range")),
        (broken, "silver", (), ("silver.columns[3].expr", "no_such_column")),
    ):
        refused = replay.end(configuration, tables, *flags)
        assert refused.returncode == 2, f"{tables} {flags}: {refused.stdout} {refused.stderr}"
        assert all(part in refused.stderr for part in parts), f"{tables} {flags}: {refused.stderr}"
    assert replays(lake) == []


HARSH = copy.deepcopy(pipelines.SCORER) | {
    "rules": [rule | {"points": 2 * rule["points"]} for rule in pipelines.SCORER["rules"]]
}


@pytest.fixture
def scored(topic, alerts_topic, ecommerce, ingest, score, generate, seed):
    """A topic that was scored by other rules than the example's; its scorer's documents, with the example's."""
    generated(topic, generate, seed)
    pipeline = ecommerce | {"commit": {"everyMs": 1000, "maxBytes": 2**20}}
    ingest(pipeline, "--until-caught-up").succeed()
    configuration = scorers.configuration(pipeline, alerts=alerts_topic.name)
    score(configuration, scorers.rule_set(HARSH), "--until-caught-up").succeed()
    return pipeline, (configuration, scorers.rule_set())


def test_scores_are_made_again_by_the_present_rules_and_nobody_is_alerted(
    topic, alerts_topic, scored, replay, lake, tmp_path
):
    pipeline, scorer = scored
    before, alerts = rows_of(lake, score_tables.NAME), len(alerts_topic.read_all())
    same = replay(None, "fraud", scorer=(scorer[0], scorers.rule_set(HARSH)))
    assert same["tables"] == {score_tables.NAME: NOTHING} and replays(lake) == []

    silver = silver_table(run_pipeline(topic.read_all(), decode_json).silver)
    expected = run_scorer(silver, pipelines.SPEC, pipelines.SCORER)
    for number, step in enumerate(("before_manifest", "after_manifest", "before_commit_fraud_transactions")):
        copied = tmp_path / f"copy-{number}"
        shutil.copytree(lake, copied)
        moved = pipeline | {"storage": {"uri": f"file://{copied}"}}
        documents = (scorer[0] | {"pipeline": moved}, scorer[1])
        died = replay.end(moved, "fraud", scorer=documents, failpoint=step)
        assert died.returncode == -signal.SIGKILL, f"{step} never fired: {died.stderr[-2000:]}"
        replay(moved, "fraud", scorer=documents)
        score_tables.assert_scores(copied, expected)
        shutil.rmtree(copied)

    end = max(offset for partition, offset, _ in before if partition == 2) // 2
    half = replay(pipeline, "fraud", "--from", "2:0", "--until", f"2:{end}", scorer=scorer)
    after = rows_of(lake, score_tables.NAME)
    moved = {place for place, row in after.items() if row != before[place]}
    assert moved and all(partition == 2 and offset < end for partition, offset, _ in moved)
    assert half["tables"] == {score_tables.NAME: NOTHING | {"changed": len(moved)}}

    replay(pipeline, "fraud", "--workers", 3, scorer=scorer)
    score_tables.assert_scores(lake, expected, readers=lakes.READERS)
    after = rows_of(lake, score_tables.NAME)
    assert all(row["processing_time"] == before[place]["processing_time"] for place, row in after.items())
    (of_before,) = {row["rule_set"] for row in before.values()}
    for place, row in after.items():
        named = {name for name, value in row.items() if value != before[place][name]}
        assert ("rule_set" in named) == bool(named), f"{place}: {named}"
        assert (row["rule_set"] == of_before) == (not named)
    assert replay(None, "fraud", scorer=scorer)["tables"] == {score_tables.NAME: NOTHING}
    refused = replay.end(None, "silver,fraud", scorer=scorer)
    assert refused.returncode == 2 and "--config FILE" in refused.stderr, refused.stderr
    assert len(alerts_topic.read_all()) == alerts


def test_silver_windows_and_scores_follow_each_other_in_one_replay(
    topic, alerts_topic, ecommerce, ingest, score, replay, lake
):
    topic.produce(mixed())
    right = pipelines.with_gold(ecommerce, emit_every_ms=500)
    before = lenient(right)
    ingest(before, "--until-caught-up").succeed()
    configuration = scorers.configuration(before, alerts=alerts_topic.name)
    score(configuration, scorers.rule_set(HARSH), "--until-caught-up").succeed()
    scorer = (scorers.configuration(right, alerts=alerts_topic.name), scorers.rule_set())
    told = replay(right, "silver,gold,fraud", "--name", "fix-7", scorer=scorer)
    assert set(told["tables"]) == {"silver", "quarantine", score_tables.NAME}
    expected = run_pipeline(topic.read_all(), decode_json)
    lakes.assert_rows(lakes.read_with_delta_rs(lake / "silver"), expected.silver, lakes.SILVER, "silver")
    scores = run_scorer(silver_table(expected.silver), pipelines.SPEC, pipelines.SCORER)
    score_tables.assert_scores(lake, scores)
    refused = [row for row in rows_of(lake, "quarantine").values() if row["reason"] == "NonPositiveAmount"]
    assert len(refused) == 120 and {row["value"] for row in refused} == {None}, "bronze does not keep the bytes"
    assert all(manifest["writer"]["id"].startswith("replay-fix-7-") for manifest in replays(lake))
    assert [("recompute" in manifest) for manifest in replays(lake)] == [True, True, False]
