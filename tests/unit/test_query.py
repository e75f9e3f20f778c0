"""From a data set to the rows of an analysis: everything left out is named."""

import numpy as np
import pandas as pd
import pytest

from bayesrtw.analysis.query import select
from bayesrtw.analysis.spec import Between, Exclusion, Query
from bayesrtw.errors import EvidenceError
from bayesrtw.evidence.table import Evidence
from bayesrtw.reading.read import read_csv


def evidence(**columns):
    table = {
        "study": ["A", "B", "C", "D"],
        "effect": [0.1, 0.2, 0.3, 0.4],
        "se": [0.1, 0.1, 0.1, 0.1],
        "design": ["rct", "cluster_rct", "cohort", "rct"],
        "months": [6.0, 12.0, np.nan, 24.0],
    }
    return Evidence.from_frame(pd.DataFrame(table | columns))


def query(**settings):
    return Query("d", "generic", **settings)


def studies(selection):
    return selection.evidence.data["study"].to_numpy().tolist()


def test_without_conditions_every_row_is_taken_and_nothing_said():
    found = select(query(), evidence())
    assert studies(found) == ["A", "B", "C", "D"]
    assert found.findings == ()


def test_conditions_on_columns_are_all_met():
    found = select(query(where={"design": ("rct", "cohort"), "study": ("C", "D")}), evidence())
    assert studies(found) == ["C", "D"]


@pytest.mark.parametrize(("empty", "rows"), [(False, ["A", "B"]), (True, ["A", "B", "C"])])
def test_a_range_includes_its_ends_and_empty_cells_on_request(empty, rows):
    found = select(query(between=(Between("months", 6, 12, empty),)), evidence())
    assert studies(found) == rows
    (finding,) = found.findings
    assert (finding.check, finding.severity) == ("out-of-range", "note")
    assert "Reason: months is not between 6 and 12." in finding.message


def test_exclusions_are_named_with_their_reason():
    exclusion = Exclusion("design", ("rct",), "another question")
    found = select(query(exclude=(exclusion,)), evidence())
    assert studies(found) == ["B", "C"]
    (finding,) = found.findings
    assert finding.check == "left-out"
    assert finding.message == "Left out (2): A, D. Reason: another question."


def test_rows_in_another_measure_are_left_out_with_a_warning(tmp_path):
    path = tmp_path / "e.csv"
    path.write_text("study,measure,effect,se\nA,generic,1,1\nB,log_odds_ratio,1,1\n")
    found = select(query(), read_csv(path))
    assert studies(found) == ["A"]
    (finding,) = found.findings
    assert (finding.check, finding.severity) == ("other-measure", "warning")
    assert "Left out (1): B. Reason: reported as log_odds_ratio, not generic." in finding.message


def test_counts_that_were_taken_as_another_measure_say_how_to_pool_them(tmp_path):
    path = tmp_path / "e.csv"
    path.write_text(
        "study,reported,estimate,ci_low,ci_high,events_t,n_t,events_c,n_c\n"
        "A,odds_ratio,1.62,1.05,2.5,,,,\nB,,,,,62,100,50,100\n"
    )
    (finding,) = select(Query("d", "log_odds_ratio"), read_csv(path)).findings
    assert "column measure with log_odds_ratio." in finding.message
    lines = path.read_text().splitlines()
    measures = ["measure", "log_odds_ratio", "log_odds_ratio"]
    path.write_text("\n".join(f"{a},{b}" for a, b in zip(lines, measures, strict=True)))
    found = select(Query("d", "log_odds_ratio"), read_csv(path))
    # log((62 / 38) / (50 / 50)), by hand.
    assert found.evidence.data["effect"].to_numpy()[1] == pytest.approx(np.log(62 / 38), abs=1e-12)


def test_rows_without_a_standard_error_are_left_out_with_a_warning(tmp_path):
    path = tmp_path / "e.csv"
    path.write_text("study,effect,se\nA,1,1\nB,1,\nC,,1\n")
    found = select(query(), read_csv(path))
    assert studies(found) == ["A"]
    (finding,) = found.findings
    assert (finding.check, finding.severity) == ("no-standard-error", "warning")
    assert "Left out (2): B, C." in finding.message


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"where": {"design": ("rct", "cluster_rtc")}},
            "design 'cluster_rtc' is wanted and occurs in no row. did you mean 'cluster_rct'? Choices: "
            "cluster_rct, cohort, rct.",
        ),
        (
            {"exclude": (Exclusion("design", ("cohrt",), "r"),)},
            "design 'cohrt' is left out and occurs in no row. did you mean 'cohort'? Choices: cluster",
        ),
    ],
)
def test_a_value_that_is_nowhere_is_a_warning(settings, message):
    (finding,) = select(query(**settings), evidence()).findings
    assert (finding.check, finding.severity) == ("unmet-value", "warning")
    assert finding.message.startswith(message)


def test_many_rows_left_out_are_counted_after_twelve():
    many = pd.DataFrame(
        {
            "study": [f"S{row:02d}" for row in range(20)],
            "effect": 0.1,
            "se": 0.1,
            "x": ["a"] * 19 + ["b"],
        }
    )
    found = select(query(exclude=(Exclusion("x", ("a",), "r"),)), Evidence.from_frame(many))
    assert found.findings[0].message.startswith("Left out (19): S00, S01, ")
    assert "S11 and 7 more. Reason: r." in found.findings[0].message


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"where": {"design": ("trial",)}},
            "no rows are selected: design is none of 'trial' in the 4 rows left (4 rows); design is "
            "'cluster_rct', 'cohort', 'rct' there.",
        ),
        (
            {"where": {"design": ("rct",), "study": ("B",)}},
            "study is none of 'B' in the 2 rows left (4 rows; design: 2); study is 'A', 'D' there.",
        ),
        (
            {"where": {"desin": ("rct",)}},
            "no column 'desin'; did you mean 'design'? Choices: ",
        ),
        (
            {"between": (Between("months", 100, 200),)},
            "no rows are selected (4 rows; months: 0). Left out (4): A, B, C, D. Reason: months is "
            "not between 100 and 200. Widen the selection.",
        ),
        (
            {"between": (Between("design", 1, 2),)},
            "column 'design' holds text; a range needs numbers.",
        ),
        (
            {"between": (Between("month", 1, 2),)},
            "no column 'month'; did you mean 'months'? Choices: ",
        ),
        (
            {"exclude": (Exclusion("study", ("A", "B", "C", "D"), "all of them"),)},
            "Left out (4): A, B, C, D. Reason: all of them. Widen the selection.",
        ),
        (
            {"where": {"months": ("six",)}},
            "data frame: column 'months' holds numbers; found 'six' to match; give numbers.",
        ),
        (
            {"exclude": (Exclusion("stdy", ("A",), "r"),)},
            "no column 'stdy'; did you mean 'study'? Choices: ",
        ),
    ],
)
def test_a_selection_that_cannot_be_made_says_at_which_step(settings, message):
    with pytest.raises(EvidenceError) as caught:
        select(query(**settings), evidence())
    assert message in str(caught.value)
