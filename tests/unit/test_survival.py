"""Individual times as papers report them: published data sets, brute force, curves read from figures."""

import math
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import approx_fprime, minimize

import bayesrtw as brw
from bayesrtw.errors import EvidenceError
from bayesrtw.evidence.combine import combine
from bayesrtw.evidence.survival import Returned
from bayesrtw.model.return_to_work import ReturnToWork

#: Weeks in remission, relapse, log white cells: Freireich EJ et al. (1963), Blood 21:699-716; white cells as
#: in Kleinbaum DG, Klein M, Survival Analysis, 3rd ed. (2012), chapter 1.
DRUG = [
    (35, 0, 1.45), (34, 0, 1.47), (32, 0, 2.20), (32, 0, 2.53), (25, 0, 1.78), (23, 1, 2.57), (22, 1, 2.32),
    (20, 0, 2.01), (19, 0, 2.05), (17, 0, 2.16), (16, 1, 3.60), (13, 1, 2.88), (11, 0, 2.60), (10, 0, 2.70),
    (10, 1, 2.96), (9, 0, 2.80), (7, 1, 4.43), (6, 0, 3.20), (6, 1, 2.31), (6, 1, 4.06), (6, 1, 3.28),
]  # fmt: skip
PLACEBO = [
    (23, 1, 1.97), (22, 1, 2.73), (17, 1, 2.95), (15, 1, 2.30), (12, 1, 1.50), (12, 1, 3.06), (11, 1, 3.49),
    (11, 1, 2.12), (8, 1, 3.52), (8, 1, 3.05), (8, 1, 2.32), (8, 1, 3.26), (5, 1, 3.49), (5, 1, 3.97),
    (4, 1, 4.36), (4, 1, 2.42), (3, 1, 4.01), (2, 1, 4.91), (2, 1, 4.48), (1, 1, 2.80), (1, 1, 5.00),
]  # fmt: skip
LEUKAEMIA = pd.DataFrame(DRUG + PLACEBO, columns=["week", "relapse", "cells"])
LEUKAEMIA["group"] = ["drug"] * 21 + ["placebo"] * 21
ASKED = {"time": "week", "event": "relapse", "arm": "group", "programme": "placebo"}


def _told(evidence: brw.Evidence, *names: str) -> list[float]:
    return [float(evidence.data[name][0]) for name in names]


def test_leukaemia_is_as_textbooks_print_it() -> None:
    """Cox, ties by Efron, as R's coxph prints; Kaplan-Meier with log-log limits as SAS's lifetest prints."""
    crude = brw.Evidence.from_survival(LEUKAEMIA, **ASKED, days=(6, 12))
    assert _told(crude, "effect", "se") == pytest.approx([1.5721, 0.4124], abs=5e-5)
    adjusted = brw.Evidence.from_survival(LEUKAEMIA, **ASKED, covariates=["cells"])
    assert _told(adjusted, "effect", "se") == pytest.approx([1.3861, 0.4248], abs=5e-5)
    assert adjusted.data["adjusted_for"][0] == "cells"
    assert _told(crude, "median_t", "median_t_low", "median_t_high") == [8.0, 4.0, 11.0]
    assert _told(crude, "median_c", "median_c_low") == [23.0, 13.0]
    assert math.isnan(float(crude.data["median_c_high"][0]))
    still = [1.0 - each for each in _told(crude, "share_c", "share_c_high", "share_c_low")]
    assert still == pytest.approx([0.857, 0.620, 0.952], abs=5e-4)
    # Nobody was lost before week 6; on the drug somebody was before week 12.
    assert _told(crude, "events_t", "events_c", "n_t", "n_c", "at") == [9.0, 3.0, 21.0, 21.0, 6.0]
    assert "events_t_2" not in crude.data


def test_acute_myelogenous_leukaemia_is_as_r_prints_it() -> None:
    """Data set `aml` of R's package survival: coxph(Surv(time, status) ~ x) prints 0.9155 (0.5119)."""
    time = [9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161, 5, 5, 8, 8, 12, 16, 23, 27, 30, 33, 43, 45]
    event = [1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1]
    frame = pd.DataFrame({"time": time, "event": event, "arm": [0] * 11 + [1] * 12})
    found = brw.Evidence.from_survival(frame, time="time", event="event", arm="arm")
    assert _told(found, "effect", "se") == pytest.approx([0.9155, 0.5119], abs=5e-5)
    assert _told(found, "median_t", "median_c") == [23.0, 31.0]


def _efron(beta, x, time, event, strata) -> float:
    """Minus the partial likelihood, ties by Efron, written as its formula."""
    total = 0.0
    for stratum in set(strata):
        inside = strata == stratum
        for day in set(time[inside & (event == 1)]):
            now = inside & (event == 1) & (time == day)
            risk = np.exp(x[inside & (time >= day)] @ beta).sum()
            tied = np.exp(x[now] @ beta).sum()
            total += float((x[now] @ beta).sum())
            total -= sum(math.log(risk - j / now.sum() * tied) for j in range(now.sum()))
    return -total


def _people(seed: int, n: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"arm": rng.integers(0, 2, n), "age": rng.normal(45, 10, n)})
    frame["kind"] = rng.choice(["clinic", "office", "yard"], n)
    rate = np.exp(0.5 * frame["arm"] - 0.03 * frame["age"] + 0.6 * (frame["kind"] == "yard"))
    frame["day"] = np.ceil(40 * rng.exponential(size=n) / rate)
    frame["back"] = (frame["day"] <= 200).astype(int)
    frame["day"] = frame["day"].clip(upper=200)
    frame["centre"] = rng.choice(["A", "B"], n)
    return frame


@pytest.mark.parametrize("strata", [(), ("centre",)])
def test_a_hazard_ratio_maximises_the_partial_likelihood(strata) -> None:
    frame = _people(1)
    found = brw.Evidence.from_survival(
        frame, time="day", event="back", arm="arm", covariates=["age", "kind"], strata=strata
    )
    kinds = [frame["kind"] == each for each in ("office", "yard")]
    columns = [frame["arm"], (frame["age"] - 45) / 10, *kinds]
    x = np.column_stack([each.to_numpy(dtype=float) for each in columns])
    group = frame["centre"].to_numpy() if strata else np.zeros(len(frame))
    told = (x, frame["day"].to_numpy(), frame["back"].to_numpy(), group)
    best = minimize(_efron, np.zeros(4), args=told, method="BFGS", options={"gtol": 1e-8}).x
    steps = 1e-3 * np.eye(4)
    ends = [
        [approx_fprime(best + s * step, _efron, 1e-5, *told) for s in (1, -1)] for step in steps
    ]
    bent = np.array([(up - down) / 2e-3 for up, down in ends])
    sd = math.sqrt(np.linalg.inv(0.5 * (bent + bent.T))[0, 0])
    assert _told(found, "effect", "se") == pytest.approx([best[0], sd], abs=2e-4)


def test_studies_of_one_frame_are_told_one_by_one() -> None:
    both = pd.concat([_people(1).assign(study="A"), _people(2).assign(study="B", kind="yard")])
    asked = {"time": "day", "event": "back", "arm": "arm", "covariates": ["kind"]}
    found = brw.Evidence.from_survival(both, **asked, study="study")
    alone = brw.Evidence.from_survival(_people(1), **asked)
    assert found.data["study"].to_numpy().tolist() == ["A", "B"]
    assert _told(found, "effect", "se") == pytest.approx(_told(alone, "effect", "se"), rel=1e-12)
    # What nobody of a study differs in adjusts nothing there.
    assert found.data["adjusted_for"].to_numpy().tolist() == ["kind", ""]
    assert found.data["adjusted"].to_numpy().tolist() == ["yes", "no"]


def test_a_cohort_enters_as_a_paper_would_and_only_its_hazard_ratio_is_heard() -> None:
    frame, likelihood = _people(3), ReturnToWork()
    found = brw.Evidence.from_survival(
        frame, time="day", event="back", arm="arm", covariates=["age"]
    )
    effect, se = _told(found, "effect", "se")
    paper = brw.Evidence.from_returns(pd.DataFrame([{"study": "A", "effect": effect, "se": se}]))
    assert not likelihood.faults(found)
    theta = np.linspace(-1, 1, 5)
    own, told = (likelihood.observe(each).units[0].log(theta) for each in (found, paper))
    assert own.tolist() == told.tolist()
    (said,) = likelihood.findings(found)
    assert said.check == "adjusted-beside-crude"
    # Crude numbers are there for who leaves the hazard ratio out.
    crude = found.data.drop_vars(["effect", "se"]).to_dataframe().reset_index(drop=True)
    assert likelihood.hears(brw.Evidence.from_returns(crude)).all()


def test_a_cohort_stands_below_studies_under_its_own_name() -> None:
    chosen = {"outcome": ["time_to_rtw"], "design": ["rct"], "role": "primary"}
    trials = brw.currencies.on_one_scale(brw.open_dataset("rtw-trials").select(**chosen))
    own = brw.Evidence.from_survival(
        _people(3).assign(study="Ours"), time="day", event="back", arm="arm", study="study"
    )
    both = combine(trials, own)
    assert both.data["estimate"].to_numpy()[-1] == "Ours"
    assert not ReturnToWork().faults(both)


def test_kaplan_meier_is_a_product_and_its_interval_that_of_the_exponential_formula() -> None:
    rng = np.random.default_rng(5)
    time, event = np.ceil(rng.exponential(30, 80)), rng.integers(0, 2, 80).astype(float)
    found, left, summed = Returned.of(time, event), 1.0, 0.0
    for day in sorted(set(time[(event == 1) & (time <= 25)])):
        n, d = (time >= day).sum(), ((time == day) & (event == 1)).sum()
        left, summed = left * (1 - d / n), summed + d / (n * (n - d))
    z = 1.959963985 * math.sqrt(summed) / abs(math.log(left))
    share, low, high = found.by(25.0)
    assert share == pytest.approx(1 - left, rel=1e-12)
    known = [1 - left ** math.exp(-z), 1 - left ** math.exp(z)]
    assert [low, high] == pytest.approx(known, rel=1e-8)
    assert found.by(0.0)[0] == 0.0
    drug = np.array(DRUG)
    assert math.isnan(Returned.of(drug[:, 0], drug[:, 1]).by(36.0)[0])


def test_half_of_an_even_number_is_back_in_the_middle() -> None:
    assert Returned.of(np.array([1.0, 2.0, 4.0, 8.0]), np.ones(4)).median()[0] == 3.0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"day": -1.0}, "days since the start"),
        ({"day": math.nan}, "every person needs a value"),
        ({"back": 2}, "code return as 1"),
        ({"back": 0.5}, "found other numbers"),
        ({"arm": 2}, "holds 3 arms"),
        ({"age": math.nan}, "'age'"),
    ],
)
def test_people_that_cannot_be_used_are_named(changed, said) -> None:
    frame = _people(1)
    for name, value in changed.items():
        frame[name] = frame[name].astype(float)
        frame.loc[7, name] = value
    with pytest.raises(EvidenceError, match=said) as error:
        brw.Evidence.from_survival(frame, time="day", event="back", arm="arm", covariates=["age"])
    assert "row 8" in str(error.value) or "arms" in said


def test_frames_that_tell_no_hazard_ratio_are_named() -> None:
    frame, asked = _people(1), {"time": "day", "event": "back", "arm": "arm"}

    def refused(own: pd.DataFrame, said: str, **more: object) -> None:
        with pytest.raises(EvidenceError, match=said):
            brw.Evidence.from_survival(own, **(asked | more))

    refused(frame[frame["arm"] == 1], "holds 1 arm")
    refused(frame.assign(arm=frame["kind"].where(frame["kind"] != "yard", "office")), "say which")
    refused(frame, "found programme='x'", programme="x")
    refused(frame.assign(back=0), "nobody with the programme returned")
    refused(frame.assign(back=frame["back"] * frame["arm"]), "nobody without the programme")
    refused(frame.rename(columns={"day": "days"}), "'day' is missing")
    refused(frame.assign(day="soon"), "day must be a number")
    refused(frame.assign(day=pd.to_timedelta(frame["day"], unit="D")), "day must be a number")
    refused(frame, "two purposes", covariates=["arm"])
    refused(frame, "give at most 3", days=(1, 2, 3, 4))
    refused(frame.iloc[:0], "nobody in it")
    refused(frame.assign(same=1 - frame["arm"]), "tell one another", covariates=["same"])
    refused(frame.assign(same=frame["arm"]), "tell one another", strata=["same"])
    yard = frame["kind"] == "yard"
    apart = frame.assign(lost=yard, back=frame["back"] * ~yard)
    refused(apart, "no finite coefficient of 'lost", covariates=["lost"])
    with pytest.raises(EvidenceError, match="give a pandas DataFrame"):
        brw.Evidence.from_survival([1, 2], **asked)


def test_without_statsmodels_it_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "statsmodels.duration.hazard_regression", None)
    with pytest.raises(EvidenceError, match=r"pip install bayesrtw\[survival\]"):
        brw.Evidence.from_survival(_people(1), time="day", event="back", arm="arm")


def _trial(rng: np.random.Generator, ratio: float, n: int) -> pd.DataFrame:
    """Weibull times, some lost, all followed for a year, to a tenth of a day."""
    arm = np.repeat([0, 1], n)
    rate = np.log(2) * ratio**arm
    day = 120 * (rng.exponential(size=2 * n) / rate) ** (1 / 0.8)
    lost = np.minimum(rng.exponential(600, size=2 * n), 365)
    seen = np.ceil(np.minimum(day, lost) * 10) / 10
    return pd.DataFrame({"day": seen, "back": (day <= lost).astype(int), "arm": arm})


def _read_again(people: pd.DataFrame, digits: int, *, risk: bool, events: bool) -> pd.DataFrame:
    """Read both curves to some digits, and give the people that may be behind them."""
    parts = []
    for arm, own in people.groupby("arm"):
        day, back = own["day"].to_numpy(), own["back"].to_numpy(dtype=float)
        curve, under = Returned.of(day, back), np.arange(0.0, 361.0, 60.0)
        told = {"risk_day": under, "at_risk": [(day >= each).sum() for each in under]}
        found = brw.currencies.people_behind(
            np.r_[curve.day, day.max()],
            np.round(np.r_[curve.left, curve.left[-1]], digits),
            people=len(own),
            events=int(back.sum()) if events else None,
            **(told if risk else {}),
        )
        parts.append(found.assign(arm=arm))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    ("risk", "events", "allowed"),
    [(True, True, 0.01), (True, False, 0.01), (False, True, 0.03), (False, False, 0.05)],
)
def test_curves_give_their_hazard_ratio_back(risk, events, allowed) -> None:
    """Mean error of the log hazard ratio, which has a standard error of 0.13 here.

    Its source finds hazard ratios accurate where numbers at risk or all returns are reported, and less so
    without both: a tenth of a standard error, and a fifth to a third, are what it calls so.
    """
    rng, missed = np.random.default_rng(2), []
    for _ in range(6):
        people = _trial(rng, 1.4, 150)
        again = _read_again(people, 3, risk=risk, events=events)
        assert len(again) == len(people)
        own, told = (
            brw.Evidence.from_survival(each, time="day", event="back", arm="arm")
            for each in (people, again)
        )
        missed.append(_told(told, "effect")[0] - _told(own, "effect")[0])
        for name in ("share_t_2", "share_c_2"):
            assert _told(told, name) == pytest.approx(_told(own, name), abs=0.01)
    assert np.mean(np.abs(missed)) < allowed


def test_a_curve_read_exactly_gives_its_medians_exactly() -> None:
    people = _trial(np.random.default_rng(4), 1.3, 120)
    again = _read_again(people, 12, risk=True, events=False)
    for arm in (0, 1):
        own, told = (
            Returned.of(x["day"].to_numpy(), x["back"].to_numpy(dtype=float)).median()[0]
            for x in (people[people["arm"] == arm], again[again["arm"] == arm])
        )
        assert told == own


def test_without_losses_the_people_are_those_that_were_there() -> None:
    day = np.array([3.0, 5.0, 5.0, 8.0, 20.0, 21.0])
    curve = Returned.of(day, np.ones(6))
    found = brw.currencies.people_behind(curve.day, curve.left, people=6)
    assert found["day"].tolist() == day.tolist()
    assert found["back"].tolist() == [1] * 6


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"left": [0.9, 0.95, 0.4]}, "rises from 0.9 to 0.95 at day 20"),
        ({"day": [20, 10, 40]}, "days must ascend"),
        ({"left": [90, 60, 40]}, "divide per cent by 100"),
        ({"left": [0.9, 0.6]}, "one share a day"),
        ({"left": [0.9, math.nan, 0.4]}, "missing"),
        ({"at_risk": [10, 11]}, "grow from 10 to 11"),
        ({"at_risk": [10, 9]}, "the curve leaves at most 6"),
        ({"at_risk": [12, 5]}, "people is 10"),
        ({"at_risk": [10]}, "one a day"),
        ({"at_risk": [10, 4.5]}, "whole numbers"),
        ({"risk_day": [30, 0]}, "ascend from 0"),
        ({"people": 0}, "whole number, 1 or more"),
        ({"events": 11}, "at most all of the 10"),
    ],
)  # fmt: skip
def test_curves_that_cannot_be_are_named(changed, said) -> None:
    told = {"day": [10, 20, 40], "left": [0.9, 0.6, 0.4], "people": 10}
    told |= {"risk_day": [0, 30], "at_risk": [10, 5]}
    with pytest.raises(EvidenceError, match=said):
        brw.currencies.people_behind(**(told | changed))
