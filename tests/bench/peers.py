"""Other systems for Python and this package, side by side in one run: numbers, and what each takes.

    uv run --with pymare --with statsmodels python tests/bench/peers.py [--record FILE]

For the six data sets of ``tests/golden/bayesmeta_*.json``: pooled effect, standard error and tau^2 of PyMARE
as ratios to `bayesrtw.classical` (REML; PyMARE's standard error is that of Hartung and Knapp), of statsmodels
as ratios to Paule and Mandel's equation solved here; and processor time as a ratio to that of a whole
posterior of this package (`bayesrtw.fit` with draws, and `bayesrtw.summarise`).
"""

import argparse
import importlib.metadata
import json
import statistics
import time
from pathlib import Path

import numpy as np
import pandas as pd
from dated import dated

import bayesrtw as brw

GOLDEN = Path(__file__).parents[1] / "golden"

#: Runs of which the median counts.
REPEATS = 5


def pymare(effect, se):
    from pymare import Dataset  # noqa: PLC0415
    from pymare.estimators import VarianceBasedLikelihoodEstimator  # noqa: PLC0415

    data = Dataset(y=effect[:, None], v=(se**2)[:, None])
    found = VarianceBasedLikelihoodEstimator(method="REML").fit_dataset(data).summary()
    told = found.get_fe_stats()
    return [float(np.ravel(told[name])[0]) for name in ("est", "se")] + [
        float(np.ravel(found.tau2)[0])
    ]


def statsmodels(effect, se):
    from statsmodels.stats.meta_analysis import combine_effects  # noqa: PLC0415

    # Paule-Mandel, iterated, is what statsmodels has beside DerSimonian-Laird; it has no REML.
    found = combine_effects(effect, se**2, method_re="iterated", use_t=False)
    row = found.summary_frame().loc["random effect"]
    return [float(row["eff"]), float(row["sd_eff"]), float(found.tau2)]


def paule_mandel(effect, se):
    """What solves Q(tau^2) = k - 1, by bisection, to hold statsmodels against."""
    low, high = 0.0, 100.0 * float(np.var(effect) + np.max(se**2))
    for _ in range(200):
        middle = (low + high) / 2
        weight = 1 / (se**2 + middle)
        mean = weight @ effect / weight.sum()
        if weight @ (effect - mean) ** 2 > len(effect) - 1:
            low = middle
        else:
            high = middle
    weight = 1 / (se**2 + low)
    return [float(weight @ effect / weight.sum()), float(weight.sum() ** -0.5), low]


def spent(action):
    action()
    every = []
    for _ in range(REPEATS):
        begun = time.process_time()
        action()
        every.append(time.process_time() - begun)
    return statistics.median(every)


def compared(path):
    data = json.loads(path.read_text("utf-8"))["data"]
    effect, se = (np.array(data[name], dtype=float) for name in ("effect", "se"))
    names = [f"{place} {name}" for place, name in enumerate(data["studies"])]
    frame = pd.DataFrame({"study": names, "effect": effect, "se": se})
    evidence = brw.Evidence.from_frame(frame)
    scale = float(np.std(effect))
    spread = brw.Exchangeable(brw.prior.HalfNormal(scale))
    model = brw.Model(terms=(brw.Intercept(brw.prior.Flat()), spread))
    table = brw.classical(model, evidence)
    row = table.loc["REML, Hartung-Knapp"]
    ours = [float(row[name]) for name in ("estimate", "se", "tau2")]
    own = spent(lambda: brw.summarise(brw.fit(model, evidence)))
    for system, theirs, mine in (
        ("PyMARE, REML", pymare, ours),
        ("statsmodels, Paule-Mandel", statsmodels, paule_mandel(effect, se)),
    ):
        found = theirs(effect, se)
        ratios = [a / b if b else float(a == b) for a, b in zip(found, mine, strict=True)]
        yield {
            "data": path.stem.removeprefix("bayesmeta_"),
            "system": system,
            **dict(zip(("estimate", "se", "tau2"), ratios, strict=True)),
            "time": spent(lambda theirs=theirs: theirs(effect, se)) / own,
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", type=Path, help="write the figures, dated, for the pages")
    options = parser.parse_args()
    found = [row for path in sorted(GOLDEN.glob("bayesmeta_*.json")) for row in compared(path)]
    print(pd.DataFrame(found).round(6).to_string(index=False))
    if options.record:
        record = {
            **dated("uv run --with pymare --with statsmodels python tests/bench/peers.py"),
            "versions": {
                name: importlib.metadata.version(name) for name in ("pymare", "statsmodels")
            },
            "figures": found,
        }
        options.record.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
