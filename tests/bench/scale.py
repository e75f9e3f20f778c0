"""Hold the commands against the promised growth: time, memory and bytes, each case in a process of its own.

    uv run python tests/bench/scale.py [CASE ...] [--cochrane rows.csv.gz] [--json]

Time is that of the processor (the process and its children), memory the largest resident set of one of
them; bytes are those of the page and of the document. Cases are named as ``--help`` lists them. Python's
compiled files are kept, as where the package is installed; a first run that does not count makes them.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from dated import dated

HERE = Path(__file__).parent

#: The environment of every run.
KEPT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

#: The most bytes of a page and of a document, at any number of studies.
PAGE, DOCUMENT = 5e6, 20e6


def rows(count, *, designs=False, each=1, seed=1):
    """Draw estimates; `each` of them a study."""
    rng = np.random.default_rng(seed)
    se = rng.uniform(0.1, 0.3, count)
    own = np.repeat(rng.normal(0.0, 0.15, -(-count // each)), each)[:count]
    frame = {
        "study": [f"Study {place // each}" for place in range(count)],
        "effect": rng.normal(0.1 + own, np.hypot(0.1, se)).round(4),
        "se": se.round(4),
    }
    if designs:
        frame["design"] = ["cohort" if place % 2 else "rct" for place in range(count)]
    return pd.DataFrame(frame)


def run(*options):
    return lambda folder: [
        [sys.executable, "-m", "bayesrtw", "run", "--evidence", folder / "rows.csv",
         "--out", folder / "results", "--benefit", "higher", *options]
    ]  # fmt: skip


def check_and_run(folder):
    return [
        [sys.executable, "-m", "bayesrtw", "check", folder / "rows.csv", "--benefit", "higher"],
        *run("--no-report")(folder),
    ]


#: Case: how its rows are made, what is run, seconds and megabytes that are promised.
CASES = {
    "first answer, 10 rows, no report": (lambda: rows(10), run("--no-report"), 2.5, 500),
    "first answer, 10 rows": (lambda: rows(10), run(), 5, 500),
    "30 rows, half cohorts": (lambda: rows(30, designs=True), run(), 10, 500),
    "100 rows, half cohorts": (lambda: rows(100, designs=True), run(), 20, 600),
    "500 studies": (lambda: rows(500), run(), 25, 1000),
    "1,000 studies": (lambda: rows(1_000), run(), 25, 1000),
    "200 studies x 2 rows, three levels": (lambda: rows(400, each=2), run(), 20, 700),
    "10,000 rows, no report": (lambda: rows(10_000), run("--no-report"), 15, 1000),
    "100,000 rows, check and run, no report": (lambda: rows(100_000), check_and_run, 20, 1500),
}


def measured(commands):
    """Seconds of CPU, seconds on the clock, megabytes at the peak, and how it ended."""
    begun, spent, peak, code = time.perf_counter(), 0.0, 0.0, 0
    for command in commands:
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                list(map(str, command)), stdout=subprocess.DEVNULL, stderr=said, env=KEPT
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            spent += usage.ru_utime + usage.ru_stime
            peak = max(peak, usage.ru_maxrss / 1024)
            if process.returncode:
                said.seek(0)
                print(said.read()[-2000:].decode(errors="replace"), file=sys.stderr)
                code = process.returncode
    return spent, time.perf_counter() - begun, peak, code


def sizes(folder):
    """Megabytes of all pages of analyses and of all documents."""
    return [
        sum(path.stat().st_size for path in folder.glob(f"results/*/{name}")) / 1e6
        for name in ("report.html", "synthesis.json")
    ]


def found(names, cochrane):
    """Run each case in a folder of its own, after one that loads all there is."""
    with tempfile.TemporaryDirectory() as place:
        rows(10, designs=True).to_csv(Path(place) / "rows.csv", index=False)
        measured(run()(Path(place)))
    for name in names:
        make, commands, seconds, megabytes = CASES[name]
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            make().to_csv(folder / "rows.csv", index=False)
            cpu, wall, peak, code = measured(commands(folder))
            page, document = sizes(folder)
        yield {
            "case": name, "cpu": cpu, "wall": wall, "memory": peak, "page": page, "document": document,
            "code": code, "seconds": seconds, "megabytes": megabytes,
        }  # fmt: skip
    for name, words, seconds, megabytes in (
        ("97 Cochrane reviews, normal likelihood", [], 10, 1000),
        ("97 Cochrane reviews, exact likelihoods of counts", ["--exact"], 120, 1500),
    ):
        if cochrane:
            cpu, wall, peak, code = measured(
                [[sys.executable, HERE / "corpus.py", cochrane, *words]]
            )
            yield {
                "case": name, "cpu": cpu, "wall": wall, "memory": peak, "page": 0.0, "document": 0.0,
                "code": code, "seconds": seconds, "megabytes": megabytes,
            }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", nargs="*", help=f"part of a name; all if none: {'; '.join(CASES)}")
    parser.add_argument("--cochrane", type=Path, help="rows of the Cochrane reviews, see corpus.py")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, dated")
    options = parser.parse_args()
    names = [
        name for name in CASES if not options.case or any(part in name for part in options.case)
    ]
    if options.cochrane and not options.case:
        names = list(CASES)
    kept = []
    for figure in found(names, options.cochrane):
        kept.append(figure)
        print(
            f"{figure['case']:48} {figure['cpu']:7.1f} s ({figure['wall']:.1f} on the clock, <= "
            f"{figure['seconds']:g}) {figure['memory']:6.0f} MB (<= {figure['megabytes']:g})  page "
            f"{figure['page']:5.2f} MB, document {figure['document']:5.2f} MB  code {figure['code']}",
            file=sys.stderr if options.json else sys.stdout,
            flush=True,
        )
    if options.json:
        record = {
            **dated("uv run python tests/bench/scale.py"),
            "figures": kept,
        }
        print(json.dumps(record, indent=1))
    return any(
        figure["code"] or figure["page"] * 1e6 > PAGE or figure["document"] * 1e6 > DOCUMENT
        for figure in kept
    )


if __name__ == "__main__":
    sys.exit(main())
