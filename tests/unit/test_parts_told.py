"""Parts of programmes: shares of studies as slopes, sets from few normals, and what a report holds."""

import json
from dataclasses import replace

import numpy as np
import pytest

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.errors import SpecError
from bayesrtw.model.components import Components
from bayesrtw.plot.components import plot_components
from bayesrtw.plot.forest import describe_forest
from bayesrtw.plot.new_setting import describe_new_setting
from bayesrtw.question.parts import material, pairs_in, told_by
from bayesrtw.question.predict import expected_at
from bayesrtw.report.html import render_html
from bayesrtw.report.markdown import render_markdown
from bayesrtw.report.parts import parts_of
from bayesrtw.report.record import record


@pytest.fixture(scope="module")
def synthesis():
    return brw.run(brw.open_analysis("at-work-components"))


@pytest.fixture(scope="module")
def whole(synthesis):
    return solve(synthesis.analysis.model, synthesis.evidence)


def test_shares_are_slopes_times_differences_and_add_up_with_the_prior(synthesis):
    # Heterogeneity known: the posterior mean is linear, and a step of an estimate moves it by its slope.
    terms = synthesis.analysis.model.terms
    model = brw.Model(terms=(terms[0], brw.Common()))
    rows = synthesis.evidence
    told = told_by(solve(model, rows))
    base = told.table["mean"].to_numpy()
    effect = rows.data["effect"]
    key = rows.data["study"].to_numpy()
    known = sorted({part for cell in rows.data["parts_t"].to_numpy() for part in cell.split(" + ")})
    wanted = np.zeros_like(told.shares)
    for row in range(rows.size):
        step = effect.copy(data=effect.to_numpy() + np.eye(rows.size)[row])
        moved = told_by(solve(model, replace(rows, data=rows.data.assign(effect=step))))
        arms = [set(str(rows.data[s].to_numpy()[row]).split(" + ")) for s in ("parts_t", "parts_c")]
        differs = np.array([float(p in arms[0]) - float(p in arms[1]) for p in told.table.index])
        study = list(dict.fromkeys(key.tolist())).index(key[row])
        wanted[study] += (moved.table["mean"].to_numpy() - base) * differs
    assert set(told.table.index) <= set(known)
    assert told.shares == pytest.approx(wanted, abs=1e-9)
    # The prior's share is the part of its variance that is left.
    left = told.table["sd"].to_numpy() ** 2 / 0.25**2
    assert told.table["prior"].to_numpy() == pytest.approx(left, abs=1e-9)


def test_a_tree_of_parts_names_what_their_picture_needs(synthesis):
    with pytest.raises(SpecError, match="found DataTree; give the Synthesis that run returned"):
        plot_components(synthesis.posterior)


@pytest.mark.parametrize("ci_prob", [0.95, 0.9])
def test_pictures_of_a_synthesis_print_what_its_tree_says(synthesis, ci_prob):
    """A synthesis has a table at 0.95 alone: at 0.9 ends are those of 0.9, of either."""
    table = brw.summarise(synthesis.posterior, ci_prob=ci_prob).loc["mu"]
    ratios = " to ".join(f"{table[end]:.2f}" for end in ("lower_back", "upper_back"))
    for source in (synthesis, synthesis.posterior):
        assert f"{table['median_back']:.2f} ({ratios})" in describe_forest(source, ci_prob=ci_prob)
        assert f"({ratios})" in describe_new_setting(source, ci_prob=ci_prob)


def test_few_normals_give_every_set_as_the_nodes_do(synthesis, whole):
    stuff = material(whole)
    assert len(stuff.weight) < 100
    assert stuff.weight.sum() == pytest.approx(1.0, abs=1e-12)
    rng = np.random.default_rng(3)
    for _ in range(12):
        has = rng.random((2, len(stuff.names))) < (0.4, 0.15)[0]
        arms = [" + ".join(np.array(stuff.names)[side]) or "none" for side in has]
        row = has[0].astype(float) - has[1]
        if not row.any():
            continue
        mean = stuff.mean @ row
        variance = np.einsum("i,nij,j->n", row, stuff.covariance, row)
        for of, more in (("mu", 0.0), ("theta_new", stuff.spread)):
            exact = expected_at(whole, of, {"parts_t": arms[0], "parts_c": arms[1]})
            centre = stuff.weight @ mean
            spread = np.sqrt(stuff.weight @ (variance + more + (mean - centre) ** 2))
            assert [centre, spread] == pytest.approx(exact.moments(), abs=1e-9)
            few = replace(exact, weight=stuff.weight, mean=mean, sd=np.sqrt(variance + more))
            for level in (0.025, 0.5, 0.975):
                gap = float(few.quantile(level)) - float(exact.quantile(level))
                assert abs(gap) < 0.006 * spread
            assert float(few.above(0.0)) == pytest.approx(float(exact.above(0.0)), abs=2e-3)


def test_pairs_know_their_parts():
    assert pairs_in(("a", "b", "a x b", "c")) == [(2, 0, 1)]


def test_the_report_holds_parts_and_formats_without_controls_say_where_sets_are(synthesis):
    found = parts_of(synthesis, synthesis.evidence.measure)
    assert found is not None
    sets = found["sets"]
    width = len(found["rows"])
    assert len(sets["mean"][0]) == width
    assert len(sets["covariance"][0]) == width * (width + 1) // 2
    assert len(json.dumps(sets)) < 60_000
    row = next(row for row in found["rows"] if row["name"] == "exercise")
    assert row["title"] == "Exercise or graded activity"
    assert row["told"][0]["study"] == "Mijwel 2019"
    shown = told_by(solve(synthesis.analysis.model, synthesis.evidence)).table.loc["exercise"]
    assert row["prior"] == pytest.approx(shown["prior"])
    plain = brw.run(brw.open_analysis("sick-leave-days"))
    assert parts_of(plain, plain.evidence.measure) is None


def test_a_page_has_the_table_and_the_choices(synthesis):
    content = record(synthesis, alternatives=False)
    page = render_html(content)
    assert 'id="sets"' in page
    assert page.count('data-side="arm"') == len(content["parts"]["rows"])
    text = render_markdown(content)
    assert "The HTML report adds up any set of parts." in text
    assert "Mijwel 2019 27.6" in text


def test_models_of_whole_programmes_have_no_parts():
    with pytest.raises(SpecError, match="not one of components"):
        brw.network.parts(brw.run(brw.open_analysis("sick-leave-days")))


def test_the_table_and_its_picture_name_who_tells(synthesis):
    frame = brw.network.parts(synthesis)
    assert frame.loc["work_modification", "studies"] == 1
    assert frame.loc["work_modification", "told_by"] == "RETAKE 2024 39 %"
    assert "Work modification: 0.95 (0.65 to 1.40)" in synthesis.describe("components")
    axes = synthesis.plot("components")
    texts = [each.get_text() for each in axes.figure.findobj(lambda one: hasattr(one, "get_text"))]
    assert "Most told by, %" in texts


def test_pairs_that_may_differ_stand_beside_the_parts(synthesis):
    model = synthesis.analysis.model
    term = replace(model.terms[0], interactions=("all",))
    assert isinstance(term, Components)
    told = told_by(solve(replace(model, terms=(term, *model.terms[1:])), synthesis.evidence))
    assert "coordination x multidisciplinary_team" in told.table.index
    assert np.allclose(told.shares.sum(axis=0) + told.table["prior"], 1.0)


def test_the_head_of_a_report_says_registered_of_what_is_in_the_register_alone(synthesis):
    content = record(synthesis, alternatives=False)
    assert "registered 2026-11-30, revision 2" in render_markdown(content)
    said = {"check": "unregistered", "severity": "warning", "message": "It is in no register."}
    text = render_markdown({**content, "findings": [*content["findings"], said]})
    assert "not in the register of this package; dated 2026-11-30, revision 2" in text


def test_a_table_of_parts_says_what_it_holds(synthesis):
    found = brw.network.parts(synthesis)
    assert "What each part adds, analysis scale: coordination" in found.describe()
    with pytest.raises(SpecError, match="there is no picture of it"):
        found.plot()
