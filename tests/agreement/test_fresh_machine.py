"""Draws of one seed do not depend on what was compiled before: a fresh machine gives the same bits.

Two processes share a folder for compiled functions that is empty at first, so that the one compiles
everything and the other takes it from there. Under Numba's fastmath, which PyTensor has on, they differed.
"""

import os
import subprocess
import sys

SCRIPT = """
import hashlib
import bayesrtw as brw
from bayesrtw.analysis.query import select
analysis = brw.open_analysis("time-to-rtw-moderators")
evidence = select(analysis.evidence, brw.open_dataset(analysis.evidence.dataset)).evidence
engine = brw.Nuts(chains=2, draws=300, tune=300, retries=0, allow_unconverged=True)
tree = brw.fit(analysis.model, evidence, engine=engine, seed=analysis.seed)
for group in ("posterior", "log_likelihood"):
    for name, values in sorted(tree[group].data_vars.items()):
        print(group, name, values.shape, hashlib.sha256(values.to_numpy().tobytes()).hexdigest())
"""


def test_draws_are_the_same_with_empty_and_with_filled_compile_caches(tmp_path):
    flags = {
        "PYTENSOR_FLAGS": f"base_compiledir={tmp_path}",
        "NUMBA_CACHE_DIR": str(tmp_path / "numba"),
    }
    printed, kept = [], []
    for _ in range(2):
        kept.append(sum(1 for _ in tmp_path.rglob("*.nbi")))
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, **flags},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        printed.append(run.stdout)
    assert kept[0] == 0
    assert kept[1] > 0
    assert "log_likelihood effect (2, 300, 24)" in printed[0]
    assert printed[0] == printed[1]
