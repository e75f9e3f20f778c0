"""Break updates on purpose, and look at what is left.

    uv run python tests/faults/faults.py [--kills 200] [--pairs 50] [--steps 24] [--figures]

Kills, concurrent writers, full and read-only disks, and a clock that goes back. Every update runs in a
process of its own, forked from one that has loaded the libraries, so that a SIGKILL falls into the work and
not into the loading. Without --figures, pictures are stand-ins of the same order of size. A full disk is a
small tmpfs where the user may mount one, else a limit on the size of files.
"""

import argparse
import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import xarray as xr

import bayesrtw.cli as one_thread  # keeps linear algebra to one thread, so that forks are safe
from bayesrtw.living import inputs, journal, refit, store, update, verify
from bayesrtw.plot import figure
from bayesrtw.report import figures as drawn
from bayesrtw.report import render

TOML = """
schema = 1
id = "mine"
title = "Mine"
question = "Does it?"
seed = 7

[evidence]
dataset = "mine.csv"
measure = "log_hazard_ratio"

[[term]]
kind = "intercept"
prior = { kind = "normal", sd = 0.5 }

[[term]]
kind = "exchangeable"
tau = { kind = "half_normal", scale = 0.25 }

[engine]
kind = "exact"
draws = 100
"""

assert one_thread

#: A stand-in for a picture.
PICTURE = b"x" * 100_000


def stand_ins(*, posterior):
    """Draw nothing, and write as much; the same for the posterior if asked."""
    drawn.figures = drawn.forests = lambda *_: {
        "forest": SimpleNamespace(figure=None, file="forest", svg=PICTURE)
    }
    figure.figure_bytes = lambda *_: PICTURE
    render.page = lambda _, content, *__: render.render_html(content, [])
    if posterior:
        xr.DataTree.to_netcdf = lambda *_, **__: memoryview(PICTURE)


class Bench:
    """An analysis whose evidence has as many states as are wanted, and its store."""

    def __init__(self, folder, place=None):
        self.folder = folder
        self.store = (place or folder) / "store"
        (folder / "mine.toml").write_text(TOML)
        self.task = update.Task(
            name=str(folder / "mine.toml"),
            store=self.store,
            evidence=folder / "mine.csv",
            wait=60.0,
        )

    def state(self, number):
        """Give the evidence one study of its own."""
        rows = [f"S{i},log_hazard_ratio,{0.05 * i},0.1" for i in range(5)]
        rows.append(f"N{number},log_hazard_ratio,{0.1 + 0.001 * number},0.12")
        draft = self.folder / "mine.csv.draft"
        draft.write_text("study,measure,effect,se\n" + "\n".join(rows) + "\n")
        draft.replace(self.folder / "mine.csv")

    def names(self):
        return store.run_names(store.Store(self.store), "mine")

    def faults(self):
        """Faults of the store; notes are leftovers, which the next writer removes."""
        return [
            str(each)
            for each in verify.verify(store.open_store(self.store))
            if each.severity == "fault"
        ]

    def leftovers(self):
        return [
            item
            for item in (self.store / "runs" / "mine").iterdir()
            if store.PARTIAL.fullmatch(item.name)
        ]

    def right(self, number):
        """Whether the last run is of the present state of the evidence."""
        last = store.find_run(store.open_store(self.store), "mine")
        return f"N{number}" in (last.folder / "rows.json").read_text()


def child(task, before=lambda: None):
    """Update in a process of its own; its exit status is the code of the outcome, 99 for a traceback."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        before()
        outcome = update.renew(task)
        code = outcome.code
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(pid):
    """Wait for a child: its exit status, or the negative of the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def timed(bench):
    begin = time.monotonic()
    code = ended(child(bench.task))
    assert code in (0, 10, 20, 30), code
    return time.monotonic() - begin


def kills(folder, count, seed=1):
    """Kill updates at random instants; then let the next one finish."""
    bench, rng = Bench(folder), random.Random(seed)
    bench.state(0)
    timed(bench)
    bench.state(1)
    usual = timed(bench)
    kept = list(bench.names())
    tally = Counter()
    for number in range(2, count + 2):
        bench.state(number)
        pid = child(bench.task)
        time.sleep(rng.uniform(0, 1.1 * usual))
        os.kill(pid, signal.SIGKILL)
        tally["ended before" if ended(pid) >= 0 else "killed"] += 1
        now = list(bench.names())
        tally["lost"] += now[: len(kept)] != kept
        tally["half visible"] += bool(bench.faults())
        tally["unfinished folders left"] += len(bench.leftovers())
        tally["whole run was there"] += len(now) > len(kept)
        timed(bench)
        kept = list(bench.names())
        tally["next run right"] += bench.right(number) and not bench.leftovers()
    tally["faults at the end"] = len(bench.faults())
    tally["runs"] = len(kept)
    tally["runs expected"] = count + 2
    return dict(tally)


def pairs(folder, count):
    """Start two updates of one analysis at once: one stores the run, the other finds it."""
    bench, tally = Bench(folder), Counter()
    for number in range(count):
        bench.state(number)
        codes = [ended(pid) for pid in [child(bench.task), child(bench.task)]]
        tally["failed"] += sum(code not in (0, 10, 20, 30) for code in codes)
        tally["one run each"] += len(bench.names()) == number + 1
        tally["right"] += bench.right(number)
    tally["faults at the end"] = len(bench.faults())
    tally["unfinished folders left"] = len(bench.leftovers())
    return dict(tally)


@contextlib.contextmanager
def small_disk(folder, size):
    """Mount a small tmpfs; yields None where the user may not."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = (
        shutil.which("mount")
        and subprocess.run(words, capture_output=True, check=False).returncode == 0
    )
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


def full_disk(folder, steps):
    """Let the disk fill up at many points of an update."""
    with small_disk(folder / "disk", "64m") as place:
        bench, tally = Bench(folder, place), Counter()
        tally["by"] = "tmpfs" if place else "RLIMIT_FSIZE"
        bench.state(0)
        timed(bench)
        size = sum(path.stat().st_size for path in bench.store.rglob("*") if path.is_file())
        kept = list(bench.names())
        ballast = bench.store.parent / "ballast"
        for step in range(steps):
            bench.state(step + 1)
            room = int(size * 1.1 * step / steps)
            if place:
                _fill_up(ballast, room)
                code = ended(child(bench.task))
                ballast.unlink()
            else:
                limit = partial(_limit, room // 2)
                code = ended(child(bench.task, limit))
            tally["said so with code 1" if code == 1 else f"code {code}"] += 1
            tally["lost"] += list(bench.names())[: len(kept)] != kept
            tally["half visible"] += bool(bench.faults())
            timed(bench)
            kept = list(bench.names())
            tally["next run right"] += bench.right(step + 1) and not bench.leftovers()
        return dict(tally)


def _limit(size):
    """Refuse files above a size; Python ignores the signal that comes with it."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _fill_up(path, room):
    """Write until the disk is full, and give some room back."""
    with path.open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(b"0" * 65536)
            file.flush()
    os.truncate(path, max(0, path.stat().st_size - room))


def read_only(folder):
    """Update a store that nobody may write to."""
    with small_disk(folder / "disk", "16m") as place:
        bench, tally = Bench(folder, place), {"by": "tmpfs" if place else "permissions"}
        bench.state(0)
        timed(bench)
        before = sorted(bench.store.rglob("*"))
        bench.state(1)
        if place:
            subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        else:
            for path in [bench.store, *before]:
                path.chmod(path.stat().st_mode & 0o555)
        tally["codes"] = [ended(child(bench.task)) for _ in range(2)]
        tally["changed"] = sorted(bench.store.rglob("*")) != before
        tally["faults"] = len(bench.faults())
        if place:
            subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
        else:
            for path in [bench.store, *before]:
                path.chmod(path.stat().st_mode | 0o700)
        timed(bench)
        tally["next run right"] = bench.right(1)
        return tally


def clock_back(folder):
    """Let the clock go back ten years between updates, and forth again."""
    bench = Bench(folder)
    dates = ["2026-01-01T00:00:00+00:00", "2016-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"]
    real, places = store.now, []

    try:
        for number, date in enumerate(dates):
            bench.state(number)
            for module in (store, journal, refit):
                module.now = lambda date=date: date
            timed(bench)
            places.append(bench.right(number))
    finally:
        for module in (store, journal, refit):
            module.now = real
    runs = store.runs(store.open_store(bench.store), "mine")
    return {
        "last run right each time": places,
        "dates in order of the series": [str(run.manifest["created"])[:4] for run in runs],
        "faults": len(bench.faults()),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--figures", action="store_true")
    parser.add_argument("--light", action="store_true", help="stand-ins for posteriors too")
    options = parser.parse_args()
    inputs.software(
        ()
    )  # A tree that somebody edits meanwhile is named, and no run more is due for it.
    if not options.figures:
        stand_ins(posterior=options.light)
    for name, work in (
        (f"{options.kills} kills", lambda folder: kills(folder, options.kills)),
        (
            f"{options.pairs} pairs of concurrent updates",
            lambda folder: pairs(folder, options.pairs),
        ),
        (f"disk full at {options.steps} points", lambda folder: full_disk(folder, options.steps)),
        ("read-only store", read_only),
        ("clock goes back", clock_back),
    ):
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            found = work(Path(folder))
        seconds = time.monotonic() - begin
        print(json.dumps({"fault": name, "seconds": round(seconds), **found}), flush=True)


if __name__ == "__main__":
    main()
