"""Waiting for what a cluster does in its own time."""

import time

# Generous: the machine may be compiling something else.
PATIENCE = 120


class Refused(Exception):
    """kubectl, Helm or the API server said no; holds what it said."""


def until(what: str, check, describe, patience: float = PATIENCE):
    """Repeats `check` until it gives something true; an object that is not there yet is not there yet. `describe` gives
    what a person would look at, should the time run out."""
    deadline = time.monotonic() + patience
    while True:
        try:
            last = check()
        except Refused as refused:
            result, last = None, refused
        else:
            result = last
        if result:
            return result
        assert time.monotonic() < deadline, f"no {what} after {patience} s: {last}\n{describe()}"
        time.sleep(0.3)
