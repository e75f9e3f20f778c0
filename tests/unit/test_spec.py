"""The rules of a model, and what evidence says about it before the fit."""

import numpy as np
import pandas as pd
import pytest

from bayesrtw.errors import EvidenceError, SpecError
from bayesrtw.evidence.combine import combine
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.checked import check
from bayesrtw.model.heterogeneity import Common, Exchangeable
from bayesrtw.model.moderator import Categorical, Group, Indicator, Intercept, Linear
from bayesrtw.model.prior import Flat, HalfNormal, Normal
from bayesrtw.model.spec import Model

MU = Intercept(Normal(0.0, 0.5))
TAU = Exchangeable(HalfNormal(0.25))
SLOPE = Normal(0.0, 0.25)


def model(*moderators):
    return Model(terms=(MU, *moderators, TAU))


def evidence(count=12, **columns):
    table = {
        "study": [f"S{row:02d}" for row in range(count)],
        "effect": np.linspace(-0.2, 0.4, count),
        "se": np.full(count, 0.1),
    }
    return Evidence.from_frame(pd.DataFrame(table | columns))


def findings(found, name):
    return [finding for finding in found if finding.check == name]


def one(found, name):
    matching = findings(found, name)
    assert len(matching) == 1, found
    return matching[0]


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ((MU, MU, TAU), "terms hold two intercepts; a model has one pooled mean: leave one out"),
        ((MU,), "terms hold no heterogeneity; add exchangeable, or common to say on purpose"),
        ((MU, TAU, TAU), "two heterogeneity"),
        ((MU, TAU, Common()), "common|two heterogeneity"),
        (
            (MU, Categorical("x", SLOPE), Categorical("x", SLOPE), TAU),
            "moderators 'x' stand twice; leave one term out",
        ),
        (
            (MU, Linear("x", SLOPE), Linear("x", SLOPE), TAU),
            "moderators 'x' stand twice; leave one term out",
        ),
        (
            (MU, Indicator("q", "g", ("a",), SLOPE), Indicator("q", "g", ("b",), SLOPE), TAU),
            "moderators 'q' stand twice; leave one term out",
        ),
        (
            (MU, Linear("a/b", SLOPE), Categorical("a[b", SLOPE), TAU),
            r"moderators are called 'a/b', 'a\[b'; names without '/', '\[' and '\]' only: rename the",
        ),
    ],
)
def test_a_sum_of_terms_that_makes_no_model_is_refused(terms, message):
    with pytest.raises(SpecError, match=message):
        Model(terms=terms)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Intercept(HalfNormal(1.0)),
            "intercept needs a normal or flat prior; found HalfNor",
        ),
        (lambda: Linear("year", HalfNormal(1.0)), "moderator 'year' needs a normal or flat prior"),
        (
            lambda: Indicator("cohort", "design", ("cohort",), HalfNormal(1.0)),
            "indicator 'cohort' needs a normal or flat prior",
        ),
        (lambda: Indicator("cohort", "design", (), SLOPE), "values is empty; name at least one"),
        (lambda: Categorical("x", Flat()), r"categorical 'x' needs a normal prior with mean 0"),
        (
            lambda: Categorical("x", Normal(1.0, 1.0)),
            "categorical 'x' needs a normal prior with mean",
        ),
        (
            lambda: Categorical("x", SLOPE, (Group("a", ("1", "2"), ""), Group("b", ("2",), ""))),
            "'2' of 'x' belong to two groups; choose one",
        ),
        (
            lambda: Exchangeable(Normal(0.0, 1.0)),
            r"tau is a standard deviation and needs a prior on \[0, inf\); found Normal",
        ),
        (lambda: Normal(0.0, 0.0), r"sd must be positive and finite; found 0\.0"),
        (lambda: HalfNormal(-1.0), r"scale must be positive and finite; found -1\.0"),
    ],
)
def test_a_term_or_a_prior_that_makes_no_sense_is_refused(make, message):
    with pytest.raises(SpecError, match=message):
        make()


def test_the_hyperparameters_are_those_of_the_terms():
    assert model().hyper == {"tau": HalfNormal(0.25)}
    assert Model(terms=(MU, Common())).hyper == {}


def test_rows_that_nothing_is_wrong_with_give_no_warning():
    assert check(model(), evidence()) == ()


def test_no_rows_at_all_is_an_error_that_says_what_to_do():
    with pytest.raises(EvidenceError, match="no rows are selected; widen the selection"):
        check(model(), evidence().select(study="none"))


def test_mixed_measures_are_an_error():
    other = Evidence.from_frame(
        pd.DataFrame({"study": ["X"], "effect": [0.1], "se": [0.1]}), measure="log_hazard_ratio"
    )
    with pytest.raises(
        EvidenceError, match="one model pools one measure; select one with measure="
    ):
        check(model(), combine(evidence(), other))


def test_mixed_directions_of_benefit_are_an_error():
    other = Evidence.from_frame(
        pd.DataFrame({"study": ["X"], "effect": [3.0], "se": [1.0], "outcome": ["days"]}),
        benefit="lower",
    )
    with pytest.raises(
        EvidenceError,
        match=r"different directions of benefit are mixed: effect \(not stated\), days \(lower\); select",
    ):
        check(model(), combine(evidence(), other))


def test_every_unusable_column_is_named_at_once():
    with pytest.raises(EvidenceError, match=r"^2 faults:") as caught:
        check(model(Categorical("desin", SLOPE), Linear("yeer", SLOPE)), evidence(year=range(12)))
    assert "no column 'desin'; Choices: " in str(caught.value)
    assert "no column 'yeer'; did you mean 'year'? Choices: " in str(caught.value)


@pytest.mark.parametrize(
    ("term", "column", "message"),
    [
        (
            Categorical("x", SLOPE),
            ["a", ""] + ["b"] * 10,
            r"column 'x' is empty in rows 'S01'; select rows that have it, or give the empty ones a",
        ),
        (
            Categorical("x", SLOPE, (Group("one", ("a",), ""),)),
            ["a", "b"] + ["c"] * 10,
            r"'b', 'c' of 'x' belong to no group; add them to one, or leave these rows out",
        ),
        (
            Linear("x", SLOPE),
            ["a"] * 12,
            r"column 'x' holds text, found 'a'; a linear moderator needs numbers: use kind = \"cat",
        ),
        (
            Linear("x", SLOPE),
            [1.0, np.nan] + [2.0] * 10,
            r"column 'x' is empty or infinite in 1 rows \('S01'\); select rows that have it",
        ),
        (
            Linear("x", SLOPE),
            [1.0, 2.0, np.inf] + [2.0] * 9,
            r"column 'x' is empty or infinite in 1 rows \('S02'\); select rows that have it",
        ),
        (
            Categorical("x", SLOPE),
            [""] * 12,
            r"^data frame: column 'x' is empty in rows 'S00', 'S01', .* and 7 more; select rows that",
        ),
    ],
)
def test_a_moderator_that_rows_do_not_serve_is_an_error(term, column, message):
    with pytest.raises(EvidenceError, match=message):
        check(model(term), evidence(x=column))


def test_a_standard_error_that_is_missing_is_named_with_its_row():
    found = evidence()
    found.data["se"][3] = np.nan
    with pytest.raises(
        EvidenceError, match="se is missing or not usable in rows 'S03'; leave them"
    ):
        check(model(), found)


def test_one_estimate_is_a_warning():
    found = one(check(model(), evidence(1)), "one-estimate")
    assert found.severity == "warning"
    assert found.message.startswith("One estimate only: the pooled mean is that study seen through")


@pytest.mark.parametrize("count", [2, 3, 4])
def test_few_studies_are_a_warning(count):
    found = one(check(model(), evidence(count)), "few-studies")
    assert found.severity == "warning"
    assert found.message.startswith(f"Studies: {count} only. The result leans on the priors; read")


def test_five_studies_are_not_called_few():
    assert findings(check(model(), evidence(5)), "few-studies") == []


def test_a_moderator_with_one_level_is_a_warning():
    found = one(check(model(Categorical("x", SLOPE)), evidence(x=["a"] * 12)), "one-level")
    assert found.severity == "warning"
    assert found.message.startswith("Moderator 'x' has one level ('a'): it moves nothing")


def test_levels_with_few_rows_are_a_note():
    found = check(model(Categorical("x", SLOPE)), evidence(x=["a"] * 10 + ["b"] * 2))
    note = one(found, "small-level")
    assert note.severity == "note"
    assert "b (2)" in note.message
    assert "a (10)" not in note.message


def test_collapsed_levels_name_their_members_and_the_reason():
    groups = (Group("ab", ("a", "b", "z"), "alike"), Group("c", ("c",), "other"))
    column = ["a", "b", "c"] * 4
    found = one(
        check(model(Categorical("x", SLOPE, groups)), evidence(x=column)), "collapsed-levels"
    )
    assert found.message == "x level 'ab' is a, b: alike"


def test_a_constant_slope_or_difference_is_a_warning():
    found = check(model(Linear("year", SLOPE)), evidence(year=[2001] * 12))
    assert "has one value (2001) in all rows" in one(found, "constant-moderator").message
    for values, which in ((("cohort",), "no row"), (("rct",), "all rows")):
        term = Indicator("other", "design", values, SLOPE)
        found = check(model(term), evidence(design=["rct"] * 12))
        assert f"'other' marks {which}" in one(found, "constant-moderator").message


def test_two_moderators_that_always_go_together_are_aliased():
    column = ["a", "b"] * 6
    terms = (Categorical("x", SLOPE), Categorical("y", SLOPE))
    found = findings(check(model(*terms), evidence(x=column, y=column)), "aliased")
    texts = " ".join(finding.message for finding in found)
    assert all(finding.severity == "warning" for finding in found)
    assert "all 6 rows with x 'a' have y 'a'" in texts
    assert "1 combination(s) of the coefficients" in texts


def test_a_level_that_lies_within_another_is_aliased_in_part():
    x = ["a"] * 4 + ["b"] * 8
    y = ["u"] * 4 + ["u", "v"] * 4
    terms = (Categorical("x", SLOPE), Categorical("y", SLOPE))
    found = findings(check(model(*terms), evidence(x=x, y=y)), "aliased")
    assert [finding.message.split(";")[0] for finding in found] == [
        "Aliased in part: all 4 rows with x 'a' have y 'u'",
        "Aliased in part: all 4 rows with y 'v' have x 'b'",
    ]


def test_levels_that_are_collapsed_are_aliased_as_their_groups_are():
    """Members of a group have one coefficient: the group is aliased or not, and what lies in it never."""
    x = ["a"] * 3 + ["b"] * 3 + ["c"] * 6
    y = ["u"] * 3 + ["v"] * 3 + ["u", "w"] * 3
    ab = (Group("ab", ("a", "b"), "alike"), Group("c", ("c",), "alone"))
    uv = (Group("uv", ("u", "v"), "alike"), Group("w", ("w",), "alone"))
    for groups, others, said in (
        (ab, (), ["3 rows with y 'v' have x 'ab'", "3 rows with y 'w' have x 'c'"]),
        (ab, uv, ["6 rows with x 'ab' have y 'uv'", "3 rows with y 'w' have x 'c'"]),
    ):
        terms = (Categorical("x", SLOPE, groups), Categorical("y", SLOPE, others))
        found = findings(check(model(*terms), evidence(x=x, y=y)), "aliased")
        assert [each.message.split(";")[0] for each in found] == [
            f"Aliased in part: all {text}" for text in said
        ]


def test_crossed_moderators_are_not_aliased():
    terms = (Categorical("x", SLOPE), Categorical("y", SLOPE))
    columns = {"x": ["a", "b"] * 6, "y": ["u"] * 6 + ["v"] * 6}
    assert findings(check(model(*terms), evidence(**columns)), "aliased") == []


@pytest.mark.parametrize(("count", "severity"), [(12, "note"), (9, "warning")])
def test_moderators_are_ecological_and_want_ten_rows_each(count, severity):
    found = check(model(Linear("year", SLOPE)), evidence(count, year=range(count)))
    finding = one(found, "moderators")
    assert finding.severity == severity
    assert "they compare studies, not workers" in finding.message


def test_several_estimates_of_a_study_and_shared_groups_are_warnings():
    found = check(
        model(),
        evidence(
            study=["A", "A"] + [f"S{row}" for row in range(10)],
            stratum=["1", "2"] + [""] * 10,
            trial_family=["", "", "F", "F"] + [""] * 8,
            shared_control=["c", "c"] + [""] * 10,
        ),
    )
    assert "A (2)" in one(found, "several-estimates").message
    assert "F (2)" in one(found, "family").message
    assert "c (2)" in one(found, "shared-group").message


def test_a_common_effect_is_said_to_be_assumed():
    found = one(check(Model(terms=(MU, Common())), evidence()), "common-effect")
    assert found.severity == "note"
