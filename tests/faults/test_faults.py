"""What is left of a store after kills, concurrent writers, full and read-only disks: everything.

The small version always runs; the full one prints its figures: ``uv run pytest -m slow tests/faults -s``.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes to kill them")

SCRIPT = Path(__file__).with_name("faults.py")


def figures(**options):
    words = [f"--{name}={value}" for name, value in options.items()]
    words += ["--light"] if options["kills"] < 10 else []
    run = subprocess.run(
        [sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=True
    )
    print(run.stdout)
    return [json.loads(line) for line in run.stdout.splitlines()]


def hold(found, kills, pairs, steps):
    killed, paired, full, only, clock = found
    assert (
        killed["killed"] + killed.get("ended before", 0) == kills
    )  # counts of nothing are left out
    assert killed["next run right"] == kills
    assert killed["runs"] == killed["runs expected"]
    assert killed["lost"] == killed["half visible"] == killed["faults at the end"] == 0
    assert paired["one run each"] == paired["right"] == pairs
    assert paired["failed"] == paired["faults at the end"] == paired["unfinished folders left"] == 0
    assert full["next run right"] == steps
    assert full["lost"] == full["half visible"] == 0
    assert full["said so with code 1"] > 0
    codes = {name for name in full if name.startswith("code ")}
    assert codes <= {"code 0", "code 10", "code 20", "code 30"}  # those that had room enough
    assert only["codes"] == [1, 1]
    assert only["changed"] is False
    assert only["next run right"] is True
    assert clock["last run right each time"] == [True, True, True]
    assert clock["dates in order of the series"] == ["2026", "2016", "2026"]
    assert only["faults"] == clock["faults"] == 0


def test_a_few_of_every_fault():
    hold(figures(kills=2, pairs=1, steps=2), 2, 1, 2)


@pytest.mark.slow
def test_all_faults():
    hold(figures(kills=200, pairs=50, steps=24), 200, 50, 24)
