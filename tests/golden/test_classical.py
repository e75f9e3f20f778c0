"""What classical software prints, against metafor's own output: figures to 1e-6 or better."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesrtw as brw
from bayesrtw.errors import EvidenceError
from bayesrtw.question.classical import dersimonian_laird, excess, paule_mandel, reml, typical

GOLDEN = json.loads((Path(__file__).parent / "metafor_classical.json").read_text(encoding="utf-8"))
MODEL = brw.Model(
    terms=(
        brw.Intercept(brw.prior.Normal(0, 1)),
        brw.Exchangeable(brw.prior.HalfNormal(0.5)),
    )
)
NAMES = {
    "estimate": "beta",
    "se": "se",
    "statistic": "stat",
    "p_value": "pval",
    "lower": "ci_lb",
    "upper": "ci_ub",
    "tau2": "tau2",
}


def table(name: str) -> pd.DataFrame:
    own = GOLDEN["sets"][name]
    frame = pd.DataFrame({"effect": own["yi"], "se": own["sei"]})
    frame["study"] = [f"S{place}" for place in range(len(frame))]
    return brw.classical(MODEL, brw.Evidence.from_frame(frame))


@pytest.mark.parametrize("name", sorted(GOLDEN["sets"]))
def test_figures_are_those_of_metafor(name: str) -> None:
    own, found = GOLDEN["sets"][name], table(name)
    for method, fit in own["fits"].items():
        for ours, theirs in NAMES.items():
            assert found.loc[method, ours] == pytest.approx(fit[theirs], abs=1e-7), (method, ours)
        assert 100 * found.loc[method, "i2"] == pytest.approx(fit["I2"], abs=1e-5)
        assert found.loc[method, "h2"] == pytest.approx(fit["H2"], abs=1e-6)
    reml, knapp = own["fits"]["REML"], own["fits"]["REML, Hartung-Knapp"]
    assert found.loc["Q", "statistic"] == pytest.approx(reml["QE"], abs=1e-9)
    assert found.loc["Q", "p_value"] == pytest.approx(reml["QEp"], abs=1e-12)
    ahead = found.loc["prediction interval", ["lower", "upper"]].to_list()
    assert ahead == pytest.approx([knapp["pi_lb"], knapp["pi_ub"]], abs=1e-8)
    low, high = found.loc["tau2 by REML", ["lower", "upper"]]
    assert low == pytest.approx(own["tau2_interval"][0], abs=1e-9)
    if name != "eight_schools":
        assert high == pytest.approx(own["tau2_interval"][1], abs=1e-9)
    y, v = np.array(own["yi"]), np.array(own["sei"]) ** 2
    # metafor's search ends at 100 times the scale of eight schools; the equation itself goes on.
    assert excess(y, v, high) == pytest.approx(stats.chi2.ppf(0.025, len(y) - 1), abs=1e-9)
    egger, filled = own["egger"], own["trimfill"]
    assert found.loc["Egger's test", "statistic"] == pytest.approx(egger["tval"], abs=1e-9)
    assert found.loc["Egger's test", "p_value"] == pytest.approx(egger["pval"], abs=1e-9)
    assert found.loc["PET", ["estimate", "lower", "upper"]].to_list() == pytest.approx(
        [egger["limit_est"], egger["ci_lb"], egger["ci_ub"]], abs=1e-9
    )
    said = found.loc["trim and fill"]
    assert said["differs"].startswith(f"{filled['k0']} stud")
    # Its trims are iterated there to looser roots of the restricted likelihood.
    assert said[["estimate", "se", "tau2"]].to_list() == pytest.approx(
        [filled["est"], filled["se"], filled["tau2"]], abs=1e-6
    )


@pytest.mark.parametrize(
    ("measure", "theirs", "method"),
    [
        ("log_odds_ratio", "OR", "Mantel-Haenszel"),
        ("log_risk_ratio", "RR", "Mantel-Haenszel"),
        ("risk_difference", "RD", "Mantel-Haenszel"),
        ("log_odds_ratio", "PETO", "Peto"),
    ],
)
def test_tables_of_counts_are_those_of_metafor(measure: str, theirs: str, method: str) -> None:
    a, b, c, d = (np.array(GOLDEN["counts"][name]) for name in ("ai", "bi", "ci", "di"))
    frame = pd.DataFrame({"events_t": a, "n_t": a + b, "events_c": c, "n_c": c + d})
    frame["study"] = [f"S{place}" for place in range(len(frame))]
    evidence = brw.Evidence.from_frame(
        frame, columns={name: name for name in frame.columns}, measure=measure
    )
    row = brw.classical(MODEL, evidence).loc[method]
    fit = GOLDEN["counted"][theirs]
    told = row[["estimate", "se", "lower", "upper"]].to_list()
    assert told == pytest.approx([fit[key] for key in ("beta", "se", "ci_lb", "ci_ub")], abs=1e-12)


def test_regressions_are_those_of_lm() -> None:
    seen = json.loads((Path(__file__).parent / "lm_pet_peese.json").read_text(encoding="utf-8"))
    for fit in seen["fits"].values():
        frame = pd.DataFrame({"effect": fit["yi"], "se": fit["sei"]})
        frame["study"] = [f"S{place}" for place in range(len(frame))]
        found = brw.classical(MODEL, brw.Evidence.from_frame(frame))
        for name in ("PET", "PEESE"):
            told = found.loc[name, ["estimate", "se", "statistic", "p_value"]].to_list()
            assert told == pytest.approx(fit[name][0], abs=1e-9)


def test_one_estimate_is_refused_and_two_have_no_line() -> None:
    frame = pd.DataFrame({"study": ["A", "B"], "effect": [0.1, 0.1], "se": [0.2, 0.3]})
    two = brw.classical(MODEL, brw.Evidence.from_frame(frame))
    assert "PET" not in two.index
    assert two.loc["REML", "tau2"] == 0
    assert "REML, Hartung-Knapp" not in two.index
    with pytest.raises(EvidenceError, match="takes two or more"):
        brw.classical(MODEL, brw.Evidence.from_frame(frame[:1]))


def test_rows_without_an_estimate_are_counted_in_words() -> None:
    frame = pd.DataFrame({"study": list("ABC"), "effect": [0.3, 0.1, 0.2], "se": [0.1, 0.2, 0.15]})
    evidence = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")
    model = brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, 1)), brw.terms.Common()))
    assert "left out" not in brw.classical(model, evidence).describe()
    effect = evidence.data["effect"].to_numpy().copy()
    effect[1] = np.nan
    gap = replace(evidence, data=evidence.data.assign(effect=("estimate", effect)))
    assert "1 of 3 rows have no estimate" in brw.classical(model, gap).describe()


@pytest.mark.parametrize("least", [1e-3, 1e-9, 4e-12])
@pytest.mark.parametrize("known", [0.0, 0.3])
def test_two_estimates_have_their_closed_form_however_well_one_is_known(known, least):
    # Q = d^2 / (v1 + v2), and moments, Paule-Mandel and REML all give (d^2 - v1 - v2) / 2.
    y, v = np.array([known + 0.1, known]), np.array([0.05, least]) ** 2
    assert excess(y, v, 0.0) == pytest.approx(0.01 / v.sum(), rel=1e-9)
    assert typical(v) == pytest.approx(v.sum() / 2, rel=1e-12)
    for method in (dersimonian_laird, paule_mandel, reml):
        assert method(y, v) == pytest.approx((0.01 - v.sum()) / 2, rel=1e-9)
