"""Tables of ratios, and what a bubble plot says where it does not know what to draw."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesrtw as brw
from bayesrtw.errors import SpecError


def evidence(measure: str = "log_hazard_ratio") -> brw.Evidence:
    frame = pd.DataFrame(
        {
            "study": list("ABCD"),
            "effect": [0.3, 0.1, 0.2, 0.0],
            "se": [0.1] * 4,
            "year": [2001.0, 2003.0, 2005.0, 2010.0],
            "dose": [1.0, 3.0, 2.0, 5.0],
        }
    )
    return brw.Evidence.from_frame(frame, measure=measure, benefit="higher")


def model(*columns: str) -> brw.Model:
    prior = brw.prior.Normal(0, 0.5)
    lines = tuple(brw.Linear(column, prior) for column in columns)
    return brw.Model(terms=(brw.Intercept(prior), *lines, brw.Common()))


def test_ratios_are_powers_of_e_and_sds_stay() -> None:
    terms = (brw.Intercept(brw.prior.Normal(0, 0.5)), brw.Exchangeable(brw.prior.HalfNormal(0.25)))
    tree = brw.fit(brw.Model(terms=terms), evidence())
    plain, ratios = brw.summarise(tree), brw.summarise(tree, ratio=True)
    ends = ["median", "lower", "upper"]
    assert_allclose(
        ratios.loc["mu", ends].astype(float),
        np.exp(plain.loc["mu", ends].astype(float)),
        rtol=1e-12,
    )
    assert_allclose(ratios.loc["tau", ends].astype(float), plain.loc["tau", ends].astype(float))
    assert not {"mean", "sd", "median_back"} & set(ratios.columns)
    assert r"\toprule" in ratios.to_latex()
    with pytest.raises(SpecError, match=r"ratio is True, and mean_difference is no logarithm"):
        brw.summarise(brw.fit(brw.Model(terms=terms), evidence("mean_difference")), ratio=True)


def test_a_bubble_plot_says_both_ways_to_ask_for_it() -> None:
    rows = evidence()
    one = brw.fit(model("year"), rows)
    assert (
        brw.plot_bubble(one, evidence=rows).get_label()
        == brw.plot_bubble(one, "year", evidence=rows).get_label()
    )
    with pytest.raises(SpecError, match=r"no numeric moderator; add a term.*or draw plot_forest"):
        brw.plot_bubble(brw.fit(model(), rows))
    with pytest.raises(
        SpecError,
        match=r"plot_bubble\(source, 'year'\), or synthesis.plot\('bubble', moderator='year'\)",
    ):
        brw.plot_bubble(brw.fit(model("year", "dose"), rows))


def test_a_picture_is_written_as_a_plot_gives_it(tmp_path) -> None:
    rows = evidence()
    axes = brw.plot_forest(brw.fit(model(), rows), evidence=rows)
    for name, given in (("axes", axes), ("figure", axes.figure)):
        brw.write_figure(given, tmp_path / f"{name}.svg")
    assert (tmp_path / "axes.svg").read_bytes() == (tmp_path / "figure.svg").read_bytes()
