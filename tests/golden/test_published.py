"""The table of published priors: its size, printed quantiles, and the structure of the papers' models.

Both papers fitted additive models, so their tables are sums of a row and a column effect to rounding:
a mistyped cell sticks out. Four cells do; they are flagged in the table and nothing else is.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from bayesrtw.errors import SpecError
from bayesrtw.model.prior import LogNormal, LogStudentT
from bayesrtw.model.published import panel, priors_for, published

ROUNDING = 0.0201  # four numbers of two digits, each off by at most 0.005


def table(collection, group, value):
    rows = [
        e for e in published() if e.collection == collection and e.group == group and e.outcomes
    ]
    outcomes = list(dict.fromkeys(e.outcomes for e in rows))
    comparisons = list(dict.fromkeys(e.comparisons for e in rows))
    found = np.full((len(outcomes), len(comparisons)), np.nan)
    for e in rows:
        found[outcomes.index(e.outcomes), comparisons.index(e.comparisons)] = getattr(e, value)
    return found


def test_every_cell_of_the_papers_is_there():
    count = {}
    for e in published():
        count[e.collection] = count.get(e.collection, 0) + 1
        assert e.source
        assert e.read_from
    # 16 outcomes x 5 comparisons and one for any; 8 x 3 x 3 areas and one; 5 groups x 4 measures and
    # the log hazard ratio of the whole database, for tau and for mu
    assert count == {"Turner": 81, "Rhodes": 73, "Cochrane": 42}
    assert not np.isnan(table("Turner", "", "location")).any()


def test_turners_table_is_additive():
    found = table("Turner", "", "location")
    effects = found - found[:1] - found[:, :1] + found[0, 0]
    assert np.max(np.abs(effects)) <= ROUNDING


def test_only_flagged_cells_of_rhodes_break_the_pattern():
    other = table("Rhodes", "other", "location")
    odd = set()
    for area in ("other", "respiratory", "cancer"):
        found = table("Rhodes", area, "location")
        shift = found - other
        off = np.abs(shift - np.median(shift)) > 0.011
        column = found - found[:, :1]
        off |= np.abs(column - np.median(column, axis=0)) > 0.011
        spread = table("Rhodes", area, "spread") - table("Rhodes", "other", "spread")
        off |= np.abs(spread - np.median(spread, axis=0)) > 0.031
        odd |= {(area, int(i), int(j)) for i, j in zip(*np.nonzero(off), strict=True)}
    flagged = {
        (e.group, e.outcomes[0], e.comparisons[0]) for e in published() if e.flag and e.outcomes
    }
    assert flagged == {
        ("other", "mental_health", "non_pharma_v_control"),
        ("cancer", "internal_structure", "pharma_v_control"),
        ("cancer", "resource_use", "pharma_v_control"),
        ("respiratory", "obstetric", "non_pharma_v_control"),
    }
    # the sum of one odd cell shows in the rest of its row and in the same cell of other areas; the
    # cell in which two packages differ keeps the value that fits the pattern
    assert {("other", 5, 2), ("cancer", 2, 0), ("respiratory", 0, 2)} <= odd
    assert ("cancer", 1, 0) not in odd
    assert {(i, j) for _, i, j in odd} <= {(5, 2), (2, 0), (2, 1), (2, 2), (0, 2)}


@pytest.mark.parametrize(
    ("measure", "outcome", "comparison", "name", "quantiles"),
    [
        # 5, 50 and 95 % quantiles of tau, computed independently, to half a unit of the last digit
        ("log_odds_ratio", "", "", "Turner, any outcome", (0.066, 0.278, 1.16)),
        ("log_odds_ratio", "resource_use", "non_pharma_v_control", "", (0.058, 0.278, 1.34)),
        ("log_odds_ratio", "function", "non_pharma_v_control", "", (0.060, 0.250, 1.04)),
        ("log_odds_ratio", "mental_health", "non_pharma_v_control", "", (0.075, 0.310, 1.28)),
        ("log_odds_ratio", "", "", "Cochrane Work", (0.166, 0.497, 2.66)),
        ("log_risk_ratio", "", "", "Cochrane Work", (0.067, 0.220, 1.48)),
        ("standardised_mean_difference", "", "", "Cochrane Work", (0.090, 0.271, 1.48)),
        ("risk_difference", "", "", "Cochrane Work", (0.008, 0.083, 0.241)),
        ("log_hazard_ratio", "", "", "Cochrane, all", (0.055, 0.143, 0.560)),
    ],
)
def test_quantiles_of_tau_are_the_independent_ones(measure, outcome, comparison, name, quantiles):
    found = priors_for(
        measure, outcome=outcome, comparison=comparison, groups=("", "other", "Work", "all")
    )
    (entry,) = [e for e in found if (e.name == name if name else e.outcomes)]
    gap = np.abs(entry.tau.ppf(np.array([0.05, 0.5, 0.95])) - quantiles)
    assert np.all(gap <= [5e-4, 5e-4, 5e-3])


def test_what_is_printed_for_the_variance_is_halved_for_tau():
    turner = priors_for("log_odds_ratio")[0].tau
    assert turner == LogNormal(-1.28, 0.87)
    rhodes = priors_for("standardised_mean_difference")[0].tau
    assert rhodes == LogStudentT(5.0, -1.72, 1.295)
    variance = stats.t(5, -3.44, 2.59).ppf(0.9)
    assert_allclose(rhodes.ppf(0.9) ** 2, np.exp(variance), rtol=1e-12)


def test_a_doubtful_cell_says_so_wherever_it_is_offered():
    names = panel(
        "standardised_mean_difference", outcome="mental_health", comparison="non_pharma_v_control"
    )
    (doubtful,) = [name for name in names if "mental health" in name]
    assert "DOUBTFUL: possible misprint" in doubtful
    assert "-2.85" in doubtful


def test_the_priors_of_a_review_group_are_offered_to_it_alone():
    assert not [name for name in panel("log_odds_ratio") if "Work" in name]
    (own,) = (name for name in panel("log_odds_ratio", group="Work") if "Work" in name)
    assert own.startswith("Cochrane Work (doi:")


def test_effect_priors_are_no_priors_of_tau_and_unknown_types_are_refused():
    (work,) = priors_for("log_risk_ratio", parameter="mu", groups=("Work",))
    assert (work.group, work.distribution, work.spread, work.df) == ("Work", "student_t", 0.23, 3.0)
    with pytest.raises(SpecError, match="a prior of the effect, not of tau"):
        _ = work.tau
    with pytest.raises(SpecError, match="outcome is 'mental'; did you mean"):
        priors_for("log_odds_ratio", outcome="mental", comparison="non_pharma_v_control")
