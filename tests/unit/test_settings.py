"""Questions at values of moderators: in files, records and pages, from draws, on the command line."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.stats import norm

import bayesrtw as brw
from bayesrtw.analysis.explore import explore
from bayesrtw.analysis.run import run
from bayesrtw.analysis.spec import parse
from bayesrtw.cli import main
from bayesrtw.errors import SpecError
from bayesrtw.living.figures import figures
from bayesrtw.question.predict import expecting
from bayesrtw.report.figures import figures as pictures
from bayesrtw.report.outline import outline
from bayesrtw.report.record import record

TEXT = """
schema = 1
id = "mine"
title = "Mine"
question = "Does it?"
seed = 7

[evidence]
dataset = "mine.csv"
measure = "log_hazard_ratio"

[[term]]
kind = "intercept"
prior = { kind = "normal", sd = 0.5 }

[[term]]
kind = "linear"
column = "year"
prior = { kind = "normal", sd = 0.1 }

[[term]]
kind = "common"

[[estimand]]
name = "pooled"
of = "mu"

[[estimand]]
name = "in 2020"
of = "mu"
at = { year = 2020 }
above = 0.1

[[estimand]]
name = "new setting in 2020"
of = "theta_new"
at = { year = 2020 }
"""
SPREAD = """kind = "exchangeable"
tau = { kind = "half_normal", scale = 0.25 }"""


def frame():
    rng = np.random.default_rng(11)
    return pd.DataFrame(
        {
            "study": [f"s{place}" for place in range(10)],
            "effect": rng.normal(0.2, 0.2, 10).round(3),
            "se": rng.uniform(0.08, 0.2, 10).round(3),
            "year": np.arange(2000.0, 2010.0),
        }
    )


def rows():
    return brw.Evidence.from_frame(frame(), measure="log_hazard_ratio", benefit="higher")


def by_hand(year):
    """Weighted least squares with the priors as rows."""
    data = frame()
    columns = np.column_stack([np.ones(10), data["year"] - data["year"].mean()])
    weight = 1.0 / data["se"].to_numpy() ** 2
    precision = columns.T @ (weight[:, None] * columns) + np.diag([0.5**-2, 0.1**-2])
    covariance = np.linalg.inv(precision)
    at = np.array([1.0, year - data["year"].mean()])
    mean = covariance @ (columns.T @ (weight * data["effect"].to_numpy()))
    return float(at @ mean), float(np.sqrt(at @ covariance @ at))


def test_a_question_of_a_file_at_a_value_is_that_of_least_squares():
    found = run(parse(TEXT, "mine.toml"), rows()).estimates
    mean, sd = by_hand(2020.0)
    for name in ("in 2020", "new setting in 2020"):
        # Studies share one effect: a new setting has no other.
        assert found.loc[name, "mean"] == pytest.approx(mean, abs=1e-9)
        assert found.loc[name, "sd"] == pytest.approx(sd, abs=1e-9)
    assert found.loc["in 2020", "probability"] == pytest.approx(norm.sf(0.1, mean, sd), abs=1e-9)
    assert found.loc["in 2020", "of"] == "mu at year 2020"
    assert found.loc["in 2020", "which"] == "at year 2020"


def test_all_questions_at_values_are_asked_of_one_fit(monkeypatch):
    asked = []

    def counted(*given):
        asked.append(given)
        return expecting(*given)

    monkeypatch.setattr("bayesrtw.analysis.answers.expecting", counted)
    run(parse(TEXT, "mine.toml"), rows())
    assert len(asked) == 1


def test_a_new_setting_there_is_wider_by_the_heterogeneity_and_draws_agree():
    text = TEXT.replace('kind = "common"', SPREAD)
    exact = run(parse(text, "mine.toml"), rows()).estimates
    sampled = run(parse(text + '\n[engine]\nkind = "nuts"\n', "mine.toml"), rows())
    assert exact.loc["new setting in 2020", "sd"] > exact.loc["in 2020", "sd"]
    for name in exact.index:
        one, other = exact.loc[name], sampled.estimates.loc[name]
        # Some 2,000 effective draws at the least.
        assert abs(one["mean"] - other["mean"]) < 4 * one["sd"] / np.sqrt(2000)
        assert other["sd"] == pytest.approx(one["sd"], rel=4 / np.sqrt(2 * 2000))
    errors = figures(sampled)["in 2020"]["error"]
    assert 0 < errors["mean"] < 0.1 * sampled.estimates.loc["in 2020", "sd"]
    table = brw.predict(sampled, at={"year": 2020})
    assert table["mean"].iloc[0] == sampled.estimates.loc["in 2020", "mean"]


def test_record_grid_and_page_hold_it():
    text = TEXT.replace('kind = "common"', SPREAD)
    synthesis = run(parse(text, "mine.toml"), rows())
    grid = explore(synthesis)
    place = [each.name for each in grid.estimands].index("in 2020")
    # Without the first study, under the registered prior: as a fit of the others, at the same centre.
    [left] = [n for n, each in enumerate(grid.left_out) if each.name == "s0"]
    cell = grid.cells[0][left][0]
    model = synthesis.analysis.model
    near = brw.engine.solve(model, rows()).without([np.arange(10) == 0])[0]
    own = brw.predict(near, at={"year": 2020.0}).iloc[0]
    assert cell.answers[place][0] == pytest.approx(own["median"], abs=1e-9)
    content = record(synthesis)
    assert content["estimands"]["in 2020"]["which"] == "at year 2020"
    assert "(at year 2020)" in str(outline(content))
    assert "bubble-year" in pictures(synthesis, content)


def test_what_cannot_be_asked_so_is_said():
    with pytest.raises(
        SpecError, match=r"'in 2020' asks for 'tau' at values of moderators; .*'mu'"
    ):
        parse(TEXT.replace('of = "mu"\nat', 'of = "tau"\nat'), "mine.toml")
    with pytest.raises(SpecError, match=r"mine: estimand 'in 2020' at names 'jahr'.*Choices: year"):
        run(parse(TEXT.replace("at = { year = 2020 }", "at = { jahr = 2020 }"), "m.toml"), rows())


def test_the_command_line_gives_a_table_and_json(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame().to_csv("mine.csv", index=False)
    (tmp_path / "mine.toml").write_text(TEXT)
    base = ["predict", "mine.toml", "--evidence", "mine.csv", "--benefit", "higher"]
    base += ["--measure", "log_hazard_ratio"]
    shown = CliRunner().invoke(main, [*base, "--at", "year=2003, 2020"])
    assert shown.exit_code == 0, shown.output
    assert "mean HR (95 % CrI)" in shown.stdout
    assert "2020" in shown.stdout
    data = json.loads(CliRunner().invoke(main, [*base, "--at", "year=2020", "--json"]).stdout)
    assert data["at"][0]["mean"] == pytest.approx(by_hand(2020.0)[0], abs=1e-9)
    for wrong, said in (("year", "write COLUMN=VALUE"), ("year=soon", "give numbers")):
        failed = CliRunner().invoke(main, [*base, "--at", wrong])
        assert failed.exit_code == 1
        assert said in failed.output
