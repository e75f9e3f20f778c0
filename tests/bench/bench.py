"""Print the figures that the project promises: run with ``uv run python tests/bench/bench.py``.

Medians of several runs; processes are started afresh where the figure is that of a command.
"""

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import pandas as pd

import bayesrtw as brw


def median(action, repeats):
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def command(*words):
    return lambda: subprocess.run(
        [sys.executable, "-m", "bayesrtw", *words], check=True, capture_output=True
    )


def evidence(count):
    rng = np.random.default_rng(1)
    se = rng.uniform(0.1, 0.3, count)
    effect = rng.normal(0.1, np.hypot(0.2, se))
    names = [f"Study {place}" for place in range(count)]
    return brw.Evidence.from_frame(pd.DataFrame({"study": names, "effect": effect, "se": se}))


def main():
    model = brw.Model(
        terms=(
            brw.Intercept(brw.prior.Normal(0, 0.5)),
            brw.Exchangeable(brw.prior.HalfNormal(0.5)),
        )
    )
    rows = evidence(14)
    brw.summarise(brw.fit(model, rows))
    wide = evidence(100_000)
    figures = {
        "one exact fit with all summaries, k = 14 (ms)": 1e3
        * median(lambda: brw.summarise(brw.fit(model, rows)), 21),
        "pooled quantities, k = 100,000 (s)": median(
            lambda: brw.fit(model, wide, engine=brw.Exact(study_effects=False, draws=0)), 3
        ),
        "bayesrtw --help (s)": median(command("--help"), 5),
    }
    with tempfile.TemporaryDirectory() as out:
        figures["bayesrtw run, all shipped analyses (s)"] = median(command("run", "--out", out), 3)
    print(f"{platform.machine()}, Python {platform.python_version()}")
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}, indent=2))


if __name__ == "__main__":
    main()
