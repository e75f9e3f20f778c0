"""The likelihood that the pages walk through: one file is all that it needs.

It is loaded in a process of its own, because loading is what makes it known. The PyMC graph is held against
SciPy's density of t, written here by hand; constants of single precision in the graph (logs of settings)
cancel between two points.
"""

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "student_t.py"

SCRIPT = """
import runpy, sys
import numpy as np, pandas as pd, pytensor
from scipy.stats import norm, t
import bayesrtw as brw
from bayesrtw import registry
from bayesrtw.analysis.schema import json_schema
from bayesrtw.engine.graph import graph
from bayesrtw.errors import BayesrtwError, Faults, SpecError
from bayesrtw.model.likelihood import Likelihood

brw.Analysis
student = runpy.run_path(sys.argv[1])["StudentT"]

def read(table):
    faults = Faults(SpecError)
    value = registry.decode(Likelihood, table, where="likelihood", faults=faults)
    faults.raise_if_any()
    return value

assert read({"kind": "student_t", "nu": 5.0}) == student(5.0)
assert any("student_t" in name for name in json_schema()["$defs"])
for wrong in ({"kind": "student_t", "nuu": 5.0}, {"kind": "student_t", "nu": 1.0}):
    try:
        read(wrong)
    except BayesrtwError as error:
        print("refused:", str(error).splitlines()[-1])
    else:
        raise AssertionError(wrong)

frame = pd.DataFrame({"study": list("ABC"), "effect": [0.3, 0.1, 2.0], "se": [0.1, 0.2, 0.3]})
evidence = brw.Evidence.from_frame(frame)
terms = (brw.Intercept(brw.prior.Normal(0, 0.5)), brw.Common())
model = brw.Model(terms=terms, likelihood=student(5.0))
print("exact:", brw.Exact().refuses(model, evidence))
built = graph(model, evidence).model
with pytensor.config.change_flags(mode="FAST_COMPILE", cxx=""):
    logp = built.compile_logp()
point = built.initial_point()
(name,) = point
def both(mu):
    point[name] = np.array(mu)
    own = norm.logpdf(mu, 0, 0.5) + t.logpdf(frame["effect"], 5, mu, frame["se"]).sum()
    return np.array([float(logp(point)), own])
theirs, own = both(0.2) - both(-0.3)
assert abs(theirs - own) < 1e-12 * abs(own), (theirs, own)
print("density agrees")
"""


def test_the_likelihood_of_the_pages_works_from_its_one_file():
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(EXAMPLE)], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert "did you mean 'nu'?" in found.stdout
    assert "likelihood 'student_t' is not Gaussian" in found.stdout
    assert "density agrees" in found.stdout
