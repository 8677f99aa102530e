"""A file system of a given size that can fill up, turn read-only, fail and be slow, and that only its programs see."""

import os
import pathlib
import shutil
import subprocess
import time

from preloaded import compiled

# What can happen to a call that makes a file durable or gives it its name, other than that it works.
FAULTS = ("fails_before", "fails_after", "slow")

# So many seconds programs may write so much that their disk cannot be remounted.
REFUSALS = 30


class SmallDisk:
    """A file system in a mount namespace of its own, which a sleeping process holds open."""

    def __init__(self, folder: pathlib.Path, size: str):
        self.folder = folder
        folder.mkdir()
        self._size = size
        unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
        script = f"mount -t tmpfs -o size={size} tmpfs '{folder}' && echo ready && exec sleep infinity"
        self._holder = subprocess.Popen(
            [*unshare, "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        if self._holder.stdout.readline() != "ready\n":
            raise AssertionError(
                f"no right to mount a tmpfs in a namespace of its own ({self._holder.stderr.read().strip()}): run the "
                "tests as root (`sudo -E make test`; in a container it needs CAP_SYS_ADMIN), or allow everybody to: "
                "`sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`"
            )

    @property
    def seen_from_outside(self) -> pathlib.Path:
        """Where this process finds what is in the folder."""
        return pathlib.Path(f"/proc/{self._holder.pid}/root{self.folder}")

    def enter(self) -> list:
        """A command prefix that runs a program where the file system is visible."""
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", "--target", str(self._holder.pid), *user, "--mount"]

    def resize(self, size: str):
        self._remount(f"size={size}")

    def fill(self):
        """From now on there is no room for another page."""
        # Refused when somebody has written meanwhile.
        self._remount_as_soon_as_possible(lambda: f"size={shutil.disk_usage(self.seen_from_outside).used}")

    def make_read_only(self):
        """From now on nothing can be written."""
        # Refused while a file is being written.
        self._remount_as_soon_as_possible(lambda: "ro")

    def heal(self):
        """Room and rights are back."""
        self._remount(f"rw,size={self._size}")

    def _remount_as_soon_as_possible(self, options):
        deadline = time.monotonic() + REFUSALS
        while True:
            try:
                return self._remount(options())
            except subprocess.CalledProcessError as refused:
                assert time.monotonic() < deadline, f"no remount after {REFUSALS} s: {refused.stderr}"
                time.sleep(0.001)

    def _remount(self, options: str):
        # With the name of the source the options of the mount are not given again: as another user they are refused.
        command = ["mount", "-o", f"remount,{options}", "tmpfs", str(self.folder)]
        subprocess.run([*self.enter(), *command], check=True, capture_output=True, text=True)

    def copy_to(self, folder: pathlib.Path):
        shutil.copytree(self.seen_from_outside, folder)

    def close(self):
        self._holder.kill()
        self._holder.wait()


class Misbehaviour:
    """Lets system calls of programs on files below a folder fail with EIO, before they worked or after, or wait."""

    def __init__(self, below: pathlib.Path, folder: pathlib.Path):
        self._chances, self._fired = folder / "misbehaviour", folder / "misbehaviour.fired"
        self._fired.touch()
        self.environment = {
            "LD_PRELOAD": compiled("faulty_disk.c", folder),
            "FAULTY_DISK_BELOW": str(below),
            "FAULTY_DISK_CHANCES": str(self._chances),
            "FAULTY_DISK_FIRED": str(self._fired),
        }
        self.begin()

    def begin(self, **chances: float):
        """From now on calls meet faults, each with its chance; none is named: no faults."""
        text = " ".join(str(chances.get(fault, 0.0)) for fault in FAULTS)
        staged = self._chances.with_suffix(".new")
        staged.write_text(text)
        staged.rename(self._chances)

    def fired(self) -> dict:
        """How often each fault has happened."""
        letters = self._fired.read_text()
        return {fault: letters.count(str(number)) for number, fault in enumerate(FAULTS)}
