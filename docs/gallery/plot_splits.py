"""
Node splits
===========

What the studies that compare two treatments say, and what all others say of them.
Seven trials of dopamine agonists in Parkinson's disease (Dias et al. 2011, NICE DSU Technical Support
Document 2): hours off a day, lower is better.
"""

import pandas as pd

import bayesrtw as brw

arms = pd.DataFrame(
    [
        ("1", "placebo", -1.22, 0.504, 54), ("1", "agonist 3", -1.53, 0.439, 95),
        ("2", "placebo", -0.70, 0.282, 172), ("2", "agonist 2", -2.40, 0.258, 173),
        ("3", "placebo", -0.30, 0.505, 76), ("3", "agonist 2", -2.60, 0.510, 71),
        ("3", "agonist 4", -1.20, 0.478, 81), ("4", "agonist 3", -0.24, 0.265, 128),
        ("4", "agonist 4", -0.59, 0.354, 72), ("5", "agonist 3", -0.73, 0.335, 80),
        ("5", "agonist 4", -0.18, 0.442, 46), ("6", "agonist 4", -2.20, 0.197, 137),
        ("6", "agonist 5", -2.50, 0.190, 131), ("7", "agonist 4", -1.80, 0.200, 154),
        ("7", "agonist 5", -2.10, 0.250, 143),
    ],
    columns=["study", "arm", "mean", "se", "n"],
)  # fmt: skip
evidence = brw.Evidence.from_arms(arms, benefit="lower", unit="hours")
model = brw.Model(
    terms=(
        brw.terms.Components(brw.prior.Normal(0, 5), arm="arm", none=("placebo",)),
        brw.terms.Arms(brw.prior.HalfNormal(1.0), baseline=brw.prior.Normal(0, 100)),
    )
)
found = brw.network.splits(model, evidence)
axes = found.plot(width_mm=174)
words = found.describe()
