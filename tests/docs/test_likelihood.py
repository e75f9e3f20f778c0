"""The likelihood that the pages walk through: one file is all that it needs.

It is loaded in a process of its own, because loading is what makes it known. The PyMC graph is held against
SciPy's density, written here by hand; constants of single precision in the graph (logs of settings) cancel
between two points. The posterior is held against a grid of mu and tau.
"""

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "gross_errors.py"

SCRIPT = """
import runpy, sys
import numpy as np, pandas as pd, pytensor
from scipy.stats import halfnorm, norm
import bayesrtw as brw
from bayesrtw import registry
from bayesrtw.analysis.schema import json_schema
from bayesrtw.engine.graph import graph
from bayesrtw.errors import BayesrtwError, Faults, SpecError
from bayesrtw.model.likelihood import Likelihood
from bayesrtw.question.scaling import power_scaling

brw.Analysis
gross = runpy.run_path(sys.argv[1])["GrossErrors"]

def read(table):
    faults = Faults(SpecError)
    value = registry.decode(Likelihood, table, where="likelihood", faults=faults)
    faults.raise_if_any()
    return value

assert read({"kind": "gross_errors", "share": 0.2}) == gross(0.2)
assert any("gross_errors" in name for name in json_schema()["$defs"])
for wrong in ({"kind": "gross_errors", "shares": 0.2}, {"kind": "gross_errors", "share": 2.0}):
    try:
        read(wrong)
    except BayesrtwError as error:
        print("refused:", str(error).splitlines()[-1])
    else:
        raise AssertionError(wrong)

y, s = np.array([0.3, 0.1, 0.2, 2.0]), np.array([0.1, 0.2, 0.15, 0.3])
frame = pd.DataFrame({"study": list("ABCD"), "effect": y, "se": s, "year": [2001.0, 2002, 2003, 2004]})
evidence = brw.Evidence.from_frame(frame, benefit="higher")
terms = (brw.Intercept(brw.prior.Normal(0, 0.5)), brw.Exchangeable(brw.prior.HalfNormal(0.25)))
model = brw.Model(terms=terms, likelihood=gross(0.2))
plain = brw.Model(terms=terms)

def grid(keep, scale=0.25):
    x, w = np.polynomial.legendre.leggauss(120)
    tau, w = scale * 4 * (x + 1), scale * 4 * w
    mu = np.linspace(-3, 3, 3001)
    log = np.log(w * halfnorm.pdf(tau, scale=scale))[:, None] + norm.logpdf(mu, 0, 0.5)
    for a, b in zip(y[keep], s[keep]):
        sd = np.sqrt(b**2 + tau[:, None] ** 2), np.sqrt(25 * b**2 + tau[:, None] ** 2)
        log = log + np.log(0.8 * norm.pdf(a, mu, sd[0]) + 0.2 * norm.pdf(a, mu, sd[1]))
    p = np.exp(log - log.max()).sum(0)
    p /= p.sum()
    return p @ mu, np.sqrt(p @ (mu - p @ mu) ** 2)

every = np.ones(4, dtype=bool)
mean, sd = grid(every)
row = brw.summarise(brw.fit(model, evidence, engine=brw.Exact(draws=0))).loc["mu"]
assert abs(row["mean"] - mean) < 1e-6 * sd and abs(row["sd"] / sd - 1) < 1e-6, (row, mean, sd)
left = brw.leave_one_out(model, evidence)
assert abs(left.loc["D", "mean"] - grid(y < 1)[0]) < 1e-4 * sd
grown = brw.cumulative(model, evidence)
assert abs(grown.loc["2003", "mean"] - grid(y < 1)[0]) < 1e-4 * sd
priors = {"wide": brw.prior.HalfNormal(0.5), "registered": brw.prior.HalfNormal(0.25)}
panel = brw.prior_sensitivity(model, evidence, priors)
assert abs(panel.loc["wide", "mean"] - grid(every, 0.5)[0]) < 1e-4 * sd
checked, normal = (brw.predictive_check(each, evidence) for each in (model, plain))
assert checked.loc["D", "tail"] > 3 * normal.loc["D", "tail"], (checked, normal)
scaled = power_scaling(model, evidence)
assert np.isfinite(scaled.loc["mu", ["prior", "likelihood"]].astype(float)).all()
ahead = brw.outlook(model, evidence, trials={"small": 0.3, "large": 0.1})
assert ahead["narrower"].is_monotonic_increasing and (ahead["narrower"] > 0).all(), ahead
print("every question agrees")

common = brw.Model(terms=(terms[0], brw.Common()), likelihood=gross(0.2))
built = graph(common, evidence).model
with pytensor.config.change_flags(mode="FAST_COMPILE", cxx=""):
    logp = built.compile_logp()
point = built.initial_point()
(name,) = point
def both(mu):
    point[name] = np.array(mu)
    each = 0.8 * norm.pdf(y, mu, s) + 0.2 * norm.pdf(y, mu, 5 * s)
    return np.array([float(logp(point)), norm.logpdf(mu, 0, 0.5) + np.log(each).sum()])
theirs, own = both(0.2) - both(-0.3)
assert abs(theirs - own) < 1e-12 * abs(own), (theirs, own)
print("density agrees")
"""


def test_the_likelihood_of_the_pages_works_from_its_one_file():
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(EXAMPLE)], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert "did you mean 'share'?" in found.stdout
    assert "every question agrees" in found.stdout
    assert "density agrees" in found.stdout
