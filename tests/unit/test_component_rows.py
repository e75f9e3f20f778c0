"""Arms that tell nothing of components: every one named, with its rows or studies and what to do."""

import numpy as np
import pandas as pd
import pytest

import bayesrtw as brw
from bayesrtw.errors import EvidenceError, SpecError
from bayesrtw.model.arm_effects import Arms
from bayesrtw.model.checked import check
from bayesrtw.model.components import Components
from bayesrtw.model.heterogeneity import Exchangeable
from bayesrtw.model.prior import HalfNormal, Normal


def _told_of(frame: pd.DataFrame, term: Components, *more: object) -> dict[str, str]:
    arms = "t" not in frame and "x" not in frame
    evidence = (
        brw.Evidence.from_arms(frame, benefit="higher")
        if arms
        else brw.Evidence.from_frame(frame, measure="mean_difference", benefit="higher")
    )
    baseline = Normal(0, 10) if arms else None
    other = Arms(HalfNormal(0.3), baseline=baseline) if arms else Exchangeable(HalfNormal(0.3))
    return {each.check: each.message for each in check(brw.Model(terms=(term, other)), evidence)}


def test_arms_that_tell_nothing_are_named_with_their_studies_and_what_to_do() -> None:
    def arms(*rows: tuple[str, str]) -> pd.DataFrame:
        study, arm = zip(*rows, strict=True)
        return pd.DataFrame({"study": study, "arm": arm, "mean": 0.1, "se": 0.2})

    cell = Components(Normal(0, 2), arm="arm", none=("none",))
    # In every arm of every study: a baseline holds it. By the parts of one cell.
    rows = arms(("a", "none + care"), ("a", "x + care"), ("b", "care"), ("b", "y + care"))
    told = _told_of(rows, cell)
    assert told["idle-component"].startswith(
        "'component[care]' stand in every arm of every study: no row tells their effects"
    )
    assert "declare them by `none`, or add a study" in told["idle-component"]
    assert "'component[x] (a)', 'component[y] (b)'" in told["lone-component"]
    with pytest.raises(
        EvidenceError, match=r"rows 'a \(y \+ x\)' have the components of another arm"
    ):
        _told_of(arms(("a", "x + y"), ("a", "y + x"), ("b", "none"), ("b", "x")), cell)
    rows = arms(("a", "none"), ("a", "x"), ("b", "x"))
    assert "Leave them out, or add their other arms" in _told_of(rows, cell)["one-arm-studies"]

    def contrasts(*rows: tuple[str, str, str]) -> pd.DataFrame:
        found = pd.DataFrame(rows, columns=["study", "t", "c"])
        return found.assign(effect=0.1, se=0.2)

    both = Components(Normal(0, 2), arm="t", against="c", none=("none",))
    rows = contrasts(("a", "x", "usual care"), ("b", "y", "usual care"), ("c", "X", "usual care"))
    told = _told_of(rows, both)
    assert told["component-everywhere"].startswith(
        "'usual care' stand in the comparator of every row and in no arm: whatever all rows have in common"
    )
    assert "'X' and 'x'" in told["components-spelt-alike"]
    with pytest.raises(EvidenceError, match="both arms are the same in rows 'b'"):
        _told_of(contrasts(("a", "x", "none"), ("b", "none", "none")), both)


def test_doses_that_are_none_are_named_with_their_rows() -> None:
    term = Components(Normal(0, 2), columns=("x", "y"))
    frame = pd.DataFrame({"study": list("abc"), "x": [1, 0, 1], "y": [0.0, 1.0, 2.0]})
    frame = frame.assign(effect=0.1, se=0.2)
    wrong = [
        ({"x": ["1", "much", "0"]}, r"'x' holds text \('much' in rows 'b'\)"),
        ({"x": [1, np.nan, 0]}, "'x' is empty in rows 'b'"),
        ({"x": [-1, 0, 1]}, "'x' holds a negative dose in rows 'a'"),
        ({"x": [1, 0, 1], "y": [0, 0, 1]}, "both arms are the same in rows 'b'"),
    ]
    for change, said in wrong:
        with pytest.raises(EvidenceError, match=said):
            _told_of(frame.assign(**change), term)
    told = _told_of(frame.assign(x=1), term)
    assert told["component-everywhere"].startswith("'x' stand in the arm of every row")


def test_cells_that_name_nothing_and_doses_as_text_are_named() -> None:
    cells = [("1", "a + ", "+", 0.1, 0.1), ("2", "b", "a", 0.2, 0.1)]
    frame = pd.DataFrame(cells, columns=["study", "arm", "against", "effect", "se"])
    rows = brw.Evidence.from_frame(frame, measure="log_odds_ratio", benefit="higher")
    term = Components(Normal(0, 1), arm="arm", against="against")
    dangling, fault = term.faults(rows)
    assert "'arm' has a plus sign with nothing beside it in rows '1'" in dangling
    assert "'against' names nothing in rows '1'" in fault
    doses = frame.assign(hours=["10", "5"])
    counted = Components(Normal(0, 1), columns=("hours",))
    typed = brw.Evidence.from_frame(doses, measure="log_odds_ratio", benefit="higher")
    [fault] = counted.faults(typed)
    assert "holds numbers that are written as text; make them numbers" in fault


def test_a_component_that_names_others_is_named() -> None:
    cells = [("1", "CBT, exercise", "none", 0.1, 0.1), ("2", "CBT", "none", 0.2, 0.1)]
    frame = pd.DataFrame(cells, columns=["study", "arm", "against", "effect", "se"])
    rows = brw.Evidence.from_frame(frame, measure="log_odds_ratio", benefit="higher")
    term = Components(Normal(0, 1), arm="arm", against="against", none=("none",))
    told = {each.check: each.message for each in term.findings(rows)}
    assert told["components-in-one"].startswith("'CBT, exercise' are one component each")


def test_pairs_and_columns_that_no_arm_has_are_not_said_to_be_in_every_arm() -> None:
    frame = pd.DataFrame(
        {"study": list("aabb"), "arm": ["none", "x", "none", "y"], "mean": 0.1, "se": 0.2}
    )
    pair = {"interactions": ("x + y",), "interaction_prior": Normal(0, 1)}
    told = _told_of(frame, Components(Normal(0, 2), arm="arm", none=("none",), **pair))
    assert told["absent-component"].startswith("'component[x x y]' stand in no arm")
    assert "idle-component" not in told
    doses = pd.DataFrame({"study": list("ab"), "x": [1, 2], "y": 0, "effect": 0.1, "se": 0.2})
    told = _told_of(doses, Components(Normal(0, 2), columns=("x", "y")))
    assert told["absent-component"].startswith("'component[y]' stand in no arm")


def test_components_that_go_together_are_named_with_their_studies() -> None:
    arms = ["none", "x + y", "none", "x + y", "none", "z"]
    frame = pd.DataFrame({"study": list("aabbcc"), "arm": arms, "mean": 0.1, "se": 0.2})
    told = _told_of(frame, Components(Normal(0, 2), arm="arm", none=("none",)))["aliased"]
    assert "'component[x]', 'component[y]' are fixed by the prior alone" in told
    assert "They stand in 'a', 'b': add a study that tells them apart, or leave one out." in told


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("x + + y", r"'arm' has a plus sign with nothing beside it in rows 'b \(x \+ \+ y\)'"),
        ("x +", "name the component, or leave out the sign"),
        ("x + x", "names a component twice in rows 'b"),
    ],
)
def test_cells_that_lost_a_component_are_refused(cell: str, said: str) -> None:
    frame = pd.DataFrame(
        {"study": list("aabb"), "arm": ["none", "y", "none", cell], "mean": 0.1, "se": 0.2}
    )
    with pytest.raises(EvidenceError, match=said):
        _told_of(frame, Components(Normal(0, 2), arm="arm", none=("none",)))


def test_words_for_none_that_no_arm_is_called_are_named() -> None:
    frame = pd.DataFrame(
        {
            "study": list("aabb"),
            "arm": ["usual  care", "y", "usual  care", "x"],
            "mean": 0.1,
            "se": 0.2,
        }
    )
    told = _told_of(frame, Components(Normal(0, 2), arm="arm", none=("usual care",)))
    assert "`none` declares 'usual care', which no arm is called" in told["none-unused"]
    assert "did you mean 'usual  care'?" in told["none-unused"]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("a +", "arm 'a \\+' has a plus sign with nothing beside it; name the component"),
        ("a + + b", "has a plus sign with nothing beside it"),
        ("+", r"has a plus sign with nothing beside it"),
        ("a + a", "names a component twice; name it once"),
    ],
)
def test_a_setting_is_read_as_strictly_as_rows(cell: str, said: str) -> None:
    frame = pd.DataFrame(
        {
            "study": list("AABBCC"),
            "arm": ["none", "a", "none", "b", "a + b", "b"],
            "mean": [0.0, 1.0, 0.2, 0.4, 0.9, 0.3],
            "se": 0.3,
        }
    )
    evidence = brw.Evidence.from_arms(frame, benefit="higher")
    terms = (
        Components(Normal(0, 2), arm="arm", none=("none",)),
        Arms(HalfNormal(0.5), baseline=Normal(0, 10)),
    )
    with pytest.raises(SpecError, match=said):
        brw.predict(brw.Model(terms=terms), evidence, at={"arm": cell})
