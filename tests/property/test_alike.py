"""Rows converted all at once are those converted one by one, with the same faults at the same places.

The other route is the same code with the fewest rows of a group out of reach. Both take the same formulas in
another order of the same operations, so numbers agree to rounding (1e-13 of their size).
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from bayesrtw.errors import EvidenceError, Faults
from bayesrtw.evidence import alike as room
from bayesrtw.evidence.alike import alike
from bayesrtw.evidence.cells import Table
from bayesrtw.evidence.rows import converted

#: What a kind of table prints, and the measures that it may name.
KINDS = {
    ("events_t", "n_t", "events_c", "n_c"): (
        *("", "log_odds_ratio", "risk_difference", "log_peto_odds_ratio", "log_hazard_ratio"),
        "mean_difference",
    ),
    ("events_t", "non_events_t", "events_c", "non_events_c"): ("", "OR"),
    ("events_t", "person_time_t", "events_c", "person_time_c"): ("", "rate_difference"),
    ("events", "n"): ("", "log_proportion", "arcsine_proportion"),
    ("events", "person_time"): ("", "log_rate"),
    ("mean_t", "sd_t", "n_t", "mean_c", "sd_c", "n_c"): (
        *("", "standardised_mean_difference", "log_ratio_of_means", "log_cv_ratio"),
        "log_variability_ratio",
    ),
    ("mean_t", "se_mean_t", "mean_c", "se_mean_c"): ("", "rmst_difference"),
    ("mean_t", "ci_low_mean_t", "ci_high_mean_t", "mean_c", "ci_low_mean_c", "ci_high_mean_c"): (
        "",
    ),
    ("mean", "sd", "n"): ("mean",),
    ("effect", "se", "n_t", "n_c"): ("", "log_odds_ratio", "standardised_mean_difference"),
    ("effect", "variance"): ("", "generic"),
    ("estimate", "ci_low", "ci_high", "ci_level"): (
        *("OR", "mean_difference", "log_odds_ratio", "proportion", "r", ""),
    ),
    ("estimate", "ci_low", "ci_high", "se"): ("hazard_ratio", "risk_difference"),
}

#: Cells that are no plain number of their column, some of them faults.
ODD = ("", "0", "-1", "1e60", "3,4", "0.5", "400")

CELL = {
    "events": st.integers(1, 40).map(str),
    "non_events": st.integers(1, 40).map(str),
    "n": st.integers(41, 90).map(str),
    "person_time": st.floats(10, 900).map("{:.1f}".format),
    "mean": st.floats(-3, 30).map("{:.1f}".format),
    "sd": st.floats(0.5, 9).map("{:.2f}".format),
    "se_mean": st.floats(0.5, 3).map("{:.2f}".format),
    "ci_low_mean": st.floats(-9, 4).map("{:.1f}".format),
    "ci_high_mean": st.floats(3, 30).map("{:.1f}".format),
    "effect": st.floats(-3, 20).map("{:.3f}".format),
    "se": st.floats(0.1, 3).map("{:.3f}".format),
    "variance": st.floats(0.1, 3).map("{:.3f}".format),
    "estimate": st.sampled_from(["0.82", "1", "0.9", "2.5"]),
    "ci_low": st.sampled_from(["0.61", "0.7", "0.5", "0.8"]),
    "ci_high": st.sampled_from(["1.1", "1.37", "4", "0.95"]),
    "ci_level": st.sampled_from(["0.95", "0.9"]),
}


@st.composite
def tables(draw):
    """Tables of one kind or of two, some cells of which are odd."""
    kinds = draw(st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=2, unique=True))
    names = list(dict.fromkeys(name for kind in kinds for name in kind))
    count = draw(st.integers(9, 40))
    columns = {name: [""] * count for name in names}
    columns |= {"study": [f"S{row}" for row in range(count)], "measure": [""] * count}
    chosen = {kind: draw(st.sampled_from(KINDS[kind])) for kind in kinds}
    for row in range(count):
        kind = draw(st.sampled_from(kinds))
        columns["measure"][row] = chosen[kind]
        for name in kind:
            bare = name.removesuffix("_t").removesuffix("_c")
            columns[name][row] = draw(CELL[bare])
    for _ in range(draw(st.integers(0, 4))):
        row, name = draw(st.integers(0, count - 1)), draw(st.sampled_from(names))
        columns[name][row] = draw(st.sampled_from(ODD))
    for name, words in (("reversed", ("yes", "no", "maybe")), ("p_value", (".03", "<.01", "q"))):
        if draw(st.booleans()):
            columns[name] = [""] * count
            columns[name][draw(st.integers(0, count - 1))] = draw(st.sampled_from(words))
    return Table("t.csv", columns, list(range(2, count + 2)))


def read(table):
    faults = Faults(EvidenceError)
    return converted(table, faults), [fault.message for fault in faults.found]


@given(tables())
def test_rows_are_the_same_one_by_one(table):
    at_once, faults = read(table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "_FEWEST", 10**9)
        by_row, expected = read(table)
    assert faults == expected
    for name in ("measure", "conversion", "doubts", "bound"):
        assert at_once[name].tolist() == by_row[name].tolist()
    for name in ("effect", "se"):
        assert_allclose(at_once[name], by_row[name], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_plain_tables_are_converted_at_once(kind):
    """Otherwise the comparison above would compare one route with itself."""
    value = {"events": 3.0, "n": 50.0, "ci_low": 0.6, "ci_high": 1.35, "ci_level": 0.95}
    value |= {"ci_low_mean": 1.0, "ci_high_mean": 3.0, "estimate": 0.9, "mean": 2.0}
    columns = {}
    for name in kind:
        bare = name.removesuffix("_t").removesuffix("_c")
        columns[name] = np.full(10, value.get(bare, 2.0))
    columns["measure"] = np.full(10, KINDS[kind][0], dtype=object)
    assert sum(group.rows.size for group in alike(columns, 10)) == 10
