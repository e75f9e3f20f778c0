"""Counts that nobody registered an analysis for: their exact likelihood, and 0.5 in empty cells beside it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose

import bayesrtw as brw
from bayesrtw.analysis.catalog import open_analysis
from bayesrtw.analysis.default import APPROXIMATE, default_analyses
from bayesrtw.cli import main
from bayesrtw.errors import EvidenceError
from bayesrtw.model.binomial import Binomial
from bayesrtw.model.hypergeometric import Hypergeometric
from bayesrtw.model.likelihood import NormalErrors
from bayesrtw.model.single import BinomialSingle, Poisson, PoissonSingle
from bayesrtw.registry import kind_of

TWO = pd.DataFrame(
    {
        "study": list("ABCDE"),
        "events_t": [3, 0, 5, 0, 2],
        "n_t": [30, 25, 40, 21, 33],
        "events_c": [1, 4, 6, 0, 8],
        "n_c": [31, 24, 38, 20, 35],
    }
)
TIMES = TWO.rename(columns={"n_t": "person_time_t", "n_c": "person_time_c"})
ONE = pd.DataFrame({"study": list("ABC"), "events": [3, 0, 40], "n": [30, 25, 40]})


def evidence(frame, measure, **more):
    return brw.Evidence.from_frame(
        frame,
        columns={name: name for name in frame.columns if name != "study"},
        measure=measure,
        **more,
    )


@pytest.mark.parametrize(
    ("frame", "measure", "likelihood"),
    [
        (TWO, "log_odds_ratio", Hypergeometric()),
        (TWO, "log_risk_ratio", Binomial(link="log")),
        (TWO, "log_hazard_ratio", Binomial(link="cloglog")),
        (TIMES, "log_rate_ratio", Poisson()),
        (ONE, "logit_proportion", BinomialSingle()),
        (ONE.rename(columns={"n": "person_time"}), "log_rate", PoissonSingle()),
        (TWO, "risk_difference", NormalErrors()),
        (TWO, "log_peto_odds_ratio", NormalErrors()),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_measure_has_its_likelihood(frame, measure, likelihood):
    (analysis,) = default_analyses(evidence(frame, measure))
    assert analysis.likelihood == likelihood
    exact = not isinstance(likelihood, NormalErrors)
    assert analysis.variant == ((APPROXIMATE,) if exact else ())
    assert any("exact for counts" in reason for reason in analysis.rationale) == exact


def test_estimates_among_counts_make_all_of_them_normal():
    mixed = TWO.astype(dict.fromkeys(TWO.columns[1:], float))
    mixed.loc[4, ["events_t", "n_t", "events_c", "n_c"]] = np.nan
    mixed["effect"], mixed["se"] = [*[np.nan] * 4, -0.4], [*[np.nan] * 4, 0.3]
    (analysis,) = default_analyses(evidence(mixed, "log_odds_ratio"))
    assert analysis.likelihood == NormalErrors()
    assert "4 of 5 rows have counts" in analysis.rationale[-1]


def test_an_adjusted_estimate_beside_counts_is_believed():
    (plain,) = default_analyses(evidence(TWO, "log_odds_ratio"))
    rows = evidence(TWO, "log_odds_ratio")
    moved = rows.data["effect"].to_numpy() + np.array([0.0, 0.0, 0.2, 0.0, 0.0])
    adjusted = replace(rows, data=rows.data.assign(effect=("estimate", moved)))
    (found,) = default_analyses(adjusted)
    assert kind_of(plain.likelihood) == "hypergeometric"
    assert found.likelihood == NormalErrors()
    assert "4 of 5 rows have counts" in found.rationale[-1]


def test_groups_that_are_shared_make_counts_normal():
    shared = TWO.assign(study=list("AABCD"), events_c=[4, 4, 6, 1, 8], n_c=[31, 31, 38, 20, 35])
    (analysis,) = default_analyses(evidence(shared, "log_odds_ratio"))
    assert analysis.likelihood == NormalErrors()
    assert "share a group" in analysis.rationale[-1]


def test_percentages_of_whole_numbers_are_counts():
    printed = TWO.drop(index=[1, 3]).drop(columns=["events_t", "events_c"])
    printed = printed.assign(
        pct_t=[10.0, 12.5, 6.1], pct_c=[3.2, 15.8, 22.9], reported="percentages"
    )
    found = brw.run(evidence(printed, "log_odds_ratio"))
    same = brw.run(evidence(TWO.drop(index=[1, 3]), "log_odds_ratio"))
    assert kind_of(found.analysis.likelihood) == "hypergeometric"
    assert_allclose(found.quantities.loc["mu", "mean"], same.quantities.loc["mu", "mean"])


def test_evidence_is_pooled_and_the_approximation_stands_beside_it():
    rows = evidence(TWO, "log_odds_ratio")
    found = brw.run(rows)
    exact, rough = (
        brw.summarise(brw.fit(brw.Model(terms=found.analysis.term, likelihood=each), some)).loc[
            "mu"
        ]
        for each, some in (
            (Hypergeometric(), rows),
            (NormalErrors(), rows.rows(np.arange(5) != 3)),
        )
    )
    assert found.evidence.size == 5
    assert_allclose(found.estimates.loc["pooled", "mean"], exact["mean"], atol=1e-7)
    assert_allclose(
        found.variants[APPROXIMATE.name].loc["pooled", "mean"], rough["mean"], atol=1e-7
    )
    (said,) = [each.message for each in found.findings if each.check == "normal-approximation"]
    apart = (rough["mean"] - exact["mean"]) / exact["sd"]
    assert f"its mean {apart:+.2g} SDs away".replace("-", "−") in said
    assert any("'D'" in each.message for each in found.findings if each.check == "silent-tables")


def test_a_table_without_any_event_is_no_evidence():
    nobody = TWO.assign(events_t=0, events_c=0)
    with pytest.raises(EvidenceError):
        brw.run(evidence(nobody, "log_odds_ratio"))


def test_several_outcomes_are_not_pooled_unasked():
    rows = evidence(TWO.assign(outcome=list("xxyyy")), "log_odds_ratio")
    with pytest.raises(EvidenceError, match="2 analyses would pool it"):
        brw.run(rows)


def test_the_command_says_so_in_one_line(tmp_path):
    path = tmp_path / "trials.csv"
    TWO.assign(measure="log_odds_ratio").to_csv(path, index=False)
    found = CliRunner().invoke(
        main, ["run", str(path), "--out", str(tmp_path / "r"), "--no-report"]
    )
    assert found.exit_code == 0, found.output
    assert "exact for counts (hypergeometric: each table given its margins)" in " ".join(
        found.output.split()
    )


def test_a_draft_of_a_data_set_with_counts_has_their_likelihood(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    TWO.assign(measure="log_risk_ratio").to_csv(tmp_path / "trials.csv", index=False)
    asked = ["new", "analysis", "mine", "--measure", "log_risk_ratio", "--dataset"]
    assert CliRunner().invoke(main, [*asked, "trials.csv"]).exit_code == 0
    drafted = open_analysis(tmp_path / "mine.toml")
    assert drafted.likelihood == Binomial(link="log")
    assert drafted.variant == (APPROXIMATE,)
    (tmp_path / "mine.toml").unlink()
    assert CliRunner().invoke(main, [*asked, "unknown"]).exit_code == 0
    text = (tmp_path / "mine.toml").read_text(encoding="utf-8")
    assert open_analysis(tmp_path / "mine.toml").likelihood == NormalErrors()
    assert '# kind = "binomial"\n# link = "log"\n' in text
