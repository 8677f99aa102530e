"""Where the lakes of trials lie: on a disk, or in a bucket, each with its own way to fail."""

import pathlib
import re

from object_storage import Bucket
from small_disk import Misbehaviour, SmallDisk

_ENTRY = re.compile(r"_delta_log/(\d{20})\.json$")
_TROUBLE = 0.08
# A trial is too short for upkeep to delete much, and writes half a GiB in two minutes where the machine is slow.
_ROOM = "8g"


class OnDisk:
    """A lake on a small disk."""

    name = "disk"
    commit = {"everyMs": 50, "maxBytes": 64 * 2**20}
    troubles = (
        "failing disk",
        "disk that works and says it failed",
        "slow disk",
        "full disk",
        "read-only disk",
    )

    def __init__(self, folder: pathlib.Path, seed: int):
        self.disk = SmallDisk(folder / "disk", _ROOM)
        self.misbehaviour = Misbehaviour(self.disk.folder, folder)
        self.uri = f"file://{self.disk.folder}/lake"
        self.folder = self.disk.seen_from_outside / "lake"
        self.environment = self.misbehaviour.environment
        self.wrapper = self.disk.enter()
        self.back_door = {}

    def newest_version(self, table: str) -> int:
        log = self.folder / table / "_delta_log"
        files = log.iterdir() if log.is_dir() else ()
        return _newest(str(file) for file in files)

    def has_version(self, table: str, version: int) -> bool:
        return (self.folder / _entry(table, version)).exists()

    def trouble(self) -> dict:
        """How each of the troubles begins. They end by `heal`."""
        begin = self.misbehaviour.begin
        return dict(
            zip(
                self.troubles,
                (
                    lambda: begin(fails_before=_TROUBLE),
                    lambda: begin(fails_after=_TROUBLE),
                    lambda: begin(slow=3 * _TROUBLE),
                    self.disk.fill,
                    self.disk.make_read_only,
                ),
            )
        )

    def heal(self):
        self.misbehaviour.begin()
        self.disk.heal()

    def fired(self) -> dict:
        """How often each of those has happened that happen by chance."""
        return dict(zip(self.troubles, self.misbehaviour.fired().values()))

    def copy(self, folder: pathlib.Path) -> pathlib.Path:
        self.disk.copy_to(folder)
        return folder / "lake"

    def close(self):
        self.disk.close()


class InBucket:
    """A lake in a bucket."""

    name = "bucket"
    commit = {"everyMs": 2000, "maxBytes": 64 * 2**20}
    troubles = ("failing bucket", "bucket that works and says it failed", "slow bucket")
    wrapper = ()

    def __init__(self, folder: pathlib.Path, seed: int):
        self.bucket = Bucket(seed)
        self.uri = self.bucket.uri
        self.environment = self.bucket.environment()
        # What other tools use is not disturbed.
        self.back_door = self.environment | {"AWS_ENDPOINT_URL": f"http://{self.bucket.host}:{self.bucket.port}"}

    def newest_version(self, table: str) -> int:
        return _newest(self.bucket.keys(f"{table}/_delta_log/"))

    def has_version(self, table: str, version: int) -> bool:
        return self.bucket.has(_entry(table, version))

    def trouble(self) -> dict:
        door = self.bucket.door
        return dict(
            zip(
                self.troubles,
                (
                    lambda: door.misbehave(refused_before=3 * _TROUBLE),
                    lambda: door.misbehave(error_after=_TROUBLE, cut_after=_TROUBLE),
                    lambda: door.misbehave(slow=_TROUBLE),
                ),
            )
        )

    def heal(self):
        self.bucket.door.misbehave()

    def fired(self) -> dict:
        fired = self.bucket.door.fired
        counts = (fired["refused_before"], fired["error_after"] + fired["cut_after"], fired["slow"])
        return dict(zip(self.troubles, counts))

    def copy(self, folder: pathlib.Path) -> pathlib.Path:
        return self.bucket.download(folder)

    def close(self):
        self.bucket.stop()


PLACES = {place.name: place for place in (OnDisk, InBucket)}


def _entry(table: str, version: int) -> str:
    return f"{table}/_delta_log/{version:020}.json"


def _newest(names) -> int:
    """The newest version that one of these names is the log entry of; -1 for none."""
    return max((int(found[1]) for name in names if (found := _ENTRY.search(name))), default=-1)
