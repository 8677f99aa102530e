"""A program of somebody else's that changes a table beside its writers: `another_tool.py optimize|delete URI SEED`.

`delete` takes the first rows of a partition, and writes as JSON which. It may lose the races against the writers: then
it exits with 3.
"""

import json
import random
import sys

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

LOST = 3


def optimize(table: DeltaTable, _choices: random.Random) -> dict:
    return {"replaced": table.optimize.compact()["numFilesRemoved"]}


def delete(table: DeltaTable, choices: random.Random) -> dict:
    rows = table.to_pyarrow_table(columns=["partition", "offset"]).to_pylist()
    last = choices.choice(rows)
    table.delete(f'"partition" = {last["partition"]} AND "offset" <= {last["offset"]}')
    return last


def main(action: str, uri: str, seed: str):
    try:
        done = {"optimize": optimize, "delete": delete}[action](DeltaTable(uri), random.Random(seed))
    except CommitFailedError as error:
        print(error, file=sys.stderr)
        sys.exit(LOST)
    print(json.dumps(done))


if __name__ == "__main__":
    main(*sys.argv[1:])
