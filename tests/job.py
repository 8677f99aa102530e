"""The workers of one pipeline, cut into shards, and the scorer beside them."""

import scorers
from accounts import await_version, newest_version
from faults import COMMIT


class Job:
    """The workers of a pipeline, cut by cut. Those of an earlier cut are left to themselves."""

    def __init__(self, configuration, ingest, *, commit=COMMIT, environment=None, wrapper=()):
        self.configuration = configuration | {"commit": commit}
        self.ingest = ingest
        self.environment = environment or {}
        self.wrapper = wrapper
        self.revision = 0
        self.workers = {}

    @property
    def shards(self) -> int:
        return self.configuration["shards"]

    def cut(self, shards: int, armed: tuple[int, str] | None = None) -> dict:
        """Starts the workers of a new cut, one of them with a failpoint; gives those of the old one."""
        old = self.leave(shards)
        for shard in range(shards):
            self.start(shard, armed[1] if armed and armed[0] == shard else None)
        return old

    def leave(self, shards: int) -> dict:
        """From now on workers are of a new cut, of which none runs yet; gives those of the old one."""
        old, self.workers = self.workers, {}
        self.revision += 1
        self.configuration |= {"shards": shards}
        return old

    def start(self, shard: int, failpoint: str | None = None):
        """Starts a worker for a shard, beside whatever runs for it."""
        self.workers[shard] = self._run(shard, failpoint=failpoint)
        return self.workers[shard]

    def _run(self, shard: int, *flags, failpoint: str | None = None):
        environment = self.environment | ({"SLUICE_FAILPOINT": failpoint} if failpoint else {})
        flags = ("--shard", shard, "--deployment-revision", self.revision, *flags)
        return self.ingest(self.configuration, *flags, environment=environment, wrapper=self.wrapper)

    def await_progress(self, lake, versions: int = 4):
        await_version(lake, self.workers[0], beyond=max(newest_version(lake), 0) + versions)

    def catch_up(self):
        """Ends all workers, and reads the topic to its end with new ones."""
        for worker in self.workers.values():
            worker.kill()
        last = [self._run(shard, "--until-caught-up") for shard in range(self.shards)]
        for worker in last:
            worker.succeed()


class Scorer:
    """The one worker of a scorer, process by process."""

    def __init__(self, configuration, score, *, environment, wrapper=()):
        self.configuration = configuration
        self.score = score
        self.environment = environment
        self.wrapper = wrapper
        self.worker = None

    def start(self, failpoint: str | None = None):
        """Starts a process, beside whatever runs."""
        self.worker = self._run(failpoint=failpoint)
        return self.worker

    def catch_up(self):
        """Ends the worker, and scores the topic to its end with a new one."""
        self.worker.kill()
        self._run("--until-caught-up").succeed()

    def _run(self, *flags, failpoint: str | None = None):
        environment = self.environment | ({"SLUICE_FAILPOINT": failpoint} if failpoint else {})
        rules = scorers.rule_set()
        return self.score(self.configuration, rules, *flags, environment=environment, wrapper=self.wrapper)
