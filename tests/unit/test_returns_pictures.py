"""Curves of return in pictures: those of studies, drawn given their effects, and those that are stated."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesrtw as brw
from bayesrtw.errors import SpecError
from bayesrtw.evidence.hazards import WeibullReturn, back
from bayesrtw.model.currency import Back, Report, Shape
from bayesrtw.model.drawn_curves import drawn
from bayesrtw.model.return_to_work import ReturnToWork
from bayesrtw.model.returns import Returns
from bayesrtw.plot.returns import describe_returns, own_numbers, plot_returns

WEIBULL = Shape(0.0, (math.log(120.0), 1.0), (math.log(0.8), 0.25))
PEOPLE = np.array([68.0, 66.0])
COUNTED = Back(np.array([91.0, 182.0]), np.array([[20.0, 30.0], [28.0, 40.0]]), PEOPLE)
#: Of one date, where the shape of a curve changes nothing that is told.
ONE_DATE = Back(COUNTED.day[1:], COUNTED.events[:, 1:], PEOPLE)
MEDIANS = tuple(
    Report("quantile", math.log(days), 0.2, 0.5, arm) for days, arm in ((88.0, 1), (140.0, 0))
)


def _by_grid(study: Returns, theta: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and SD of the shares back by two days, summed over medians and shapes."""
    m, s = np.linspace(2.0, 8.0, 1201)[:, None], np.linspace(-1.4, 1.0, 241)
    log = stats.norm.logpdf(m, math.log(120), 1) + stats.norm.logpdf(s, math.log(0.8), 0.25)

    def hazard(day):
        return math.log(2) * (day / np.exp(m)) ** np.exp(s)

    if study.seen is not None:
        for arm, n in enumerate(PEOPLE):
            share = [-np.expm1(-hazard(day) * math.exp(theta * arm)) for day in study.seen.day]
            each = np.diff(np.stack([0 * share[0], *share, 1 + 0 * share[0]]), axis=0)
            people = np.diff(np.r_[0, study.seen.events[arm], n])
            with np.errstate(divide="ignore"):
                log = log + (people[:, None, None] * np.log(each)).sum(axis=0)
    for own in study.numbers:
        log = log + stats.norm.logpdf(own.value, m - theta * own.arm / np.exp(s), own.se)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    shares = [-np.expm1(-hazard(day)) for day in (60.0, 300.0)]
    mean = np.array([(weight * each).sum() for each in shares])
    return mean, np.sqrt([(weight * each**2).sum() for each in shares] - mean**2)  # fmt: skip


@pytest.mark.parametrize(
    ("numbers", "seen"),
    [((), COUNTED), ((), ONE_DATE), (MEDIANS, None)],
    ids=["counts", "one date", "medians"],
)
def test_curves_are_drawn_from_what_a_study_tells_of_them(numbers, seen) -> None:
    """Of 4000 draws the mean has an error of 1.6 % of an SD, and the SD of 1.1 %; four are allowed."""
    study = Returns("x", numbers, seen, PEOPLE, WEIBULL, {})
    if numbers:
        # What medians have in common is left out of the sum.
        together = study.joint
        vars(study)["joint"] = together._replace(whitening=np.diag([1 / 0.2, 1 / 0.2]))
    curve = drawn(study, np.full(4000, 0.3), np.random.default_rng(1))
    shares = np.stack([back(curve, day) for day in (60.0, 300.0)])
    mean, sd = _by_grid(study, 0.3)
    assert np.all(np.abs(shares.mean(axis=1) - mean) < 4 * 0.016 * sd)
    assert shares.std(axis=1) == pytest.approx(sd, rel=0.045)


ROWS = [
    {"study": "A", "hazard_ratio": 1.5, "ci_low": 1.1, "ci_high": 2.05},
    {"study": "B", "events_t": 4000, "n_t": 6600, "events_c": 3000, "n_c": 6800, "at": 100},
    {"study": "C", "median_t": 80, "q1_t": 30, "q3_t": 190, "n_t": 50, "median_c": 400, "n_c": 70},
]
MODEL = brw.Model(
    terms=(brw.Intercept(brw.prior.Normal(0, 0.5)), brw.terms.Common()), likelihood=ReturnToWork()
)


def test_marks_are_the_numbers_of_studies() -> None:
    rows = brw.Evidence.from_returns(pd.DataFrame(ROWS))
    assert own_numbers(rows, "c").tolist() == [[100.0, 3000 / 6800, 6800.0], [400.0, 0.5, 70.0]]
    assert own_numbers(rows, "t")[:, 0].tolist() == [100.0, 80.0, 30.0, 190.0]


def test_marks_of_curves_are_as_large_as_their_intervals_tell() -> None:
    """0.6 of 150 people has a standard error of 0.04; of nobody known are people without an interval."""
    row = {"study": "A", "at": 182, "share_c": 0.6}
    row |= {f"share_c_{end}": 0.6 + sign * 0.0784 for end, sign in (("low", -1), ("high", 1))}
    row |= {f"share_t{end}": row[f"share_c{end}"] for end in ("", "_low", "_high")}
    rows = brw.Evidence.from_returns(pd.DataFrame([row | {"median_c": 150.0, "median_t": 140.0}]))
    marks = own_numbers(rows, "c")
    assert marks[0] == pytest.approx([182.0, 0.6, 150.0], rel=1e-4)
    assert marks[1].tolist() == [150.0, 0.5, 1.0]


def test_curves_go_through_what_many_people_tell() -> None:
    rows = brw.Evidence.from_returns(pd.DataFrame(ROWS[:2]))
    tree = brw.fit(MODEL, rows)
    axes = plot_returns(tree, evidence=rows, horizon=200.0)
    lines = {each.get_gid(): each for each in axes.get_lines()}
    at = int(np.argmin(np.abs(lines["curve-comparison"].get_xdata() - 100.0)))
    known = 100 * np.array([3000 / 6800, 4000 / 6600])
    found = [lines[f"curve-{arm}"].get_ydata()[at] for arm in ("comparison", "programme")]
    assert found == pytest.approx(known, abs=0.6)
    bands = {each.get_gid() for each in axes.collections}
    assert {"band-comparison", "band-programme", "numbers-comparison"} <= bands
    said = describe_returns(tree, evidence=rows, horizon=200.0)
    assert "Back at work by day 100: comparison 44%" in said


def test_what_tells_no_curve_is_refused() -> None:
    rows = brw.Evidence.from_returns(pd.DataFrame(ROWS[:1]))
    with pytest.raises(SpecError, match="every row reports a hazard ratio"):
        plot_returns(brw.fit(MODEL, rows), evidence=rows)
    with pytest.raises(SpecError, match="no draws of study effects"):
        plot_returns(brw.fit(MODEL, rows, engine=brw.Exact(draws=0)), evidence=rows)
    frame = pd.DataFrame({"study": ["A", "B"], "effect": [0.1, 0.2], "se": [0.1, 0.2]})
    own = brw.Evidence.from_frame(frame, measure="log_hazard_ratio")
    with pytest.raises(SpecError, match="hears no curve"):
        plot_returns(brw.fit(brw.Model(terms=MODEL.terms), own), evidence=own)


def test_answers_draw_the_stated_curve() -> None:
    rows = brw.Evidence.from_returns(pd.DataFrame(ROWS))
    norway = brw.currencies.norwegian_cohort()
    told = brw.currencies.answers(
        MODEL, rows, curve=norway, source="Norway", days=(360.0,), horizon=360.0
    )
    axes = told.plot()
    lines = {each.get_gid(): each.get_ydata()[-1] for each in axes.get_lines() if each.get_gid()}
    assert lines["curve-comparison"] == pytest.approx(88.0, abs=1e-9)
    known = told.loc[("mean effect", "back of 1000 at day 360"), "median"]
    assert 10 * lines["curve-programme"] == pytest.approx(known, rel=1e-12)
    # A number of day 400 lies beyond the axis.
    assert "Own numbers of later days: 1." in " ".join(each.get_text() for each in axes.texts)
    assert "comparison 88%, programme" in told.describe("stated_returns")


def test_a_hazard_ratio_that_changes_bends_the_curve_of_the_programme() -> None:
    changing = ReturnToWork(change=60.0, later=math.log(0.5))
    curve = WeibullReturn(100.0, 1.0)
    rate = math.log(2) / 100
    hazard = rate * (60 * 1.5 + 40 * 0.75)
    treated = changing.treated(curve, np.array(math.log(1.5)))
    assert float(back(treated, 100.0)) == pytest.approx(1 - math.exp(-hazard), rel=1e-12)
    assert "0.50 times as large after day 60" in changing.assumed
    rows = brw.Evidence.from_returns(pd.DataFrame(ROWS[:2]))
    model = brw.Model(terms=MODEL.terms, likelihood=changing)
    assert "0.50 times as large" in describe_returns(brw.fit(model, rows), evidence=rows)
