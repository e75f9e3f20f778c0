"""Print the figures that the project promises beside their targets.

Run with ``uv run python tests/bench/bench.py``; ``--json`` prints them as JSON with the day, ``--long`` adds
sampling and the command that runs every shipped analysis. Medians of several runs in a warm process, wall
and CPU time; processes are started afresh where the figure is that of a command.
"""

import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from dated import dated

import bayesrtw as brw
from bayesrtw.decision.baseline import StatedBaseline
from bayesrtw.decision.cost_stakes import Amount, Option, Stakes
from bayesrtw.decision.voi import ahead
from bayesrtw.engine import solve as solve_model
from bayesrtw.engine.batch import batch_of, solve
from bayesrtw.engine.integrate import integrate
from bayesrtw.engine.problem import pose
from bayesrtw.model.design import build
from bayesrtw.question.sensitivity import leave_one_out, prior_sensitivity

prior = brw.prior
GOLDEN = Path(__file__).parents[1] / "golden"


def median(action, repeats):
    """Median wall and CPU seconds, after one run that is not counted."""
    action()
    wall, cpu = [], []
    for _ in range(repeats):
        begin, spent = time.perf_counter(), time.process_time()
        action()
        wall.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - spent)
    return statistics.median(wall), statistics.median(cpu)


def command(*words):
    return lambda: subprocess.run(
        [sys.executable, "-m", "bayesrtw", *words], check=True, capture_output=True
    )


def evidence(count, seed=1, measure="generic"):
    rng = np.random.default_rng(seed)
    se = rng.uniform(0.1, 0.3, count)
    effect = rng.normal(0.1, np.hypot(0.2, se))
    names = [f"Study {place}" for place in range(count)]
    frame = {"study": names, "effect": effect, "se": se}
    frame["site"] = [f"Site {place // 2}" for place in range(count)]
    frame["trial_family"] = [f"Family {place // 10}" for place in range(count)]
    return brw.Evidence.from_frame(pd.DataFrame(frame), measure=measure, benefit="higher")


def model(*by):
    spread = [
        brw.Exchangeable(prior.HalfNormal(0.5), by=column, name=f"tau_{column or 'own'}")
        for column in by or ("",)
    ]
    return brw.Model(terms=(brw.Intercept(prior.Normal(0, 0.5)), *spread))


def panel():
    scales = [0.05 * (place + 1) for place in range(10)]
    return (
        {f"half-normal {scale:g}": prior.HalfNormal(scale) for scale in scales}
        | {f"half-Cauchy {scale:g}": prior.HalfCauchy(scale) for scale in scales[:5]}
        | {f"inverse gamma {shape:g}": prior.InverseGamma(1 + shape, 0.3) for shape in scales[:5]}
    )


def next_trials(counted):
    """Find what 20,000 next trials are worth, each with its exact posterior."""
    option = (Option(name="programme", cost=Amount(mean=900)),)
    stakes = Stakes(currency="EUR", source="made up", day=Amount(mean=150), option=option)
    base = StatedBaseline(risk=0.5, day=90, shape=0.6, source="made up")
    if not counted:
        rows = evidence(14, measure="log_hazard_ratio")
        told = ahead(model(), rows, stakes, base)
        result = told.setting.results(0.2, 20_000)
        return lambda: told.net(0.2, result)
    rng = np.random.default_rng(3)
    frame = {"study": [f"Study {place}" for place in range(14)]}
    frame |= {"events_t": rng.binomial(60, 0.56, 14), "n_t": 60}
    frame |= {"events_c": rng.binomial(60, 0.5, 14), "n_c": 60}
    columns = {name: name for name in ("events_t", "n_t", "events_c", "n_c")}
    rows = brw.Evidence.from_frame(
        pd.DataFrame(frame), columns=columns, measure="log_hazard_ratio", benefit="higher"
    )
    counts = replace(model(), likelihood=brw.likelihood.Binomial(link="cloglog"))
    told = ahead(counts, rows, stakes, base)
    return lambda: told.worth_counted(400.0)


def count_figures():
    """Fits of counts, and of selection: the figures that the likelihoods of counts promise."""

    def tables(size):
        rng = np.random.default_rng(3)
        people, x = rng.integers(60, 300, size), rng.normal(size=size)
        control = rng.uniform(0.05, 0.2, size)
        odds = control / (1.0 - control) * np.exp(rng.normal(-0.5 + 0.3 * x, 0.3))
        frame = {"study": [f"Study {place}" for place in range(size)], "x": x}
        frame |= {"events_t": rng.binomial(people, odds / (1.0 + odds)), "n_t": people}
        frame |= {"events_c": rng.binomial(people, control), "n_c": people}
        columns = {name: name for name in ("events_t", "n_t", "events_c", "n_c")}
        return brw.Evidence.from_frame(
            pd.DataFrame(frame), columns=columns, measure="log_odds_ratio"
        )

    quick = brw.Exact(study_effects=False, draws=0)
    small, own = tables(14), model()
    slope = brw.Linear("x", prior.Normal(0, 0.5))
    told = replace(own, terms=(*own.terms, slope), likelihood=brw.likelihood.Hypergeometric())
    arms = replace(own, likelihood=brw.likelihood.Binomial())
    fitted = solve_model(told, small)
    masks = list(np.eye(14, dtype=bool))
    psychology = json.loads((GOLDEN / "robma_lehmann2018.json").read_text())
    frame = {"study": [f"S{place:02d}" for place in range(len(psychology["yi"]))]}
    frame |= {"effect": psychology["yi"], "se": np.sqrt(psychology["vi"])}
    frame["x"] = np.array(psychology["male"], dtype=float)
    red = brw.Evidence.from_frame(pd.DataFrame(frame), benefit="higher")
    spread = brw.Exchangeable(prior.HalfNormal(0.35))
    plain = brw.Model(terms=(brw.Intercept(prior.Normal(0, 0.71)), spread))
    more = replace(plain, terms=(*plain.terms, brw.Linear("x", prior.Normal(0, 0.25))))

    def averaged(of):
        return lambda: brw.compare(brw.selection.robma(of), red)

    def pooled(size):
        rows = tables(size)
        return lambda: brw.fit(arms, rows, engine=quick)

    return [
        ("hypergeometric, a moderator, k = 14", "ms", 1e3, 60, lambda: solve_model(told, small), 7),
        (
            "each of its studies left out",
            "ms",
            1e3 / 14,
            15,
            lambda: replace(fitted).without(masks),
            3,
        ),
        ("binomial, logit, k = 100", "s", 1.0, 0.5, pooled(100), 3),
        ("binomial, logit, k = 1,000", "s", 1.0, 5, pooled(1000), 1),
        ("36 models of RoBMA, k = 81", "s", 1.0, 1.0, averaged(plain), 3),
        ("the same with a moderator", "s", 1.0, 5.0, averaged(more), 1),
    ]


def engine_figures():
    """Figure, unit, seconds in that unit, target, and what is measured how often."""
    rows, plain = evidence(14), model()
    design = build(plain, rows)
    one = batch_of(design)
    rng = np.random.default_rng(0)
    many = replace(one, effect=rng.normal(0.1, np.hypot(0.2, design.se), (10_000, 14)))
    large, hundred = evidence(100_000), evidence(100)
    quick = brw.Exact(study_effects=False, draws=0)

    def solved(*by):
        problem = pose(build(model(*by), hundred))
        return lambda: integrate(problem, 64, 1e-8)

    return [
        ("kernel, one fit, k = 14", "ms", 1e3, 0.3, lambda: solve(one), 101),
        ("batched, a fit of 10,000, k = 14", "us", 1e6 / 10_000, 30, lambda: solve(many), 5),
        (
            "fit and summarise, DataTree and draws, k = 14",
            "ms",
            1e3,
            20,
            lambda: brw.summarise(brw.fit(plain, rows)),
            21,
        ),
        ("leave-one-out, k = 14", "ms", 1e3, 15, lambda: leave_one_out(plain, rows), 21),
        (
            "panel of 20 priors, k = 14",
            "ms",
            1e3,
            15,
            lambda: prior_sensitivity(plain, rows, panel()),
            21,
        ),
        (
            "pooled quantities, k = 100,000",
            "s",
            1.0,
            1.0,
            lambda: brw.fit(plain, large, engine=quick),
            3,
        ),
        (
            "calibration, 10,000 replicates, every quantity, k = 14",
            "s",
            1.0,
            10,
            lambda: brw.calibrate(plain, rows, replicates=10_000),
            1,
        ),
        ("two SDs (site, family), k = 100", "ms", 1e3, 50, solved("site", "trial_family"), 7),
        ("two SDs (estimate, site), k = 100", "ms", 1e3, 50, solved("", "site"), 7),
        ("20,000 next trials refitted, k = 14", "s", 1.0, 1.0, next_trials(counted=False), 5),
        ("20,000 next trials of counts, 400 people", "s", 1.0, 20, next_trials(counted=True), 1),
        ("three SDs, k = 100", "s", 1.0, 1.0, solved("", "site", "trial_family"), 1),
    ]


def long_figures(out):
    """Sampling, and the main job."""
    rows, other, plain = evidence(14), evidence(14, seed=2), model()
    sampler = brw.Nuts(allow_unconverged=True)
    brw.fit(plain, other, engine=sampler)
    return [
        (
            "refit with NUTS, 4 x 1000 draws, k = 14",
            "s",
            1.0,
            0.5,
            lambda: brw.fit(plain, rows, engine=sampler),
            5,
        ),
        ("bayesrtw run, all shipped analyses", "s", 1.0, None, command("run", "--out", out), 1),
    ]


def main():
    with tempfile.TemporaryDirectory() as out:
        figures = engine_figures() + count_figures()
        figures.append(("bayesrtw --help", "s", 1.0, None, command("--help"), 5))
        if "--long" in sys.argv:
            figures += long_figures(out)
        found = []
        for figure, unit, scale, target, action, repeats in figures:
            wall, cpu = (scale * seconds for seconds in median(action, repeats))
            found.append((figure, unit, wall, cpu, target))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    found.append(("memory at its peak", "GB", peak, peak, 1.0))
    names = ("figure", "unit", "measured", "cpu", "target")
    if "--json" in sys.argv:
        record = {
            **dated("uv run python tests/bench/bench.py"),
            "figures": [dict(zip(names, row, strict=True)) for row in found],
        }
        print(json.dumps(record, indent=1))
        return
    print(f"{platform.machine()}, Python {platform.python_version()}")
    print(f"{'figure':48} {'measured':>10} {'CPU':>10} {'target':>10}")
    for figure, unit, wall, cpu, target in found:
        wanted = "" if target is None else f"<= {target:g}"
        print(f"{figure:48} {wall:10.3g} {cpu:10.3g} {wanted:>10} {unit}")


if __name__ == "__main__":
    main()
