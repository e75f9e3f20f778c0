"""The next trial by its size: the verb, its picture, and the command with what it refuses."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from click.testing import CliRunner

import bayesrtw as brw
from bayesrtw.analysis.conclusion import Rules, classify, sceptical_model
from bayesrtw.analysis.next_trial import next_trial
from bayesrtw.cli import main
from bayesrtw.decision.cost_stakes import Amount, Option, Stakes, TrialCost
from bayesrtw.decision.voi import ahead
from bayesrtw.engine import solve
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.model.levels import MissingLevels
from bayesrtw.model.spec import NEW
from bayesrtw.question.predict import expected_at
from bayesrtw.report.block import Tabular, plain
from bayesrtw.report.figures import figures
from bayesrtw.report.next_trial import SIZES, next_trial_of
from bayesrtw.report.numbers import Printer
from bayesrtw.report.outline import outline
from bayesrtw.report.record import record

FRAME = pd.DataFrame(
    {
        "study": list("abcdef"),
        "effect": [-3.0, -9.0, 2.0, -6.0, -14.0, -1.0],
        "se": [4.0, 5.0, 6.0, 3.0, 7.0, 4.0],
        "kind": ["x", "x", "x", "z", "z", "z"],
        "n": [200, 150, 100, 300, 80, 200],
    }
)
ROWS = brw.Evidence.from_frame(FRAME, measure="mean_difference", benefit="lower", unit="days")
MODEL = brw.Model(
    terms=(
        brw.Intercept(brw.prior.Normal(0, 10)),
        brw.Categorical("kind", prior=brw.prior.Normal(0, 5)),
        brw.Exchangeable(brw.prior.HalfNormal(4.0)),
    )
)
STAKES = Stakes(
    currency="EUR",
    source="a test",
    day=Amount(mean=100.0),
    option=(Option(name="programme", cost=Amount(mean=450.0)),),
    people=5_000.0,
    trial=TrialCost(fixed=1_000.0, person=10.0),
)


def test_sizes_have_the_precision_of_the_rows_and_the_value_of_their_error():
    found = next_trial(MODEL, ROWS, n=[100, 900], stakes=STAKES, chance=0.4)
    unit = np.median(FRAME["se"] * np.sqrt(FRAME["n"]))
    assert found["se"].to_numpy() == pytest.approx(unit / np.sqrt([100, 900]))
    told = ahead(MODEL, ROWS, STAKES, None)
    assert found["person"].to_numpy() == pytest.approx([told.worth(se) for se in found["se"]])
    left = 5_000 * found["person"] - [2_000.0, 10_000.0]
    assert found["net"].to_numpy() == pytest.approx(left.to_numpy())
    same = brw.outlook(MODEL, ROWS, trials=dict(zip(found.index, found["se"], strict=True)))
    for name in ("change", "narrower", "to unclear"):
        assert found[name].to_numpy() == pytest.approx(same[name].to_numpy())
    assert "EUR a person" in found.describe()
    assert "with probability 0.40" in found.describe()
    assert "value less the trial's cost" in found.describe("trial_sizes").lower()


def test_without_amounts_the_class_is_answered_and_the_rest_is_named():
    found = next_trial(MODEL, ROWS, n=[100, 900])
    assert found[["person", "people", "cost", "net"]].isna().all().all()
    assert found["change"].gt(0).all()
    assert "needs the value of a day of work" in found.describe()
    assert "class changes" in found.describe("trial_sizes")


def test_a_trial_elsewhere_tells_less_of_the_mean():
    """At one level of two a trial tells of the mean through what both share: a refit says how much."""
    there = next_trial(MODEL, ROWS, n=[400], at={"kind": "x"}).iloc[0]
    mean = next_trial(MODEL, ROWS, n=[400]).iloc[0]
    assert there["narrower"] < mean["narrower"]
    widths = []
    rng = np.random.default_rng(4)
    now = solve(MODEL, ROWS).posterior.pooled
    new = brw.predict(MODEL, ROWS, at={"kind": "x"})
    draws = rng.normal(new["new_mean"].iloc[0], np.hypot(new["new_sd"].iloc[0], there["se"]), 24)
    for result in draws:
        trial = {"study": "new", "effect": result, "se": there["se"], "kind": "x", "n": 400}
        rows = pd.concat([FRAME, pd.DataFrame([trial])], ignore_index=True)
        later = brw.Evidence.from_frame(
            rows, measure="mean_difference", benefit="lower", unit="days"
        )
        low, high = solve(MODEL, later).posterior.pooled.interval(0.95)
        widths.append(high - low)
    low, high = now.interval(0.95)
    error = 3 * np.std(widths) / np.sqrt(len(widths)) / (high - low)
    assert there["narrower"] == pytest.approx(1 - np.mean(widths) / (high - low), abs=error)


def test_a_trial_elsewhere_is_refused_where_the_posterior_is_not_normal():
    frame = pd.DataFrame(
        {"study": list("abcd"), "events_t": [9, 7, 5, 8], "events_c": [5, 6, 4, 4]}
    )
    frame = frame.assign(n_t=20, n_c=20, kind=["x", "x", "z", "z"])
    columns = {name: name for name in ("events_t", "n_t", "events_c", "n_c")}
    rows = brw.Evidence.from_frame(
        frame, columns=columns, measure="log_odds_ratio", benefit="higher"
    )
    counts = brw.Model(
        terms=(
            brw.Intercept(brw.prior.Normal(0, 1)),
            brw.Categorical("kind", prior=brw.prior.Normal(0, 0.5)),
            brw.Common(),
        ),
        likelihood=brw.likelihood.Hypergeometric(),
    )
    with pytest.raises(EngineRefusal, match="ask for a trial of the average programme"):
        brw.outlook(counts, rows, trials={"it": 0.3}, at={"kind": "x"})
    assert brw.outlook(counts, rows, trials={"it": 0.3}).loc["it", "change"] >= 0


def ran(model, rows, *, sampled=False):
    """Stand for a synthesis: what was fitted with its draws; as if sampled without its nodes."""
    tree = brw.fit(model, rows, seed=3)
    if sampled:
        tree = xr.DataTree.from_dict({"posterior": tree["posterior"].dataset}, name="fit")
    analysis = SimpleNamespace(model=model, conclusion=Rules(sceptical=0.6), decision=None)
    return SimpleNamespace(analysis=analysis, evidence=rows, posterior=tree)


@pytest.mark.slow
def test_a_trial_where_levels_are_missing_moves_the_class_as_refits_with_it_say():
    """4,000 draws: a probability is right to 0.03, one level more among many hardly changing their shares."""
    each = [FRAME.assign(effect=FRAME["effect"] + by) for by in (2.5, 3.5, 4.0)]
    frame = pd.concat(each, ignore_index=True).assign(study=list("abcdefghijklmnopqr"))
    frame.loc[[2, 16], "kind"] = "?"

    def evidence(table):
        return brw.Evidence.from_frame(
            table, measure="mean_difference", benefit="lower", unit="days"
        )

    rows = evidence(frame)
    terms = (
        brw.Intercept(brw.prior.Normal(0, 10)),
        brw.Categorical("kind", prior=brw.prior.Normal(0, 5), missing=MissingLevels(("?",))),
        brw.Exchangeable(brw.prior.HalfNormal(4.0)),
    )
    model = brw.Model(terms=terms)
    with pytest.raises(EngineRefusal, match="give a synthesis, whose draws say it"):
        next_trial(model, rows, n=[400], at={"kind": "x"})
    done = ran(model, rows)
    found = next_trial(done, n=[400], at={"kind": "x"}, chance=0.3).iloc[0]
    assert "4,000 of them" in next_trial(done, n=[400], at={"kind": "x"}).describe()
    new = brw.predict(model, rows, at={"kind": "x"})
    spread = np.hypot(new["new_sd"].iloc[0], found["se"])
    results = new["new_mean"].iloc[0] + spread * np.linspace(-3, 3, 9)
    rules, chances = done.analysis.conclusion, []
    doubting = sceptical_model(model, rules)
    for each in (model, doubting):
        own = []
        for result in results:
            trial = {"study": "new", "effect": result, "se": found["se"], "kind": "x", "n": 400}
            later = evidence(pd.concat([frame, pd.DataFrame([trial])], ignore_index=True))
            own.append(solve(each, later).posterior.pooled.beyond(0.0, above=False))
        chances.append(np.array(own))
    now = classify(rules, solve(model, rows).posterior.pooled.beyond(0.0, above=False))
    fine = np.linspace(results[0], results[-1], 4_001)
    first, second = (np.interp(fine, results, each) for each in chances)
    density = expected_at(solve(model, rows), NEW[model.pooled], {"kind": "x"})
    share = np.exp(
        density.widened(np.full(len(density.weight), found["se"] ** 2)).log_density(fine)
    )
    words = [classify(rules, one, before=now) for one in first]
    best = rules.classes[0]
    words = [
        rules.classes[1] if word == best and two < rules.sceptical else word
        for word, two in zip(words, second, strict=True)
    ]
    moved = float(share @ [word != now for word in words] / share.sum())
    assert 0.05 < moved < 0.95
    assert found["change"] == pytest.approx(moved, abs=0.03)


@pytest.mark.slow
def test_draws_say_of_the_average_trial_nearly_what_nodes_say():
    """As if sampled: 4,000 draws and their weights under the sceptical prior in place of refits."""
    exact = next_trial(MODEL, ROWS, n=[100, 900], rules=Rules(sceptical=0.6))
    drawn = next_trial(ran(MODEL, ROWS, sampled=True), n=[100, 900])
    assert drawn["change"].to_numpy() == pytest.approx(exact["change"].to_numpy(), abs=0.03)
    assert drawn["narrower"].to_numpy() == pytest.approx(exact["narrower"].to_numpy(), abs=0.03)


def test_too_few_draws_under_the_sceptical_prior_are_named():
    with pytest.raises(
        EngineRefusal, match="draws would carry the posterior under the other prior"
    ):
        next_trial(ran(MODEL, ROWS, sampled=True), n=[100], rules=Rules(sceptical_sd=0.1))


def test_a_size_that_is_none_is_named():
    with pytest.raises(SpecError, match="a trial has people, above 0; found 0"):
        next_trial(MODEL, ROWS, n=[0])


TOML = """
schema = 1
id = "try"
title = "Days"
question = "Fewer days?"
seed = 1
[evidence]
dataset = "rtw-trials"
measure = "mean_difference"
[[term]]
kind = "intercept"
prior = { kind = "normal", mean = 0.0, sd = 10.0 }
[[term]]
kind = "common"
"""


@pytest.fixture
def ask(tmp_path):
    rows = FRAME.rename(columns={"effect": "yi", "se": "sei"})
    rows.to_csv(tmp_path / "rows.csv", index=False)

    def call(*more):
        (tmp_path / "try.toml").write_text(TOML, encoding="utf-8")
        given = ["next-trial", str(tmp_path / "try.toml"), "--evidence", str(tmp_path / "rows.csv")]
        told = ["--measure", "mean_difference", "--benefit", "lower"]
        return CliRunner().invoke(main, [*given, *told, "--n", "100,400", *more])

    return call


def test_the_command_answers_the_class_and_says_what_the_rest_needs(ask):
    found = ask("--json")
    assert found.exit_code == 0, found.output
    content = json.loads(found.stdout)
    assert [each["n"] for each in content["trials"]] == [100, 400]
    assert content["trials"][0]["person"] is None
    assert content["knowing"] is None
    assert "needs the value of a day" in content["said"]
    assert "with probability 0.50" in content["said"]
    shown = ask("--chance", "0.9")
    assert shown.exit_code == 0
    assert "P(class changes)" in shown.stdout


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--day", "3"), "--cost, --currency, --source: not given"),
        (("--people", "9"), "--people is given alone"),
        (("--shape", "1"), "--by-day, --shape and --horizon go with --risk"),
        (("--risk", "1.5"), "risk must lie in (0, 1)"),
        (("--at", "kind"), "--at is 'kind'; write COLUMN=VALUE."),
        (("--n", "few"), "--n is 'few'; give numbers with commas"),
        (("--n", "-5"), "a trial has people, above 0"),
        (("--chance", "2"), "chance must lie in (0, 1)"),
        (
            ("--day", "1", "--cost", "1", "--currency", "E", "--source", "s", "--trial-cost", "4"),
            "--trial-cost is '4'",
        ),
    ],
)
def test_the_command_names_what_cannot_be(ask, more, said):
    found = ask(*more)
    assert found.exit_code == 1
    assert said in " ".join(found.stderr.split())
    assert "Traceback" not in found.output


def test_the_command_with_amounts_is_the_verb():
    """Prices of nobody, on the shipped days of sick leave."""
    money = ("--day", "1500", "--cost", "9000", "--currency", "SEK", "--source", "a test")
    command = ["next-trial", "sick-leave-days", "--n", "300", *money, "--people", "1000"]
    found = CliRunner().invoke(main, [*command, "--trial-cost", "5000,100", "--json"])
    assert found.exit_code == 0, found.output
    content = json.loads(found.stdout)
    option = Option(name="the programme", cost=Amount(mean=9_000.0))
    stakes = Stakes(
        currency="SEK",
        source="a test",
        day=Amount(mean=1_500.0),
        option=(option,),
        people=1_000.0,
        trial=TrialCost(fixed=5_000.0, person=100.0),
    )
    synthesis = brw.run(brw.open_analysis("sick-leave-days"))
    same = next_trial(synthesis, n=[300], stakes=stakes).iloc[0]
    assert content["trials"][0]["net"] == pytest.approx(same["net"])
    assert content["trials"][0]["cost"] == 35_000
    assert [each["known"] for each in content["knowing"]][1] == "the effects of all options"
    shown = CliRunner().invoke(main, command)
    assert shown.exit_code == 0
    assert "what it would be worth to know" in shown.stdout
    assert "convenience sample" in " ".join(shown.stdout.split())


def test_a_report_says_what_the_next_trial_is_worth_where_amounts_are_stated():
    synthesis = brw.run(brw.open_analysis("sick-leave-days"))
    assert next_trial_of(synthesis) is None
    decision = replace(synthesis.analysis.decision, stakes=STAKES)
    priced = replace(synthesis, analysis=replace(synthesis.analysis, decision=decision))
    content = record(priced, alternatives=False) | {"next_trial": next_trial_of(priced)}
    found = content["next_trial"]
    same = next_trial(priced, n=SIZES)
    assert [row["net"] for row in found["rows"]] == pytest.approx(same["net"].tolist())
    [section] = [each for each in outline(content).sections if each.id == "next-trial"]
    printer = Printer.of(content)
    tables = [each for each in section.blocks if isinstance(each, Tabular)]
    first = [plain(cell, printer) for cell in tables[0].rows[2]]
    row = found["rows"][2]
    assert first[0] == f"{SIZES[2]}"
    assert first[2] == f"{row['person']:.2f}"
    assert first[-1].replace("−", "-") == f"{row['net']:,.0f}"
    assert plain(tables[1].rows[1][0], printer) == "The effects of all options"
    drawn = figures(priced, content)["trial-sizes"]
    assert drawn.section == "next-trial"
    assert found["said"] == drawn.figure.axes[0].get_label()


def test_a_report_says_why_the_worth_is_not_worked_out():
    synthesis = brw.run(brw.open_analysis("sick-leave-days"))
    odd = replace(STAKES, option=(replace(STAKES.option[0], at={"country": "x"}),))
    decision = replace(synthesis.analysis.decision, stakes=odd)
    priced = replace(synthesis, analysis=replace(synthesis.analysis, decision=decision))
    content = record(priced, alternatives=False) | {"next_trial": next_trial_of(priced)}
    [section] = [each for each in outline(content).sections if each.id == "next-trial"]
    assert "no moderator" in plain(section.blocks[0].text, Printer.of(content))
    assert "trial-sizes" not in figures(priced, content)
