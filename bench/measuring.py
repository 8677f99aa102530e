"""What a program takes, read from /proc: CPU time and main memory, with all its descendants."""

import dataclasses
import os
import pathlib
import platform
import time

_TICKS = os.sysconf("SC_CLK_TCK")
_MIB = 2**20
# A process that is being started still has the memory of its parent, and would make it count twice.
_YOUNG = 1.0


@dataclasses.dataclass
class Usage:
    """What a tree of processes has taken since its start."""

    cpu_seconds: float = 0.0
    peak_bytes: int = 0


@dataclasses.dataclass
class Process:
    """What the kernel says of a process."""

    parent: int
    state: str
    cpu_seconds: float
    started: float
    """Seconds after the boot."""


def _read_process(pid: int) -> Process | None:
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may have blanks of its own.
    fields = stat.rpartition(")")[2].split()
    ticks = sum(int(field) for field in fields[11:15])  # user and system time, its own and of reaped children
    return Process(int(fields[1]), fields[0], ticks / _TICKS, int(fields[19]) / _TICKS)


def _read_memory(pid: int) -> tuple[int, int]:
    """Resident bytes, now and at their highest; 0 of who has just ended."""
    found = {"VmRSS": 0, "VmHWM": 0}
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        lines = []
    for line in lines:
        name, _, value = line.partition(":")
        if name in found:
            found[name] = int(value.split()[0]) * 1024
    return found["VmRSS"], found["VmHWM"]


def family_of(root: int) -> dict[int, Process]:
    """A process and its descendants."""
    pids = (int(entry.name) for entry in pathlib.Path("/proc").iterdir() if entry.name.isdigit())
    processes = {pid: process for pid in pids if (process := _read_process(pid))}
    family, before = {root}, 0
    while len(family) > before:
        before = len(family)
        family |= {pid for pid, process in processes.items() if process.parent in family}
    return {pid: processes[pid] for pid in family if pid in processes}


class Meter:
    """Follows a program that this process has started and not waited for yet."""

    def __init__(self, pid: int):
        self.pid = pid
        self.usage = Usage()
        self.ended = False

    def read(self) -> Usage:
        """What it has taken until now. An ended program, until it is waited for, still tells its CPU time."""
        family = family_of(self.pid)
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        grown = (pid for pid, process in family.items() if pid == self.pid or now - process.started > _YOUNG)
        memory = [_read_memory(pid) for pid in grown]
        self.ended = self.pid not in family or family[self.pid].state == "Z"
        cpu_seconds = sum(process.cpu_seconds for process in family.values())
        peak = max([sum(resident for resident, _ in memory), *(highest for _, highest in memory)], default=0)
        self.usage = Usage(
            max(self.usage.cpu_seconds, cpu_seconds),
            max(self.usage.peak_bytes, peak),
        )
        return dataclasses.replace(self.usage)

    def read_until(self, is_reached, patience: float, every: float = 0.1) -> Usage:
        """Follows the program until it is so far, or has ended; fails when that takes too long."""
        deadline = time.monotonic() + patience
        while True:
            usage = self.read()
            if self.ended or is_reached():
                return usage
            assert time.monotonic() < deadline, f"process {self.pid} was not there after {patience:.0f} s"
            time.sleep(every)

    def read_to_end(self, patience: float) -> Usage:
        """Follows the program until it has ended."""
        return self.read_until(lambda: False, patience)


def machine() -> str:
    """The processors."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} x {model}"


def mebibytes(size: float) -> str:
    """A size as the tables show it."""
    return f"{size / _MIB:.0f} MiB"
