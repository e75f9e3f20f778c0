"""Run a collection of analyses on one, two and four workers of a Dask cluster on this machine.

    uv run python tests/bench/collection.py [--analyses 48] [--rows 8] [--workers 1 2 4] [--record FILE]

A table with one outcome an analysis goes through `bayesrtw run --no-report --dask`; workers write the
results. Printed are seconds on the clock of the command, those until the first and the last result, and
seconds of processor time that the workers spent on an analysis, which other programs stretch less.
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
from distributed import Client, LocalCluster


def table(analyses, rows, seed=5):
    """Draw estimates, the same number for each outcome."""
    rng = np.random.default_rng(seed)
    count = analyses * rows
    se = rng.uniform(0.1, 0.3, count)
    return pd.DataFrame(
        {
            "study": [f"Study {place % rows}" for place in range(count)],
            "outcome": [f"outcome {place // rows:07d}" for place in range(count)],
            "effect": rng.normal(0.1, np.hypot(0.1, se)).round(4),
            "se": se.round(4),
        }
    )


def measured(path, out, workers):
    """What one run on a fresh cluster takes; every worker has loaded the libraries before."""
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=40
        ) as cluster,
        Client(cluster) as client,
    ):
        client.run(loaded)
        before = client.run(time.process_time)
        words = [
            sys.executable,
            "-m",
            "bayesrtw",
            "run",
            path,
            "--benefit",
            "higher",
            "--no-report",
        ]
        begun, start = time.time(), time.perf_counter()
        subprocess.run(
            list(map(str, [*words, "--out", out, "--dask", cluster.scheduler_address])),
            check=True,
            capture_output=True,
        )
        wall = time.perf_counter() - start
        spent = client.run(time.process_time)
    written = sorted(place.stat().st_mtime for place in out.glob("*/synthesis.json"))
    return {
        "workers": workers,
        "written": len(written),
        "wall": wall,
        "first": written[0] - begun,
        "last": written[-1] - begun,
        "cpu": sum(spent[name] - before[name] for name in spent) / len(written),
    }


def loaded():
    """Load in a worker what a run loads."""
    import bayesrtw.analysis.run  # noqa: PLC0415
    import bayesrtw.report.folder  # noqa: F401, PLC0415


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--analyses", type=int, default=48)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--record", type=Path, help="write the figures, dated, for the pages")
    options = parser.parse_args()
    found = []
    for workers in options.workers:
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "rows.csv"
            table(options.analyses, options.rows).to_csv(path, index=False)
            figure = measured(path, Path(place) / "results", workers)
        found.append({**figure, "load": round(os.getloadavg()[0], 1)})
        print({name: round(value, 2) for name, value in found[-1].items()}, flush=True)
    if options.record:
        record = {
            **dated(f"uv run python tests/bench/collection.py --analyses {options.analyses}"),
            "analyses": options.analyses,
            "rows": options.rows,
            "figures": found,
        }
        options.record.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    main()
