"""Evidence: made of a data frame, selected, joined, and hashed."""

import numpy as np
import pandas as pd
import pytest

from bayesrtw.errors import EvidenceError
from bayesrtw.evidence.combine import combine
from bayesrtw.evidence.table import Evidence


def frame(**columns):
    table = {"study": ["A", "B", "C"], "effect": [0.1, 0.2, -0.3], "se": [0.1, 0.2, 0.3]}
    return pd.DataFrame(table | columns)


def evidence(**columns):
    return Evidence.from_frame(frame(**columns))


def names(found):
    return [str(name) for name in found.data["estimate"].to_numpy()]


def test_rows_keep_their_order_and_their_columns():
    found = evidence(design=["rct", "cohort", "rct"], year=[2001, 2002, 2003])
    assert found.data["effect"].dims == ("estimate",)
    assert names(found) == ["A", "B", "C"]
    assert found.data["design"].to_numpy().tolist() == ["rct", "cohort", "rct"]
    assert found.data["year"].dtype == np.float64


def test_metafors_names_are_welcome_as_arguments():
    table = frame().rename(columns={"effect": "yi", "se": "sei", "study": "trial"})
    found = Evidence.from_frame(
        table, effect="yi", se="sei", study="trial", measure="log_hazard_ratio"
    )
    np.testing.assert_array_equal(found.data["effect"], [0.1, 0.2, -0.3])
    assert found.measure.abbreviation == "HR"


def test_an_empty_cell_of_text_is_empty_text():
    assert evidence(design=["rct", None, np.nan]).data["design"].to_numpy().tolist() == [
        "rct",
        "",
        "",
    ]


def test_missing_values_of_pandas_are_empty_cells():
    year = pd.array([1, pd.NA, 3], dtype="Int64")
    found = evidence(year=year, design=pd.array(["a", pd.NA, "b"], dtype="string")).data
    np.testing.assert_array_equal(found["year"], [1.0, np.nan, 3.0])
    assert found["design"].to_numpy().tolist() == ["a", "", "b"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            frame().drop(columns="se"),
            r"data frame: column 'se' is missing; Choices: effect, study\.",
        ),
        (
            frame(effect=["x", 1, 2]),
            r"effect must be a number; found 'x'; write a decimal",
        ),
        (
            frame(effect=[np.nan, 1, 2]),
            r"row 1 \(study='A'\): effect must be finite; found nan; mend or leave out the row",
        ),
        (frame(effect=[0, np.inf, 0]), r"row 2 \(study='B'\): effect must be finite; found inf"),
        (
            frame(se=[0.1, 0, 0.1]),
            r"row 2 \(study='B'\): se must be positive and finite; found 0\.0; mend or leave out",
        ),
        (frame(se=[0.1, 0.1, -1]), r"se must be positive and finite; found -1\.0"),
        (
            pd.concat([frame(), frame().iloc[:1]], ignore_index=True),
            r"row 4 \(study='A'\): repeats row 1; a result enters once: leave one out, or tell them",
        ),
        (
            pd.concat([frame(), frame()[["effect"]]], axis=1),
            r"^data frame: columns 'effect' stand twice; rename one\.$",
        ),
        (
            frame(site=["x", ["y", "z"], "z"]),
            r"row 2: 'site' holds a list; a cell is one number or one text: spread it over rows or col",
        ),
        (
            frame(site=[{}, "y", "z"]),
            r"row 1: 'site' holds a dict; a cell is one number or one text",
        ),
        (
            {"study": ["A"], "effect": [1], "se": [1]},
            r"^data frame: found dict; give a pandas DataFrame\.$",
        ),
        (
            frame(measure=["generic"] * 3),
            r"column 'measure' stands in the frame; one frame has one measure: give measure= and",
        ),
    ],
)
def test_a_fault_of_a_data_frame_is_named(table, message):
    with pytest.raises(EvidenceError, match=message):
        Evidence.from_frame(table)


def test_two_columns_of_one_role_are_refused():
    with pytest.raises(
        EvidenceError,
        match="column 'yi' is to be 'effect', and there is a column 'effect' too; leave one out",
    ):
        Evidence.from_frame(frame(yi=[5.0, 6.0, 7.0]), effect="yi")


def test_all_faults_of_a_data_frame_come_in_one_error():
    with pytest.raises(EvidenceError, match=r"^3 faults:") as caught:
        Evidence.from_frame(frame(effect=[np.nan, 1, 2], se=[0, 1, -1]))
    assert "row 3 (study='C')" in str(caught.value)


def test_an_unknown_measure_or_direction_is_refused():
    with pytest.raises(EvidenceError, match="measure 'log_hr' is not known"):
        Evidence.from_frame(frame(), measure="log_hr")
    with pytest.raises(EvidenceError, match=r"benefit is 'up'; Choices: higher, lower\."):
        Evidence.from_frame(frame(), benefit="up")


def test_rows_are_selected_by_one_value_or_by_several():
    found = evidence(design=["rct", "cohort", "cluster_rct"], year=[2001, 2002, 2002])
    assert names(found.select(design="rct")) == ["A"]
    assert names(found.select(design=["rct", "cluster_rct"])) == ["A", "C"]
    assert names(found.select(year=2002)) == ["B", "C"]
    assert names(found.select(design="cohort", year=2002)) == ["B"]
    assert found.select(design="nothing").size == 0


def test_selecting_by_a_column_that_is_not_there_suggests_one():
    with pytest.raises(EvidenceError, match="no column 'desin'; did you mean 'design'"):
        evidence(design=["rct"] * 3).select(desin="rct")


def test_a_column_of_numbers_is_not_selected_by_words():
    message = "data frame: column 'year' holds numbers; found 'two' to match; give numbers"
    with pytest.raises(EvidenceError, match=message):
        evidence(year=[1, 2, 3]).select(year="two")
    assert names(evidence(year=[1, 2, 3]).select(year="2")) == ["B"]


def test_rows_of_one_study_are_told_apart_by_what_differs():
    found = evidence(study=["A", "A", "B"], outcome=["work", "days", "work"])
    assert names(found) == ["A (work)", "A (days)", "B"]


def test_rows_that_nothing_tells_apart_are_numbered():
    assert names(evidence(study=["A", "B", "A"])) == ["A #1", "B", "A #2"]


def test_names_stay_unique_in_a_selection():
    found = evidence(study=["A", "A", "A"], outcome=["x", "x", "y"])
    assert len(set(names(found))) == 3
    assert len(set(names(found.select(outcome="x")))) == 2


def test_measures_and_directions_of_benefit_are_never_mixed():
    other = Evidence.from_frame(
        frame(outcome=["days"] * 3), measure="log_hazard_ratio", benefit="lower"
    )
    both = combine(evidence(), other)
    assert both.size == 6
    with pytest.raises(EvidenceError, match=r"rows are in 2 measures \('generic', 'log_hazard_rat"):
        _ = both.measure
    with pytest.raises(
        EvidenceError,
        match=r"different directions of benefit are mixed: effect \(not stated\), days \(lower\); select",
    ):
        _ = both.benefit


def test_no_rows_are_no_mixture():
    nobody = evidence().select(study="nobody")
    with pytest.raises(EvidenceError, match="data frame: there are no rows, so no direction of be"):
        _ = nobody.benefit


def test_one_outcome_with_two_directions_cannot_be_joined():
    with pytest.raises(
        EvidenceError, match="outcome 'effect': benefit is 'not stated' in data frame"
    ):
        combine(evidence(), Evidence.from_frame(frame(), benefit="lower"))


def test_a_column_that_only_one_has_is_empty_in_the_other():
    both = combine(evidence(design=["rct"] * 3, year=[1, 2, 3]), evidence(study=["D", "E", "F"]))
    assert both.data["design"].to_numpy().tolist() == ["rct"] * 3 + [""] * 3
    np.testing.assert_array_equal(both.data["year"], [1, 2, 3, np.nan, np.nan, np.nan])


def test_the_digest_sees_values_and_columns_and_order():
    digests = {
        evidence().digest(),
        evidence(effect=[0.1, 0.2, -0.30001]).digest(),
        evidence(extra=[1, 2, 3]).digest(),
        evidence(study=["A", "B", "D"]).digest(),
        Evidence.from_frame(frame().iloc[::-1]).digest(),
    }
    assert len(digests) == 5
    assert evidence().digest() == evidence().digest()


def test_the_order_of_columns_does_not_move_the_digest():
    table = frame(year=[1, 2, 3])
    assert (
        Evidence.from_frame(table).digest()
        == Evidence.from_frame(table[table.columns[::-1]]).digest()
    )


@pytest.mark.parametrize(
    ("effect", "se", "message"),
    [
        (1e40, 1.0, r"row 1 \(study='A'\): the effect must lie within 1e\+30"),
        (1.0, 1e-40, r"the standard error must lie between 1e-30 and 1e\+30; found 1e-40"),
        (1e16, 1e-5, r"the effect is 1e\+21 standard errors from zero"),
    ],
)
def test_numbers_beyond_any_study_are_named(effect, se, message):
    table = pd.DataFrame({"study": ["A"], "effect": [effect], "se": [se]})
    with pytest.raises(EvidenceError, match=message):
        Evidence.from_frame(table)
