"""The tables of RESULTS.md: one line for each run, below the heading that explains the figures."""

import argparse
import datetime
import os
import pathlib
import subprocess
import sys

import measuring

RESULTS = pathlib.Path(__file__).with_name("RESULTS.md")


class Run:
    """What a line says of the run as a whole; made before the first thing starts."""

    def __init__(self, arguments: argparse.Namespace):
        self.dry_run = arguments.dry_run
        command = " ".join(["dev/bench", pathlib.Path(sys.argv[0]).stem, *sys.argv[1:]])
        commit = subprocess.run(
            ["git", "-C", RESULTS.parent, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
        )
        self.facts = {
            "date (UTC)": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M}",
            "commit": commit.stdout.strip() or "?",
            "machine": measuring.machine(),
            "load before": f"{os.getloadavg()[0]:.1f}",
            "command": command,
        }

    def record(self, heading: str, figures: dict[str, str]):
        """Prints the line, and appends it to the table below this heading."""
        line = self.facts | figures
        for name, value in line.items():
            print(f"{name}: {value}")
        if not self.dry_run:
            RESULTS.write_text(append(RESULTS.read_text(), heading, line))


def append(text: str, heading: str, line: dict[str, str]) -> str:
    """The page with one more line in the table below a heading."""
    lines = text.splitlines()
    columns = _row(line)
    head = f"## {heading}"
    if head not in lines:
        sys.exit(f"error: {RESULTS} has no heading `{head}`: add it, with a table of the columns {columns}")
    start = lines.index(head) + 1
    end = next((at for at in range(start, len(lines)) if lines[at].startswith("## ")), len(lines))
    if columns not in lines[start:end]:
        sys.exit(f"error: {RESULTS} has no table below `{head}` with these columns; add its head: {columns}")
    last = lines.index(columns, start) + 1
    while last + 1 < end and lines[last + 1].startswith("|"):
        last += 1
    lines.insert(last + 1, _row(line.values()))
    return "\n".join(lines) + "\n"


def _row(cells) -> str:
    return f"| {' | '.join(cells)} |"
