"""What each rung of the ladder buys and costs: error, width and coverage where the truth is known.

    uv run python tests/bench/ladder.py --jobs 2 --store /tmp/ladder --csv docs/cohorts.csv

Randomised trials scatter around mu = 0.1 on the log hazard ratio scale (HR 1.11) with SD tau. Cohorts do the
same around mu + bias: one bias for all of them. Standard errors are drawn anew for every study from 0.08 to
0.30, log-uniform, as in the shipped data. 90 settings: five biases, three tau, 3, 6 or 12 trials, 3 or 10
cohorts. Settings that differ in the bias alone share every other random number, so that their differences are
those of the bias.

Every rung has mu ~ N(0, 0.5^2) and tau ~ half-normal(0.25), the defaults of `bayesrtw.model.defaults` for log
hazard ratios; `registered` is the model of the shipped analysis of all designs, one common difference of
cohorts ~ N(0, 0.2^2). Rungs with one tau and independent estimates go through `bayesrtw.engine.batch`, all
replicates at once; `robust_map` is two such batches joined by the algebra of `bayesrtw.engine.reprior`; the
mixture is summed on a plain grid (`allocated`), for fewer replicates. Each is held against the package's
own fit in tests/calibration/test_bias_coverage.py.

A setting that was finished under the same options is read from the folder of --store, not computed again.
"""

import argparse
import json
import math
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from allocated import posterior

from bayesrtw.engine.batch import batch_of, solve
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.design import build
from bayesrtw.model.heterogeneity import Exchangeable
from bayesrtw.model.moderator import Intercept
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.model.spec import Model
from bayesrtw.parallel import dask_cluster, map_tasks, processes
from bayesrtw.posterior import mixture

#: Truth, and priors of every rung.
MU, MU_SD, TAU_SCALE = 0.1, 0.5, 0.25
#: SD of the registered rung's common difference; weight of the vague part of the robust MAP prior.
COMMON_SD, VAGUE = 0.2, 0.2
#: Standard errors of log hazard ratios are log-uniform between these.
SE = (0.08, 0.30)

BIASES = (-0.3, -0.15, 0.0, 0.15, 0.3)
TAUS = (0.0, 0.1, 0.25)
TRIALS = (3, 6, 12)
COHORTS = (3, 10)

RUNGS = (
    "randomised",
    "discount 0.25",
    "discount 0.5",
    "robust_map",
    "mixture",
    "registered",
    "naive",
)

#: Replicates that are joined at once by the robust MAP rung: 2,352 normals each.
TOGETHER = 250


@dataclass(frozen=True)
class Setting:
    """One truth."""

    bias: float
    tau: float
    trials: int
    cohorts: int


@dataclass(frozen=True)
class Task:
    """One setting with how often it is drawn; the mixture's rung sees the first replicates only."""

    setting: Setting
    replicates: int
    mixtures: int
    seed: int


@dataclass(frozen=True)
class Drawn:
    """Results, shape (replicate, estimate), trials first; which are trials, shape (estimate,)."""

    effect: np.ndarray
    se: np.ndarray
    trial: np.ndarray


@dataclass(frozen=True)
class Answer:
    """Posterior mean and central 95 % interval of mu, shape (replicate,)."""

    mean: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def draw(task):
    """Draw evidence; the random numbers do not depend on the bias."""
    setting = task.setting
    key = (task.seed, setting.trials, setting.cohorts, TAUS.index(setting.tau))
    rng = np.random.default_rng(np.random.SeedSequence(key))
    shape = (task.replicates, setting.trials + setting.cohorts)
    se = np.exp(rng.uniform(*np.log(SE), shape))
    trial = np.arange(shape[1]) < setting.trials
    centre = MU + setting.bias * ~trial
    theta = centre + setting.tau * rng.standard_normal(shape)
    return Drawn(theta + se * rng.standard_normal(shape), se, trial)


@cache
def plain(count):
    """One pooled mean and one tau for so many estimates, to be widened."""
    frame = pd.DataFrame(
        {"study": [f"s{i}" for i in range(count)], "effect": np.zeros(count), "se": np.ones(count)}
    )
    model = Model(terms=(Intercept(Normal(0.0, MU_SD)), Exchangeable(HalfNormal(TAU_SCALE))))
    return batch_of(
        build(model, Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher"))
    )


def answer(weight, mean, sd):
    """Summarise mixtures of normals, shape (component, replicate)."""
    ends = [mixture.quantile(q, weight, mean, sd) for q in (0.025, 0.975)]
    return Answer(np.sum(weight * mean, axis=0), *ends)


def pooled(effect, se):
    """Pool every row at its word: the posterior of mu as mixtures."""
    return solve(replace(plain(effect.shape[1]), effect=effect, se=se)).mixture(np.ones(1))


def randomised(drawn):
    return answer(*pooled(drawn.effect[:, drawn.trial], drawn.se[:, drawn.trial]))


def discounted(drawn, share):
    return answer(*pooled(drawn.effect, drawn.se * np.where(drawn.trial, 1.0, share**-0.5)))


def registered(drawn):
    """One more column: what cohorts have in common."""
    batch = plain(drawn.effect.shape[1])
    columns = np.stack([np.ones(len(drawn.trial)), ~drawn.trial], axis=-1)
    solved = solve(
        replace(
            batch,
            effect=drawn.effect,
            se=drawn.se,
            columns=columns,
            mean=np.zeros(2),
            precision=np.array([MU_SD, COMMON_SD]) ** -2.0,
        )
    )
    return answer(*solved.mixture(np.array([1.0, 0.0])))


def borrowed(drawn):
    """Robust MAP: posteriors of mu as mixtures, shape (component, replicate).

    Given tau of the trials they say of mu that it is N(m, v); the prior's part N(p, s^2) then has the
    evidence N(m; p, v + s^2), and the posterior is the usual product of two normals.
    """
    cohort, batch = ~drawn.trial, plain(int(drawn.trial.sum()))
    share, centre, sd = solve(
        replace(plain(int(cohort.sum())), effect=drawn.effect[:, cohort], se=drawn.se[:, cohort])
    ).mixture(np.ones(1), new=True)
    size = (1, drawn.effect.shape[0])
    log_prior = np.log(np.concatenate([(1.0 - VAGUE) * share, np.full(size, VAGUE)]))
    centre = np.concatenate([centre, np.zeros(size)])
    part = np.concatenate([sd, np.full(size, MU_SD)]) ** 2
    flat = replace(
        batch,
        effect=drawn.effect[:, drawn.trial],
        se=drawn.se[:, drawn.trial],
        mean=np.zeros(1),
        precision=np.zeros(1),
    )
    weight, seen, spread = (each[:, None] for each in solve(flat).mixture(np.ones(1)))
    seen, wide = np.broadcast_to(seen, (seen.shape[0], *part.shape)), spread**2 + part
    log = np.log(weight) + log_prior - 0.5 * (np.log(wide) + (seen - centre) ** 2 / wide)
    log = log.reshape(-1, size[1])
    found = np.exp(log - log.max(axis=0))
    mean = (seen * part + centre * spread**2) / wide
    sd = np.sqrt(spread**2 * part / wide)
    return found / found.sum(axis=0), mean.reshape(log.shape), sd.reshape(log.shape)


def robust_map(drawn):
    answers = []
    for start in range(0, len(drawn.effect), TOGETHER):
        cut = slice(start, start + TOGETHER)
        answers.append(answer(*borrowed(Drawn(drawn.effect[cut], drawn.se[cut], drawn.trial))))
    names = Answer.__dataclass_fields__
    return Answer(*(np.concatenate([getattr(each, name) for each in answers]) for name in names))


def mixed(drawn):
    """The bias mixture on its grid; where to look is told by the trials and by all studies."""
    weight, mean, sd = pooled(drawn.effect, drawn.se)
    centre, spread = mixture.moments(weight, mean, sd)
    own = mixture.moments(*pooled(drawn.effect[:, drawn.trial], drawn.se[:, drawn.trial]))
    low = np.minimum(centre - 4.5 * spread, own[0] - 4.5 * own[1] - 0.1)
    high = np.maximum(centre + 4.5 * spread, own[0] + 4.5 * own[1])
    return [
        posterior(effect, se, drawn.trial, *ends, 3.0 * TAU_SCALE)
        for effect, se, *ends in zip(drawn.effect, drawn.se, low, high, strict=True)
    ]


def mixture_rung(drawn):
    found = mixed(drawn)
    mean = np.array([each.mean for each in found])
    return Answer(mean, *(np.array([each.quantile(q) for each in found]) for q in (0.025, 0.975)))


def batched(drawn):
    """Answers of all rungs but the mixture."""
    return {
        "randomised": randomised(drawn),
        "discount 0.25": discounted(drawn, 0.25),
        "discount 0.5": discounted(drawn, 0.5),
        "robust_map": robust_map(drawn),
        "registered": registered(drawn),
        "naive": discounted(drawn, 1.0),
    }


def climb(task):
    """Answer of every rung, in the order of `RUNGS`."""
    drawn = draw(task)
    first = Drawn(drawn.effect[: task.mixtures], drawn.se[: task.mixtures], drawn.trial)
    found = batched(drawn) | {"mixture": mixture_rung(first)}
    return {name: found[name] for name in RUNGS}


def figures(found):
    """Error, width and coverage with their Monte-Carlo standard errors."""
    error = found.mean - MU
    squares, width = error**2, found.upper - found.lower
    count, rmse = len(error), math.sqrt(np.mean(squares))
    covered = np.mean((found.lower <= MU) & (found.upper >= MU))
    return {
        "replicates": count,
        "error": float(error.mean()),
        "rmse": rmse,
        "rmse_mcse": float(squares.std() / math.sqrt(count) / (2.0 * rmse)),
        "width": float(width.mean()),
        "coverage": float(covered),
        "coverage_mcse": math.sqrt(covered * (1.0 - covered) / count),
    }


def study(task):
    """One setting: a row for each rung."""
    begin = time.process_time()
    rows = [
        {**asdict(task.setting), "rung": rung, **figures(found)}
        for rung, found in climb(task).items()
    ]
    return task, rows, time.process_time() - begin


def settings():
    order = product(TAUS, TRIALS, COHORTS, BIASES)
    return [Setting(bias, tau, trials, cohorts) for tau, trials, cohorts, bias in order]


def kept(store, task):
    """Where the rows of a finished setting are."""
    one = task.setting
    name = f"{one.bias:g}_{one.tau:g}_{one.trials}_{one.cohorts}"
    return store / f"{name}_{task.replicates}_{task.mixtures}_{task.seed}.json"


def run(tasks, store, executor):
    """All settings, in order; finished ones are read back."""
    if store is not None:
        store.mkdir(parents=True, exist_ok=True)
    done = {task for task in tasks if store is not None and kept(store, task).exists()}
    fresh = map_tasks(study, [task for task in tasks if task not in done], executor)
    for place, task in enumerate(tasks, 1):
        if task in done:
            rows = json.loads(kept(store, task).read_text())
        else:
            _, rows, seconds = next(fresh)
            print(
                f"{place} of {len(tasks)}: {task.setting}, {seconds:.0f} s of CPU", file=sys.stderr
            )
            if store is not None:
                partial = kept(store, task).with_suffix(".part")
                partial.write_text(json.dumps(rows))
                partial.replace(kept(store, task))
        yield from rows


def workers(options):
    if options.dask:
        return dask_cluster(options.dask)
    return processes(options.jobs) if options.jobs > 1 else nullcontext()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--mixtures", type=int, default=200, help="replicates of the mixture rung")
    parser.add_argument("--seed", type=int, default=20260301)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--dask", default="", help="address of a Dask scheduler")
    parser.add_argument("--store", type=Path, help="folder of finished settings")
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    tasks = [
        Task(setting, options.replicates, options.mixtures, options.seed) for setting in settings()
    ]
    with workers(options) as executor:
        frame = pd.DataFrame(list(run(tasks, options.store, executor)))
    if options.csv:
        frame.to_csv(options.csv, index=False, float_format="%.5g", lineterminator="\n")
    if options.json:
        options.json.write_text(frame.to_json(orient="records", indent=1) + "\n")
    if not (options.csv or options.json):
        print(frame.to_string(index=False))


if __name__ == "__main__":
    main()
