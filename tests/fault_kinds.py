"""Every kind of fault that a trial can meet: what is done to its workers, its storage, its tables, its clock.

A kind takes the trial, makes the fault happen, and returns when the workers of the present cut run again. It says
`trial.fired(...)` only of what has really happened. The n-th time that a kind is met it is given n, to go through its
steps in turn.
"""

import signal
import time

from faults import RARE, STEPS_OF_A_RECUT, STEPS_OF_SCORING, failpoints, is_met_by_one

DAY = 86_400
MOST_SHARDS = 3
# A base of the merge, what it spills before and what it forgets then, come once a minute: test_gold has them.
STEPS_OF_GOLD = [
    step
    for step in failpoints("OF_GOLD")
    if not step.startswith("merge_") or not step.endswith(("_spill", "_state_file", "_forget"))
]
BETWEEN_MANIFEST_AND_COMMITS = [
    "after_manifest",
    "before_commit_bronze",
    "after_commit_bronze",
    "before_commit_silver",
    "after_commit_silver",
    "before_commit_quarantine",
]
# These come only with a thousand epochs: test_maintenance has them.
STEPS_OF_MAINTENANCE = [step for step in failpoints("OF_MAINTENANCE") if step not in ("before_prune", "during_prune")]


def steps_of_an_epoch(place) -> list:
    return _without_checkpoints_in_a_bucket(failpoints("OF_A_CHAIN"), place)


def steps_of_scoring(place) -> list:
    return _without_checkpoints_in_a_bucket(STEPS_OF_SCORING, place)


def _without_checkpoints_in_a_bucket(steps: list, place) -> list:
    """A checkpoint comes with 200 versions, which are too many for a bucket."""
    return [step for step in steps if place.name == "disk" or "checkpoint" not in step]


def a_kill_at_a_step_of_an_epoch(trial, number: int):
    steps = steps_of_an_epoch(trial.place)
    step = steps[number % len(steps)]
    shard = trial.any_shard()
    trial.kill(trial.job.workers[shard])
    hit = 1 if step in RARE else trial.choices.randint(1, 4)
    trial.await_death(trial.job.start(shard, f"{step}={hit}"), step)
    trial.job.start(shard)
    trial.fired(f"kill at {step}")


def a_kill_at_a_step_of_gold(trial, number: int):
    """The merge runs in the process of shard 0."""
    step = STEPS_OF_GOLD[number % len(STEPS_OF_GOLD)]
    shard = trial.any_shard() if "partial_aggregates" in step else 0
    trial.kill(trial.job.workers[shard])
    hit = 1 if step.removeprefix("merge_") in RARE else trial.choices.randint(1, 4)
    trial.await_death(trial.job.start(shard, f"{step}={hit}"), step)
    trial.job.start(shard)
    trial.fired(f"kill at {step}")


def a_kill_at_a_step_of_scoring(trial, number: int):
    steps = steps_of_scoring(trial.place)
    step = steps[number % len(steps)]
    trial.kill(trial.scorer.worker)
    hit = 1 if step in RARE else trial.choices.randint(1, 4)
    trial.await_death(trial.scorer.start(f"{step}={hit}"), step)
    trial.scorer.start()
    trial.fired(f"kill of a scorer at {step}")


def a_kill_of_a_scorer_at_a_random_moment(trial, _number: int):
    time.sleep(trial.choices.uniform(0.05, 1.5))
    trial.kill(trial.scorer.worker)
    trial.scorer.start()
    trial.fired("kill of a scorer at a random moment")


def a_kill_at_a_random_moment(trial, _number: int):
    time.sleep(trial.choices.uniform(0.05, 1.5))
    shard = trial.any_shard()
    trial.kill(trial.job.workers[shard])
    trial.job.start(shard)
    trial.fired("kill at a random moment")


def two_workers_on_one_shard(trial, _number: int):
    shard = trial.any_shard()
    first = trial.job.workers[shard]
    if trial.choices.random() < 0.5:  # both from the start
        trial.kill(first)
        first = trial.job.start(shard)
        time.sleep(trial.choices.uniform(0, 0.3))
    second = trial.job.start(shard)
    trial.await_any_output([first, second], "standing by")
    trial.fired("two workers on one shard")
    loser, winner = (first, second) if "standing by" in first.output() else (second, first)
    if trial.choices.random() < 0.5:  # the loser would take over after 30 s: somebody who starts need not wait
        trial.kill(winner)
        winner = trial.job.start(shard)
    trial.job.workers[shard] = winner
    trial.leave_or_kill([loser])


def a_paused_worker_that_wakes_up(trial, _number: int):
    shard = trial.any_shard()
    paused = trial.job.workers[shard]
    time.sleep(trial.choices.uniform(0, 0.2))
    paused.process.send_signal(signal.SIGSTOP)
    trial.job.start(shard)
    trial.await_progress()
    paused.process.send_signal(signal.SIGCONT)
    paused.await_output("standing by")
    trial.fired("a paused worker wakes up")
    trial.leave_or_kill([paused])


def another_number_of_shards(trial, _number: int):
    old = trial.job.cut(trial.other_shards())
    if trial.choices.random() < 0.5:
        for worker in old.values():
            worker.await_output("standing by")
    else:
        time.sleep(trial.choices.uniform(0, 0.5))
    trial.leave_or_kill(old.values())
    trial.fired(f"re-cut, {trial.place.name}")


def a_kill_at_a_step_of_a_recut(trial, number: int):
    _die_in_a_recut(trial, number, "kill in a re-cut", lambda old: None, trial.leave_or_kill)


def a_zombie_at_a_step_of_a_recut(trial, number: int):
    """The old workers sleep when the re-cut begins, and wake up when it is half done."""

    def wake(old):
        for worker in old:
            worker.process.send_signal(signal.SIGCONT)

    def stand_by(old):
        for worker in old:
            worker.await_output("standing by")
        trial.leave_or_kill(old)

    for worker in trial.job.workers.values():
        time.sleep(trial.choices.uniform(0, 0.1))
        worker.process.send_signal(signal.SIGSTOP)
    _die_in_a_recut(trial, number, "zombie in a re-cut", wake, stand_by)


def _die_in_a_recut(trial, number: int, name: str, halfway, finally_):
    step = STEPS_OF_A_RECUT[number % len(STEPS_OF_A_RECUT)]
    shards = trial.other_shards()
    if is_met_by_one(step):
        armed, waiting = 0, range(shards)
        old = trial.job.leave(shards)
        trial.job.start(0, step)
    else:
        armed = trial.choices.randrange(shards)
        waiting = [armed]
        old = trial.job.cut(shards, (armed, step))
    trial.await_death(trial.job.workers[armed], step)
    halfway(old.values())
    time.sleep(trial.choices.uniform(0, 0.5))
    for shard in waiting:
        trial.job.start(shard)
    finally_(old.values())
    trial.fired(f"{name}, {step}")


def a_shard_that_is_removed_between_its_manifest_and_its_commits(trial, number: int):
    step = BETWEEN_MANIFEST_AND_COMMITS[number % len(BETWEEN_MANIFEST_AND_COMMITS)]
    shards = trial.choices.randint(2, MOST_SHARDS)
    # As many as before is no new cut: then only this shard gets a new worker.
    gone = shards - 1
    for worker in trial.job.cut(shards, (gone, f"{step}={trial.choices.randint(2, 4)}")).values():
        trial.kill(worker)
    trial.await_death(trial.job.workers.pop(gone), step)
    trial.leave_or_kill(trial.job.cut(trial.choices.randint(1, gone)).values())
    trial.fired(f"shard removed, {step}")


def maintenance_beside_the_workers(trial, _number: int):
    trial.maintain("--retention", trial.choices.choice(["1m", "7d"])).succeed()
    trial.fired("maintenance beside")


def a_kill_in_maintenance(trial, number: int):
    step = STEPS_OF_MAINTENANCE[number % len(STEPS_OF_MAINTENANCE)]
    while True:
        run = trial.maintain("--retention", "1m", failpoint=step)
        if run.wait() != 0:
            break
        trial.await_progress(8)  # there was nothing to compact
    trial.await_death(run, step)
    trial.fired(f"kill in maintenance, {step}")


def a_foreign_optimize(trial, _number: int):
    for name in ("bronze", "silver", "quarantine"):
        trial.use_another_tool("optimize", name)
    trial.fired("foreign OPTIMIZE")


def a_foreign_delete(trial, _number: int):
    trial.delete_some(trial.choices.choice(["bronze", "silver"]))
    trial.fired("foreign DELETE")


def foreign_writes_between_a_manifest_and_its_commits(trial, number: int):
    """The epoch is decided, its worker dead, and the tables change before the next worker rolls it forward."""
    step = BETWEEN_MANIFEST_AND_COMMITS[number % len(BETWEEN_MANIFEST_AND_COMMITS)]
    shard = trial.any_shard()
    trial.kill(trial.job.workers[shard])
    trial.await_death(trial.job.start(shard, f"{step}={trial.choices.randint(2, 4)}"), step)
    trial.delete_some("bronze")
    trial.use_another_tool("optimize", "bronze")
    trial.job.start(shard)
    trial.fired("foreign writes between manifest and commits")


def torn_log_entries(trial, _number: int):
    """The power fails, and the newest entries of the logs are not whole."""
    trial.kill_all()
    for name in ("bronze", "silver", "quarantine"):
        entry = trial.place.folder / f"{name}/_delta_log/{trial.place.newest_version(name):020}.json"
        text = entry.read_text()
        if '"txn"' in text:  # an epoch's: what other tools have torn, they must mend
            entry.write_text(text[: trial.choices.choice([0, trial.choices.randrange(len(text) - 1)])])
            trial.fired("torn log entry")
    trial.start_all()
    trial.await_progress()


def torn_files_that_nothing_rests_on(trial, _number: int):
    """Data files of an epoch that was not decided, hints, temporary files."""
    trial.kill_all()
    lake = trial.place.folder
    whole = trial.choices.choice(list(lake.glob("bronze/*/*.parquet"))).read_bytes()
    for torn in ("part-torn.parquet", "part-torn.parquet#17"):
        (lake / "bronze" / torn).write_bytes(whole[: trial.choices.randrange(len(whole))])
    (lake / "silver/_delta_log/_last_checkpoint").write_text('{"vers')
    for chain in lake.glob("_sluice/ingest/*/*/"):
        (chain / "_newest").write_text("")
    trial.fired("torn files")
    trial.start_all()
    trial.await_progress()


# What storage, clock and broker do may last while workers meet these.
BESIDE_TROUBLE = [
    a_kill_at_a_step_of_an_epoch,
    a_kill_at_a_step_of_gold,
    a_kill_at_a_step_of_scoring,
    a_kill_at_a_random_moment,
    two_workers_on_one_shard,
    a_paused_worker_that_wakes_up,
    another_number_of_shards,
    a_kill_at_a_step_of_a_recut,
    a_zombie_at_a_step_of_a_recut,
    a_shard_that_is_removed_between_its_manifest_and_its_commits,
]

# These come with every trial; of the others each in its turn.
IN_EVERY_TRIAL = [
    a_kill_at_a_step_of_an_epoch,
    a_kill_at_a_step_of_an_epoch,
    a_kill_at_a_step_of_gold,
    a_kill_at_a_step_of_scoring,
    a_kill_of_a_scorer_at_a_random_moment,
    a_kill_at_a_random_moment,
]

IN_TURN = [
    a_zombie_at_a_step_of_a_recut,
    a_foreign_optimize,
    two_workers_on_one_shard,
    a_kill_at_a_step_of_a_recut,
    maintenance_beside_the_workers,
    a_paused_worker_that_wakes_up,
    a_shard_that_is_removed_between_its_manifest_and_its_commits,
    a_foreign_delete,
    another_number_of_shards,
    a_kill_in_maintenance,
    foreign_writes_between_a_manifest_and_its_commits,
]
IN_TURN_ON_A_DISK = [*IN_TURN, torn_log_entries, torn_files_that_nothing_rests_on]


def all_names(places, with_broker: bool) -> list:
    """What a matrix must have met, by the names that are given to `trial.fired`."""
    steps = {step: None for place in places for step in steps_of_an_epoch(place)}
    names = [f"kill at {step}" for step in [*steps, *STEPS_OF_GOLD]]
    names += [f"kill of a scorer at {step}" for step in STEPS_OF_SCORING]
    names += ["kill of a scorer at a random moment", "kill at a random moment"]
    names += ["two workers on one shard", "a paused worker wakes up"]
    names += [f"re-cut, {place.name}" for place in places]
    names += [f"{what} in a re-cut, {step}" for what in ("kill", "zombie") for step in STEPS_OF_A_RECUT]
    names += [f"shard removed, {step}" for step in BETWEEN_MANIFEST_AND_COMMITS]
    names += ["maintenance beside", *(f"kill in maintenance, {step}" for step in STEPS_OF_MAINTENANCE)]
    names += ["foreign OPTIMIZE", "foreign DELETE", "foreign writes between manifest and commits"]
    names += ["torn log entry", "torn files"]
    names += [trouble for place in places for trouble in place.troubles]
    return [*names, "clock jump", *(["broker death"] if with_broker else [])]
