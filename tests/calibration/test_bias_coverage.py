"""Bias models and rungs of the ladder on evidence whose truth is known.

Coverage within three Monte-Carlo standard errors of 95 % and ranks inside their joint bands, for every model
that data can be drawn from; and the rungs of tests/bench/ladder.py against the package's own fits, so that
what docs/cohorts.md says of the former holds of the latter. Seeds are fixed.
"""

import bias_coverage
import ladder
import ladder_page
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from bayesrtw.engine.exact import Exact
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.bias_mixture import default_mixture
from bayesrtw.model.heterogeneity import Exchangeable
from bayesrtw.model.moderator import Indicator, Intercept
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.model.spec import Model
from bayesrtw.posterior import mixture
from bayesrtw.question.calibrate import ENGINE, Calibration, judge
from bayesrtw.question.ladder import Rungs, climb, row, rungs

#: Replicates that take a second or two: models with one tau are solved together.
FEW = {
    "bias_hierarchy with spread": 40,
    "directed_bias": 40,
    "by_group": 40,
    "bias_mixture": 40,
}


def covered(found):
    """Every quantity inside its band, and mu's 95 % interval within three standard errors of 95 %."""
    table = judge(found)
    assert table["inside"].all(), table[~table["inside"]]
    mu = table[table["quantity"] == "mu"]
    assert len(mu) == len(found)
    z = (mu["coverage_95"] - 0.95) / mu["error_95"]
    assert z.abs().max() < 3.0, mu


def test_every_bias_model_covers_what_was_drawn_from_it():
    linear = [bias_coverage.linear(name, FEW.get(name, 1000)) for name in bias_coverage.TERMS]
    other = [bias_coverage.defined(name, FEW.get(name, 1000)) for name in bias_coverage.DEFINED]
    covered(linear + other)


@pytest.mark.slow
def test_every_bias_model_covers_with_small_error():
    covered(bias_coverage.every(1000))


def test_biases_that_are_left_out_are_noticed():
    truth = bias_coverage.draw_mixture(1000, seed=1)
    pit = mixture.cdf(truth.mu, *ladder.pooled(truth.drawn.effect, truth.drawn.se))
    table = judge([Calibration(name="naive", engine=ENGINE, seed=1, pit={"mu": pit}, cells=0)])
    assert not table["inside"].any()
    assert table["coverage_95"][0] < 0.90


def rows(drawn, place):
    trial = drawn.trial
    frame = pd.DataFrame(
        {
            "study": [f"s{i}" for i in range(len(trial))],
            "effect": drawn.effect[place],
            "se": drawn.se[place],
            "design": np.where(trial, "rct", "cohort"),
        }
    )
    return Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")


def as_row(answer, place):
    return np.array([answer.mean[place], answer.lower[place], answer.upper[place]])


#: The model of the shipped analysis of all designs, with the priors of the bench.
REGISTERED = Model(
    terms=(
        Intercept(Normal(0.0, ladder.MU_SD)),
        Indicator("non_randomised", "design", ("cohort",), Normal(0.0, ladder.COMMON_SD)),
        Exchangeable(HalfNormal(ladder.TAU_SCALE)),
    )
)


def package(drawn, place, spec):
    """Mean and 95 % interval of every rung of the shipped ladder."""
    found, _ = rungs(REGISTERED, rows(drawn, place), spec)
    figures = {rung.name: row(climb(rung, seed=1)) for rung in found}
    return {
        name: [each[key] for key in ("mean", "lower", "upper")] for name, each in figures.items()
    }


@pytest.mark.parametrize(("place", "bias"), [(0, 0.3), (1, -0.15)])
def test_batched_rungs_are_those_of_the_package(place, bias):
    drawn = ladder.draw(ladder.Task(ladder.Setting(bias, 0.1, 3, 10), 2, 0, 7))
    wanted = package(drawn, place, Rungs(mixture=None))
    found = ladder.batched(drawn)
    assert set(found) == set(wanted)
    for name, figures in wanted.items():
        # Both are quadratures converged to 1e-8; a prior drops 1e-12 of its parts.
        assert_allclose(as_row(found[name], place), figures, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("place", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_the_grid_of_the_mixture_is_the_engine_s(place):
    drawn = ladder.draw(ladder.Task(ladder.Setting(0.3, 0.1, 3, 3), 2, 2, 11))
    model = Model(terms=(*REGISTERED.terms[::2], default_mixture()))
    engine = Exact(draws=0, study_effects=False, nodes=32, tolerance=1e-4)
    wanted = row(engine.fit(model, rows(drawn, place), seed=1))
    figures = [wanted[key] for key in ("mean", "lower", "upper")]
    # 0.0005 of the width of an interval, by finer grids (see allocated.py), and the engine's 1e-4.
    atol = 0.001 * (figures[2] - figures[1])
    assert_allclose(as_row(ladder.mixture_rung(drawn), place), figures, atol=atol)


def test_a_finished_setting_is_read_back(tmp_path, capsys):
    tasks = [ladder.Task(setting, 40, 2, 3) for setting in ladder.settings()[:2]]
    first = list(ladder.run(tasks[:1], tmp_path, None))
    again = list(ladder.run(tasks, tmp_path, None))
    assert again[: len(first)] == first
    assert [row["rung"] for row in first] == list(ladder.RUNGS)
    assert capsys.readouterr().err.count("s of CPU") == 2


def test_the_page_shows_the_figures_beside_it():
    page = ladder_page.PAGE.read_text(encoding="utf-8")
    assert ladder_page.filled(page) == page
    frame = pd.read_csv(ladder_page.SETTINGS)
    assert len(frame) == len(ladder.settings()) * len(ladder.RUNGS)
