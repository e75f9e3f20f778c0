"""Whatever the number of rows: pages, pictures, documents and draws stay within their bounds, and say so."""

import numpy as np
import pandas as pd
import pytest

import bayesrtw as brw
from bayesrtw.analysis.default import default_analyses
from bayesrtw.analysis.run import run
from bayesrtw.engine import choose, exact
from bayesrtw.plot.forest import plot_forest
from bayesrtw.report import document
from bayesrtw.report import record as report_record
from bayesrtw.report.block import Folded, Head, Outline, Section, Tabular
from bayesrtw.report.html import render_html
from bayesrtw.report.shorten import MOST_ROWS, shortened


def evidence(count):
    rng = np.random.default_rng(2)
    se = rng.uniform(0.1, 0.3, count)
    names = [f"s{place}" for place in range(count)]
    frame = pd.DataFrame({"study": names, "effect": rng.normal(0.1, se), "se": se})
    return brw.Evidence.from_frame(frame, benefit="higher")


@pytest.fixture(scope="module")
def synthesis():
    rows = evidence(30)
    return run(default_analyses(rows)[0], rows)


def test_a_forest_keeps_the_estimates_of_the_largest_weight(synthesis):
    axes = plot_forest(synthesis, most=7)
    texts = {
        text.get_text()
        for text in axes.get_figure().findobj(lambda each: hasattr(each, "get_text"))
    }
    share = synthesis.posterior["quadrature"]["weight_in_mu"].to_series()
    drawn = {name for name in share.index if name in texts}
    assert drawn == set(share.sort_values().index[-7:])
    assert any("Shown are the 7 estimates" in each for each in texts)
    assert "Prior" in texts
    whole = plot_forest(synthesis)
    texts = {
        text.get_text()
        for text in whole.get_figure().findobj(lambda each: hasattr(each, "get_text"))
    }
    assert set(share.index) <= texts


def test_long_tables_are_cut_and_say_so():
    rows = tuple((str(place), str(place)) for place in range(MOST_ROWS + 5))
    table = Tabular(
        "All",
        (Head(("a",)), Head(("b",))),
        tuple(((a,), (b,)) for a, b in rows),
        own=frozenset({1, MOST_ROWS + 1}),
    )
    short = Tabular("Few", table.head, table.rows[:MOST_ROWS])
    found = shortened(Outline("t", (), (Section("x", "X", (Folded("f", (table,)), short)),)))
    folded, same = found.sections[0].blocks
    assert same is short
    cut = folded.blocks[0]
    assert cut.rows == table.rows[:MOST_ROWS]
    assert cut.own == {1}
    assert f"The first {MOST_ROWS} of {MOST_ROWS + 5} rows" in cut.caption


def test_too_many_draws_of_effects_are_left_out_and_nothing_else(synthesis, monkeypatch):
    whole = synthesis.posterior
    assert "theta" in whole["posterior"]
    monkeypatch.setattr(exact, "MOST_DRAWS", 30 * 4000 - 1)
    found = run(synthesis.analysis, evidence(30))
    tree = found.posterior
    assert "theta" not in tree["posterior"]
    assert "log_likelihood" not in tree.children
    assert tree["posterior"]["mu"].shape == (4, 1000)
    assert [each.check for each in found.findings if each.check == "draws-left-out"]
    assert not [each for each in synthesis.findings if each.check == "draws-left-out"]
    one, other = (brw.summarise(each) for each in (whole, tree))
    pd.testing.assert_frame_equal(one, other)


def test_effects_behind_very_many_rows_are_not_worked_out_unasked(monkeypatch):
    rows = evidence(30)
    model = default_analyses(rows)[0].model
    assert choose(model, rows) == brw.Exact()
    monkeypatch.setattr("bayesrtw.engine.MOST_EFFECTS", 29)
    assert choose(model, rows) == brw.Exact(study_effects=False)


def test_a_document_tells_so_many_rows_and_counts_the_others(synthesis, monkeypatch):
    whole = document.document(synthesis)
    assert len(whole["rows"]) == 30
    assert whole["rows_left_out"] == 0
    monkeypatch.setattr(document, "MOST_TOLD", 12)
    found = document.document(synthesis)
    assert found["rows"] == whole["rows"][:12]
    assert found["rows_left_out"] == 18
    assert not [name for name in found["estimates"] if name.startswith("theta[")]
    assert found["estimates"] == {
        name: row for name, row in whole["estimates"].items() if not name.startswith("theta[")
    }
    assert found["estimands"] == whole["estimands"]


def test_a_report_of_too_many_rows_says_that_it_has_no_alternatives(synthesis, monkeypatch):
    monkeypatch.setattr(report_record, "MOST_HELD", 29)
    content = report_record.record(synthesis)
    assert content["sensitivity"] is None
    assert content["explore"] is None
    assert "because more than 29 estimates are pooled" in content["sensitivity_missing"]
    assert "because more than 29 estimates are pooled" in render_html(content)
