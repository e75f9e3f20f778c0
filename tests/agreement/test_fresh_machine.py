"""Draws of one seed do not depend on what was compiled before: a fresh machine gives the same bits.

Two processes share a folder for compiled functions that is empty at first, so that the one compiles
everything and the other takes it from there. Under Numba's fastmath, which PyTensor has on, they differed.
"""

import os
import subprocess
import sys

import pytest

#: Four rows with a moderator, and a shipped analysis whose functions take five times as long to compile.
SMALL = """
frame = pd.DataFrame({"study": list("ABCD"), "effect": [0.1, 0.2, 0.3, -0.1], "se": [0.1, 0.2, 0.1, 0.15]})
evidence = brw.Evidence.from_frame(frame.assign(part=list("xxyy")), benefit="higher")
normal, spread = brw.prior.Normal(0, 0.5), brw.Exchangeable(brw.prior.HalfNormal(0.25))
model = brw.Model(terms=(brw.Intercept(normal), brw.Indicator("y", "part", ("y",), normal), spread))
"""
SHIPPED = """
analysis = brw.open_analysis("time-to-rtw-moderators")
evidence = select(analysis.evidence, brw.open_dataset(analysis.evidence.dataset)).evidence
model = analysis.model
"""

SCRIPT = """
import hashlib
import pandas as pd
import bayesrtw as brw
from bayesrtw.analysis.query import select
{made}
engine = brw.Nuts(chains=2, draws=300, tune=300, retries=0, allow_unconverged=True)
tree = brw.fit(model, evidence, engine=engine, seed=20260301)
for group in ("posterior", "log_likelihood"):
    for name, values in sorted(tree[group].data_vars.items()):
        print(group, name, values.shape, hashlib.sha256(values.to_numpy().tobytes()).hexdigest())
"""


@pytest.mark.parametrize(
    ("made", "rows"), [(SMALL, 4), pytest.param(SHIPPED, 24, marks=pytest.mark.slow)]
)
def test_draws_are_the_same_with_empty_and_with_filled_compile_caches(made, rows, tmp_path):
    flags = {
        "PYTENSOR_FLAGS": f"base_compiledir={tmp_path}",
        "NUMBA_CACHE_DIR": str(tmp_path / "numba"),
    }
    printed, kept = [], []
    for _ in range(2):
        kept.append(sum(1 for _ in tmp_path.rglob("*.nbi")))
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT.replace("{made}", made)],
            env={**os.environ, **flags},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        printed.append(run.stdout)
    assert kept[0] == 0
    assert kept[1] > 0
    assert f"log_likelihood effect (2, 300, {rows})" in printed[0]
    assert printed[0] == printed[1]
