"""Coverage of every bias model on evidence whose truths are drawn from its own priors.

    uv run python tests/bench/bias_coverage.py [--replicates 2000] [--jobs 2]

If a posterior is right, a 95 % interval holds the truth in 95 % of such data sets, whatever the priors (Talts
et al. 2018, arXiv:1804.06788). `discount` is missing: dividing a sampling variance by a share is a rule for
weighing studies and no model of how they came about, so nothing can be drawn from it, and no coverage is
promised. Terms that are linear algebra are drawn by `bayesrtw.model.simulate` and placed by
`bayesrtw.question.calibrate`. The bias mixture and the robust MAP prior are drawn here by their definitions,
and placed by `allocated` and `ladder`, which tests hold against the engine.
"""

import argparse
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from allocated import groups
from ladder import MU_SD, SE, TAU_SCALE, TOGETHER, VAGUE, Drawn, borrowed, mixed

from bayesrtw.evidence.quality import Judgement, Judgements
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.bias import AdditiveBias, BiasHierarchy, DirectedBias, Studies
from bayesrtw.model.heterogeneity import ByGroup, Exchangeable
from bayesrtw.model.judged import JudgedBias
from bayesrtw.model.moderator import Group, Intercept
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.model.spec import Model
from bayesrtw.parallel import map_tasks, processes
from bayesrtw.posterior import mixture
from bayesrtw.question.calibrate import ENGINE, Calibration, calibrate, judge

COHORTS = Studies(("cohort",))
TRIALS = Studies(("rct",))
#: Trials and cohorts of each data set.
SIZE = (5, 6)

#: What each model adds to mu ~ N(0, 0.5^2) and, but for the last, one tau ~ half-normal(0.25).
TERMS = {
    "additive_bias": (AdditiveBias(COHORTS, mean=-0.1, sd=0.15),),
    "bias_hierarchy": (BiasHierarchy(COHORTS, Normal(0.0, 0.2)),),
    "bias_hierarchy with spread": (
        BiasHierarchy(COHORTS, Normal(0.0, 0.2), spread=HalfNormal(0.15)),
    ),
    "directed_bias": (DirectedBias(TRIALS, size=HalfNormal(0.15)),),
    "judged_bias": (JudgedBias(),),
    "by_group": (),
}
#: Drawn here by definition.
DEFINED = ("bias_mixture", "robust_map")


def evidence():
    """Five trials and six cohorts, some of them judged, with what the cohorts adjusted for."""
    trials, cohorts = SIZE
    rng = np.random.default_rng(20260301)
    names = [f"t{i}" for i in range(trials)] + [f"c{i}" for i in range(cohorts)]
    adjusted = ["programme_type", "none", "", "prior_absence|diagnosis", "", ""]
    frame = pd.DataFrame(
        {
            "study": names,
            "effect": np.zeros(len(names)),
            "se": np.exp(rng.uniform(*np.log(SE), len(names))),
            "design": ["rct"] * trials + ["cohort"] * cohorts,
            "adjusted_for": [""] * trials + adjusted,
        }
    )
    judgements = (
        Judgement("t0", "RoB 2", "2019", "measurement", "high"),
        Judgement("t1", "RoB 2", "2019", "randomisation", "some_concerns"),
        Judgement("c3", "ROBINS-I", "2016", "confounding", "serious"),
        Judgement("c4", "ROBINS-I", "2016", "confounding", "critical"),
    )
    found = Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")
    return replace(found, judgements=Judgements(judgements))


def model(name):
    spread = Exchangeable(HalfNormal(TAU_SCALE))
    if name == "by_group":
        both = (Group("rct", ("rct",), "trials"), Group("cohort", ("cohort",), "cohorts"))
        spread = ByGroup("design", both, HalfNormal(TAU_SCALE))
    return Model(terms=(Intercept(Normal(0.0, MU_SD)), *TERMS[name], spread))


def linear(name, replicates, executor=None):
    rows = evidence()
    for term in TERMS[name]:
        if isinstance(term, JudgedBias):
            rows = rows.rows(~term.left_out(rows))
    return calibrate(
        model(name),
        rows,
        replicates=replicates,
        seed=sum(map(ord, name)),
        name=name,
        executor=executor,
    )


@dataclass(frozen=True)
class Truth:
    """Data sets with the mu and the tau of the trials that they were drawn from."""

    drawn: Drawn
    mu: np.ndarray
    tau: np.ndarray


def noisy(theta, rng):
    se = np.exp(rng.uniform(*np.log(SE), theta.shape))
    trial = np.arange(theta.shape[1]) < SIZE[0]
    return Drawn(theta + se * rng.standard_normal(theta.shape), se, trial)


def draw_mixture(replicates, seed):
    """Each estimate is biased with a probability that its design shares, by a bias around a common one."""
    rng = np.random.default_rng(seed)
    mu = rng.normal(0.0, MU_SD, replicates)
    tau = np.abs(rng.normal(0.0, TAU_SCALE, replicates))
    theta = mu[:, None] + tau[:, None] * rng.standard_normal((replicates, sum(SIZE)))
    trial = np.arange(sum(SIZE)) < SIZE[0]
    for rows, centre, sd, scale, a, b in groups(trial):
        shape = (replicates, int(rows.sum()))
        probability = rng.beta(a, b, replicates)[:, None]
        common = rng.normal(centre, sd, replicates)[:, None]
        kappa = np.abs(rng.normal(0.0, scale, replicates))[:, None]
        bias = common + kappa * rng.standard_normal(shape)
        theta[:, rows] += np.where(rng.random(shape) < probability, bias, 0.0)
    return Truth(noisy(theta, rng), mu, tau)


def draw_borrowed(replicates, seed):
    """The trials' mean is a new setting of the cohorts, or with the vague part's weight a draw from that."""
    rng = np.random.default_rng(seed)
    centre = rng.normal(0.0, MU_SD, replicates)
    tau_cohorts, tau = np.abs(rng.normal(0.0, TAU_SCALE, (2, replicates)))
    mu = np.where(
        rng.random(replicates) < VAGUE,
        rng.normal(0.0, MU_SD, replicates),
        rng.normal(centre, tau_cohorts),
    )
    trials = mu[:, None] + tau[:, None] * rng.standard_normal((replicates, SIZE[0]))
    scatter = tau_cohorts[:, None] * rng.standard_normal((replicates, SIZE[1]))
    theta = np.concatenate([trials, centre[:, None] + scatter], axis=1)
    return Truth(noisy(theta, rng), mu, tau)


def part(truth, start):
    """Some replicates, for one task."""
    cut, drawn = slice(start, start + TOGETHER), truth.drawn
    some = Drawn(drawn.effect[cut], drawn.se[cut], drawn.trial)
    return Truth(some, truth.mu[cut], truth.tau[cut])


def place_mixture(truth):
    found = mixed(truth.drawn)
    each = zip(found, truth.mu, truth.tau, strict=True)
    return np.array([(one.below(mu), one.tau_below(tau)) for one, mu, tau in each])


def place_borrowed(truth):
    return mixture.cdf(truth.mu, *borrowed(truth.drawn))[:, None]


def defined(name, replicates, executor=None):
    """Coverage of a model that is drawn by definition."""
    seed = sum(map(ord, name))
    draw, place, quantities = {
        "bias_mixture": (draw_mixture, place_mixture, ("mu", "tau")),
        "robust_map": (draw_borrowed, place_borrowed, ("mu",)),
    }[name]
    truth = draw(replicates, seed)
    parts = [part(truth, start) for start in range(0, replicates, TOGETHER)]
    pit = np.concatenate(list(map_tasks(place, parts, executor)))
    return Calibration(
        name=name, engine=ENGINE, seed=seed, pit=dict(zip(quantities, pit.T, strict=True)), cells=0
    )


def every(replicates, executor=None):
    """All bias models: one calibration each."""
    found = [linear(name, replicates, executor) for name in TERMS]
    return found + [defined(name, replicates, executor) for name in DEFINED]


def worst(table):
    """One row a model: coverage of mu, and of whichever quantity is furthest from 95 %."""
    rows = []
    for name, own in table.groupby("name", sort=False):
        z = (own["coverage_95"] - 0.95) / own["error_95"]
        mu, far = own[own["quantity"] == "mu"].iloc[0], own.loc[z.abs().idxmax()]
        rows.append(
            {
                "model": name,
                "replicates": mu["replicates"],
                "coverage of mu": mu["coverage_95"],
                "standard errors off": (mu["coverage_95"] - 0.95) / mu["error_95"],
                "quantities": len(own),
                "furthest": far["quantity"],
                "its coverage": far["coverage_95"],
                "its standard errors off": z[far.name],
                "inside bands": int(own["inside"].sum()),
                "least P value": own["p_value"].min(),
            }
        )
    return pd.DataFrame(rows)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    with processes(options.jobs) if options.jobs > 1 else nullcontext() as executor:
        found = every(options.replicates, executor)
    print(worst(judge(found)).to_csv(index=False, float_format="%.4g"), end="")


if __name__ == "__main__":
    main()
