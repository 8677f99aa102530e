"""The Helm that `dev/charts install` has put into the cache."""

import os
import pathlib

import pytest


def helm_program() -> pathlib.Path:
    cache = pathlib.Path(os.environ.get("SLUICE_CACHE") or pathlib.Path.home() / ".cache/sluice")
    program = max(cache.glob("helm-*/helm"), default=None)
    if not program:
        pytest.fail(f"no helm in {cache}: run `dev/charts install`")
    return program
