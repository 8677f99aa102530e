"""Faults of every kind, a few at random: `make prove` runs the same by the dozen (`prove_faults.py`).

SLUICE_SEED repeats a run.
"""

import pytest


@pytest.mark.parametrize("place", ["disk", "bucket"])
def test_faults_of_every_kind_lose_and_double_nothing(trial, seed, place):
    one = trial(next(number for number in range(seed, seed + 3) if (number % 3 == 0) == (place == "bucket")))
    print(one.run())
