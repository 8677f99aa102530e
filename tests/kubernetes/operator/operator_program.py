"""The real operator, as a child process."""

import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from control_plane import PATIENCE, ControlPlane

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROGRAMS = pathlib.Path.home() / ".cache/sluice/target/debug"


class Operator:
    """The real operator, as a child process."""

    def __init__(self, plane: ControlPlane, folder: pathlib.Path, environment: dict[str, str] | None = None):
        self.plane = plane
        self.environment = environment or {}
        self.folder = folder
        self.process = None
        self.starts = 0

    def start(self, *flags):
        program = pathlib.Path(os.environ.get("SLUICE_BIN") or PROGRAMS) / "sluice-operator"
        if not program.exists():
            pytest.fail(f"{program} does not exist: run `make build`, or set SLUICE_BIN to the folder of the programs")
        self.starts += 1
        self.log = self.folder / f"operator-{self.starts}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [program, "--listen=127.0.0.1:0", "--log-format=json", *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment, "KUBECONFIG": self.plane.kubeconfig},
            )
        return self

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def address(self) -> str:
        """Where it serves, from its log."""
        return self.until("address", lambda: _field(self.output(), "address"))

    def fetch(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{self.address()}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def until_ready(self):
        self.until("readiness", lambda: self.fetch("/readyz")[0] == 200)
        return self

    def until(self, what: str, check, patience: float = PATIENCE):
        deadline = time.monotonic() + patience
        while True:
            try:
                result = check()
            except OSError:
                result = None
            if result:
                return result
            assert self.process.poll() is None, f"the operator has ended:\n{self.output()[-4000:]}"
            assert time.monotonic() < deadline, f"no {what} after {patience} s:\n{self.output()[-4000:]}"
            time.sleep(0.2)

    def peak_memory(self) -> int:
        """The most that it has held in memory, in bytes."""
        (line,) = re.findall(r"VmHWM:\s+(\d+) kB", self._proc("status"))
        return int(line) * 1024

    def cpu_seconds(self) -> float:
        user, system = self._proc("stat").rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def _proc(self, file: str) -> str:
        return pathlib.Path(f"/proc/{self.process.pid}/{file}").read_text()

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def _field(log: str, name: str) -> str | None:
    for line in log.splitlines():
        if line.startswith("{") and name in json.loads(line):
            return json.loads(line)[name]
    return None
