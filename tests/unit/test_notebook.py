"""What a notebook shows of a synthesis."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import bayesrtw as brw
from bayesrtw.analysis.default import the_default
from bayesrtw.errors import SpecError


def test_a_synthesis_opens_with_its_answers_and_what_is_behind_them() -> None:
    frame = pd.DataFrame({"study": ["A<b>", "B", "C"], "effect": [0.1, 0.3, 0.2], "se": 0.1})
    shown = brw.run(brw.Evidence.from_frame(frame, measure="log_hazard_ratio"))._repr_html_()
    assert "<th>HR (95 % CrI)</th><th>probability</th>" in shown
    assert "3 estimates of 3 studies: pooled hazard ratio 1.2" in shown
    assert "Prior of μ: normal" in shown
    assert "lower_back" not in shown


def test_a_synthesis_is_summarised_as_its_tree_is() -> None:
    frame = pd.DataFrame({"study": ["A", "B"], "effect": [0.3, 0.1], "se": 0.1})
    found = brw.run(brw.Evidence.from_frame(frame, measure="log_hazard_ratio"))
    table = brw.summarise(found, ratio=True)
    pd.testing.assert_frame_equal(table, brw.summarise(found.posterior, ratio=True))
    with pytest.raises(SpecError, match=r"found DataFrame; give the DataTree .* or the Synthesis"):
        brw.summarise(frame)  # type: ignore[arg-type]


def test_a_bubble_plot_of_a_tree_names_both_ways() -> None:
    frame = pd.DataFrame(
        {"study": list("ABC"), "effect": [0.1, 0.3, 0.2], "se": 0.1, "dose": [1, 2, 3]}
    )
    terms = (
        brw.Intercept(brw.prior.Normal(0, 1)),
        brw.Linear("dose", brw.prior.Normal(0, 1)),
        brw.Common(),
    )
    tree = brw.fit(brw.Model(terms=terms), brw.Evidence.from_frame(frame))
    with pytest.raises(SpecError, match=r"give the Synthesis that run returned .* evidence="):
        brw.plot_bubble(tree)


def test_answers_as_a_table_for_a_paper_have_the_digits_that_they_need() -> None:
    frame = pd.DataFrame({"study": list("ABC"), "effect": [0.1, 0.3, 0.2], "se": 0.1})
    found = brw.run(brw.Evidence.from_frame(frame, measure="log_hazard_ratio"))
    rows = found.to_latex().splitlines()
    assert r" & HR (95 \% CrI) & probability \\" in rows
    median, lower, upper = np.exp(
        found.estimates.loc["pooled", ["median", "lower", "upper"]].astype(float)
    )
    assert any(
        row.startswith(f"pooled & {median:.2f} ({lower:.2f} to {upper:.2f})") for row in rows
    )


def test_a_synthesis_is_printed_as_a_terminal_shows_it() -> None:
    """0.3 and 0.1 with errors of 0.1, under a flat prior: 0.2, and 1.96 * 0.1 / sqrt(2) around."""
    frame = pd.DataFrame({"study": ["A", "B"], "effect": [0.3, 0.1], "se": 0.1})
    evidence = brw.Evidence.from_frame(frame, measure="mean_difference")
    terms = (brw.Intercept(brw.prior.Flat()), brw.Common())
    analysis = the_default(evidence)
    asked = tuple(each for each in analysis.estimand if each.of == "mu")
    found = brw.run(replace(analysis, term=terms, estimand=asked), evidence)
    lines = [line.rstrip() for line in str(found).splitlines()]
    assert lines[0] == found.analysis.title
    assert "0.20 (0.06 to 0.34)" in lines[2]
    assert "\x1b" not in str(found)
    assert len(lines) < 30
