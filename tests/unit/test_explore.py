"""The grid behind a page against posteriors fitted one by one.

A cell is integrated on nodes that serve several priors, until nothing moves by more than 1e-6; the
posterior that it is held against has nodes of its own and 1e-8. So 1e-5 is asked for, a hundredth of
the last digit that a page prints.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesrtw as brw
from bayesrtw.analysis.default import default_analyses
from bayesrtw.analysis.explore import Grid, explore
from bayesrtw.analysis.run import Synthesis, run
from bayesrtw.analysis.sensitivity import prior_choices
from bayesrtw.analysis.spec import Estimand
from bayesrtw.errors import EngineRefusal
from bayesrtw.model.prior import Uniform
from bayesrtw.posterior.summarise import probability_beyond
from bayesrtw.report.html import render_html
from bayesrtw.report.record import record

CLOSE = 1e-5


def _synthesis(**changes: object) -> Synthesis:
    frame = pd.DataFrame(
        {
            "study": ["A", "B", "B2", "C", "D"],
            "effect": [0.42, 0.05, 0.11, -0.21, 0.33],
            "se": [0.15, 0.12, 0.30, 0.25, 0.09],
            "trial_family": ["a", "b", "b", "c", "d"],
        }
    )
    evidence = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="lower")
    (analysis,) = default_analyses(evidence)
    return run(replace(analysis, **changes), evidence)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def three_levels() -> tuple[Synthesis, Grid]:
    terms = (
        brw.Intercept(brw.prior.Normal(0, 0.5)),
        brw.Exchangeable(brw.prior.HalfNormal(0.5), by="trial_family", name="tau_family"),
        brw.Exchangeable(brw.prior.HalfNormal(0.25)),
    )
    questions = (
        Estimand("pooled", "mu", ci_prob=0.9),
        Estimand("new", "theta_new", above=0.1),
        Estimand("spread", "tau"),
    )
    found = _synthesis(term=terms, estimand=questions)
    grid = explore(found)
    assert grid is not None
    return found, grid


def test_every_cell_is_the_posterior_fitted_by_itself(
    three_levels: tuple[Synthesis, Grid],
) -> None:
    found, grid = three_levels
    priors = prior_choices(found.analysis.model, found.evidence)
    assert [each.name for each in grid.estimands] == ["pooled", "new"]
    for place, left in enumerate(grid.left_out[1:], 1):
        keep = np.ones(found.evidence.size, dtype=bool)
        keep[list(left.rows)] = False
        for name in ("registered", "half-normal(0.1)", list(priors)[-1]):
            between = replace(found.analysis.term[1], tau=priors[name])  # type: ignore[arg-type]
            terms = (found.analysis.term[0], between, found.analysis.term[2])
            cell = grid.cells[place][[each for each, _ in grid.priors].index(name)]
            assert cell is not None
            model = brw.Model(terms=terms)
            tree = brw.fit(model, found.evidence.rows(keep), engine=brw.Exact(draws=0), seed=1)
            table = brw.summarise(tree)
            narrow = brw.summarise(tree, ci_prob=0.9)
            wanted = narrow.loc["mu", ["median", "lower", "upper", "probability"]]
            assert_allclose(cell.answers[0], wanted.to_numpy(dtype=float), atol=CLOSE)
            new = table.loc["theta_new", ["median", "lower", "upper"]].to_numpy(dtype=float)
            assert_allclose(cell.answers[1][:3], new, atol=CLOSE)
            beyond = probability_beyond(tree, "theta_new", "", 0.1, above=True)
            assert_allclose(cell.answers[1][3], beyond, atol=CLOSE)
            kept = [effect for effect in cell.effects if effect is not None]
            theta = table.loc[table["variable"] == "theta", ["median", "lower", "upper"]]
            assert_allclose(kept, theta.to_numpy(dtype=float), atol=CLOSE)
            weights = [weight for weight in cell.weights[:-1] if weight is not None]
            source = tree["quadrature"]
            assert_allclose(weights, source["weight_in_mu"].to_numpy(), atol=CLOSE)
            assert_allclose(cell.weights[-1], float(source["prior_weight_in_mu"]), atol=CLOSE)


def test_the_first_cell_holds_the_registered_answers(three_levels: tuple[Synthesis, Grid]) -> None:
    found, grid = three_levels
    first = grid.cells[0][0]
    assert first is not None
    wanted = found.estimates.loc[["pooled", "new"], ["median", "lower", "upper", "probability"]]
    assert np.array_equal(np.array(first.answers), wanted.to_numpy(dtype=float))


def test_studies_and_families_are_left_out(three_levels: tuple[Synthesis, Grid]) -> None:
    _, grid = three_levels
    assert [(each.kind, each.name, each.rows) for each in grid.left_out] == [
        ("nothing", "nothing left out", ()),
        ("study", "A", (0,)),
        ("study", "B", (1,)),
        ("study", "B2", (2,)),
        ("study", "C", (3,)),
        ("study", "D", (4,)),
        ("family", "b", (1, 2)),
    ]
    family = grid.cells[-1][0]
    assert family is not None
    assert [effect is None for effect in family.effects] == [False, True, True, False, False]


def test_a_prior_with_a_jump_gets_nodes_of_its_own() -> None:
    terms = (brw.Intercept(brw.prior.Normal(0, 0.5)), brw.Exchangeable(Uniform(0.3)))
    found = _synthesis(term=terms)
    grid = explore(found)
    assert grid is not None
    wide = grid.cells[2][0]
    assert wide is not None
    keep = np.array([True, False, True, True, True])
    tree = brw.fit(found.analysis.model, found.evidence.rows(keep), seed=1)
    wanted = brw.summarise(tree).loc["mu", ["median", "lower", "upper"]].to_numpy(dtype=float)
    assert_allclose(wide.answers[0][:3], wanted, atol=CLOSE)


def test_a_common_effect_has_no_priors_to_choose() -> None:
    found = _synthesis(
        term=(brw.Intercept(brw.prior.Normal(0, 0.5)), brw.Common()),
        estimand=(Estimand("pooled", "mu"),),
    )
    grid = explore(found)
    assert grid is not None
    assert [name for name, _ in grid.priors] == ["registered"]
    assert grid.cells[1][0] is not None
    assert grid.cells[1][0].tau == 0.0


def test_a_grid_that_misses_the_registered_answer_is_refused(
    three_levels: tuple[Synthesis, Grid],
) -> None:
    found, _ = three_levels
    other = found.estimates.copy()
    other.loc["pooled", "lower"] -= 0.01
    with pytest.raises(EngineRefusal, match=r"registered answer moves by 1\.0e-02"):
        explore(replace(found, estimates=other))
    content = record(replace(found, estimates=other))
    assert content["explore"] is None
    assert "does not serve this model" in render_html(content)
