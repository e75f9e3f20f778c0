"""Leave-one-out, prior panels and sweeps: batched results against published figures and refits.

Both double their nodes until nothing moves by 1e-8: they share the algebra of the conjugate step and
no code for it, so 1e-8 is the tolerance for both.
"""

import io
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose
from rich.console import Console
from rich.padding import Padding

import bayesrtw as brw
from bayesrtw.analysis.catalog import open_dataset
from bayesrtw.analysis.conclusion import Rules
from bayesrtw.analysis.sensitivity import sensitivity as panel_of
from bayesrtw.analysis.spec import Analysis, Query
from bayesrtw.cli import main
from bayesrtw.engine.batch import batch_of, solve
from bayesrtw.errors import EngineRefusal, EvidenceError, SpecError
from bayesrtw.evidence.dependence import assumed_correlation
from bayesrtw.model.design import build
from bayesrtw.posterior import mixture
from bayesrtw.posterior.summarise import probability_beyond
from bayesrtw.question.sensitivity import (
    correlation_sweep,
    cumulative,
    leave_one_out,
    prior_sensitivity,
)
from bayesrtw.report import text

prior = brw.prior


def toy():
    # The four-study example: y = .30, .05, .42, .18 with s = .15, .12, .25, .20.
    return brw.Evidence.from_frame(
        pd.DataFrame(
            {
                "study": ["A", "B", "C", "D"],
                "effect": [0.30, 0.05, 0.42, 0.18],
                "se": [0.15, 0.12, 0.25, 0.20],
                "year": [2001.0, 2003.0, 2003.0, np.nan],
            }
        )
    )


def plain(tau, sd=1.0):
    return brw.Model(terms=(brw.Intercept(prior.Normal(0, sd)), brw.Exchangeable(tau)))


def test_exact_leave_one_out_densities_are_the_independent_ones():
    # independent computation, 5 decimals
    found = leave_one_out(plain(prior.HalfNormal(0.5)), toy())
    assert_allclose(found["elpd"].to_numpy()[1:], [0.16447, -0.10726, -0.18058, 0.22158], atol=5e-6)
    assert_allclose(found.loc["none left out", "log_evidence"], -1.4298778, atol=1e-7)


@pytest.mark.parametrize(
    ("tau", "figures"),
    [
        (prior.HalfNormal(0.25), (0.197, -0.029, 0.442, 0.960, -0.216, 0.638)),
        (prior.HalfNormal(0.5), (0.200, -0.071, 0.494, 0.943, -0.349, 0.777)),
        (prior.HalfNormal(1.0), (0.200, -0.111, 0.533, 0.931, -0.464, 0.888)),
        (prior.HalfCauchy(0.5), (0.199, -0.068, 0.489, 0.945, -0.339, 0.766)),
        (prior.InverseGamma(2.42, 0.30), (0.198, -0.021, 0.428, 0.963, -0.178, 0.592)),
    ],
)
def test_a_prior_panel_gives_the_independent_figures(tau, figures):
    found = prior_sensitivity(plain(prior.HalfNormal(0.5)), toy(), {"it": tau, "again": tau})
    columns = ["mean", "lower", "upper", "probability", "new_lower", "new_upper"]
    assert_allclose(found.loc["it", columns].to_numpy(dtype=float), figures, atol=6e-4)
    assert found.loc["it"].equals(found.loc["again"])


def test_leaving_a_study_out_is_fitting_without_it():
    evidence = toy()
    model = plain(prior.HalfCauchy(0.3))
    found = leave_one_out(model, evidence)
    for place, name in enumerate("ABCD"):
        rest = evidence.rows(np.arange(4) != place)
        refit = brw.summarise(brw.fit(model, rest)).loc["mu"]
        for column in ("mean", "sd", "median", "lower", "upper", "probability"):
            assert_allclose(found.loc[name, column], refit[column], atol=1e-8)


def test_families_are_left_out_together_and_nested_models_go_one_by_one():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "study": list("aabbccdd"),
            "trial_family": list("xxxxyyzz"),
            "effect": rng.normal(0.2, 0.3, 8),
            "se": 0.2,
        }
    )
    evidence = brw.Evidence.from_frame(frame)
    terms = (
        brw.Intercept(prior.Normal(0, 0.5)),
        brw.Exchangeable(prior.HalfNormal(0.3), by="study", name="tau_study"),
        brw.Exchangeable(prior.HalfNormal(0.3)),
    )
    model = brw.Model(terms=terms)
    found = leave_one_out(model, evidence, by="trial_family")
    assert list(found.index) == ["none left out", "x", "y", "z"]
    refit = brw.summarise(brw.fit(model, evidence.rows(frame["trial_family"].to_numpy() != "x")))
    assert_allclose(found.loc["x", "mean"], refit.loc["mu", "mean"], atol=1e-7)
    with pytest.raises(EngineRefusal, match="one by one"):
        batch_of(build(model, evidence))


def test_cumulative_pooling_ends_with_everything():
    model = plain(prior.HalfNormal(0.5))
    found = cumulative(model, toy())
    assert list(found.index) == ["2001", "2003", "and those without"]
    assert found["estimates"].tolist() == [1, 3, 4]
    whole = brw.summarise(brw.fit(model, toy())).loc["mu"]
    assert_allclose(found["mean"].iloc[-1], whole["mean"], atol=1e-8)


def test_correlation_widens_the_interval_of_repeated_estimates():
    frame = pd.DataFrame(
        {"study": list("aabb"), "effect": [0.2, 0.3, 0.1, 0.2], "se": [0.1, 0.12, 0.1, 0.15]}
    )
    model = brw.Model(terms=(brw.Intercept(prior.Flat()), brw.Common()))
    found = correlation_sweep(model, brw.Evidence.from_frame(frame), rhos=(0.0, 0.5))
    # generalised least squares by hand
    se = frame["se"].to_numpy()
    block = np.where(np.equal.outer(list("aabb"), list("aabb")), 0.5, 0.0)
    np.fill_diagonal(block, 1.0)
    precision = np.linalg.inv(block * np.outer(se, se)).sum()
    assert_allclose(found.loc["0.5", "sd"], precision**-0.5, rtol=1e-10)
    assert_allclose(found.loc["0", "sd"], np.sum(se**-2.0) ** -0.5, rtol=1e-10)


def test_thousands_of_problems_in_one_call_agree_with_twice_the_nodes():
    rng = np.random.default_rng(0)
    se = rng.uniform(0.1, 0.4, 14)
    effect = rng.normal(0.1, np.hypot(0.2, se), (2000, 14))
    frame = pd.DataFrame({"study": [str(i) for i in range(14)], "effect": effect[0], "se": se})
    evidence = brw.Evidence.from_frame(frame)
    one = batch_of(build(plain(prior.HalfNormal(0.5)), evidence))
    many = replace(one, effect=effect)
    few, more = solve(many), solve(many, 128)
    assert_allclose(few.log_evidence, more.log_evidence, atol=1e-8)
    parts = few.mixture(np.ones(1)), more.mixture(np.ones(1))
    for left, right in zip(mixture.moments(*parts[0]), mixture.moments(*parts[1]), strict=True):
        assert_allclose(left, right, atol=1e-8)
    single = brw.fit(plain(prior.HalfNormal(0.5)), evidence)
    assert_allclose(few.log_evidence[0], float(single["quadrature"]["log_evidence"]), atol=1e-8)


def test_an_unknown_column_and_a_model_without_mean_are_refused():
    with pytest.raises(SpecError, match="by is 'yeer'; a numeric column is needed"):
        cumulative(plain(prior.HalfNormal(0.5)), toy(), by="yeer")
    bare = brw.Model(
        terms=(brw.Linear("year", prior.Normal(0, 1)), brw.Exchangeable(prior.HalfNormal(1)))
    )
    known = toy().rows(np.array([True, True, True, False]))
    with pytest.raises(SpecError, match="no intercept"):
        leave_one_out(bare, known)


def test_the_command_prints_the_line_the_caveat_and_whole_numbers():
    result = CliRunner().invoke(main, ["sensitivity", "sick-leave-days", "--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["caveat"].startswith("A convenience sample")
    assert "give the same conclusion" in found["robustness"]
    whole = found["tables"]["Leaving out each study"]["none left out"]
    again = brw.run(brw.open_analysis("sick-leave-days")).quantities.loc["mu"]
    assert_allclose(whole["mean"], again["mean"], atol=1e-7)
    assert_allclose(
        found["tables"]["Priors of heterogeneity"]["registered"]["probability"],
        again["probability"],
        atol=1e-8,
    )


def test_no_figure_of_a_wide_table_is_lost_at_the_edge():
    columns = [f"a rather long heading {n}" for n in range(12)]
    frame = pd.DataFrame([[n + 0.125 for n in range(12)]], index=["row"], columns=columns)
    console = Console(width=60, file=io.StringIO(), highlight=False)
    for table in text._fitting("Heading", frame.assign(zero=4e-15), console):
        console.print(Padding(table, (0, 0, 0, 2)))
    printed = console.file.getvalue().split()
    assert [word for word in printed if "." in word] == [f"{n + 0.125:.3g}" for n in range(12)]
    assert printed[-1] == "0"


def test_the_panel_counts_specifications_and_names_what_breaks_it():
    analysis = brw.open_analysis("sick-leave-days")
    found = panel_of(analysis)
    counted = [
        (heading, name)
        for heading, table in found.tables.items()
        for name in table.index
        if not heading.startswith("Cumulative") and name not in {"none left out", "registered"}
    ]
    assert found.robustness.startswith(f"{len(counted)} of {len(counted)} specifications (100 %)")
    assert {"Power scaling", "Tipping prior of the mean"} <= set(found.questions)
    # the registered prior under another name is not counted twice
    assert "half-normal(20)" not in found.tables["Priors of heterogeneity"].index
    # with an important effect of 12 days fewer the answer hangs on the studies; tables of others join
    rules = Rules(threshold=12.0)
    bias = pd.DataFrame(
        {"median": [0.0], "lower": [-1.0], "upper": [1.0], "probability": [0.01], "harm": [0.95]},
        index=["biased"],
    )
    other = panel_of(replace(analysis, conclusion=rules), more=[lambda *_: {"Biases": bias}])
    assert "break it, most of all biases: biased" in other.robustness
    assert "probably an important harm" in other.robustness
    table = other.tables["Leaving out each study"]
    tree = brw.fit(analysis.model, brw.run(analysis).evidence)
    assert_allclose(
        table.loc["none left out", "probability"],
        probability_beyond(tree, "mu", "", -12.0, above=False),
        atol=1e-8,
    )


@pytest.mark.slow
def test_a_question_that_a_likelihood_cannot_be_asked_costs_no_other_table():
    """Counts of two rows a study have no errors that correlate: the panel notes it and has all the rest."""
    counts = {"events_t": [10, 12, 5, 8], "n_t": [40, 41, 30, 33]}
    counts |= {"events_c": [15, 17, 8, 9], "n_c": [42, 40, 33, 30]}
    frame = pd.DataFrame({"study": list("aabc"), **counts, "year": [2001, 2001, 2004, 2009]})
    analysis = Analysis(
        id="small",
        title="Small",
        question="Does it?",
        seed=1,
        evidence=Query(dataset="none", measure="log_odds_ratio"),
        term=plain(prior.HalfNormal(0.5)).terms,
        likelihood=brw.likelihood.Binomial(),
    )
    found = panel_of(analysis, open_dataset(frame, measure="OR", benefit="lower"))
    assert {"Leaving out each study", "Priors of heterogeneity"} <= found.tables.keys()
    assert "Correlation within studies" not in found.tables
    (said,) = (note for note in found.notes if note.startswith("Correlation within studies: not"))
    assert "need a normal likelihood" in said


def test_no_correlation_is_assumed_of_errors_that_are_missing():
    evidence = toy()
    data = evidence.data.assign(study=("estimate", list("aabc")))
    data["se"] = ("estimate", [0.15, np.nan, 0.25, 0.2])
    with pytest.raises(EvidenceError, match="no standard errors of 'B'"):
        assumed_correlation(replace(evidence, data=data), by="study", rho=0.5)


def test_a_panel_without_a_pooled_mean_is_refused_kindly():
    analysis = brw.open_analysis("sick-leave-days")
    bare = replace(
        analysis,
        term=(brw.Linear("year", prior.Normal(0, 1)), brw.Exchangeable(prior.HalfNormal(1))),
    )
    with pytest.raises(SpecError, match="no pooled mean to be robust; a panel needs one"):
        panel_of(bare)


def test_tables_are_written_with_the_change_in_front_and_names_in_full(tmp_path):
    out = tmp_path / "tables"
    made = CliRunner().invoke(main, ["sensitivity", "time-to-rtw", "--out", str(out)])
    assert made.exit_code == 0, made.output
    studies = pd.read_csv(out / "leaving-out-each-study.csv", index_col=0)
    assert list(studies.columns[:4]) == ["change", "median", "lower", "upper"]
    whole = studies.loc["none left out", "median"]
    assert_allclose(studies["change"], studies["median"] / whole, rtol=1e-12)
    assert "Lambeek 2010" in studies.index
    # Everything of an effect is on one scale: a new setting holds the mean's interval.
    assert (studies["new_lower"] < studies["lower"]).all()
    assert (studies["new_upper"] > studies["upper"]).all()
    assert {"mean_log", "sd_log"} <= set(studies.columns)
    influence = pd.read_csv(out / "influence-of-each-study.csv", index_col=0)
    assert list(influence.columns[:3]) == ["change", "median_without", "probability_change"]
    assert_allclose(influence["median_without"], studies["median"].loc[influence.index], rtol=1e-9)
    assert_allclose(influence["change"][1:], studies["change"].loc[influence.index[1:]], rtol=1e-9)
    expected = pd.read_csv(out / "predictive-check.csv", index_col=0)
    assert_allclose(expected.loc["Lambeek 2010", "effect"], 1.9, rtol=1e-9)
    families = pd.read_csv(out / "leaving-out-families-of-studies.csv", index_col=0)
    assert "Skagseth 2020; Gismervik 2020; Aasdahl 2018" in families.index
    ids = set(brw.open_dataset("rtw-trials").data["study"].to_numpy().astype(str))
    for path in out.glob("*.csv"):
        assert not ids & set(pd.read_csv(path, index_col=0).index.astype(str)), path.name
