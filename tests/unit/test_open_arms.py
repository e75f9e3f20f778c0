"""Rows whose arms stand open: what is said of them, single arms and contrasts alike, pairs that they make."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayesrtw as brw
from bayesrtw.analysis.default import default_analyses
from bayesrtw.engine import solve
from bayesrtw.errors import EvidenceError
from bayesrtw.evidence.covariance import Dependence
from bayesrtw.model.arm_effects import Arms
from bayesrtw.model.checked import check
from bayesrtw.model.components import Components
from bayesrtw.model.open_arms import MissingParts
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.question.missing import missing_levels
from bayesrtw.report.record import record

#: Study, arm, what it may have, mean and its standard error; the first arm of a study is its comparator.
ARMS = [
    ("s1", "none", "none", 1.0, 0.2),
    ("s1", "a", "b", 1.5, 0.2),
    ("s1", "c", "b", 1.7, 0.25),
    ("s2", "none", "none", 0.4, 0.1),
    ("s2", "b", "none", 0.6, 0.15),
    ("s3", "none", "none", -0.2, 0.1),
    ("s3", "a + b", "none", 0.4, 0.1),
    # Open in all arms of the study: alike in all.
    ("s4", "none", "d", 2.0, 0.2),
    ("s4", "a", "d", 2.6, 0.2),
    ("s5", "none", "none", 2.0, 0.3),
    ("s5", "c", "none", 2.1, 0.3),
    ("s6", "none", "none", 0.0, 0.3),
    ("s6", "d", "none", 0.3, 0.3),
]


def single_arms() -> brw.Evidence:
    frame = pd.DataFrame(ARMS, columns=["study", "arm", "arm_unclear", "mean", "se"])
    return brw.Evidence.from_arms(frame, benefit="higher")


def contrasts() -> brw.Evidence:
    """Each arm against the first of its study, whose error they share."""
    frame = pd.DataFrame(ARMS, columns=["study", "arm", "arm_unclear", "mean", "se"])
    rows, blocks = [], []
    for study, own in frame.groupby("study", sort=False):
        first, start = own.iloc[0], len(rows)
        for each in own.iloc[1:].itertuples():
            se = float(np.hypot(each.se, first.se))
            open_ = (each.arm_unclear, first.arm_unclear)
            rows.append(
                (study, each.arm, open_[0], first.arm, open_[1], each.mean - first["mean"], se)
            )
        if len(rows) - start > 1:
            shared = np.full((len(rows) - start,) * 2, first.se**2)
            shared[np.diag_indices(len(shared))] = [row[-1] ** 2 for row in rows[start:]]
            blocks.append(Dependence(np.arange(start, len(rows)), shared, "a shared arm"))
    names = ["study", "arm", "arm_unclear", "against", "against_unclear", "effect", "se"]
    found = brw.Evidence.from_frame(
        pd.DataFrame(rows, columns=names), measure="mean_difference", benefit="higher"
    )
    return replace(found, dependence=tuple(blocks))


def model(against: str, baseline: Normal | None) -> brw.Model:
    term = Components(Normal(0, 0.5), arm="arm", against=against, none=("none",))
    return brw.Model(terms=(term, Arms(HalfNormal(0.3), baseline=baseline)))


def test_open_parts_say_the_same_of_single_arms_and_of_contrasts() -> None:
    arms, told = single_arms(), contrasts()
    one = solve(model("", Normal(0, 1e4)), arms)
    other = solve(model("against", None), told)
    # Both arms of s1 that leave b open have it, or neither has.
    assert len(np.unique(one.problem.unreported.unit)) == 2
    for name in ("a", "b", "c", "d"):
        found = [each.posterior.effects[f"beta[component[{name}]]"] for each in (one, other)]
        moments = [(*each.moments(), *each.interval(0.95)) for each in found]
        # One arm of s1's two that are told more for single arms: none of its comparator.
        assert moments[0] == pytest.approx(moments[1], abs=0.02)
    # With the share's prior alike, they are one.
    both = [
        solve(replace(own, terms=(replace(own.terms[0], missing=assumed), own.terms[1])), rows)
        for own, rows, assumed in (
            (model("", Normal(0, 1e4)), arms, _told(model("", Normal(0, 1e4)), arms)),
            (model("against", None), told, _told(model("against", None), told)),
        )
    ]
    for name in ("a", "b", "c", "d"):
        found = [each.posterior.effects[f"beta[component[{name}]]"] for each in both]
        moments = [(*each.moments(), *each.interval(0.95)) for each in found]
        assert moments[0] == pytest.approx(moments[1], abs=1e-6)


def _told(own: brw.Model, rows: brw.Evidence) -> MissingParts:
    """State a prior of the share that makes 30 yes and 70 no of it beside the arms that say."""
    [yes, no] = own.terms[0].unreported(rows).known()[0] - 1.0
    return MissingParts(yes=30.0 - yes, no=70.0 - no)


def frame(rows: list[tuple[object, ...]]) -> brw.Evidence:
    names = ["study", "parts_t", "parts_t_unclear", "parts_c", "parts_c_unclear", "effect", "se"]
    return brw.Evidence.from_frame(
        pd.DataFrame(rows, columns=names), measure="log_hazard_ratio", benefit="higher"
    )


PARTS = Components(Normal(0, 0.25), "parts_t", "parts_c", none=("none",))
MODEL = brw.Model(terms=(PARTS, brw.Exchangeable(HalfNormal(0.25))))


def test_rows_that_compare_nothing_once_open_parts_are_absent_are_left_out_there() -> None:
    rows = [
        ("s0", "a + b", "none", "none", "none", 0.4, 0.1),
        ("s1", "a", "none", "none", "none", 0.3, 0.1),
        ("s2", "b", "none", "none", "none", 0.1, 0.1),
        ("s3", "b", "none", "b", "a", 0.2, 0.1),
    ]
    table = missing_levels(MODEL, frame(rows))
    absent = solve(MODEL, frame(rows[:3])).posterior.effects["beta[component[a]]"].moments()
    found = table.loc[("open parts absent", "beta[component[a]]"), ["mean", "sd", "rows"]]
    np.testing.assert_allclose(found.astype(float), [*absent, 3], atol=1e-12)


def test_what_stands_open_is_no_part_of_both_sides() -> None:
    rows = [
        ("s0", "a", "none", "none", "none", 0.4, 0.1),
        ("s1", "b", "a", "none", "none", 0.3, 0.1),
        ("s2", "b", "c", "none", "none", 0.1, 0.1),
        ("s3", "b", "none", "none", "b", 0.1, 0.1),
    ]
    told = {each.check: each.message for each in check(MODEL, frame(rows))}
    assert "idle-component" not in told
    assert told["lone-component"] == "Told by one study alone: 'component[c] (s2)'."
    assert told["open-component"] == (
        "'component[c]' differ between arms only where a part stands open: their effects are told as far as "
        "these arms are taken to have it."
    )
    # A comparator that may have it is not one that never has.
    every = [(f"t{at}", "b + a", "none", "none", "b" if at else "none", 0.1, 0.1) for at in (0, 1)]
    said = {each.check: each.message for each in check(MODEL, frame(every))}
    assert said["component-everywhere"].startswith("'a' stand in the arm of every row")


def test_every_pair_counts_those_that_open_parts_make() -> None:
    rows = [
        ("s0", "a", "b", "none", "none", 0.4, 0.1),
        ("s1", "b", "none", "none", "none", 0.3, 0.1),
        ("s2", "a", "none", "none", "none", 0.1, 0.1),
        # Open in both arms: for absent in pairs.
        ("s3", "a", "c", "none", "c", 0.1, 0.1),
    ]
    every = replace(PARTS, interactions=("all",))
    assert every.pairs(frame(rows)) == (("a", "b"),)
    absent = replace(every, missing=MissingParts(absent=True))
    assert absent.pairs(frame(rows)) == ()


def test_answers_in_place_of_names_are_refused() -> None:
    rows = [
        ("s0", "a", "yes", "none", "no", 0.4, 0.1),
        ("s1", "b", "no", "none", "no", 0.3, 0.1),
    ]
    with pytest.raises(EvidenceError, match=r"'parts_t_unclear' holds 'no', 'yes' in rows"):
        brw.fit(MODEL, frame(rows))
    declared = replace(PARTS, missing=MissingParts(absent=True))
    assert brw.fit(replace(MODEL, terms=(declared, MODEL.terms[1])), frame(rows))


def test_reports_hold_every_part_against_other_ways_and_show_what_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bayesrtw.report.record._panel", lambda *_: (None, "not here"))
    monkeypatch.setattr("bayesrtw.report.record._grid", lambda *_: (None, "not here"))
    rows = [
        ("s0", "a + b", "none", "none", "none", 0.4, 0.1),
        ("s1", "a", "none", "none", "none", 0.3, 0.1),
        ("s2", "b", "none", "b", "a + c", 0.2, 0.1),
        ("s3", "c", "none", "none", "none", 0.2, 0.1),
    ]
    (analysis,) = default_analyses(frame(rows))
    synthesis = brw.run(replace(analysis, term=MODEL.terms), frame(rows))
    content = record(synthesis)
    found = content["missing_levels"]
    parts = [f"beta[component[{name}]]" for name in "abc"]
    assert [each["name"] for each in found["quantities"]] == ["mu", *parts]
    assert found["missing"] == ""
    assert [each["rows"] for each in found["ways"]] == [4, 3, 3]
    assert content["rows"][2]["moderators"] == {
        "parts_t": "b",
        "parts_c": "b",
        "parts_c_unclear": "a + c",
    }


def test_tables_of_arms_take_measures_by_any_name_and_stated_errors(tmp_path: Path) -> None:
    counts = pd.DataFrame(
        {"study": ["1", "1", "2", "2"], "treatment": list("ABAB"), "events": [5, 8, 6, 7], "n": 50}
    )
    for name in ("OR", "odds ratio", "log_odds_ratio"):
        read = brw.open_dataset(counts, measure=name, arms=True, benefit="higher")
        assert read.measure.name == "log_odds_ratio"
        named = counts.rename(columns={"treatment": "arm"})
        assert brw.Evidence.from_arms(named, measure=name).measure.name == "log_odds_ratio"
    means = pd.DataFrame({"study": ["1", "1"], "treatment": ["A", "B"], "m": [1.0, 2.0], "s": 0.2})
    stated = {"mean": "m", "se": "s"}
    read = brw.open_dataset(means, columns=stated, arms=True, benefit="higher")
    np.testing.assert_allclose(read.data["se"], 0.2)
    # A column in which all comparators are none holds words, and no number that nobody reports.
    path = tmp_path / "none.csv"
    path.write_text("study,parts_t,parts_c,effect,se\ns0,a + b,none,0.4,0.1\ns1,a,none,0.3,0.1\n")
    rows = brw.open_dataset(path, measure="log_hazard_ratio", benefit="higher")
    assert rows.data["parts_c"].to_numpy().tolist() == ["none", "none"]


def test_two_fits_keep_what_they_were_asked_last() -> None:
    whole = solve(model("against", None), contrasts())
    every = np.arange(whole.evidence.size)
    fits = [whole, *(one for one in whole.without([every == row for row in range(3)]) if one)]
    asked = [(np.array([0.1, 0.3]),), (np.array([0.1, 0.4]),)]

    def states(values):
        return [
            np.concatenate([own.log for own in one.problem.conditioned(values)]) for one in fits
        ]

    first = [states(values) for values in asked]
    assert [bool(one.problem.known.states) for one in fits] == [False] * (len(fits) - 2) + [
        True
    ] * 2
    # Whatever was kept or forgotten, the same values have the same answer and others another one.
    again = [states(values) for values in asked[::-1]][::-1]
    for old, new in zip(first, again, strict=True):
        assert all(np.array_equal(*each) for each in zip(old, new, strict=True))
    for one, other in zip(*first, strict=True):
        assert np.array_equal(one[0], other[0])
        assert not np.allclose(one[1], other[1])
