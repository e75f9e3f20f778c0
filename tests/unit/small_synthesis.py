"""A synthesis of a few made-up studies, for tests of what is written about it."""

from dataclasses import replace
from typing import Any

import pandas as pd

import bayesrtw as brw
from bayesrtw.analysis.default import default_analyses
from bayesrtw.analysis.run import Synthesis, run
from bayesrtw.analysis.spec import Estimand


def small_synthesis(names: tuple[str, ...], **columns: Any) -> Synthesis:
    count = len(names)
    frame = pd.DataFrame(
        {
            "study": names,
            "effect": [0.42, 0.05, 0.11, -0.21, 0.33, 0.2][:count],
            "se": [0.15, 0.12, 0.30, 0.25, 0.09, 0.2][:count],
            **columns,
        }
    )
    evidence = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")
    (analysis,) = default_analyses(evidence)
    words = {"title": f"Small {names[0]}", "question": f"Does {names[1]} help?"}
    asked = (Estimand("pooled", "mu"), Estimand("new setting", "theta_new"), Estimand("SD", "tau"))
    return run(replace(analysis, **words, rationale=(names[2],), estimand=asked), evidence)
