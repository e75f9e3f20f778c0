"""Choices of forest plots: order, printed intervals, designs, names of several lines."""

import re
from typing import Any

import matplotlib.axes
import pandas as pd
import pytest

import bayesrtw as brw
from bayesrtw.analysis.look import ForestOptions
from bayesrtw.analysis.run import Synthesis
from bayesrtw.analysis.spec import parse
from bayesrtw.errors import SpecError
from bayesrtw.evidence.quality import Judgement, Judgements
from bayesrtw.plot.judgement import numeric_items, sheet_of

LONG = "A consortium of many authors whose name goes on for more than one line of the plot 2012"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    frame = pd.DataFrame(
        {
            "study": ["Lambeek 2010", "B 2020", LONG, "D 1999"],
            "estimate": [1.9, 0.74, 1.31, 1.1],
            "ci_low": [1.2, 0.48, 0.90, 0.7],
            "ci_high": [2.8, 1.16, 1.91, 1.73],
            "reported": "hazard_ratio",
            "year": [2010, 2020, 2012, 1999],
            "country": ["NL", "NO", "DK", ""],
            "design": ["rct", "rct", "cohort", "rct"],
        }
    )
    path = tmp_path_factory.mktemp("own") / "own.csv"
    frame.to_csv(path, index=False)
    return brw.run(brw.open_dataset(path, benefit="higher"))


def words(axes: matplotlib.axes.Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(
    ("order", "first", "last"),
    [
        ("given", "Lambeek 2010", "D 1999"),
        ("year", "D 1999", "B 2020"),
        ("effect", "B 2020", "Lambeek 2010"),
        ("country", "A consortium", "D 1999"),  # who does not say comes last
    ],
)
def test_rows_are_in_the_order_asked_for(
    made: Synthesis, order: str, first: str, last: str
) -> None:
    axes = brw.plot_forest(made, order=order)
    names = ("Lambeek 2010", "B 2020", "A consortium", "D 1999")
    height = {
        name: next(t.get_position()[1] for t in axes.texts if t.get_text().startswith(name))
        for name in names
    }
    assert max(height, key=height.__getitem__) == first
    assert min(height, key=height.__getitem__) == last


def test_by_weight_the_largest_comes_first(made: Synthesis) -> None:
    shown = [w for w in words(brw.plot_forest(made, order="weight")) if re.fullmatch(r"\d+\.\d", w)]
    assert [float(w) for w in shown[:4]] == sorted((float(w) for w in shown[:4]), reverse=True)


def test_intervals_are_as_printed_or_as_modelled(made: Synthesis) -> None:
    assert "1.9 (1.2 to 2.8)" in words(brw.plot_forest(made, as_printed=True))
    # exp(log 1.9 -+ log(2.8 / 1.2) / 2)
    assert "1.90 (1.24 to 2.90)" in words(brw.plot_forest(made))
    with pytest.raises(SpecError, match=r"as_printed shows 95 % intervals, and ci_prob is 0\.9"):
        brw.plot_forest(made, as_printed=True, ci_prob=0.9)


def test_cohorts_are_circles_among_trials(made: Synthesis) -> None:
    axes = brw.plot_forest(made)
    marks = {c.get_gid(): len(c.get_offsets()) for c in axes.collections}
    assert marks["own-estimates"] == 3
    assert marks["own-estimates-not-randomised"] == 1
    assert "own estimate, not randomised" in words(axes)


def test_a_long_name_has_lines_of_its_own_and_loses_no_word(made: Synthesis) -> None:
    said = words(brw.plot_forest(made))
    start = next(place for place, text in enumerate(said) if text.startswith("A consortium"))
    assert " ".join(said[start : start + 3]).startswith(LONG)


def test_a_choice_that_does_not_fit_is_named_with_the_choices(made: Synthesis) -> None:
    with pytest.raises(
        SpecError, match=r"order is 'yeer'; did you mean 'year'\? Choices: .*weight"
    ):
        brw.plot_forest(made, order="yeer")
    with pytest.raises(SpecError, match=r"order is 'year'; .*Choices: effect, given, weight"):
        brw.plot_forest(made.posterior, order="year")


def test_numeric_items_of_an_instrument_are_a_column_and_no_judgement() -> None:
    def row(study: str, domain: str, word: str) -> Judgement:
        return Judgement(study, "own form", "", domain, word, "", "", "")

    rows = Judgements(
        (
            row("A", "concealed", "yes"),
            row("A", "loss to follow-up", "13 %"),
            row("B", "concealed", "no"),
            row("B", "loss to follow-up", "n.a."),
            row("A", "concealment told", "2 of 3 said yes"),
        )
    )
    assert numeric_items(rows) == {"loss to follow-up": {"A": "13 %"}}
    assert sheet_of(rows, None).domains == ("concealed", "concealment told")


TOML = """
id = "looks"
title = "T"
question = "Q"
seed = 1
[evidence]
dataset = "rtw-trials"
measure = "log_hazard_ratio"
[[term]]
kind = "intercept"
prior = { kind = "normal", mean = 0, sd = 0.5 }
[[term]]
kind = "common"
"""


def test_looks_stand_in_an_analysis_and_its_digest_does_not_count_them() -> None:
    plain = parse(TOML, "looks.toml")
    looks = parse(TOML + '[report]\norder = "year"\ncolumns = ["country"]\n', "looks.toml")
    assert looks.report == ForestOptions(order="year", columns=("country",))
    assert looks.digest == plain.digest
    wrong: Any = TOML + '[report]\nordr = "year"\n'
    with pytest.raises(SpecError, match="order"):
        parse(wrong, "looks.toml")
