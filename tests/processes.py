"""The programs under test, as child processes whose output is kept."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import requests

# Generous: the machine may be compiling something else.
PATIENCE = 240


class Program:
    """A running program of the workspace."""

    def __init__(self, arguments, log: pathlib.Path, environment=None, wrapper=(), cwd=None):
        self.arguments = [str(argument) for argument in arguments]
        self.log = log
        self._output = log.open("ab")
        self.process = subprocess.Popen(
            [*wrapper, *self.arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=cwd,
        )

    def output(self) -> str:
        """What it has written so far."""
        return self.log.read_text(errors="replace")

    def wait(self, patience: float = PATIENCE) -> int:
        """The exit code; the program is killed, and the test fails, if there is none in time."""
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            tail = "\n".join(self.output().splitlines()[-40:])
            raise AssertionError(f"still running after {patience} s: {' '.join(self.arguments)}\n{tail}") from None

    def succeed(self, patience: float = PATIENCE):
        """Waits, and fails the test unless the program ended well."""
        code = self.wait(patience)
        tail = "\n".join(self.output().splitlines()[-40:])
        assert code == 0, f"exit code {code}: {' '.join(self.arguments)}\n{tail}"

    def stop(self, patience: float = PATIENCE) -> int:
        """Asks it to end, as Kubernetes does."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(patience)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def is_running(self) -> bool:
        return self.process.poll() is None

    def await_output(self, text: str, patience: float = PATIENCE, times: int = 1):
        """Waits until the program has written this text, so many times."""
        deadline = time.monotonic() + patience
        while self.output().count(text) < times:
            assert self.is_running(), f'ended with {self.process.returncode} before "{text}":\n{self.output()[-4000:]}'
            assert time.monotonic() < deadline, f'no "{text}" after {patience} s:\n{self.output()[-4000:]}'
            time.sleep(0.1)

    def report(self) -> dict:
        """What a running worker says of itself."""
        found = re.search(r"address=(127\.0\.0\.1:\d+)", self.output())
        assert found, self.output()[-4000:]
        return requests.get(f"http://{found[1]}/report", timeout=10).json()

    def await_report(self, holds, what: str) -> dict:
        """The first report of a worker that holds."""
        self.await_output("serving /report")
        deadline = time.monotonic() + PATIENCE
        while True:
            assert self.is_running(), self.output()[-4000:]
            last = self.report()
            if holds(last):
                return last
            assert time.monotonic() < deadline, f"not {what} after {PATIENCE} s: {last}"
            time.sleep(0.1)

    def await_listening(self, address: str, patience: float = PATIENCE):
        """Waits until the program accepts connections."""
        host, port = address.rsplit(":", 1)
        deadline = time.monotonic() + patience
        while True:
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
                return
            except OSError:
                assert self.is_running(), f"ended with {self.process.returncode}:\n{self.output()[-4000:]}"
                assert time.monotonic() < deadline, f"nothing listens on {address}:\n{self.output()[-4000:]}"
                time.sleep(0.1)

    def await_problem(self, address: str, patience: float = PATIENCE) -> dict:
        """Waits until the worker that reports at this address tells of a problem; gives the first."""
        deadline = time.monotonic() + patience
        while True:
            problems = requests.get(f"http://{address}/report", timeout=10).json()["problems"]
            if problems:
                return problems[0]
            assert self.is_running(), f"ended with {self.process.returncode}:\n{self.output()[-4000:]}"
            assert time.monotonic() < deadline, f"no problem is told after {patience} s:\n{self.output()[-4000:]}"
            time.sleep(0.2)
