"""Time every picture at sixty studies: build it and write its SVG, at most 2 s of CPU each.

    uv run python tests/bench/plots.py

Prints the fastest of three for each picture; the data are those of tests/unit/test_plots.py.
"""

import runpy
import sys
import tempfile
import time
from pathlib import Path

import bayesrtw as brw
from bayesrtw.question.sensitivity import cumulative, leave_one_out, prior_sensitivity

#: Seconds that a picture of sixty studies may take: nobody waits longer for a figure.
MOST = 2.0


def main() -> int:
    """Print the seconds of each picture; 1 if one is too slow."""
    shared = runpy.run_path(str(Path(__file__).parents[1] / "unit" / "test_plots.py"))
    evidence, model = shared["evidence_of"](60), shared["MODEL"]
    made = {
        "evidence": evidence,
        "tree": brw.fit(model, evidence, engine=brw.Exact(draws=0)),
        "out": leave_one_out(model, evidence),
        "priors": prior_sensitivity(model, evidence, {"registered": brw.prior.HalfNormal(0.3)}),
        "cumulative": cumulative(model, evidence),
    }
    slow = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, draw in shared["PLOTS"].items():
            taken = []
            for _ in range(3):
                start = time.process_time()
                brw.write_figure(draw(made, 174.0).get_figure(), Path(folder) / "figure.svg")
                taken.append(time.process_time() - start)
            slow += min(taken) > MOST
            print(f"{name:20} {min(taken):5.2f} s")
    return int(slow > 0)


if __name__ == "__main__":
    sys.exit(main())
