"""The grid behind a page against posteriors fitted one by one.

A cell is integrated on nodes that serve several priors and everything that is left out; the posterior that
it is held against has nodes of its own. Means and SDs of both move by less than 1e-8 with more nodes,
quantiles by up to ten times as much: 1e-7.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesrtw as brw
from bayesrtw.analysis.default import default_analyses
from bayesrtw.analysis.explore import Explored, explore
from bayesrtw.analysis.ladder import ladder
from bayesrtw.analysis.run import Synthesis, run
from bayesrtw.analysis.sensitivity import heterogeneity_panels, prior_choices, sensitivity
from bayesrtw.analysis.spec import Estimand
from bayesrtw.engine import normal, solve
from bayesrtw.errors import EngineRefusal
from bayesrtw.model.prior import Uniform
from bayesrtw.posterior.summarise import probability_beyond
from bayesrtw.report.html import render_html
from bayesrtw.report.record import record

CLOSE = 1e-7


def _synthesis(design: list[str] | None = None, **changes: object) -> Synthesis:
    frame = pd.DataFrame(
        {
            "study": ["A", "B", "B2", "C", "D"],
            "effect": [0.42, 0.05, 0.11, -0.21, 0.33],
            "se": [0.15, 0.12, 0.30, 0.25, 0.09],
            "trial_family": ["a", "b", "b", "c", "d"],
            **({"design": design} if design else {}),
        }
    )
    evidence = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="lower")
    (analysis,) = default_analyses(evidence)
    return run(replace(analysis, **changes), evidence)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def three_levels() -> tuple[Synthesis, Explored]:
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
    three_levels: tuple[Synthesis, Explored],
) -> None:
    found, grid = three_levels
    panels = heterogeneity_panels(solve(found.analysis.model, found.evidence))
    name_of = str(next(iter(panels.values())).attrs["prior_of"])
    priors = prior_choices(found.analysis.model, found.evidence, name_of)
    assert [each.name for each in grid.estimands] == ["pooled", "new"]
    for place, left in enumerate(grid.left_out[1:], 1):
        keep = np.ones(found.evidence.size, dtype=bool)
        keep[list(left.rows)] = False
        for name in ("registered", "half-normal(0.1)", list(priors)[-1]):
            cell = grid.cells[0][place][[each for each, _ in grid.priors].index(name)]
            assert cell is not None
            model = found.analysis.model.under({name_of: priors[name]})
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


def test_the_first_cell_holds_the_registered_answers(
    three_levels: tuple[Synthesis, Explored],
) -> None:
    found, grid = three_levels
    first = grid.cells[0][0][0]
    assert first is not None
    wanted = found.estimates.loc[["pooled", "new"], ["median", "lower", "upper", "probability"]]
    assert np.array_equal(np.array(first.answers), wanted.to_numpy(dtype=float))


def test_studies_and_families_are_left_out(three_levels: tuple[Synthesis, Explored]) -> None:
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
    family = grid.cells[0][-1][0]
    assert family is not None
    assert [effect is None for effect in family.effects] == [False, True, True, False, False]


@pytest.fixture(scope="module")
def both_designs() -> tuple[Synthesis, Explored]:
    terms = (
        brw.Intercept(brw.prior.Normal(0, 0.5)),
        brw.Indicator("non_randomised", "design", ("cohort",), brw.prior.Normal(0, 0.2)),
        brw.Exchangeable(brw.prior.HalfNormal(0.25)),
    )
    questions = (
        Estimand("pooled", "mu"),
        Estimand("difference", "beta[non_randomised]"),
        Estimand("new", "theta_new"),
    )
    found = _synthesis(["rct", "cohort", "rct", "cohort", "rct"], term=terms, estimand=questions)
    grid = explore(found)
    assert grid is not None
    return found, grid


def test_one_kind_of_design_has_the_registered_rung_alone(
    three_levels: tuple[Synthesis, Explored],
) -> None:
    assert three_levels[1].rungs == ("registered",)
    assert len(three_levels[1].cells) == 1


@pytest.mark.parametrize(
    ("name", "share"), [("randomised", 0.0), ("discount 0.25", 0.25), ("discount 0.5", 0.5)]
)
def test_every_rung_is_the_posterior_fitted_by_itself(
    both_designs: tuple[Synthesis, Explored], name: str, share: float
) -> None:
    """Held against fits whose cohorts have variances divided by their share, written out here."""
    found, grid = both_designs
    assert grid.rungs == ("registered", "randomised", "discount 0.25", "discount 0.5", "naive")
    frame = found.evidence.data.to_dataframe().reset_index()
    cohort = (frame["design"] == "cohort").to_numpy()
    if share:
        frame["se"] = np.where(cohort, frame["se"] / np.sqrt(share), frame["se"])
    # Nothing, a trial and a cohort are left out, under two priors.
    for place, (prior, tau) in enumerate(
        (("registered", 0.25), ("half-normal(0.1)", 0.1), ("registered", 0.25))
    ):
        rows = np.ones(5, dtype=bool)
        rows[list(grid.left_out[place].rows)] = False
        rows &= ~cohort if not share else True
        cell = grid.cells[grid.rungs.index(name)][place][
            [each for each, _ in grid.priors].index(prior)
        ]
        assert cell is not None
        columns = frame.loc[rows, ["study", "effect", "se"]]
        evidence = brw.Evidence.from_frame(columns, measure="log_hazard_ratio", benefit="lower")
        terms = (
            brw.Intercept(brw.prior.Normal(0, 0.5)),
            brw.Exchangeable(brw.prior.HalfNormal(tau)),
        )
        table = brw.summarise(brw.fit(brw.Model(terms=terms), evidence, seed=1))
        for at, quantity in ((0, "mu"), (2, "theta_new")):
            wanted = table.loc[quantity, ["median", "lower", "upper", "probability"]]
            assert_allclose(cell.answers[at], wanted.to_numpy(dtype=float), atol=CLOSE)
        assert cell.answers[1] is None
        assert [effect is not None for effect in cell.effects] == rows.tolist()
        theta = table.loc[table["variable"] == "theta", ["median", "lower", "upper"]]
        kept = [effect for effect in cell.effects if effect is not None]
        assert_allclose(kept, theta.to_numpy(dtype=float), atol=CLOSE)


def test_rungs_agree_with_the_ladder_and_registered_keeps_its_own_answers(
    both_designs: tuple[Synthesis, Explored],
) -> None:
    found, grid = both_designs
    # The mixture is no rung of a grid.
    spec = replace(found.analysis.ladder, mixture=None)
    climbed = ladder(replace(found.analysis, ladder=spec), found.evidence, sampled=False).rungs
    for name, cells in zip(grid.rungs, grid.cells, strict=True):
        assert cells[0][0] is not None
        wanted = climbed.loc[name, ["median", "lower", "upper", "probability"]].astype(float)
        assert_allclose(cells[0][0].answers[0], wanted.to_numpy(), atol=CLOSE)
    first = grid.cells[0][0][0]
    assert first is not None
    own = found.estimates.loc["difference", ["median", "lower", "upper", "probability"]]
    assert np.array_equal(first.answers[1], own.to_numpy(dtype=float))


def test_a_prior_with_a_jump_gets_nodes_of_its_own() -> None:
    terms = (brw.Intercept(brw.prior.Normal(0, 0.5)), brw.Exchangeable(Uniform(0.3)))
    found = _synthesis(term=terms)
    grid = explore(found)
    assert grid is not None
    wide = grid.cells[0][2][0]
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
    assert grid.cells[0][1][0] is not None
    assert grid.cells[0][1][0].tau == 0.0


def test_a_grid_that_misses_the_registered_answer_is_refused(
    three_levels: tuple[Synthesis, Explored],
) -> None:
    found, _ = three_levels
    other = found.estimates.copy()
    other.loc["pooled", "lower"] -= 0.01
    with pytest.raises(EngineRefusal, match=r"registered answer moves by 1\.0e-02"):
        explore(replace(found, estimates=other))
    content = record(replace(found, estimates=other))
    assert content["explore"] is None
    assert "does not serve this model" in render_html(content)


def test_priors_with_heavier_tails_share_nodes_of_their_own_where_rows_are_left_out(
    three_levels: tuple[Synthesis, Explored], monkeypatch: pytest.MonkeyPatch
) -> None:
    synthesis, _ = three_levels
    whole = solve(synthesis.analysis.model, synthesis.evidence)
    priors = prior_choices(whole.model, whole.evidence, "tau_family")
    masks = [np.arange(whole.evidence.size) == row for row in range(3)]
    near = whole.without(masks)
    assert whole.without(masks)[0] is near[0]
    alone: list[object] = []
    own = normal.integrate

    def counted(problem: object, *rest: object, **more: object) -> object:
        alone.append(problem)
        return own(problem, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(normal, "integrate", counted)
    for one, mask in zip(near, masks, strict=True):
        assert one is not None
        for name, found in zip(
            priors, one.under([{"tau_family": each} for each in priors.values()]), strict=True
        ):
            mean = found.posterior.pooled.centre
            assert not alone, name
            fresh = solve(whole.model, whole.evidence).under([{"tau_family": priors[name]}])[0]
            [left] = fresh.without([mask])
            assert left is not None
            assert_allclose(mean, left.posterior.pooled.centre, atol=CLOSE)
            alone.clear()


def test_a_grid_too_large_for_a_page_keeps_what_moves_the_mean_most(
    three_levels: tuple[Synthesis, Explored], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, whole = three_levels
    monkeypatch.setattr("bayesrtw.analysis.explore.MOST_NUMBERS", 6 * len(whole.priors) * 14)
    grid = explore(found)
    assert grid is not None
    again = explore(found, sensitivity(found.analysis, found.evidence))
    assert again is not None
    assert (again.left_out, again.shown) == (grid.left_out, grid.shown)
    for row, other in zip(again.cells[0], grid.cells[0], strict=True):
        for cell, same in zip(row, other, strict=True):
            assert cell is not None
            assert same is not None
            assert_allclose(np.array(cell.answers), np.array(same.answers), atol=CLOSE)
    moved = brw.leave_one_out(found)["mean"]
    first = moved.index[1:][np.argsort(-np.abs(moved.iloc[1:] - moved.iloc[0]).to_numpy())]
    studies = [each.name for each in grid.left_out if each.kind == "study"]
    assert 0 < len(studies) < 5
    assert set(studies) == set(first[: len(studies)])
    assert {row for each in grid.left_out for row in each.rows} == set(grid.shown)
    numbers = sum(4 * len(cell.effects) for row in grid.cells[0] for cell in row if cell)
    assert numbers < 6 * len(whole.priors) * 14
    for place, left in enumerate(grid.left_out):
        same = [each.name for each in whole.left_out].index(left.name)
        for cell, other in zip(grid.cells[0][place], whole.cells[0][same], strict=True):
            assert cell is not None
            assert other is not None
            assert_allclose(np.array(cell.answers), np.array(other.answers), atol=CLOSE)
            for row, effect, weight in zip(grid.shown, cell.effects, cell.weights, strict=False):
                if other.effects[row] is None:
                    assert effect is None
                    continue
                assert_allclose(np.array(effect), np.array(other.effects[row]), atol=CLOSE)
                assert weight == pytest.approx(other.weights[row], abs=CLOSE)


def test_the_page_says_that_its_grid_is_a_part(
    three_levels: tuple[Synthesis, Explored], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bayesrtw.analysis.explore.MOST_NUMBERS", 500)
    content = record(three_levels[0])
    shown = content["explore"]["shown"]
    assert len(shown) < 5
    assert len(content["explore"]["cells"][0][0][0]["effects"]) == len(shown)
    page = render_html(content)
    assert "There are 5 estimates, more than a page can hold combinations of." in page
    table = page[page.index("Forest plot that follows the choices") :].split("</table>")[0]
    assert table.count("data-row") == len(shown)
    for place in shown:
        assert content["rows"][place]["estimate"] in table
