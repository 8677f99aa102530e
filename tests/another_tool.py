"""A program of somebody else's that changes a table beside its writers: `another_tool.py optimize|delete URI SEED`.

`delete` takes the first rows of a partition, and writes as JSON which. Either may lose races against the writers, and
tries again.
"""

import json
import random
import sys

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

ATTEMPTS = 30


def optimize(table: DeltaTable, _choices: random.Random) -> dict:
    return {"replaced": table.optimize.compact()["numFilesRemoved"]}


def delete(table: DeltaTable, choices: random.Random) -> dict:
    rows = table.to_pyarrow_table(columns=["partition", "offset"]).to_pylist()
    last = choices.choice(rows)
    table.delete(f'"partition" = {last["partition"]} AND "offset" <= {last["offset"]}')
    return last


def main(action: str, uri: str, seed: str):
    for attempt in range(ATTEMPTS):
        try:
            done = {"optimize": optimize, "delete": delete}[action](DeltaTable(uri), random.Random(f"{seed}-{attempt}"))
            return print(json.dumps(done))
        except CommitFailedError as error:
            print(error, file=sys.stderr)
    sys.exit(f"lost {ATTEMPTS} races")


if __name__ == "__main__":
    main(*sys.argv[1:])
